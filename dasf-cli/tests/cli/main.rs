//! The command `dasf`, as a person or a script sees it: its output and its exit codes.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod activity;
mod completions;
mod contexts;
mod doctor;
mod jobs;
mod new;
mod proxy;
mod scripted_modules;
mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use dasf_examples::{arithmetic, reference};
use dasf_test_support::slow_module::{noted, slow};
use serde_json::{Value, json};

use support::{Run, Stage};

/// A reserved port, on which nothing listens.
const DEAD_URL: &str = "ws://127.0.0.1:1/ws";

/// A module with a function for the users of a group.
#[dasf::module(main = false, topic = "station")]
mod station {
    /// Stop all motors.
    #[dasf::function(allow_groups = ["operators"])]
    pub(super) fn stop() {}
}

/// A module whose results are tables.
#[dasf::module(main = false, topic = "tables")]
mod tables {
    /// A place.
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct Place {
        name: String,
        depth: Option<f64>,
    }

    /// Places, one of them without a depth.
    #[dasf::function]
    pub(super) fn places() -> Vec<Place> {
        let place = |name: &str, depth| Place {
            name: name.to_owned(),
            depth,
        };
        vec![place("Elbe, \"low\"", Some(1.5)), place("Oder", None)]
    }

    /// The beginning of a NetCDF file.
    #[dasf::function]
    pub(super) fn netcdf() -> dasf::Base64 {
        b"CDF\x01\0\0\0\0".to_vec().into()
    }

    /// A text.
    #[dasf::function]
    pub(super) fn text() -> String {
        "line\n".to_owned()
    }
}

/// A stage with two modules, each on a topic with its name.
fn stage() -> Stage {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    stage.serve(reference::module().unwrap(), "reference");
    stage
}

#[test]
fn help_has_examples() {
    let stage = Stage::new(None);
    let help = stage.run(&["--help"]).succeeds();
    for part in ["DE_BACKEND_", "-t, --topic"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    for command in [
        "ping",
        "list",
        "api",
        "call",
        "shell",
        "submit",
        "jobs",
        "status",
        "wait",
        "result",
        "cancel",
        "forget",
        "new",
        "doctor",
        "generate",
        "completions",
        "man",
        "top",
        "watch",
        "bench",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} in {help}"
        );
        let help = stage.run(&[command, "--help"]).succeeds();
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        assert!(examples.contains(&format!("dasf {command} ")), "{help}");
    }
    let short = stage.run(&["call", "-h"]).succeeds();
    assert!(
        short.contains("--topic") && !short.contains("Examples:"),
        "{short}"
    );
    let version = stage.run(&["--version"]).succeeds();
    assert_eq!(version, format!("dasf {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_function_for_a_group_is_shown_and_refused_in_words() {
    let stage = Stage::new(None);
    stage.serve(station::module().unwrap(), "station");
    for command in [
        &["api", "-t", "station"][..],
        &["api", "-t", "station", "stop"],
    ] {
        let page = stage.run(command).succeeds();
        assert!(page.contains("Stop all motors."), "{page}");
    }
    let page = stage.run(&["api", "-t", "station", "stop"]).succeeds();
    let sentence = "Only users in the group operators may call it.";
    assert!(page.contains(sentence), "{page}");
    assert_eq!(
        stage.run(&["call", "-t", "station", "stop"]).fails(1),
        "not allowed: stop: only users in the group operators may call it, and the broker does not name its users; \
         serve the module over a dasf-broker that does, with `--config FILE`"
    );
}

#[test]
fn a_script_for_the_shell_ends_at_the_first_error() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let shell = ["shell", "-t", "arithmetic"];
    let lines = "add a=1\n\n {\"func_name\": \"add\", \"a\": 5}\nexit\nadd a=9\n";
    let printed = stage.run_with_input(&shell, lines).succeeds();
    assert_eq!(printed, "3\n7\n");
    let name = "Greeter.greet name=Ada\n";
    let raw = stage.run_with_input(&[&shell[..], &["--raw"]].concat(), name);
    assert_eq!(raw.succeeds(), "Hi Ada\n");
    for (lines, code, problem) in [
        ("sqrt a=-1\nadd a=1\n", 2, "validating: sqrt: a: -1 is"),
        (
            "add a=[1\nadd a=1\n",
            2,
            "a quote, bracket or brace has no end",
        ),
        (
            "add a=@-\n",
            2,
            "standard input has the lines of the shell; write NAME=@FILE",
        ),
        (
            "help ad\n",
            2,
            "the module has no function \"ad\"; did you mean \"add\"?",
        ),
        ("{\"a\": 1}\n", 2, "the request has no func_name; "),
    ] {
        let error = stage.run_with_input(&shell, lines).fails(code);
        assert!(error.starts_with(problem), "{error}");
    }
}

