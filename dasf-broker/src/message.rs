//! A message: the frame of its producer, and the frames for its consumers.
//!
//! A message stays in the form in which it came: as the text of a WebSocket of one topic, or as the
//! parts of a frame of a link. It takes the other form only for a consumer that needs it.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use dasf_protocol::link::{self, FrameKind, Header};
use dasf_protocol::{Topic, payload};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::budget::{Budget, Charge};

/// The error of a frame that is not a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(
        "the frame is not a JSON object ({0}); send {{\"payload\": …, \"context\": …, \"properties\": {{…}}}}"
    )]
    Json(#[from] serde_json::Error),
    #[error(
        "the frame is not a JSON object; send {{\"payload\": …, \"context\": …, \"properties\": {{…}}}}"
    )]
    NotAnObject,
    #[error("properties is not a JSON object; send an object, or leave it out")]
    Properties,
    #[error("the frame contains {0:?}, which the broker adds; leave it out")]
    Reserved(&'static str),
}

/// The fields of a frame that the broker reads. Of the payload, it only checks that it is JSON.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    properties: Option<&'a RawValue>,
    #[serde(rename = "messageId", borrow, default, deserialize_with = "present")]
    message_id: Option<&'a RawValue>,
    #[serde(rename = "publishTime", borrow, default, deserialize_with = "present")]
    publish_time: Option<&'a RawValue>,
    #[serde(
        rename = "redeliveryCount",
        borrow,
        default,
        deserialize_with = "present"
    )]
    redelivery_count: Option<&'a RawValue>,
    #[serde(rename = "begunCount", borrow, default, deserialize_with = "present")]
    begun_count: Option<&'a RawValue>,
}

/// Distinguishes `null` from a missing field.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A frame of a producer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// The JSON of `context`; `null` if it is missing.
    pub(crate) context: &'a str,
    /// The frame after its opening brace, or an error.
    pub(crate) fields: Result<&'a str, FrameError>,
}

impl<'a> Frame<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        // The derived code would read the items of an array as the fields.
        let Some(fields) = text.trim_ascii_start().strip_prefix('{') else {
            let error = serde_json::from_str::<IgnoredAny>(text)
                .map_or_else(FrameError::Json, |_| FrameError::NotAnObject);
            return Self {
                context: "null",
                fields: Err(error),
            };
        };
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return Self {
                    context: "null",
                    fields: Err(error.into()),
                };
            }
        };
        let fields = if envelope.message_id.is_some() {
            Err(FrameError::Reserved("messageId"))
        } else if envelope.publish_time.is_some() {
            Err(FrameError::Reserved("publishTime"))
        } else if envelope.redelivery_count.is_some() {
            Err(FrameError::Reserved("redeliveryCount"))
        } else if envelope.begun_count.is_some() {
            Err(FrameError::Reserved("begunCount"))
        } else if envelope
            .properties
            .is_some_and(|it| !it.get().starts_with('{'))
        {
            Err(FrameError::Properties)
        } else {
            Ok(fields)
        };
        Self {
            context: envelope.context.map_or("null", RawValue::get),
            fields,
        }
    }
}

/// Numbers the messages of a broker, and writes the numbers as UUIDs.
///
/// A program chooses the bits of a UUID of version 8. Here the first half is random and marks the run
/// of the broker, and the second half is a counter. Such an id is as unique as a random one, and
/// cheaper. The broker finds the message of an acknowledgement without a table of ids.
#[derive(Debug)]
pub(crate) struct MessageIds {
    run: u64,
    next: AtomicU64,
}

/// The variant bits of RFC 9562 at the start of the second half.
const VARIANT: u64 = 0b10 << 62;

impl MessageIds {
    pub(crate) fn new() -> Self {
        let (random, _) = Uuid::new_v4().as_u64_pair();
        Self {
            run: random & !0xF000 | 0x8000,
            next: AtomicU64::new(0),
        }
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn uuid(&self, sequence: u64) -> Uuid {
        Uuid::from_u64_pair(self.run, VARIANT | sequence)
    }

    /// Returns the number of the message with this id, if this run of the broker made the id.
    pub(crate) fn sequence(&self, id: &str) -> Option<u64> {
        let (run, sequence) = Uuid::try_parse(id).ok()?.as_u64_pair();
        (run == self.run && sequence & VARIANT == VARIANT).then_some(sequence & !VARIANT)
    }
}

/// What the messages of a broker have from it: their ids, and their part of its budget.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) ids: MessageIds,
    pub(crate) budget: Arc<Budget>,
}

