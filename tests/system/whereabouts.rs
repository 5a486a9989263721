//! What a caller is told of a call that takes long.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dasf::client::Whereabouts;
use dasf::protocol::payload;
use dasf::{CallError, Caller, HostOptions};
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_test_support::peer::Socket;
use dasf_test_support::{both_styles, broker, broker_builder, listen, soon, until};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const TOPIC: &str = "demo";

async fn caller(url: &str) -> Caller {
    let builder = Caller::builder(TOPIC).websocket(url);
    builder.connect().await.unwrap()
}

/// Returns a caller with the URLs of a Pulsar, which does not tell that nobody listens.
async fn patient_caller(broker: &Broker) -> Caller {
    let [_, pulsar] = both_styles(broker);
    let builder = Caller::builder(TOPIC).address(pulsar);
    builder.connect().await.unwrap()
}

/// Answers pings, and requests with this report of progress, but never with a response.
async fn run_for_ever(url: String, report: Option<Value>) {
    let mut module = Socket::open(&format!("{url}/{TOPIC}/module")).await;
    loop {
        let message = module.receive().await;
        let asked = &message["properties"];
        let id = json!({"messageId": message["messageId"]});
        module.send(&id).await;
        let (message_type, payload) = match (asked["messageType"].as_str(), &report) {
            (Some("ping"), _) => ("pong", String::new()),
            (Some("request"), Some(report)) => {
                ("progress", payload::encode(report.to_string().as_bytes()))
            }
            _ => continue,
        };
        let topic = asked["response_topic"].as_str().unwrap();
        let mut producer = Socket::open(&format!("{url}/{topic}")).await;
        let context = &asked["requestContext"];
        let properties = json!({
            "messageType": message_type, "requestContext": context, "source_topic": TOPIC,
            "status": "running",
        });
        let frame = json!({"payload": payload, "context": context, "properties": properties});
        producer.send(&frame).await;
        producer.receive().await;
    }
}

async fn known(caller: &Caller, milliseconds: u64) -> Whereabouts {
    let call = caller.call(&json!({"func_name": "f"}));
    match call.timeout(Duration::from_millis(milliseconds)).await {
        Err(CallError::Timeout { known, .. }) => known,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_timeout_says_what_is_known() {
    let step = |status: &str| {
        json!({
            "report_type": "tree", "report_id": "root", "status": status, "step_message": "",
            "steps": 10, "children": [],
        })
    };
    let mut report = step("running");
    report["children"] = json!([
        step("success"),
        step("success"),
        step("success"),
        step("running")
    ]);
    for (report, expected) in [
        (Some(report), Whereabouts::Running { percent: 30 }),
        (None, Whereabouts::Accepted),
    ] {
        let broker = broker().await;
        let caller = caller(&broker.url()).await;
        let module = tokio::spawn(run_for_ever(broker.url(), report));
        soon("the module", until(|| broker.statistics().connections == 2)).await;
        assert_eq!(known(&caller, 1000).await, expected);
        module.abort();
    }
    let broker = broker().await;
    let caller = patient_caller(&broker).await;
    assert_eq!(known(&caller, 1000).await, Whereabouts::Unanswered);
    assert_eq!(caller.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_waits_for_other_calls_is_not_sent() {
    let broker = broker().await;
    let builder = Caller::builder(TOPIC).websocket(&broker.url());
    let caller = builder.max_in_flight(1).connect().await.unwrap();
    let first = caller.call(&json!({"func_name": "f"})).into_future();
    let first = tokio::spawn(first);
    soon("the first call", until(|| caller.in_flight() == 1)).await;
    let second = caller.call(&json!({"func_name": "g"}));
    let error = second.timeout(Duration::from_millis(50)).await.unwrap_err();
    match &error {
        CallError::NotSent { topic, reason } => {
            assert_eq!(topic.as_str(), TOPIC);
            assert!(
                reason.contains("1 other calls of this client run"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    first.abort();
}

/// The messages of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message<'m>(&'m Mutex<Vec<String>>);
        impl Visit for Message<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0.lock().unwrap().push(format!("{value:?}"));
                }
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            event.record(&mut Message(&self.0));
        }
    }
}

/// Runs on one thread, so the log contains only this test.
#[tokio::test]
async fn nobody_on_the_topic_is_told_within_two_seconds() {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    let _logs = tracing::subscriber::set_default(subscriber);
    let broker = broker().await;
    let caller = patient_caller(&broker).await;
    // Many calls give one warning.
    let calls =
        (0..50).map(|_| tokio::spawn(caller.call(&json!({"func_name": "f"})).into_future()));
    let calls: Vec<_> = calls.collect();
    let begun = Instant::now();
    soon(
        "the warning",
        until(|| !warnings.0.lock().unwrap().is_empty()),
    )
    .await;
    assert!(begun.elapsed() < Duration::from_millis(2500));
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    let expected = "no module answers on this topic; the call waits for one, up to 60 s";
    assert_eq!(*warnings.0.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_mistake_in_the_topic_fails_within_a_second() {
    for links in [true, false] {
        let broker = broker_builder().links(links).start().await.unwrap();
        let caller = caller(&broker.url()).await;
        let begun = Instant::now();
        let call = caller.call(&json!({"func_name": "f"})).await;
        let ping = caller.ping().await;
        for error in [call.unwrap_err(), ping.unwrap_err()] {
            assert!(
                matches!(&error, CallError::NobodyListens { topic } if topic.as_str() == TOPIC),
                "{error}"
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{links}");
        assert_eq!(caller.in_flight(), 0);
        // What is refused does not run later.
        assert_eq!(broker.statistics().published, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_module_that_starts_again() {
    for links in [true, false] {
        let broker = broker_builder().links(links).start().await.unwrap();
        let module = || arithmetic::module().unwrap();
        let host = listen(&broker, TOPIC, module(), HostOptions::default()).await;
        let builder = arithmetic::Client::builder().topic(TOPIC);
        let client = builder.websocket(&broker.url()).connect().await.unwrap();
        assert_eq!(client.add(1).await.unwrap(), 3);
        host.shutdown().await;
        let before = broker.statistics().published;
        let call = tokio::spawn(client.add(2).into_future());
        soon(
            "the request",
            until(|| broker.statistics().published > before),
        )
        .await;
        let host = listen(&broker, TOPIC, module(), HostOptions::default()).await;
        assert_eq!(call.await.unwrap().unwrap(), 4);
        assert_eq!(broker.statistics().refused, 0);
        host.shutdown().await;
    }
}
