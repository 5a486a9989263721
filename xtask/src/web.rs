//! Builds the page of the gateway, and tests its parts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps;

const FOLDER: &str = "dasf-gateway/web";
/// A copy of the lock file beside the packages that it names.
const STAMP: &str = "node_modules/.installed.json";

/// Builds `dist`, which is committed: nobody needs Node.js to build the gateway.
pub(crate) fn build(root: &Path) -> io::Result<()> {
    let folder = install(root)?;
    steps::succeed(npm(&folder).args(["run", "build"]))
}

/// Checks the types of the page, tests its parts, and checks that `dist` belongs to the sources.
pub(crate) fn test(root: &Path) -> io::Result<()> {
    let folder = install(root)?;
    steps::succeed(npm(&folder).args(["test"]))
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder);
    npm
}

/// Installs the packages unless they are installed.
fn install(root: &Path) -> io::Result<PathBuf> {
    let folder = root.join(FOLDER);
    let wanted = fs::read_to_string(folder.join("package-lock.json"))?;
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(folder);
    }
    let mut npm = npm(&folder);
    // No package runs a program of its own.
    npm.args([
        "ci",
        "--engine-strict",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]);
    steps::succeed(&mut npm).map_err(|error| {
        io::Error::other(format!("{error}; install Node.js 20.19 or later with npm"))
    })?;
    // The last step, so an incomplete installation is repeated.
    fs::write(stamp, wanted)?;
    Ok(folder)
}
