//! Topics without a module, with one module, and with a second one.

use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use dasf::{Address, Caller, Host, HostOptions};
use dasf_broker::Broker;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{Listening, REFERENCE, broker, command, error_line, reference, stdout};

/// A module with the function `add` of the reference module, which takes its time here.
#[dasf::module(main = false)]
mod slow {
    #[dasf::function]
    async fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        a + b
    }
}

const REQUEST: &str = "{func_name: add, a: 1}";

fn send<'a>(url: &'a str, topic: &'a str, timeout: &'a str) -> [&'a str; 8] {
    [
        "-t",
        topic,
        "--websocket-url",
        url,
        "send-request",
        "--timeout",
        timeout,
        REQUEST,
    ]
}

fn serve_slow(runtime: &Runtime, broker: &Broker, topic: &str) -> Host {
    let address = Address::websocket(&broker.url()).unwrap();
    let topic = topic.parse().unwrap();
    let module = slow::module().unwrap();
    let host = Host::start(module, &topic, address, HostOptions::default());
    runtime.block_on(host).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Starts a module, and stops it. The broker knows that the topic had a reader.
fn serve_once(runtime: &Runtime, broker: &Broker, topic: &str) {
    let host = serve_slow(runtime, broker, topic);
    runtime.block_on(host.shutdown());
}

#[test]
fn a_request_to_a_topic_that_nobody_has_read_fails_at_once() {
    let (_runtime, broker) = broker(None);
    let begin = Instant::now();
    let line = error_line(&reference(&send(&broker.url(), "nobody", "60")), 1);
    assert_eq!(
        line,
        "no module listens on topic nobody; start one with 'listen' or check the topic"
    );
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_request_to_a_module_that_is_gone_warns_once_and_fails_in_time() {
    let (runtime, broker) = broker(None);
    serve_once(&runtime, &broker, "gone");
    let url = broker.url();
    let output = reference(&send(&url, "gone", "5"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "warning: no module answers on topic gone; waiting up to 5 s for one\n\
         error: no module answered on topic gone within 5 s; start one with 'listen' or check the topic\n"
    );
    // A timeout that is over before the warning needs none.
    let line = error_line(&reference(&send(&url, "gone", "1")), 1);
    assert_eq!(
        line,
        "no module answers on topic gone within 1 s; start one with 'listen' or check the topic"
    );
}

#[test]
fn a_request_waits_for_a_module_that_starts_again() {
    let (runtime, broker) = broker(None);
    serve_once(&runtime, &broker, "late");
    let url = broker.url();
    let mut caller = command(REFERENCE, &send(&url, "late", "60"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let mut messages = BufReader::new(caller.stderr.take().unwrap());
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    assert_eq!(
        line,
        "warning: no module answers on topic late; waiting up to 60 s for one\n"
    );
    assert!(begin.elapsed() >= Duration::from_secs(2));
    let _module = Listening::start(command(
        REFERENCE,
        &["-t", "late", "--websocket-url", &url, "listen"],
    ));
    let output = caller.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "3");
    let mut rest = String::new();
    messages.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_call_that_takes_long_is_no_reason_to_warn() {
    let (runtime, broker) = broker(None);
    let _host = serve_slow(&runtime, &broker, "slow");
    let url = broker.url();
    let output = reference(&send(&url, "slow", "20"));
    assert_eq!(stdout(&output), "3");
    assert_eq!(stderr(&output), "");
    let line = error_line(&reference(&send(&url, "slow", "2")), 1);
    let known = "no response from topic slow within 2 s; the module runs it, for ";
    assert!(line.starts_with(known), "{line}");
    assert!(
        line.ends_with(" so far; wait longer with --timeout"),
        "{line}"
    );
}

/// Returns the log of a module until the first line that contains `end`.
fn log_until(end: &str, topic: &[&str], url: &str, variables: &[(&str, &str)]) -> String {
    let mut module = command(
        REFERENCE,
        &[topic, &["--websocket-url", url, "listen"]].concat(),
    );
    module.envs(variables.iter().copied());
    let mut module = module.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(module.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains(end) {
        assert!(lines.read_line(&mut log).unwrap() > 0, "{log}");
    }
    module.kill().unwrap();
    module.wait().unwrap();
    log
}

#[test]
fn the_log_contains_the_origin_of_the_topic() {
    let (_runtime, broker) = broker(None);
    let url = broker.url();
    let variable = [("DE_BACKEND_TOPIC", "from-env")];
    for (arguments, variables, topic, origin) in [
        (&["-t", "mine"][..], &variable[..], "mine", "--topic"),
        (&[], &variable, "from-env", "DE_BACKEND_TOPIC"),
        (&[], &[], "test-topic", "attribute"),
    ] {
        let log = log_until("listening", arguments, &url, variables);
        let expected = format!(
            "INFO listening module=\"reference\" topic=\"{topic}\" topic_from=\"{origin}\" broker=\"{url}\"\n"
        );
        assert!(log.ends_with(&expected), "{log}\nwithout\n{expected}");
        assert!(!log.contains("WARN"), "{log}");
    }
}

#[test]
fn a_second_module_on_a_topic_is_a_warning() {
    let (runtime, broker) = broker(None);
    let url = broker.url();
    let first = serve_slow(&runtime, &broker, "shared");
    let topic = ["-t", "shared"];
    let log = log_until("WARN", &topic, &url, &[]);
    let warning = "WARN another module already listens on this topic; both run every request; give \
                   both the same --group to share them topic=\"shared\"\n";
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.ends_with(warning), "{log}");
    // A module of a group shares the requests on purpose, so it does not search for others.
    let grouped = Listening::start(command(
        REFERENCE,
        &[
            "-t",
            "shared",
            "--group",
            "workers",
            "--websocket-url",
            &url,
            "listen",
        ],
    ));
    let (_, log) = grouped.stop("-TERM");
    assert!(!log.contains("WARN"), "{log}");
    runtime.block_on(first.shutdown());
}

#[test]
fn unknown_arguments_are_ignored_with_one_warning() {
    let (runtime, broker) = broker(None);
    let url = broker.url();
    let module = Listening::start(command(
        REFERENCE,
        &["-t", "lenient", "--websocket-url", &url, "listen"],
    ));
    let sum = runtime.block_on(async {
        let caller = Caller::builder("lenient").websocket(&url).connect().await?;
        let request = json!({"func_name": "add", "a": 1, "bb": 5, "c": 6});
        let sum = caller.call(&request).await?;
        caller.close().await;
        Ok::<_, Box<dyn std::error::Error>>(sum)
    });
    assert_eq!(sum.unwrap(), json!(3));
    let (code, log) = module.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    let warning =
        "unknown arguments ignored: add has no argument \"bb\"; did you mean \"b\"? message_id=\"";
    assert!(log.contains(warning), "{log}");
    assert!(
        log.contains("function=\"add\" arguments=\"bb, c\""),
        "{log}"
    );
}

/// The pipe of standard error is full after 64 KiB.
#[test]
fn a_log_that_nobody_reads_does_not_stop_a_module() {
    let (runtime, broker) = broker(None);
    let url = broker.url();
    let arguments = ["-t", "unread", "--websocket-url", &url, "listen"];
    let mut command = command(REFERENCE, &arguments);
    let mut module = command.stderr(Stdio::piped()).spawn().unwrap();
    let calls = async {
        let caller = Caller::builder("unread")
            .websocket(&url)
            .connect()
            .await
            .unwrap();
        // The module logs each failure.
        let request = json!({"func_name": "fail", "msg": "x".repeat(500)});
        for _ in 0..500 {
            caller.call(&request).await.unwrap_err();
        }
        caller.close().await;
    };
    runtime.block_on(calls);
    module.kill().unwrap();
    let mut log = Vec::new();
    module.stderr.take().unwrap().read_to_end(&mut log).unwrap();
    module.wait().unwrap();
    assert!(log.len() > 60_000, "{}", log.len());
}
