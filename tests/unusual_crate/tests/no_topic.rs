//! The command line of a module whose attribute contains no topic.

// A failing test panics.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Output;

use dasf_test_support::{broker, program};

async fn no_topic(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = program::command(env!("CARGO_BIN_EXE_no_topic"));
    command.args(arguments).envs(variables.iter().copied());
    program::output(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_without_a_topic_names_its_module() {
    let output = no_topic(&[], &["generate", "--lang", "python"]).await;
    assert!(output.status.success(), "{output:?}");
    let client = String::from_utf8(output.stdout).unwrap();
    assert!(client.contains("Source: module no_topic\n"), "{client}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_comes_from_the_environment_or_the_command_line() {
    let broker = broker().await;
    let url = broker.url();
    let url = ("DE_BACKEND_WEBSOCKET_URL", url.as_str());
    let topic = ("DE_BACKEND_TOPIC", "from-env");
    let connected = |topic| format!("connected to {}, topic {topic}\n", url.1).into_bytes();

    let output = no_topic(&[url, topic], &["test-connect"]).await;
    assert_eq!(output.stdout, connected("from-env"), "{output:?}");
    let output = no_topic(&[url, topic], &["-t", "from-line", "test-connect"]).await;
    assert_eq!(output.stdout, connected("from-line"), "{output:?}");

    let output = no_topic(&[url], &["listen"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("--topic NAME") && error.contains("DE_BACKEND_TOPIC"),
        "{error}"
    );
}
