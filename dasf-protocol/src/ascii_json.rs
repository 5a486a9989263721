//! Writes values as ASCII JSON. A value that is a text is written several times faster than by
//! `serde_json`, which looks at one byte after the other.

use std::fmt::{self, Display, Write};
use std::io;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Error;
use serde_json::ser::{CompactFormatter, Compound, Formatter};

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

type Json<'w> = serde_json::Serializer<&'w mut Vec<u8>, AsciiFormatter>;

/// How many bytes of a text are checked at once. A text with escapes is slow only around them.
const CHUNK: usize = 256;

/// Appends a text as ASCII JSON.
fn push_text(json: &mut Vec<u8>, text: &str) {
    /// The quotes, and a few bytes that may follow.
    const BESIDE_TEXT: usize = 64;
    json.reserve(text.len() + BESIDE_TEXT);
    json.push(b'"');
    push_contents(json, text);
    json.push(b'"');
}

/// Appends a text without quotes.
fn push_contents(json: &mut Vec<u8>, mut text: &str) {
    while !text.is_empty() {
        let mut end = text.len().min(CHUNK);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let (chunk, rest) = text.split_at(end);
        // Without an early end, the compiler looks at many bytes at once.
        let needs_escapes = chunk.bytes().fold(false, |is_found, byte| {
            is_found | (byte < b' ') | (byte == b'"') | (byte == b'\\') | !byte.is_ascii()
        });
        if needs_escapes {
            push_escaped(json, chunk);
        } else {
            json.extend_from_slice(chunk.as_bytes());
        }
        text = rest;
    }
}

fn push_escaped(json: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        let letter = match character {
            '"' | '\\' => character,
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            ' '..='\u{7f}' => {
                json.extend(u8::try_from(character));
                continue;
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    json.extend_from_slice(&escape(*unit));
                }
                continue;
            }
        };
        json.push(b'\\');
        json.extend(u8::try_from(letter));
    }
}

/// Returns `\uXXXX`.
fn escape(unit: u16) -> [u8; 6] {
    let digit = |shift: u16| b"0123456789abcdef"[usize::from(unit >> shift & 0xf)];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

/// Writes a value that is a text itself, and leaves all other values to `serde_json`.
struct DirectText<'s, 'w> {
    json: &'w mut Vec<u8>,
    /// A place for the other writer.
    other: &'s mut Option<Json<'w>>,
}

impl<'s, 'w> DirectText<'s, 'w> {
    fn other(self) -> &'s mut Json<'w> {
        let json = Json::with_formatter(self.json, AsciiFormatter::default());
        self.other.insert(json)
    }
}

/// Writes values by the methods of `serde_json` with the same names.
macro_rules! others {
    ($($method:ident($($argument:ident: $type:ty),*) -> $result:ident;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::$result, Error> {
            self.other().$method($($argument),*)
        })*
    };
}

impl<'s, 'w> Serializer for DirectText<'s, 'w> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'s, &'w mut Vec<u8>, AsciiFormatter>;
    type SerializeTuple = Self::SerializeSeq;
    type SerializeTupleStruct = Self::SerializeSeq;
    type SerializeTupleVariant = Self::SerializeSeq;
    type SerializeMap = Self::SerializeSeq;
    type SerializeStruct = Self::SerializeSeq;
    type SerializeStructVariant = Self::SerializeSeq;

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        push_text(self.json, text);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        struct Contents<'w>(&'w mut Vec<u8>);

        impl Write for Contents<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                push_contents(self.0, text);
                Ok(())
            }
        }

        self.json.push(b'"');
        let written = write!(Contents(self.json), "{value}");
        self.json.push(b'"');
        written.map_err(Error::custom)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let other = self.other();
        other.serialize_newtype_variant(name, index, variant, value)
    }

    others! {
        serialize_bool(value: bool) -> Ok;
        serialize_i8(value: i8) -> Ok;
        serialize_i16(value: i16) -> Ok;
        serialize_i32(value: i32) -> Ok;
        serialize_i64(value: i64) -> Ok;
        serialize_i128(value: i128) -> Ok;
        serialize_u8(value: u8) -> Ok;
        serialize_u16(value: u16) -> Ok;
        serialize_u32(value: u32) -> Ok;
        serialize_u64(value: u64) -> Ok;
        serialize_u128(value: u128) -> Ok;
        serialize_f32(value: f32) -> Ok;
        serialize_f64(value: f64) -> Ok;
        serialize_char(value: char) -> Ok;
        serialize_bytes(value: &[u8]) -> Ok;
        serialize_none() -> Ok;
        serialize_unit() -> Ok;
        serialize_unit_struct(name: &'static str) -> Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Ok;
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeStructVariant;
    }
}

