//! Messages from a producer to its consumers.

use futures_util::SinkExt;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, builder, connect, start, until};

#[tokio::test]
async fn a_message_reaches_its_consumer() {
    let broker = start().await;
    assert_eq!(broker.url(), format!("ws://{}/ws", broker.local_addr()));
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer
        .send(r#"{"payload":"NQ==","context":17,"properties":{"requestContext":"17"},"key":"k"}"#)
        .await;
    let receipt = producer.receive().await;
    let id = receipt["messageId"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        receipt,
        json!({"messageId": id, "context": 17, "result": "ok"})
    );
    let mut delivery = consumer.receive().await;
    let time = delivery
        .as_object_mut()
        .unwrap()
        .remove("publishTime")
        .unwrap();
    assert!(time.as_str().unwrap().ends_with("+00:00"), "{time}");
    assert_eq!(
        delivery,
        json!({
            "messageId": id, "payload": "NQ==", "context": 17,
            "properties": {"requestContext": "17"}, "key": "k"
        })
    );
    consumer.acknowledge(id).await;
    let statistics = until(&broker, |it| it.acknowledged == 1).await;
    assert_eq!(
        (
            statistics.published,
            statistics.delivered,
            statistics.redelivered
        ),
        (1, 1, 0)
    );
    assert_eq!((statistics.topics, statistics.connections), (1, 2));
}

#[tokio::test]
async fn each_name_gets_its_copy() {
    let broker = start().await;
    let mut a = connect(&broker, "/ws/demo/a").await;
    let mut b = connect(&broker, "/ws/demo/b").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for payload in ["1", "2", "3"] {
        producer.publish(payload).await;
    }
    // A later subscription does not get earlier messages while others have consumers.
    let mut c = connect(&broker, "/ws/demo/c").await;
    producer.publish("4").await;
    for payload in ["1", "2", "3", "4"] {
        assert_eq!(a.read(payload).await, b.read(payload).await);
    }
    c.read("4").await;
}

#[tokio::test]
async fn a_restarted_module_gets_the_messages_from_its_absence() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    // The topic has no subscription yet.
    producer.publish("a").await;
    let mut first = connect(&broker, "/ws/demo/backend-module-2026-11-22T10:52:08").await;
    first.read("a").await;
    producer.publish("b").await;
    first.expect("b").await;
    first.leave().await;
    // The message waits in a subscription whose consumer does not come back.
    producer.publish("c").await;
    let mut second = connect(&broker, "/ws/demo/backend-module-2026-11-22T10:53:09").await;
    second.read("b").await;
    second.read("c").await;
    // The messages came only once.
    let mut third = connect(&broker, "/ws/demo/other").await;
    producer.publish("d").await;
    second.read("d").await;
    third.read("d").await;
}

/// A peer may write all its frames before it reads. The broker must not stop reading because it cannot
/// write.
#[tokio::test]
async fn a_producer_may_read_its_receipts_late() {
    const COUNT: usize = 10_000;
    let broker = builder().max_backlog_messages(COUNT).start().await.unwrap();
    let mut producer = connect(&broker, "/ws/demo").await;
    let filler = "x".repeat(200);
    let publish_all = async {
        for number in 0..COUNT {
            // With contexts of this length, the receipts exceed the buffers of the sockets.
            let frame = json!({"payload": "", "context": format!("{number} {filler}")});
            producer
                .0
                .feed(Message::text(frame.to_string()))
                .await
                .unwrap();
        }
        producer.0.flush().await.unwrap();
    };
    timeout(PATIENCE, publish_all).await.unwrap();
    until(&broker, |it| it.published == COUNT as u64).await;
    for number in 0..COUNT {
        let receipt = producer.receive().await;
        assert_eq!(receipt["context"], format!("{number} {filler}"));
        assert_eq!(receipt["result"], "ok");
    }
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut first = None;
    for number in 0..COUNT {
        let delivery = consumer.receive().await;
        assert_eq!(delivery["context"], format!("{number} {filler}"));
        let id = delivery["messageId"].as_str().unwrap().to_owned();
        assert_ne!(
            first.get_or_insert(id.clone()) == &id,
            number > 0,
            "each id is there once"
        );
        consumer.acknowledge(&id).await;
    }
}

/// A consumer that reads nothing must not slow down another one.
#[tokio::test]
async fn a_slow_consumer_slows_nobody() {
    const COUNT: usize = 2000;
    let broker = start().await;
    let _slow = connect(&broker, "/ws/demo/slow").await;
    let mut quick = connect(&broker, "/ws/demo/quick").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let payload = "x".repeat(10_000);
    for _ in 0..COUNT {
        producer.publish(&payload).await;
        quick.read(&payload).await;
    }
    let statistics = until(&broker, |it| it.acknowledged == COUNT as u64).await;
    assert!(
        statistics.delivered <= (COUNT + 1000) as u64,
        "the permits of the slow one bound it"
    );
}
