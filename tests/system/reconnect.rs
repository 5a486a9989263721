//! Restarts of the broker, and connections that break.

use std::time::{Duration, Instant};

use dasf::{Address, Host, HostOptions};
use dasf_broker::Broker;
use dasf_test_support::line::Line;
use dasf_test_support::peer::Peer;
use dasf_test_support::{broker, broker_builder, listen, listen_at, soon, until};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::{DATE, HeaderValue};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::gated_module::gated;

/// Starts the gated module.
async fn serve_gated(broker: &Broker) -> Host {
    let module = gated::module().unwrap();
    listen(broker, "demo", module, HostOptions::default()).await
}

/// Starts the gated module, and connects a client.
async fn serve(broker: &Broker) -> (Host, gated::Client) {
    let host = serve_gated(broker).await;
    let builder = gated::Client::builder()
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

/// A broker that stops every few seconds is still of use between its stops. Waits that double from stop to
/// stop would take 12 s at least.
#[tokio::test(flavor = "multi_thread")]
async fn stops_in_quick_succession_do_not_make_the_waits_longer() {
    let mut broker = broker().await;
    let (host, client) = serve(&broker).await;
    let begun = Instant::now();
    for round in 1..=9 {
        assert_eq!(client.count("stops").await.unwrap(), round);
        broker = restart(broker).await;
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    host.shutdown().await;
}

/// A network that fails without closing its connections, as when a computer changes its network.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_on_connections_that_fall_silent() {
    let broker = broker().await;
    let line = Line::start(broker.local_addr()).await;
    let address = || Address::websocket(&line.url()).unwrap();
    let module = gated::module().unwrap();
    let host = listen_at(address(), "demo", module, HostOptions::default()).await;
    let builder = gated::Client::builder().topic("demo").address(address());
    let client = builder.connect().await.unwrap();
    assert_eq!(client.count("silence").await.unwrap(), 1);
    line.silence();
    let begun = Instant::now();
    let calls = (0..100).map(|_| client.count("silence").into_future());
    let mut counts: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    counts.sort_unstable();
    assert!(counts.into_iter().eq(2..=101));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn module_and_client_go_on_when_the_broker_offers_no_links_any_more() {
    let broker = broker().await;
    let (host, client) = serve(&broker).await;
    assert_eq!(client.count("links").await.unwrap(), 1);
    assert_eq!(broker.statistics().connections, 2);
    let waiting = tokio::spawn(client.wait("links").into_future());
    soon("the call", gated::entered("links")).await;
    let address = broker.local_addr();
    broker.shutdown().await;
    let without_links = Broker::builder().bind(address).links(false);
    let broker = without_links.start().await.unwrap();
    gated::open("links");
    let answer = soon("the answer", waiting).await.unwrap();
    assert_eq!(answer.unwrap(), "links");
    for round in 2..=3 {
        assert_eq!(client.count("links").await.unwrap(), round);
    }
    // Two of the module and two of the client. What was under way may have had one more.
    soon(
        "two connections each",
        until(|| broker.statistics().connections == 4),
    )
    .await;
    let caller = client.caller().clone();
    drop(client);
    soon("the end of the client", caller.close()).await;
    host.shutdown().await;
    soon(
        "closed connections",
        until(|| broker.statistics().connections == 0),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_survives_a_restart_of_the_broker() {
    let broker = broker().await;
    let (host, client) = serve(&broker).await;
    let waiting = tokio::spawn(client.wait("restart").into_future());
    soon("the call", gated::entered("restart")).await;
    let broker = restart(broker).await;
    gated::open("restart");
    assert_eq!(
        soon("the answer", waiting).await.unwrap().unwrap(),
        "restart"
    );
    host.shutdown().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_gets_the_requests_from_its_absence() {
    let broker = broker().await;
    let mut peer = Peer::connect(&broker.url(), "demo", "caller").await;
    peer.request(1, &json!({"func_name": "count", "name": "away"}))
        .await;
    let host = serve_gated(&broker).await;
    assert_eq!(peer.answer().await.1, "1");
    host.shutdown().await;
    peer.request(2, &json!({"func_name": "count", "name": "away"}))
        .await;
    let host = serve_gated(&broker).await;
    assert_eq!(peer.answer().await.1, "2");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_receipt_is_published_again_with_a_mark() {
    // The test plays a broker that closes each connection after a request, without a receipt.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (received, mut requests) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let received = received.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(connection).await.unwrap();
                while let Some(Ok(frame)) = socket.next().await {
                    if let Ok(text) = frame.to_text()
                        && let Ok(request) = serde_json::from_str::<Value>(text)
                    {
                        received.send(request).await.unwrap();
                        return;
                    }
                }
            });
        }
    });
    let client = gated::Client::builder()
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
async fn a_message_that_breaks_the_connection_does_not_affect_others() {
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
async fn a_call_without_a_broker_reports_it() {
    let broker = broker().await;
    let client = gated::Client::builder()
        .topic("demo")
        .websocket(&broker.url())
        .connect()
        .await
        .unwrap();
    broker.shutdown().await;
    match client.count("x").timeout(Duration::from_millis(500)).await {
        Err(dasf::CallError::Disconnected { reason, .. }) => {
            assert!(
                matches!(reason, dasf::broker::ConnectError::Unreachable { .. }),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Accepts the next connection, and returns its path.
async fn accept(listener: &TcpListener) -> (String, WebSocketStream<TcpStream>) {
    let (connection, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut path = String::new();
    #[allow(clippy::result_large_err)] // the signature of the callback
    let read_path = |request: &Request, mut response: Response| {
        path = request.uri().path().to_owned();
        // Without a date, a module would first ask for the time with messages.
        let date = HeaderValue::from_static("Sat, 28 Nov 2026 22:00:00 GMT");
        response.headers_mut().insert(DATE, date);
        Ok(response)
    };
    let socket = accept_hdr_async(connection, read_path).await.unwrap();
    (path, socket)
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Value {
    let frame = soon("a frame", socket.next()).await.unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

fn ping(message_id: &str) -> Message {
    let properties =
        json!({"messageType": "ping", "requestContext": 1, "response_topic": "caller"});
    let frame = json!({"messageId": message_id, "payload": "", "properties": properties});
    Message::text(frame.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_survives_invalid_frames_and_reconnects_under_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::websocket(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let module = gated::module().unwrap();
    let starting = tokio::spawn(listen_at(address, "demo", module, HostOptions::default()));
    let (path, mut consumer) = accept(&listener).await;
    assert!(path.starts_with("/demo/backend-module-"), "{path}");
    let host = soon("the host", starting).await.unwrap();

    for frame in [
        "not json",
        "[]",
        "5",
        r#"{"messageId": 5}"#,
        r#"{"payload": ""}"#,
    ] {
        consumer.send(Message::text(frame)).await.unwrap();
    }
    consumer.send(Message::binary(vec![0, 1, 2])).await.unwrap();
    // The module acknowledges a message with an id, so it is not delivered again and again.
    consumer
        .send(Message::text(r#"{"messageId": "bare"}"#))
        .await
        .unwrap();
    assert_eq!(receive(&mut consumer).await, json!({"messageId": "bare"}));
    consumer.send(ping("good")).await.unwrap();
    assert_eq!(receive(&mut consumer).await, json!({"messageId": "good"}));
    let (answer_path, mut producer) = accept(&listener).await;
    assert_eq!(answer_path, "/caller");
    let pong = receive(&mut producer).await;
    assert_eq!(pong["properties"]["messageType"], "pong");
    // A bad receipt does no harm either.
    for frame in ["not json", "{}", r#"{"result": "ok", "context": "1"}"#] {
        producer.send(Message::text(frame)).await.unwrap();
    }

    drop(consumer);
    let (path_again, mut consumer) = accept(&listener).await;
    assert_eq!(path_again, path);
    consumer.send(ping("again")).await.unwrap();
    assert_eq!(receive(&mut consumer).await, json!({"messageId": "again"}));
    assert_eq!(
        receive(&mut producer).await["properties"]["messageType"],
        "pong"
    );
    producer
        .send(Message::text(r#"{"result": "ok", "context": "1"}"#))
        .await
        .unwrap();
    // The module ends even if the broker does not close its connections.
    drop((consumer, producer));
    soon("the end", host.shutdown()).await;
}
