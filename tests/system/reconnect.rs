//! Restarts of the broker, and connections that break.

use std::time::Duration;

use dasf::{Host, HostOptions};
use dasf_broker::Broker;
use dasf_test_support::peer::{Peer, Socket};
use dasf_test_support::{broker, broker_builder, listen, soon};
use serde_json::json;

use crate::odd_module::odd;

/// Starts the odd module.
async fn serve_odd(broker: &Broker) -> Host {
    let module = odd::module().unwrap();
    listen(broker, "demo", module, HostOptions::default()).await
}

/// Starts the odd module, and connects a client.
async fn serve(broker: &Broker) -> (Host, odd::Client) {
    let host = serve_odd(broker).await;
    let builder = odd::Client::builder()
        .topic("demo")
        .websocket(&broker.url());
    (host, builder.connect().await.unwrap())
}

async fn restart(broker: Broker) -> Broker {
    let address = broker.local_addr();
    broker.shutdown().await;
    Broker::builder().bind(address).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn module_and_client_survive_restarts_of_the_broker() {
    let mut broker = broker().await;
    let (host, client) = serve(&broker).await;
    for round in 1..=3 {
        assert_eq!(client.count("restarts").await.unwrap(), round);
        broker = restart(broker).await;
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_survives_a_restart_of_the_broker() {
    let broker = broker().await;
    let (host, client) = serve(&broker).await;
    let waiting = tokio::spawn(client.wait("restart").into_future());
    soon("the call", odd::entered("restart")).await;
    let broker = restart(broker).await;
    odd::open("restart");
    assert_eq!(
        soon("the answer", waiting).await.unwrap().unwrap(),
        "restart"
    );
    host.shutdown().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_gets_what_came_while_it_was_away() {
    let broker = broker().await;
    let mut peer = Peer::connect(&broker.url(), "demo", "caller").await;
    peer.request(1, &json!({"func_name": "count", "name": "away"}))
        .await;
    let host = serve_odd(&broker).await;
    assert_eq!(peer.answer().await.1, "1");
    host.shutdown().await;
    peer.request(2, &json!({"func_name": "count", "name": "away"}))
        .await;
    let host = serve_odd(&broker).await;
    assert_eq!(peer.answer().await.1, "2");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_receipt_is_published_again_and_says_so() {
    // The test plays a broker that closes each connection after a request, without a receipt.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (received, mut requests) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let received = received.clone();
            tokio::spawn(async move {
                use futures_util::StreamExt;
                let mut socket = tokio_tungstenite::accept_async(connection).await.unwrap();
                while let Some(Ok(frame)) = socket.next().await {
                    if let Ok(text) = frame.to_text()
                        && let Ok(request) = serde_json::from_str::<serde_json::Value>(text)
                    {
                        received.send(request).await.unwrap();
                        return;
                    }
                }
            });
        }
    });
    let client = odd::Client::builder()
        .topic("demo")
        .websocket(&url)
        .connect()
        .await
        .unwrap();
    let call = tokio::spawn(
        client
            .count("x")
            .timeout(Duration::from_secs(20))
            .into_future(),
    );
    let first = soon("the request", requests.recv()).await.unwrap();
    assert!(first["properties"].get("x_dasf_repeated").is_none());
    for _ in 0..3 {
        let again = soon("the request again", requests.recv()).await.unwrap();
        assert_eq!(again["properties"]["x_dasf_repeated"], "1");
        assert_eq!(again["payload"], first["payload"]);
    }
    // The client gives up on a message that breaks its connection again and again.
    let error = soon("the end", call).await.unwrap().unwrap_err();
    assert!(matches!(error, dasf::CallError::NotSent { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_breaks_the_connection_takes_no_other_with_it() {
    let broker = broker_builder().max_frame_size(10_000).start();
    let broker = broker.await.unwrap();
    let (host, client) = serve(&broker).await;
    let poison = tokio::spawn(client.count("x".repeat(20_000)).into_future());
    let others = (0..60).map(|_| tokio::spawn(client.count("neighbour").into_future()));
    for other in others.collect::<Vec<_>>() {
        soon("a neighbour's answer", other).await.unwrap().unwrap();
    }
    let error = soon("the end", poison).await.unwrap().unwrap_err();
    assert!(matches!(error, dasf::CallError::NotSent { .. }), "{error}");
    // Each call ran once, even if it was published more than once.
    assert_eq!(client.count("neighbour").await.unwrap(), 61);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_broker_says_so() {
    let broker = broker().await;
    let client = odd::Client::builder()
        .topic("demo")
        .websocket(&broker.url())
        .connect()
        .await
        .unwrap();
    broker.shutdown().await;
    match client.count("x").timeout(Duration::from_millis(500)).await {
        Err(dasf::CallError::Disconnected { reason, .. }) => {
            assert!(
                matches!(reason, dasf::ConnectError::Unreachable { .. }),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_nobody_can_receive_does_not_stop_the_module() {
    let broker = broker().await;
    let options = HostOptions {
        producer_connection_timeout: Duration::from_millis(10),
        ..HostOptions::default()
    };
    let host = listen(&broker, "demo", odd::module().unwrap(), options).await;
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
