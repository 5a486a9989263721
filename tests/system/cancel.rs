//! A call ends in the module when nobody waits for it any more.

use std::time::Duration;

use dasf::client::CallError;
use dasf::{Acknowledge, HostOptions};
use dasf_test_support::peer::{Peer, Socket};
use dasf_test_support::slow_module::{drop_running, is_noted, noted, send_and_drop, slow};
use dasf_test_support::{broker, listen, serve};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_ends_in_the_module() {
    let client = slow::Client::builder();
    let (_broker, host, client) = serve("drops", slow::module().unwrap(), client).await;
    drop_running("a", client.wait("a")).await;
    noted("a dropped").await;
    drop_running("b", client.work("b")).await;
    noted("b cancelled").await;
    // With a handler of reports, the call takes another way.
    drop_running("c", client.wait("c").on_progress(|_| {})).await;
    noted("c dropped").await;
    // The time of the client is over, and so is that of the module.
    let limit = Duration::from_millis(300);
    let late = client.wait("d").timeout(limit).await;
    assert!(matches!(late, Err(CallError::Timeout { .. })), "{late:?}");
    noted("d dropped").await;
    assert_eq!(client.size("e", "four").await, Ok(4));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_that_are_dropped_at_once_all_end() {
    const CALLS: usize = 300;
    let client = slow::Client::builder();
    let (_broker, host, client) = serve("storm", slow::module().unwrap(), client).await;
    let name = |number: usize| format!("storm{number}");
    let calls = (0..CALLS).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.wait(name(number)).await })
    });
    let calls: Vec<_> = calls.collect();
    for number in 0..CALLS {
        noted(&format!("{} begun", name(number))).await;
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    for number in 0..CALLS {
        noted(&format!("{} dropped", name(number))).await;
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_in_the_module_never_begins() {
    let broker = broker().await;
    let options = HostOptions::default().max_workers(1).max_concurrent(1);
    let host = listen(&broker, "waiting", slow::module().unwrap(), options).await;
    let client = slow::Client::builder().topic("waiting");
    let client = client.websocket(&broker.url()).connect().await.unwrap();
    let busy = [
        tokio::spawn({
            let client = client.clone();
            async move { client.work("busy").await }
        }),
        tokio::spawn({
            let client = client.clone();
            async move { client.wait("busy too").await }
        }),
    ];
    noted("busy begun").await;
    noted("busy too begun").await;
    send_and_drop(client.work("never")).await;
    send_and_drop(client.wait("never too")).await;
    let last = client.size("last", "");
    let free = async {
        // The module reads the cancellations before the pong.
        client.caller().ping().await.unwrap();
        busy.iter().for_each(tokio::task::JoinHandle::abort);
    };
    let (last, ()) = tokio::join!(last.into_future(), free);
    assert_eq!(last, Ok(0));
    noted("busy too dropped").await;
    drop_running("next", client.wait("next")).await;
    noted("next dropped").await;
    assert!(!is_noted("never begun"));
    assert!(!is_noted("never too begun"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_gets_no_response_and_never_runs_again() {
    let broker = broker().await;
    let module = slow::module().unwrap();
    let host = listen(&broker, "raw", module, HostOptions::default()).await;
    let mut peer = Peer::connect(&broker.url(), "raw", "raw_caller").await;
    let wait = json!({"func_name": "wait", "name": "raw"});
    peer.request(7, &wait).await;
    noted("raw begun").await;
    peer.send("cancel", 7, "", json!({})).await;
    noted("raw dropped").await;
    // It was cancelled before it came.
    peer.send("cancel", 8, "", json!({})).await;
    let size = |name: &str| json!({"func_name": "size", "name": name, "text": ""});
    peer.request(8, &size("early")).await;
    peer.request(9, &size("later")).await;
    let response = peer.receive().await;
    assert_eq!(response["properties"]["requestContext"], "9");
    assert!(!is_noted("early ran"));
    // A caller who publishes the request again learns that it has ended.
    let payload = dasf::protocol::payload::encode(wait.to_string().as_bytes());
    let repeated = json!({"x_dasf_repeated": "1"});
    peer.send("request", 7, &payload, repeated).await;
    let (status, text) = peer.answer().await;
    assert_eq!(status, "error");
    assert_eq!(
        text,
        "error processing request: the caller has cancelled the call"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_cancelled_while_no_module_listened_never_begins() {
    let broker = broker().await;
    let mut peer = Peer::connect(&broker.url(), "nobody", "nobody_caller").await;
    let size = |name: &str| json!({"func_name": "size", "name": name, "text": ""});
    peer.request(1, &size("absent1")).await;
    peer.request(2, &size("absent2")).await;
    peer.send("cancel", 1, "", json!({})).await;
    let module = slow::module().unwrap();
    let host = listen(&broker, "nobody", module, HostOptions::default()).await;
    let response = peer.receive().await;
    assert_eq!(response["properties"]["requestContext"], "2");
    assert!(!is_noted("absent1 ran"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_group_the_cancellation_reaches_the_module_that_runs_the_call() {
    for acknowledge in [Acknowledge::Received, Acknowledge::Completed] {
        let broker = broker().await;
        let topic = "shared";
        let options = HostOptions::default()
            .group("workers".parse().unwrap())
            .max_workers(1)
            .acknowledge(acknowledge);
        let mut hosts = Vec::new();
        for _ in 0..3 {
            let module = slow::module().unwrap();
            hosts.push(listen(&broker, topic, module, options.clone()).await);
        }
        let client = slow::Client::builder().topic(topic);
        let client = client.websocket(&broker.url()).connect().await.unwrap();
        let name = |number: usize| format!("{acknowledge:?}{number}");
        for number in 0..6 {
            let name = name(number);
            drop_running(&name, client.wait(&name)).await;
            noted(&format!("{name} dropped")).await;
        }
        for number in 6..9 {
            let name = name(number);
            drop_running(&name, client.work(&name)).await;
            noted(&format!("{name} cancelled")).await;
        }
        for host in hosts {
            host.shutdown().await;
        }
    }
}

#[test]
fn a_blocking_client_sends_its_last_cancellation_before_it_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (broker, mut module) = runtime.block_on(async {
        let broker = broker().await;
        let url = format!("{}/blocked/module", broker.url());
        let module = Socket::open(&url).await;
        (broker, module)
    });
    let client = slow::blocking::Client::builder().topic("blocked");
    let client = client.websocket(&broker.url()).connect().unwrap();
    let late = client.wait("blocked").timeout(Duration::from_millis(50));
    let late = late.send();
    drop(client);
    assert!(matches!(late, Err(CallError::Timeout { .. })), "{late:?}");
    runtime.block_on(async {
        let mut next = async |message_type| {
            loop {
                let message = module.receive().await;
                if message["properties"]["messageType"] == message_type {
                    return message;
                }
            }
        };
        let request = next("request").await;
        let cancellation = next("cancel").await;
        for key in ["requestContext", "response_topic"] {
            assert_eq!(request["properties"][key], cancellation["properties"][key]);
        }
        assert_eq!(cancellation["payload"], "");
    });
}
