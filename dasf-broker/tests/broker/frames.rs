//! Frames that the broker cannot use.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{PATIENCE, connect, start, until};

#[tokio::test]
async fn a_bad_frame_is_refused_and_the_socket_lives_on() {
    let broker = start().await;
    let mut dasf = connect(&broker, "/ws/demo").await;
    let mut pulsar = connect(&broker, "/ws/v2/producer/persistent/public/default/demo").await;
    for (frame, context, reason) in [
        ("no json", Value::Null, "not a JSON object"),
        ("[1]", Value::Null, "not a JSON object"),
        (
            r#"{"context":"c","messageId":"m"}"#,
            json!("c"),
            "\"messageId\"",
        ),
        (
            r#"{"context":7,"publishTime":"t"}"#,
            json!(7),
            "\"publishTime\"",
        ),
        (r#"{"context":7,"properties":"p"}"#, json!(7), "properties"),
    ] {
        dasf.send(frame).await;
        let receipt = dasf.receive().await;
        assert!(
            receipt["result"].as_str().unwrap().contains(reason),
            "{receipt}"
        );
        assert_eq!(receipt["context"], context);

        pulsar.send(frame).await;
        let receipt = pulsar.receive().await;
        assert_eq!(receipt["result"], "send-error:3");
        assert!(
            receipt["errorMsg"].as_str().unwrap().contains(reason),
            "{receipt}"
        );
        assert_eq!(receipt["context"], context);
    }
    dasf.publish("a").await;
    let statistics = broker.statistics();
    assert_eq!((statistics.refused, statistics.published), (10, 1));
}

#[tokio::test]
async fn invalid_frames_of_a_consumer_are_ignored() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    for odd in [
        "no json",
        "[]",
        "{}",
        r#"{"messageId":7}"#,
        r#"{"messageId":"unknown"}"#,
        r#"{"type":"permit","permitMessages":5}"#,
    ] {
        consumer.send(odd).await;
    }
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    consumer.read("a").await;
    assert_eq!(
        until(&broker, |it| it.acknowledged > 0).await.acknowledged,
        1
    );
}

#[tokio::test]
async fn a_frame_that_is_too_large_closes_its_socket() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let overhead = json!({"payload": ""}).to_string().len();
    let fits = "x".repeat(1_048_576 - overhead);
    producer.send(json!({"payload": fits})).await;
    assert_eq!(producer.receive().await["result"], "ok");
    producer.send(json!({"payload": fits + "x"})).await;
    let frame = producer.closed().await;
    assert_eq!(frame.code, CloseCode::Size);
    assert!(frame.reason.contains("1048576"), "{}", frame.reason);

    // A consumer gets the frame that fits, although the broker has added fields.
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    assert_eq!(
        consumer.receive().await["payload"].as_str().unwrap().len(),
        1_048_576 - overhead
    );
    // The broker reads only the beginning of a much larger frame, and answers in the same way.
    let mut producer = connect(&broker, "/ws/demo").await;
    let (mut sender, mut receiver) = (&mut producer.0).split();
    let huge = Message::text("x".repeat(20_000_000));
    let (_, received) = tokio::join!(sender.send(huge), timeout(PATIENCE, receiver.next()));
    match received.unwrap().unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_binary_frame_closes_its_socket() {
    let broker = start().await;
    for path in ["/ws/demo", "/ws/demo/s"] {
        let mut peer = connect(&broker, path).await;
        peer.0.send(Message::binary(vec![1, 2])).await.unwrap();
        assert_eq!(peer.closed().await.code, CloseCode::Unsupported);
    }
}

/// The pongs must not pile up in the memory of the broker.
#[tokio::test]
async fn a_peer_that_pings_and_never_reads_is_disconnected() {
    // A masked ping of 125 bytes.
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1000);
    // The buffers of the system hold a part.
    let limit = 64 << 20;
    for path in ["/ws/demo", "/ws/demo/s"] {
        let broker = start().await;
        let mut peer = connect(&broker, path).await;
        let socket = peer.0.get_mut();
        let mut sent = 0;
        while timeout(PATIENCE, socket.write_all(&pings))
            .await
            .unwrap()
            .is_ok()
        {
            sent += pings.len();
            assert!(
                sent < limit,
                "{path}: the broker still reads after {sent} bytes"
            );
        }
        until(&broker, |it| it.connections == 0).await;
    }
}
