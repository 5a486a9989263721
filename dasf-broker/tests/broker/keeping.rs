//! A broker that keeps messages and subscriptions on the disk.

use std::path::Path;
use std::time::Duration;

use dasf_broker::{Broker, StartError, TopicSettings};
use serde_json::json;
use tempfile::TempDir;

use crate::link::Link;
use crate::support::{Peer, builder, connect, until};

async fn start_in(directory: &Path) -> Broker {
    builder().data_dir(directory).start().await.unwrap()
}

/// Stops a broker, and starts another one in its directory.
async fn restart(broker: Broker, directory: &Path) -> Broker {
    broker.shutdown().await;
    start_in(directory).await
}

/// Receives the payloads of the next messages, and acknowledges them.
async fn read_all(consumer: &mut Peer, payloads: &[&str]) {
    for payload in payloads {
        consumer.read(payload).await;
    }
}

#[tokio::test]
async fn a_subscription_goes_on_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let mut first = connect(&broker, "/ws/demo/first").await;
    let second = connect(&broker, "/ws/demo/second").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let mut ids = Vec::new();
    for payload in ["a", "b", "c"] {
        ids.push(producer.publish(payload).await);
    }
    read_all(&mut first, &["a", "b"]).await;
    until(&broker, |statistics| statistics.acknowledged == 2).await;
    drop((first, second, producer));

    let broker = restart(broker, directory.path()).await;
    let mut first = connect(&broker, "/ws/demo/first").await;
    let mut second = connect(&broker, "/ws/demo/second").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let last = producer.publish("d").await;
    assert_eq!(first.read("c").await, ids[2], "the id stays");
    assert_eq!(first.read("d").await, last);
    assert!(!ids.contains(&last));
    read_all(&mut second, &["a", "b", "c", "d"]).await;
    until(&broker, |statistics| statistics.acknowledged == 6).await;
    drop((first, second, producer));

    // All of it is done.
    let broker = restart(broker, directory.path()).await;
    let mut third = connect(&broker, "/ws/demo/third").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("e").await;
    third.read("e").await;
    broker.shutdown().await;
}

/// Publishes a message of a call, and waits for its receipt.
async fn send(producer: &mut Peer, message_type: &str, context: u64, payload: &str) {
    let properties = json!({
        "messageType": message_type,
        "requestContext": context,
        "response_topic": "demo_caller",
    });
    producer
        .send(json!({"payload": payload, "context": context, "properties": properties}))
        .await;
    assert_eq!(producer.receive().await["result"], "ok");
}

#[tokio::test]
async fn a_cancelled_request_never_comes_before_or_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for (context, payload) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        send(&mut producer, "request", context, payload).await;
    }
    send(&mut producer, "cancel", 1, "").await;
    until(&broker, |statistics| statistics.dropped == 1).await;
    drop(producer);
    // Then its content is not in the memory of the broker.
    let broker = restart(broker, directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    send(&mut producer, "cancel", 3, "").await;
    let mut reader = connect(&broker, "/ws/demo/module").await;
    read_all(&mut reader, &["b", "d", ""]).await;
    until(&broker, |statistics| statistics.dropped == 1).await;
    broker.shutdown().await;
}

/// A disk may fail for a while.
#[tokio::test]
async fn a_message_that_cannot_be_read_comes_after_the_next_start() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    connect(&broker, "/ws/demo").await.publish("a").await;
    let broker = restart(broker, directory.path()).await;
    let database = rusqlite::Connection::open(directory.path().join("messages.sqlite")).unwrap();
    let rename = |from, to| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        database.execute(&rename, []).unwrap();
    };
    rename("message", "away");
    let reader = connect(&broker, "/ws/demo/first?onClose=HandOver").await;
    until(&broker, |statistics| statistics.dropped == 1).await;
    reader.leave().await;
    until(&broker, |statistics| statistics.topics == 0).await;
    rename("away", "message");

    let broker = restart(broker, directory.path()).await;
    let mut reader = connect(&broker, "/ws/demo/second").await;
    reader.read("a").await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
    drop(reader);
    let broker = restart(broker, directory.path()).await;
    let mut reader = connect(&broker, "/ws/demo/third").await;
    connect(&broker, "/ws/demo").await.publish("b").await;
    reader.read("b").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_new_subscription_takes_over_what_no_other_has_acknowledged_before_a_restart() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let mut first = connect(&broker, "/ws/demo/first").await;
    let second = connect(&broker, "/ws/demo/second").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    producer.publish("b").await;
    read_all(&mut first, &["a"]).await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
    drop((first, second, producer));

    let broker = restart(broker, directory.path()).await;
    let mut third = connect(&broker, "/ws/demo/third").await;
    read_all(&mut third, &["b"]).await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
    drop(third);

    let broker = restart(broker, directory.path()).await;
    let mut fourth = connect(&broker, "/ws/demo/fourth").await;
    connect(&broker, "/ws/demo").await.publish("c").await;
    read_all(&mut fourth, &["c"]).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn messages_of_a_topic_without_subscriptions_stay() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let path = "/ws/v2/producer/persistent/lab/data/demo";
    let frame = json!({"payload": "a", "context": 1, "properties": {"n": 7}, "key": "extra"});
    let mut producer = connect(&broker, path).await;
    producer.send(frame).await;
    assert_eq!(producer.receive().await["result"], "ok");
    drop(producer);

    let broker = restart(broker, directory.path()).await;
    let path = "/ws/v2/consumer/persistent/lab/data/demo/s";
    let delivery = connect(&broker, path).await.receive().await;
    assert_eq!(delivery["properties"], json!({"n": 7}));
    assert_eq!(delivery["key"], "extra");
    assert!(delivery.get("redeliveryCount").is_none());
    broker.shutdown().await;
}

