//! Generated clients in TypeScript: with the compiler, in Node.js and in Chromium.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use dasf::{Address, Host, HostOptions};
use dasf_codegen::{Language, generate};
use dasf_examples::reference;
use dasf_test_support::peer::Socket;
use serde_json::{Map, Value, json};
use tokio::task::{block_in_place, spawn_blocking};

use crate::brokers::django::{Django, fresh_database};
use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role, TestBroker, on_json_brokers};
use crate::python;
use crate::support::{connect, expect_cancelled_requests, reference_module};
use crate::web::{node, packages};

on_json_brokers!(
    a_rust_module_is_called_from_node,
    a_rust_module_is_called_from_a_page,
    a_python_module_is_called_from_node,
);

/// Returns the API description of the reference module.
fn reference_api() -> Value {
    let api = reference::module().unwrap().api_info("test-topic");
    serde_json::to_value(api).unwrap()
}

/// Compiles a project, and panics with the errors of the compiler.
fn compile(project: &Path) {
    let compiler = packages().join("node_modules/typescript/lib/tsc.js");
    let mut tsc = Command::new("node");
    tsc.arg(compiler).arg("--project").arg(project);
    let output = tsc.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {printed}", project.display());
}

/// Returns a folder with the scripts. It is inside the folder of the packages, so that the compiler
/// finds them.
fn fresh_folder(name: &str) -> PathBuf {
    let folder = packages().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/typescript");
    for entry in fs::read_dir(source).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    fs::write(folder.join("package.json"), r#"{"type": "module"}"#).unwrap();
    folder
}

/// Returns the schema of a type that contains itself, with properties of all kinds.
fn tree() -> Value {
    json!({
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {
            "type": "object",
            "properties": {
                "x": {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "boolean"}]},
                "y": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/Tree"},
                    "default": [{"x": 7}],
                },
                "z": {"enum": ["a", "b"]},
                "w": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["x"],
        }},
    })
}

/// Returns the folder of the compiled scripts and clients: the client of the reference module, one
/// that expects other results of `hello` and `area`, the client of the readers, that of `forms`, and that of
/// jobs.
pub(crate) async fn compiled() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let compile = || {
        let folder = fresh_folder("typescript");
        let api = reference_api();
        let mut odd = api.clone();
        let functions = odd["functions"].as_array_mut().unwrap().iter_mut();
        for function in functions {
            match function["name"].as_str() {
                Some("hello") => function["return_schema"] = json!({"type": "integer"}),
                Some("area") => function["return_schema"] = tree(),
                _ => {}
            }
        }
        let readers = crate::generated_python::readers_api();
        let forms = crate::variants::description("forms");
        for (name, api) in [
            ("reference", api),
            ("odd", odd),
            ("readers", readers),
            ("forms", forms),
            ("work", crate::generated_jobs::work_api()),
        ] {
            let source = generate(&api, Language::TypeScript, name).unwrap();
            fs::write(folder.join(name).with_extension("ts"), source).unwrap();
        }
        compile(&folder.join("tsconfig.json"));
        folder
    };
    let folder = spawn_blocking(move || FOLDER.get_or_init(compile).clone());
    folder.await.unwrap()
}

/// Runs a compiled script; returns its results.
pub(crate) async fn run(script: &str, wanted: Value) -> Map<String, Value> {
    node(compiled().await.join(script), wanted).await
}

/// Returns the input of a script, with this number of simultaneous calls.
fn wanted(broker: &TestBroker, topic: &str, calls: usize) -> Value {
    match broker {
        TestBroker::Pulsar(pulsar) => {
            let pulsar = json!({"host": "127.0.0.1", "port": pulsar.port()});
            json!({"pulsar": pulsar, "topic": topic, "calls": calls})
        }
        _ => json!({"url": broker.caller_place(), "topic": topic, "calls": calls}),
    }
}

