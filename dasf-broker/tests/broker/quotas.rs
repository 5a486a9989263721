//! The limits of single users.

use std::time::{Duration, Instant};

use dasf_broker::Broker;
use serde_json::{Value, json};

use crate::access::{Way, config, link, open, socket, start_with};
use crate::support::{Peer, builder, until};

/// Ada has limits, and Bob has none.
async fn start(limits: &str) -> Broker {
    start_with(&users(), &of_ada(limits)).await
}

fn users() -> [(&'static str, &'static str); 2] {
    const RIGHTS: &str = "call = [\"*\"]\nserve = [\"*\"]";
    [("ada", RIGHTS), ("bob", RIGHTS)]
}

fn of_ada(limits: &str) -> String {
    format!("[users.ada.limits]\n{limits}\n")
}

fn change(broker: &Broker, limits: &str) {
    let changed = broker
        .set_config(config(&users(), &of_ada(limits)))
        .unwrap();
    assert_eq!(changed, ["ada"]);
}

/// Returns the reason why the broker refuses a handshake.
async fn refused(broker: &Broker, path: &str, token: &str) -> String {
    let opened = open(broker, path, token, Way::Header, false).await;
    let (status, reason) = opened.err().unwrap();
    assert_eq!(status, 429, "{reason}");
    reason
}

async fn leave(broker: &Broker, peer: Peer, connections: u64) {
    peer.leave().await;
    until(broker, |it| it.connections == connections).await;
}

