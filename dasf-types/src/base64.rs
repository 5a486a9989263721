//! Bytes as a base64 string.

#[cfg(feature = "schemars")]
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use std::sync::LazyLock;

use ::base64::engine::general_purpose::GeneralPurposeConfig;
use ::base64::{DecodeError, Engine};
#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The rules of Python's `base64`: padding is required, and the bits left over before it are
/// ignored.
const RULES: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);

/// Uses the vector instructions of the processor, which are several times faster.
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
static ENGINE: LazyLock<::base64::engine::Simd> =
    LazyLock::new(|| ::base64::engine::Simd::standard(RULES));
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
const ENGINE: ::base64::engine::GeneralPurpose =
    ::base64::engine::GeneralPurpose::new(&::base64::alphabet::STANDARD, RULES);

/// Bytes that are a string in JSON. The string is standard base64 with padding, as Python's
/// `base64.b64encode` writes it and pydantic's `Base64Bytes` reads it.
///
/// JSON has no bytes. A plain `Vec<u8>` becomes a list of numbers, which is about three times as
/// long.
///
/// When reading, line breaks and other white space are ignored. Every other character that is not
/// base64 is an error, which reports its position, counted from 0. Python's `base64.b64decode`
/// ignores these characters too, and so reads wrong bytes from a damaged string or from the
/// URL-safe alphabet.
///
/// `T` holds the bytes. It is a `Vec<u8>`, or any other type that can be made from one and read as
/// bytes, for example `bytes::Bytes`.
///
/// ```
/// use dasf_types::Base64;
///
/// fn reversed(image: Base64) -> Base64 {
///     Base64(image.iter().rev().copied().collect())
/// }
///
/// let image: Base64 = serde_json::from_str(r#""AQID""#)?;
/// assert_eq!(*image, [1, 2, 3]);
/// assert_eq!(serde_json::to_string(&reversed(image))?, r#""AwIB""#);
///
/// let shared: Base64<bytes::Bytes> = serde_json::from_str(r#""AQID""#)?;
/// assert_eq!(shared.into_inner(), [1, 2, 3].as_slice());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base64<T = Vec<u8>>(pub T);

impl<T> Base64<T> {
    /// Returns the bytes.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Base64<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Base64<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Base64<T> {
    fn from(bytes: T) -> Self {
        Self(bytes)
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Base64<T> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl<T: AsRef<[u8]>> Serialize for Base64<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Encoded(self.0.as_ref()))
    }
}

impl<'de, T: From<Vec<u8>>> Deserialize<'de> for Base64<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// Writes bytes in base64 without memory for the whole string.
pub(crate) struct Encoded<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Small enough for the cache of a processor. Without an end of a group inside, the parts are
        /// the whole.
        const PART: usize = 3 * 1024;
        let mut text = [0; PART / 3 * 4];
        for part in self.0.chunks(PART) {
            let size = ENGINE.encode_slice(part, &mut text);
            let part = size
                .ok()
                .and_then(|size| str::from_utf8(&text[..size]).ok());
            f.write_str(part.ok_or(fmt::Error)?)?;
        }
        Ok(())
    }
}

/// Reads the string.
struct Text<T>(PhantomData<fn() -> T>);