#[tokio::test]
async fn messages_of_a_link_stay_as_they_came() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let payloads = [vec![1; 3], vec![2; 100_000]];
    let mut link = Link::open_at(broker.local_addr(), "/ws/other").await;
    for payload in &payloads {
        link.publish("demo", payload).await;
    }
    link.send(&json!({"type": "confirm"}), b"").await;
    link.accepted(2).await;
    drop(link);

    let broker = restart(broker, directory.path()).await;
    let mut link = Link::open_at(broker.local_addr(), "/ws/demo/s").await;
    for payload in &payloads {
        let (header, received) = link.next().await;
        assert_eq!(
            (&header["type"], &header["context"]),
            (&json!("message"), &json!(7))
        );
        assert!(received == *payload);
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn what_a_reader_gets_that_does_not_stay_is_not_kept() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let path = "/ws/answers/caller?subscriptionMode=NonDurable";
    let mut caller = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/answers").await;
    producer.publish("a").await;
    caller.expect("a").await;
    drop((caller, producer));

    let broker = restart(broker, directory.path()).await;
    let mut reader = connect(&broker, "/ws/answers/reader").await;
    connect(&broker, "/ws/answers").await.publish("b").await;
    reader.read("b").await;
    broker.shutdown().await;
}

/// The contents of waiting messages leave the memory, and come back when they are delivered.
#[tokio::test]
async fn more_messages_wait_than_the_memory_holds() {
    let directory = TempDir::new().unwrap();
    let limited = || {
        builder()
            .data_dir(directory.path())
            .max_memory(8 << 20)
            .max_frame_size(2 << 20)
    };
    let payload = |number: u8| char::from(b'a' + number).to_string().repeat(700_000);
    let broker = limited().start().await.unwrap();
    let mut producer = connect(&broker, "/ws/demo").await;
    for number in 0..24 {
        producer.publish(&payload(number)).await;
    }
    assert_eq!(broker.statistics().dropped, 0);
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    for number in 0..12 {
        consumer.read(&payload(number)).await;
    }
    until(&broker, |statistics| statistics.acknowledged == 12).await;
    drop((consumer, producer));
    broker.shutdown().await;

    let broker = limited().start().await.unwrap();
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    for number in 12..24 {
        consumer.read(&payload(number)).await;
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn a_request_whose_caller_no_longer_waits_does_not_run_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let expired = json!({"payload": "a", "context": 1, "properties": {"x_dasf_timeout_ms": "1"}});
    producer.send(expired).await;
    assert_eq!(producer.receive().await["result"], "ok");
    producer.publish("b").await;
    drop(producer);
    let broker = restart(broker, directory.path()).await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    consumer.read("b").await;
    assert_eq!(broker.statistics().expired, 1);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_dead_letter_stays() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    connect(&broker, "/ws/demo").await.publish("a").await;
    let path = "/ws/demo/s?maxRedeliverCount=1&deadLetterTopic=dead";
    let mut consumer = connect(&broker, path).await;
    let id = consumer.expect("a").await;
    consumer.give_back(&id).await;
    let id = consumer.expect_again("a", 1).await;
    consumer.give_back(&id).await;
    until(&broker, |statistics| statistics.dead_lettered == 1).await;
    drop(consumer);
    let broker = restart(broker, directory.path()).await;
    connect(&broker, "/ws/dead/s").await.read("a").await;
    broker.shutdown().await;
}

/// The counts of a message say the same after a restart, so that a message that ends its readers does not
/// end them for ever.
#[tokio::test]
async fn the_redeliveries_of_a_message_stay() {
    let directory = TempDir::new().unwrap();
    let mut broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    drop(producer);
    let path = "/ws/demo/s?maxRedeliverCount=3&deadLetterTopic=dead";
    let mut consumer = connect(&broker, path).await;
    consumer.expect("a").await;
    consumer.give_back(&id).await;
    consumer.expect_again("a", 1).await;
    // The broker ends the connections, so the delivery counts.
    for count in 2..=3 {
        broker = restart(broker, directory.path()).await;
        consumer = connect(&broker, path).await;
        consumer.expect_again("a", count).await;
    }
    consumer.give_back(&id).await;
    until(&broker, |statistics| statistics.dead_lettered == 1).await;
    drop(consumer);
    broker = restart(broker, directory.path()).await;
    connect(&broker, "/ws/dead/s").await.read("a").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_new_subscription_takes_over_the_redeliveries_before_a_restart() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let id = connect(&broker, "/ws/demo").await.publish("a").await;
    let mut first = connect(&broker, "/ws/demo/first?begunBy=7").await;
    first.expect("a").await;
    first.give_back(&id).await;
    first.expect_again("a", 1).await;
    first.send(json!({"type": "begun", "messageId": id})).await;
    first.give_back(&id).await;
    let delivery = first.receive().await;
    assert_eq!(delivery["begunCount"], 1);
    first.leave().await;
    let second = connect(&broker, "/ws/demo/second").await;
    second.leave().await;

    let broker = restart(broker, directory.path()).await;
    let mut third = connect(&broker, "/ws/demo/third?begunBy=8").await;
    let delivery = third.receive().await;
    let counts = (&delivery["redeliveryCount"], &delivery["begunCount"]);
    assert!(
        delivery["redeliveryCount"].as_u64() >= Some(3),
        "{counts:?}"
    );
    assert_eq!(delivery["begunCount"], 1);
    broker.shutdown().await;
}

/// A module that works on a message while the broker restarts has not failed.
#[tokio::test]
async fn a_reader_that_comes_back_after_a_restart_still_works() {
    let directory = TempDir::new().unwrap();
    let mut broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let id = producer.publish("a").await;
    let path = "/ws/demo/s?begunBy=7";
    let mut works = connect(&broker, path).await;
    works.expect("a").await;
    works.give_back(&id).await;
    works.expect_again("a", 1).await;
    works.send(json!({"type": "begun", "messageId": id})).await;
    // The broker has read the frame before when it has read this acknowledgement.
    producer.publish("b").await;
    works.read("b").await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
    drop(producer);
    for count in 2..4 {
        broker = restart(broker, directory.path()).await;
        works = connect(&broker, path).await;
        let delivery = works.receive().await;
        assert_eq!(delivery["redeliveryCount"], count);
        assert_eq!(delivery["begunCount"], 0, "it has come back");
    }
    drop(works);
    broker = restart(broker, directory.path()).await;
    let mut other = connect(&broker, "/ws/demo/s?begunBy=8").await;
    assert_eq!(other.receive().await["begunCount"], 1);
    broker.shutdown().await;
}

/// What waits moves to another subscription without its contents, several times.
#[tokio::test]
async fn messages_of_several_subscriptions_move_to_one_and_stay() {
    let directory = TempDir::new().unwrap();
    let broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let first = connect(&broker, "/ws/demo/first").await;
    producer.publish("a").await;
    let second = connect(&broker, "/ws/demo/second").await;
    producer.publish("b").await;
    drop((first, second, producer));

    let broker = restart(broker, directory.path()).await;
    // Its subscription ends with it, and the messages wait for the next one.
    let third = connect(&broker, "/ws/demo/third?onClose=HandOver").await;
    third.leave().await;
    let broker = restart(broker, directory.path()).await;
    connect(&broker, "/ws/demo").await.publish("c").await;
    let broker = restart(broker, directory.path()).await;
    let mut fourth = connect(&broker, "/ws/demo/fourth").await;
    read_all(&mut fourth, &["a", "b"]).await;
    until(&broker, |statistics| statistics.acknowledged == 2).await;
    drop(fourth);
    let broker = restart(broker, directory.path()).await;
    let mut fourth = connect(&broker, "/ws/demo/fourth").await;
    read_all(&mut fourth, &["c"]).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_topic_that_is_not_kept_leaves_the_others_alone() {
    let directory = TempDir::new().unwrap();
    let start = || {
        let passing = TopicSettings::default().keep(false);
        let builder = builder().topic_settings("passing-*", passing);
        builder.data_dir(directory.path()).start()
    };
    // Before, the topic was kept.
    let broker = start_in(directory.path()).await;
    let mut producer = connect(&broker, "/ws/passing-1").await;
    drop(connect(&broker, "/ws/passing-1/s").await);
    producer.publish("old").await;
    drop(producer);
    broker.shutdown().await;

    let broker = start().await.unwrap();
    for topic in ["passing-1", "passing-2", "kept"] {
        let mut producer = connect(&broker, &format!("/ws/{topic}")).await;
        producer.publish("new").await;
        if topic == "passing-1" {
            let mut consumer = connect(&broker, "/ws/passing-1/s").await;
            consumer.expect("old").await;
            consumer.expect("new").await;
        }
    }
    broker.shutdown().await;

    let broker = start().await.unwrap();
    let mut producer = connect(&broker, "/ws/passing-2").await;
    producer.publish("last").await;
    let mut consumer = connect(&broker, "/ws/passing-1/s").await;
    consumer.read("old").await;
    connect(&broker, "/ws/passing-1")
        .await
        .publish("last")
        .await;
    consumer.read("last").await;
    connect(&broker, "/ws/passing-2/s").await.read("last").await;
    connect(&broker, "/ws/kept/s").await.read("new").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_subscription_stays_as_long_as_its_reader_has_asked() {
    let directory = TempDir::new().unwrap();
    let start = || {
        let retention = Duration::from_millis(50);
        let builder = builder().data_dir(directory.path());
        builder.subscription_retention(retention).start()
    };
    let broker = start().await.unwrap();
    let patient = connect(&broker, "/ws/demo/patient?subscriptionRetention=3600").await;
    let other = connect(&broker, "/ws/demo/other").await;
    drop((patient, other));
    let patient = "/ws/alone/patient?subscriptionRetention=3600&onClose=Discard";
    drop(connect(&broker, patient).await);
    broker.shutdown().await;

    let broker = start().await.unwrap();
    connect(&broker, "/ws/demo").await.publish("a").await;
    connect(&broker, "/ws/alone").await.publish("b").await;
    // The subscription that asked for nothing is gone, with all that is as old as the messages.
    connect(&broker, "/ws/short").await.publish("c").await;
    until(&broker, |statistics| statistics.expired >= 1).await;
    until(&broker, |statistics| statistics.topics == 2).await;
    connect(&broker, "/ws/demo/patient").await.read("a").await;
    connect(&broker, patient).await.read("b").await;
    broker.shutdown().await;
}

async fn refusal(directory: &Path) -> String {
    let refused = builder().data_dir(directory).start().await;
    match refused {
        Err(error @ StartError::Store { .. }) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_refused_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("made/by/the/broker");
    let broker = start_in(&path).await;
    let error = refusal(&path).await;
    assert!(error.contains("another broker uses it"), "{error}");
    assert!(error.contains("made/by/the/broker"), "{error}");
    broker.shutdown().await;

    let database = path.join("messages.sqlite");
    std::fs::write(&database, "not a database, but a text that is long enough").unwrap();
    let error = refusal(&path).await;
    assert!(error.contains("its database is damaged"), "{error}");

    let error = refusal(&database).await;
    assert!(error.contains("messages.sqlite"), "{error}");
}

/// The middle of the database is overwritten.
#[tokio::test]
async fn what_can_be_read_of_a_damaged_directory_is_saved() {
    const MESSAGES: u32 = 200;
    let directory = TempDir::new().unwrap();
    let damaged = directory.path().join("damaged");
    let broker = start_in(&damaged).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let payload = |number: u32| format!("{number:04}").repeat(1000);
    for number in 0..MESSAGES {
        producer.publish(&payload(number)).await;
    }
    drop(producer);
    broker.shutdown().await;
    let path = damaged.join("messages.sqlite");
    let mut database = std::fs::read(&path).unwrap();
    let middle = database.len() / 2;
    database[middle..middle + 200_000].fill(0x5a);
    std::fs::write(&path, &database).unwrap();

    let error = refusal(&damaged).await;
    assert!(error.contains("its database is damaged"), "{error}");
    assert!(error.contains("dasf-broker recover"), "{error}");

    let saved = directory.path().join("saved");
    let recovered = dasf_broker::recover(&damaged, &saved).unwrap();
    assert!(recovered.messages > 100, "{recovered:?}");
    assert_eq!(recovered.queues, 1);
    assert!(recovered.messages < u64::from(MESSAGES), "{recovered:?}");
    let again = dasf_broker::recover(&damaged, &saved).unwrap_err();
    let again = again.to_string();
    assert!(again.contains("it has a database already"), "{again}");

    let broker = start_in(&saved).await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut numbers = Vec::new();
    for _ in 0..recovered.messages {
        let delivery = consumer.receive().await;
        let received = delivery["payload"].as_str().unwrap();
        let number: u32 = received[..4].parse().unwrap();
        assert_eq!(received, payload(number));
        numbers.push(number);
    }
    assert!(numbers.is_sorted());
    assert!(numbers.contains(&0) && numbers.contains(&(MESSAGES - 1)));
    broker.shutdown().await;
}
