//! Converts requests, results and error texts to payloads, and back.
//!
//! Most brokers carry a payload as text in standard base64, see [`Payload`]. The encodings avoid two
//! faults of the TypeScript client: it decodes received text as Latin-1, and it encodes characters
//! up to U+00FF as Latin-1.
//! Therefore [`to_json`] writes only ASCII, and [`to_text`] reads text that is not UTF-8 as
//! Latin-1.

use std::borrow::Cow;
use std::hint::black_box;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use std::sync::LazyLock;
use std::sync::Once;

use base64::Engine;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

pub use crate::ascii_json::{MAX_DEPTH, append_json, to_json};

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

/// The names of the function in a request.
#[derive(serde::Deserialize)]
struct Names<'a> {
    #[serde(borrow, default)]
    func_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    class_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    function: Option<Method<'a>>,
}

#[derive(serde::Deserialize)]
struct Method<'a> {
    #[serde(borrow, default)]
    func_name: Option<Cow<'a, str>>,
}

/// Returns the name of the function or the method that a request calls, for people. `None` if the bytes are
/// no request, such as those of a fragment.
///
/// ```
/// use dasf_protocol::payload::function_name;
///
/// assert_eq!(function_name(br#"{"func_name": "add", "a": 1}"#).as_deref(), Some("add"));
/// let method = br#"{"class_name": "Greeter", "function": {"func_name": "greet"}}"#;
/// assert_eq!(function_name(method).as_deref(), Some("Greeter.greet"));
/// assert_eq!(function_name(br#"{"func_name": "ad"#), None);
/// ```
pub fn function_name(request: &[u8]) -> Option<String> {
    let text = to_text(request);
    let names: Names<'_> = serde_json::from_str(&text).ok()?;
    let method = names.function.and_then(|function| function.func_name);
    match (names.class_name, method) {
        (Some(class), Some(method)) => Some(format!("{class}.{method}")),
        (Some(class), None) => Some(class.into_owned()),
        (None, _) => names.func_name.map(Cow::into_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn any_payload_can_be_read_as_text(bytes in any::<Vec<u8>>()) {
            let text = to_text(&bytes);
            match std::str::from_utf8(&bytes) {
                Ok(utf8) => prop_assert_eq!(text, utf8),
                Err(_) => prop_assert_eq!(text.chars().count(), bytes.len()),
            }
        }
    }
}
