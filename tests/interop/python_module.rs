//! A Rust client and the Python reference module, which demessaging serves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dasf::protocol::progress::Report;
use dasf::protocol::{Status, Topic, payload};
use dasf::{CallError, FailureKind};
use dasf_examples::reference;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::brokers::{TestBroker, on_json_brokers};
use crate::python;
use crate::support::{call_everything, connect, reference_module};

on_json_brokers!(
    every_kind_of_call_is_answered,
    numbers_of_any_length_are_added,
    errors_have_their_kind,
    reports_arrive_as_they_change,
    large_results_arrive_and_large_requests_are_not_sent,
    requests_beyond_the_queue_are_rejected,
    a_blocking_client_calls,
    the_module_describes_itself,
    a_cancellation_is_ignored,
);

/// The module and a client. A drop ends the module.
struct Served {
    client: reference::Client,
    topic: Topic,
    _module: python::Server,
}

/// Options for tests that cause errors. Python would log each of them.
const QUIET: &[&str] = &["--log-level", "50"];

async fn serve(broker: &TestBroker, options: &[&str]) -> Served {
    let topic = broker.topic("py-module").await;
    let mut module = reference_module(broker, &topic, options);
    let client = connect(broker, &topic).await;
    python::until_it_listens(&mut module, client.caller()).await;
    Served {
        client,
        topic,
        _module: module,
    }
}

async fn every_kind_of_call_is_answered(broker: &TestBroker) {
    let served = serve(broker, &[]).await;
    call_everything(&served.client).await;
}

async fn numbers_of_any_length_are_added(broker: &TestBroker) {
    let served = serve(broker, &[]).await;
    let request = r#"{"func_name": "add", "a": 265252859812191058636308480000000}"#;
    let request: Box<RawValue> = serde_json::from_str(request).unwrap();
    let sum = served.client.caller().call_raw(&request).await.unwrap();
    assert_eq!(sum.get(), "265252859812191058636308480000002");
}

/// Returns the kind and the message of a failure of the module.
fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> (FailureKind, String) {
    match result {
        Err(CallError::Module(failure)) => (failure.kind().unwrap(), failure.message().to_owned()),
        other => panic!("{other:?}"),
    }
}

async fn errors_have_their_kind(broker: &TestBroker) {
    let Served { client, .. } = &serve(broker, QUIET).await;
    for text in ["boom", "ä 世 🌍", ""] {
        let failed = failure(client.fail(text).await);
        assert_eq!(failed, (FailureKind::Execution, text.to_owned()));
    }
    // The years of Python have four digits.
    let (kind, _) = failure(client.when(DateTime::<Utc>::MAX_UTC.into()).await);
    assert_eq!(kind, FailureKind::Validation);

    // pydantic compares the request with every member, and reports an error for each.
    let (kind, message) = failure(client.sqrt(-1.0).await);
    assert_eq!(kind, FailureKind::Validation);
    let title = "16 validation errors for __main__\n";
    assert!(message.starts_with(title), "{message}");
    let reason = "FuncSqrt.a\n  Input should be greater than 0 [type=greater_than, \
                  input_value=-1.0, input_type=float]\n";
    assert!(message.contains(reason), "{message}");

    let stranger = client.caller().call(&json!({"func_name": "stranger"}));
    let (kind, message) = failure(stranger.await);
    assert_eq!(kind, FailureKind::Validation);
    let reason = "FuncAdd.func_name\n  Input should be 'add'";
    assert!(message.contains(reason), "{message}");
    // The module continues to work.
    assert_eq!(client.add(1).await.unwrap(), 3);
}

/// Returns a report as Python sends it.
fn node(message: &str, status: Status, steps: u64, children: &[Report]) -> Report {
    let mut report = Report::new("root", message, steps);
    report.status = status;
    report.children = children.to_vec();
    report
}

async fn reports_arrive_as_they_change(broker: &TestBroker) {
    let Served { client, .. } = &serve(broker, &[]).await;
    let (running, success) = (Status::Running, Status::Success);
    let step = |number, status| node(&format!("step {number}"), status, 0, &[]);
    let root = |status, steps: &[Report]| node("working", status, 3, steps);
    let expected = [
        root(running, &[]),
        root(running, &[step(0, running)]),
        root(running, &[step(0, success)]),
        root(running, &[step(0, success), step(1, running)]),
        root(running, &[step(0, success), step(1, success)]),
        root(success, &[step(0, success), step(1, success)]),
    ];
    // The second call gets new reports, although the default in Python is one object.
    for _ in 0..2 {
        let mut reports: Vec<Report> = Vec::new();
        let slow = client.slow().n(2);
        let slow = slow.on_progress(|report| reports.push(report.clone()));
        assert_eq!(slow.await.unwrap(), "done");
        assert_eq!(reports, expected);
    }
    // A call without a handler for reports.
    assert_eq!(client.slow().await.unwrap(), "done");
}

