//! Running the Python peers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The root of the repository. This file serves the tests of more than one package.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package.ancestors();
    let root = folders.find(|folder| folder.join("tests/interop/python").is_dir());
    root.unwrap().to_owned()
}

/// The Python with what `requirements.txt` lists.
pub(crate) fn interpreter() -> PathBuf {
    let root = root();
    let python = root.join("target/python/bin/python");
    // The file that `cargo xtask python` writes when everything is installed.
    let stamp = std::fs::read_to_string(root.join("target/python/requirements.txt"));
    let wanted = std::fs::read_to_string(root.join("tests/interop/requirements.txt")).unwrap();
    assert!(
        stamp.is_ok_and(|stamp| stamp == wanted),
        "there is no Python with the packages of tests/interop/requirements.txt; run `cargo xtask \
         python`, which provides it"
    );
    python
}

/// A script of the folder `python`, to be started.
pub(crate) fn command(script: &str, arguments: &[&str]) -> Command {
    let folder = root().join("tests/interop/python");
    let mut command = Command::new(interpreter());
    command
        .arg(folder.join(script))
        .args(arguments)
        // xarray and pydantic warn of what the scripts do on purpose.
        .env("PYTHONWARNINGS", "ignore")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a script of the folder `python`, and returns what it prints.
pub(crate) fn run(script: &str, arguments: &[&str], input: &str) -> String {
    let mut child = command(script, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that failed does not read; its standard error says more than a broken pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{script} {arguments:?}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Runs a script while the caller's tasks go on.
pub(crate) async fn run_beside(script: &'static str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    let script = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(script, &arguments, "")
    });
    script.await.unwrap()
}

/// A script that runs until this is dropped.
pub(crate) struct Server(Child);

/// Starts a script that does not end by itself. What it has to say goes to the standard error.
pub(crate) fn serve(script: &str, arguments: &[&str]) -> Server {
    let child = command(script, arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Server(child.unwrap())
}

impl Server {
    /// Panics if the script has ended.
    pub(crate) fn check(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "the script has ended: {ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails where the script has ended, which the test has noticed then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
