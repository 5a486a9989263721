//! The command `dasf` against the Python reference module, which demessaging serves, against
//! Mosquitto, and in a terminal of tmux. `cargo xtask python`, `mosquitto` and `shells` install these.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "interop/mqtt.rs"]
mod mqtt;
#[path = "interop/terminal.rs"]
mod terminal;

use std::process::Output;

use dasf_examples::arithmetic;
use dasf_test_support::brokers::{Role, TestBroker, on_json_brokers};
use dasf_test_support::{program, python};

on_json_brokers!(
    a_python_module_is_shown_and_called,
    the_results_of_the_reference_backend_are_shown,
);

mod listed {
    use dasf_test_support::brokers::on_dasf_brokers;

    use super::modules_are_listed;

    on_dasf_brokers!(modules_are_listed);
}

/// Runs the program while the tasks of the test go on.
async fn dasf(arguments: &[&str]) -> Output {
    let mut command = program::command(env!("CARGO_BIN_EXE_dasf"));
    command.args(arguments);
    program::output(command).await
}

/// Runs the program with the topic and the broker of a module.
async fn dasf_at(broker: &TestBroker, topic: &str, arguments: &[&str]) -> Output {
    let place = broker.options_for(Role::Caller);
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    dasf(&[arguments, &["-t", topic], &place].concat()).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The Django broker has no list, so the command asks on the topics that it names.
async fn modules_are_listed(broker: &TestBroker) {
    let topic = broker.topic("cli-list").await;
    let unused = broker.topic("cli-list-unused").await;
    let module = arithmetic::module().unwrap();
    let host = broker.serve(module, &topic).await;
    let place = broker.options_for(Role::Watcher);
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let named = [
        &["list", topic.as_str(), unused.as_str(), "--timeout", "1"],
        &place[..],
    ]
    .concat();
    let listed = dasf(&named).await;
    assert!(listed.status.success(), "{listed:?}");
    let all = dasf(&[&["list"], &place[..]].concat()).await;
    let listed = text(&listed.stdout);
    match broker {
        TestBroker::Embedded(_) => {
            let id = std::process::id();
            let process = match broker.token(Role::Module) {
                Some(_) => format!(", process {id}, user module, since "),
                None => format!(", process {id}, since "),
            };
            assert!(
                listed.starts_with(&format!("{topic}\n  arithmetic ")),
                "{listed}"
            );
            assert!(listed.contains(&process), "{listed}");
            assert_eq!(text(&all.stdout), listed);
        }
        _ => {
            assert_eq!(
                listed,
                format!(
                    "{topic}\n  Simple arithmetic, served over a message broker.\n  \
                     add, sqrt, count, Greeter\n"
                )
            );
            let error = text(&all.stderr);
            assert!(
                error.contains("does not offer a list of modules"),
                "{error}"
            );
            assert!(error.contains("name the topics to look at"), "{error}");
        }
    }
    host.shutdown().await;
}

/// Waits for a Python module, which takes a while to start and does not log when it listens. Returns
/// what `dasf ping` prints.
async fn until_it_answers(broker: &TestBroker, topic: &str, module: &mut python::Server) -> String {
    let mut tries = 0;
    loop {
        module.check();
        let ping = dasf_at(broker, topic, &["ping", "--timeout", "1"]).await;
        if ping.status.success() {
            return text(&ping.stdout).to_owned();
        }
        tries += 1;
        assert!(tries < 60, "{ping:?}");
    }
}

async fn a_python_module_is_shown_and_called(broker: &TestBroker) {
    let topic = broker.topic("cli-module").await;
    let topic = topic.as_str();
    let place = broker.options();
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let options = [&["-t", topic, "--log-level", "50"], &place[..]].concat();
    let arguments = [&options[..], &["listen"]].concat();
    let token = broker.token(Role::Module);
    let module = python::command_with_token(token, "reference_module.py", &arguments);
    let mut module = python::serve(module);
    let line = until_it_answers(broker, topic, &mut module).await;
    assert!(line.starts_with(&format!("{topic} answers in ")), "{line}");

    for (arguments, code, stdout, stderr) in [
        (&["call", "add", "a=1"][..], 0, "3\n", ""),
        (
            &["call", "hello", "name=Ä", "lang=de", "-r"],
            0,
            "Hallo Ä\n",
            "",
        ),
        (
            &["call", "area", r#"points=[{"x": 1}]"#],
            0,
            "{\"n\":1.0,\"s\":1.0}\n",
            "",
        ),
        (&["call", "echo", "data=123"], 0, "\"123\"\n", ""),
        (
            &[
                "call",
                "Greeter.twice",
                "name=Ada",
                "times=1",
                "--new",
                "greeting=Yo",
            ],
            0,
            "[\"Yo Ada\"]\n",
            "",
        ),
        (&["call", "none"], 0, "null\n", ""),
        (
            &["call", "slow", "n=1", "--no-progress", "-r"],
            0,
            "done\n",
            "",
        ),
        (
            &["call", "slow", "n=1", "-r"],
            0,
            "done\n",
            "  0 % working\n  0 % working: step 0\n 33 % working\n100 % working\n",
        ),
        (
            &["call", "fail", "msg=boom"],
            1,
            "",
            "error: executing: boom\n",
        ),
        (
            &["call", "sqrt", "a=-1"],
            2,
            "",
            "error: validating: sqrt: a: -1 is less than or equal to the minimum of 0\n",
        ),
        (
            &["call", "ad", "a=-1"],
            2,
            "",
            "error: the module has no function \"ad\"; did you mean \"add\"?\n",
        ),
        (
            &["api", "Greeter.greet", "--timeout", "60"],
            0,
            &format!(
                "\
Greeter.greet(name: string) -> string

Greet someone.

Arguments
  name: string
      Who

Result
  string

Usage
  dasf call -t {topic} Greeter.greet name=VALUE [--new greeting=VALUE]
"
            ),
            "",
        ),
        (
            &["api", "--timeout", "60"],
            0,
            &format!(
                "\
{topic}
  The member to call.

Functions
  add(a: integer, b: integer = 2) -> integer
      Add two numbers.
  hello(name: string, lang: \"en\" | \"de\" = \"en\") -> string
      Say hello.
  sqrt(a: number) -> number
      Root.
  slow(n: integer = 3) -> string
      Slow.
  area(points: Point[], scale: number | null = null) -> {{string: number}}
      Area of points
  fail(msg: string) -> any
      Raises.
  echo(data: string) -> string
      Echo
  when(t: date-time) -> date-time
  none() -> any
      Returns nothing.

Classes
  Greeter(greeting: string = \"Hi\")
      A greeter.
    .greet(name: string) -> string
        Greet someone.
    .twice(name: string, times: integer = 2) -> string[]
        Twice

For details: dasf api -t {topic} add
"
            ),
            "",
        ),
    ] {
        let output = dasf_at(broker, topic, arguments).await;
        // On a busy machine, an answer may take more than two seconds.
        let is_slow = |line: &&str| line.starts_with("warning: no module answers");
        let messages = text(&output.stderr).split_inclusive('\n');
        let messages: String = messages.filter(|line| !is_slow(line)).collect();
        assert_eq!(messages, stderr, "{arguments:?}");
        assert_eq!(text(&output.stdout), stdout, "{arguments:?}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

/// The module of `dasf-exb-reference`, unmodified: its results are printed as what they are.
async fn the_results_of_the_reference_backend_are_shown(broker: &TestBroker) {
    let topic = broker.topic("cli-exb").await;
    let topic = topic.as_str();
    let place = broker.options();
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let arguments = [&["-t", topic], &place[..], &["listen"]].concat();
    let token = broker.token(Role::Module);
    let command = python::module_command(token, "dasf_exb.backend", &arguments);
    let mut backend = python::serve(command);
    until_it_answers(broker, topic, &mut backend).await;
    let call = async |arguments: &[&str]| {
        let arguments = [&["call"], arguments].concat();
        let called = dasf_at(broker, topic, &arguments).await;
        assert!(called.status.success(), "{called:?}");
        text(&called.stdout).to_owned()
    };
    // Without an option, a program gets JSON.
    let json = call(&["default_content"]).await;
    assert_eq!(
        json,
        "{\"response_type\":\"datasource\",\"records\":[{\"text\":\"Some default generated content by \
         the backend.\"}],\"name\":\"default_content\"}\n"
    );
    let table = call(&["default_content", "--format", "text"]).await;
    assert!(table.starts_with("default_content\ntext\n──"), "{table}");
    let series = call(&["get_timeseries", "--format", "text"]).await;
    let lines: Vec<&str> = series.lines().collect();
    assert_eq!(lines.len(), 3 + 10, "{series}");
    assert!(
        lines[0] == "timeseries" && lines[1].ends_with("  value  value2"),
        "{series}"
    );
    assert_eq!(
        call(&["show_buttons", "--format", "text"]).await,
        "Downloads: file sample.md, text/markdown, 44 bytes\n\n\
         Links: An external link: https://www.hereon.de/\n\n\
         Links: Another external link: https://www.hereon.de/\n"
    );
    let said = call(&["get_point_info", "point={\"lon\": 1, \"lat\": 2}", "--raw"]).await;
    assert!(said.contains("\nlon: 1.0\nlat: 2.0\n"), "{said}");
    let place = "point={\"lon\": 361, \"lat\": 2}";
    let refused = dasf_at(broker, topic, &["call", "get_point_info", place]).await;
    assert_eq!(refused.status.code(), Some(2));
    let problem = "get_point_info: point.lon: 361 is greater than the maximum of 360";
    assert!(text(&refused.stderr).contains(problem), "{refused:?}");
}
