//! Installs programs of Debian packages.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::steps;

/// Installs a package on this machine, unless a folder of `path` has its program. Without root or
/// apt, the error names the package to install.
pub(crate) fn provide(path: &OsStr, program: &str, package: &str) -> io::Result<()> {
    if find(path, program).is_some() {
        return Ok(());
    }
    if find(path, "apt-get").is_none() || !is_root() {
        return Err(io::Error::other(format!(
            "`{program}` is not on the PATH; install the Debian package `{package}`"
        )));
    }
    let install: [&[&str]; 2] = [&["update"], &["install", "--yes", package]];
    for arguments in install {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        steps::succeed(&mut apt)?;
    }
    Ok(())
}

/// Returns the program in the first folder of `path` that has it.
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
    use std::fs;

    use super::*;

    #[test]
    fn an_installed_program_is_used_and_a_missing_one_is_named() {
        let folder = env::temp_dir().join(format!("dasf-xtask-debian-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let error = provide(folder.as_os_str(), "mvn", "maven").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`mvn` is not on the PATH; install the Debian package `maven`"
        );
        fs::write(folder.join("mvn"), "").unwrap();
        provide(folder.as_os_str(), "mvn", "maven").unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
