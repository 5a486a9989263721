//! The frames of a link: one WebSocket on which a process publishes to any topic and reads all its
//! topics.
//!
//! The embedded broker offers links. A client asks for one with the header [`HEADER`] in its
//! handshake, and a broker that agrees answers with the same header. Both values are [`VERSION`].
//! Other brokers ignore the header, and the WebSocket is an ordinary producer or consumer.
//!
//! Every frame is a binary frame: the length of the header as four bytes, big endian; the header as
//! a JSON object; the payload as bytes, without base64. [`Header`] lists the fields. If the first bit of
//! the length is set, the payload is the whole next frame, so that nobody has to copy a large one.
//!
//! | `type` | from | fields | meaning |
//! |---|---|---|---|
//! | `publish` | client | `topic`, `context`, `properties`, payload | Publishes a message. |
//! | `accepted` | broker | `count` | The broker has accepted the first `count` messages of the link, except the refused ones. |
//! | `confirm` | client | | Asks for `accepted` now. Otherwise the broker sends it with another frame, after many messages, or after a short time. |
//! | `refused` | broker | `count`, `reason`, `status` | The broker does not accept message number `count` of the link. The status is 404 if nobody listens on its topic. |
//! | `subscribe` | client | `topic`, `subscription`, `parameters` | Reads a topic. The parameters are the query of a consumer's URL. |
//! | `subscribed` | broker | `topic`, `retention` | The broker delivers the messages of the topic from now on. |
//! | `unsubscribed` | broker | `topic`, `status`, `reason` | The link does not read the topic, or no longer. A refusal has the status that the handshake of a consumer would have. |
//! | `message` | broker | `topic`, `message`, `context`, `properties`, `redeliveryCount`, `begunCount`, `encoding`, payload | Delivers a message. |
//! | `begun` | client | `topic`, `messages` | Begins to work on redelivered messages. A client sends it only for messages with a `begunCount`. |
//! | `acknowledge` | client | `topic`, `messages` | Acknowledges messages by their numbers. |
//! | `negativeAcknowledge` | client | `topic`, `messages` | Returns messages to the broker. |
//! | `close` | client | `topic` | Stops to read a topic, and keeps its subscription. |
//! | `unsubscribe` | client | `topic` | Stops to read a topic, and removes its subscription. |
//!
//! A link reads a topic with at most one subscription. The path of the handshake decides the tenant and
//! the namespace of all topics. If it is the path of a consumer, the link reads that topic from the
//! start.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Properties, json};

mod frequent;
mod write;

pub use write::{Frames, Message, publish};

/// The header of a handshake that asks for a link, and of the answer that agrees.
pub const HEADER: &str = "dasf-link";
/// The value of [`HEADER`].
pub const VERSION: &str = "1";
/// The header of an answer that agrees to a link. Its value differs between two runs of a broker that
/// keeps nothing from one to the next.
pub const RUN: &str = "dasf-run";
/// The header of the answer to the handshake of a consumer: the number of seconds for which its
/// subscription stays without a consumer.
pub const RETENTION: &str = "dasf-retention";
/// The value of [`Header::encoding`] for a payload that is base64 text.
pub const BASE64: &str = "base64";

/// The size of the length in front of the header.
const LENGTH_SIZE: usize = 4;
/// The bit of the length of a header whose payload is the next frame.
const PAYLOAD_FOLLOWS: u32 = 1 << 31;

/// Puts together the payloads that are frames of their own with their headers.
///
/// ```
/// use bytes::Bytes;
/// use dasf_protocol::Properties;
/// use dasf_protocol::link::{FrameKind, Header, Joiner, publish};
///
/// let payload = Bytes::from(vec![7; 100_000]);
/// let mut frames = publish("demo", "7", &Properties::new(), &payload).into_iter();
/// let mut joiner = Joiner::default();
/// assert!(joiner.join(frames.next().unwrap()).is_none());
/// let (frame, apart) = joiner.join(frames.next().unwrap()).unwrap();
/// let (header, _) = Header::read(&frame).unwrap();
/// assert_eq!((header.kind, apart), (FrameKind::Publish, Some(payload)));
/// ```
#[derive(Debug, Default)]
pub struct Joiner {
    /// A header whose payload is the next frame.
    header: Option<Bytes>,
}

impl Joiner {
    /// Takes the next frame. Returns a frame with a header, and its payload if that is a frame of its
    /// own. Returns `None` if the payload has not come.
    pub fn join(&mut self, frame: Bytes) -> Option<(Bytes, Option<Bytes>)> {
        if let Some(header) = self.header.take() {
            return Some((header, Some(frame)));
        }
        let length = frame.first_chunk::<LENGTH_SIZE>().copied();
        if u32::from_be_bytes(length.unwrap_or_default()) & PAYLOAD_FOLLOWS == 0 {
            return Some((frame, None));
        }
        self.header = Some(frame);
        None
    }
}

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FrameKind {
    /// A message to the broker.
    Publish,
    /// The broker has accepted messages.
    Accepted,
    /// The client asks which messages the broker has accepted.
    Confirm,
    /// The broker refuses a message.
    Refused,
    /// The client wants to read a topic.
    Subscribe,
    /// The client reads a topic.
    Subscribed,
    /// The client does not read a topic, or no longer.
    Unsubscribed,
    /// A message to the client.
    Message,
    /// The client begins to work on redelivered messages.
    Begun,
    /// The client has processed messages.
    Acknowledge,
    /// The client returns messages.
    NegativeAcknowledge,
    /// The client stops to read a topic.
    Close,
    /// The client stops to read a topic, and needs its messages no more.
    Unsubscribe,
}

