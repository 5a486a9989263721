//! Converts requests, results and error texts to payloads, and back.
//!
//! Most brokers carry a payload as text in standard base64, see [`Payload`]. The encodings avoid two
//! faults of the TypeScript client: it decodes received text as Latin-1, and it encodes characters
//! up to U+00FF as Latin-1.
//! Therefore [`to_json`] writes only ASCII, and [`to_text`] reads text that is not UTF-8 as
//! Latin-1.

use std::borrow::Cow;
use std::hint::black_box;
use std::io;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use std::sync::LazyLock;
use std::sync::Once;

use base64::Engine;
use bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::ser::{CompactFormatter, Formatter};

use crate::direct_text::{DirectText, escape};

/// Standard base64 with padding, several times faster with the vector instructions of the processor.
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
pub(crate) static STANDARD: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::standard(base64::engine::general_purpose::PAD));
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
pub(crate) use base64::engine::general_purpose::STANDARD;

/// The reason why a payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The payload is not standard base64.
    #[error("the payload is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

/// A received payload.
///
/// ```
/// use dasf_protocol::payload::Payload;
///
/// assert_eq!(Payload::from_base64("WzFd").into_bytes().unwrap(), "[1]");
/// assert!(Payload::from_base64("WzF").into_bytes().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The bytes.
    Bytes(Bytes),
    /// Text that is not base64 by itself. If it is a fragment, the whole payload may be.
    Base64(String),
}

impl Payload {
    /// Reads base64 text. Text that is not base64 stays as it is.
    pub fn from_base64(text: &str) -> Self {
        match STANDARD.decode(text) {
            Ok(bytes) => Self::Bytes(bytes.into()),
            Err(_) => Self::Base64(text.to_owned()),
        }
    }

    /// Returns the bytes.
    ///
    /// # Errors
    /// Returns [`PayloadError::Base64`] for text that is not standard base64 with padding.
    pub fn into_bytes(self) -> Result<Bytes, PayloadError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Base64(text) => Ok(STANDARD.decode(text)?.into()),
        }
    }

    /// Returns the number of bytes that it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Base64(text) => text.len(),
        }
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Payload {
    /// Returns the payload of a message without one.
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// Reads base64 text in JSON.
impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Payload;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Payload, E> {
                Ok(Payload::from_base64(text))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Makes the process keep memory for its next large payload. Call it before the first one; later calls
/// do nothing.
///
/// The allocator of glibc returns freed memory to the system at once, and each large payload would pay
/// for all pages again: a third of the time of 1 MB there and back. After a block of some size was
/// freed, it keeps up to twice as much for the next ones. This function frees a block that was never
/// used. It has no effect with other allocators.
pub(crate) fn keep_memory() {
    /// Twice as much is enough for a few payloads on their way.
    const SIZE: usize = 16 << 20;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(SIZE))));
}

/// Encodes bytes as the payload of a frame.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes the payload of a frame.
///
/// # Errors
/// Returns [`PayloadError::Base64`] if the payload is not standard base64 with padding.
pub fn decode(payload: &str) -> Result<Vec<u8>, PayloadError> {
    Ok(STANDARD.decode(payload)?)
}

/// Returns the text in a decoded payload. It reads UTF-8, or Latin-1 if the bytes are not UTF-8.
/// This never fails.
///
/// ```
/// use dasf_protocol::payload::to_text;
///
/// assert_eq!(to_text("Grüße".as_bytes()), "Grüße");
/// assert_eq!(to_text(b"Gr\xfc\xdfe"), "Grüße");
/// ```
pub fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// The maximum depth of nested lists and objects. `serde_json` does not read deeper ones.
pub const MAX_DEPTH: usize = 127;

/// Writes a value as ASCII JSON. Other characters become `\uXXXX`, and NaN and infinities become
/// `null`.
///
/// # Errors
/// Returns the errors of the value's `Serialize`. Also fails for map keys that are neither strings
/// nor numbers, and for values nested deeper than [`MAX_DEPTH`], which the peer could not read.
///
/// ```
/// use dasf_protocol::payload::to_json;
///
/// assert_eq!(to_json(&["ä", "🌍"])?, br#"["\u00e4","\ud83c\udf0d"]"#);
/// assert_eq!(to_json(&f64::NAN)?, b"null");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(128);
    append_json(&mut json, value)?;
    Ok(json)
}

/// Appends a value as ASCII JSON, as [`to_json`] writes it.
///
/// # Errors
/// The same as [`to_json`]. A part of the value may be appended.
pub fn append_json<T: Serialize + ?Sized>(
    json: &mut Vec<u8>,
    value: &T,
) -> Result<(), serde_json::Error> {
    let other = &mut None;
    value.serialize(DirectText { json, other })
}

/// Formats compact JSON in ASCII, with a limit on the depth.
#[derive(Default)]
pub(crate) struct AsciiFormatter {
    /// The number of open lists and objects.
    depth: usize,
}

impl AsciiFormatter {
    fn open(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message =
                format!("it has more than {MAX_DEPTH} nested levels, so nobody could read it");
            return Err(io::Error::other(message));
        }
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Formatter for AsciiFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close();
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close();
        CompactFormatter.end_object(writer)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_ascii(writer, fragment)
    }

    /// Raw JSON may contain other characters only in its strings.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Counting is much faster than following the texts.
        if count_brackets(fragment) <= MAX_DEPTH.saturating_sub(self.depth) {
            return write_ascii(writer, fragment);
        }
        let (mut is_text, mut is_escaped) = (false, false);
        for byte in fragment.bytes() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = !is_text,
                b'[' | b'{' if !is_text => self.open()?,
                b']' | b'}' if !is_text => self.close(),
                _ => {}
            }
        }
        write_ascii(writer, fragment)
    }
}