async fn large_results_arrive_and_large_requests_are_not_sent(broker: &TestBroker) {
    // Fragments of different sizes.
    for options in [&[][..], &["--max_payload_size", "700000"]] {
        let Served { client, topic, .. } = &serve(broker, options).await;
        let part = "0123456789".repeat(10_000);
        let parts = client.greeter().greeting("Yo").twice(&part).times(50);
        let parts = parts.await.unwrap();
        assert_eq!(parts.len(), 50);
        assert!(parts.iter().all(|found| *found == format!("Yo {part}")));
        // Request and response are one frame each.
        let whole = "x".repeat(500_000);
        assert!(client.echo(&*whole).await.unwrap() == whole);

        let url = broker.consumer_url(topic.as_str(), "witness");
        let (mut witness, _) = connect_async(url).await.unwrap();
        let error = client.echo("x".repeat(800_000)).await.unwrap_err();
        assert!(
            matches!(error, CallError::RequestTooLarge { size: 800_030, .. }),
            "{error:?}"
        );
        assert_eq!(client.add(1).await.unwrap(), 3);
        // The witness gets no large request before the next request.
        let next = json!({"func_name": "add", "a": 1});
        loop {
            let frame = witness.next().await.unwrap().unwrap();
            if let Message::Text(text) = frame
                && let message = serde_json::from_str::<Value>(&text).unwrap()
                && message["properties"]["messageType"] == "request"
            {
                let request = payload::decode(message["payload"].as_str().unwrap()).unwrap();
                assert!(request.len() < 800_000);
                if serde_json::from_slice::<Value>(&request).unwrap() == next {
                    break;
                }
            }
        }
    }
}

async fn requests_beyond_the_queue_are_rejected(broker: &TestBroker) {
    let options = ["--max-workers", "1", "--queue_size", "1"];
    let Served { client, .. } = &serve(broker, &options).await;
    let (started, has_started) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let slow = client.slow().n(40).on_progress(move |_| {
        if let Some(started) = started.take() {
            started.send(()).unwrap();
        }
    });
    let slow = tokio::spawn(slow.into_future());
    has_started.await.unwrap();
    let rejected = failure(client.add(1).await);
    assert_eq!(rejected, (FailureKind::Overflow, String::new()));
    assert_eq!(slow.await.unwrap().unwrap(), "done");
}

async fn a_blocking_client_calls(broker: &TestBroker) {
    let served = serve(broker, QUIET).await;
    let (topic, address) = (served.topic.clone(), broker.address());
    let calls = tokio::task::spawn_blocking(move || {
        let client = reference::blocking::Client::builder()
            .topic(topic.as_str())
            .address(address)
            .connect()
            .unwrap();
        client.caller().ping().unwrap();
        assert_eq!(client.add(1).send().unwrap(), 3);
        assert_eq!(client.echo("ä 世 🌍").send().unwrap(), "ä 世 🌍");
        let greeter = client.greeter().greeting("Yo");
        assert_eq!(greeter.greet("Ada").send().unwrap(), "Yo Ada");
        let failed = failure(client.fail("boom").send());
        assert_eq!(failed, (FailureKind::Execution, "boom".to_owned()));
        let mut reports = 0;
        let slow = client.slow().n(1);
        let slow = slow.on_progress(|_| reports += 1);
        assert_eq!(slow.send().unwrap(), "done");
        assert_eq!(reports, 4);
    });
    calls.await.unwrap();
}

async fn the_module_describes_itself(broker: &TestBroker) {
    let Served { client, topic, .. } = &serve(broker, &[]).await;
    client.caller().ping().await.unwrap();
    let info: Value = serde_json::from_str(&client.caller().info().await.unwrap()).unwrap();
    // The description that the module prints, with the topic of this test.
    let mut schema: Value = serde_json::from_str(include_str!("../fixtures/schema.json")).unwrap();
    schema["title"] = json!(topic.as_str());
    assert_eq!(info, schema);

    let api = client.caller().api_info().await.unwrap();
    assert_eq!(api.rpc_schema, schema);
    let functions: Vec<&str> = api.functions.iter().map(|f| f.name.as_str()).collect();
    let expected = [
        "add", "hello", "sqrt", "slow", "area", "fail", "echo", "when", "none",
    ];
    assert_eq!(functions, expected);
    let [greeter] = &api.classes[..] else {
        panic!("{:?}", api.classes)
    };
    let methods: Vec<&str> = greeter.methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(greeter.name, "Greeter");
    assert_eq!(methods, ["greet", "twice"]);
    assert!(api.x_dasf.is_none());
}

async fn a_cancellation_is_ignored(broker: &TestBroker) {
    let Served { client, .. } = &serve(broker, QUIET).await;
    let call = client
        .slow()
        .n(20)
        .timeout(Duration::from_millis(200))
        .await;
    assert!(matches!(call, Err(CallError::Timeout { .. })), "{call:?}");
    assert_eq!(client.add(1).await.unwrap(), 3);
}
