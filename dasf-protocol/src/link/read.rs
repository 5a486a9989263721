//! Reads frames.

use bytes::Bytes;

use super::{Header, LENGTH_SIZE, LinkError, PAYLOAD_FOLLOWS, frequent};
use crate::Properties;

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

impl<'a> Header<'a> {
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
    use serde_json::value::RawValue;

    use super::super::{FrameKind, write};
    use super::*;

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