/// Sends a message, and returns the result in its receipt.
async fn send(peer: &mut Peer, payload: &str) -> String {
    peer.send(json!({"payload": payload})).await;
    let receipt = peer.receive().await;
    receipt["result"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_has_a_number_of_connections() {
    let broker = start("max_connections = 2").await;
    let first = socket(&broker, "/ws/a/s", "ada").await;
    let _second = link(&broker, "ada").await;
    let reason = refused(&broker, "/ws/b", "ada").await;
    let expected =
        "the user may have at most 2 connections, the limit max_connections of user ada;";
    assert!(reason.starts_with(expected), "{reason}");
    let _others = (
        socket(&broker, "/ws/a/other", "bob").await,
        socket(&broker, "/ws/a", "bob").await,
        socket(&broker, "/ws/b", "bob").await,
    );
    leave(&broker, first, 4).await;
    let _third = socket(&broker, "/ws/b", "ada").await;
    refused(&broker, "/ws/c", "ada").await;
    change(&broker, "max_connections = 3");
    let _fourth = socket(&broker, "/ws/c", "ada").await;
    refused(&broker, "/ws/d", "ada").await;
    // What is there stays when the limit sinks.
    change(&broker, "max_connections = 1");
    refused(&broker, "/ws/d", "ada").await;
    assert_eq!(broker.statistics().connections, 6);
}

#[tokio::test]
async fn a_user_creates_a_number_of_topics() {
    let broker = start("max_topics = 2").await;
    let mut bob = socket(&broker, "/ws/of-bob/s", "bob").await;
    let mut ada = link(&broker, "ada").await;
    let _first = socket(&broker, "/ws/a", "ada").await;
    let second = socket(&broker, "/ws/b/s", "ada").await;
    let name = "the limit max_topics of user ada";
    for path in ["/ws/c/s", "/ws/c"] {
        let reason = refused(&broker, path, "ada").await;
        assert!(reason.contains(name), "{reason}");
    }
    let answer = ada.subscribe("c", "").await;
    assert_eq!(answer["status"], 429, "{answer}");
    ada.publish("c", b"").await;
    let (header, _) = ada.next().await;
    assert_eq!(header["type"], "refused");
    assert!(
        header["reason"].as_str().unwrap().contains(name),
        "{header}"
    );
    // The topic of somebody else does not count.
    ada.publish("of-bob", b"one").await;
    bob.receive().await;
    let _third = socket(&broker, "/ws/c", "bob").await;
    // It exists, so Ada may use it.
    let _fourth = socket(&broker, "/ws/c", "ada").await;
    let connections = broker.statistics().connections;
    leave(&broker, second, connections - 1).await;
    until(&broker, |it| it.topics == 3).await;
    let _fifth = socket(&broker, "/ws/d", "ada").await;
    refused(&broker, "/ws/e", "ada").await;
    change(&broker, "");
    let _sixth = socket(&broker, "/ws/e", "ada").await;
}

#[tokio::test]
async fn a_user_creates_a_number_of_subscriptions() {
    let broker = start("max_subscriptions = 2").await;
    let first = socket(&broker, "/ws/a/s", "ada").await;
    let mut bob = socket(&broker, "/ws/a/t", "bob").await;
    let mut ada = link(&broker, "ada").await;
    let answer = ada.subscribe("b", "").await;
    assert_eq!(answer["type"], "subscribed", "{answer}");
    let name = "the limit max_subscriptions of user ada";
    let reason = refused(&broker, "/ws/a/u", "ada").await;
    assert!(reason.contains(name), "{reason}");
    let answer = ada.subscribe("c", "").await;
    assert_eq!(answer["status"], 429, "{answer}");
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.contains(name), "{reason}");
    // Those of others, and those that exist, do not count again.
    let _same = (
        socket(&broker, "/ws/a/s", "ada").await,
        socket(&broker, "/ws/a/t", "ada").await,
        socket(&broker, "/ws/a/u", "bob").await,
    );
    assert_eq!(
        send(&mut socket(&broker, "/ws/a", "bob").await, "x").await,
        "ok"
    );
    bob.read("x").await;
    drop(first);
    ada.send(&json!({"type": "unsubscribe", "topic": "b"}), b"")
        .await;
    assert_eq!(ada.next().await.0["type"], "unsubscribed");
    assert_eq!(ada.subscribe("c", "").await["type"], "subscribed");
    change(&broker, "max_subscriptions = 3");
    assert_eq!(ada.subscribe("d", "").await["type"], "subscribed");
    assert_eq!(ada.subscribe("e", "").await["status"], 429);
}

/// Its new subscription takes over that of the run before, which waits for it.
#[tokio::test]
async fn a_module_that_restarts_needs_no_second_subscription() {
    let broker = start("max_subscriptions = 1").await;
    let mut bob = socket(&broker, "/ws/river", "bob").await;
    for run in 0..3 {
        let path = format!("/ws/river/run-{run}?subscriptionRetention=600");
        let mut module = socket(&broker, &path, "ada").await;
        if run > 0 {
            module.read("waits").await;
        }
        refused(&broker, "/ws/lake/run", "ada").await;
        leave(&broker, module, 1).await;
        assert_eq!(send(&mut bob, "waits").await, "ok");
    }
}

#[tokio::test]
async fn the_messages_of_a_user_have_a_part_of_the_memory() {
    let broker = start("max_memory = \"20 kB\"").await;
    let mut reader = socket(&broker, "/ws/demo/s", "bob").await;
    let mut ada = socket(&broker, "/ws/demo", "ada").await;
    let mut bob = socket(&broker, "/ws/demo", "bob").await;
    let payload = "x".repeat(8000);
    assert_eq!(send(&mut ada, &payload).await, "ok");
    assert_eq!(send(&mut ada, &payload).await, "ok");
    let name = "more than 20000 bytes, the limit max_memory of user ada";
    let reason = send(&mut ada, &payload).await;
    assert!(reason.contains(name), "{reason}");
    let mut on_link = link(&broker, "ada").await;
    on_link.publish("elsewhere", payload.as_bytes()).await;
    let (header, _) = on_link.next().await;
    assert_eq!(header["type"], "refused");
    assert!(
        header["reason"].as_str().unwrap().contains(name),
        "{header}"
    );
    for _ in 0..10 {
        assert_eq!(send(&mut bob, &payload).await, "ok");
    }
    reader.read(&payload).await;
    until(&broker, |it| it.acknowledged == 1).await;
    assert_eq!(send(&mut ada, &payload).await, "ok");
    assert!(send(&mut ada, &payload).await.contains(name));
    change(&broker, "max_memory = 30000");
    assert_eq!(send(&mut ada, &payload).await, "ok");
    assert!(
        send(&mut ada, &payload)
            .await
            .contains("max_memory of user ada")
    );
}

/// Otherwise its consumers could make any number of topics.
#[tokio::test]
async fn a_dead_letter_topic_counts_for_the_user_of_the_subscription() {
    let broker = start("max_topics = 2").await;
    let path = |dead: &str| format!("/ws/demo/{dead}?maxRedeliverCount=1&deadLetterTopic={dead}");
    let mut bob = socket(&broker, "/ws/demo", "bob").await;
    let mut first = socket(&broker, &path("first"), "ada").await;
    let mut second = socket(&broker, &path("second"), "ada").await;
    let _other = socket(&broker, "/ws/other/s", "ada").await;
    assert_eq!(send(&mut bob, "x").await, "ok");
    for (reader, moved, dropped) in [(&mut first, 1, 0), (&mut second, 1, 1)] {
        for _ in 0..2 {
            let id: Value = reader.receive().await["messageId"].take();
            reader.give_back(id.as_str().unwrap()).await;
        }
        until(&broker, |it| {
            (it.dead_lettered, it.dropped) == (moved, dropped)
        })
        .await;
    }
}

/// The broker reads no further messages for a while. So none is lost, and the user is as fast as it may be on
/// all its connections together.
#[tokio::test]
async fn a_user_who_sends_too_much_is_slowed_down() {
    const RATE: usize = 20;
    const EACH: usize = 2 * RATE;
    let broker = start(&format!("max_messages_per_second = {RATE}")).await;
    let mut reader = socket(&broker, "/ws/demo/s", "bob").await;
    let begin = Instant::now();
    let mut ada = socket(&broker, "/ws/demo", "ada").await;
    let mut on_link = link(&broker, "ada").await;
    for _ in 0..EACH {
        ada.send(json!({"payload": "ada"})).await;
        on_link.publish("demo", b"ada").await;
    }
    on_link.send(&json!({"type": "confirm"}), b"").await;
    // Bob does not wait.
    let mut bob = socket(&broker, "/ws/demo", "bob").await;
    for _ in 0..10 * RATE {
        assert_eq!(send(&mut bob, "bob").await, "ok");
    }
    assert!(broker.statistics().published < (10 * RATE + 2 * EACH) as u64);
    for _ in 0..EACH {
        assert_eq!(ada.receive().await["result"], "ok");
    }
    on_link.accepted(EACH as u64).await;
    // The first second of messages comes at once, and a second connection has one more.
    let least = Duration::from_secs_f64((2 * EACH - RATE - 2) as f64 / RATE as f64);
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
    let counted = async |reader: &mut Peer| {
        let mut of_ada = 0;
        for _ in 0..10 * RATE + 2 * EACH {
            let delivery = reader.receive().await;
            of_ada += usize::from(delivery["properties"]["x_dasf_user"] == "ada");
            reader
                .acknowledge(delivery["messageId"].as_str().unwrap())
                .await;
        }
        of_ada
    };
    assert_eq!(counted(&mut reader).await, 2 * EACH);
}

/// The limit is so low that the broker does not read the answers to its pings for long.
#[tokio::test]
async fn a_user_who_is_slowed_down_stays_connected_until_its_limit_changes() {
    let limits = "max_messages_per_second = 1";
    let config = config(&users(), &of_ada(limits));
    let interval = Duration::from_millis(100);
    let builder = builder().config(config).ping_interval(interval);
    let broker = builder.start().await.unwrap();
    let mut ada = socket(&broker, "/ws/demo", "ada").await;
    let mut again = socket(&broker, "/ws/demo", "ada").await;
    const MESSAGES: usize = 1000;
    for _ in 0..MESSAGES {
        ada.send(json!({"payload": ""})).await;
    }
    again.send(json!({"payload": ""})).await;
    for _ in 0..4 {
        assert_eq!(ada.receive().await["result"], "ok");
    }
    assert!(broker.statistics().published < 10);
    change(&broker, "");
    for _ in 4..MESSAGES {
        assert_eq!(ada.receive().await["result"], "ok");
    }
    assert_eq!(again.receive().await["result"], "ok");
}

#[tokio::test]
async fn programs_without_a_token_share_their_limits() {
    let more = "[anonymous]\ncall = [\"*\"]\nserve = [\"*\"]\n[anonymous.limits]\nmax_connections = 1\n[limits]\nmax_connections = 2";
    let broker = start_with(&users(), more).await;
    let _first = socket(&broker, "/ws/a", "").await;
    let reason = refused(&broker, "/ws/a", "").await;
    assert!(
        reason.contains("max_connections of user anonymous"),
        "{reason}"
    );
    let _others = (
        socket(&broker, "/ws/a", "bob").await,
        socket(&broker, "/ws/a", "bob").await,
    );
    let reason = refused(&broker, "/ws/a", "bob").await;
    assert!(reason.contains("max_connections of user bob"), "{reason}");
}

/// A dead letter is a copy of a message of its publisher.
#[tokio::test]
async fn dead_letters_count_for_the_publisher_of_their_messages() {
    let broker = start("max_memory = \"20 kB\"").await;
    let path = "/ws/demo/s?maxRedeliverCount=1&deadLetterTopic=dead";
    let mut reader = socket(&broker, path, "bob").await;
    let mut ada = socket(&broker, "/ws/demo", "ada").await;
    let payload = "x".repeat(8000);
    for _ in 0..2 {
        assert_eq!(send(&mut ada, &payload).await, "ok");
        for _ in 0..2 {
            let id: Value = reader.receive().await["messageId"].take();
            reader.give_back(id.as_str().unwrap()).await;
        }
    }
    until(&broker, |it| it.dead_lettered == 2).await;
    let reason = send(&mut ada, &payload).await;
    assert!(reason.contains("max_memory of user ada"), "{reason}");
    let mut dead = socket(&broker, "/ws/dead/s", "bob").await;
    dead.read(&payload).await;
    until(&broker, |it| it.acknowledged == 1).await;
    assert_eq!(send(&mut ada, &payload).await, "ok");
}
