//! Links: one WebSocket that publishes to any topic and reads several ones.

use std::fmt::Display;

use dasf_broker::Broker;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{PATIENCE, Peer, builder, connect, start, until};

/// A client of a link. It writes and reads frames without the code of the broker.
pub(crate) struct Link(pub(crate) Peer);

impl Link {
    pub(crate) async fn open(broker: &Broker, path: &str) -> Self {
        Self::open_at(broker.local_addr(), path).await
    }

    pub(crate) async fn open_at(address: impl Display, path: &str) -> Self {
        Self::try_open(address, path).await.unwrap()
    }

    /// Returns `None` if the broker is not there.
    pub(crate) async fn try_open(address: impl Display, path: &str) -> Option<Self> {
        let url = format!("ws://{address}{path}");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("dasf-link", "1".parse().unwrap());
        let connected = timeout(PATIENCE, connect_async(request)).await.unwrap();
        let (socket, response) = connected.ok()?;
        assert_eq!(response.headers()["dasf-link"], "1");
        Some(Self(Peer(socket)))
    }

    pub(crate) async fn send(&mut self, header: &Value, payload: &[u8]) {
        assert!(self.try_send(header, payload).await);
    }

    /// Returns whether the connection is there.
    pub(crate) async fn try_send(&mut self, header: &Value, payload: &[u8]) -> bool {
        self.try_send_text(&header.to_string(), payload).await
    }

    /// Sends a header in the form of this text. Returns whether the connection is there.
    pub(crate) async fn try_send_text(&mut self, header: &str, payload: &[u8]) -> bool {
        let length = u32::try_from(header.len()).unwrap();
        let frame = [&length.to_be_bytes(), header.as_bytes(), payload].concat();
        self.0.0.send(Message::binary(frame)).await.is_ok()
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) {
        assert!(self.try_publish(topic, payload).await);
    }

    /// Returns whether the connection is there.
    pub(crate) async fn try_publish(&mut self, topic: &str, payload: &[u8]) -> bool {
        let properties = json!({"messageType": "request"});
        let header =
            json!({"type": "publish", "topic": topic, "context": 7, "properties": properties});
        self.try_send(&header, payload).await
    }

    pub(crate) async fn subscribe(&mut self, topic: &str, parameters: &str) -> Value {
        self.send(
            &json!({"type": "subscribe", "topic": topic, "subscription": "s", "parameters": parameters}),
            b"",
        )
        .await;
        self.next().await.0
    }

    pub(crate) async fn acknowledge(&mut self, topic: &str, message: &Value) {
        let header = json!({"type": "acknowledge", "topic": topic, "messages": [message]});
        self.send(&header, b"").await;
    }

    /// Returns the next frame: its header and its payload.
    pub(crate) async fn next(&mut self) -> (Value, Vec<u8>) {
        self.try_next().await.unwrap()
    }

    /// Returns `None` if the connection is gone.
    pub(crate) async fn try_next(&mut self) -> Option<(Value, Vec<u8>)> {
        let frame = self.try_frame().await?;
        let (length, rest) = frame.split_at(4);
        let length = u32::from_be_bytes(length.try_into().unwrap());
        let payload_follows = 1 << 31;
        let (header, payload) = rest.split_at((length & !payload_follows).try_into().unwrap());
        let header = serde_json::from_slice(header).unwrap();
        if length & payload_follows == 0 {
            return Some((header, payload.to_vec()));
        }
        Some((header, self.try_frame().await?))
    }

    async fn try_frame(&mut self) -> Option<Vec<u8>> {
        // The broker pings for ever.
        let frame = async {
            loop {
                match self.0.0.next().await?.ok()? {
                    Message::Ping(_) | Message::Pong(_) => {}
                    Message::Binary(frame) => return Some(frame.into()),
                    other => panic!("{other:?}"),
                }
            }
        };
        timeout(PATIENCE, frame).await.unwrap()
    }

    /// Returns the next message: its header and its payload.
    pub(crate) async fn message(&mut self) -> (Value, Vec<u8>) {
        loop {
            let (header, payload) = self.next().await;
            match header["type"].as_str() {
                Some("message") => return (header, payload),
                Some("accepted") => {}
                _ => panic!("{header}"),
            }
        }
    }