const ID_KEY: &str = "{\"messageId\":\"";
const TIME_KEY: &str = "\",\"publishTime\":\"";
const TIME_EXAMPLE: &str = "2026-11-22T10:52:08.353669+00:00";

const ID_END: usize = ID_KEY.len() + Hyphenated::LENGTH;
/// The end of the fields that the broker adds, after the quotation mark behind the time.
const HEAD_END: usize = ID_END + TIME_KEY.len() + TIME_EXAMPLE.len() + 1;

/// A message as its consumers get it. All clones share its content.
#[derive(Debug, Clone)]
pub(crate) struct Message(Arc<Inner>);

/// What all clones of a message share.
#[derive(Debug)]
pub(crate) struct Inner {
    /// The number of the message in the broker.
    pub(crate) sequence: u64,
    /// When the broker accepted the message.
    pub(crate) published: Instant,
    /// Whether a consumer has acknowledged the message.
    is_acknowledged: AtomicBool,
    id: Uuid,
    content: Content,
    /// The memory of the message, without its places in subscriptions.
    _charge: Charge,
}

impl Deref for Message {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The content of a message, in the form in which it came.
#[derive(Debug)]
enum Content {
    /// The first delivery as text: `messageId`, `publishTime` and the fields of the producer.
    Text(Utf8Bytes),
    Link(LinkContent),
}

/// The memory of a message besides its texts and its payload.
pub(crate) const MESSAGE_OVERHEAD: usize = size_of::<Inner>() + 64;

/// The content of a message that came on a link: its first delivery on a link.
#[derive(Debug)]
struct LinkContent {
    /// The wall-clock time at which the broker accepted the message.
    time: SystemTime,
    frames: link::Frames,
}

impl LinkContent {
    /// The memory besides the frames.
    const OVERHEAD: usize = 128;

    fn size(&self) -> usize {
        self.frames.size() + Self::OVERHEAD
    }

    /// Runs a function on the context, the properties and the payload.
    fn read<T>(&self, read: impl FnOnce(Option<&str>, Option<&str>, Bytes) -> T) -> T {
        match self.frames.read() {
            Ok((header, payload)) => {
                let (context, properties) = (header.context, header.properties);
                read(
                    context.map(RawValue::get),
                    properties.map(RawValue::get),
                    payload,
                )
            }
            // The broker has written the frames itself.
            Err(_) => read(None, None, Bytes::new()),
        }
    }

    /// Returns the fields of a text delivery after the opening brace.
    fn fields(&self) -> String {
        self.read(|context, properties, payload| {
            let payload = payload::encode(&payload);
            let context = context.unwrap_or("null");
            let properties = properties.unwrap_or("{}");
            format!("\"payload\":\"{payload}\",\"context\":{context},\"properties\":{properties}}}")
        })
    }
}

/// The parts of a text that a frame of a link needs.
#[derive(Deserialize)]
struct TextParts<'a> {
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

impl Message {
    fn new(origin: &Origin, sequence: u64, published: Instant, content: Content) -> Self {
        let charge = origin.budget.charge(content.size() + MESSAGE_OVERHEAD);
        Self(Arc::new(Inner {
            sequence,
            published,
            is_acknowledged: AtomicBool::new(false),
            id: origin.ids.uuid(sequence),
            content,
            _charge: charge,
        }))
    }

    /// Creates a message from the part of a text frame after its opening brace.
    pub(crate) fn from_text(origin: &Origin, published: Instant, fields: &str) -> Self {
        let sequence = origin.ids.next();
        let id = origin.ids.uuid(sequence);
        let text = delivery_text(id, SystemTime::now(), fields);
        Self::new(origin, sequence, published, Content::Text(text.into()))
    }