/// The header of a frame. A frame has only the fields that its kind needs.
///
/// The properties are the text in the frame, or what [`read_with_properties`](Self::read_with_properties)
/// makes of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "P: Deserialize<'de>"))]
pub struct Header<'a, P = &'a RawValue> {
    /// The kind of the frame.
    #[serde(rename = "type")]
    pub kind: FrameKind,
    /// The topic.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub topic: Cow<'a, str>,
    /// The name of the subscription.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub subscription: Cow<'a, str>,
    /// The parameters of the subscription, in the form of a query.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub parameters: Cow<'a, str>,
    /// The number of the message in the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<u64>,
    /// The numbers of several messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<u64>,
    /// The number of messages that the client has published on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The number of seconds for which a subscription stays without a consumer. `None` if it ends with its
    /// last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<u64>,
    /// The HTTP status of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason of a refusal.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'a, str>,
    /// How often the message was delivered before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redelivery_count: u32,
    /// How often a consumer has begun to work on the redelivered message and was lost, or returned it.
    /// `None` if the subscription did not ask for it, and in a first delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_count: Option<u32>,
    /// [`BASE64`] if the payload is text that the broker could not decode.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub encoding: Cow<'a, str>,
    /// The context of the message, which readers on other WebSockets get.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub context: Option<&'a RawValue>,
    /// The properties of the message: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<P>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde expects
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The reason why a frame of a link cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The frame is shorter than its header.
    #[error("the frame ends before its header")]
    Short,
    /// The header is not valid JSON, or a field has another type.
    #[error("the header of the frame cannot be read: {0}")]
    Header(#[from] serde_json::Error),
}

impl<'a> Header<'a> {
    /// Returns a header of this kind without other fields.
    pub fn new(kind: FrameKind) -> Self {
        Self::empty(kind)
    }

    /// Reads the header of a frame. Returns it with the payload, which shares the memory of the frame.
    ///
    /// # Errors
    /// Returns a [`LinkError`] if the frame has no readable header.
    ///
    /// ```
    /// use dasf_protocol::link::{Header, FrameKind};
    ///
    /// let publish = Header { topic: "demo".into(), ..Header::new(FrameKind::Publish) };
    /// let frame = publish.frame(b"[1]");
    /// let (header, payload) = Header::read(&frame)?;
    /// assert_eq!((header.kind, &*header.topic, &*payload), (FrameKind::Publish, "demo", &b"[1]"[..]));
    /// # Ok::<(), dasf_protocol::link::LinkError>(())
    /// ```
    pub fn read(frame: &'a Bytes) -> Result<(Self, Bytes), LinkError> {
        let (json, payload) = split(frame)?;
        let text = str::from_utf8(json).ok();
        let header = match text.and_then(frequent::read) {
            Some(header) => header,
            None => parse(json, text)?,
        };
        Ok((header, payload))
    }

    /// Reads the header of a frame and its properties. If only the properties cannot be read, the header
    /// contains the error.
    ///
    /// # Errors
    /// Returns a [`LinkError`] if the frame has no readable header.
    ///
    /// ```
    /// use dasf_protocol::{Properties, link};
    ///
    /// let properties = Properties::new().with("status", "success");
    /// let frame = link::publish("demo", "7", &properties, &"[1]".into()).into_iter().next().unwrap();
    /// let (header, _) = link::Header::read_with_properties(&frame)?;
    /// assert_eq!(header.properties.and_then(Result::ok), Some(properties));
    /// # Ok::<(), link::LinkError>(())
    /// ```
    pub fn read_with_properties(
        frame: &'a Bytes,
    ) -> Result<(Header<'a, serde_json::Result<Properties>>, Bytes), LinkError> {
        let (json, payload) = split(frame)?;
        let text = str::from_utf8(json).ok();
        let header = match text.and_then(frequent::read) {
            Some(header) => header.map_properties(Ok),
            None => parse(json, text)?
                .map_properties(|properties| serde_json::from_str(properties.get())),
        };
        Ok((header, payload))
    }

    /// Returns the frame with this header and a payload.
    pub fn frame(&self, payload: &[u8]) -> Bytes {
        write::frame(payload, |json| json::push(json, self))
    }
}

impl<'a, P> Header<'a, P> {
    fn empty(kind: FrameKind) -> Self {
        Self {
            kind,
            topic: Cow::default(),
            subscription: Cow::default(),
            parameters: Cow::default(),
            message: None,
            messages: Vec::new(),
            count: None,
            retention: None,
            status: None,
            reason: Cow::default(),
            redelivery_count: 0,
            begun_count: None,
            encoding: Cow::default(),
            context: None,
            properties: None,
        }
    }

