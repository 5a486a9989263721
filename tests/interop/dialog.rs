//! A Python script with which a test talks.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};

use crate::python::command;

/// A script with which a test talks, line by line.
pub(crate) struct Dialog {
    child: tokio::process::Child,
    input: tokio::process::ChildStdin,
    output: Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Dialog {
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Self {
        let mut child = tokio::process::Command::from(command(script, arguments))
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

    /// The next line that the script prints. What made it end stands in its standard error.
    pub(crate) async fn hear(&mut self) -> String {
        let line = self.output.next_line().await.unwrap();
        line.unwrap_or_else(|| panic!("the script has ended"))
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until the script ends.
    pub(crate) async fn end(mut self) {
        assert!(self.child.wait().await.unwrap().success());
    }
}