    /// Creates a message of this topic from the parts of a frame of a link.
    pub(crate) fn from_link(
        origin: &Origin,
        published: Instant,
        topic: &Topic,
        context: Option<&str>,
        properties: Option<&str>,
        payload: &Bytes,
    ) -> Self {
        let sequence = origin.ids.next();
        let frames = link::Message {
            topic: topic.as_str(),
            number: sequence,
            redelivery_count: 0,
            begun_count: None,
            context,
            properties,
            payload,
        }
        .frames();
        let time = SystemTime::now();
        let content = Content::Link(LinkContent { time, frames });
        Self::new(origin, sequence, published, content)
    }

    /// Returns a new message with the same fields, for another topic.
    pub(crate) fn copy(&self, origin: &Origin, published: Instant, topic: &Topic) -> Self {
        match &self.content {
            Content::Text(text) => Self::from_text(origin, published, fields(text)),
            Content::Link(content) => content.read(|context, properties, payload| {
                Self::from_link(origin, published, topic, context, properties, &payload)
            }),
        }
    }

    /// Returns the id, which is a UUID.
    pub(crate) fn id(&self) -> Hyphenated {
        self.id.hyphenated()
    }

    /// Returns the text of a delivery after this number of earlier ones, with the number of those that
    /// were begun if that is counted. The first delivery of a message that came as text does not copy it.
    pub(crate) fn text(&self, redeliveries: u32, begun: Option<u32>) -> Utf8Bytes {
        let text = match &self.content {
            Content::Text(text) => text.clone(),
            Content::Link(content) => {
                delivery_text(self.id, content.time, &content.fields()).into()
            }
        };
        if redeliveries == 0 {
            return text;
        }
        let (head, tail) = text.split_at(HEAD_END);
        [
            head,
            ",\"redeliveryCount\":",
            &redeliveries.to_string(),
            &begun.map_or_else(String::new, |begun| format!(",\"begunCount\":{begun}")),
            tail,
        ]
        .concat()
        .into()
    }

    /// Returns the frames of a delivery on a link, after this number of earlier ones, with the number of
    /// those that were begun if that is counted.
    pub(crate) fn link_frames(
        &self,
        topic: &Topic,
        redeliveries: u32,
        begun: Option<u32>,
    ) -> link::Frames {
        match &self.content {
            Content::Link(content) if redeliveries == 0 => content.frames.clone(),
            Content::Link(content) => content.read(|context, properties, payload| {
                link::Message {
                    topic: topic.as_str(),
                    number: self.sequence,
                    redelivery_count: redeliveries,
                    begun_count: begun,
                    context,
                    properties,
                    payload: &payload,
                }
                .frames()
            }),
            Content::Text(text) => {
                let header = Header {
                    topic: topic.as_str().into(),
                    message: Some(self.sequence),
                    redelivery_count: redeliveries,
                    begun_count: begun,
                    ..Header::new(FrameKind::Message)
                };
                text_as_frame(text, header).into()
            }
        }
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.content.size()
    }

    /// Runs a function on the JSON object of the properties.
    pub(crate) fn with_properties<T>(&self, read: impl FnOnce(Option<&str>) -> T) -> T {
        match &self.content {
            Content::Text(text) => {
                let parts = serde_json::from_str::<TextParts<'_>>(text).ok();
                read(parts.and_then(|it| it.properties).map(RawValue::get))
            }
            Content::Link(content) => content.read(|_, properties, _| read(properties)),
        }
    }

    /// Records that a consumer of any subscription has acknowledged the message.
    pub(crate) fn acknowledge(&self) {
        // The lock of the topic orders all accesses.
        self.is_acknowledged.store(true, Ordering::Relaxed);
    }

    /// Returns whether a consumer of any subscription has acknowledged the message.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.is_acknowledged.load(Ordering::Relaxed)
    }
}

impl Content {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Link(content) => content.size(),
        }
    }
}

/// Returns the text of a first delivery. `fields` is the part of a frame after its opening brace.
fn delivery_text(id: Uuid, time: SystemTime, fields: &str) -> String {
    let separator = if fields.trim_ascii_start().starts_with('}') {
        ""
    } else {
        ","
    };
    // With the exact size, the conversion into shared bytes does not copy the text.
    let mut text = String::with_capacity(HEAD_END + separator.len() + fields.len());
    text.push_str(ID_KEY);
    text.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    text.push_str(TIME_KEY);
    push_time(&mut text, time);
    text.push('"');
    text.push_str(separator);
    text.push_str(fields);
    text
}

