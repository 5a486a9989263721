//! The commands of a module whose integers need more than 64 bits.

// A failing test panics.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use dasf_test_support::broker;
use dasf_test_support::program::{self, Listening};

/// The factorial of 30.
const FACTORIAL: &str = "265252859812191058636308480000000";

fn digits(arguments: &[&str]) -> Command {
    let mut command = program::command(env!("CARGO_BIN_EXE_digits"));
    command.args(arguments);
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

#[test]
fn send_request_prints_all_digits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(broker());
    let url = broker.url();
    let _module = Listening::start(digits(&["--websocket-url", &url, "listen"]));
    for (request, result) in requests() {
        let arguments = ["--websocket-url", &url, "send-request", request];
        assert_eq!(printed(&arguments), result);
    }
}