    /// Waits until the broker has accepted this number of messages.
    pub(crate) async fn accepted(&mut self, count: u64) {
        loop {
            let (header, _) = self.next().await;
            assert_eq!(header["type"], "accepted", "{header}");
            if header["count"] == count {
                return;
            }
        }
    }

    pub(crate) async fn closed(self) -> CloseFrame {
        self.0.closed().await
    }
}

#[tokio::test]
async fn a_link_reads_the_topic_of_its_handshake_and_publishes_to_others() {
    let broker = start().await;
    let mut module = Link::open(&broker, "/ws/demo/s").await;
    let mut caller = Link::open(&broker, "/ws/demo_answers/s").await;
    caller.publish("demo", b"[1]").await;
    let (header, payload) = module.message().await;
    assert_eq!(payload, b"[1]");
    let message = &header["message"];
    assert_eq!(
        header,
        json!({
            "type": "message", "topic": "demo", "message": message, "context": 7,
            "properties": {"messageType": "request"},
        })
    );
    module.acknowledge("demo", message).await;
    module.publish("demo_answers", b"1").await;
    assert_eq!(caller.message().await.1, b"1");
    module.accepted(1).await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
}

#[tokio::test]
async fn the_path_of_a_producer_opens_a_link_without_a_subscription() {
    let broker = start().await;
    let mut consumer = connect(
        &broker,
        "/ws/v2/consumer/persistent/institute/lab/demo/other",
    )
    .await;
    let mut link = Link::open(&broker, "/ws/v2/producer/persistent/institute/lab/any").await;
    link.publish("demo", b"5").await;
    link.accepted(1).await;
    // The topics of the link are in the tenant and the namespace of its handshake.
    consumer.read("NQ==").await;
    let subscribed = link.subscribe("demo", "subscriptionType=Shared").await;
    assert_eq!(
        subscribed,
        json!({"type": "subscribed", "topic": "demo", "retention": 600})
    );
}

#[tokio::test]
async fn a_link_learns_how_long_a_subscription_stays() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/other").await;
    for (topic, parameters, retention) in [
        ("a", "subscriptionRetention=3600", json!(3600)),
        ("b", "subscriptionRetention=999999999", json!(7 * 86_400)),
        ("c", "onClose=Discard", json!(60)),
        ("d", "subscriptionMode=NonDurable", Value::Null),
    ] {
        let subscribed = link.subscribe(topic, parameters).await;
        assert_eq!(subscribed["type"], "subscribed", "{subscribed}");
        assert_eq!(subscribed["retention"], retention, "{topic}");
    }
    let refused = link.subscribe("e", "subscriptionRetention=7d").await;
    assert_eq!(refused["status"], 400);
}

#[tokio::test]
async fn links_and_other_sockets_read_each_other() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/demo/link").await;
    let mut consumer = connect(&broker, "/ws/demo/text").await;
    let mut producer = connect(&broker, "/ws/demo").await;

    link.publish("demo", "\u{e4}".as_bytes()).await;
    let text = consumer.receive().await;
    assert_eq!(text["payload"], "w6Q=");
    assert_eq!(text["context"], 7);
    assert_eq!(text["properties"], json!({"messageType": "request"}));
    assert_eq!(text["messageId"].as_str().map(str::len), Some(36));
    assert_eq!(text["publishTime"].as_str().map(str::len), Some(32));
    let (own, payload) = link.message().await;
    assert_eq!(payload, "\u{e4}".as_bytes());

    let frame = json!({"payload": "w6Q=", "context": "7", "properties": {"a": "\u{e4}"}, "key": 1});
    producer.send(&frame).await;
    let (header, payload) = link.message().await;
    assert_eq!(payload, "\u{e4}".as_bytes());
    assert_eq!(header["context"], "7");
    assert_eq!(header["properties"], json!({"a": "\u{e4}"}));
    assert!(header.get("encoding").is_none());
    assert!(header["message"].as_u64() > own["message"].as_u64());

    // A piece of base64 text, and a payload that is no text.
    producer.send(json!({"payload": "w6Q"})).await;
    let (header, payload) = link.message().await;
    assert_eq!(
        (&header["encoding"], payload),
        (&json!("base64"), b"w6Q".to_vec())
    );
    producer.send(json!({"payload": 5})).await;
    assert_eq!(link.message().await.1, b"");
}

