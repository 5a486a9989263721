//! Backlogs and the other limits.

use std::time::Duration;

use serde_json::json;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{builder, connect, refusal, until};

#[tokio::test]
async fn a_full_subscription_refuses() {
    let broker = builder().max_backlog_messages(2).start().await.unwrap();
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut dasf = connect(&broker, "/ws/demo").await;
    let mut pulsar = connect(&broker, "/ws/v2/producer/persistent/public/default/demo").await;
    dasf.publish("a").await;
    dasf.publish("b").await;
    dasf.send(json!({"payload": "c", "context": "c"})).await;
    let receipt = dasf.receive().await;
    let reason = receipt["result"].as_str().unwrap();
    assert!(
        reason.contains("'s' of topic 'demo' is full (max_backlog_messages = 2)"),
        "{reason}"
    );
    assert_eq!(receipt["context"], "c");
    pulsar.send(json!({"payload": "c", "context": 1})).await;
    let receipt = pulsar.receive().await;
    assert_eq!(
        (&receipt["result"], &receipt["context"]),
        (&json!("send-error:8"), &json!(1))
    );

    consumer.read("a").await;
    until(&broker, |it| it.acknowledged == 1).await;
    dasf.publish("d").await;
    consumer.read("b").await;
    consumer.read("d").await;
    assert_eq!(broker.statistics().refused, 2);
}

#[tokio::test]
async fn a_full_topic_without_a_consumer_refuses_messages() {
    let broker = builder().max_backlog_bytes(300).start().await.unwrap();
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    producer
        .send(json!({"payload": "x".repeat(200), "context": 0}))
        .await;
    let receipt = producer.receive().await;
    let reason = receipt["result"].as_str().unwrap();
    assert!(
        reason.contains("topic 'demo' is full (max_backlog_bytes = 300)"),
        "{reason}"
    );
    connect(&broker, "/ws/demo/s").await.read("a").await;
}

#[tokio::test]
async fn a_full_subscription_without_consumer_loses_its_oldest() {
    let broker = builder().max_backlog_messages(2).start().await.unwrap();
    let away = connect(&broker, "/ws/demo/away").await;
    let mut here = connect(&broker, "/ws/demo/here").await;
    away.leave().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for (count, payload) in ["a", "b", "c"].into_iter().enumerate() {
        producer.publish(payload).await;
        here.read(payload).await;
        until(&broker, |it| it.acknowledged == count as u64 + 1).await;
    }
    assert_eq!(broker.statistics().dropped, 1);
    let mut away = connect(&broker, "/ws/demo/away").await;
    away.read("b").await;
    away.read("c").await;
}

#[tokio::test]
async fn unread_messages_expire() {
    let retention = Duration::from_millis(20);
    let broker = builder()
        .subscription_retention(retention)
        .start()
        .await
        .unwrap();
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    until(&broker, |it| it.expired == 1).await;
    let consumer = connect(&broker, "/ws/demo/s").await;
    producer.publish("b").await;
    consumer.leave().await;
    producer.leave().await;
    let statistics = until(&broker, |it| it.topics == 0).await;
    assert_eq!((statistics.published, statistics.expired), (2, 2));
}

#[tokio::test]
async fn the_numbers_of_everything_are_limited() {
    let broker = builder()
        .max_connections(3)
        .max_topics(1)
        .max_subscriptions(2)
        .start()
        .await
        .unwrap();
    let a = connect(&broker, "/ws/demo/a").await;
    let (status, text) = refusal(&broker, "/ws/another").await;
    assert_eq!(status, 503);
    assert!(text.contains("max_topics"), "{text}");
    let _b = connect(&broker, "/ws/demo/b").await;
    let (status, text) = refusal(&broker, "/ws/demo/c").await;
    assert_eq!(status, 503);
    assert!(text.contains("max_subscriptions"), "{text}");
    let _producer = connect(&broker, "/ws/demo").await;
    let (status, text) = refusal(&broker, "/ws/demo").await;
    assert_eq!(status, 503);
    assert!(text.contains("max_connections"), "{text}");
    a.leave().await;
    until(&broker, |it| it.connections == 2).await;
    connect(&broker, "/ws/demo").await;
}

/// It reads and pings, and acknowledges nothing. The others must not notice it.
#[tokio::test]
async fn a_silent_consumer_does_not_stop_the_publishers_of_others() {
    let broker = builder().max_backlog_messages(10).start().await.unwrap();
    let mut silent = connect(&broker, "/ws/demo/silent").await;
    let mut works = connect(&broker, "/ws/demo/works").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for number in 0..100 {
        let payload = number.to_string();
        producer.publish(&payload).await;
        works.read(&payload).await;
        until(&broker, |it| it.acknowledged == number + 1).await;
    }
    let closed = loop {
        match silent.next().await {
            Message::Close(Some(frame)) => break frame,
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed.code, CloseCode::Policy);
    assert!(
        closed.reason.contains("acknowledges no messages"),
        "{closed}"
    );
    let statistics = broker.statistics();
    assert_eq!((statistics.published, statistics.refused), (100, 0));
    assert_eq!(statistics.dropped, 90);
    // It may come back, and gets what its subscription holds.
    connect(&broker, "/ws/demo/silent").await.read("90").await;
}
