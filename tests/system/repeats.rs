//! What is published again after a lost connection, and what is not.

use std::future::IntoFuture;
use std::time::Duration;

use dasf::protocol::payload;
use dasf::{Acknowledge, Address, CallError, Host, HostOptions};
use dasf_broker::Broker;
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::peer::{Peer, Socket};
use dasf_test_support::{broker, listen, listen_at, soon, until};
use futures_util::future::join_all;
use futures_util::poll;

use crate::gated_module::gated;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

async fn connect(url: &str) -> gated::Client {
    let builder = gated::Client::builder().topic("demo").websocket(url);
    builder.connect().await.unwrap()
}

async fn start_module(broker: &Broker) -> Host {
    let module = gated::module().unwrap();
    listen(broker, "demo", module, HostOptions::default()).await
}

/// Starts a broker with the gated module.
async fn serve() -> (Broker, Host) {
    let broker = broker().await;
    let host = start_module(&broker).await;
    (broker, host)
}

/// Starts a line to a broker. Without links, each topic has its own WebSocket.
async fn start_line(broker: &Broker, links: bool) -> Line {
    match links {
        true => Line::start(broker.local_addr()).await,
        false => Line::without_links(broker.local_addr()).await,
    }
}

/// Begins a call over a line, and waits until the broker has accepted its request.
async fn accepted(
    client: &gated::Client,
    name: &str,
    line: &Line,
) -> JoinHandle<Result<u32, CallError>> {
    let mut receipts = line.passed(Kind::Receipt);
    let call = tokio::spawn(client.count(name).into_future());
    soon("the receipt", receipts.changed()).await.unwrap();
    call
}

/// Ends a broker, which forgets everything, and starts one in its place.
async fn restart(broker: Broker) -> Broker {
    let address = broker.local_addr();
    broker.shutdown().await;
    Broker::builder().bind(address).start().await.unwrap()
}

/// More calls than a module remembers.
const MANY: usize = 4_200;

