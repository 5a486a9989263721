//! Installs Chromium and npm packages for the tests of web pages.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{debian, steps};

/// The packages with their versions and checksums.
const MANIFEST: &str = "tests/interop/web/package.json";
const LOCK: &str = "tests/interop/web/package-lock.json";
/// The folder of the packages, and a copy of their lock file in it.
const FOLDER: &str = "target/web";
const STAMP: &str = "installed.json";

/// Installs the packages in `target/web`, and Chromium on this machine, unless they are installed.
pub(crate) fn provide(root: &Path) -> io::Result<()> {
    install_packages(root)?;
    let path = env::var_os("PATH").unwrap_or_default();
    debian::provide(&path, "chromium", "chromium")
}

fn install_packages(root: &Path) -> io::Result<()> {
    let wanted = fs::read_to_string(root.join(LOCK))?;
    let folder = root.join(FOLDER);
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    fs::copy(root.join(MANIFEST), folder.join("package.json"))?;
    fs::write(folder.join("package-lock.json"), &wanted)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--engine-strict", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    steps::succeed(&mut npm).map_err(|error| {
        io::Error::other(format!("{error}; install Node.js 20 or later with npm"))
    })?;
    // The last step, so an incomplete installation is repeated.
    fs::write(stamp, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_same_lock_file_are_left_alone() {
        let root = env::temp_dir().join(format!("dasf-xtask-packages-{}", std::process::id()));
        fs::create_dir_all(root.join(FOLDER)).unwrap();
        fs::create_dir_all(root.join("tests/interop/web")).unwrap();
        fs::write(root.join(LOCK), "{}").unwrap();
        fs::write(root.join(FOLDER).join(STAMP), "{}").unwrap();
        // Without the manifest, npm would fail.
        install_packages(&root).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}
