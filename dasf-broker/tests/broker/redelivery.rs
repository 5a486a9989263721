//! Messages that are delivered again, and dead letters.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{builder, connect, start, until};

#[tokio::test]
async fn unacknowledged_messages_are_delivered_again_in_order() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/demo/s?receiverQueueSize=3").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let mut ids = Vec::new();
    for payload in ["a", "b", "c", "d"] {
        ids.push(producer.publish(payload).await);
    }
    assert_eq!(consumer.expect("a").await, ids[0]);
    assert_eq!(consumer.read("b").await, ids[1]);
    consumer.expect("c").await;
    consumer.expect("d").await;
    consumer.leave().await;
    producer.publish("e").await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    assert_eq!(consumer.read("a").await, ids[0]);
    assert_eq!(consumer.read("c").await, ids[2]);
    assert_eq!(consumer.read("d").await, ids[3]);
    consumer.read("e").await;
}

#[tokio::test]
async fn a_message_can_be_sent_back() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    assert_eq!(consumer.expect("a").await, id);
    consumer.give_back(&id).await;
    assert_eq!(consumer.expect_again("a", 1).await, id);
    consumer.acknowledge(&id).await;
    let statistics = until(&broker, |it| it.acknowledged == 1).await;
    assert_eq!((statistics.delivered, statistics.redelivered), (2, 1));
}

#[tokio::test]
async fn a_consumer_that_reports_what_it_begins_learns_how_often_that_was() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    let begun = json!({"type": "begun", "messageId": id});
    let mut consumer = connect(&broker, "/ws/demo/s?begunBy=1").await;
    consumer.expect("a").await;
    consumer.give_back(&id).await;
    for (redelivered, was_begun) in [(1, 0), (2, 1), (3, 2)] {
        let delivery = consumer.receive().await;
        assert_eq!(delivery["redeliveryCount"], redelivered);
        assert_eq!(delivery["begunCount"], was_begun);
        consumer.send(&begun).await;
        consumer.give_back(&id).await;
    }
    assert_eq!(consumer.receive().await["begunCount"], 3);
    consumer.leave().await;
    let mut other = connect(&broker, "/ws/demo/s").await;
    let delivery = other.receive().await;
    assert_eq!(delivery["redeliveryCount"], 5);
    assert_eq!(delivery.get("begunCount"), None);
}

#[tokio::test]
async fn a_message_that_is_sent_back_goes_to_another_first() {
    let broker = start().await;
    let mut a = connect(&broker, "/ws/demo/s?receiverQueueSize=2").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let ids = [producer.publish("a").await, producer.publish("b").await];
    assert_eq!([a.expect("a").await, a.expect("b").await], ids);
    let mut b = connect(&broker, "/ws/demo/s?receiverQueueSize=1").await;
    a.give_back(&ids[0]).await;
    assert_eq!(b.expect_again("a", 1).await, ids[0]);
    // The other consumer has no room for this message.
    a.give_back(&ids[1]).await;
    assert_eq!(a.expect_again("b", 1).await, ids[1]);
    b.give_back(&ids[0]).await;
    assert_eq!(a.expect_again("a", 2).await, ids[0]);
}

#[tokio::test]
async fn a_message_that_is_sent_back_can_wait() {
    let broker = start().await;
    let delay = Duration::from_millis(50);
    let path = "/ws/demo/s?receiverQueueSize=1&negativeAckRedeliveryDelay=50";
    let mut a = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    a.expect("a").await;
    let mut b = connect(&broker, path).await;
    let started = Instant::now();
    a.give_back(&id).await;
    assert_eq!(b.expect_again("a", 1).await, id);
    assert!(started.elapsed() >= delay);
    b.leave().await;
    a.expect_again("a", 2).await;
    let started = Instant::now();
    a.give_back(&id).await;
    a.expect_again("a", 3).await;
    assert!(
        started.elapsed() >= delay,
        "the same where there is no other"
    );
}

#[tokio::test]
async fn a_message_that_waits_leaves_room_and_does_not_outwait_the_socket() {
    let broker = start().await;
    let path = "/ws/demo/s?receiverQueueSize=1&negativeAckRedeliveryDelay=999999999";
    let mut a = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    producer.publish("b").await;
    producer.publish("c").await;
    a.expect("a").await;
    a.give_back(&id).await;
    a.read("b").await;
    a.expect("c").await;
    let mut b = connect(&broker, "/ws/demo/s").await;
    drop(a);
    assert_eq!(b.expect_again("a", 1).await, id);
    b.expect_again("c", 1).await;
}

