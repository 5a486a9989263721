//! The command line of a module whose attribute contains no topic.

// A failing test panics.
#![allow(missing_docs, clippy::unwrap_used)]

use dasf_test_support::program;

#[test]
fn a_generated_client_without_a_topic_names_its_module() {
    let mut command = program::command(env!("CARGO_BIN_EXE_no_topic"));
    let output = command.args(["generate", "--lang", "python"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let client = String::from_utf8(output.stdout).unwrap();
    assert!(client.contains("Source: module no_topic\n"), "{client}");
}
