//! The content of a message, and its deliveries.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use dasf_protocol::link::{self, FrameKind, Header};
use dasf_protocol::{Topic, payload};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::time::{TIME_EXAMPLE, push_time};

/// The content of a message, in the form in which it came.
#[derive(Debug)]
pub(crate) enum Content {
    /// The first delivery as text: `messageId`, `publishTime` and the fields of the producer.
    Text(Utf8Bytes),
    Link(LinkContent),
}

/// What happened to a message before a delivery: how often it was delivered, and how long it has waited.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Earlier {
    /// The number of earlier deliveries.
    pub(crate) redeliveries: u32,
    /// How often a consumer worked on the redelivered message and did not finish, for a consumer that
    /// reports this itself.
    pub(crate) begun: Option<u32>,
    /// How long it has waited, in milliseconds; zero if that is not long.
    pub(crate) waited_ms: u64,
}

impl Earlier {
    /// Returns whether a delivery has nothing to tell of the time before.
    fn is_nothing(self) -> bool {
        self.redeliveries == 0 && self.waited_ms == 0
    }
}

impl Content {
    /// Returns the content of a message that came as the part of a text frame after its opening brace.
    pub(super) fn of_text(id: Uuid, time: SystemTime, fields: &str) -> Self {
        Self::Text(delivery_text(id, time, fields).into())
    }

    /// Returns the content of a message that came on a link.
    pub(super) fn of_link(time: SystemTime, message: &link::Message<'_>) -> Self {
        let frames = message.frames();
        Self::Link(LinkContent { time, frames })
    }

    /// Returns the content of a message whose first delivery on a link has these frames.
    #[cfg(feature = "store")]
    pub(crate) fn of_frames(time: SystemTime, frames: link::Frames) -> Self {
        Self::Link(LinkContent { time, frames })
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Link(content) => content.size(),
        }
    }

    /// Returns the text of a delivery. The first delivery of a message that came as text does not copy
    /// it.
    pub(super) fn text(&self, id: Uuid, earlier: Earlier) -> Utf8Bytes {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Link(content) => delivery_text(id, content.time, &content.fields()).into(),
        };
        if earlier.is_nothing() {
            return text;
        }
        let (head, tail) = text.split_at(HEAD_END);
        let mut told = String::with_capacity(text.len() + EARLIER_SIZE);
        told.push_str(head);
        let redeliveries = (earlier.redeliveries > 0).then(|| earlier.redeliveries.into());
        let waited = (earlier.waited_ms > 0).then_some(earlier.waited_ms);
        for (name, number) in [
            ("redeliveryCount", redeliveries),
            ("begunCount", earlier.begun.map(u64::from)),
            ("waitedMs", waited),
        ] {
            if let Some(number) = number {
                told.extend([",\"", name, "\":", &number.to_string()]);
            }
        }
        told.push_str(tail);
        told.into()
    }

    /// Returns the frames of a delivery on a link.
    pub(super) fn link_frames(&self, topic: &Topic, number: u64, earlier: Earlier) -> link::Frames {
        let Earlier {
            redeliveries,
            begun,
            waited_ms,
        } = earlier;
        match self {
            Self::Link(content) if earlier.is_nothing() => content.frames.clone(),
            Self::Link(content) => content.read(|context, properties, payload| {
                link::Message {
                    topic: topic.as_str(),
                    number,
                    redelivery_count: redeliveries,
                    begun_count: begun,
                    waited_ms,
                    context,
                    properties,
                    payload: &payload,
                }
                .frames()
            }),
            Self::Text(text) => {
                let header = Header {
                    topic: topic.as_str().into(),
                    message: Some(number),
                    redelivery_count: redeliveries,
                    begun_count: begun,
                    waited_ms,
                    ..Header::new(FrameKind::Message)
                };
                text_as_frame(text, header).into()
            }
        }
    }

    /// Returns the bytes of the payload. A payload that is not base64 has none.
    pub(crate) fn payload(&self) -> Bytes {
        match self {
            Self::Text(text) => {
                let parts = serde_json::from_str::<TextParts<'_>>(text).ok();
                let payload = parts.and_then(|parts| parts.payload).map(RawValue::get);
                let payload: Cow<'_, str> = payload
                    .and_then(|payload| serde_json::from_str(payload).ok())
                    .unwrap_or_default();
                payload::decode(&payload).unwrap_or_default().into()
            }
            Self::Link(content) => content.read(|_, _, payload| payload),
        }
    }

    /// Runs a function on the JSON object of the properties.
    pub(crate) fn with_properties<T>(&self, read: impl FnOnce(Option<&str>) -> T) -> T {
        match self {
            Self::Text(text) => {
                let parts = serde_json::from_str::<TextParts<'_>>(text).ok();
                read(parts.and_then(|it| it.properties).map(RawValue::get))
            }
            Self::Link(content) => content.read(|_, properties, _| read(properties)),
        }
    }
}

/// The content of a message that came on a link: its first delivery on a link.
#[derive(Debug)]
pub(crate) struct LinkContent {
    /// The wall-clock time at which the broker accepted the message.
    time: SystemTime,
    pub(crate) frames: link::Frames,
}