fn write_ascii<W: ?Sized + io::Write>(writer: &mut W, mut fragment: &str) -> io::Result<()> {
    // This looks at many bytes at once.
    if fragment.is_ascii() {
        return writer.write_all(fragment.as_bytes());
    }
    while let Some(start) = fragment.bytes().position(|byte| !byte.is_ascii()) {
        let (ascii, rest) = fragment.split_at(start);
        writer.write_all(ascii.as_bytes())?;
        let mut characters = rest.chars();
        if let Some(character) = characters.next() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                writer.write_all(&escape(*unit))?;
            }
        }
        fragment = characters.as_str();
    }
    writer.write_all(fragment.as_bytes())
}

/// Returns how many lists and objects the JSON has at most.
fn count_brackets(json: &str) -> usize {
    // The sum of such a chunk fits in a byte, so the compiler counts many bytes at once.
    let chunks = json.as_bytes().chunks(usize::from(u8::MAX));
    let count = |chunk: &[u8]| {
        let brackets = chunk.iter().map(|byte| matches!(byte, b'[' | b'{'));
        brackets.map(u8::from).sum::<u8>()
    };
    chunks.map(|chunk| usize::from(count(chunk))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    #[test]
    fn a_bad_payload_is_refused() {
        assert!(matches!(
            decode("not base64!"),
            Err(PayloadError::Base64(_))
        ));
        assert!(matches!(decode("NQ"), Err(PayloadError::Base64(_))));
        assert_eq!(decode("NQ==").unwrap(), b"5");
        assert_eq!(decode("").unwrap(), b"");
    }

    #[test]
    fn control_characters_and_quotes_stay_escaped() {
        let json = to_json("a\u{0}\"\\\n\u{7f}é").unwrap();
        assert_eq!(json, b"\"a\\u0000\\\"\\\\\\n\x7f\\u00e9\"");
    }

    #[test]
    fn json_that_is_written_already_becomes_ascii_with_all_its_digits() {
        let text = r#"{"ä": [265252859812191058636308480000000, 1.50, "🌍\n"]}"#;
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
        let json = String::from_utf8(to_json(&raw).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"\u00e4": [265252859812191058636308480000000, 1.50, "\ud83c\udf0d\n"]}"#
        );
    }

    #[test]
    fn numbers_that_json_does_not_know_are_null() {
        assert_eq!(
            to_json(&[f64::INFINITY, f64::NEG_INFINITY, 1.0]).unwrap(),
            b"[null,null,1.0]"
        );
    }

    #[test]
    fn values_that_nest_too_deeply_are_not_written() {
        let nested = |depth: usize| {
            let value = (1..depth).fold(json!([]), |inner, index| match index % 2 {
                0 => json!([inner, []]),
                _ => json!({"a": {}, "b": inner}),
            });
            to_json(&value)
        };
        let json = nested(MAX_DEPTH).unwrap();
        assert!(serde_json::from_slice::<Value>(&json).is_ok());
        let raw = |json: &str| to_json(&RawValue::from_string(json.to_owned()).unwrap());
        let brackets = |depth: usize| "[".repeat(depth) + r#""\"[[[{""# + &"]".repeat(depth);
        assert!(raw(&brackets(MAX_DEPTH)).is_ok());
        assert!(raw(&format!("[{0},{0}]", brackets(MAX_DEPTH - 1))).is_ok());
        for depth in [MAX_DEPTH + 1, 600] {
            assert!(raw(&brackets(depth)).is_err());
        }
        let error = nested(MAX_DEPTH + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has more than 127 nested levels, so nobody could read it"
        );
    }

    proptest! {
        #[test]
        fn bytes_survive_the_payload(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        /// The vector instructions have an implementation of their own.
        #[test]
        fn base64_is_that_of_the_scalar_engine(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            position in any::<prop::sample::Index>(),
            other in "[ -~]",
        ) {
            use base64::engine::general_purpose::STANDARD as SCALAR;
            let mut text = SCALAR.encode(&bytes);
            prop_assert_eq!(encode(&bytes), &*text);
            prop_assert_eq!(STANDARD.decode(&text), SCALAR.decode(&text));
            if !text.is_empty() {
                let position = position.index(text.len());
                text.replace_range(position..=position, &other);
                prop_assert_eq!(STANDARD.decode(&text), SCALAR.decode(&text));
                text.truncate(position);
                prop_assert_eq!(STANDARD.decode(&text), SCALAR.decode(&text));
            }
        }

        #[test]
        fn every_text_survives_as_ascii(text in any::<String>(), key in any::<String>()) {
            let value = json!({key: [text]});
            let json = to_json(&value).unwrap();
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), value);
        }

        #[test]
        fn any_payload_can_be_read_as_text(bytes in any::<Vec<u8>>()) {
            let text = to_text(&bytes);
            match std::str::from_utf8(&bytes) {
                Ok(utf8) => prop_assert_eq!(text, utf8),
                Err(_) => prop_assert_eq!(text.chars().count(), bytes.len()),
            }
        }
    }
}