#[test]
fn usage_mistakes_are_one_line_and_code_2() {
    let stage = Stage::new(None);
    for (arguments, expected) in [
        (
            &[][..],
            "the command is missing; use, for example, ping; --help lists all commands",
        ),
        (&["cal"][..], "unrecognized subcommand 'cal'"),
        (
            &["ping"][..],
            "the topic is missing; set it with --topic NAME or DE_BACKEND_TOPIC",
        ),
        (
            &["api", "-t", "a b"][..],
            "the topic \"a b\" contains a space",
        ),
        (&["api", "-t", "a", "-i", "2"][..], "--indent needs --json"),
        (&["list", "-i", "2"][..], "--indent needs --json"),
        (&["jobs", "-i", "2"][..], "--indent needs --json"),
        (
            &["api", "-t", "a", "--json", "add"][..],
            "cannot be used with",
        ),
        (&["call", "-t", "a"][..], "<FUNCTION>"),
        (
            &["call", "-t", "a", "add", "1"][..],
            "the argument \"1\" has no value; write NAME=VALUE",
        ),
        (
            &["call", "-t", "a", "add", "--json", "[]"][..],
            "--json must be a JSON object",
        ),
        (&["generate", "-t", "a"][..], "--lang <LANGUAGE>"),
        (
            &["generate", "-t", "a", "--lang", "cobol"][..],
            "use rust, python or typescript",
        ),
        (
            &["generate", "-t", "a", "--lang", "rust", "--check"][..],
            "--output <FILE>",
        ),
        (&["ping", "-t", "a", "-n", "0"][..], "invalid value '0'"),
    ] {
        let line = stage.run(arguments).fails(2);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn without_a_broker_or_a_module_all_commands_fail() {
    let stage = Stage::new(None);
    for command in [
        &["ping"][..],
        &["api"],
        &["api", "--json"],
        &["call", "add", "--timeout", "2"],
        &["generate", "--lang", "rust"],
    ] {
        let to_dead = [command, &["-t", "nobody", "--websocket-url", DEAD_URL]].concat();
        let line = stage.run(&to_dead).fails(1);
        assert!(
            line.starts_with("cannot reach a broker at ws://127.0.0.1:1/ws: ")
                && line.ends_with("; check the address, or start the broker"),
            "{line}"
        );
        let to_nobody = [command, &["-t", "nobody"]].concat();
        assert_eq!(
            stage.run(&to_nobody).fails(1),
            "no module listens on topic nobody; start one with 'listen' or check the topic"
        );
        assert_eq!(
            stage.run_by_pulsar(&to_nobody).fails(1),
            "no module answers on topic nobody within 2 s; start one with 'listen' or check the topic"
        );
    }
}

#[test]
fn commands_that_wait_for_a_module_warn_once() {
    let stage = Stage::new(None);
    for command in [
        &["ping", "-n", "2"][..],
        &["api"],
        &["call", "add", "a=1"],
        &["generate", "--lang", "rust"],
    ] {
        let arguments = [command, &["-t", "nobody", "--timeout", "3"]].concat();
        let Run(output) = stage.run_by_pulsar(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "warning: no module answers on topic nobody; waiting up to 3 s for one\n\
             error: no module answered on topic nobody within 3 s; start one with 'listen' or check \
             the topic\n"
        );
    }
}

#[test]
fn the_embedded_broker_lists_modules() {
    let stage = Stage::new(None);
    assert_eq!(stage.run(&["list"]).succeeds(), "No module listens.\n");
    stage.serve(arithmetic::module().unwrap(), "sums");
    stage.serve(arithmetic::module().unwrap(), "more-sums");
    let list = |arguments: &[&str]| {
        let arguments = [&["list"], arguments].concat();
        [stage.run(&arguments), stage.run_by_pulsar(&arguments)].map(Run::succeeds)
    };
    let process = std::process::id();
    let version = env!("CARGO_PKG_VERSION");
    for text in list(&[]) {
        let lines: Vec<_> = text.lines().collect();
        assert_eq!([lines[0], lines[2]], ["more-sums", "sums"]);
        for line in [lines[1], lines[3]] {
            let line = line
                .strip_prefix(&format!("  arithmetic {version} on "))
                .unwrap();
            assert!(
                line.contains(&format!(", process {process}, since 20")),
                "{line}"
            );
        }
    }
    for text in list(&["sums", "nobody", "--json"]) {
        let listed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        for (key, expected) in [
            ("topic", json!("sums")),
            ("name", json!("arithmetic")),
            ("version", json!(version)),
            ("process", json!(process)),
            ("waiting", json!(0)),
        ] {
            assert_eq!(listed[0][key], expected, "{key}");
        }
    }
    let stage = Stage::new(Some("secret"));
    let refused = stage.run(&["list"]).fails(1);
    assert!(refused.contains("with status 401"), "{refused}");
    let list = stage.run(&["list", "--token", "secret"]);
    assert_eq!(list.succeeds(), "No module listens.\n");
}

#[test]
fn ping_prints_the_response_time() {
    let stage = stage();
    // The environment can set the topic.
    let mut command = stage.command(&["ping"]);
    command.env("DE_BACKEND_TOPIC", "arithmetic");
    let line = Run(command.output().unwrap()).succeeds();
    assert_eq!(without_numbers(&line), "arithmetic answers in # ms\n");
    let lines = stage
        .run(&["ping", "-t", "arithmetic", "-n", "2"])
        .succeeds();
    assert_eq!(
        without_numbers(&lines),
        "arithmetic answers in # ms\narithmetic answers in # ms\n\
         # of # answered: minimum # ms, mean # ms, maximum # ms\n"
    );
    let silence = stage.run(&["ping", "-t", "nobody", "-n", "2", "--timeout", "1"]);
    let text = String::from_utf8(silence.0.stdout.clone()).unwrap();
    assert_eq!(text, "nobody does not answer\nnobody does not answer\n");
    assert_eq!(silence.0.status.code(), Some(1));
}

/// A text with `#` in place of each number.
fn without_numbers(text: &str) -> String {
    let mut result = String::new();
    for symbol in text.chars() {
        match symbol {
            '0'..='9' | '.' if result.ends_with('#') => {}
            '0'..='9' => result.push('#'),
            symbol => result.push(symbol),
        }
    }
    result
}

#[test]
fn api_shows_everything_in_brief() {
    assert_eq!(
        stage().run(&["api", "-t", "arithmetic"]).succeeds(),
        "\
arithmetic
  Simple arithmetic, served over a message broker.

Functions
  add(a: integer, b: integer = 2) -> integer
      Add two numbers.
  sqrt(a: number) -> number
      The square root of a positive number.
  count(n: integer) -> integer
      Count slowly, and report the progress.

Classes
  Greeter(greeting: string = \"Hi\")
      Greets people.
    .greet(name: string) -> string
        Greet someone.

For details: dasf api -t arithmetic add
"
    );
}

#[test]
fn api_shows_one_in_detail() {
    let stage = stage();
    let detail = |topic: &str, name: &str| stage.run(&["api", "-t", topic, name]).succeeds();
    assert_eq!(
        detail("reference", "area"),
        "\
area(points: Point[], scale: number | null = null) -> {string: number}

Area of points

Arguments
  points: Point[]
  scale: number | null = null

Result
  {string: number}

Types
  Point
      A point.
    x: number
    y: number = 0.0

Usage
  dasf call -t reference area points=VALUE [scale=VALUE]
"
    );
    assert_eq!(
        detail("arithmetic", "count"),
        "\
count(n: integer) -> integer

Count slowly, and report the progress.

Sends progress reports.

Arguments
  n: integer
      The number to count to
      at least 0

Result
  integer
      The number reached
      at least 0

Usage
  dasf call -t arithmetic count n=VALUE
"
    );
    assert_eq!(
        detail("arithmetic", "Greeter"),
        "\
Greeter(greeting: string = \"Hi\")

Greets people.

Arguments
  greeting: string = \"Hi\"
      How to greet

Methods
  .greet(name: string) -> string
      Greet someone.
"
    );
    assert_eq!(
        detail("arithmetic", "Greeter.greet"),
        "\
Greeter.greet(name: string) -> string

Greet someone.

Arguments
  name: string

Result
  string

Usage
  dasf call -t arithmetic Greeter.greet name=VALUE [--new greeting=VALUE]
"
    );
    assert_eq!(
        stage.run(&["api", "-t", "reference", "greter"]).fails(2),
        "the module has no function or class \"greter\"; did you mean \"Greeter\"?"
    );
}

#[test]
fn api_prints_the_document_itself() {
    let stage = stage();
    let module = reference::module().unwrap();
    let document = serde_json::to_value(module.api_info("reference")).unwrap();
    let printed = stage.run(&["api", "-t", "reference", "--json"]).succeeds();
    assert_eq!(printed, document.to_string() + "\n");
    let indented = stage.run(&["api", "-t", "reference", "--json", "-i", "1"]);
    let indented = indented.succeeds();
    assert!(indented.starts_with("{\n \"classes\": ["), "{indented}");
    assert_eq!(serde_json::from_str::<Value>(&indented).unwrap(), document);
}

#[test]
fn a_call_prints_its_result() {
    let stage = stage();
    for (arguments, result) in [
        (&["add", "a=1"][..], "3"),
        (&["add", "a=1", "b=-5"], "-4"),
        (&["add", "--json", r#"{"a": 2}"#], "4"),
        (&["hello", "name=Ada", "lang=de"], r#""Hallo Ada""#),
        (&["hello", "name=Ada", "--raw"], "Hello Ada"),
        (&["echo", "data=123"], r#""123""#),
        (&["echo", "data=true", "-r"], "true"),
        (&["echo", r#"data="@home""#, "-r"], "@home"),
        (&["echo", "data=a=b \u{e4}"], "\"a=b \u{e4}\""),
        (
            &["area", r#"points=[{"x": 1}]"#, "scale=2"],
            r#"{"n":1.0,"s":2.0}"#,
        ),
        (
            &["area", "points=[]", "-i", "2"],
            "{\n  \"n\": 0.0,\n  \"s\": 1.0\n}",
        ),
        (
            &["when", "t=2020-02-28T12:00:00Z", "-r"],
            "2020-02-29T12:00:00Z",
        ),
        (&["none"], "null"),
        (&["none", "--raw"], "null"),
        (&["Greeter.greet", "name=Ada"], r#""Hi Ada""#),
        (
            &["Greeter.greet", "name=Ada", "--new", "greeting=Yo"],
            r#""Yo Ada""#,
        ),
        (
            &["Greeter.twice", "--json", r#"{"name": "A", "times": 1}"#],
            r#"["Hi A"]"#,
        ),
    ] {
        let arguments = [&["call", "-t", "reference"], arguments].concat();
        let printed = stage.run(&arguments).succeeds();
        assert_eq!(printed, format!("{result}\n"), "{arguments:?}");
    }
}

#[test]
fn values_come_from_files_and_standard_input() {
    let stage = stage();
    let file = stage.file("points.json", r#"[{"x": 1}, {"x": 2}]"#);
    let points = format!("points=@{file}");
    let area = stage.run(&["call", "-t", "reference", "area", &points]);
    assert_eq!(area.succeeds(), "{\"n\":2.0,\"s\":1.0}\n");
    let file = stage.file("arguments.json", r#"{"a": 40}"#);
    let add = ["call", "-t", "reference", "add", "--json"];
    let from_file = stage.run(&[&add[..], &[&format!("@{file}")]].concat());
    assert_eq!(from_file.succeeds(), "42\n");

    let from_stdin = stage.run_with_input(&[&add[..], &["-"]].concat(), r#"{"a": 1}"#);
    assert_eq!(from_stdin.succeeds(), "3\n");
    let echo = ["call", "-t", "reference", "echo", "data=@-"];
    let text = stage.run_with_input(&echo, "two\nlines\n");
    assert_eq!(text.succeeds(), "\"two\\nlines\\n\"\n");
    let twice = [&echo[..], &["--new", "x=@-"]].concat();
    assert_eq!(
        stage.run_with_input(&twice, "").fails(2),
        "standard input can be read for one value only"
    );
    let missing = stage.run(&["call", "-t", "reference", "echo", "data=@/no/such/file"]);
    assert!(missing.fails(1).starts_with("/no/such/file cannot be read"));
}

#[test]
fn a_byte_order_mark_is_always_skipped() {
    let stage = stage();
    let mark = "\u{feff}";
    let points = stage.file("points.json", &format!("{mark}[{{\"x\": 1}}]"));
    let area = ["call", "-t", "reference", "area"];
    let echo = ["call", "-t", "reference", "echo"];
    let input = format!("{mark}{{\"points\": [{{\"x\": 1}}]}}");
    let arguments = stage.file("arguments.json", &input);
    let text = stage.file("text.txt", &format!("{mark}text"));
    let inline = format!("points={mark}[{{\"x\": 1}}]");
    for (command, input, printed) in [
        (
            vec![&*format!("points=@{points}")],
            "",
            r#"{"n":1.0,"s":1.0}"#,
        ),
        (vec![&*inline], "", r#"{"n":1.0,"s":1.0}"#),
        (
            vec!["points=@-"],
            &*format!("{mark}[]"),
            r#"{"n":0.0,"s":1.0}"#,
        ),
        (
            vec!["--json", &*format!("@{arguments}")],
            "",
            r#"{"n":1.0,"s":1.0}"#,
        ),
        (vec!["--json", "-"], &*input, r#"{"n":1.0,"s":1.0}"#),
        (vec!["--json", &*input], "", r#"{"n":1.0,"s":1.0}"#),
    ] {
        let run = stage.run_with_input(&[&area[..], &command].concat(), input);
        assert_eq!(run.succeeds(), format!("{printed}\n"), "{command:?}");
    }
    let echoed = stage.run(&[&echo[..], &[&format!("data=@{text}")]].concat());
    assert_eq!(echoed.succeeds(), "\"text\"\n");

    let document = stage.run(&["api", "-t", "reference", "--json"]).succeeds();
    let document = stage.file("marked.api.json", &format!("{mark}{document}"));
    let generate = ["generate", "--api-info", &document, "--lang", "python"];
    let source = stage.run(&generate).succeeds();
    let client = stage.file("client.py", &format!("{mark}{source}"));
    let check = [&generate[..], &["-o", &client, "--check"]].concat();
    assert_eq!(stage.run(&check).succeeds(), "");

    // The error names the other encoding.
    let units: Vec<u8> = "\u{feff}[]"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let path = stage.path("utf16.json");
    std::fs::write(&path, units).unwrap();
    let expected = format!("{path} cannot be read: it is encoded as UTF-16; save it as UTF-8");
    let points = format!("points=@{path}");
    for command in [
        [&area[..], &[&points]].concat(),
        [&area[..], &["--json", &format!("@{path}")]].concat(),
        vec!["generate", "--api-info", &path, "--lang", "rust"],
    ] {
        assert_eq!(stage.run(&command).fails(1), expected);
    }
}

#[cfg(unix)]
#[test]
fn devices_are_read_as_files() {
    let stage = stage();
    let add = ["call", "-t", "reference", "add", "--json"];
    let device = stage.run_with_input(&[&add[..], &["@/dev/stdin"]].concat(), r#"{"a": 40}"#);
    assert_eq!(device.succeeds(), "42\n");
    let line = stage.run(&[&add[..], &["@/"]].concat()).fails(1);
    assert_eq!(line, "/ cannot be read: it is a directory, not a file");
}

#[test]
fn invalid_requests_are_reported_in_the_words_of_the_module() {
    let stage = stage();
    for (arguments, problem) in [
        (&["add"][..], "add: a: is required"),
        (
            &["sqrt", "a=-1"],
            "sqrt: a: -1 is less than or equal to the minimum of 0",
        ),
        (
            &["add", "a=one"],
            "add: a: \"one\" is not of type \"integer\"",
        ),
        (
            &["area", r#"points=[{"x": "a"}, {"y": 3}]"#],
            "area: points[0].x: \"a\" is not of type \"number\"; points[1].x: is required",
        ),
        (
            &["Greeter.greet"],
            "Greeter.greet: function.name: is required",
        ),
    ] {
        let told = stage.run(&[&["call", "-t", "reference"], arguments].concat());
        assert_eq!(told.fails(2), format!("validating: {problem}"));
    }
    // Only the module checks formats.
    let told = stage
        .run(&["call", "-t", "reference", "when", "t=noon"])
        .fails(1);
    assert!(told.starts_with("validating: when: t: "), "{told}");
    let told = stage.run(&["call", "-t", "reference", "fail", "msg=two\nlines"]);
    assert_eq!(told.fails(1), "executing: two; lines");
}

#[test]
fn unknown_names_are_usage_mistakes() {
    let stage = stage();
    for (arguments, problem) in [
        (
            &["ad"][..],
            "the module has no function \"ad\"; did you mean \"add\"?",
        ),
        (
            &["Greeter"],
            "Greeter is a class; call one of its methods: Greeter.greet, Greeter.twice",
        ),
        (
            &["add", "c=1"],
            "add has no argument \"c\"; its arguments are a, b",
        ),
        (
            &["Greeter.greet", "greeting=Yo"],
            "Greeter.greet has no argument \"greeting\"; the constructor of Greeter has it; put --new \
             before it",
        ),
    ] {
        let told = stage.run(&[&["call", "-t", "reference"], arguments].concat());
        assert_eq!(told.fails(2), problem);
    }
}

#[test]
fn progress_is_shown_on_standard_error() {
    let stage = stage();
    let count = ["call", "-t", "arithmetic", "count", "n=2"];
    let Run(output) = stage.run(&count);
    assert_eq!(output.stdout, b"2\n");
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains(" 50 % count: at 2\n"), "{shown}");
    assert!(shown.ends_with("100 % count\n"), "{shown}");
    let silent = stage.run(&[&count[..], &["--no-progress"]].concat());
    assert_eq!(silent.succeeds(), "2\n");
}

#[test]
fn a_large_result_arrives_and_a_reader_may_go_away() {
    let stage = stage();
    let large = "0123456789".repeat(200_000);
    let file = stage.file("large.txt", &large);
    let data = format!("data=@{file}");
    let echo = ["call", "-t", "reference", "echo", &data, "--raw"];
    let printed = stage.run(&echo).succeeds();
    // `assert_eq` would print both.
    assert!(printed.trim_end() == large);

    let mut child = stage
        .command(&echo)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let stage = stage();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = stage.command(&["call", "-t", "reference", "add", "a=1"]);
    let output = command.stdout(full.unwrap()).output().unwrap();
    let line = Run(output).fails(1);
    assert!(
        line.starts_with("standard output cannot be written: "),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_call() {
    let stage = stage();
    let mut child = stage
        .command(&["call", "-t", "arithmetic", "count", "n=1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("count"), "{line}");
    dasf_test_support::program::signal(child.id(), "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stdout, b"");
    let mut rest = String::new();
    progress.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("error"), "{rest}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_cancels_the_call_in_the_module() {
    let stage = Stage::new(None);
    stage.serve(slow::module().unwrap(), "slow");
    let mut child = stage
        .command(&["call", "-t", "slow", "wait", "name=cli"])
        .spawn()
        .unwrap();
    stage.runtime.block_on(noted("cli begun"));
    dasf_test_support::program::signal(child.id(), "-INT");
    stage.runtime.block_on(noted("cli dropped"));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_token_is_needed_where_the_broker_asks_for_one() {
    let stage = Stage::new(Some("secret"));
    let ping = ["ping", "-t", "nobody", "--timeout", "1"];
    let line = stage.run(&ping).fails(1);
    assert!(
        line.contains("status 401") && line.contains("log in with --token TOKEN"),
        "{line}"
    );
    let line = stage
        .run(&[&ping[..], &["--token", "wrong"]].concat())
        .fails(1);
    assert!(
        line.ends_with(
            "; check the login, which the broker does not accept: it may be wrong or expired"
        ),
        "{line}"
    );
    let line = stage
        .run(&[&ping[..], &["--token", "secret"]].concat())
        .fails(1);
    assert!(
        line.starts_with("no module listens on topic nobody; "),
        "{line}"
    );
}

#[test]
fn a_client_is_written_and_checked() {
    let stage = stage();
    let document = stage.run(&["api", "-t", "reference", "--json"]).succeeds();
    let document = stage.file("reference.api.json", &document);
    for (lang, begin) in [("rust", "//"), ("python", "#"), ("typescript", "//")] {
        let generate = ["generate", "-t", "reference", "--lang", lang];
        let source = stage.run(&generate).succeeds();
        assert!(source.starts_with(begin), "{source}");
        assert!(source.contains("Source: topic reference\n"), "{source}");
        // A file gives the same client, except the line with the origin. It needs no topic.
        let from_file = stage.run(&["generate", "--api-info", &document, "--lang", lang]);
        let from_file = from_file.succeeds();
        assert_eq!(
            from_file.replace("Source: reference.api.json", "Source: topic reference"),
            source
        );

        let path = stage.path(&format!("client-{lang}"));
        let to_file = [&generate[..], &["-o", &path]].concat();
        let check = [&to_file[..], &["--check"]].concat();
        assert_eq!(
            stage.run(&check).fails(1),
            format!("{path} does not exist; run the same command without --check to write it")
        );
        assert_eq!(stage.run(&to_file).succeeds(), "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), source);
        assert_eq!(stage.run(&check).succeeds(), "");
        std::fs::write(&path, source.replacen('\n', "\nmore\n", 1)).unwrap();
        assert_eq!(
            stage.run(&check).fails(1),
            format!(
                "{path} is not current: line 2 differs; run the same command without --check to \
                 write it"
            )
        );
        // An equal file is not written again, even if it has other line endings.
        assert_eq!(stage.run(&to_file).succeeds(), "");
        let with_returns = source.replace('\n', "\r\n");
        std::fs::write(&path, &with_returns).unwrap();
        assert_eq!(stage.run(&check).succeeds(), "");
        assert_eq!(stage.run(&to_file).succeeds(), "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), with_returns);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        drop(file);
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(stage.run(&to_file).succeeds(), "");
        let after = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(before, after);
    }
    let no_json = stage.file("client.txt", "text");
    let line = stage.run(&["generate", "--api-info", &no_json, "--lang", "rust"]);
    assert!(line.fails(1).contains("client.txt is not JSON: "));
    let other = stage.run_with_input(
        &["generate", "--api-info", "-", "--lang", "rust"],
        &json!({"functions": []}).to_string(),
    );
    let line = other.fails(1);
    assert!(
        line.ends_with("check that this is the API description of a module"),
        "{line}"
    );
}

#[test]
fn values_are_yaml_where_a_text_is_not_accepted() {
    let stage = stage();
    let file = stage.file("points.yaml", "- x: 1\n- x: 2\n");
    let from_file = format!("points=@{file}");
    for points in [
        "points=[{x: 1}, {x: 2}]",
        "points=[{\"x\": 1}, {\"x\": 2}]",
        &from_file,
    ] {
        let area = ["call", "-t", "reference", "area", points, "scale=0.5"];
        assert_eq!(stage.run(&area).succeeds(), "{\"n\":2.0,\"s\":0.5}\n");
    }
    // A text that is accepted stays as it is.
    let greeting = [
        "call",
        "-t",
        "arithmetic",
        "Greeter.greet",
        "name={a: 1}",
        "--raw",
    ];
    assert_eq!(stage.run(&greeting).succeeds(), "Hi {a: 1}\n");
    let area = ["call", "-t", "reference", "area", "points={x: 1"];
    let told = stage.run(&area).fails(2);
    assert!(
        told.contains("points: \"{x: 1\" is not of type \"array\""),
        "{told}"
    );
}

#[test]
fn each_command_has_a_manual_page() {
    let stage = Stage::new(None);
    let folder = stage.path("man1");
    let told = stage.run(&["man", &folder]).succeeds();
    let page = std::fs::read_to_string(format!("{folder}/dasf-call.1")).unwrap();
    for part in [
        ".TH dasf-call 1",
        "Call a function or a method",
        "\\-\\-topic",
        "Examples:",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let pages = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(told, format!("{pages} pages are in {folder}\n"));
    for page in [
        "dasf.1",
        "dasf-context-add.1",
        "dasf-dead-list.1",
        "dasf-new.1",
    ] {
        assert!(std::path::Path::new(&folder).join(page).exists(), "{page}");
    }
}

#[test]
fn results_are_csv_and_files_by_their_endings() {
    let stage = Stage::new(None);
    stage.serve(tables::module().unwrap(), "tables");
    let table = "name,depth\n\"Elbe, \"\"low\"\"\",1.5\nOder,\n";
    let csv = ["call", "-t", "tables", "places", "--format", "csv"];
    assert_eq!(stage.run(&csv).succeeds(), table);
    let write = |name: &str, function: &str| {
        let file = stage.path(name);
        let arguments = ["call", "-t", "tables", function, "-o", &file];
        assert_eq!(stage.run(&arguments).succeeds(), "");
        std::fs::read_to_string(file).unwrap()
    };
    assert_eq!(write("places.csv", "places"), table);
    let json = r#"[{"name":"Elbe, \"low\"","depth":1.5},{"name":"Oder","depth":null}]"#;
    assert_eq!(write("places.json", "places"), format!("{json}\n"));
    assert_eq!(write("places.txt", "places"), format!("{json}\n"));
    assert_eq!(write("text.txt", "text"), "line\n");
    assert_eq!(write("text.json", "text"), "\"line\\n\"\n");
    assert_eq!(write("data.nc", "netcdf"), "CDF\u{1}\0\0\0\0");
    assert_eq!(write("data.bin", "netcdf"), "CDF\u{1}\0\0\0\0");
    for (file, problem) in [
        ("text.csv", "the result is no table"),
        ("text.nc", "is not NetCDF"),
    ] {
        let file = stage.path(file);
        let arguments = ["call", "-t", "tables", "text", "-o", &file];
        let told = stage.run(&arguments).fails(1);
        assert!(told.contains(problem), "{told}");
        assert!(!std::path::Path::new(&file).exists());
    }
}
