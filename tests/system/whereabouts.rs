//! What a caller is told of a call that takes long.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use dasf::client::Whereabouts;
use dasf::protocol::payload;
use dasf::{CallError, Caller, HostOptions};
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_test_support::peer::Socket;
use dasf_test_support::{both_styles, broker, broker_builder, listen, soon, until};
use futures_util::future::join_all;
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

/// Answers pings, and requests with this report of progress, but never with a response. Counts the pings.
async fn run_for_ever(url: String, report: Option<Value>, pings: Arc<AtomicUsize>) {
    let mut module = Socket::open(&format!("{url}/{TOPIC}/module")).await;
    loop {
        let message = module.receive().await;
        let asked = &message["properties"];
        let id = json!({"messageId": message["messageId"]});
        module.send(&id).await;
        let (message_type, payload) = match (asked["messageType"].as_str(), &report) {
            (Some("ping"), _) => {
                pings.fetch_add(1, Ordering::Relaxed);
                ("pong", String::new())
            }
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
        let module = tokio::spawn(run_for_ever(broker.url(), report, Arc::default()));
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

/// Some brokers keep only some hundreds of messages for a module and drop the others.
#[tokio::test]
async fn calls_that_wait_do_not_flood_the_module_with_pings() {
    let broker = broker().await;
    let builder = Caller::builder(TOPIC).websocket(&broker.url());
    let caller = builder.max_in_flight(10).connect().await.unwrap();
    let pings = Arc::<AtomicUsize>::default();
    let module = tokio::spawn(run_for_ever(broker.url(), None, Arc::clone(&pings)));
    soon("the module", until(|| broker.statistics().connections == 2)).await;
    let calls = (0..200).map(|_| {
        let call = caller.call(&json!({"func_name": "f"}));
        call.timeout(Duration::from_millis(2500)).into_future()
    });
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    // Two for each call that was sent, and one in each second for all of them.
    let pings = pings.load(Ordering::Relaxed);
    assert!((1..=25).contains(&pings), "{pings}");
    module.abort();
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

/// The open gates. The calls of [`busy`] end when their gate is open.
static GATES: (Mutex<Vec<String>>, Condvar) = (Mutex::new(Vec::new()), Condvar::new());

fn open(gate: &str) {
    let (open, changed) = &GATES;
    open.lock().unwrap().push(gate.to_owned());
    changed.notify_all();
}

/// Functions that run until a gate is open.
#[dasf::module(main = false)]
mod busy {
    use std::time::Duration;

    use super::GATES;

    #[dasf::function]
    #[allow(clippy::needless_pass_by_value)] // a function owns its arguments
    fn hold(gate: String) {
        let (open, changed) = &GATES;
        let open = open.lock().unwrap();
        drop(changed.wait_while(open, |open| !open.contains(&gate)));
    }

    #[dasf::function]
    async fn hold_in_task(gate: String) {
        let (open, _) = &GATES;
        while !open.lock().unwrap().contains(&gate) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends five calls to a module that runs one at a time, and returns what the timeouts of all of them say.
async fn queue(topic: &str, function: &str, options: HostOptions) -> Vec<Whereabouts> {
    let gate = format!("{topic} {function}");
    let broker = broker().await;
    let module = busy::module().unwrap();
    let host = listen(&broker, topic, module, options).await;
    let client = Caller::builder(topic).websocket(&broker.url());
    let client = client.connect().await.unwrap();
    let mut calls = Vec::new();
    for number in 1..=5 {
        let call = client.call(&json!({"func_name": function, "gate": gate}));
        // The first call ends last, so no other call comes to its turn when its time is over.
        let timeout = Duration::from_millis(3_000 - 100 * number);
        let call = call.timeout(timeout).into_future();
        calls.push(tokio::spawn(call));
        let is_there = || broker.statistics().published >= number;
        soon("the request", until(is_there)).await;
    }
    let mut known = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Err(CallError::Timeout { known: it, .. }) => known.push(it),
            other => panic!("{other:?}"),
        }
    }
    open(&gate);
    host.shutdown().await;
    known
}

fn waiting(before: u64) -> Whereabouts {
    Whereabouts::Waiting { before }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_knows_how_many_wait_before_it() {
    let one = || HostOptions::default().max_workers(1).max_concurrent(1);
    let in_group = || one().group("workers".parse().unwrap());
    for function in ["hold", "hold_in_task"] {
        let known = queue("queue", function, one()).await;
        match known[0] {
            Whereabouts::Begun { so_far } => {
                assert!((500..3000).contains(&so_far.as_millis()), "{so_far:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(known[1..], [0, 1, 2, 3].map(waiting), "{function}");
        // A module of a group leaves the calls to the broker, but the next one.
        let known = queue("group", function, in_group()).await;
        assert_eq!(known[..2], [Whereabouts::Accepted; 2], "{function}");
        assert_eq!(known[2..], [0, 1, 2].map(waiting), "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_learns_while_it_waits_where_its_call_is() {
    let broker = broker().await;
    let module = busy::module().unwrap();
    let options = HostOptions::default().max_workers(1);
    let host = listen(&broker, "watched", module, options).await;
    let client = Caller::builder("watched").websocket(&broker.url());
    let client = client.connect().await.unwrap();
    let request = json!({"func_name": "hold", "gate": "watched"});
    let first = tokio::spawn(client.call(&request).into_future());
    soon(
        "the first call",
        until(|| broker.statistics().published >= 1),
    )
    .await;
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let call = client.call(&request).on_whereabouts(move |whereabouts| {
        let _ = sender.send(whereabouts);
    });
    let second = tokio::spawn(call.into_future());
    assert_eq!(soon("the position", told.recv()).await, Some(waiting(0)));
    assert_eq!(soon("the position", told.recv()).await, Some(waiting(0)));
    first.abort();
    second.abort();
    open("watched");
    host.shutdown().await;
}