/// Another module does not run it again, even if this one is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_acknowledged_while_its_function_runs() {
    for (name, links) in [
        ("running with a link", true),
        ("running with sockets", false),
    ] {
        let broker = broker().await;
        let line = start_line(&broker, links).await;
        let address = Address::websocket(&line.url()).unwrap();
        let module = gated::module().unwrap();
        let host = listen_at(address, "demo", module, HostOptions::default()).await;
        let client = connect(&broker.url()).await;
        let mut acknowledged = line.passed(Kind::Acknowledgement);
        let call = tokio::spawn(client.block().name(name.to_owned()).into_future());
        soon("the call", gated::entered(name)).await;
        let it = acknowledged.wait_for(|count| *count > 0);
        soon("the acknowledgement", it).await.unwrap();
        assert!(!call.is_finished());
        gated::open(name);
        soon("the answer", call).await.unwrap().unwrap();
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_is_not_published_again() {
    for (name, links) in [
        ("answered over a link", true),
        ("answered over sockets", false),
    ] {
        let (broker, host) = serve().await;
        let line = start_line(&broker, links).await;
        let client = connect(&line.url()).await;
        assert_eq!(client.count(name).await.unwrap(), 1);
        line.drop_frames(Kind::Receipt);
        let calls = (0..50).map(|_| client.count(name).into_future());
        for count in soon("the answers", join_all(calls)).await {
            count.unwrap();
        }
        let other = connect(&broker.url()).await;
        let calls = (0..MANY).map(|_| other.count("others").into_future());
        for count in soon("the other answers", join_all(calls)).await {
            count.unwrap();
        }
        line.close().await;
        line.mend();
        // What is published again comes first.
        let last = soon("the last answer", client.count(name).into_future());
        assert_eq!(last.await.unwrap(), 52, "{name}");
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_that_waits_for_a_connection_is_not_published() {
    for (name, links) in [
        ("dropped over a link", true),
        ("dropped over sockets", false),
    ] {
        let (broker, host) = serve().await;
        let line = start_line(&broker, links).await;
        let client = connect(&line.url()).await;
        assert_eq!(client.count(name).await.unwrap(), 1);
        line.close().await;
        for _ in 0..20 {
            let mut call = client.count(name).into_future();
            assert!(poll!(&mut call).is_pending());
        }
        line.mend();
        let last = soon("the last answer", client.count(name).into_future());
        assert_eq!(last.await.unwrap(), 2, "{name}");
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_not_published_again_after_the_timeout_of_its_caller() {
    for (name, links) in [("late over a link", true), ("late over sockets", false)] {
        let broker = broker().await;
        let line = start_line(&broker, links).await;
        let address = Address::websocket(&line.url()).unwrap();
        let module = gated::module().unwrap();
        let host = listen_at(address, "demo", module, HostOptions::default()).await;
        let mut caller = Peer::connect(&broker.url(), "demo", "demo_caller").await;
        let request = json!({"func_name": "count", "name": name}).to_string();
        let request = payload::encode(request.as_bytes());
        line.drop_frames(Kind::Receipt);
        let timeout = Duration::from_millis(200);
        let timeouts = [json!({"x_dasf_timeout_ms": timeout.as_millis()}), json!({})];
        for (context, timeout) in (1..).zip(timeouts) {
            caller.send("request", context, &request, timeout).await;
            assert_eq!(caller.receive().await["context"], context.to_string());
        }
        // The module has read the timeout before it answered.
        tokio::time::sleep(timeout).await;
        line.close().await;
        line.mend();
        caller.send("request", 3, &request, json!({})).await;
        let mut contexts = Vec::new();
        while contexts.last().is_none_or(|it| it != "3") {
            contexts.push(caller.receive().await["context"].clone());
        }
        assert_eq!(contexts, ["2", "3"], "{name}");
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_the_broker_lost_comes_from_the_memory_of_the_module() {
    for (name, links) in [("lost over a link", true), ("lost over sockets", false)] {
        let (broker, host) = serve().await;
        let line = start_line(&broker, links).await;
        let client = connect(&line.url()).await;
        assert_eq!(client.count(name).await.unwrap(), 1);
        line.drop_frames(Kind::Message);
        let mut dropped = line.dropped(Kind::Message);
        let call = tokio::spawn(client.count(name).into_future());
        soon("the response", dropped.changed()).await.unwrap();
        line.close().await;
        let broker = restart(broker).await;
        line.mend();
        let count = soon("the lost answer", call).await.unwrap().unwrap();
        assert_eq!(count, 2, "{name}");
        assert_eq!(client.count(name).await.unwrap(), 3, "{name}");
        host.shutdown().await;
        drop(broker);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_broker_lost_is_published_again() {
    for (name, links) in [
        ("forgotten over a link", true),
        ("forgotten over sockets", false),
    ] {
        let broker = broker().await;
        let line = start_line(&broker, links).await;
        let module = gated::module().unwrap();
        let address = Address::websocket(&line.url()).unwrap();
        let host = listen_at(address, "demo", module, HostOptions::default()).await;
        let other_line = start_line(&broker, links).await;
        let client = connect(&other_line.url()).await;
        line.close().await;
        let call = accepted(&client, name, &other_line).await;
        other_line.close().await;
        let broker = restart(broker).await;
        other_line.mend();
        line.mend();
        let count = soon("the answer", call).await.unwrap().unwrap();
        assert_eq!(count, 1, "{name}");
        assert_eq!(client.count(name).await.unwrap(), 2, "{name}");
        host.shutdown().await;
        drop(broker);
    }
}

/// A module promises to run a request at most once, and an earlier module may have run it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_broker_lost_does_not_run_in_a_later_module() {
    let broker = broker().await;
    // The request waits for a module that starts again.
    start_module(&broker).await.shutdown().await;
    let line = Line::start(broker.local_addr()).await;
    let client = connect(&line.url()).await;
    let call = accepted(&client, "later", &line).await;
    line.close().await;
    let broker = restart(broker).await;
    let mut reader = Socket::open(&format!("{}/demo/reader", broker.url())).await;
    let host = start_module(&broker).await;
    line.mend();
    let is_repeated = |message: &Value| !message["properties"]["x_dasf_repeated"].is_null();
    while !is_repeated(&soon("the request again", reader.receive()).await) {}
    // The module reads this request after the one that is published again.
    assert_eq!(client.count("later").await.unwrap(), 1);
    assert!(!call.is_finished());
    call.abort();
    host.shutdown().await;
}

fn in_group(acknowledge: Acknowledge) -> HostOptions {
    HostOptions::default()
        .group("workers".parse().unwrap())
        .acknowledge(acknowledge)
}

/// Modules of a group may have run it, so it is published again only if they may run it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_group_is_published_again_if_the_broker_lost_it() {
    let broker = broker().await;
    let (line, other_line) = (
        Line::start(broker.local_addr()).await,
        Line::start(broker.local_addr()).await,
    );
    let module = gated::module().unwrap();
    let address = Address::websocket(&line.url()).unwrap();
    let options = in_group(Acknowledge::Completed);
    let host = listen_at(address, "demo", module, options).await;
    let client = connect(&other_line.url()).await;
    line.close().await;
    let call = accepted(&client, "a lost request to a group", &other_line).await;
    other_line.close().await;
    let broker = restart(broker).await;
    other_line.mend();
    line.mend();
    let count = soon("the answer", call).await.unwrap().unwrap();
    assert_eq!(count, 1);
    host.shutdown().await;
    drop(broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_group_is_not_published_again_if_the_broker_has_it() {
    for acknowledge in [Acknowledge::Received, Acknowledge::Completed] {
        let broker = broker().await;
        let module = gated::module().unwrap();
        let host = listen(&broker, "demo", module, in_group(acknowledge)).await;
        let line = Line::start(broker.local_addr()).await;
        let client = connect(&line.url()).await;
        let name = format!("kept for a group {acknowledge:?}");
        let call = tokio::spawn(client.wait(&name).into_future());
        soon("the call", gated::entered(&name)).await;
        let mut reader = Socket::open(&format!("{}/demo/reader", broker.url())).await;
        line.close().await;
        line.mend();
        // The client pings the module before it publishes anything again.
        let is_ping = |message: &Value| message["properties"]["messageType"] == "ping";
        while !is_ping(&soon("a ping", reader.receive()).await) {}
        for _ in 0..10 {
            client.count(&name).await.unwrap();
            let message = loop {
                let message = soon("the request", reader.receive()).await;
                if message["properties"]["messageType"] == "request" {
                    break message;
                }
            };
            let repeated = &message["properties"]["x_dasf_repeated"];
            assert!(repeated.is_null(), "{message}");
        }
        gated::open(&name);
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), name);
        host.shutdown().await;
    }
}

/// Modules of other programs would run it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_module_that_does_not_know_the_mark_is_not_published_again() {
    let broker = broker().await;
    let line = Line::start(broker.local_addr()).await;
    let client = connect(&line.url()).await;
    let mut module = Socket::open(&format!("{}/demo/module", broker.url())).await;
    let call = accepted(&client, "foreign", &line).await;
    let request = soon("the request", module.receive()).await;
    assert_eq!(request["properties"]["messageType"], "request");
    let acknowledgement = json!({"messageId": request["messageId"]});
    module.send(&acknowledgement).await;
    let response_topic = request["properties"]["response_topic"].as_str().unwrap();
    let mut answers = Socket::open(&format!("{}/{response_topic}", broker.url())).await;
    line.close().await;
    line.mend();
    let mut pings = 0;
    // The client reads its answers in their order, so it has read the first pong before the later
    // answers.
    for _ in 0..10 {
        let next = tokio::spawn(client.count("foreign").into_future());
        while !next.is_finished() {
            let message = tokio::select! {
                message = module.receive() => message,
                () = until(|| next.is_finished()) => break,
            };
            let acknowledgement = json!({"messageId": message["messageId"]});
            module.send(&acknowledgement).await;
            let properties = &message["properties"];
            let is_ping = properties["messageType"] == "ping";
            pings += usize::from(is_ping);
            assert!(properties["x_dasf_repeated"].is_null(), "{message}");
            let (message_type, payload) = match is_ping {
                true => ("pong", ""),
                false => ("response", "MQ=="),
            };
            let properties = json!({
                "messageType": message_type, "requestContext": properties["requestContext"],
            });
            answers
                .send(&json!({"payload": payload, "properties": properties}))
                .await;
            answers.receive().await;
        }
        assert_eq!(next.await.unwrap().unwrap(), 1);
    }
    assert!(pings > 0);
    assert!(!call.is_finished());
    call.abort();
}
