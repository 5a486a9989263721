//! Subscriptions that are exclusive or shared, and their end.

use std::collections::HashSet;

use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use std::time::Duration;

use dasf_broker::{Broker, TopicSettings};
use tokio_tungstenite::connect_async;

use crate::support::{builder, connect, refusal, start, until};

#[tokio::test]
async fn an_exclusive_subscription_has_one_consumer() {
    let broker = start().await;
    let path = "/ws/v2/consumer/persistent/public/default/demo/s";
    let first = connect(&broker, path).await;
    let (status, text) = refusal(&broker, path).await;
    assert_eq!(status, 409);
    assert!(
        text.contains("'s' of topic 'demo' has a consumer already"),
        "{text}"
    );
    let (status, text) = refusal(&broker, "/ws/demo/s").await;
    assert_eq!(status, 409);
    assert!(text.contains("is Exclusive and Durable"), "{text}");
    connect(&broker, "/ws/demo/other?subscriptionType=Exclusive").await;
    first.leave().await;
    connect(&broker, path).await;
}

#[tokio::test]
async fn shared_consumers_divide_the_work_and_a_busy_one_gets_no_more() {
    let broker = start().await;
    let path = "/ws/demo/s?receiverQueueSize=2";
    let mut busy = connect(&broker, path).await;
    let mut quick = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for number in 0..4 {
        producer.publish(&number.to_string()).await;
    }
    // The consumers get messages in turn, until both have no permits.
    busy.expect("0").await;
    quick.read("1").await;
    busy.expect("2").await;
    quick.read("3").await;
    for number in 4..20 {
        producer.publish(&number.to_string()).await;
        quick.read(&number.to_string()).await;
    }
    // When the busy consumer disconnects, its unacknowledged messages go to the other.
    busy.leave().await;
    quick.read("0").await;
    quick.read("2").await;
    let statistics = until(&broker, |it| it.acknowledged == 20).await;
    assert_eq!((statistics.delivered, statistics.redelivered), (22, 2));
}

/// The messages of a consumer that crashes go to the others, each once.
#[tokio::test]
async fn another_consumer_gets_the_messages_of_a_lost_one() {
    const COUNT: usize = 20;
    let broker = start().await;
    let mut dying = connect(&broker, "/ws/demo/s").await;
    let mut living = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let mut ids = HashSet::new();
    for number in 0..COUNT {
        ids.insert(producer.publish(&number.to_string()).await);
    }
    let mut lost = HashSet::new();
    for _ in 0..COUNT / 2 {
        let delivery = dying.receive().await;
        assert_eq!(delivery.get("redeliveryCount"), None);
        lost.insert(delivery["messageId"].as_str().unwrap().to_owned());
    }
    drop(dying);
    for _ in 0..COUNT {
        let delivery = living.receive().await;
        let id = delivery["messageId"].as_str().unwrap();
        assert!(ids.remove(id), "{id} came twice");
        let again = lost.contains(id).then(|| json!(1));
        assert_eq!(delivery.get("redeliveryCount"), again.as_ref());
        living.acknowledge(id).await;
    }
    let statistics = until(&broker, |it| it.acknowledged == COUNT as u64).await;
    assert_eq!(statistics.redelivered, COUNT as u64 / 2);
}

/// Many peers on several threads: no message is lost or delivered twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_divides_its_work() {
    const PRODUCERS: usize = 8;
    const EACH: usize = 500;
    let broker = start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut consumer = connect(&broker, "/ws/demo/s?receiverQueueSize=5").await;
        tasks.spawn(async move {
            let mut read = Vec::new();
            loop {
                let delivery = consumer.receive().await;
                let payload = delivery["payload"].as_str().unwrap().to_owned();
                consumer
                    .acknowledge(delivery["messageId"].as_str().unwrap())
                    .await;
                if payload == "end" {
                    return read;
                }
                read.push(payload);
            }
        });
    }
    let mut producers = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        let mut producer = connect(&broker, "/ws/demo").await;
        producers.spawn(async move {
            for count in 0..EACH {
                producer.publish(&format!("{number}/{count}")).await;
            }
        });
    }
    producers.join_all().await;
    until(&broker, |it| it.acknowledged == (PRODUCERS * EACH) as u64).await;
    // Each consumer stops at its first `end`. The least busy consumer gets the next one, and it has had
    // none.
    let mut last = connect(&broker, "/ws/demo").await;
    let mut read = Vec::new();
    while !tasks.is_empty() {
        last.publish("end").await;
        read.extend(tasks.join_next().await.unwrap().unwrap());
    }
    let unique: HashSet<_> = read.iter().cloned().collect();
    assert_eq!(
        (read.len(), unique.len()),
        (PRODUCERS * EACH, PRODUCERS * EACH)
    );
}