#[tokio::test]
async fn unacknowledged_messages_of_a_link_are_delivered_again() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/demo/s").await;
    let mut sender = Link::open(&broker, "/ws/other").await;
    for payload in [b"a", b"b", b"c"] {
        sender.publish("demo", payload).await;
    }
    sender.accepted(3).await;
    let (first, _) = link.message().await;
    let (second, _) = link.message().await;
    link.message().await;
    let messages = [&second["message"]];
    let header = json!({"type": "negativeAcknowledge", "topic": "demo", "messages": messages});
    link.send(&header, b"").await;
    let (again, payload) = link.message().await;
    assert_eq!(
        (&again["message"], &payload[..]),
        (&second["message"], &b"b"[..])
    );
    assert_eq!(again["redeliveryCount"], 1);
    link.acknowledge("demo", &first["message"]).await;
    link.acknowledge("demo", &json!(1_000_000)).await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;

    // Another socket with the same subscription gets the rest.
    link.0.leave().await;
    let mut next = connect(&broker, "/ws/demo/s").await;
    next.expect_again("Yg==", 2).await;
    next.expect_again("Yw==", 1).await;
}

#[tokio::test]
async fn a_link_that_reports_what_it_begins_learns_how_often_that_was() {
    let broker = start().await;
    let mut sender = Link::open(&broker, "/ws/other").await;
    sender.publish("demo", b"a").await;
    sender.accepted(1).await;
    let mut expected = None;
    for run in 0..3 {
        let mut link = Link::open(&broker, &format!("/ws/demo/s?begunBy={run}")).await;
        let (message, _) = link.message().await;
        assert_eq!(message.get("begunCount").cloned(), expected);
        let messages = [&message["message"]];
        link.send(
            &json!({"type": "begun", "topic": "demo", "messages": messages}),
            b"",
        )
        .await;
        link.0.leave().await;
        expected = Some(json!(run + 1));
    }
    let mut link = Link::open(&broker, "/ws/demo/s?begunBy=0").await;
    let (message, _) = link.message().await;
    assert_eq!(message["begunCount"], 2, "the run 0 has come back");
}

#[tokio::test]
async fn a_refused_message_has_a_number_and_a_reason() {
    let broker = builder().max_backlog_messages(1).start().await.unwrap();
    let mut link = Link::open(&broker, "/ws/any").await;
    let refused = async |link: &mut Link| loop {
        let (header, _) = link.next().await;
        if header["type"] != "accepted" {
            assert_eq!(header["type"], "refused");
            return (header["count"].clone(), header["reason"].to_string());
        }
    };
    link.publish("demo", b"1").await;
    link.publish("demo", b"2").await;
    let (count, reason) = refused(&mut link).await;
    assert_eq!(count, 2);
    assert!(reason.contains("max_backlog_messages"), "{reason}");
    link.publish("no topic", b"3").await;
    assert_eq!(refused(&mut link).await.0, 3);
    let odd = json!({"type": "publish", "topic": "demo_2", "properties": []});
    link.send(&odd, b"").await;
    let (count, reason) = refused(&mut link).await;
    assert_eq!(count, 4);
    assert!(reason.contains("properties"), "{reason}");
    link.accepted(4).await;
    assert_eq!(broker.statistics().published, 1);
}

#[tokio::test]
async fn a_subscription_is_refused_with_the_status_of_a_handshake() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/any").await;
    let _exclusive = connect(&broker, "/ws/taken/s?subscriptionType=Exclusive").await;
    let exclusive = "subscriptionType=Exclusive";
    for (topic, parameters, status) in [
        ("taken", exclusive, 409),
        ("demo", "subscriptionType=Odd", 400),
        ("no topic", "", 400),
    ] {
        let answer = link.subscribe(topic, parameters).await;
        assert_eq!(answer["type"], "unsubscribed", "{answer}");
        assert_eq!(
            (&answer["topic"], &answer["status"]),
            (&json!(topic), &json!(status))
        );
        assert!(answer["reason"].as_str().unwrap().len() > 10, "{answer}");
    }
    assert_eq!(
        link.subscribe("demo", exclusive).await["type"],
        "subscribed"
    );
    assert_eq!(link.subscribe("demo", exclusive).await["status"], 409);
}

