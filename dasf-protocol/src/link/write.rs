//! Writes frames.

use std::cell::Cell;
use std::{iter, option};

use bytes::Bytes;

use super::{Header, LENGTH_SIZE, LinkError, PAYLOAD_FOLLOWS};
use crate::payload::keep_memory;
use crate::{Properties, json};

/// The size from which a payload is a frame of its own.
const LARGE: usize = 64 << 10;

/// Returns the frames that publish a message: one, or two if the payload is large.
///
/// ```
/// use dasf_protocol::{Properties, link};
///
/// let properties = Properties::new().with("status", "success");
/// let frame = link::publish("demo", "7", &properties, &"[1]".into()).into_iter().next().unwrap();
/// let (header, payload) = link::Header::read(&frame)?;
/// assert_eq!(header.properties.map(|it| it.get()), Some(r#"{"status":"success"}"#));
/// assert_eq!(&*payload, b"[1]");
/// # Ok::<(), link::LinkError>(())
/// ```
pub fn publish(topic: &str, context: &str, properties: &Properties, payload: &Bytes) -> Frames {
    write_apart(payload, |json| {
        json.extend_from_slice(b"{\"type\":\"publish\",\"topic\":");
        json::push_text(json, topic);
        json.extend_from_slice(b",\"context\":");
        json::push_text(json, context);
        json.extend_from_slice(b",\"properties\":");
        properties.write_json(json);
        json.push(b'}');
    })
}

/// The frames of one message: one, or two if the payload is large.
#[derive(Debug, Clone)]
pub struct Frames {
    /// The header, and the payload if it is not large.
    pub first: Bytes,
    /// A large payload.
    pub payload: Option<Bytes>,
}

impl Frames {
    /// Returns the number of bytes of the frames.
    pub fn size(&self) -> usize {
        self.first.len() + self.payload.as_ref().map_or(0, Bytes::len)
    }

    /// Reads the header and the payload.
    ///
    /// # Errors
    ///
    /// See [`Header::read`].
    pub fn read(&self) -> Result<(Header<'_>, Bytes), LinkError> {
        let (header, payload) = Header::read(&self.first)?;
        Ok((header, self.payload.clone().unwrap_or(payload)))
    }
}

impl IntoIterator for Frames {
    type Item = Bytes;
    type IntoIter = iter::Chain<iter::Once<Bytes>, option::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self.first).chain(self.payload)
    }
}

impl From<Bytes> for Frames {
    fn from(frame: Bytes) -> Self {
        Self {
            first: frame,
            payload: None,
        }
    }
}

/// A message that the broker delivers on a link.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The number of the message in the broker.
    pub number: u64,
    /// How often it was delivered before.
    pub redelivery_count: u32,
    /// How often a consumer has begun to work on it after a redelivery, and did not finish.
    pub begun_count: Option<u32>,
    /// How long it has waited in the broker, in milliseconds.
    pub waited_ms: u64,
    /// The context as JSON.
    pub context: Option<&'a str>,
    /// The properties as JSON, an object.
    pub properties: Option<&'a str>,
    /// The payload.
    pub payload: &'a Bytes,
}

impl Message<'_> {
    /// Returns the frames that deliver the message: one, or two if the payload is large.
    ///
    /// ```
    /// use dasf_protocol::link::{Header, Message};
    ///
    /// let message = Message {
    ///     topic: "demo",
    ///     number: 7,
    ///     redelivery_count: 0,
    ///     begun_count: None,
    ///     waited_ms: 0,
    ///     context: Some("1"),
    ///     properties: Some(r#"{"status":"success"}"#),
    ///     payload: &"[1]".into(),
    /// };
    /// let frame = message.frames().into_iter().next().unwrap();
    /// let (header, payload) = Header::read(&frame)?;
    /// assert_eq!((&*header.topic, header.message, &*payload), ("demo", Some(7), &b"[1]"[..]));
    /// # Ok::<(), dasf_protocol::link::LinkError>(())
    /// ```
    pub fn frames(&self) -> Frames {
        write_apart(self.payload, |json| {
            json.extend_from_slice(b"{\"type\":\"message\",\"topic\":");
            json::push_text(json, self.topic);
            json.extend_from_slice(b",\"message\":");
            json::push(json, &self.number);
            if self.redelivery_count > 0 {
                json.extend_from_slice(b",\"redeliveryCount\":");
                json::push(json, &self.redelivery_count);
            }
            if let Some(begun_count) = self.begun_count {
                json.extend_from_slice(b",\"begunCount\":");
                json::push(json, &begun_count);
            }
            if self.waited_ms > 0 {
                json.extend_from_slice(b",\"waitedMs\":");
                json::push(json, &self.waited_ms);
            }
            for (name, value) in [
                (&b",\"context\":"[..], self.context),
                (b",\"properties\":", self.properties),
            ] {
                if let Some(value) = value {
                    json.extend_from_slice(name);
                    json.extend_from_slice(value.as_bytes());
                }
            }
            json.push(b'}');
        })
    }
}

