//! `dasf context`, and the commands that use a context.

use std::process::Command;

use dasf_examples::arithmetic;

use crate::support::{Run, Stage};

/// A command of the program without an address in its environment.
fn without_address(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = stage.command(arguments);
    command.env_remove("DE_BACKEND_WEBSOCKET_URL");
    command
}

fn run(stage: &Stage, arguments: &[&str]) -> Run {
    Run(without_address(stage, arguments).output().unwrap())
}

#[test]
fn a_context_has_the_address_the_topic_and_the_token() {
    let stage = Stage::new(Some("secret"));
    let url = stage.url();
    let file = stage.file("token", "secret\n");
    assert_eq!(
        run(&stage, &["context", "list"]).succeeds(),
        "There is no context.\n"
    );
    let add = [
        "context",
        "add",
        "lab",
        "--websocket-url",
        &url,
        "--token-file",
        &file,
        "-t",
        "x",
    ];
    assert_eq!(run(&stage, &add).succeeds(), "");
    assert_eq!(
        run(&stage, &add).fails(2),
        "there is a context \"lab\"; replace it with --replace"
    );
    let replaced = [&add[..], &["--replace"]].concat();
    assert_eq!(run(&stage, &replaced).succeeds(), "");
    let cluster = [
        "context",
        "add",
        "cluster",
        "--host",
        "pulsar.example.org",
        "--tls",
    ];
    assert_eq!(run(&stage, &cluster).succeeds(), "");

    // A single command uses it.
    let list = run(&stage, &["list", "--context", "lab"]).succeeds();
    assert_eq!(list, "No module listens.\n");
    // All commands use it.
    assert_eq!(run(&stage, &["context", "use", "lab"]).succeeds(), "");
    assert_eq!(run(&stage, &["list"]).succeeds(), "No module listens.\n");
    assert_eq!(
        run(&stage, &["context", "list"]).succeeds(),
        format!(
            "  cluster  wss://pulsar.example.org:8443\n* lab      {url}, topic x, with a login\n"
        )
    );
    let json = run(&stage, &["context", "list", "--json"]).succeeds();
    assert!(!json.contains("secret"), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["name"], "lab");
    assert_eq!(json[1]["is_current"], true);
    assert_eq!(json[0]["has_login"], false);

    assert_eq!(run(&stage, &["context", "use", "--none"]).succeeds(), "");
    assert_eq!(run(&stage, &["context", "remove", "lab"]).succeeds(), "");
    assert_eq!(
        run(&stage, &["context", "use", "lab"]).fails(2),
        "there is no context \"lab\"; the contexts are cluster"
    );
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_the_file_of_contexts() {
    use std::os::unix::fs::PermissionsExt;

    let stage = Stage::new(None);
    let add = ["context", "add", "lab", "--token", "secret", "--host", "h"];
    assert_eq!(run(&stage, &add).succeeds(), "");
    let path = stage.path("dasf/contexts.json");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_token_of_the_current_context_goes_to_its_broker_only() {
    let lab = Stage::new(Some("secret"));
    let add = [
        "context",
        "add",
        "lab",
        "--websocket-url",
        &lab.url(),
        "--token",
        "secret",
    ];
    assert_eq!(run(&lab, &add).succeeds(), "");
    assert_eq!(run(&lab, &["context", "use", "lab"]).succeeds(), "");
    assert_eq!(run(&lab, &["list"]).succeeds(), "No module listens.\n");

    // The command line or the environment names a broker, so the token is not sent.
    let url = lab.url();
    let refused = run(&lab, &["list", "--websocket-url", &url]).fails(1);
    assert!(refused.contains("status 401"), "{refused}");
    let refused = lab.run(&["list"]).fails(1);
    assert!(refused.contains("status 401"), "{refused}");

    // A context that the command line names takes the place of the environment.
    let mut command = without_address(&lab, &["list", "--context", "lab"]);
    command.env("DE_BACKEND_MQTT_URL", "ws://127.0.0.1:1/mqtt");
    command.env("DE_BACKEND_TOKEN", "wrong");
    let list = Run(command.output().unwrap()).succeeds();
    assert_eq!(list, "No module listens.\n");
    let both = run(&lab, &["list", "--context", "lab", "--host", "h"]).fails(2);
    assert_eq!(
        both,
        "--context lab cannot be combined with --host; both name a broker"
    );
    // An option in the environment takes the place of the same option of the current context.
    let mut command = without_address(&lab, &["list"]);
    command.env("DE_BACKEND_TOKEN", "wrong");
    let refused = Run(command.output().unwrap()).fails(1);
    assert!(refused.contains("status 401"), "{refused}");
}

#[test]
fn the_topic_of_the_command_line_takes_the_place_of_that_of_the_context() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let add = [
        "context",
        "add",
        "lab",
        "--websocket-url",
        &stage.url(),
        "-t",
        "nobody",
    ];
    assert_eq!(run(&stage, &add).succeeds(), "");
    let sum = ["call", "--context", "lab", "-t", "arithmetic", "add", "a=1"];
    assert_eq!(run(&stage, &sum).succeeds(), "3\n");
    // Every broker has topics, so the topic of the environment stays.
    let add = ["context", "add", "other", "--websocket-url", &stage.url()];
    assert_eq!(run(&stage, &add).succeeds(), "");
    let mut command = without_address(&stage, &["call", "--context", "other", "add", "a=1"]);
    command.env("DE_BACKEND_TOPIC", "arithmetic");
    assert_eq!(Run(command.output().unwrap()).succeeds(), "3\n");
}

#[test]
fn mistakes_in_a_context_are_reported_when_it_is_added() {
    let stage = Stage::new(None);
    for (options, expected) in [
        (&[][..], "a context needs an option for the connection"),
        (&["--websocket-url", "http://h"], "is not a WebSocket URL"),
        (
            &["--host", "h", "--header", "secret"],
            "--header must be a JSON object",
        ),
        (
            &["--token-file", "/no/such/file"],
            "/no/such/file cannot be read",
        ),
    ] {
        let arguments = [&["context", "add", "lab"][..], options].concat();
        let output = without_address(&stage, &arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let told = run(&stage, &["context", "add", "a b", "--host", "h"]).fails(2);
    assert!(told.contains("a name of a context has"), "{told}");
    let none = run(&stage, &["list", "--context", "lab"]).fails(2);
    assert_eq!(
        none,
        "there is no context \"lab\", and no other; 'dasf context add' adds one"
    );
}
