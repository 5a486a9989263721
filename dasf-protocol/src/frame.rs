//! The JSON frames on a WebSocket, with one object each.
//!
//! A producer's socket carries [`Publish`] to the broker and [`Receipt`] back. A consumer's socket
//! carries [`Delivery`] from the broker and [`Acknowledgement`] back, and to some brokers
//! [`NegativeAcknowledgement`] and [`Begun`].

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use base64::Engine;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json;
use crate::message_id::MessageId;
use crate::payload::{Payload, STANDARD};
use crate::properties::Properties;
use crate::time;

/// The size in bytes below which a frame should stay, including the broker's additions. The Django
/// broker rejects frames of about 1,000,000 bytes, or stores them and fails every later connection.
pub const MAX_FRAME_SIZE: usize = 1_000_000;

/// The reason why a broker's frame cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is not JSON, or a required field is missing.
    #[error("not a {expected} frame{}: {source}", id_suffix(.message_id.as_deref()))]
    Malformed {
        /// The kind of frame that was expected: `delivery` or `receipt`.
        expected: &'static str,
        /// The message id in the frame, if it could be read.
        message_id: Option<String>,
        /// The error of the JSON decoder.
        source: serde_json::Error,
    },
}

fn id_suffix(message_id: Option<&str>) -> String {
    message_id
        .map(|id| format!(" (message {id})"))
        .unwrap_or_default()
}

impl FrameError {
    fn new(expected: &'static str, text: &str, source: serde_json::Error) -> Self {
        #[derive(Deserialize)]
        struct Identified {
            #[serde(rename = "messageId")]
            message_id: String,
        }
        let message_id = serde_json::from_str::<Identified>(text)
            .ok()
            .map(|it| it.message_id);
        Self::Malformed {
            expected,
            message_id,
            source,
        }
    }

    /// Returns the id of the message that could not be read, if the frame contains it.
    pub fn message_id(&self) -> Option<&str> {
        let Self::Malformed { message_id, .. } = self;
        message_id.as_deref()
    }
}

/// A message to the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<'a> {
    /// The payload, which the frame contains in base64; empty if the message has none.
    pub payload: &'a [u8],
    /// The context, which comes back in the [`Receipt`] and matches it to the message.
    pub context: Cow<'a, str>,
    /// The routing data.
    pub properties: Cow<'a, Properties>,
}

impl Publish<'_> {
    /// Returns the frame as JSON.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use dasf_protocol::{Properties, Publish};
    ///
    /// let publish = Publish {
    ///     payload: b"5",
    ///     context: "3".into(),
    ///     properties: Cow::Owned(Properties::new().with("status", "success")),
    /// };
    /// assert_eq!(publish.to_json(), r#"{"payload":"NQ==","context":"3","properties":{"status":"success"}}"#);
    /// ```
    #[allow(clippy::missing_panics_doc, clippy::expect_used)] // the message explains why it cannot happen
    pub fn to_json(&self) -> String {
        const START: &str = "{\"payload\":\"";
        let mut rest = Vec::with_capacity(512);
        rest.extend_from_slice(b"\",\"context\":");
        json::push_text(&mut rest, &self.context);
        rest.extend_from_slice(b",\"properties\":");
        self.properties.write_json(&mut rest);
        rest.push(b'}');
        let rest = str::from_utf8(&rest).expect("JSON is UTF-8");
        // Base64 needs no escapes, so it is written at its place.
        let base64 = self.payload.len().div_ceil(3) * 4;
        let mut json = String::with_capacity(START.len() + base64 + rest.len());
        json.push_str(START);
        STANDARD.encode_string(self.payload, &mut json);
        json.push_str(rest);
        json
    }
}

/// The broker's answer to a [`Publish`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The broker's id of the message; absent in some rejections.
    #[serde(rename = "messageId", default)]
    pub message_id: Option<String>,
    /// The `context` of the message, with the JSON type that it had.
    #[serde(default)]
    pub context: Value,
    /// `ok`, or the rejection: a sentence from DASF brokers, `send-error:N` from Pulsar.
    pub result: String,
    /// Pulsar's explanation of a rejection.
    #[serde(rename = "errorMsg", default)]
    pub error_message: Option<String>,
    /// The HTTP status of a rejection, if the broker sends one: 404 if nobody listens on the topic.
    #[serde(default)]
    pub status: Option<u16>,
}

impl Receipt {
    /// Reads a receipt.
    ///
    /// # Errors
    /// Returns a [`FrameError`] if the frame is not JSON or has no `result`.
    pub fn from_json(text: &str) -> Result<Self, FrameError> {
        serde_json::from_str(text).map_err(|error| FrameError::new("receipt", text, error))
    }

