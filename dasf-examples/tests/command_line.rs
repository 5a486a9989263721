//! The command line of a module, as a person or a script sees it: what is printed, and with which
//! exit code.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "command_line/presence.rs"]
mod presence;
#[path = "command_line/quickstart.rs"]
mod quickstart;
#[path = "command_line/service.rs"]
mod service;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use dasf::Caller;
use dasf::client::JobId;
use dasf_broker::Broker;
use dasf_test_support::broker_builder;
use dasf_test_support::program::{self, Listening};
use serde_json::{Value, json};

const REFERENCE: &str = env!("CARGO_BIN_EXE_reference");
/// A port on which nothing listens: it is reserved, and no system hands it out.
const DEAD_URL: &str = "ws://127.0.0.1:1/ws";

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = program::command(program);
    command.args(arguments);
    command
}

fn reference(arguments: &[&str]) -> Output {
    command(REFERENCE, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

/// The one line in which a failure is told.
fn error_line(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(output.stdout, b"", "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("not one line: {text}")
    };
    assert!(!line.contains("panicked"), "{line}");
    line.strip_prefix("error: ").unwrap().to_owned()
}

#[test]
fn a_part_of_a_module_is_all_that_callers_see() {
    let schema = stdout(&reference(&["--members", "Greeter,add", "api-info"]));
    let api: Value = serde_json::from_str(&schema).unwrap();
    let names = |members: &Value| -> Vec<Value> {
        let members = members.as_array().unwrap().iter();
        members.map(|member| member["name"].clone()).collect()
    };
    assert_eq!(names(&api["functions"]), ["add"]);
    assert_eq!(names(&api["classes"]), ["Greeter"]);
    assert_eq!(api["rpc_schema"]["anyOf"].as_array().unwrap().len(), 2);
    let add = ["--members", "add", "compute", "{func_name: add, a: 1}"];
    assert_eq!(stdout(&reference(&add)), "3");
    let echo = ["--members", "add", "compute", "{func_name: echo, text: a}"];
    let error = error_line(&reference(&echo), 2);
    assert!(error.contains("no function \"echo\""), "{error}");
    let mut command = command(REFERENCE, &["schema"]);
    let output = command
        .env("DE_BACKEND_MEMBERS", "add, ad")
        .output()
        .unwrap();
    let error = error_line(&output, 2);
    assert!(
        error.contains("no member \"ad\"; did you mean \"add\"?"),
        "{error}"
    );
}

#[test]
fn help_explains_every_option_and_command() {
    let help = stdout(&reference(&["--help"]));
    for part in [
        "The member to call.",
        "listen",
        "test-connect",
        "schema",
        "api-info",
        "compute",
        "send-request",
        "-t, --topic",
        "--websocket-url",
        "--producer-url",
        "--consumer-url",
        "-H, --host",
        "-p, --port",
        "--persistent",
        "--tenant",
        "--namespace",
        "--header",
        "--token",
        "--mqtt-url",
        "--mqtt-user",
        "--tls",
        "--ca-file",
        "--group",
        "--ack",
        "--receiver-queue-size",
        "--max-deaths",
        "--max-workers",
        "--queue-size",
        "--max-payload-size",
        "--producer-keep-alive",
        "--producer-connection-timeout",
        "--drain-timeout",
        "-d, --description",
        "--debug",
        "--log-level",
        "--log-format",
        "--log-file",
        "DE_BACKEND_",
    ] {
        assert!(help.contains(part), "{part} in {help}");
    }
    assert_eq!(
        stdout(&reference(&["--version"])),
        format!("reference {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn usage_mistakes_are_one_line_and_code_2() {
    for (arguments, expected) in [
        (&[][..], "the command is missing"),
        (&["lisen"][..], "unrecognized subcommand 'lisen'"),
        (
            &["--nonsense", "listen"][..],
            "unexpected argument '--nonsense'",
        ),
        (
            &["--port", "high", "listen"][..],
            "invalid value 'high' for '--port",
        ),
        (&["--max-workers", "0", "listen"][..], "must be at least 1"),
        (
            &[
                "--max-workers",
                "4",
                "--queue_size",
                "3",
                "--websocket-url",
                DEAD_URL,
                "listen",
            ][..],
            "queue_size (3)",
        ),
        (
            &["-t", "a b", "listen"][..],
            "the topic \"a b\" contains a space",
        ),
        (
            &["--websocket-url", "http://localhost", "listen"][..],
            "not a WebSocket URL",
        ),
        (
            &["--header", "x", "listen"][..],
            "--header must be a JSON object",
        ),
        (
            &["--producer-url", DEAD_URL, "listen"][..],
            "--producer-url needs --consumer-url",
        ),
        (
            &[
                "--mqtt-url",
                DEAD_URL,
                "--websocket-url",
                DEAD_URL,
                "listen",
            ][..],
            "--mqtt-url cannot be combined",
        ),
        (&["--log-level", "loud", "listen"][..], "is not a log level"),
        (&["compute"][..], "<REQUEST>"),
        (
            &["compute", "missing.json"][..],
            "neither a JSON or YAML object nor an existing file",
        ),
    ] {
        let line = error_line(&reference(arguments), 2);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn a_dead_address_is_one_line_and_code_1() {
    for command in [
        &["listen"][..],
        &["test-connect"][..],
        &["send-request", "func_name: none"][..],
    ] {
        let arguments = [&["--websocket-url", DEAD_URL], command].concat();
        let line = error_line(&reference(&arguments), 1);
        assert!(
            line.contains("cannot reach a broker at ws://127.0.0.1:1/ws: "),
            "{line}"
        );
        assert!(line.contains("connection refused"), "{line}");
    }
    // Without an address it is the Pulsar's, and the remedy says how to give another.
    let line = error_line(&reference(&["-p", "1", "listen"]), 1);
    assert!(line.contains("a broker at ws://localhost:1: "), "{line}");
}

#[test]
fn documents_are_printed_as_they_are_published() {
    let schema: Value =
        serde_json::from_str(&stdout(&reference(&["-t", "mine", "schema"]))).unwrap();
    assert_eq!(schema["title"], "mine");
    assert_eq!(schema["description"], "The member to call.");
    let indented = stdout(&reference(&["-d", "Other words.", "schema", "-i", "3"]));
    assert!(indented.starts_with("{\n   \"$defs\""), "{indented}");
    let schema: Value = serde_json::from_str(&indented).unwrap();
    assert_eq!(
        (&schema["title"], &schema["description"]),
        (&json!("test-topic"), &json!("Other words."))
    );
    let info: Value = serde_json::from_str(&stdout(&reference(&["api-info"]))).unwrap();
    assert_eq!(info["classes"][0]["name"], "Greeter");
}

#[test]
fn compute_runs_a_request_without_a_broker() {
    assert_eq!(
        stdout(&reference(&["compute", r#"{"func_name": "add", "a": 3}"#])),
        "5"
    );
    assert_eq!(
        stdout(&reference(&[
            "compute",
            "{func_name: echo, data: Grüße 世界}"
        ])),
        r#""Grüße 世界""#
    );
    assert_eq!(stdout(&reference(&["compute", "func_name: none"])), "null");

    let path = std::env::temp_dir().join(format!("dasf-request-{}.yaml", std::process::id()));
    std::fs::write(
        &path,
        "class_name: Greeter\nfunction:\n  func_name: twice\n  name: Ada\n",
    )
    .unwrap();
    let from_file = reference(&["compute", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(stdout(&from_file), r#"["Hi Ada","Hi Ada"]"#);

    let mut child = command(REFERENCE, &["compute", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"func_name": "add", "a": 1}"#)
        .unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "3");

    let slow = reference(&["compute", "{func_name: slow, n: 1}"]);
    assert_eq!(stdout(&slow), r#""done""#);
    assert!(
        String::from_utf8_lossy(&slow.stderr).contains("100 % working"),
        "{slow:?}"
    );
    let silent = reference(&["compute", "--no-progress", "{func_name: slow, n: 1}"]);
    assert_eq!(stdout(&silent), r#""done""#);
    assert_eq!(silent.stderr, b"", "{silent:?}");
}

/// Runs a program with a text on its standard input.
fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = command(REFERENCE, arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_request_is_read_from_whatever_can_be_read() {
    let request = br#"{"func_name": "add", "a": 1}"#;
    assert_eq!(stdout(&run_with_input(&["compute", "-"], request)), "3");
    #[cfg(unix)]
    {
        let device = run_with_input(&["compute", "/dev/stdin"], request);
        assert_eq!(stdout(&device), "3");
        let path = std::env::temp_dir().join(format!("dasf-pipe-{}", std::process::id()));
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = command(REFERENCE, &["compute", path.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::fs::write(&path, request).unwrap();
        assert_eq!(stdout(&reader.wait_with_output().unwrap()), "3");
        std::fs::remove_file(&path).unwrap();
    }
    let folder = std::env::temp_dir();
    let folder = folder.to_str().unwrap();
    assert_eq!(
        error_line(&reference(&["compute", folder]), 1),
        format!("{folder} cannot be read: it is a directory, not a file")
    );

    let mark = b"\xef\xbb\xbf";
    let marked = run_with_input(&["compute", "-"], &[&mark[..], request].concat());
    assert_eq!(stdout(&marked), "3");
    let yaml = run_with_input(&["compute", "-"], b"\xef\xbb\xbffunc_name: add\na: 1\n");
    assert_eq!(stdout(&yaml), "3");
    let inline = reference(&["compute", "\u{feff}{func_name: add, a: 1}"]);
    assert_eq!(stdout(&inline), "3");
    let utf16: Vec<u8> = "\u{feff}{}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        error_line(&run_with_input(&["compute", "-"], &utf16), 1),
        "standard input cannot be read: it is encoded as UTF-16; save it as UTF-8"
    );
}

#[test]
fn words_of_yaml_are_what_the_schema_wants() {
    for (request, result) in [
        ("{func_name: echo, data: no}", r#""no""#),
        ("{func_name: echo, data: true}", r#""true""#),
        ("{func_name: echo, data: 007}", r#""007""#),
        ("{func_name: echo, data: 1_000}", r#""1_000""#),
        ("{func_name: echo, data: ~}", r#""~""#),
        ("{func_name: add, a: 007}", "9"),
        ("{func_name: add, a: 0x10}", "18"),
        (
            "{func_name: area, points: [], scale: null}",
            r#"{"n":0.0,"s":1.0}"#,
        ),
        (
            "{class_name: Greeter, greeting: on, function: {func_name: greet, name: 1.50}}",
            r#""on 1.50""#,
        ),
    ] {
        assert_eq!(
            stdout(&reference(&["compute", request])),
            result,
            "{request}"
        );
    }
    for (request, problem) in [
        (
            "{func_name: add, a: 0b11}",
            r#"add: a: "0b11" is not of type "integer""#,
        ),
        (
            "{func_name: add, a: no}",
            r#"add: a: "no" is not of type "integer""#,
        ),
        (
            "{func_name: echo, data: }",
            r#"echo: data: null is not of type "string""#,
        ),
    ] {
        let line = error_line(&reference(&["compute", request]), 2);
        assert_eq!(line, format!("validating: {problem}"));
    }
    let line = error_line(&reference(&["compute", "{func_name: sqrt, a: .inf}"]), 2);
    assert!(
        line.contains("the request cannot be written as JSON: JSON has no number .inf"),
        "{line}"
    );
}

#[test]
fn invalid_requests_are_rejected_before_anything_is_sent() {
    for (request, problem) in [
        (
            "{func_name: add, a: 1, bb: 3}",
            "add has no argument \"bb\"; did you mean \"b\"?",
        ),
        (
            r#"{"class_name": "Greeter", "greting": "Yo", "function": {"func_name": "greet", "name": "A"}}"#,
            "Greeter has no argument \"greting\"; did you mean \"greeting\"?",
        ),
        (
            "{func_name: ad, a: 1}",
            "the module has no function \"ad\"; did you mean \"add\"?",
        ),
        (
            "{func_name: sqrt, a: -1}",
            "validating: sqrt: a: -1 is less than or equal to the minimum of 0",
        ),
    ] {
        for command in [
            &["compute"][..],
            // No module listens, and there is no broker.
            &["--websocket-url", DEAD_URL, "send-request"],
        ] {
            let line = error_line(&reference(&[command, &[request]].concat()), 2);
            assert_eq!(line, problem);
        }
    }
}

#[test]
fn a_client_is_written_and_checked() {
    let generate = ["-t", "mine", "generate", "--lang"];
    for (lang, comment) in [("rust", "//"), ("python", "#"), ("typescript", "//")] {
        let source = stdout(&reference(&[&generate[..], &[lang]].concat()));
        assert!(
            source.starts_with(&format!("{comment} A client of the DASF module `mine`.")),
            "{source}"
        );
        assert!(source.contains("Source: topic mine\n"), "{source}");
        let name = format!("dasf-client-{}-{lang}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = path.to_str().unwrap();
        let check = |topic: &str| {
            let arguments = [
                "-t", topic, "generate", "--lang", lang, "-o", file, "--check",
            ];
            reference(&arguments)
        };
        let line = error_line(&check("mine"), 1);
        assert!(
            line.starts_with(&format!("{file} does not exist; ")),
            "{line}"
        );
        let written = reference(&[&generate[..], &[lang, "-o", file]].concat());
        assert_eq!(stdout(&written), "");
        let equal = check("mine");
        let other = check("other");
        let content = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(content.trim_end(), source);
        assert_eq!(stdout(&equal), "");
        let line = error_line(&other, 1);
        assert!(
            line.starts_with(&format!("{file} is not current: line 1 differs; ")),
            "{line}"
        );
    }
    // Without a topic, the attribute's is the one.
    let source = stdout(&reference(&["generate", "--lang", "python"]));
    assert!(source.contains("Source: topic test-topic\n"), "{source}");
}

#[test]
fn a_failed_request_is_one_line_and_code_1() {
    let line = error_line(&reference(&["compute", "{func_name: fail, msg: boom}"]), 1);
    assert_eq!(line, "executing: boom");
}

/// A broker, and the runtime in which it runs.
fn broker(token: Option<&str>) -> (tokio::runtime::Runtime, Broker) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut builder = broker_builder();
    if let Some(token) = token {
        builder = builder.token(token);
    }
    let broker = runtime.block_on(builder.start()).unwrap();
    (runtime, broker)
}

/// A test that runs with `nohup` ignores SIGHUP, and so do its children. So `env` decides.
#[cfg(target_os = "linux")]
#[test]
fn a_module_stops_when_its_terminal_closes_unless_it_runs_with_nohup() {
    let (_runtime, broker) = broker(None);
    let url = broker.url();
    let arguments = ["-t", "demo", "--websocket-url", &url];
    let listen = |hang_up: &str| {
        let module = command(REFERENCE, &[&arguments[..], &["listen"]].concat());
        let mut env = program::command("env");
        env.arg(hang_up)
            .arg(module.get_program())
            .args(module.get_args());
        Listening::start(env)
    };
    let (code, log) = listen("--default-signal=HUP").stop("-HUP");
    assert_eq!(code, Some(0), "{log}");

    let module = listen("--ignore-signal=HUP");
    program::signal(module.id(), "-HUP");
    let request = ["send-request", "{func_name: add, a: 1, b: 41}"];
    let sent = reference(&[&arguments[..], &request].concat());
    assert_eq!(stdout(&sent), "42");
    let (code, log) = module.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_module_listens_answers_and_stops_with_code_0() {
    let (_runtime, broker) = broker(None);
    let url = broker.url();
    for signal in ["-TERM", "-INT"] {
        let module = Listening::start(command(
            REFERENCE,
            &["-t", "demo", "--websocket-url", &url, "listen"],
        ));
        let sent = |request: &str| {
            reference(&[
                "-t",
                "demo",
                "--websocket-url",
                &url,
                "send-request",
                request,
            ])
        };
        assert_eq!(stdout(&sent("{func_name: add, a: 1, b: 41}")), "42");
        assert_eq!(
            error_line(&sent("{func_name: fail, msg: boom}"), 1),
            "executing: boom"
        );
        let connected = reference(&["-t", "demo", "--websocket-url", &url, "test-connect"]);
        assert_eq!(
            stdout(&connected),
            format!("connected to {url}, topic demo")
        );

        // A call that runs when the signal comes is still answered.
        let caller = command(
            REFERENCE,
            &[
                "-t",
                "demo",
                "--websocket-url",
                &url,
                "send-request",
                "{func_name: slow, n: 10}",
            ],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
        let mut caller = caller.unwrap();
        let mut progress = BufReader::new(caller.stderr.take().unwrap());
        let mut line = String::new();
        progress.read_line(&mut line).unwrap();
        assert!(line.contains("working"), "{line}");
        let (code, log) = module.stop(signal);
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(stdout(&caller.wait_with_output().unwrap()), r#""done""#);
    }
}

#[test]
fn a_request_becomes_a_job() {
    let (runtime, broker) = broker(None);
    let url = broker.url();
    let run = |arguments: &[&str]| {
        let connection = ["-t", "jobs", "--websocket-url", &url];
        command(REFERENCE, &[&connection[..], arguments].concat())
    };
    // No module listens yet. The request waits at the broker.
    let submit = ["send-request", "--submit", "{func_name: add, a: 1, b: 41}"];
    let submitted = run(&submit).output().unwrap();
    let id: JobId = stdout(&submitted).parse().unwrap();
    assert_eq!(id.topic().as_str(), "jobs");

    let module = Listening::start(run(&["listen"]));
    let result = runtime.block_on(async {
        let client = Caller::builder("jobs").websocket(&url).connect().await;
        let job = client.unwrap().attach::<i64>(&id).unwrap();
        job.result().await
    });
    assert_eq!(result, Ok(42));
    assert_eq!(module.stop("-TERM").0, Some(0));

    let both = ["send-request", "--submit", "--no-progress", "{}"];
    let line = error_line(&run(&both).output().unwrap(), 2);
    assert!(
        line.contains("cannot be used with '--no-progress'"),
        "{line}"
    );
}

#[test]
fn options_come_from_the_environment_too() {
    let (_runtime, broker) = broker(Some("secret"));
    let url = broker.url();
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        command(REFERENCE, arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    let variables = [
        ("DE_BACKEND_WEBSOCKET_URL", url.as_str()),
        ("DE_BACKEND_TOPIC", "from-env"),
    ];
    let line = error_line(&run(&variables, &["test-connect"]), 1);
    assert!(
        line.contains("status 401") && line.contains("--token"),
        "{line}"
    );

    // The environment takes precedence over the attribute.
    let with_token = [variables.as_slice(), &[("DE_BACKEND_TOKEN", "secret")]].concat();
    assert_eq!(
        stdout(&run(&with_token, &["test-connect"])),
        format!("connected to {url}, topic from-env")
    );
    let line = stdout(&run(&with_token, &["-t", "from-line", "test-connect"]));
    assert_eq!(line, format!("connected to {url}, topic from-line"));
    let header = [("DE_BACKEND_HEADER", r#"{"authorization": "Bearer secret"}"#)];
    let with_header = [variables.as_slice(), &header].concat();
    assert!(run(&with_header, &["test-connect"]).status.success());

    // A line break at the end belongs to the file, and not to the value. A line break inside is a
    // mistake.
    let with_breaks = [
        ("DE_BACKEND_WEBSOCKET_URL", format!("{url}\n")),
        ("DE_BACKEND_TOPIC", "from-env\r\n".to_owned()),
        ("DE_BACKEND_TOKEN", "secret\n".to_owned()),
        ("DE_BACKEND_TLS", "0\n".to_owned()),
        ("DE_BACKEND_PORT", "\n".to_owned()),
    ];
    let with_breaks = with_breaks
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    assert_eq!(
        stdout(&run(&with_breaks, &["test-connect"])),
        format!("connected to {url}, topic from-env")
    );
    let broken = [variables.as_slice(), &[("DE_BACKEND_TOKEN", "sec\nret")]].concat();
    assert_eq!(
        error_line(&run(&broken, &["test-connect"]), 2),
        "the value of --token (DE_BACKEND_TOKEN) is not valid: it contains a line break; use a \
         single line; see --help"
    );

    // Set and empty is not set.
    let empty = [
        "DE_BACKEND_PORT",
        "DE_BACKEND_HEADER",
        "DE_BACKEND_LOG_FILE",
        "DE_BACKEND_PRODUCER_URL",
    ];
    let with_empty = [with_token.as_slice(), &empty.map(|name| (name, ""))].concat();
    assert!(run(&with_empty, &["test-connect"]).status.success());

    let schema = command(REFERENCE, &["schema"])
        .env("DE_BACKEND_TOPIC", "from-env")
        .env("DE_BACKEND_DESCRIPTION", "From the environment.")
        .output()
        .unwrap();
    let schema: Value = serde_json::from_str(&stdout(&schema)).unwrap();
    assert_eq!(schema["title"], "from-env");
    assert_eq!(schema["description"], "From the environment.");
}

#[test]
fn a_switch_in_the_environment_is_read_in_one_way() {
    let connect = |name: &str, value: &str, arguments: &[&str]| {
        let arguments = [arguments, &["-H", "127.0.0.1", "test-connect"]].concat();
        command(REFERENCE, &arguments)
            .env(name, value)
            .output()
            .unwrap()
    };
    for value in ["1", "true", "TRUE", "yes", "on\n", "Y"] {
        let line = error_line(&connect("DE_BACKEND_TLS", value, &[]), 1);
        assert!(line.contains("wss://127.0.0.1:8443: "), "{value:?}: {line}");
    }
    for value in ["0\n", "false", "No", "off", ""] {
        let line = error_line(&connect("DE_BACKEND_TLS", value, &["-p", "1"]), 1);
        assert!(line.contains(" ws://127.0.0.1:1: "), "{value:?}: {line}");
    }
    for name in ["DE_BACKEND_TLS", "DE_BACKEND_DEBUG"] {
        let line = error_line(&connect(name, "maybe", &["-p", "1"]), 2);
        assert!(
            line.starts_with("the value \"maybe\" of --") && line.contains(name),
            "{line}"
        );
    }
}

#[test]
fn a_module_logs_to_a_file_and_not_its_token() {
    let (_runtime, broker) = broker(Some("secret-token"));
    let path = std::env::temp_dir().join(format!("dasf-log-{}.txt", std::process::id()));
    let file = path.to_str().unwrap();
    let url = broker.url();
    let arguments = [
        "--websocket-url",
        &url,
        "--token",
        "secret-token",
        "--log-level",
        "trace",
        "--log-file",
        file,
        "listen",
    ];
    let mut child = command(REFERENCE, &arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    let logged = loop {
        let logged = std::fs::read_to_string(&path).unwrap_or_default();
        if logged.contains("listening") {
            break logged;
        }
        assert!(Instant::now() < patience, "nothing logged");
        std::thread::sleep(Duration::from_millis(5));
    };
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(!logged.contains("secret-token"), "{logged}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
