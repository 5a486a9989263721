//! Converts messages of the protocol to MQTT messages, and back.
//!
//! | protocol | MQTT |
//! |---|---|
//! | topic | `dasf/` and the topic |
//! | payload | payload, as bytes without base64 |
//! | `response_topic` | Response Topic, `dasf/` and the topic |
//! | `requestContext` | Correlation Data |
//! | `x_dasf_timeout_ms` or the time of expiry | Message Expiry Interval, which the broker counts down |
//! | message id | the User Property `messageId`, a UUID |
//! | any other property | a User Property, as a string |
//!
//! What a module must know of a job goes to another MQTT topic: see [`facts`](super::facts).
//!
//! A property that is too long for one User Property becomes several of the same name, in order.
//! A payload with the Content Type [`BASE64`] is text in base64, or a piece of it.

use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::payload::{self, Payload};
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageId, Properties, Status};
use mqtt_proto::v5::{Publish, UserProperty};
use mqtt_proto::{Pid, QosPid, TopicName};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::facts::{self, Fact};
use super::{names, parts};
use crate::random;
use crate::transport::{Outgoing, PublishError};

/// The User Property that contains a message's id.
const MESSAGE_ID: &str = "messageId";
/// The longest string in a packet, in bytes.
const MAX_TEXT: usize = u16::MAX as usize;
/// The maximum size of a packet without its payload, in bytes, if the request's context is short.
/// It has room for three topic names and a few small properties.
pub(super) const MAX_SIZE: usize = 1200;

/// The Content Type of a payload that is complete JSON.
const JSON: &str = "application/json";
/// The Content Type of an error text.
const TEXT: &str = "text/plain;charset=utf-8";
/// The Content Type of a fragment of a payload.
const PIECE: &str = "application/octet-stream";
/// The Content Type of base64 text. Earlier versions send it for fragments.
const BASE64: &str = "application/base64";

/// What the broker retains beside the topic of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retained {
    /// What modules must know of a job.
    Fact(Fact),
    /// A fragment of the answer to a job.
    Part,
}

/// Converts a message of the protocol to an MQTT message. Also returns what it is if the broker retains it beside the
/// topic.
///
/// # Errors
/// Returns [`PublishError::Refused`] if MQTT cannot carry a part of it.
pub(super) fn publish(
    message: &Outgoing,
    id: u128,
    topic: TopicName,
    pid: Pid,
) -> Result<(Publish, Option<Retained>), PublishError> {
    let mut fact = None;
    let mut publish = Publish::new(QosPid::Level1(pid), topic, message.payload.clone());
    let properties = &mut publish.properties;
    if !message.payload.is_empty() {
        properties.content_type = Some(content_type(&message.properties).into());
    }
    properties.message_expiry_interval = match timeout(&message.properties) {
        // The reader compares both.
        Some(timeout) => Some(whole_seconds(timeout)),
        None => message
            .expires
            .map(|expires| whole_seconds(expires.saturating_duration_since(Instant::now()))),
    };
    add(&mut properties.user_properties, MESSAGE_ID, &uuid(id))?;
    for (name, value) in message.properties.iter() {
        if value.is_null() {
            continue;
        }
        let value = value.to_text();
        match name {
            key::RESPONSE_TOPIC => {
                let topic = TopicName::try_from(names::topic(&value).as_str());
                let topic = topic.map_err(|error| PublishError::Refused(error.to_string()))?;
                properties.response_topic = Some(topic);
            }
            key::REQUEST_CONTEXT if value.len() <= MAX_TEXT => {
                properties.correlation_data = Some(Bytes::from(value.into_owned()));
            }
            name => {
                if matches!(name, key::CHECKPOINT | key::JOB_STATE) {
                    fact = fact.or(Fact::in_property(name, &value));
                }
                add(&mut properties.user_properties, name, &value)?;
            }
        }
    }
    if let Some(fact) = fact {
        fact.retain(&mut publish)?;
        return Ok((publish, Some(Retained::Fact(fact))));
    }
    if let Some(name) = parts::name(&publish.topic_name, &message.properties) {
        facts::retain(&mut publish, &name)?;
        return Ok((publish, Some(Retained::Part)));
    }
    Ok((publish, None))
}

/// Converts an MQTT message to a message of the protocol. `Err` contains the id of a message that
/// cannot be read.
pub(super) fn delivery(publish: Publish) -> Result<Delivery, MessageId> {
    let Publish {
        payload: bytes,
        properties: received,
        ..
    } = publish;
    let mut texts: Map<String, Value> = Map::new();
    for UserProperty { name, value } in received.user_properties {
        let text = texts.entry(&*name).or_insert_with(|| "".into());
        if let Value::String(text) = text {
            text.push_str(&value);
        }
    }
    let message_id = match texts.remove(MESSAGE_ID) {
        Some(Value::String(id)) => id.into(),
        // Not every peer sends an id.
        _ => any_id(),
    };
    if let Some(topic) = received.response_topic {
        let topic = names::without_prefix(&topic).to_owned();
        texts.insert(key::RESPONSE_TOPIC.to_owned(), topic.into());
    }
    if let Some(context) = received.correlation_data {
        let context = payload::to_text(&context).into_owned();
        texts.insert(key::REQUEST_CONTEXT.to_owned(), context.into());
    }
    let payload = if received.content_type.as_deref() == Some(BASE64) {
        match std::str::from_utf8(&bytes) {
            Ok(text) => Payload::from_base64(text),
            Err(_) => return Err(message_id),
        }
    } else {
        bytes.into()
    };
    let properties: Properties = texts.into_iter().collect();
    let waited = waited(&properties, received.message_expiry_interval);
    let mut delivery = Delivery::new(message_id, payload, properties);
    delivery.waited = waited;
    Ok(delivery)
}

