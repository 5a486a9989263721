//! Programs of this workspace, as processes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

/// Returns a command without input, for which no variable `DE_BACKEND_…` is set.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end while the tasks of the test go on.
pub async fn output(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

/// Sends a signal such as `-TERM` to a process.
pub fn signal(process: u32, signal: &str) {
    let process = process.to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
}

/// The process of a module that listens. A drop kills it.
#[derive(Debug)]
pub struct Listening {
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Listening {
    /// Starts a module, and waits until its log contains `listening`.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the module ended");
        }
        // The module would stop at a full pipe.
        let log = std::thread::spawn(move || std::io::read_to_string(log).unwrap());
        Self {
            child,
            log: Some(log),
        }
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, waits for the end, and returns the exit code and the rest of the log.
    pub fn stop(mut self, name: &str) -> (Option<i32>, String) {
        signal(self.id(), name);
        let log = self.log.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Both fail where the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
