//! The broker as its peers see it: over real sockets.

// The helpers of tests may fail as the tests themselves may.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use dasf_broker::{Broker, Builder, StartError, Statistics};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Far more than anything here takes; only a broker that fails lets it pass.
const PATIENCE: Duration = Duration::from_secs(30);

fn builder() -> Builder {
    Broker::builder().bind(([127, 0, 0, 1], 0).into())
}

async fn start() -> Broker {
    builder().start().await.unwrap()
}

/// A WebSocket that speaks JSON.
struct Peer(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn try_connect(broker: &Broker, path: &str) -> Result<Peer, Response<Option<Vec<u8>>>> {
    let url = format!("ws://{}{path}", broker.local_addr());
    match timeout(PATIENCE, connect_async(url)).await.unwrap() {
        Ok((socket, _)) => Ok(Peer(socket)),
        Err(Error::Http(response)) => Err(*response),
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn connect(broker: &Broker, path: &str) -> Peer {
    match try_connect(broker, path).await {
        Ok(peer) => peer,
        Err(response) => panic!("{path}: {response:?}"),
    }
}

/// The status and text by which a handshake is refused.
async fn refusal(broker: &Broker, path: &str) -> (u16, String) {
    match try_connect(broker, path).await {
        Ok(_) => panic!("{path} was accepted"),
        Err(response) => refusal_of(response),
    }
}

fn refusal_of(response: Response<Option<Vec<u8>>>) -> (u16, String) {
    let status = response.status().as_u16();
    (
        status,
        String::from_utf8(response.into_body().unwrap_or_default()).unwrap(),
    )
}

impl Peer {
    async fn send(&mut self, text: impl ToString) {
        self.0.send(Message::text(text.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        loop {
            match timeout(PATIENCE, self.0.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
            {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn receive(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Publishes a payload and returns the id from the receipt.
    async fn publish(&mut self, payload: &str) -> String {
        let frame = json!({"payload": payload, "context": payload, "properties": {}});
        self.send(frame).await;
        let receipt = self.receive().await;
        assert_eq!(receipt["result"], "ok");
        assert_eq!(receipt["context"], payload);
        receipt["messageId"].as_str().unwrap().to_owned()
    }

    /// Receives a delivery and checks its payload; returns its id.
    async fn expect(&mut self, payload: &str) -> String {
        let delivery = self.receive().await;
        assert_eq!(delivery["payload"], payload);
        delivery["messageId"].as_str().unwrap().to_owned()
    }

    async fn acknowledge(&mut self, id: &str) {
        self.send(json!({"messageId": id})).await;
    }

    /// Receives a delivery, checks its payload and how often it came in vain; returns its id.
    async fn expect_again(&mut self, payload: &str, count: u32) -> String {
        let delivery = self.receive().await;
        assert_eq!(delivery["payload"], payload);
        assert_eq!(delivery["redeliveryCount"], count);
        delivery["messageId"].as_str().unwrap().to_owned()
    }

    async fn give_back(&mut self, id: &str) {
        self.send(json!({"type": "negativeAcknowledge", "messageId": id}))
            .await;
    }

    async fn read(&mut self, payload: &str) -> String {
        let id = self.expect(payload).await;
        self.acknowledge(&id).await;
        id
    }

    /// The frame with which the broker closes the socket.
    async fn closed(mut self) -> CloseFrame {
        match self.next().await {
            Message::Close(Some(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    /// Closes the socket and waits until the broker has done so as well: then it has let go of the
    /// role.
    async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while let Some(message) = timeout(PATIENCE, self.0.next()).await.unwrap() {
            message.unwrap();
        }
    }
}

/// Waits until the broker has counted something that it does on its own time.
async fn until(broker: &Broker, condition: impl Fn(&Statistics) -> bool) -> Statistics {
    timeout(PATIENCE, async {
        loop {
            let statistics = broker.statistics();
            if condition(&statistics) {
                return statistics;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap()
}

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
async fn the_styles_meet_whatever_the_slashes() {
    let broker = start().await;
    let mut pulsar = connect(
        &broker,
        "/ws/v2/consumer//non-persistent/public/default/demo/p/",
    )
    .await;
    let mut dasf = connect(&broker, "/ws//demo/d%3Ae").await;
    let mut from_dasf = connect(&broker, "//ws///demo/").await;
    let mut from_pulsar = connect(&broker, "/ws//v2/producer/persistent/public/default/demo").await;
    let mut elsewhere = connect(&broker, "/ws/v2/producer/persistent/lab/default/demo").await;
    elsewhere.publish("elsewhere").await;
    from_dasf.publish("one").await;
    from_pulsar
        .send(json!({"payload": "two", "context": "2"}))
        .await;
    let receipt = from_pulsar.receive().await;
    let id = receipt["messageId"].as_str().unwrap();
    assert_eq!(
        receipt,
        json!({"messageId": id, "context": "2", "result": "ok", "errorCode": 0, "schemaVersion": 0})
    );
    for consumer in [&mut pulsar, &mut dasf] {
        consumer.read("one").await;
        assert_eq!(consumer.read("two").await, id);
    }
}

#[tokio::test]
async fn a_topic_may_be_called_v2() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/v2/producer").await;
    let mut producer = connect(&broker, "/ws/v2").await;
    producer.publish("one").await;
    consumer.read("one").await;
}

#[tokio::test]
async fn a_bad_address_is_told() {
    let broker = start().await;
    let (status, text) = refusal(&broker, "/ws/a.b").await;
    assert_eq!(status, 400);
    assert!(text.contains("the topic \"a.b\" contains '.'"), "{text}");
    let (status, text) = refusal(&broker, "/ws/demo/a%20b").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("the subscription \"a b\" contains a space"),
        "{text}"
    );
    let (status, text) = refusal(&broker, "/ws/demo/s?subscriptionType=Failover").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("Failover") && text.contains("Exclusive or Shared"),
        "{text}"
    );
    let (status, text) = refusal(&broker, "/ws/demo/s?negativeAckRedeliveryDelay=1s").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("\"1s\"") && text.contains("milliseconds"),
        "{text}"
    );
    for (query, reasons) in [
        ("maxRedeliverCount=0", ["\"0\"", "from 1 on"]),
        ("maxRedeliverCount=many", ["\"many\"", "from 1 on"]),
        (
            "deadLetterTopic=lost",
            ["maxRedeliverCount", "leave both out"],
        ),
        (
            "maxRedeliverCount=1&deadLetterTopic=a.b",
            ["'.'", "deadLetterTopic=NAME"],
        ),
        (
            "maxRedeliverCount=1&deadLetterTopic=demo",
            ["own topic", "another"],
        ),
    ] {
        let (status, text) = refusal(&broker, &format!("/ws/demo/s?{query}")).await;
        assert_eq!(status, 400);
        assert!(
            reasons.iter().all(|reason| text.contains(reason)),
            "{query}: {text}"
        );
    }
    let (status, text) = refusal(&broker, "/ws/v2/producer/volatile/public/default/demo").await;
    assert_eq!(status, 400);
    assert!(text.contains("volatile"), "{text}");
    let (status, text) = refusal(&broker, "/elsewhere").await;
    assert_eq!(status, 404);
    assert!(
        text.contains("/ws/{topic}") && text.contains("/ws/v2/producer/"),
        "{text}"
    );
    assert_eq!(broker.statistics().topics, 0);
}

#[tokio::test]
async fn the_handshake_says_what_the_broker_can() {
    let broker = start().await;
    for path in [
        "/ws/demo",
        "/ws/demo/s",
        "/ws/v2/producer/persistent/public/default/demo",
        "/ws/v2/consumer/persistent/public/default/demo/t",
    ] {
        let url = format!("ws://{}{path}", broker.local_addr());
        let (_, response) = connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["dasf-features"], "shared-subscriptions");
    }
}

async fn http(broker: &Broker, request: &str) -> String {
    let mut stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn plain_http_gets_answers() {
    let broker = builder().token("secret").start().await.unwrap();
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let health = http(&broker, &get("/health")).await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok"),
        "{health}"
    );
    let topic = http(&broker, &get("/ws/demo?token=secret")).await;
    assert!(
        topic.starts_with("HTTP/1.1 400 ") && topic.contains("WebSocket"),
        "{topic}"
    );
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
    // The messages of before are not for a name that comes later, while others read.
    let mut c = connect(&broker, "/ws/demo/c").await;
    producer.publish("4").await;
    for payload in ["1", "2", "3", "4"] {
        assert_eq!(a.read(payload).await, b.read(payload).await);
    }
    c.read("4").await;
}

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
async fn sharers_divide_the_work_and_a_busy_one_gets_no_more() {
    let broker = start().await;
    let path = "/ws/demo/s?receiverQueueSize=2";
    let mut busy = connect(&broker, path).await;
    let mut quick = connect(&broker, path).await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for number in 0..4 {
        producer.publish(&number.to_string()).await;
    }
    // In turn, until the permits of both are used up.
    busy.expect("0").await;
    quick.read("1").await;
    busy.expect("2").await;
    quick.read("3").await;
    for number in 4..20 {
        producer.publish(&number.to_string()).await;
        quick.read(&number.to_string()).await;
    }
    // What the busy one has not acknowledged goes to the other as soon as it leaves.
    busy.leave().await;
    quick.read("0").await;
    quick.read("2").await;
    let statistics = until(&broker, |it| it.acknowledged == 20).await;
    assert_eq!((statistics.delivered, statistics.redelivered), (22, 2));
}

/// The work of one that dies is done by the others: all of it, once.
#[tokio::test]
async fn a_sharer_that_dies_leaves_its_work_to_the_other() {
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

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_in_order() {
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
async fn a_message_that_is_sent_back_goes_to_another_first() {
    let broker = start().await;
    let mut a = connect(&broker, "/ws/demo/s?receiverQueueSize=2").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let ids = [producer.publish("a").await, producer.publish("b").await];
    assert_eq!([a.expect("a").await, a.expect("b").await], ids);
    let mut b = connect(&broker, "/ws/demo/s?receiverQueueSize=1").await;
    a.give_back(&ids[0]).await;
    assert_eq!(b.expect_again("a", 1).await, ids[0]);
    // The other has no room for this one.
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

/// Checks that a dead letter is the frame of its producer, as a message of its own.
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
        // Only the producer is left.
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
async fn a_message_that_nobody_wants_becomes_a_dead_letter() {
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

#[tokio::test]
async fn odd_frames_of_a_consumer_do_no_harm() {
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
async fn who_unsubscribes_leaves_nothing_behind() {
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
async fn a_restarted_module_finds_what_came_meanwhile() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    // Before there is any subscription.
    producer.publish("a").await;
    let mut first = connect(&broker, "/ws/demo/backend-module-2026-11-22T10:52:08").await;
    first.read("a").await;
    producer.publish("b").await;
    first.expect("b").await;
    first.leave().await;
    // In the subscription that nobody will come back to.
    producer.publish("c").await;
    let mut second = connect(&broker, "/ws/demo/backend-module-2026-11-22T10:53:09").await;
    second.read("b").await;
    second.read("c").await;
    // And only once.
    let mut third = connect(&broker, "/ws/demo/other").await;
    producer.publish("d").await;
    second.read("d").await;
    third.read("d").await;
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
async fn what_nobody_reads_expires() {
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
async fn a_topic_that_nobody_reads_refuses_when_it_is_full() {
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

    // A consumer still gets the one that fits, although the broker has made it longer.
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    assert_eq!(
        consumer.receive().await["payload"].as_str().unwrap().len(),
        1_048_576 - overhead
    );
    // Much larger ones, of which the broker reads only the beginning, get the same answer.
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

#[tokio::test]
async fn a_token_is_asked_for() {
    let broker = builder().token("a+b=").start().await.unwrap();
    let (status, text) = refusal(&broker, "/ws/demo").await;
    assert_eq!(status, 401);
    assert!(text.contains("authorization: Token"), "{text}");
    let (status, text) = refusal(&broker, "/ws/demo/s?token=wrong").await;
    assert_eq!(status, 401);
    assert!(text.contains("not the one"), "{text}");
    connect(&broker, "/ws/demo?token=a%2Bb%3D")
        .await
        .publish("a")
        .await;
    connect(&broker, "/ws/demo/s?subscriptionType=Shared&token=a+b=")
        .await
        .read("a")
        .await;
    for (value, accepted) in [
        ("Token a+b=", true),
        ("Bearer a+b=", true),
        ("bearer  a+b=", true),
        ("Basic a+b=", false),
        ("Token a+b", false),
    ] {
        let url = format!("ws://{}/ws/demo", broker.local_addr());
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => assert!(accepted, "{value}"),
            Err(Error::Http(response)) => {
                assert!(!accepted, "{value}");
                assert_eq!(refusal_of(*response).0, 401);
            }
            Err(error) => panic!("{value}: {error}"),
        }
    }
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

/// The peer that writes all it has before it reads anything: the broker must not stop reading
/// because it cannot write.
#[tokio::test]
async fn a_producer_may_read_its_receipts_late() {
    const COUNT: usize = 10_000;
    let broker = builder().max_backlog_messages(COUNT).start().await.unwrap();
    let mut producer = connect(&broker, "/ws/demo").await;
    let filler = "x".repeat(200);
    let publish_all = async {
        for number in 0..COUNT {
            // Contexts of this length make more receipts than the buffers of the sockets hold.
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

/// A consumer that reads nothing must not hold up the one beside it.
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

/// Many at once, on several threads: nothing is lost, and nothing comes twice.
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
    // Each sharer stops at the first of these: the least busy gets it, which is one that has had
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
async fn a_silent_peer_is_dropped_and_a_living_one_is_not() {
    let broker = builder()
        .ping_interval(Duration::from_millis(40))
        .start()
        .await
        .unwrap();
    let mut living = connect(&broker, "/ws/demo/s").await;
    let _silent = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let statistics = timeout(PATIENCE, async {
        // Reading answers the pings.
        tokio::select! {
            statistics = until(&broker, |it| it.connections == 2) => statistics,
            message = living.next() => panic!("{message:?}"),
            message = producer.next() => panic!("{message:?}"),
        }
    });
    assert_eq!(statistics.await.unwrap().connections, 2);
    producer.publish("a").await;
    living.read("a").await;
}

#[tokio::test]
async fn a_shutdown_says_goodbye() {
    let broker = start().await;
    let address = broker.local_addr();
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    consumer.expect("a").await;
    let ((), producer, consumer) =
        tokio::join!(broker.shutdown(), producer.closed(), consumer.closed());
    assert_eq!(
        (producer.code, consumer.code),
        (CloseCode::Away, CloseCode::Away)
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_dropped_handle_stops_the_broker() {
    let broker = start().await;
    let producer = connect(&broker, "/ws/demo").await;
    drop(broker);
    assert_eq!(producer.closed().await.code, CloseCode::Away);
}

#[tokio::test]
async fn a_start_that_cannot_be_is_told() {
    let broker = start().await;
    let error = Broker::builder()
        .bind(broker.local_addr())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Bind { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&broker.local_addr().to_string()) && text.contains("port 0"),
        "{text}"
    );
    let error = builder().max_topics(0).start().await.unwrap_err();
    assert!(
        matches!(error, StartError::ZeroLimit { name: "max_topics" }),
        "{error}"
    );
    let error = builder().token("").start().await.unwrap_err();
    assert!(matches!(error, StartError::EmptyToken), "{error}");
}

#[cfg(feature = "cli")]
mod program {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dasf-broker"));
        command.args(arguments).env_remove("DASF_BROKER_TOKEN");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn spawn(arguments: &[&str]) -> Child {
        command(arguments).spawn().unwrap()
    }

    fn stderr(child: &mut Child) -> String {
        let mut text = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[cfg(unix)]
    #[test]
    fn it_says_where_it_listens_and_stops_when_asked() {
        for signal in ["-TERM", "-INT"] {
            let mut child = spawn(&["--bind", "127.0.0.1:0"]);
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap())
                .read_line(&mut line)
                .unwrap();
            let address = line.strip_prefix("dasf-broker listens on ").unwrap();
            let (address, rest) = address.split_once(';').unwrap();
            let url = format!("give modules and clients the URL ws://{address}/ws");
            assert_eq!(rest.trim(), url);

            // One line says what is wrong with a second one on the same address.
            let mut second = spawn(&["--bind", address]);
            assert_eq!(second.wait().unwrap().code(), Some(1));
            let error = stderr(&mut second);
            assert!(
                error.starts_with("dasf-broker: cannot listen on "),
                "{error}"
            );
            assert!(error.contains("another port"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");

            let pid = child.id().to_string();
            assert!(
                Command::new("kill")
                    .args([signal, &pid])
                    .status()
                    .unwrap()
                    .success()
            );
            assert_eq!(child.wait().unwrap().code(), Some(0));
            assert_eq!(stderr(&mut child), "");
        }
    }

    /// The address in the first line that a broker prints.
    fn address(child: &mut Child) -> String {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("dasf-broker listens on ").unwrap();
        address.split_once(';').unwrap().0.to_owned()
    }

    #[test]
    fn it_listens_on_the_address_of_a_name() {
        let mut child = spawn(&["--bind", "localhost:0"]);
        let address = address(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{address}");

        for wrong in [
            "localhost",
            ":8080",
            "::1:8080",
            "localhost:port",
            "localhost:70000",
        ] {
            let mut child = spawn(&["--bind", wrong]);
            assert_eq!(child.wait().unwrap().code(), Some(2), "{wrong}");
            let error = stderr(&mut child);
            assert!(
                error.contains(wrong) && error.contains("such as 127.0.0.1:8080, localhost:8080"),
                "{error}"
            );
        }
        let mut child = spawn(&["--bind", "no.such.host.invalid:8080"]);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let error = stderr(&mut child);
        let begin = "dasf-broker: cannot listen on no.such.host.invalid:8080: ";
        assert!(error.starts_with(begin), "{error}");
    }

    #[test]
    fn its_token_is_one_line() {
        use std::io::Write;
        use std::net::TcpStream;

        let spawn = |token: &str| {
            command(&["--bind", "127.0.0.1:0"])
                .env("DASF_BROKER_TOKEN", token)
                .spawn()
                .unwrap()
        };
        let mut child = spawn("secret\n");
        let mut peer = TcpStream::connect(address(&mut child)).unwrap();
        let request = "GET /ws/topic?token=secret HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        peer.write_all(request.as_bytes()).unwrap();
        let mut status = String::new();
        BufReader::new(peer).read_line(&mut status).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(status.starts_with("HTTP/1.1 101 "), "{status}");

        let mut child = spawn("sec\nret");
        assert_eq!(child.wait().unwrap().code(), Some(2));
        let error = stderr(&mut child);
        assert!(
            error.contains("--token, or DASF_BROKER_TOKEN, is refused: it contains a line break"),
            "{error}"
        );
        assert!(!error.contains("ret\n"), "{error}");
        // Nothing is no token, and must not let everybody in.
        let mut child = spawn("\n");
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn its_limits_are_those_of_the_library() {
        let mut child = spawn(&["--bind", "127.0.0.1:0", "--max-topics", "0"]);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let error = stderr(&mut child);
        assert!(error.contains("the limit max_topics is 0"), "{error}");
    }
}
