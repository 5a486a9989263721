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
//! | `message` | broker | `topic`, `message`, `context`, `properties`, `redeliveryCount`, `begunCount`, `waitedMs`, `encoding`, payload | Delivers a message. |
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

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod frequent;
mod read;
mod write;

pub use read::Joiner;
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
/// How many messages of the type `cancel` the broker may deliver to a reader beyond the number of messages
/// without acknowledgement for which the reader has asked.
pub const EXTRA_CANCELLATIONS: usize = 64;
/// The value of [`Header::encoding`] for a payload that is base64 text.
pub const BASE64: &str = "base64";

/// The size of the length in front of the header.
const LENGTH_SIZE: usize = 4;
/// The bit of the length of a header whose payload is the next frame.
const PAYLOAD_FOLLOWS: u32 = 1 << 31;

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
    /// How long the message has waited in the broker, in milliseconds. The broker leaves out a short time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waited_ms: u64,
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

fn is_zero<N: Default + PartialEq>(count: &N) -> bool {
    *count == N::default()
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
            waited_ms: 0,
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
            waited_ms: self.waited_ms,
            encoding: self.encoding,
            context: self.context,
            properties: self.properties.map(map),
        }
    }
}