impl LinkContent {
    /// The memory besides the frames.
    const OVERHEAD: usize = 128;

    fn size(&self) -> usize {
        self.frames.size() + Self::OVERHEAD
    }

    /// Runs a function on the context, the properties and the payload.
    pub(super) fn read<T>(&self, read: impl FnOnce(Option<&str>, Option<&str>, Bytes) -> T) -> T {
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

const ID_KEY: &str = "{\"messageId\":\"";
const TIME_KEY: &str = "\",\"publishTime\":\"";

const ID_END: usize = ID_KEY.len() + Hyphenated::LENGTH;
/// The end of the fields that the broker adds, after the quotation mark behind the time.
const HEAD_END: usize = ID_END + TIME_KEY.len() + TIME_EXAMPLE.len() + 1;

/// The size of the fields for [`Earlier`].
const EARLIER_SIZE: usize = 96;

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
pub(super) fn fields(text: &str) -> &str {
    let tail = &text[HEAD_END..];
    tail.strip_prefix(',').unwrap_or(tail)
}

/// Returns fields of a text frame with other properties.
pub(super) fn with_other_properties(
    fields: &str,
    change: impl FnOnce(Option<&str>) -> Option<String>,
) -> String {
    const PROPERTIES: &str = "properties";
    let frame = format!("{{{fields}");
    // The broker has parsed the frame before. A key may be there twice; then the last one counts.
    let parsed: Option<BTreeMap<&str, Box<RawValue>>> = serde_json::from_str(&frame).ok();
    let changed = parsed.and_then(|mut parts| {
        let properties = change(parts.get(PROPERTIES).map(|it| it.get()))?;
        parts.insert(PROPERTIES, RawValue::from_string(properties).ok()?);
        serde_json::to_string(&parts).ok()
    });
    let changed = changed.as_deref().and_then(|frame| frame.get(1..));
    changed.unwrap_or(fields).to_owned()
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};

    use crate::budget::Budget;
    use crate::message::{Frame, Loaded, Message, MessageIds, Origin};

    use super::*;

    fn message(frame: &str) -> Loaded {
        let origin = Origin {
            ids: MessageIds::new(),
            budget: Budget::new(usize::MAX),
            keeping: None,
        };
        let fields = Frame::parse(frame).fields.unwrap();
        let message = Message::from_text(&origin, &origin.budget, Instant::now(), fields.text);
        message.load().unwrap()
    }

    #[test]
    fn a_delivery_is_the_frame_with_id_and_time() {
        let message = message(
            r#" { "payload": "NQ==", "context": 3, "properties": {"a": "b"}, "key": null }"#,
        );
        let mut delivery: Value = serde_json::from_str(&message.text(Earlier::default())).unwrap();
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
        let delivery: Value =
            serde_json::from_str(&message("{ }").text(Earlier::default())).unwrap();
        assert_eq!(delivery.as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_delivery_tells_how_often_it_came_before() {
        for (frame, fields) in [
            (r#"{ "payload": "NQ==" }"#, json!({"payload": "NQ=="})),
            ("{ }", json!({})),
        ] {
            let message = message(frame);
            let first = message.text(Earlier::default());
            assert_eq!(
                first.as_ptr(),
                message.text(Earlier::default()).as_ptr(),
                "no copy"
            );
            let first: Value = serde_json::from_str(&first).unwrap();
            for count in [1, 17, u32::MAX] {
                for begun in [None, Some(0), Some(7)] {
                    let again = message.text(Earlier {
                        redeliveries: count,
                        begun,
                        waited_ms: 0,
                    });
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
    fn a_delivery_tells_how_long_its_message_has_waited() {
        let message = message(r#"{"payload": "NQ==", "properties": {"a": 1}}"#);
        let earlier = Earlier {
            waited_ms: 70,
            ..Earlier::default()
        };
        let text: Value = serde_json::from_str(&message.text(earlier)).unwrap();
        assert_eq!(text["waitedMs"], 70);
        assert_eq!(text.get("redeliveryCount"), None);
        assert_eq!(text["properties"], json!({"a": 1}));
        let topic = "demo".parse().unwrap();
        let frames = message.link_frames(&topic, earlier);
        let (header, payload) = frames.read().unwrap();
        assert_eq!((header.waited_ms, header.redelivery_count), (70, 0));
        assert_eq!(payload, "5");
    }

    proptest! {
        #[test]
        fn no_frame_panics_and_accepted_frames_stay_json(text in "[{}\\[\\]\",:a1 \\\\]{0,24}|\\PC*") {
            if let Ok(fields) = Frame::parse(&text).fields {
                let message = message(&text);
                let text = message.text(Earlier::default());
                prop_assert_eq!(super::fields(&text), fields.text);
                prop_assert!(serde_json::from_str::<IgnoredAny>(&message.text(Earlier::default())).is_ok());
                prop_assert_eq!(message.text(Earlier::default()).len(), message.size());
            }
        }
    }
}
