//! The browser of the tests of web pages, and the packages of npm that drive it.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{debian, steps};

/// The packages, each with its version and its checksum.
const MANIFEST: &str = "tests/interop/web/package.json";
const LOCK: &str = "tests/interop/web/package-lock.json";
/// Where they are installed, and in it the lock file that they were installed from.
const FOLDER: &str = "target/web";
const STAMP: &str = "installed.json";

/// Installs the packages in `target/web`, and Chromium on this machine, unless they are there
/// already.
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
        io::Error::other(format!("{error}; Node.js 20 or later and its npm do this"))
    })?;
    // Last, so that an installation that is not complete is made again.
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
        // npm would miss the manifest.
        install_packages(&root).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}