fn timeout(properties: &Properties) -> Option<Duration> {
    let timeout = properties.integer(key::TIMEOUT_MS);
    timeout.map(Duration::from_millis)
}

/// Returns for how many whole seconds a message has waited in the broker. The sender has derived the
/// expiry interval from the timeout, and the broker has counted it down.
fn waited(properties: &Properties, left: Option<u32>) -> Duration {
    match (timeout(properties), left) {
        (Some(timeout), Some(left)) => {
            let waited = whole_seconds(timeout).saturating_sub(left);
            Duration::from_secs(waited.into())
        }
        _ => Duration::ZERO,
    }
}

/// Returns a new id for a message without one.
pub(super) fn any_id() -> MessageId {
    uuid(random::bits()).into()
}

fn content_type(properties: &Properties) -> &'static str {
    if properties.get(key::FRAGMENT).is_some() {
        PIECE
    } else if properties.status() == Some(Status::Error) {
        TEXT
    } else {
        JSON
    }
}

/// Adds a User Property, in several parts if necessary.
fn add(properties: &mut Vec<UserProperty>, name: &str, value: &str) -> Result<(), PublishError> {
    if name.len() > MAX_TEXT {
        let reason = format!(
            "the name of a property has {} bytes, but MQTT allows at most 65535",
            name.len()
        );
        return Err(PublishError::Refused(reason));
    }
    if name.contains('\0') || value.contains('\0') {
        let reason = format!("the property {name:?} contains U+0000, which MQTT does not allow");
        return Err(PublishError::Refused(reason));
    }
    let mut rest = value;
    loop {
        let mut end = rest.len().min(MAX_TEXT);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        properties.push(UserProperty {
            name: name.into(),
            value: piece.into(),
        });
        if after.is_empty() {
            return Ok(());
        }
        rest = after;
    }
}

/// Converts a time to seconds, rounded up, because a message must not expire before its call does.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs().saturating_add(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Returns a number as a UUID of version 4.
fn uuid(number: u128) -> String {
    let version = (number & !(0xf << 76)) | (4 << 76);
    let variant = (version & !(0b11 << 62)) | (0b10 << 62);
    let hex = format!("{variant:032x}");
    let mut uuid = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    uuid
}

#[cfg(test)]
mod tests {
    use dasf_protocol::topic::MAX_TOPIC_LENGTH;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::transport::mqtt::packets;

    fn outgoing(payload: &[u8], properties: Value) -> Outgoing {
        Outgoing {
            payload: Bytes::copy_from_slice(payload),
            context: "7".into(),
            properties: serde_json::from_value(properties).unwrap(),
            expires: None,
            awaited_until: None,
        }
    }

    fn published(message: &Outgoing) -> Result<Publish, PublishError> {
        let topic = TopicName::try_from("dasf/demo").unwrap();
        let (publish, fact) = publish(message, 5, topic, Pid::default())?;
        assert_eq!(publish.retain, fact.is_some());
        Ok(publish)
    }

    #[test]
    fn the_envelope_has_its_place_in_mqtt() {
        let mut message = outgoing(
            b"[1]",
            json!({"messageType": "request", "requestContext": "7", "response_topic": "demo_1", "x_dasf_timeout_ms": 1499, "none": null}),
        );
        message.expires = Some(Instant::now() + Duration::from_secs(9));
        let publish = published(&message).unwrap();
        assert_eq!(&publish.payload[..], b"[1]");
        let properties = &publish.properties;
        assert_eq!(properties.message_expiry_interval, Some(2));
        assert_eq!(properties.content_type.as_deref(), Some("application/json"));
        assert_eq!(properties.response_topic.as_deref(), Some("dasf/demo_1"));
        assert_eq!(properties.correlation_data.as_deref(), Some(&b"7"[..]));
        let texts = properties.user_properties.iter();
        let texts: Vec<_> = texts.map(|it| (&*it.name, &*it.value)).collect();
        let id = "00000000-0000-4000-8000-000000000005";
        assert_eq!(
            texts,
            [
                ("messageId", id),
                ("messageType", "request"),
                ("x_dasf_timeout_ms", "1499")
            ]
        );

        let delivery = delivery(publish).unwrap();
        assert_eq!(&*delivery.message_id, id);
        assert_eq!(delivery.payload, Bytes::from("[1]").into());
        let properties = &delivery.properties;
        assert_eq!(properties.request_context().as_deref(), Some("7"));
        assert_eq!(properties.response_topic().unwrap().as_str(), "demo_1");
        assert_eq!(properties.integer(key::TIMEOUT_MS), Some(1499));
        assert_eq!(delivery.waited, Duration::ZERO);
    }