/// Returns the part of a text delivery after the fields that the broker adds.
fn fields(text: &str) -> &str {
    let tail = &text[HEAD_END..];
    tail.strip_prefix(',').unwrap_or(tail)
}

/// Returns the frame of a link for a message that came as text.
fn text_as_frame(text: &str, header: Header<'_>) -> Bytes {
    // The broker has parsed the text before.
    let parts: TextParts<'_> = serde_json::from_str(text).unwrap_or(TextParts {
        payload: None,
        context: None,
        properties: None,
    });
    let payload = parts.payload.map(RawValue::get).unwrap_or_default();
    // A payload that is not a string has no bytes.
    let payload: Cow<'_, str> = serde_json::from_str(payload).unwrap_or_default();
    let header = Header {
        context: parts.context,
        properties: parts.properties,
        ..header
    };
    match payload::decode(&payload) {
        Ok(bytes) => header.frame(&bytes),
        Err(_) => Header {
            encoding: link::BASE64.into(),
            ..header
        }
        .frame(payload.as_bytes()),
    }
}

/// Appends a time as RFC 3339 in UTC with microseconds, from 1970 to 9999.
fn push_time(text: &mut String, time: SystemTime) {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years start in March, so a leap day is the last day of a year and the lengths of months are
    // regular. Day 0 is 0000-03-01. This is `civil_from_days` of Howard Hinnant.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match (era * 400 + year, month) {
        (year, 0..10) => (year, month + 3),
        (year, _) => (year + 1, month - 9),
    };

    push_number(text, year, 4);
    for (separator, number) in [
        ('-', month),
        ('-', day),
        ('T', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        text.push(separator);
        push_number(text, number, 2);
    }
    text.push('.');
    push_number(text, u64::from(since_epoch.subsec_micros()), 6);
    text.push_str("+00:00");
}

