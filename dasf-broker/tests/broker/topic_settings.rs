//! Settings of the topics of a pattern.

use std::time::Duration;

use dasf_broker::{Config, ConfigError, StartError, TopicSettings};
use serde_json::json;

use crate::support::{builder, connect, refusal, until};

fn settings() -> TopicSettings {
    TopicSettings::default()
}

#[tokio::test]
async fn the_first_pattern_of_a_topic_limits_its_backlog() {
    let broker = builder()
        .topic_settings("river-small", settings().max_messages(1))
        .topic_settings("river*", settings().max_messages(2).max_bytes(1000))
        .max_backlog_messages(3)
        .start()
        .await
        .unwrap();
    for (topic, messages, limit) in [
        ("river-small", 1, "(max_messages of its pattern = 1)"),
        ("river-2", 2, "(max_messages of its pattern = 2)"),
        ("other", 3, "(max_backlog_messages = 3)"),
    ] {
        let mut producer = connect(&broker, &format!("/ws/{topic}")).await;
        for number in 0..messages {
            producer.publish(&number.to_string()).await;
        }
        producer.send(json!({"payload": "x"})).await;
        let receipt = producer.receive().await;
        let reason = receipt["result"].as_str().unwrap();
        assert!(reason.contains(limit), "{reason}");
    }
    let mut producer = connect(&broker, "/ws/river").await;
    producer.send(json!({"payload": "x".repeat(1000)})).await;
    let receipt = producer.receive().await;
    let reason = receipt["result"].as_str().unwrap();
    assert!(
        reason.contains("(max_bytes of its pattern = 1000)"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_configuration_without_users_stands_beside_a_token() {
    let config: Config = r#"
        [[topics]]
        pattern = "river*"
        ttl = "7d"
        max_bytes = "64 MiB"
        max_messages = 1
    "#
    .parse()
    .unwrap();
    let start = async || {
        let builder = builder().config(config.clone()).token("secret");
        builder.start().await.unwrap()
    };
    let broker = start().await;
    assert_eq!(refusal(&broker, "/ws/river").await.0, 401);
    let mut producer = connect(&broker, "/ws/river?token=secret").await;
    producer.publish("a").await;
    producer.send(json!({"payload": "b"})).await;
    let receipt = producer.receive().await;
    let reason = receipt["result"].as_str().unwrap();
    assert!(
        reason.contains("(max_messages of its pattern = 1)"),
        "{reason}"
    );
    let with_users = format!("[anonymous]\n{}", "[[topics]]\npattern = \"a\"");
    let builder = builder().config(with_users.parse().unwrap());
    let error = builder.token("secret").start().await.unwrap_err();
    assert!(matches!(error, StartError::TokenAndUsers), "{error}");
}

/// A broker with a token, too, reads the settings again, but not users.
#[tokio::test]
async fn the_settings_of_topics_change_while_the_broker_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broker.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let settings = |of: &str| format!("[[topics]]\npattern = \"river*\"\n{of}\n");
    let users = "[anonymous]\ncall = [\"*\"]\nserve = [\"*\"]\n";
    for (token, query, users) in [(None, "", users), (Some("secret"), "?token=secret", "")] {
        write(&(users.to_owned() + &settings("max_messages = 1")));
        let mut builder = builder()
            .config_file(&file)
            .topic_settings("river-own", TopicSettings::default().max_messages(1));
        if let Some(token) = token {
            builder = builder.token(token);
        }
        let broker = builder.start().await.unwrap();
        let mut producers = Vec::new();
        for topic in ["river", "river-own"] {
            let mut producer = connect(&broker, &format!("/ws/{topic}{query}")).await;
            producer.publish("a").await;
            producer.send(json!({"payload": "b"})).await;
            let receipt = producer.receive().await;
            let reason = receipt["result"].as_str().unwrap();
            assert!(reason.contains("max_messages of its pattern"), "{reason}");
            producers.push(producer);
        }
        write(&(users.to_owned() + &settings("max_messages = 2\nttl = \"1s\"")));
        assert_eq!(broker.reload().unwrap(), [] as [String; 0]);
        producers[0].publish("b").await;
        producers[1].send(json!({"payload": "b"})).await;
        let receipt = producers[1].receive().await;
        assert_ne!(receipt["result"], "ok", "its own settings come first");
        until(&broker, |statistics| statistics.expired == 2).await;

        if users.is_empty() {
            write("[users.ada]");
            let refused = broker.reload().unwrap_err();
            assert!(matches!(refused, ConfigError::UsersAtStart), "{refused}");
            connect(&broker, &format!("/ws/river-2/s{query}")).await;
        }
        broker.shutdown().await;
    }
}

#[tokio::test]
async fn a_message_after_its_time_to_live_goes_from_every_subscription() {
    const TTL: Duration = Duration::from_millis(100);
    let broker = builder()
        .topic_settings("short", settings().ttl(TTL))
        .start()
        .await
        .unwrap();
    // Both subscriptions have a reader. One of them has taken a message, and works on it.
    let path = |subscription: &str| format!("/ws/short/{subscription}?receiverQueueSize=1");
    let mut works = connect(&broker, &path("works")).await;
    let mut reads = connect(&broker, &path("reads")).await;
    let mut producer = connect(&broker, "/ws/short").await;
    producer.publish("a").await;
    producer.publish("b").await;
    let a = works.expect("a").await;
    reads.read("a").await;
    let b = reads.expect("b").await;
    until(&broker, |statistics| statistics.expired == 1).await;
    works.acknowledge(&a).await;
    until(&broker, |statistics| statistics.acknowledged == 2).await;
    // What comes back is too old.
    reads.give_back(&b).await;
    until(&broker, |statistics| statistics.expired == 2).await;
    producer.publish("c").await;
    works.read("c").await;
    reads.read("c").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_topic_has_its_own_number_of_redeliveries() {
    let broker = builder()
        .topic_settings("lost-*", settings().dead_letters(false).max_redeliveries(1))
        .topic_settings("*", settings().max_redeliveries(2))
        .start()
        .await
        .unwrap();
    // A consumer may name a smaller number, and another topic.
    for (path, redeliveries, dead) in [
        ("/ws/a/s", 2, "a-s-DLQ"),
        ("/ws/b/s?maxRedeliverCount=1", 1, "b-s-DLQ"),
        (
            "/ws/c/s?maxRedeliverCount=9&deadLetterTopic=dead",
            2,
            "dead",
        ),
    ] {
        let mut consumer = connect(&broker, path).await;
        let topic = path.split('/').nth(2).unwrap();
        connect(&broker, &format!("/ws/{topic}"))
            .await
            .publish("x")
            .await;
        let id = consumer.expect("x").await;
        consumer.give_back(&id).await;
        for count in 1..=redeliveries {
            consumer.expect_again("x", count).await;
            consumer.give_back(&id).await;
        }
        let mut reader = connect(&broker, &format!("/ws/{dead}/reader")).await;
        reader.read("x").await;
    }
    let mut consumer = connect(&broker, "/ws/lost-1/s?maxRedeliverCount=3").await;
    let mut producer = connect(&broker, "/ws/lost-1").await;
    producer.publish("x").await;
    let id = consumer.expect("x").await;
    consumer.give_back(&id).await;
    consumer.expect_again("x", 1).await;
    consumer.give_back(&id).await;
    let statistics = until(&broker, |statistics| statistics.dropped == 1).await;
    assert_eq!(statistics.dead_lettered, 3);
    producer.publish("y").await;
    consumer.read("y").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn wrong_settings_are_refused() {
    let started = builder().topic_settings("a b", settings()).start().await;
    let Err(error @ StartError::Pattern { .. }) = started else {
        panic!("it started");
    };
    let error = error.to_string();
    assert!(
        error.contains("the pattern \"a b\" contains ' '"),
        "{error}"
    );
    let zero = settings().ttl(Duration::ZERO);
    let started = builder().topic_settings("*", zero).start().await;
    assert!(matches!(
        started,
        Err(StartError::ZeroLimit { name: "ttl" })
    ));
}