    #[test]
    fn the_expiry_interval_shows_how_long_a_message_has_waited() {
        let waited = |properties: Value, expires: Option<u64>, left: Option<u32>| {
            let mut message = outgoing(b"", properties);
            message.expires = expires.map(|after| Instant::now() + Duration::from_secs(after));
            let mut publish = published(&message).unwrap();
            let of_sender = &mut publish.properties.message_expiry_interval;
            assert_eq!(of_sender.is_some(), expires.is_some());
            if let Some(left) = left {
                *of_sender = Some(left);
            }
            delivery(publish).unwrap().waited.as_secs()
        };
        let timeout = || json!({"x_dasf_timeout_ms": 60_500});
        assert_eq!(waited(timeout(), Some(60), None), 0);
        assert_eq!(waited(timeout(), Some(60), Some(59)), 2);
        assert_eq!(waited(timeout(), Some(60), Some(0)), 61);
        // Another sender may choose another interval.
        assert_eq!(waited(timeout(), Some(60), Some(100)), 0);
        assert_eq!(waited(json!({}), Some(60), Some(59)), 0);
        assert_eq!(waited(json!({}), None, None), 0);
    }

    #[test]
    fn the_envelope_is_not_larger_than_is_counted_on() {
        let topic = "t".repeat(MAX_TOPIC_LENGTH);
        let mut message = outgoing(
            b"[1]",
            json!({
                key::MESSAGE_TYPE: "response", key::REQUEST_CONTEXT: u64::MAX.to_string(),
                key::RESPONSE_TOPIC: topic, key::SOURCE_TOPIC: topic, key::STATUS: "success",
                key::TIMEOUT_MS: u64::MAX, key::REPEATED: "1", key::ON_DEMAND: "1",
                key::ANSWERS_PINGS: "1", key::FRAGMENT: u32::MAX, key::NUM_FRAGMENTS: u32::MAX, key::ANSWER: "0".repeat(22),
            }),
        );
        message.expires = Some(Instant::now() + Duration::from_secs(60));
        let topic = TopicName::try_from(names::topic(&topic).as_str()).unwrap();
        let (publish, _) = publish(&message, 5, topic, Pid::default()).unwrap();
        let size = packets::size(&publish) - publish.payload.len();
        assert!((MAX_SIZE - 100..MAX_SIZE).contains(&size), "{size}");
    }

    #[test]
    fn a_message_of_another_kind_of_peer_is_read() {
        let topic = TopicName::try_from("dasf/demo").unwrap();
        let mut publish = Publish::new(QosPid::Level0, topic, Bytes::from_static(b"\xff"));
        publish.properties.response_topic = TopicName::try_from("elsewhere").ok();
        publish.properties.correlation_data = Some(Bytes::from_static(b"\xfc"));
        let first = delivery(publish.clone()).unwrap();
        assert_eq!(first.payload, Payload::from_base64("/w=="));
        assert_eq!(
            first.properties.response_topic().unwrap().as_str(),
            "elsewhere"
        );
        assert_eq!(first.properties.request_context().as_deref(), Some("ü"));
        // A message without an id gets a unique one.
        assert_ne!(
            first.message_id,
            delivery(publish.clone()).unwrap().message_id
        );

        publish.properties.content_type = Some(BASE64.into());
        assert!(delivery(publish).is_err());
    }

    #[test]
    fn what_mqtt_cannot_carry_is_refused() {
        let refused = |properties| {
            let error = published(&outgoing(b"", properties)).unwrap_err();
            assert!(matches!(error, PublishError::Refused(_)), "{error}");
        };
        refused(json!({"a": "\u{0}"}));
        refused(json!({"\u{0}": "a"}));
        refused(json!({"a".repeat(MAX_TEXT + 1): "a"}));
        refused(json!({"response_topic": "a/#"}));
    }

    proptest! {
        #[test]
        fn a_message_reads_back(
            payload in prop::collection::vec(any::<u8>(), 0..40),
            name in "[a-z]{1,8}",
            value in "[^\\x00]{0,40}",
            times in 0_usize..4000,
        ) {
            let value = value.repeat(times);
            let message = outgoing(&payload, json!({"requestContext": "7", &*name: value}));
            let delivery = delivery(published(&message).unwrap()).unwrap();
            prop_assert_eq!(delivery.payload, Bytes::from(payload).into());
            prop_assert_eq!(delivery.properties.text(&name), Some(&*value));
            prop_assert_eq!(delivery.properties.text("requestContext"), Some("7"));
        }

        #[test]
        fn an_id_is_a_uuid(number in any::<u128>()) {
            let uuid = uuid(number);
            prop_assert_eq!(uuid.len(), 36);
            let version = uuid.as_bytes()[14];
            let variant = uuid.as_bytes()[19];
            prop_assert!(version == b'4' && b"89ab".contains(&variant), "{}", uuid);
        }
    }
}
