//! A module on a broker that the test plays, and that sends bad frames and breaks connections.

use dasf::{Address, HostOptions};
use dasf_test_support::{listen_at, soon};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::odd_module::odd;

/// Accepts the next connection, and returns its path.
async fn accept(listener: &TcpListener) -> (String, WebSocketStream<TcpStream>) {
    let (connection, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut path = String::new();
    #[allow(clippy::result_large_err)] // the signature of the callback
    let read_path = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
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
async fn a_module_survives_frames_that_are_none_and_comes_back_under_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::websocket(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let module = odd::module().unwrap();
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
