//! Installs the Python environment of the tests.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::steps;

/// The packages with their versions.
const REQUIREMENTS: &str = "tests/interop/requirements.txt";
/// The folder of the environment, and a copy of its requirements in it.
const ENVIRONMENT: &str = "target/python";
const STAMP: &str = "requirements.txt";

/// Creates the environment in `target/python`, unless it exists.
pub(crate) fn provide(root: &Path) -> io::Result<()> {
    let requirements = root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)?;
    let environment = root.join(ENVIRONMENT);
    let stamp = environment.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    if environment.exists() {
        fs::remove_dir_all(&environment)?;
    }
    can_make_environments("python3")?;
    steps::succeed(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    steps::succeed(
        Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(&requirements),
    )?;
    // The last step, so an incomplete environment is created again.
    fs::write(stamp, wanted)
}

/// Checks whether Python can create an environment. The error names the packages to install.
fn can_make_environments(python: &str) -> io::Result<()> {
    let mut command = Command::new(python);
    command
        .args(["-c", "import ensurepip, venv"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(io::Error::other(format!(
            "{python} cannot create virtual environments; install the Debian package `python3-venv`"
        ))),
        Err(error) => Err(io::Error::other(format!(
            "cannot start {python}: {error}; install the Debian packages `python3` and \
             `python3-venv`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_missing_packages() {
        let error = can_make_environments("no-such-python").unwrap_err();
        assert!(error.to_string().contains("the Debian packages `python3`"));
        // A program that starts and fails.
        let error = can_make_environments("false").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the Debian package `python3-venv`")
        );
    }

    #[test]
    fn an_environment_of_the_same_requirements_is_left_alone() {
        let root = std::env::temp_dir().join(format!("dasf-xtask-python-{}", std::process::id()));
        let environment = root.join(ENVIRONMENT);
        fs::create_dir_all(&environment).unwrap();
        fs::create_dir_all(root.join("tests/interop")).unwrap();
        fs::write(root.join(REQUIREMENTS), "a==1\n").unwrap();
        fs::write(environment.join(STAMP), "a==1\n").unwrap();
        fs::write(environment.join("kept"), "").unwrap();
        provide(&root).unwrap();
        assert!(environment.join("kept").exists());
        fs::remove_dir_all(root).unwrap();
    }
}