    /// Returns the context as the string that was sent, even if it comes back as a number.
    pub fn context_text(&self) -> Option<Cow<'_, str>> {
        match &self.context {
            Value::String(text) => Some(text.into()),
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// Returns the broker's reason if it rejects the message.
    pub fn refusal(&self) -> Option<String> {
        match (self.result.as_str(), &self.error_message) {
            ("ok", _) => None,
            (code, Some(reason)) => Some(format!("{reason} ({code})")),
            (reason, None) => Some(reason.to_owned()),
        }
    }
}

/// A message from the broker to a consumer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Delivery {
    /// The broker's id of the message, for the acknowledgement.
    #[serde(rename = "messageId")]
    pub message_id: MessageId,
    /// The payload; empty if the message has none.
    #[serde(default)]
    pub payload: Payload,
    /// The routing data.
    pub properties: Properties,
    /// How often the message was delivered before, if the broker counts that.
    #[serde(
        rename = "redeliveryCount",
        default,
        deserialize_with = "redelivery_count"
    )]
    pub redelivery_count: u32,
    /// How often a consumer has begun to work on the message after a redelivery, and did not finish.
    /// `None` if the broker does not count that, and in a first delivery.
    #[serde(rename = "begunCount", default, deserialize_with = "begun_count")]
    pub begun_count: Option<u32>,
    /// When the broker accepted the message, by the clock of the broker. `None` if it does not say.
    #[serde(rename = "publishTime", default, deserialize_with = "publish_time")]
    pub published: Option<SystemTime>,
    /// How long the message has waited in the broker, in milliseconds on the wire. Zero if the broker
    /// does not say.
    #[serde(rename = "waitedMs", default, deserialize_with = "waited")]
    pub waited: Duration,
}

/// Reads the count. An invalid count does not make the message unreadable.
fn redelivery_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(begun_count(deserializer)?.unwrap_or(0))
}

/// Reads a count that may be missing. An invalid one counts as missing.
fn begun_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let count = Value::deserialize(deserializer)?.as_u64();
    Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Reads the time. An invalid one counts as missing.
fn publish_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SystemTime>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Other(IgnoredAny),
    }
    Ok(match Time::deserialize(deserializer)? {
        Time::Text(text) => time::from_rfc3339(&text),
        Time::Other(_) => None,
    })
}

/// Reads the milliseconds. An invalid number counts as zero.
fn waited<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let waited = Value::deserialize(deserializer)?.as_u64();
    Ok(Duration::from_millis(waited.unwrap_or_default()))
}

impl Delivery {
    /// Creates a message that was not delivered before.
    pub fn new(message_id: impl Into<MessageId>, payload: Payload, properties: Properties) -> Self {
        Self {
            message_id: message_id.into(),
            payload,
            properties,
            redelivery_count: 0,
            begun_count: None,
            published: None,
            waited: Duration::ZERO,
        }
    }

    /// Reads a delivery.
    ///
    /// # Errors
    /// Returns a [`FrameError`] if the frame is not JSON, if `messageId` is not a string, or if
    /// `properties` is not an object.
    pub fn from_json(text: &str) -> Result<Self, FrameError> {
        serde_json::from_str(text).map_err(|error| FrameError::new("delivery", text, error))
    }
}

/// An acknowledgement: the message need not be redelivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement<'a> {
    /// The id from the [`Delivery`].
    #[serde(rename = "messageId", borrow)]
    pub message_id: Cow<'a, str>,
}

impl Acknowledgement<'_> {
    /// Returns the frame as JSON.
    #[allow(clippy::missing_panics_doc, clippy::expect_used)] // the message explains why it cannot happen
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("one string always serializes")
    }
}

/// A negative acknowledgement: the broker redelivers the message, if possible to another consumer.
///
/// Apache Pulsar and the embedded broker support this frame. The Django broker would take it for an
/// acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "negativeAcknowledge")]
pub struct NegativeAcknowledgement<'a> {
    /// The id from the [`Delivery`].
    #[serde(rename = "messageId", borrow)]
    pub message_id: Cow<'a, str>,
}

impl NegativeAcknowledgement<'_> {
    /// Returns the frame as JSON.
    #[allow(clippy::missing_panics_doc, clippy::expect_used)] // the message explains why it cannot happen
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("one string always serializes")
    }
}

/// The consumer begins to work on a message that was delivered before.
///
/// Only the embedded broker supports this frame. A consumer sends it only for a message with a
/// [`begun_count`](Delivery::begun_count).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "begun")]
pub struct Begun<'a> {
    /// The id from the [`Delivery`].
    #[serde(rename = "messageId", borrow)]
    pub message_id: Cow<'a, str>,
}