/// Checks the results of `callEverything`, which are the same for every module.
fn assert_seen(seen: &Map<String, Value>, calls: usize) {
    for (name, expected) in [
        ("add", json!([5, -1])),
        ("hello", json!(["Hello Ada", "Hallo Ada"])),
        ("sqrt", json!(1.5)),
        (
            "area",
            json!([{"n": 2, "s": 1}, {"n": 2, "s": 0.5}, {"n": 0, "s": 1}]),
        ),
        ("echo", json!([true, true, true])),
        ("when", json!("2020-02-29T12:30:00+02:00")),
        ("greet", json!(["Yo 世", "Hi Ada"])),
        ("twice", json!([["Yo Bob", "Yo Bob"], ["Yo Bob"]])),
        ("at_once", json!(calls)),
        ("large_result", json!(50)),
        ("slow", json!("done")),
        (
            "reports",
            json!([["success", ["success", "success"]], "working", "step 1"]),
        ),
        ("running", json!(true)),
        (
            "fail",
            json!(["ModuleError", "execution", "executing: nö 世"]),
        ),
        (
            "odd",
            json!([
                "ResultError",
                "cannot read result: expected an integer, found a string"
            ]),
        ),
        ("aborted", json!([["", "enough"], ["", "enough"]])),
        ("handler", json!(["Error", "by the handler"])),
        (
            "unknown",
            json!([
                [
                    "ArgumentError",
                    "add has no argument \"bb\"; did you mean \"b\"?"
                ],
                [
                    "ArgumentError",
                    "add has no argument \"zzz\"; its arguments are a, b"
                ],
                [
                    "ArgumentError",
                    "add takes its arguments as one object: { a: …, b: … }"
                ],
                [
                    "ArgumentError",
                    "Greeter.greet has no argument \"nmae\"; did you mean \"name\"?"
                ],
                [
                    "ArgumentError",
                    "Greeter has no argument \"greting\"; did you mean \"greeting\"?"
                ],
                3
            ]),
        ),
        (
            "closed",
            json!([
                ["ConnectionError", "the client is closed"],
                ["ConnectionError", "the client is closed"]
            ]),
        ),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
    for name in ["sqrt_of_negative", "never"] {
        let [class, kind, _] = &seen[name].as_array().unwrap()[..] else {
            panic!("{:?}", seen[name])
        };
        assert_eq!((class, kind), (&json!("ModuleError"), &json!("validation")));
    }
    assert_eq!(seen["patient"], "done");
    let late = &seen["late"];
    assert_eq!(late[0], "TimeoutError");
    let text = late[1].as_str().unwrap();
    let known = "within 2500 ms; the module runs it, and is at ";
    assert!(text.contains(known), "{text}");
    let functions = seen["functions"].as_array().unwrap();
    assert!(functions.contains(&json!("add")), "{functions:?}");
}

async fn a_rust_module_is_called_from_node(broker: &TestBroker) {
    let topic = broker.topic("ts-node").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let seen = run("node.js", wanted(broker, topic.as_str(), 200)).await;
    assert_seen(&seen, 200);
    assert_eq!(seen["large_request"], true);
    assert_eq!(
        seen["sqrt_of_negative"][2],
        "validating: sqrt: a: -1 is less than or equal to the minimum of 0"
    );
    assert_eq!(seen["nobody"][0], "ConnectionError");
    let text = seen["nobody"][1].as_str().unwrap();
    assert!(text.contains("ECONNREFUSED"), "{text}");
    let text = seen["no_sockets"][1].as_str().unwrap();
    assert!(text.starts_with("this platform has no WebSocket"), "{text}");
    host.shutdown().await;
}

async fn a_rust_module_is_called_from_a_page(broker: &TestBroker) {
    let topic = broker.topic("ts-page").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let mut wanted = wanted(broker, topic.as_str(), 50);
    wanted["compiled"] = json!(compiled().await);
    let seen = node("generated.mjs", wanted).await;
    assert_seen(&seen, 50);
    assert_eq!(seen["large_request"], true);
    host.shutdown().await;
}

async fn a_python_module_is_called_from_node(broker: &TestBroker) {
    let topic = broker.topic("ts-python").await;
    let mut module = reference_module(broker, &topic, &["--log-level", "50"]);
    let client = connect(broker, &topic).await;
    python::until_it_listens(&mut module, client.caller()).await;
    // The queue of the module is too short for more calls.
    let seen = run("node.js", wanted(broker, topic.as_str(), 50)).await;
    assert_seen(&seen, 50);
    assert_eq!(seen["large_request"], "RequestTooLargeError");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_to_the_broker() {
    // The page comes from another port.
    let builder = dasf_test_support::broker_builder().allow_origin("*");
    let broker = builder.token("a secret").start().await.unwrap();
    let address = Address::websocket(&broker.url()).unwrap();
    let address = address.with_token("a secret").unwrap();
    let module = reference::module().unwrap();
    let options = HostOptions::default();
    let host = dasf_test_support::listen_at(address, "ts-token", module, options).await;
    let tokens = ["a secret", "another"];
    let wanted = json!({"url": broker.url(), "topic": "ts-token", "tokens": tokens});
    let seen = run("login.js", wanted).await;
    assert_eq!(seen["seen"][0], 3);
    assert_eq!(seen["seen"][1][0], "ConnectionError");
    let text = seen["seen"][1][1].as_str().unwrap();
    assert!(text.ends_with("Unexpected server response: 401"), "{text}");

    // The token is in the URL, because a page cannot set headers.
    let compiled = compiled().await;
    let wanted = json!({"url": broker.url(), "topic": "ts-token", "token": "a secret", "calls": 1,
        "compiled": compiled});
    assert_seen(&node("generated.mjs", wanted).await, 1);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_the_text_of_the_broker() {
    let django = Django::for_test().await;
    let tokens = json!([null, django.tokens().nobody]);
    let wanted = json!({"url": django.url(), "topic": "private", "tokens": tokens});
    let seen = run("login.js", wanted).await;
    let refused = json!([
        "RefusedError",
        "the broker rejected the request to topic private: User is not allowed to publish to this \
         topic"
    ]);
    assert_eq!(seen["seen"], json!([refused, refused]));
}

/// A script that runs in step with the test.
struct Script {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(script: &Path, wanted: &Value) -> Self {
        let mut child = Command::new("node")
            .arg(script)
            .arg(wanted.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn line(&mut self) -> String {
        block_in_place(|| self.lines.next().unwrap().unwrap())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // This fails if the script has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_are_cancelled() {
    let broker = dasf_test_support::broker().await;
    let mut module = Socket::open(&format!("{}/cancel/module", broker.url())).await;
    let wanted = json!({"url": broker.url(), "topic": "cancel"});
    let (said, ()) = tokio::join!(
        run("cancel.js", wanted),
        expect_cancelled_requests(&mut module, 2)
    );
    assert_eq!(said["late"], "TimeoutError");
    assert_eq!(said["aborted"], "enough");
}

/// Starts a module at a broker, and a script that calls it.
async fn call_before(broker: &impl Process) -> (Host, Script) {
    let address = broker.address_for(Role::Module);
    let module = reference::module().unwrap();
    let options = HostOptions::default();
    let host = dasf_test_support::listen_at(address, "ts-restarted", module, options).await;
    let script = compiled().await.join("restart.js");
    let wanted = json!({"url": broker.caller_place(), "topic": "ts-restarted"});
    let mut script = Script::start(&script, &wanted);
    assert_eq!(script.line(), "3");
    (host, script)
}

/// Makes the script call while the broker is down.
fn call_meanwhile(script: &mut Script) {
    writeln!(script.input, "away").unwrap();
    assert_eq!(script.line(), "waiting");
}

/// Expects the responses to these calls, and to another call.
async fn call_after(host: Host, mut script: Script) {
    assert_eq!(script.line(), "[4,5,6]");
    assert_eq!(script.line(), "7");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_a_restart_of_the_embedded_broker() {
    let broker = Embedded::start().await;
    broker.make_topic("ts-restarted");
    let (host, mut script) = call_before(&broker).await;
    let stopped = broker.stop().await;
    call_meanwhile(&mut script);
    let broker = stopped.start().await;
    call_after(host, script).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_a_restart_of_django() {
    let database = fresh_database("ts-restarted");
    let start = |port| block_in_place(|| Django::start(&database, port));
    let django = start(0);
    block_in_place(|| django.make_topic("ts-restarted"));
    let port = django.port();
    let (host, mut script) = call_before(&django).await;
    drop(django);
    call_meanwhile(&mut script);
    let django = start(port);
    call_after(host, script).await;
    drop(django);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_topic_fails_within_two_seconds() {
    let broker = dasf_test_support::broker().await;
    let seen = run("nobody.js", json!({"url": broker.url()})).await;
    let text = "no module listens on topic nobody; start the module, or check the topic";
    let failure = json!(["NobodyListensError", text]);
    assert_eq!(seen["failures"], json!([failure, failure, failure]));
    assert_eq!(seen["is_timeout"], true);
    assert_eq!(seen["is_soon"], true);
    // What is refused does not run later.
    assert_eq!(broker.statistics().published, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_module_that_starts_just_now() {
    let script = compiled().await.join("late.js");
    crate::generated_python::starts_late(|url| {
        let mut command = Command::new("node");
        command.arg(script).arg(json!({"url": url}).to_string());
        command
    })
    .await;
}

/// A broker made by hand that fails at the worst moments.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_survives_faults_of_the_broker() {
    let seen = run("faulty_broker.js", Value::Null).await;
    for (name, expected) in [
        ("session", json!(true)),
        (
            "urls",
            json!([
                "ws://h/ws/t?nobodyListens=Refuse",
                "ws://h/ws/t_…/typescript-client-…"
            ]),
        ),
        (
            "request",
            json!([r#"{"data":"ä 世","func_name":"echo"}"#, "string", true]),
        ),
        // The same request, with the mark for a repetition. The client does not repeat a request with
        // a receipt.
        ("again", json!([true, true, null, "1"])),
        ("next", json!(r#"{"a":2,"func_name":"add"}"#)),
        ("echo", json!("ä 世 🌍")),
        ("acknowledged", json!(true)),
        ("add", json!(5)),
        ("latin1", json!("Grüße")),
        ("same_consumer", json!(true)),
        ("waiting", json!(9)),
        (
            "failed",
            json!([
                "execution",
                "executing: gone",
                "gone",
                "error executing request: gone",
                "no_such_station",
                {"name": "ä"}
            ]),
        ),
        (
            "not_allowed",
            json!([
                "not_allowed",
                "not allowed: fail: no",
                "fail: no",
                "not_allowed"
            ]),
        ),
        (
            "refused",
            json!([
                [
                    "RefusedError",
                    "the broker rejected the request to topic t: User is not allowed to publish to \
                     this topic"
                ],
                [
                    "RefusedError",
                    "the broker rejected the request to topic t: Failed to parse (send-error:3)"
                ]
            ]),
        ),
        (
            "unreadable",
            json!([
                "ResultError",
                [
                    "ResultError",
                    "cannot read the response: its fragments have invalid numbers"
                ]
            ]),
        ),
        (
            "no_base64",
            json!([
                "after the report",
                ["ResultError", "cannot read the result: it is not base64"],
                ["ResultError", "cannot read the result: it is not base64"]
            ]),
        ),
        (
            "unread",
            json!([
                [
                    "NobodyListensError",
                    "no module listens on topic t; start the module, or check the topic"
                ],
                4,
                false
            ]),
        ),
        (
            "unread_after_loss",
            json!(["NobodyListensError", true, true]),
        ),
        ("unread_marked", json!(false)),
        ("unread_ended", json!(["ConnectionError", "none"])),
        (
            "fatal",
            json!([
                "ConnectionError",
                "the request was not sent: the connection was lost 4 times while sending it"
            ]),
        ),
        (
            "too_large",
            json!([
                "RequestTooLargeError",
                "the request has 90 bytes; this module accepts at most 40"
            ]),
        ),
        ("pieces", json!([40, 40, 40])),
        (
            "joined",
            json!({"func_name": "echo", "data": "0123456789".repeat(6)}),
        ),
        ("sent", json!("done")),
        (
            "asked",
            json!([
                ["", "1", "ws://h/ws/ada"],
                true,
                [[0, 3], [1, 3], [2, 3]],
                {"func_name": "echo", "data": "0123456789".repeat(6)}
            ]),
        ),
        ("asked_again", json!(["ws://h/ws/ada", [1, 2]])),
        (
            "taken_over",
            json!([
                "ws://h/ws/ada",
                "ws://h/ws/bob",
                {"func_name": "echo", "data": "0123456789".repeat(6)}
            ]),
        ),
        (
            "asked_in_vain",
            json!([
                "done",
                "ConnectionError",
                [
                    "ws://h/ws/bob",
                    "ws://h/ws/cyd",
                    "ws://h/ws/dan",
                    "ws://h/ws/eve",
                    "ws://h/ws/fay"
                ]
            ]),
        ),
        (
            "pulsar",
            json!([
                "wss://localhost:8080/ws/v2/producer/non-persistent/a%20b/default/t",
                "wss://localhost:8080/ws/v2/consumer/non-persistent/a%20b/default/t_…/…\
                 ?subscriptionMode=NonDurable",
                {"headers": {"authorization": "Bearer x+y"}}
            ]),
        ),
        (
            "dasf",
            json!([
                "ws://h/ws/t?a=b&nobodyListens=Refuse",
                {"headers": {"cookie": "c", "authorization": "Token x"}}
            ]),
        ),
        (
            "hosts",
            json!([
                [
                    "ws://[::1]:8080/ws/v2/producer/non-persistent/public/default/t",
                    null
                ],
                [
                    "ws://[2001:db8::1]:1/ws/v2/producer/non-persistent/public/default/t",
                    null
                ],
                [
                    "ws://größe.example_1:8080/ws/v2/producer/non-persistent/public/default/t",
                    null
                ],
                [
                    "ws://[::1]:8080/ws/t?nobodyListens=Refuse",
                    {"headers": {"a": "b", "authorization": "Token x"}}
                ]
            ]),
        ),
        (
            "mistakes",
            json!([
                "the host is empty; give a name or an address",
                "the host is empty; give a name or an address",
                "the host \" h\" is not a host name or an IP address",
                "the host \"h/ws\" is not a host name or an IP address",
                "the host \"fe80::1%eth0\" is not a host name or an IP address",
                "the host \"[h]\" is not a host name or an IP address",
                "the host \":::\" is not a host name or an IP address",
                "the host \"localhost:18080\" contains a port; give it as `port: 18080`",
                "the host \"ws://localhost\" is a URL; give only the host name, and `tls: true` \
                 for wss://",
                "the broker's address contains a user name; use a token instead",
                "the host contains a newline; use one line",
                "the port 0 is not valid; use a number from 1 to 65535",
                "the host is empty; give a name or an address",
                "the host is empty; give a name or an address",
                "\"ws://::1:8080/ws\" is not a WebSocket URL; write ws://host:port/path or \
                 wss://host/path; put an IPv6 address in brackets, as in ws://[::1]:8080",
                "\"ws://h:port\" is not a WebSocket URL; write ws://host:port/path or \
                 wss://host/path",
                "\"ws://a b\" is not a WebSocket URL; write ws://host:port/path or \
                 wss://host/path",
                "\"h:80\" is not a WebSocket URL; write ws://host:port/path or \
                 wss://host/path",
                "the broker's address contains a user name; use a token instead",
                "\"http://…@h/ws\" is not a WebSocket URL; write ws://host:port/path \
                 or wss://host/path",
                "the token contains a newline; use one line",
                "the header \"a\" contains a newline; use one line"
            ]),
        ),
        // The broker loses pings, but no fragment.
        ("in_turn", json!([true, true, true])),
        ("lost", json!(["ping"])),
        ("marks", json!(["1", null])),
        ("next_in_turn", json!([["", "enough"], true])),
        ("only_next", json!(1)),
        ("ping_again", json!([true, true])),
        ("other_ping", json!(false)),
        (
            "ping_refused",
            json!([
                "RefusedError",
                "the broker rejected the request to topic t: no"
            ]),
        ),
        ("after_refusal", json!(true)),
        ("marked_for_persistent", json!(false)),
        ("overtaking", json!(0)),
        ("held_in_turn", json!([true, true, true])),
        ("held_lost", json!(["ping"])),
        (
            "pong",
            json!([
                "m0",
                {
                    "payload": "",
                    "context": "7",
                    "properties": {"messageType": "pong", "requestContext": "7"}
                },
                "8"
            ]),
        ),
        (
            "pongs_closed",
            json!(["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]),
        ),
        // The length of a topic, the number of different client names, and the length of a name.
        (
            "names",
            json!([
                [4, 20, 22],
                [27, 20, 22],
                [28, 20, 21],
                [35, 20, 14],
                [41, 20, 8],
                [42, 20, 22]
            ]),
        ),
        ("contexts", json!(true)),
        (
            "platform",
            json!(["ws://h/ws/t?nobodyListens=Refuse&token=x%2By", null]),
        ),
        (
            "options",
            json!([
                [
                    "ConnectionError",
                    "the platform's WebSocket cannot send headers; pass another one as the option \
                     WebSocket"
                ],
                [
                    "ConnectionError",
                    "\"http://h\" is not a WebSocket URL; write ws://host:port/path \
                     or wss://host/path"
                ],
                [
                    "ConnectionError",
                    "the topic \"a b\" is not valid; use ASCII letters, digits, '-' and '_'"
                ]
            ]),
        ),
        (
            "queries",
            json!([
                [
                    "ConnectionError",
                    "cannot connect to the broker: cannot open a WebSocket to \
                     ws://h/ws/t_…/…"
                ],
                [
                    "ConnectionError",
                    "cannot connect to the broker: cannot open a WebSocket to \
                     ws://h/ws/t_…/…: SyntaxError: Invalid URL: ws://h/ws/t_…/…"
                ],
                [
                    "ConnectionError",
                    "the port 99999 is not valid; use a number from 1 to 65535"
                ]
            ]),
        ),
        (
            "no_connection",
            json!(["ConnectionError", "cannot connect to the broker: no way in"]),
        ),
        (
            "read",
            json!([
                {"x": 1, "more": [], "y": [{"x": 7}]},
                {"x": 1, "y": [], "z": "b", "w": null},
                "cannot read result: expected an object, found a list",
                "cannot read result.x: \"1\" has none of the declared types",
                "cannot read result: the property \"x\" is missing",
                {"x": 1, "y": [{"x": 2.5, "y": [{"x": 7}]}]},
                "cannot read result.z: expected one of [\"a\",\"b\"], found a string"
            ]),
        ),
        ("connected_later", json!(3)),
        ("without_receipt", json!([3, "1"])),
        ("large", json!("large")),
        ("held", json!([false, false])),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
}

/// Returns the API description of a module with names that are reserved or invalid in TypeScript.
fn awkward_api() -> Value {
    let names = [
        "add",
        "Add",
        "add_",
        "close",
        "ping",
        "apiInfo",
        "constructor",
        "then",
        "toString",
        "__proto__",
        "prototype",
        "delete",
        "class",
        "await",
        "caller",
        "Client",
        "größe",
        "2m",
        "",
    ];
    let types = [
        "Client",
        "Promise",
        "Array",
        "Record",
        "Error",
        "Caller",
        "Shape",
        "string",
        "never",
        "世",
        "AddArguments",
        "constructor",
        "__proto__",
    ];
    let definitions: Map<String, Value> = types
        .iter()
        .map(|&name| {
            let reference = json!({"$ref": format!("#/$defs/{name}")});
            let properties: Map<String, Value> = names
                .iter()
                .map(|name| (name.to_string(), json!({"type": "number", "default": 1})))
                .chain([
                    (
                        "tree".to_owned(),
                        json!({"type": "array", "items": reference}),
                    ),
                    ("map".to_owned(), json!({"additionalProperties": reference})),
                ])
                .collect();
            let schema = json!({"type": "object", "properties": properties, "required": ["delete"],
                "additionalProperties": {"type": "string"},
                "description": "Ends */ here.\u{2028}@param x {@link y}\n/ `${z}`"});
            (name.to_owned(), schema)
        })
        .collect();
    let properties: Map<String, Value> = types
        .iter()
        .map(|&name| (name.to_owned(), json!({"$ref": format!("#/$defs/{name}")})))
        .collect();
    let schema = json!({"type": "object", "properties": properties, "$defs": definitions});
    let function = |name: &str| {
        let result = json!({"$ref": "#/$defs/Promise", "$defs": definitions});
        json!({"name": name, "rpc_schema": schema, "return_schema": result})
    };
    let functions: Vec<Value> = names.iter().map(|name| function(name)).collect();
    let class = |name: &&str| json!({"name": name, "rpc_schema": schema, "methods": functions});
    let classes: Vec<Value> = types.iter().map(class).collect();
    json!({
        "functions": functions,
        "classes": classes,
        "rpc_schema": {"title": "a\"\\`${b}\n\u{2028}", "description": "*/"},
    })
}

/// The clients of all descriptions compile without the types of a platform.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_compiles_by_itself() {
    spawn_blocking(|| {
        let folder = fresh_folder("typescript-bare");
        let clients = folder.join("clients");
        fs::create_dir(&clients).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dasf-codegen");
        let empty = json!({"functions": [], "classes": [], "rpc_schema": {}});
        let mut descriptions = vec![
            ("many_names".to_owned(), awkward_api()),
            ("empty".to_owned(), empty),
        ];
        for entry in fs::read_dir(root.join("tests/schemas")).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            let name = name.trim_end_matches(".api.json").to_owned();
            let text = fs::read_to_string(&file).unwrap();
            descriptions.push((name, serde_json::from_str(&text).unwrap()));
        }
        for (name, api) in descriptions {
            let source = generate(&api, Language::TypeScript, &name).unwrap();
            fs::write(clients.join(name).with_extension("ts"), source).unwrap();
        }
        let runtime = root.join("src/typescript/runtime.ts");
        fs::copy(runtime, clients.join("runtime.ts")).unwrap();
        compile(&folder.join("tsconfig.bare.json"));
    })
    .await
    .unwrap();
}

async fn call_a_group(broker: &TestBroker) {
    let topic = broker.topic("ts-group").await;
    let team = crate::generated_python::serve_in_a_group(broker, &topic).await;
    let seen = run("group.js", wanted(broker, topic.as_str(), 6)).await;
    assert_eq!(
        Value::from(seen),
        json!({"same": true, "small": "small", "left": []})
    );
    for host in team {
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modules_of_a_group_ask_for_large_requests_at_the_embedded_broker() {
    call_a_group(&TestBroker::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modules_of_a_group_ask_for_large_requests_at_a_pulsar() {
    call_a_group(&TestBroker::pulsar().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_is_sent_again_to_the_module_that_takes_over() {
    let call = async |url: String| {
        let seen = run("takeover.js", json!({"url": url, "topic": "readers"})).await;
        assert_eq!(Value::from(seen), json!({"measured": 100_000}));
    };
    crate::generated_python::take_over("node", call).await;
}