#[tokio::test]
async fn a_link_can_stop_to_read_a_topic() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/any").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for (end, payload) in [("close", "a"), ("unsubscribe", "b")] {
        assert_eq!(link.subscribe("demo", "").await["type"], "subscribed");
        producer.publish(payload).await;
        link.message().await;
        link.send(&json!({"type": end, "topic": "demo"}), b"").await;
        let (ended, _) = link.next().await;
        assert_eq!(ended, json!({"type": "unsubscribed", "topic": "demo"}));
        if end == "close" {
            // The subscription keeps the message.
            let mut next = connect(&broker, "/ws/demo/s").await;
            next.expect_again("a", 1).await;
            next.acknowledge("").await;
            next.send(json!({"type": "unsubscribe"})).await;
            assert_eq!(next.closed().await.code, CloseCode::Normal);
        }
    }
    until(&broker, |statistics| statistics.dropped == 2).await;
}

#[tokio::test]
async fn frames_that_are_no_frames_of_a_link_close_it() {
    let broker = start().await;
    for frame in [
        Message::binary(vec![0, 0]),
        Message::binary(vec![0, 0, 0, 9, b'{', b'}']),
        Message::binary(vec![0, 0, 0, 2, b'{', b'}']),
        Message::binary([&[0, 0, 0, 18], &br#"{"type":"message"}"#[..]].concat()),
    ] {
        let mut link = Link::open(&broker, "/ws/any").await;
        link.0.0.send(frame).await.unwrap();
        assert_eq!(link.closed().await.code, CloseCode::Invalid);
    }
    let mut link = Link::open(&broker, "/ws/any").await;
    link.0.send("{}").await;
    assert_eq!(link.closed().await.code, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_link_is_closed_after_the_receipts_of_its_messages() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/any").await;
    link.publish("demo", b"1").await;
    link.publish("demo", b"2").await;
    link.0.send("{}").await;
    link.accepted(2).await;
    assert_eq!(link.closed().await.code, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_link_that_acknowledges_nothing_loses_the_topic_and_lives_on() {
    let broker = builder().max_backlog_messages(4).start().await.unwrap();
    let mut link = Link::open(&broker, "/ws/other/s").await;
    assert_eq!(link.subscribe("demo", "").await["type"], "subscribed");
    let mut works = connect(&broker, "/ws/demo/works").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    for number in 0..9 {
        let payload = number.to_string();
        producer.publish(&payload).await;
        works.read(&payload).await;
        until(&broker, |it| it.acknowledged == number + 1).await;
    }
    let refused = loop {
        let (header, _) = link.next().await;
        if header["type"] != "message" {
            break header;
        }
    };
    assert_eq!(
        (&refused["type"], &refused["topic"]),
        (&json!("unsubscribed"), &json!("demo"))
    );
    assert_eq!(refused["status"], 429);
    assert_eq!(link.subscribe("demo", "").await["type"], "subscribed");
}

/// A link that publishes to topics without a reader keeps the youngest, and others keep theirs.
#[tokio::test]
async fn a_link_keeps_a_number_of_topics_without_a_reader() {
    let broker = builder()
        .max_topics(40)
        .max_topics_per_connection(10)
        .start()
        .await
        .unwrap();
    let mut other = connect(&broker, "/ws/other").await;
    other.publish("kept").await;
    let mut link = Link::open(&broker, "/ws/own/s").await;
    for number in 0..500 {
        link.publish(&format!("junk-{number}"), b"x").await;
    }
    link.send(&json!({"type": "confirm"}), b"").await;
    link.accepted(500).await;
    // Its own topic, ten topics without a reader, and that of the other peer.
    assert_eq!(broker.statistics().topics, 12);
    assert_eq!(broker.statistics().dropped, 490);
    connect(&broker, "/ws/other/s").await.read("kept").await;
    connect(&broker, "/ws/junk-499/s").await.receive().await;
}
