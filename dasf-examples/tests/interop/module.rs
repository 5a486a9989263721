//! Modules that run in processes of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The command line of a program of this package, without what the tests' own surroundings say.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// The process of a module, until this is dropped.
pub(crate) struct Module(Child);

impl Module {
    /// Starts one with the options of a command line, and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        command.arg("listen").stderr(Stdio::piped());
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let listens = |line: std::io::Result<String>| line.unwrap().contains("listening");
            assert!(lines.by_ref().any(listens), "the module ended");
            // Read on, so that it never waits for a reader of its log.
            std::thread::spawn(move || lines.for_each(drop));
            Self(child)
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Module {
    /// With `SIGKILL`.
    fn drop(&mut self) {
        // It fails where the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
