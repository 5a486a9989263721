//! Programs that `cargo install` builds for the project, in `target/tools`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps;

/// A program of the registry, in the version that the project uses.
pub(crate) struct Tool {
    /// The package, whose program has the same name.
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// Further options of `cargo install`.
    pub(crate) options: &'static [&'static str],
}

/// Builds the program unless it is there, and returns its path.
pub(crate) fn provide(root: &Path, tool: &Tool) -> io::Result<PathBuf> {
    // A folder for each version, so that another version is built beside it.
    let folder = root.join(format!("target/tools/{}-{}", tool.package, tool.version));
    let program = folder.join("bin").join(tool.package);
    if program.exists() {
        return Ok(program);
    }
    let mut install = Command::new(steps::cargo());
    install
        .args(["install", tool.package, "--version", tool.version])
        .args(["--locked", "--quiet", "--root"])
        .arg(&folder)
        .args(tool.options);
    steps::succeed(&mut install)?;
    Ok(program)
}
