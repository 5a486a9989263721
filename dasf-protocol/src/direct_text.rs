//! Writes texts as JSON several times faster than `serde_json`, which looks at one byte after the
//! other.

use std::fmt::{self, Display, Write};

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Error;
use serde_json::ser::Compound;

use crate::payload::AsciiFormatter;

type Json<'w> = serde_json::Serializer<&'w mut Vec<u8>, AsciiFormatter>;

/// How many bytes of a text are checked at once. A text with escapes is slow only around them.
const CHUNK: usize = 256;

/// Appends a text as ASCII JSON.
pub(crate) fn push_text(json: &mut Vec<u8>, text: &str) {
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
pub(crate) fn escape(unit: u16) -> [u8; 6] {
    let digit = |shift: u16| b"0123456789abcdef"[usize::from(unit >> shift & 0xf)];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

/// Writes a value that is a text itself, and leaves all other values to `serde_json`.
pub(crate) struct DirectText<'s, 'w> {
    pub(crate) json: &'w mut Vec<u8>,
    /// A place for the other writer.
    pub(crate) other: &'s mut Option<Json<'w>>,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::payload::to_json;

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
    }
}
