//! A Python script to which a test writes lines, and which answers with lines.

use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};

/// A running script. A drop kills it.
#[derive(Debug)]
pub struct Dialog {
    child: tokio::process::Child,
    input: tokio::process::ChildStdin,
    output: Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Dialog {
    /// Starts a script.
    pub fn start(command: Command) -> Self {
        let mut child = tokio::process::Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            output,
        }
    }

    /// Returns the next line that the script prints. If the script has ended, its standard error in the
    /// output of the test shows why.
    pub async fn hear(&mut self) -> String {
        let line = self.output.next_line().await.unwrap();
        line.unwrap_or_else(|| panic!("the script has ended"))
    }

    /// Writes a line to the script.
    pub async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until the script ends.
    pub async fn end(mut self) {
        assert!(self.child.wait().await.unwrap().success());
    }
}
