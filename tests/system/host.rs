//! The module host: its responses to good and bad messages, its queue, and its stop.

use std::time::Duration;

use dasf::protocol::payload;
use dasf::{CallError, FailureKind, HostOptions};
use dasf_broker::Broker;
use dasf_examples::reference;
use dasf_test_support::peer::{Peer, Socket, text};
use dasf_test_support::{broker, broker_builder, listen, soon, until};
use serde_json::{Value, json};

use crate::gated_module::gated;

const TOPIC: &str = "demo";

async fn gated_host(broker: &Broker, options: HostOptions) -> dasf::Host {
    listen(broker, TOPIC, gated::module().unwrap(), options).await
}

async fn gated_client(broker: &Broker) -> gated::Client {
    let client = gated::Client::builder()
        .topic(TOPIC)
        .websocket(&broker.url());
    client.connect().await.unwrap()
}

/// Starts the gated module on its own broker, and connects a caller.
async fn serve_gated(options: HostOptions) -> (Broker, dasf::Host, Peer) {
    let broker = broker().await;
    let host = gated_host(&broker, options).await;
    let peer = Peer::connect(&broker.url(), TOPIC, "caller").await;
    (broker, host, peer)
}

/// Starts the reference module on its own broker, and connects a caller.
async fn serve_reference() -> (Broker, dasf::Host, Peer) {
    let broker = broker().await;
    let module = reference::module().unwrap();
    let host = listen(&broker, TOPIC, module, HostOptions::default()).await;
    let peer = Peer::connect(&broker.url(), TOPIC, "caller").await;
    (broker, host, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_gets_an_error_with_the_reason() {
    let (_broker, host, mut peer) = serve_reference().await;
    let encoded = |text: &str| payload::encode(text.as_bytes());
    for (index, (payload, expected)) in [
        ("no base64!".to_owned(), "the payload is not base64: "),
        (String::new(), "the request is not JSON: "),
        (encoded("not json"), "the request is not JSON: "),
        (encoded("[1]"), "a request must be a JSON object"),
        (encoded("{}"), "func_name: the name of the function is required"),
        (encoded(r#"{"func_name": 5}"#), "func_name: must be a string"),
        (encoded(r#"{"func_name": "nope"}"#), r#"the module has no function "nope"; did you mean "none"?"#),
        (encoded(r#"{"func_name": "add"}"#), "add: a: is required"),
        (encoded(r#"{"func_name": "add", "a": "5"}"#), r#"add: a: "5" is not of type "integer""#),
        (encoded(r#"{"func_name": "add", "a": 1.5}"#), r#"add: a: 1.5 is not of type "integer""#),
        (encoded(r#"{"func_name": "add", "a": 1e30}"#), "add: a: "),
        (encoded(r#"{"func_name": "sqrt", "a": 0}"#), "sqrt: a: 0 is less than or equal to the minimum of 0"),
        (
            encoded(r#"{"func_name": "area", "points": [{"x": 1}, {"x": "b"}, {}], "scale": "c"}"#),
            r#"area: points[1].x: "b" is not of type "number"; points[2].x: is required; scale: "c" is not of type "number""#,
        ),
        (encoded(r#"{"func_name": "when", "t": "tomorrow"}"#), r#"when: t: "tomorrow" is not a "date-time""#),
        (encoded(r#"{"class_name": "Nope", "function": {}}"#), r#"the module has no class "Nope"; it has Greeter"#),
        (encoded(r#"{"class_name": "Greeter"}"#), "Greeter: function: an object with the func_name"),
        (encoded(r#"{"class_name": "Greeter", "function": {}}"#), "Greeter: function.func_name: "),
        (
            encoded(r#"{"class_name": "Greeter", "function": {"func_name": "nope"}}"#),
            r#"Greeter has no method "nope"; it has greet, twice"#,
        ),
        (
            encoded(r#"{"class_name": "Greeter", "greeting": 1, "function": {"func_name": "greet", "name": 2}}"#),
            r#"Greeter.greet: greeting: 1 is not of type "string"; function.name: 2 is not of type "string""#,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        peer.send("request", index as u64, &payload, json!({})).await;
        let (status, text) = peer.answer().await;
        assert_eq!(status, "error", "{text}");
        let expected = format!("error validating request: {expected}");
        assert!(text.starts_with(&expected), "{text}\nshould begin with\n{expected}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_gets_all_values_of_the_schema() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    let request =
        json!({"func_name": "numbers", "small": 255, "whole": 3.0, "pair": [1, "x"], "unknown": 1});
    peer.request(1, &request).await;
    assert_eq!(
        peer.answer().await,
        ("success".into(), r#"[255,3,[1.0,"x"]]"#.into())
    );
    let request = json!({"func_name": "numbers", "small": 256, "whole": 3, "pair": [1]});
    peer.request(2, &request).await;
    let (_, text) = peer.answer().await;
    assert!(
        text.contains("small: 256 is greater than the maximum of 255"),
        "{text}"
    );
    assert!(text.contains("pair: [1] has less than 2 items"), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latin_1_request_is_read() {
    let (_broker, host, mut peer) = serve_reference().await;
    let latin_1 = b"{\"func_name\": \"echo\", \"data\": \"Gr\xfc\xdfe\"}";
    peer.send("request", 1, &payload::encode(latin_1), json!({}))
        .await;
    assert_eq!(
        peer.answer().await,
        ("success".into(), r#""Gr\u00fc\u00dfe""#.into())
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_and_results_without_json_are_errors() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    for (request, status, expected) in [
        (
            json!({"func_name": "panic_on_a_thread"}),
            "error",
            "error executing request: the function panicked: on a thread",
        ),
        (
            json!({"func_name": "panic_in_a_task"}),
            "error",
            "error executing request: the function panicked: in a task",
        ),
        (
            json!({"func_name": "panic_inline"}),
            "error",
            "error executing request: the function panicked: inline",
        ),
        (
            json!({"func_name": "panic_again"}),
            "error",
            "error executing request: the function panicked: no message",
        ),
        (
            json!({"func_name": "panic_again_inline"}),
            "error",
            "error executing request: the function panicked: no message",
        ),
        (
            json!({"func_name": "panic_again_in_a_task"}),
            "error",
            "error executing request: the function panicked: no message",
        ),
        (
            json!({"func_name": "not_a_number"}),
            "success",
            "[null,null,1.0]",
        ),
        (
            json!({"func_name": "break_the_contract", "value": 1}),
            "success",
            "1",
        ),
        (
            json!({"func_name": "break_the_contract", "value": -1}),
            "error",
            "error processing request: the result does not match its schema: break_the_contract: result: -1 is less than the minimum of 0",
        ),
    ] {
        peer.request(1, &request).await;
        assert_eq!(
            peer.answer().await,
            (status.to_owned(), expected.to_owned())
        );
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_ignores_unreadable_messages() {
    let (broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    let frames = [
        json!({"payload": ""}),
        json!({"payload": 5, "properties": {}}),
        json!({"payload": "", "properties": {}}),
        json!({"payload": "", "properties": {"messageType": "request"}}),
        json!({"payload": "", "properties": {"messageType": "ping", "requestContext": 1}}),
        json!({"payload": "", "properties": {"messageType": "ping", "response_topic": "caller"}}),
        json!({"payload": "", "properties": {"messageType": "ping", "requestContext": [], "response_topic": "caller"}}),
        json!({"payload": "", "properties": {"messageType": "ping", "requestContext": 1, "response_topic": "a b"}}),
        json!({"payload": "", "properties": {"messageType": "telepathy", "requestContext": 1, "response_topic": "caller"}}),
        json!({"payload": "", "properties": {"messageType": "response", "requestContext": 1, "response_topic": "caller"}}),
    ];
    for frame in &frames {
        peer.producer.send(frame).await;
        assert_eq!(peer.producer.receive().await["result"], "ok", "{frame}");
    }
    peer.send("ping", 7, "", json!({})).await;
    let pong = peer.receive().await;
    assert_eq!(pong["properties"]["messageType"], "pong");
    assert_eq!(pong["context"], "7");
    host.shutdown().await;
    // All messages were acknowledged, so none is delivered again.
    let all = frames.len() as u64 + 1;
    let acknowledged = until(|| broker.statistics().acknowledged > all);
    soon("every acknowledgement", acknowledged).await;
    assert_eq!(broker.statistics().redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_the_broker_itself_are_answered() {
    let broker = broker().await;
    let host = gated_host(&broker, HostOptions::default()).await;
    // The Django broker sends this to every module that connects.
    let mut peer = Peer::connect(&broker.url(), TOPIC, "status-ping").await;
    peer.send("api_info", 1, "", json!({})).await;
    let answer = peer.receive().await;
    assert_eq!(answer["properties"]["requestContext"], "1");
    assert_eq!(answer["properties"]["source_topic"], TOPIC);
    assert_eq!(answer["properties"]["messageType"], "response");
    assert_eq!(answer["payload"], "");
    let document: Value =
        serde_json::from_str(answer["properties"]["api_info"].as_str().unwrap()).unwrap();
    assert_eq!(document["rpc_schema"]["title"], TOPIC);
    peer.send("info", 1, "", json!({})).await;
    let answer = peer.receive().await;
    let schema: Value =
        serde_json::from_str(answer["properties"]["info"].as_str().unwrap()).unwrap();
    assert_eq!(schema, document["rpc_schema"]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_above_the_queue_are_rejected() {
    let options = HostOptions::default().max_workers(1).queue_size(2);
    let (_broker, host, mut peer) = serve_gated(options).await;
    let request = json!({"func_name": "wait", "name": "overflow"});
    for context in 1..=3 {
        peer.request(context, &request).await;
    }
    let rejected = peer.receive().await;
    assert_eq!(rejected["context"], "3");
    assert_eq!(
        text(&rejected),
        "request rejected due to queue overflow, try again later"
    );
    assert_eq!(rejected["properties"]["status"], "error");
    for _ in 0..2 {
        gated::open("overflow");
        assert_eq!(
            peer.answer().await,
            ("success".into(), r#""overflow""#.into())
        );
    }
    // The queue has room again.
    gated::open("overflow");
    peer.request(4, &request).await;
    assert_eq!(peer.answer().await.0, "success");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_calls_wait_together() {
    const CALLS: usize = 1000;
    let broker = broker().await;
    let host = gated_host(&broker, HostOptions::default()).await;
    let client = gated_client(&broker).await;
    let calls: Vec<_> = (0..CALLS)
        .map(|_| tokio::spawn(client.wait("together").into_future()))
        .collect();
    // All of them run at the same time.
    for _ in 0..CALLS {
        soon("a call", gated::entered("together")).await;
    }
    for _ in 0..CALLS {
        gated::open("together");
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "together");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_calls_above_the_limit_wait_for_a_running_one() {
    let broker = broker().await;
    let options = HostOptions::default().max_concurrent(1);
    let host = gated_host(&broker, options).await;
    let client = gated_client(&broker).await;
    let first = tokio::spawn(client.wait("first in the limit").into_future());
    soon("the first call", gated::entered("first in the limit")).await;
    let second = tokio::spawn(client.wait("second in the limit").into_future());
    // A call of a plain function does not count.
    assert_eq!(client.block().await.unwrap(), None);
    gated::open("first in the limit");
    soon("the second call", gated::entered("second in the limit")).await;
    // The second call began after the first one had ended.
    assert_eq!(
        soon("an answer", first).await.unwrap().unwrap(),
        "first in the limit"
    );
    gated::open("second in the limit");
    assert_eq!(second.await.unwrap().unwrap(), "second in the limit");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_quick_function_that_block_hold_up_no_other_call() {
    const NAMES: [&str; 3] = ["one", "two", "three"];
    let broker = broker().await;
    let host = gated_host(&broker, HostOptions::default()).await;
    let client = gated_client(&broker).await;
    for _ in 0..20 {
        assert_eq!(client.block().await.unwrap(), None);
    }
    // They come together, when the function still counts as quick.
    let blocking = NAMES.map(|name| {
        let call = client.block().name(format!("block {name}"));
        tokio::spawn(call.into_future())
    });
    for name in NAMES {
        let name = format!("block {name}");
        soon("a call that blocks", gated::entered(&name)).await;
    }
    for _ in 0..20 {
        let quick = soon("another call", client.block().into_future()).await;
        assert_eq!(quick.unwrap(), None);
    }
    for (name, call) in NAMES.into_iter().zip(blocking) {
        gated::open(&format!("block {name}"));
        let name = call.await.unwrap().unwrap();
        assert!(name.is_some_and(|name| name.starts_with("block ")));
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rejected_request_gets_an_error() {
    let broker = broker().await;
    let options = HostOptions::default().max_workers(1).queue_size(1);
    let host = gated_host(&broker, options).await;
    let client = gated_client(&broker).await;
    let first = tokio::spawn(client.wait("flood").into_future());
    soon("the first call", gated::entered("flood")).await;
    let flood = (0..1000).map(|_| tokio::spawn(client.wait("flood").into_future()));
    for call in flood.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Err(CallError::Module(failure)) => {
                assert_eq!(failure.kind(), Some(FailureKind::Overflow));
            }
            other => panic!("{other:?}"),
        }
    }
    gated::open("flood");
    assert_eq!(first.await.unwrap().unwrap(), "flood");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_may_come_from_any_thread() {
    let broker = broker().await;
    // Each report needs a new connection, and a thread without a runtime cannot open one.
    let options = HostOptions::default().producer_keep_alive(Duration::ZERO);
    let host = gated_host(&broker, options).await;
    let client = gated_client(&broker).await;
    let mut last = None;
    let call = client
        .report_from_a_thread()
        .on_progress(|report| last = Some(report.clone()));
    assert_eq!(call.await.unwrap(), 2);
    assert_eq!(last.unwrap().children.len(), 2);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_long_timeouts_are_no_limits() {
    let options = HostOptions::default()
        .producer_keep_alive(Duration::MAX)
        .producer_connection_timeout(Duration::MAX)
        .drain_timeout(Duration::MAX);
    let (_broker, host, mut peer) = serve_gated(options).await;
    let request = payload::encode(br#"{"func_name": "not_a_number"}"#);
    for timeout in [
        json!(u64::MAX),
        json!("18446744073709551615"),
        json!(-1),
        json!("soon"),
    ] {
        peer.send(
            "request",
            1,
            &request,
            json!({"x_dasf_timeout_ms": timeout}),
        )
        .await;
        assert_eq!(peer.answer().await.0, "success");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_very_long_context_is_ignored() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    peer.send("ping", 1, "", json!({"requestContext": "1".repeat(1000)}))
        .await;
    peer.send("ping", 2, "", json!({})).await;
    assert_eq!(peer.receive().await["context"], "2");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_fragments_is_put_together() {
    let broker = broker().await;
    let host = gated_host(&broker, HostOptions::default().max_request_size(2000)).await;
    let mut peer = Peer::connect(&broker.url(), TOPIC, "caller").await;
    let whole = payload::encode(br#"{"func_name": "count", "name": "fragments"}"#);
    let (first, second) = whole.split_at(20);
    peer.send(
        "request",
        1,
        second,
        json!({"fragment": "1", "num_fragments": "2"}),
    )
    .await;
    peer.send(
        "request",
        1,
        first,
        json!({"fragment": 0, "num_fragments": 2}),
    )
    .await;
    assert_eq!(peer.answer().await, ("success".into(), "1".into()));
    // A request above the limit, and numbers that contradict each other.
    let large = "A".repeat(4000);
    peer.send(
        "request",
        2,
        &large,
        json!({"fragment": 0, "num_fragments": 2}),
    )
    .await;
    let (status, text) = peer.answer().await;
    assert_eq!(status, "error");
    assert!(
        text.contains("max_request_size, which is 2000 bytes"),
        "{text}"
    );
    peer.send("request", 3, "", json!({"fragment": 2, "num_fragments": 2}))
        .await;
    assert!(peer.answer().await.1.contains("fragment < num_fragments"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_published_again_runs_once() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    let request = payload::encode(br#"{"func_name": "count", "name": "repeated"}"#);
    peer.send("request", 1, &request, json!({})).await;
    assert_eq!(peer.answer().await.1, "1");
    peer.send("request", 1, &request, json!({"x_dasf_repeated": "1"}))
        .await;
    assert_eq!(peer.answer().await.1, "1", "the answer from memory");
    // A caller that restarts with the same numbers sends no such property, and gets a new result.
    peer.send("request", 1, &request, json!({})).await;
    assert_eq!(peer.answer().await.1, "2");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_time_reaches_the_function() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    let request = payload::encode(br#"{"func_name": "outlast"}"#);
    peer.send("request", 1, &request, json!({"x_dasf_timeout_ms": 50}))
        .await;
    assert_eq!(peer.answer().await, ("success".into(), "true".into()));
    peer.send("request", 2, &request, json!({"x_dasf_timeout_ms": 0}))
        .await;
    let (status, text) = peer.answer().await;
    assert_eq!(status, "error");
    assert!(
        text.starts_with("error processing request: the timeout of the caller was over"),
        "{text}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_accepted_calls_finish() {
    let options = HostOptions::default().max_workers(1);
    let (_broker, host, mut peer) = serve_gated(options).await;
    for context in 1..=2 {
        peer.request(context, &json!({"func_name": "wait", "name": "drain"}))
            .await;
    }
    // The response comes after both requests were accepted.
    peer.send("ping", 3, "", json!({})).await;
    assert_eq!(peer.receive().await["properties"]["messageType"], "pong");
    let stopping = tokio::spawn(host.shutdown());
    gated::open("drain");
    gated::open("drain");
    for _ in 0..2 {
        assert_eq!(peer.answer().await, ("success".into(), r#""drain""#.into()));
    }
    soon("the end", stopping).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_drain_timeout_is_ended_with_an_error() {
    let options = HostOptions::default().drain_timeout(Duration::from_millis(50));
    let (_broker, host, mut peer) = serve_gated(options).await;
    peer.request(1, &json!({"func_name": "wait", "name": "never"}))
        .await;
    soon("the call", gated::entered("never")).await;
    soon("the end", host.shutdown()).await;
    let expected = "error processing request: the module is shutting down";
    assert_eq!(peer.answer().await, ("error".into(), expected.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_connections_are_pooled_bounded_and_closed() {
    let broker = broker_builder().links(false).start().await.unwrap();
    let options = HostOptions::default().max_response_topics(2);
    let host = gated_host(&broker, options).await;
    let mut peers = Vec::new();
    for number in 0..5 {
        let mut peer = Peer::connect(&broker.url(), TOPIC, &format!("caller{number}")).await;
        for context in 0..3 {
            peer.request(context, &json!({"func_name": "not_a_number"}))
                .await;
            assert_eq!(peer.answer().await.0, "success");
        }
        peers.push(peer);
    }
    // Two sockets for each peer, one of the module, and its pool of two.
    let sockets_of_peers = 2 * peers.len() as u64;
    let expected = sockets_of_peers + 1 + 2;
    soon(
        "closed connections",
        until(|| broker.statistics().connections == expected),
    )
    .await;
    host.shutdown().await;
    soon(
        "closed connections",
        until(|| broker.statistics().connections == sockets_of_peers),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keep_alive_a_response_connection_ends_with_its_response() {
    let options = HostOptions::default().producer_keep_alive(Duration::ZERO);
    let broker = broker_builder().links(false).start().await.unwrap();
    let host = gated_host(&broker, options).await;
    let mut peer = Peer::connect(&broker.url(), TOPIC, "caller").await;
    for context in 0..5 {
        peer.request(context, &json!({"func_name": "not_a_number"}))
            .await;
        assert_eq!(peer.answer().await.0, "success");
        soon(
            "a closed connection",
            until(|| broker.statistics().connections == 3),
        )
        .await;
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeliverable_response_does_not_stop_the_module() {
    let broker = broker().await;
    let options = HostOptions::default().producer_connection_timeout(Duration::from_millis(10));
    let host = listen(&broker, "demo", gated::module().unwrap(), options).await;
    // A topic without a consumer, and a topic with the longest name.
    for response_topic in ["nobody".to_owned(), "x".repeat(255)] {
        let mut producer = Socket::open(&format!("{}/demo", broker.url())).await;
        let properties =
            json!({"messageType": "ping", "requestContext": 1, "response_topic": response_topic});
        producer
            .send(&json!({"payload": "", "context": 1, "properties": properties}))
            .await;
        assert_eq!(producer.receive().await["result"], "ok");
    }
    let mut peer = Peer::connect(&broker.url(), "demo", "caller").await;
    peer.request(1, &json!({"func_name": "not_a_number"})).await;
    assert_eq!(peer.answer().await.0, "success");
    host.shutdown().await;
}

/// A module without a group that stops leaves no subscription, which would gather requests for the next
/// module.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_module_does_not_run_what_another_one_has_done() {
    for links in [true, false] {
        let broker = broker_builder().links(links).start().await.unwrap();
        let name = format!("done-{links}");
        let first = gated_host(&broker, HostOptions::default()).await;
        let second = gated_host(&broker, HostOptions::default()).await;
        first.shutdown().await;
        let client = gated_client(&broker).await;
        for count in 1..=20 {
            assert_eq!(client.count(&name).await.unwrap(), count);
        }
        second.shutdown().await;
        let third = gated_host(&broker, HostOptions::default()).await;
        assert_eq!(client.count(&name).await.unwrap(), 21);
        third.shutdown().await;
        drop(client);
        until(|| broker.statistics().topics == 0).await;
        assert_eq!(broker.statistics().expired, 0);
    }
}

/// The module gives back what it does not finish. Its successor has started before it stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_without_a_group_gets_what_its_predecessor_gives_back() {
    for links in [true, false] {
        let broker = broker_builder().links(links).start().await.unwrap();
        let name = format!("given-back-{links}");
        let options = HostOptions::default()
            .acknowledge(dasf::host::Acknowledge::Completed)
            .max_workers(1)
            .drain_timeout(Duration::ZERO);
        let first = gated_host(&broker, options.clone()).await;
        let client = gated_client(&broker).await;
        let waiting = tokio::spawn(client.wait(&name).into_future());
        soon("the call", gated::entered(&name)).await;
        let counted: Vec<_> = (0..10)
            .map(|_| tokio::spawn(client.count(&name).into_future()))
            .collect();
        until(|| broker.statistics().published >= 11).await;
        let second = gated_host(&broker, HostOptions::default()).await;
        first.shutdown().await;
        gated::open(&name);
        soon("the first call", waiting).await.unwrap().unwrap();
        for count in counted {
            soon("a call", count).await.unwrap().unwrap();
        }
        second.shutdown().await;
    }
}

/// The properties of a fragment.
fn fragment(index: usize, count: usize) -> serde_json::Value {
    json!({"fragment": index, "num_fragments": count})
}

/// A request of `count` with an argument of this size that the function ignores, as base64.
fn large_request(name: &str, size: usize) -> String {
    let request = json!({"func_name": "wait", "name": name, "ignored": "x".repeat(size)});
    payload::encode(request.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_that_wait_count_until_they_are_answered() {
    let options = HostOptions::default()
        .max_concurrent(1)
        .max_held_bytes(1_000_000)
        .max_request_size(600_000);
    let (broker, host, mut peer) = serve_gated(options).await;
    let mut other = Peer::connect(&broker.url(), TOPIC, "other").await;
    let name = "that counts";
    let large = large_request(name, 250_000);
    for context in [1, 2] {
        peer.send("request", context, &large, json!({})).await;
    }
    gated::entered(name).await;
    // The caller has its share. The other one has less than its share, because of the limit for all.
    peer.send("request", 3, &large, json!({})).await;
    let (status, text) = peer.answer().await;
    assert_eq!(status, "error");
    assert_eq!(
        text,
        "request rejected due to queue overflow, try again later: the requests and responses of this caller that are \
         on the way are larger than max_request_size, which is 600000 bytes; wait for a response first"
    );
    other.send("request", 1, &large, json!({})).await;
    other.send("request", 2, &large, json!({})).await;
    let (_, text) = other.answer().await;
    assert_eq!(
        text,
        "request rejected due to queue overflow, try again later: the requests and responses that are on the way are \
         larger than max_held_bytes, which is 1000000 bytes"
    );
    // Small requests need no room.
    other
        .request(3, &json!({"func_name": "count", "name": name}))
        .await;
    assert_eq!(other.answer().await, ("success".into(), "1".into()));
    peer.send("request", 4, &large_request(name, 500_000), json!({}))
        .await;
    assert!(peer.answer().await.1.contains("wait for a response"));
    peer.send("request", 5, &large_request(name, 700_000), json!({}))
        .await;
    let (_, text) = peer.answer().await;
    assert!(
        text.starts_with("error validating request: ") && text.contains("send less data at a time"),
        "{text}"
    );
    for _ in 0..3 {
        gated::open(name);
    }
    for _ in 0..2 {
        assert_eq!(peer.answer().await.0, "success");
    }
    assert_eq!(other.answer().await.0, "success");
    for context in [6, 7] {
        peer.send("request", context, &large, json!({})).await;
        gated::open(name);
        assert_eq!(peer.answer().await.0, "success");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_does_not_keep_others_away() {
    let options = HostOptions::default()
        .max_held_bytes(1_500_000)
        .max_request_size(1_000_000);
    let (broker, host, mut hanging) = serve_gated(options).await;
    let mut peer = Peer::connect(&broker.url(), TOPIC, "other").await;
    let piece = "A".repeat(400_000);
    // It announces more than there is, and never sends the last fragment.
    for index in 0..3 {
        let more = fragment(index, 1_000_000_000);
        hanging.send("request", 1, &piece, more).await;
    }
    let name = "behind one that hangs";
    let request = json!({"func_name": "count", "name": name, "ignored": "x".repeat(400_000)});
    let whole = payload::encode(request.to_string().as_bytes());
    let (first, second) = whole.split_at(whole.len() / 2);
    peer.send("request", 1, first, fragment(0, 2)).await;
    peer.send("request", 1, second, fragment(1, 2)).await;
    assert_eq!(peer.answer().await, ("success".into(), "1".into()));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_without_a_group_asks_for_no_payloads() {
    let (_broker, host, mut peer) = serve_gated(HostOptions::default()).await;
    peer.send("request", 1, "", json!({"x_dasf_on_demand": "1"}))
        .await;
    let (status, text) = peer.answer().await;
    assert_eq!(status, "error");
    assert!(text.contains("this module has no group"), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_never_come_do_not_keep_other_requests_away() {
    let options = HostOptions::default()
        .group("workers".parse().unwrap())
        .max_workers(4);
    let (broker, host, mut silent) = serve_gated(options).await;
    let mut peer = Peer::connect(&broker.url(), TOPIC, "other").await;
    for context in 0..30 {
        let more = json!({"x_dasf_on_demand": "1"});
        silent.send("request", context, "", more).await;
    }
    for count in 1..=10 {
        let request = json!({"func_name": "count", "name": "behind silent ones"});
        peer.request(count, &request).await;
        assert_eq!(peer.answer().await, ("success".into(), count.to_string()));
    }
    host.shutdown().await;
}

/// The caller leaves with calls that wait in the broker. Another caller does not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_caller_that_is_gone_are_not_run() {
    for links in [true, false] {
        let broker = broker_builder().links(links).start().await.unwrap();
        let name = format!("gone-{links}");
        let options = HostOptions::default()
            .group("workers".parse().unwrap())
            .max_workers(1);
        let host = gated_host(&broker, options).await;
        // Without links, the module of a group reads its cancellations on another connection.
        let own = if links { 1 } else { 2 };
        until(|| broker.statistics().connections == own).await;
        let leaving = gated_client(&broker).await;
        // Without links, the module has a connection for the answers now.
        leaving.count("answered").await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        // The only worker is busy, so the other calls wait.
        let block = leaving.block().name(name.clone()).into_future();
        calls.spawn(async { block.await.map(|_| String::new()) });
        soon("the call", gated::entered(&name)).await;
        let count = async |call: dasf::client::Call<u32>| call.await.map(|count| count.to_string());
        let published = broker.statistics().published;
        for _ in 0..20 {
            calls.spawn(count(leaving.count(&name)));
        }
        until(|| broker.statistics().published >= published + 20).await;
        drop(leaving);
        calls.shutdown().await;
        // Without links, the module may have one for the answers, and one to pass cancellations on.
        until(|| broker.statistics().connections <= if links { own } else { own + 2 }).await;
        let staying = gated_client(&broker).await;
        gated::open(&name);
        let counted = soon("the answer", staying.count(&name).into_future()).await;
        // The module had some of the calls already. Of the others, the broker dropped some, and the caller has
        // cancelled the rest.
        assert!(counted.unwrap() <= 10, "{:?}", broker.statistics());
        host.shutdown().await;
    }
}