/// Checks that a dead letter is a new message with the frame of its producer.
fn check_dead_letter(mut letter: Value, frame: &Value, id: &str) {
    let letter = letter.as_object_mut().unwrap();
    let own_id = letter.remove("messageId").unwrap();
    assert_ne!(own_id, id);
    assert_eq!(own_id.as_str().map(str::len), Some(36));
    letter.remove("publishTime").unwrap();
    assert_eq!(&Value::Object(letter.clone()), frame);
}

#[tokio::test]
async fn a_message_that_kills_its_consumers_becomes_a_dead_letter() {
    let broker = start().await;
    let path = "/ws/demo/group.one:s?receiverQueueSize=1&maxRedeliverCount=2";
    let mut producer = connect(&broker, "/ws/demo").await;
    let frame = json!({
        "payload": "cG9pc29u", "context": 17, "properties": {"requestContext": "17"}, "key": "k"
    });
    producer.send(&frame).await;
    let receipt = producer.receive().await;
    let id = receipt["messageId"].as_str().unwrap();
    producer.publish("b").await;
    let mut first = connect(&broker, path).await;
    assert_eq!(first.expect("cG9pc29u").await, id);
    drop(first);
    for count in [1, 2] {
        // Only the producer is still connected.
        until(&broker, |it| it.connections == 1).await;
        let mut next = connect(&broker, path).await;
        assert_eq!(next.expect_again("cG9pc29u", count).await, id);
        assert_eq!(broker.statistics().dead_lettered, 0);
        drop(next);
    }
    until(&broker, |it| it.dead_lettered == 1).await;
    let mut survivor = connect(&broker, path).await;
    survivor.read("b").await;

    let mut dead_letters = connect(&broker, "/ws/demo-group-one-s-DLQ/s").await;
    check_dead_letter(dead_letters.receive().await, &frame, id);
    let statistics = until(&broker, |it| it.acknowledged == 1).await;
    assert_eq!((statistics.published, statistics.dropped), (2, 0));
}

#[tokio::test]
async fn a_message_that_every_consumer_returns_becomes_a_dead_letter() {
    let broker = start().await;
    let path = "/ws/v2/consumer/persistent/lab/default/demo/s?subscriptionType=Shared\
                &maxRedeliverCount=1&deadLetterTopic=lost&negativeAckRedeliveryDelay=1";
    let mut dead_letters = connect(&broker, "/ws/v2/consumer/persistent/lab/default/lost/s").await;
    let mut a = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/v2/producer/persistent/lab/default/demo").await;
    let frame = json!({"payload": "YQ==", "properties": {"messageType": "request"}});
    producer.send(&frame).await;
    let id = a.expect("YQ==").await;
    let mut b = connect(&broker, path).await;
    a.give_back(&id).await;
    assert_eq!(b.expect_again("YQ==", 1).await, id);
    b.give_back(&id).await;
    check_dead_letter(dead_letters.receive().await, &frame, &id);
    assert_eq!(broker.statistics().dead_lettered, 1);
}

#[tokio::test]
async fn a_dead_letter_without_a_place_is_dropped() {
    let broker = builder().max_topics(1).start().await.unwrap();
    let mut consumer = connect(&broker, "/ws/demo/s?maxRedeliverCount=1").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    consumer.expect("a").await;
    consumer.give_back(&id).await;
    consumer.expect_again("a", 1).await;
    consumer.give_back(&id).await;
    let statistics = until(&broker, |it| it.dropped == 1).await;
    assert_eq!((statistics.dead_lettered, statistics.topics), (0, 1));
    producer.publish("b").await;
    consumer.read("b").await;

    let broker = builder().max_backlog_messages(1).start().await.unwrap();
    let mut others = connect(&broker, "/ws/demo-s-DLQ").await;
    others.publish("full").await;
    let mut consumer = connect(&broker, "/ws/demo/s?maxRedeliverCount=1").await;
    let id = connect(&broker, "/ws/demo").await.publish("a").await;
    consumer.expect("a").await;
    consumer.give_back(&id).await;
    consumer.expect_again("a", 1).await;
    drop(consumer);
    let statistics = until(&broker, |it| it.dropped == 1).await;
    assert_eq!(statistics.dead_lettered, 0);
}
