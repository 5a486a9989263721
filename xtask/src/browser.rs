//! The browser of the tests of web pages, and the packages of npm that drive it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps;

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
    install_chromium(&env::var_os("PATH").unwrap_or_default())
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

fn install_chromium(path: &OsStr) -> io::Result<()> {
    if find(path, "chromium").is_some() {
        return Ok(());
    }
    if find(path, "apt-get").is_none() || !is_root() {
        return Err(io::Error::other(
            "there is no `chromium` on the PATH; install the Debian package `chromium`",
        ));
    }
    let install: [&[&str]; 2] = [&["update"], &["install", "--yes", "chromium"]];
    for arguments in install {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        steps::succeed(&mut apt)?;
    }
    Ok(())
}

/// The program of this name in the first folder of `path` that has one.
fn find(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    let output = id.arg("-u").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        env::temp_dir().join(format!("dasf-xtask-{name}-{}", std::process::id()))
    }

    #[test]
    fn packages_of_the_same_lock_file_are_left_alone() {
        let root = folder("packages");
        fs::create_dir_all(root.join(FOLDER)).unwrap();
        fs::create_dir_all(root.join("tests/interop/web")).unwrap();
        fs::write(root.join(LOCK), "{}").unwrap();
        fs::write(root.join(FOLDER).join(STAMP), "{}").unwrap();
        // npm would miss the manifest.
        install_packages(&root).unwrap();
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_browser_that_is_there_is_used_and_one_that_is_missing_is_named() {
        let folder = folder("chromium");
        fs::create_dir_all(&folder).unwrap();
        let error = install_chromium(folder.as_os_str()).unwrap_err();
        assert!(error.to_string().contains("the Debian package `chromium`"));
        fs::write(folder.join("chromium"), "").unwrap();
        install_chromium(folder.as_os_str()).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
