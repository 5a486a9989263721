//! Python scripts. `cargo xtask python` installs Python with the packages that they need.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dasf::{CallError, Caller};
use serde_json::json;

use crate::root;

/// Returns the path of a Python with the packages of `tests/interop/requirements.txt`.
pub fn interpreter() -> PathBuf {
    let root = root();
    let python = root.join("target/python/bin/python");
    // `cargo xtask python` writes this file when all packages are installed.
    let stamp = std::fs::read_to_string(root.join("target/python/requirements.txt"));
    let wanted = std::fs::read_to_string(root.join("tests/interop/requirements.txt")).unwrap();
    assert!(
        stamp.is_ok_and(|stamp| stamp == wanted),
        "the packages of tests/interop/requirements.txt are not installed; run `cargo xtask \
         python` first"
    );
    python
}

/// Returns a command that runs a script of the folder `tests/interop/python`.
pub fn command(script: &str, arguments: &[&str]) -> Command {
    let script = root().join("tests/interop/python").join(script);
    let mut command = start();
    command.arg(script).args(arguments);
    command
}

/// Returns a command that runs an installed module with demessaging, which sends a token to its
/// broker.
pub fn module_command(token: Option<&str>, module: &str, arguments: &[&str]) -> Command {
    let mut command = start();
    command.args(["-m", module]).args(arguments);
    with_token(command, token)
}

/// Returns a command of the interpreter.
fn start() -> Command {
    let mut command = Command::new(interpreter());
    command
        // The scripts do on purpose what xarray and pydantic warn of.
        .env("PYTHONWARNINGS", "ignore")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns a command that runs a script with demessaging, which sends a token to its broker.
pub fn command_with_token(token: Option<&str>, script: &str, arguments: &[&str]) -> Command {
    with_token(command(script, arguments), token)
}

fn with_token(mut command: Command, token: Option<&str>) -> Command {
    if let Some(token) = token {
        let header = json!({"authorization": format!("Token {token}")});
        command.env("DE_BACKEND_HEADER", header.to_string());
    }
    command
}

/// Runs a script of the folder `tests/interop/python`, and returns its output.
pub fn run(script: &str, arguments: &[&str], input: &str) -> String {
    output(command(script, arguments), input)
}

/// Runs a command with an input, and returns its output.
fn output(mut command: Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that fails does not read its input. Its standard error shows more than a broken pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Runs a script while the tasks of the test go on.
pub async fn run_beside(script: &str, arguments: &[&str]) -> String {
    output_beside(command(script, arguments)).await
}

/// Runs a command while the tasks of the test go on.
pub async fn output_beside(command: Command) -> String {
    let run = tokio::task::spawn_blocking(move || output(command, ""));
    run.await.unwrap()
}

/// A script that runs until it is dropped.
#[derive(Debug)]
pub struct Server(Child);

/// Starts a command that does not end by itself. The test run shows its standard error.
pub fn serve(mut command: Command) -> Server {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    Server(child.unwrap())
}

impl Server {
    /// Panics if the script has ended.
    pub fn check(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "the script has ended: {ended:?}");
    }
}

/// Waits for a Python module, which takes a while to start and does not report when it listens.
pub async fn until_it_listens(module: &mut Server, caller: &Caller) {
    for _ in 0..60 {
        module.check();
        let ping = tokio::time::timeout(Duration::from_secs(1), caller.ping());
        match ping.await {
            Ok(Err(CallError::NobodyListens { .. })) | Err(_) => {}
            Ok(answer) => return answer.unwrap(),
        }
    }
    panic!("the module does not listen");
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where the script has ended; the test has noticed that.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
