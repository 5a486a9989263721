//! The commands of a module whose results have more digits than 64 bits hold.

// A failing test panics.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use dasf_broker::Broker;

/// The factorial of 30.
const FACTORIAL: &str = "265252859812191058636308480000000";

fn digits(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_digits"));
    command.args(arguments).stdin(Stdio::null());
    // The environment of the test run must not count.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
        command.env_remove(name);
    }
    command
}

/// The output of a command.
fn printed(arguments: &[&str]) -> String {
    let output = digits(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The requests, with their results.
fn requests() -> [(&'static str, String); 4] {
    [
        (
            "{func_name: sum, numbers: [265252859812191058636308480000000], start: 1}",
            "265252859812191058636308480000001\n".to_owned(),
        ),
        (
            r#"{"func_name": "sum", "numbers": [], "start": 265252859812191058636308480000000}"#,
            format!("{FACTORIAL}\n"),
        ),
        ("{func_name: factorial, n: 30}", format!("{FACTORIAL}\n")),
        (
            "{func_name: factorials, numbers: [2, 30]}",
            format!("{{\"2\":[-2,[2]],\"30\":[-{FACTORIAL},[{FACTORIAL}]]}}\n"),
        ),
    ]
}

#[test]
fn compute_prints_all_digits() {
    for (request, result) in requests() {
        assert_eq!(printed(&["compute", request]), result);
    }
}

/// A module that listens, as a process; it is killed with this value.
struct Listening(Child);

impl Drop for Listening {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn send_request_prints_all_digits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = Broker::builder().bind(([127, 0, 0, 1], 0).into()).start();
    let broker = runtime.block_on(start).unwrap();
    let url = broker.url();
    let mut command = digits(&["--websocket-url", &url, "listen"]);
    let mut module = Listening(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(module.0.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("listening")));
    for (request, result) in requests() {
        let arguments = ["--websocket-url", &url, "send-request", request];
        assert_eq!(printed(&arguments), result);
    }
}