/// Appends the last `digits` decimal digits of a number.
fn push_number(text: &mut String, number: u64, digits: u32) {
    for power in (0..digits).rev() {
        let digit = number / 10_u64.pow(power) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn origin() -> Origin {
        Origin {
            ids: MessageIds::new(),
            budget: Budget::new(usize::MAX),
        }
    }

    fn message(frame: &str) -> Message {
        let fields = Frame::parse(frame).fields.unwrap();
        Message::from_text(&origin(), Instant::now(), fields)
    }

    fn time(micros: u64) -> String {
        let mut text = String::new();
        push_time(&mut text, UNIX_EPOCH + Duration::from_micros(micros));
        text
    }

    #[test]
    fn a_time_is_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(
            time(951_782_400_000_000),
            "2000-02-29T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(1_709_251_199_999_999),
            "2024-02-29T23:59:59.999999+00:00"
        );
        assert_eq!(
            time(1_709_251_200_000_000),
            "2024-03-01T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(1_795_344_728_353_669),
            "2026-11-22T10:52:08.353669+00:00"
        );
        assert_eq!(
            time(4_107_542_400_000_000),
            "2100-03-01T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(253_402_300_799_000_000),
            "9999-12-31T23:59:59.000000+00:00"
        );
        assert_eq!(time(1).len(), TIME_EXAMPLE.len());
    }

    #[test]
    fn an_id_is_a_uuid_that_finds_its_message() {
        let origin = origin();
        let ids = &origin.ids;
        let message = Message::from_text(&origin, Instant::now(), "}");
        let uuid = Uuid::parse_str(&message.id().to_string()).unwrap();
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(ids.sequence(&message.id().to_string()), Some(0));
        assert_eq!(Message::from_text(&origin, Instant::now(), "}").sequence, 1);
        assert_eq!(MessageIds::new().sequence(&message.id().to_string()), None);
        assert_eq!(ids.sequence("CAAQAA=="), None);
    }

    #[test]
    fn a_delivery_is_the_frame_with_id_and_time() {
        let message = message(
            r#" { "payload": "NQ==", "context": 3, "properties": {"a": "b"}, "key": null }"#,
        );
        let mut delivery: Value = serde_json::from_str(&message.text(0, None)).unwrap();
        let delivery = delivery.as_object_mut().unwrap();
        assert_eq!(
            delivery.remove("messageId"),
            Some(json!(message.id().to_string()))
        );
        let time = delivery.remove("publishTime").unwrap();
        assert_eq!(time.as_str().map(str::len), Some(TIME_EXAMPLE.len()));
        let rest = json!({"payload": "NQ==", "context": 3, "properties": {"a": "b"}, "key": null});
        assert_eq!(Value::Object(delivery.clone()), rest);
    }

    #[test]
    fn an_empty_frame_makes_a_delivery() {
        let delivery: Value = serde_json::from_str(&message("{ }").text(0, None)).unwrap();
        assert_eq!(delivery.as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_delivery_tells_how_often_it_came_before() {
        for (frame, fields) in [
            (r#"{ "payload": "NQ==" }"#, json!({"payload": "NQ=="})),
            ("{ }", json!({})),
        ] {
            let message = message(frame);
            let first = message.text(0, None);
            assert_eq!(first.as_ptr(), message.text(0, None).as_ptr(), "no copy");
            let first: Value = serde_json::from_str(&first).unwrap();
            for count in [1, 17, u32::MAX] {
                for begun in [None, Some(0), Some(7)] {
                    let again = message.text(count, begun);
                    let mut again: Value = serde_json::from_str(&again).unwrap();
                    let mut told = |name| again.as_object_mut().unwrap().remove(name);
                    assert_eq!(told("redeliveryCount"), Some(json!(count)));
                    assert_eq!(told("begunCount"), begun.map(|it| json!(it)));
                    assert_eq!(again, first);
                }
            }
            let mut rest = first;
            rest.as_object_mut().unwrap().remove("messageId").unwrap();
            rest.as_object_mut().unwrap().remove("publishTime").unwrap();
            assert_eq!(rest, fields);
        }
    }

    #[test]
    fn the_receipt_has_the_context_of_the_frame() {
        for context in ["3", "\"3\"", "1.50", "null", r#"{"a": [1, "\u00e4"]}"#] {
            let text = format!(r#"{{"context": {context} , "payload": ""}}"#);
            assert_eq!(Frame::parse(&text).context, context);
        }
        assert_eq!(Frame::parse("{}").context, "null");
    }

    #[test]
    fn invalid_frames_are_errors() {
        for (text, context, reason) in [
            ("not json", "null", "not a JSON object"),
            ("", "null", "not a JSON object"),
            ("{\"payload\": ", "null", "not a JSON object"),
            ("{} {}", "null", "not a JSON object"),
            ("[null, {}]", "null", "not a JSON object"),
            ("5", "null", "not a JSON object"),
            (r#"{"context":7,"messageId":null}"#, "7", "\"messageId\""),
            (
                r#"{"context":7,"publishTime":"now"}"#,
                "7",
                "\"publishTime\"",
            ),
            (
                r#"{"context":7,"redeliveryCount":1}"#,
                "7",
                "\"redeliveryCount\"",
            ),
            (r#"{"context":7,"begunCount":1}"#, "7", "\"begunCount\""),
            (r#"{"context":7,"properties":null}"#, "7", "properties"),
            (r#"{"context":7,"properties":[]}"#, "7", "properties"),
            (
                r#"{"context":7,"message\u0049d":"x"}"#,
                "7",
                "\"messageId\"",
            ),
        ] {
            let frame = Frame::parse(text);
            assert_eq!(frame.context, context, "{text}");
            let error = frame.fields.unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_frame_panics_and_accepted_frames_stay_json(text in "[{}\\[\\]\",:a1 \\\\]{0,24}|\\PC*") {
            if let Ok(fields) = Frame::parse(&text).fields {
                let message = Message::from_text(&origin(), Instant::now(), fields);
                let text = message.text(0, None);
                prop_assert_eq!(super::fields(&text), fields);
                prop_assert!(serde_json::from_str::<IgnoredAny>(&message.text(0, None)).is_ok());
                prop_assert_eq!(message.text(0, None).len(), message.size());
            }
        }

        #[test]
        fn every_number_survives_its_id(sequence in 0..u64::MAX >> 2) {
            let ids = MessageIds::new();
            prop_assert_eq!(ids.sequence(&ids.uuid(sequence).to_string()), Some(sequence));
        }
    }
}