    fn map_properties<Q>(self, map: impl FnOnce(P) -> Q) -> Header<'a, Q> {
        Header {
            kind: self.kind,
            topic: self.topic,
            subscription: self.subscription,
            parameters: self.parameters,
            message: self.message,
            messages: self.messages,
            count: self.count,
            retention: self.retention,
            status: self.status,
            reason: self.reason,
            redelivery_count: self.redelivery_count,
            begun_count: self.begun_count,
            encoding: self.encoding,
            context: self.context,
            properties: self.properties.map(map),
        }
    }
}

/// Splits a frame into its header and its payload.
fn split(frame: &Bytes) -> Result<(&[u8], Bytes), LinkError> {
    let (length, _) = frame
        .split_first_chunk::<LENGTH_SIZE>()
        .ok_or(LinkError::Short)?;
    let length = u32::from_be_bytes(*length) & !PAYLOAD_FOLLOWS;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(LENGTH_SIZE))
        .filter(|&end| end <= frame.len())
        .ok_or(LinkError::Short)?;
    Ok((&frame[LENGTH_SIZE..end], frame.slice(end..)))
}

/// Parses a header in any form. `text` is all of it if it is UTF-8: to check this once is faster than text
/// by text.
fn parse<'a>(json: &'a [u8], text: Option<&'a str>) -> serde_json::Result<Header<'a>> {
    match text {
        Some(text) => serde_json::from_str(text),
        // This error tells the place in JSON.
        None => serde_json::from_slice(json),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_has_only_the_fields_of_its_kind() {
        let header = Header {
            topic: "demo".into(),
            messages: vec![1, 2],
            ..Header::new(FrameKind::NegativeAcknowledge)
        };
        let frame = header.frame(b"");
        assert_eq!(
            &frame[LENGTH_SIZE..],
            br#"{"type":"negativeAcknowledge","topic":"demo","messages":[1,2]}"#
        );
    }

    #[test]
    fn a_frame_without_a_readable_header_is_an_error() {
        for bytes in [&b""[..], b"\0\0\0", b"\0\0\0\x03{}", b"\xff\xff\xff\xff{}"] {
            let frame = Bytes::from_static(bytes);
            assert!(matches!(Header::read(&frame), Err(LinkError::Short)));
        }
        for header in [
            "",
            "{}",
            "[]",
            r#"{"type":"other"}"#,
            r#"{"type":"publish"} {}"#,
        ] {
            let frame = write::join(0, header.as_bytes(), b"payload");
            let read = Header::read(&frame);
            assert!(matches!(read, Err(LinkError::Header(_))), "{header}");
        }
    }

    #[test]
    fn a_frame_is_readable_without_its_properties() {
        for (json, is_readable) in [
            (r#"{"status": "success", "list": [{}]}"#, true),
            ("{}", true),
            ("[]", false),
            ("7", false),
            (r#""text""#, false),
            (r#"{"a": 1e999}"#, false),
            (r#"{"a": "\ud800"}"#, false),
        ] {
            let properties = RawValue::from_string(json.to_owned()).unwrap();
            let header = Header {
                topic: "demo".into(),
                message: Some(7),
                properties: Some(&*properties),
                ..Header::new(FrameKind::Message)
            };
            let frame = header.frame(b"[1]");
            let (header, payload) = Header::read_with_properties(&frame).unwrap();
            assert_eq!((&*header.topic, header.message), ("demo", Some(7)));
            assert_eq!(payload, &b"[1]"[..]);
            let read = header.properties.unwrap();
            assert_eq!(read.is_ok(), is_readable, "{json}");
            assert_eq!(read.ok(), serde_json::from_str(json).ok());
        }
        let frame = write::join(0, br#"{"type":"message","properties":{"a":}}"#, b"");
        assert!(Header::read_with_properties(&frame).is_err());
        let frame = write::join(0, br#"{"type":"message","properties":null}"#, b"");
        let (header, _) = Header::read_with_properties(&frame).unwrap();
        assert!(header.properties.is_none());
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(
            topic in "[a-z]{0,20}",
            reason in ".*",
            messages in prop::collection::vec(any::<u64>(), 0..4),
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let properties = RawValue::from_string(r#"{"a": [1, "\u00e4"]}"#.to_owned()).unwrap();
            let header = Header {
                topic: topic.as_str().into(),
                reason: reason.as_str().into(),
                messages: messages.clone(),
                properties: Some(&*properties),
                ..Header::new(FrameKind::Message)
            };
            let frame = header.frame(&payload);
            let (read, rest) = Header::read(&frame).unwrap();
            prop_assert_eq!(read.kind, FrameKind::Message);
            prop_assert_eq!(&*read.topic, topic);
            prop_assert_eq!(&*read.reason, reason);
            prop_assert_eq!(read.messages, messages);
            prop_assert_eq!(read.properties.map(RawValue::get), Some(properties.get()));
            prop_assert_eq!(rest, payload);
        }

        #[test]
        fn no_frame_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let frame = Bytes::from(bytes);
            let _ = Header::read(&frame);
            let _ = Header::read_with_properties(&frame);
        }
    }
}