impl Begun<'_> {
    /// Returns the frame as JSON.
    #[allow(clippy::missing_panics_doc, clippy::expect_used)] // the message explains why it cannot happen
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("one string always serializes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_receipt_has_ok_or_the_reason() {
        let ok = r#"{"messageId":"a","context":3,"result":"ok"}"#;
        let ok = Receipt::from_json(ok).unwrap();
        assert_eq!(ok.refusal(), None);
        assert_eq!(ok.context_text().as_deref(), Some("3"));

        let django = r#"{"messageId":"a","context":"3","result":"User is not allowed to publish to this topic"}"#;
        let django = Receipt::from_json(django).unwrap();
        assert_eq!(
            django.refusal().as_deref(),
            Some("User is not allowed to publish to this topic")
        );

        let pulsar = r#"{"result":"send-error:3","errorMsg":"Failed to parse","context":null}"#;
        let pulsar = Receipt::from_json(pulsar).unwrap();
        assert_eq!(
            pulsar.refusal().as_deref(),
            Some("Failed to parse (send-error:3)")
        );
        assert_eq!(pulsar.context_text(), None);
    }

    #[test]
    fn a_delivery_needs_an_id_and_properties() {
        let missing = Delivery::from_json(r#"{"messageId":"m1","payload":""}"#).unwrap_err();
        assert_eq!(missing.message_id(), Some("m1"));
        assert!(missing.to_string().contains("message m1"), "{missing}");

        let anonymous = Delivery::from_json(r#"{"payload":"","properties":{}}"#).unwrap_err();
        assert_eq!(anonymous.message_id(), None);
        assert!(Delivery::from_json("not json").is_err());
        assert!(Delivery::from_json("[]").is_err());

        let ping = Delivery::from_json(r#"{"messageId":"m2","properties":{},"publishTime":"now"}"#)
            .unwrap();
        assert!(ping.payload.is_empty());
    }

    #[test]
    fn the_counts_are_optional() {
        for (count, redelivered, begun) in [
            ("", 0, None),
            (r#","redeliveryCount":2"#, 2, None),
            (r#","redeliveryCount":2,"begunCount":0"#, 2, Some(0)),
            (r#","redeliveryCount":"x","begunCount":"x""#, 0, None),
        ] {
            let text = format!(r#"{{"messageId":"a","properties":{{}}{count}}}"#);
            let delivery = Delivery::from_json(&text).unwrap();
            assert_eq!(delivery.redelivery_count, redelivered, "{text}");
            assert_eq!(delivery.begun_count, begun, "{text}");
        }
    }

    #[test]
    fn the_times_are_optional() {
        let noon = time::from_rfc3339("2026-11-22T10:52:08.5Z");
        for (times, published, waited) in [
            ("", None, 0),
            (r#","publishTime":"2026-11-22T10:52:08.500+00:00""#, noon, 0),
            (
                r#","publishTime":"2026-11-22T10:52:08.5\u005A","waitedMs":70"#,
                noon,
                70,
            ),
            (r#","publishTime":null,"waitedMs":-1"#, None, 0),
            (r#","publishTime":["now"],"waitedMs":"70""#, None, 0),
            (r#","publishTime":"now","waitedMs":1.5"#, None, 0),
        ] {
            let text = format!(r#"{{"messageId":"a","properties":{{}}{times}}}"#);
            let delivery = Delivery::from_json(&text).unwrap();
            assert_eq!(delivery.published, published, "{text}");
            assert_eq!(delivery.waited, Duration::from_millis(waited), "{text}");
        }
    }

    #[test]
    fn an_acknowledgement_is_the_id_alone() {
        let text = Acknowledgement {
            message_id: "m1".into(),
        }
        .to_json();
        assert_eq!(text, r#"{"messageId":"m1"}"#);
    }

    #[test]
    fn a_message_is_given_back_by_its_id() {
        let text = NegativeAcknowledgement {
            message_id: "m1".into(),
        }
        .to_json();
        assert_eq!(text, r#"{"type":"negativeAcknowledge","messageId":"m1"}"#);
    }

    #[test]
    fn a_message_is_begun_by_its_id() {
        let text = Begun {
            message_id: "m1".into(),
        }
        .to_json();
        assert_eq!(text, r#"{"type":"begun","messageId":"m1"}"#);
    }

    proptest! {
        #[test]
        fn a_published_frame_reads_back_as_a_delivery(payload in prop::collection::vec(any::<u8>(), 0..64), context in ".*", value in ".*") {
            let properties = Properties::new().with("requestContext", value);
            let publish = Publish {
                payload: &payload,
                context: context.as_str().into(),
                properties: Cow::Borrowed(&properties),
            };
            let mut json: Value = serde_json::from_str(&publish.to_json()).unwrap();
            json["messageId"] = "m".into();
            let delivery = Delivery::from_json(&json.to_string()).unwrap();
            prop_assert_eq!(delivery.payload.into_bytes().unwrap(), payload);
            prop_assert_eq!(delivery.properties, properties);
        }

        #[test]
        fn no_text_from_the_wire_panics(text in ".*") {
            let _ = Delivery::from_json(&text);
            let _ = Receipt::from_json(&text);
        }
    }
}