impl<T: From<Vec<u8>>> Visitor<'_> for Text<T> {
    type Value = Base64<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Base64<T>, E> {
        match decode(text) {
            Ok(bytes) => Ok(Base64(bytes.into())),
            Err(problem) => Err(E::custom(format_args!("not base64: {problem}"))),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Decodes a base64 string, or returns its error.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    // Most strings have no white space.
    let decoded = ENGINE.decode(text).or_else(|error| {
        if !text.bytes().any(is_blank) {
            return Err(error);
        }
        let symbols: Vec<u8> = text.bytes().filter(|&byte| !is_blank(byte)).collect();
        ENGINE.decode(symbols)
    });
    decoded.map_err(|error| match error {
        DecodeError::InvalidByte(index, _)
        | DecodeError::InvalidLastSymbol { offset: index, .. } => {
            // The decoder counts bytes without white space; the error counts characters of the
            // string.
            let characters = text.chars().enumerate();
            let mut symbols = characters
                .filter(|(_, symbol)| !symbol.is_ascii_whitespace())
                .flat_map(|found| std::iter::repeat_n(found, found.1.len_utf8()));
            match symbols.nth(index) {
                Some((place, '=')) => format!("more characters follow the '=' at position {place}"),
                Some((place, symbol)) => format!("{symbol:?} at position {place}"),
                None => error.to_string(),
            }
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => {
            let length = text.bytes().filter(|&byte| !is_blank(byte)).count();
            format!("it is cut off or lacks padding: its length {length} is not a multiple of 4")
        }
    })
}

#[cfg(feature = "schemars")]
impl<T> JsonSchema for Base64<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Base64".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "dasf_types::Base64".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // pydantic writes `format`, and JSON Schema defines `contentEncoding`.
        json_schema!({"type": "string", "format": "base64", "contentEncoding": "base64"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<u8>, String> {
        let json = serde_json::to_string(text).unwrap();
        let read: Result<Base64, _> = serde_json::from_str(&json);
        read.map(Base64::into_inner)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_strings_of_python_are_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("Zm9vYh==", b"foob"),
            ("Zm9v\nYmFy\r\n", b"foobar"),
            (" Zm 9v\t", b"foo"),
            ("+/+/", b"\xfb\xff\xbf"),
        ] {
            assert_eq!(read(text).unwrap(), bytes, "{text:?}");
        }
    }

    #[test]
    fn other_strings_are_refused_with_the_position() {
        for (text, problem) in [
            ("Zm$9", "not base64: '$' at position 2"),
            ("Zm9v\nZm-_", "not base64: '-' at position 7"),
            ("Zmü9", "not base64: 'ü' at position 2"),
            (
                "Zg==Zg==",
                "not base64: more characters follow the '=' at position 2",
            ),
            (
                "Zg",
                "not base64: it is cut off or lacks padding: its length 2 is not a multiple of 4",
            ),
            (
                "Zm9vY",
                "not base64: it is cut off or lacks padding: its length 5 is not a multiple of 4",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(problem), "{text:?}: {error}");
        }
        let error = serde_json::from_str::<Base64>("[1]").unwrap_err();
        assert!(
            error.to_string().contains("expected a string in base64"),
            "{error}"
        );
    }

    #[test]
    fn every_wrong_end_of_a_string_has_a_message() {
        for text in ["Z", "=", "Zg=", "Zg===", "Z===", "====", "=Zg="] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("not base64: "), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_validator_accepts_the_schema() {
        let schema = SchemaGenerator::default().into_root_schema_for::<Base64>();
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft201909)
            .should_validate_formats(true)
            .build(schema.as_value())
            .unwrap();
        assert!(validator.is_valid(&"Zm9v".into()));
        assert!(!validator.is_valid(&1.into()));
    }

    #[test]
    fn long_strings_are_written_in_parts_and_read() {
        for size in [3071, 3072, 3073, 10_000] {
            let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            let json = serde_json::to_string(&Base64(&bytes)).unwrap();
            assert_eq!(json, format!("\"{}\"", ENGINE.encode(&bytes)));
            assert_eq!(read(&ENGINE.encode(&bytes)).unwrap(), bytes);
        }
    }

    proptest! {
        /// The vector instructions have an implementation of their own.
        #[test]
        fn base64_is_that_of_the_scalar_engine(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            position in any::<prop::sample::Index>(),
            other in "[ -~]",
        ) {
            let scalar = ::base64::engine::GeneralPurpose::new(&::base64::alphabet::STANDARD, RULES);
            let mut text = scalar.encode(&bytes);
            prop_assert_eq!(Encoded(&bytes).to_string(), &*text);
            prop_assert_eq!(ENGINE.decode(&text), scalar.decode(&text));
            if !text.is_empty() {
                let position = position.index(text.len());
                text.replace_range(position..=position, &other);
                prop_assert_eq!(ENGINE.decode(&text), scalar.decode(&text));
                text.truncate(position);
                prop_assert_eq!(ENGINE.decode(&text), scalar.decode(&text));
            }
        }

        #[test]
        fn all_bytes_survive(bytes: Vec<u8>) {
            let json = serde_json::to_string(&Base64(&bytes)).unwrap();
            let back: Base64 = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back.0, bytes);
        }

        #[test]
        fn no_string_panics(text: String) {
            let _ = read(&text);
        }
    }
}