impl<'a> Header<'a> {
    /// Returns the frame with this header and a payload.
    pub fn frame(&self, payload: &[u8]) -> Bytes {
        frame(payload, |json| json::push(json, self))
    }
}

/// Returns a frame with a payload, or two frames if the payload is large.
fn write_apart(payload: &Bytes, write_header: impl FnOnce(&mut Vec<u8>)) -> Frames {
    if payload.len() < LARGE {
        return frame(payload, write_header).into();
    }
    keep_memory();
    Frames {
        first: write_flagged(PAYLOAD_FOLLOWS, b"", write_header),
        payload: Some(payload.clone()),
    }
}

/// Returns a frame with a header and a payload.
fn frame(payload: &[u8], write_header: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    write_flagged(0, payload, write_header)
}

/// Returns a frame in memory of exactly its size.
fn write_flagged(flag: u32, payload: &[u8], write_header: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    /// The memory that a thread keeps for its headers.
    const HEADER_SIZE: usize = 1024;
    thread_local! {
        static HEADER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // At the end of a thread, its memory is gone.
    let mut header = HEADER.try_with(Cell::take).unwrap_or_default();
    header.reserve(HEADER_SIZE);
    write_header(&mut header);
    let frame = join(flag, &header, payload);
    if header.capacity() <= HEADER_SIZE {
        header.clear();
        let _ = HEADER.try_with(|kept| kept.set(header));
    }
    frame
}

/// Returns a frame with a header that is written already.
pub(super) fn join(flag: u32, header: &[u8], payload: &[u8]) -> Bytes {
    // A header of 4 GiB would not be accepted by any broker.
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(LENGTH_SIZE + header.len() + payload.len());
    frame.extend_from_slice(&(length | flag).to_be_bytes());
    frame.extend_from_slice(header);
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::link::{FrameKind, Joiner};

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

    proptest! {
        #[test]
        fn a_message_is_written_like_its_header(
            topic in "[a-z]{1,9}|.+",
            number: u64,
            redelivery_count in prop_oneof![Just(0), any::<u32>()],
            begun_count in prop::option::of(any::<u32>()),
            waited_ms in prop_oneof![Just(0), any::<u64>()],
            context in prop::option::of(".*"),
            properties in prop::option::of(".*"),
        ) {
            let context = context.map(|it| serde_json::to_string(&it).unwrap());
            let properties = properties.map(|it| serde_json::json!({"a": it, "b": [1]}).to_string());
            let message = Message {
                topic: &topic,
                number,
                redelivery_count,
                begun_count,
                waited_ms,
                context: context.as_deref(),
                properties: properties.as_deref(),
                payload: &"[1]".into(),
            };
            let raw = |json: &Option<String>| {
                json.clone().map(|json| RawValue::from_string(json).unwrap())
            };
            let (context, properties) = (raw(&context), raw(&properties));
            let header = Header {
                topic: topic.as_str().into(),
                message: Some(number),
                redelivery_count,
                begun_count,
                waited_ms,
                context: context.as_deref(),
                properties: properties.as_deref(),
                ..Header::new(FrameKind::Message)
            };
            let frames: Vec<_> = message.frames().into_iter().collect();
            prop_assert_eq!(frames, [header.frame(b"[1]")]);
        }

        #[test]
        fn the_payload_of_a_message_comes_back(size in 0..2 * LARGE, number in any::<u64>()) {
            let payload = Bytes::from(vec![7; size]);
            let message = Message {
                topic: "demo",
                number,
                redelivery_count: 0,
                begun_count: None,
                waited_ms: 0,
                context: None,
                properties: Some("{}"),
                payload: &payload,
            };
            let mut joiner = Joiner::default();
            let frames = message.frames().into_iter().chain(message.frames());
            let joined: Vec<_> = frames.filter_map(|frame| joiner.join(frame)).collect();
            prop_assert_eq!(joined.len(), 2);
            for (frame, apart) in joined {
                let (header, rest) = Header::read(&frame).unwrap();
                prop_assert_eq!(header.message, Some(number));
                prop_assert_eq!(apart.is_some(), size >= LARGE);
                prop_assert_eq!(apart.unwrap_or(rest), &payload);
            }
        }
    }
}