/// Formats compact JSON in ASCII, with a limit on the depth.
#[derive(Default)]
struct AsciiFormatter {
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    /// Returns what `serde_json` writes, which gets the value inside a list.
    fn by_serde_json<T: Serialize>(value: T) -> String {
        let list = String::from_utf8(to_json(&[value]).unwrap()).unwrap();
        list[1..list.len() - 1].to_owned()
    }

    fn direct<T: Serialize>(value: T) -> String {
        String::from_utf8(to_json(&value).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_written() {
        #[derive(serde::Serialize)]
        struct Unit;
        #[derive(serde::Serialize)]
        struct Wrapped(&'static str);
        #[derive(serde::Serialize)]
        struct Named {
            text: Option<Wrapped>,
        }
        #[derive(serde::Serialize)]
        enum Kind {
            Unit,
            Wrapped(&'static str),
            Tuple(u8, &'static str),
            Named { a: u8 },
        }
        fn check(value: impl Serialize + Copy, json: &str) {
            assert_eq!(direct(value), json);
            assert_eq!(by_serde_json(value), json);
        }
        check(true, "true");
        check((-1_i8, -2_i16, -3_i32, -4_i64), "[-1,-2,-3,-4]");
        check(-1_i128, "-1");
        check(1_u128, "1");
        check(1.5_f32, "1.5");
        check('"', r#""\"""#);
        check((), "null");
        check(None::<u8>, "null");
        check(Some("a"), r#""a""#);
        check(&Unit, "null");
        check(&Wrapped("ü"), r#""\u00fc""#);
        check(
            &Named {
                text: Some(Wrapped("\n")),
            },
            r#"{"text":"\n"}"#,
        );
        check(&Kind::Unit, r#""Unit""#);
        check(&Kind::Wrapped("a"), r#"{"Wrapped":"a"}"#);
        check(&Kind::Tuple(1, "a"), r#"{"Tuple":[1,"a"]}"#);
        check(&Kind::Named { a: 1 }, r#"{"Named":{"a":1}}"#);
        check(&BTreeMap::from([(1, "a")]), r#"{"1":"a"}"#);
        check(&json!({"a": [null]}), r#"{"a":[null]}"#);
    }

    #[test]
    fn a_value_is_written_by_its_display() {
        struct Shown(&'static str);
        impl Serialize for Shown {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{}\"ü", self.0))
            }
        }
        assert_eq!(direct(Shown("a")), r#""a\"\u00fc""#);
        struct Failing;
        impl Display for Failing {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        impl Serialize for Failing {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self)
            }
        }
        assert!(to_json(&Failing).is_err());
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
        fn a_text_is_written_as_serde_json_writes_it(
            text in any::<String>(),
            start in prop::collection::vec("[ -~]", 0..3 * CHUNK),
        ) {
            let long = start.concat() + &text + &start.concat();
            for text in [text, long] {
                prop_assert_eq!(direct(&text), by_serde_json(&text));
            }
        }

        #[test]
        fn every_text_survives_as_ascii(text in any::<String>(), key in any::<String>()) {
            let value = json!({key: [text]});
            let json = to_json(&value).unwrap();
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), value);
        }
    }
}