#[tokio::test]
async fn a_consumer_that_unsubscribes_leaves_no_messages() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    consumer.expect("a").await;
    consumer.send(json!({"type": "unsubscribe"})).await;
    assert_eq!(consumer.closed().await.code, CloseCode::Normal);
    assert_eq!(broker.statistics().dropped, 1);
    producer.publish("b").await;
    connect(&broker, "/ws/demo/s").await.read("b").await;
}

#[tokio::test]
async fn a_subscription_that_is_not_durable_ends_with_its_consumer() {
    let broker = start().await;
    let consumer = connect(&broker, "/ws/demo/s?subscriptionMode=NonDurable").await;
    let mut other = connect(&broker, "/ws/demo/other").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    other.read("a").await;
    consumer.leave().await;
    assert_eq!(broker.statistics().dropped, 1);
    let mut again = connect(&broker, "/ws/demo/s").await;
    producer.publish("b").await;
    again.read("b").await;
}

#[tokio::test]
async fn a_topic_goes_with_its_last_peer() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/demo_4f2a/s").await;
    let mut producer = connect(&broker, "/ws/demo_4f2a").await;
    producer.publish("a").await;
    consumer.read("a").await;
    until(&broker, |it| it.acknowledged == 1).await;
    consumer.leave().await;
    assert_eq!(broker.statistics().topics, 1);
    producer.leave().await;
    until(&broker, |it| it.topics == 0 && it.connections == 0).await;
}

/// Returns the time that the broker tells a consumer, in seconds.
async fn told_retention(broker: &Broker, path: &str) -> Option<u64> {
    let url = format!("ws://{}{path}", broker.local_addr());
    let (_, response) = connect_async(url).await.unwrap();
    let told = response.headers().get("dasf-retention")?;
    Some(told.to_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_consumer_asks_how_long_its_subscription_stays_and_learns_it() {
    const DAY: u64 = 86_400;
    let days = |days: u64| Duration::from_secs(days * DAY);
    let broker = builder()
        .max_subscription_retention(days(2))
        .topic_settings("jobs-*", TopicSettings::default().max_retention(days(30)))
        .topic_settings(
            "brief",
            TopicSettings::default().max_retention(days(1) / DAY as u32),
        )
        .start()
        .await
        .unwrap();
    let weeks = format!("?subscriptionRetention={}", 14 * DAY);
    for (path, retention) in [
        ("/ws/demo/s".to_owned(), Some(600)),
        ("/ws/demo/s?subscriptionRetention=5".to_owned(), Some(5)),
        (format!("/ws/demo/s{weeks}"), Some(2 * DAY)),
        (format!("/ws/jobs-1/s{weeks}"), Some(14 * DAY)),
        (format!("/ws/brief/s{weeks}"), Some(1)),
        ("/ws/brief/s".to_owned(), Some(1)),
        ("/ws/demo/t?onClose=HandOver".to_owned(), Some(60)),
        (
            format!("/ws/jobs-1/t{weeks}&onClose=Discard"),
            Some(14 * DAY),
        ),
        (
            format!("/ws/demo/u{weeks}&subscriptionMode=NonDurable"),
            None,
        ),
        (
            format!("/ws/v2/consumer/persistent/public/default/demo/v{weeks}"),
            Some(2 * DAY),
        ),
    ] {
        assert_eq!(told_retention(&broker, &path).await, retention, "{path}");
    }
    // Consumers that share a subscription keep it as long as one of them needs it.
    let _short = connect(&broker, "/ws/demo/shared?subscriptionRetention=3600").await;
    assert_eq!(told_retention(&broker, "/ws/demo/shared").await, Some(3600));
    let long = "/ws/demo/shared?subscriptionRetention=7200";
    assert_eq!(told_retention(&broker, long).await, Some(7200));
    let (status, reason) = refusal(&broker, "/ws/demo/s?subscriptionRetention=0").await;
    assert_eq!(status, 400);
    assert!(reason.contains("the number of seconds"), "{reason}");
}
