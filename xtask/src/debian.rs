//! Programs that come as Debian packages.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::steps;

/// Installs a package on this machine, unless `path` has its program already; says what to install
/// where that is not ours to do.
pub(crate) fn provide(path: &OsStr, program: &str, package: &str) -> io::Result<()> {
    if find(path, program).is_some() {
        return Ok(());
    }
    if find(path, "apt-get").is_none() || !is_root() {
        return Err(io::Error::other(format!(
            "there is no `{program}` on the PATH; install the Debian package `{package}`"
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
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_is_there_is_used_and_one_that_is_missing_is_named() {
        let folder = env::temp_dir().join(format!("dasf-xtask-debian-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let error = provide(folder.as_os_str(), "mvn", "maven").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no `mvn` on the PATH; install the Debian package `maven`"
        );
        fs::write(folder.join("mvn"), "").unwrap();
        provide(folder.as_os_str(), "mvn", "maven").unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
