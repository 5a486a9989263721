//! JSON values in a compact form: a value takes a few bytes for each byte of its text, whatever it is.
//!
//! A [`Value`](serde_json::Value) takes up to 100 times as much as its text. A small request could
//! exhaust the memory of its module.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::number::Number;

/// `serde_json` replaces an object by another value if its first key begins with this.
pub(crate) const PRIVATE_KEY: &str = "$serde_json::private";

/// A JSON value, or a place in a [`Document`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'v> {
    Null,
    Bool(bool),
    Number(Number),
    String(&'v str),
    Array(Items<'v>),
    Object(Fields<'v>),
}

/// The items of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'v> {
    document: &'v Document,
    at: u32,
}

/// The fields of an object. Of a name that comes twice, the last value counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'v> {
    document: &'v Document,
    at: u32,
}

/// A value with all values inside it.
///
/// Each value is a tag in the words, with what the tag needs after it. An array or object contains the
/// number of its values, the position of its end, and then the values. An object ends with the
/// positions of its names, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Document {
    words: Vec<u32>,
    texts: String,
}

/// The words before the first value in an array or object: the tag, the number and the end.
const HEAD: u32 = 3;
/// The words of a string: the tag, and its place in the texts.
const STRING: u32 = 3;

/// The first word of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Null,
    False,
    True,
    /// A small integer, which is in the tag itself.
    Small,
    Unsigned,
    Negative,
    Float,
    String,
    Array,
    Object,
    /// The name of a field that another one of the same name replaces.
    Replaced,
}

impl Tag {
    const BITS: u32 = 4;
    /// The first integer that does not fit into a tag.
    const LIMIT: u64 = 1 << (u32::BITS - Self::BITS);

    fn word(self, small: u32) -> u32 {
        (small << Self::BITS) | self as u32
    }

    fn of(word: u32) -> Self {
        match word & ((1 << Self::BITS) - 1) {
            0 => Self::Null,
            1 => Self::False,
            2 => Self::True,
            3 => Self::Small,
            4 => Self::Unsigned,
            5 => Self::Negative,
            6 => Self::Float,
            7 => Self::String,
            8 => Self::Array,
            9 => Self::Object,
            _ => Self::Replaced,
        }
    }
}

impl Document {
    /// Copies a value.
    ///
    /// # Errors
    /// Fails if the value is too large.
    pub(crate) fn of(value: &Value) -> serde_json::Result<Self> {
        Self::deserialize(value)
    }

    /// Reads a text. Refuses what `serde_json` refuses as a [`Value`].
    ///
    /// # Errors
    /// Fails if the text is not JSON.
    pub(crate) fn from_text(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Reads the items of an array.
    pub(crate) fn of_items<'de, A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        let mut document = Self::default();
        Builder(&mut document).visit_seq(items)?;
        Ok(document)
    }

    /// Reads the fields of an object.
    pub(crate) fn of_fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        let mut document = Self::default();
        Builder(&mut document).visit_map(fields)?;
        Ok(document)
    }

    pub(crate) fn root(&self) -> View<'_> {
        self.view(0)
    }

    /// Returns the bytes that the document takes.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.words.len() * size_of::<u32>() + self.texts.len()
    }

    fn word(&self, at: u32) -> u32 {
        self.words.get(at as usize).copied().unwrap_or_default()
    }

    fn view(&self, at: u32) -> View<'_> {
        let word = self.word(at);
        let wide = || u64::from(self.word(at + 1)) | (u64::from(self.word(at + 2)) << 32);
        match Tag::of(word) {
            Tag::Null | Tag::Replaced => View::Null,
            Tag::False => View::Bool(false),
            Tag::True => View::Bool(true),
            Tag::Small => View::Number(Number::Unsigned(u64::from(word >> Tag::BITS))),
            Tag::Unsigned => View::Number(Number::Unsigned(wide())),
            Tag::Negative => View::Number(Number::Negative(wide().cast_signed())),
            Tag::Float => View::Number(Number::Float(f64::from_bits(wide()))),
            Tag::String => View::String(self.text(at)),
            Tag::Array => View::Array(Items { document: self, at }),
            Tag::Object => View::Object(Fields { document: self, at }),
        }
    }

    /// Returns the position after a value.
    fn after(&self, at: u32) -> u32 {
        match Tag::of(self.word(at)) {
            Tag::Null | Tag::False | Tag::True | Tag::Small => at + 1,
            Tag::Unsigned | Tag::Negative | Tag::Float => at + 3,
            Tag::String | Tag::Replaced => at + STRING,
            Tag::Array | Tag::Object => self.word(at + 2),
        }
    }

    fn text(&self, at: u32) -> &str {
        let range = self.word(at + 1) as usize..self.word(at + 2) as usize;
        self.texts.get(range).unwrap_or_default()
    }

    fn push(&mut self, tag: Tag, wide: u64) {
        let halves = [wide as u32, (wide >> 32) as u32];
        self.words.push(tag.word(0));
        self.words.extend(halves);
    }

    /// Returns the position of the next value.
    fn next<E: Error>(&self) -> Result<u32, E> {
        position(self.words.len())
    }

    fn push_text<E: Error>(&mut self, text: &str) -> Result<(), E> {
        let start = position(self.texts.len())?;
        self.texts.push_str(text);
        let end = position(self.texts.len())?;
        self.words.extend([Tag::String.word(0), start, end]);
        Ok(())
    }

    /// Starts an array or object. Returns its position.
    fn open<E: Error>(&mut self, tag: Tag) -> Result<u32, E> {
        let at = self.next()?;
        self.words.extend([tag.word(0), 0, 0]);
        Ok(at)
    }

    /// Ends an array or object.
    fn close<E: Error>(&mut self, at: u32, count: u32) -> Result<(), E> {
        let end = self.next()?;
        if let Some([_, of_count, of_end]) = self.words.get_mut(at as usize..(at + HEAD) as usize) {
            (*of_count, *of_end) = (count, end);
        }
        Ok(())
    }
}

fn position<E: Error>(length: usize) -> Result<u32, E> {
    u32::try_from(length).map_err(|_| E::custom("the value is too large to be checked"))
}

impl<'v> Items<'v> {
    pub(crate) fn len(self) -> usize {
        self.document.word(self.at + 1) as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = View<'v>> + use<'v> {
        let Self { document, at } = self;
        Positions::inside(document, at, document.word(at + 2)).map(move |at| document.view(at))
    }
}

impl<'v> Fields<'v> {
    pub(crate) fn len(self) -> usize {
        self.document.word(self.at + 1) as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the positions of the names, sorted by name.
    fn sorted(self) -> &'v [u32] {
        let end = self.document.word(self.at + 2) as usize;
        let range = end.saturating_sub(self.len())..end;
        self.document.words.get(range).unwrap_or_default()
    }

    /// Returns the fields in the order of the text.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'v str, View<'v>)> + use<'v> {
        let Self { document, at } = self;
        let end = document.word(at + 2) - document.word(at + 1);
        let mut positions = Positions::inside(document, at, end);
        std::iter::from_fn(move || {
            loop {
                let (name, value) = (positions.next()?, positions.next()?);
                if Tag::of(document.word(name)) == Tag::String {
                    return Some((document.text(name), document.view(value)));
                }
            }
        })
    }

    pub(crate) fn names(self) -> impl Iterator<Item = &'v str> + use<'v> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the field with a name.
    pub(crate) fn find(self, name: &str) -> Option<(&'v str, View<'v>)> {
        let Self { document, .. } = self;
        let sorted = self.sorted();
        let found = sorted.binary_search_by(|&at| document.text(at).cmp(name));
        let at = *sorted.get(found.ok()?)?;
        Some((document.text(at), document.view(at + STRING)))
    }

    pub(crate) fn get(self, name: &str) -> Option<View<'v>> {
        self.find(name).map(|(_, value)| value)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// The positions of the values one after another.
struct Positions<'v> {
    document: &'v Document,
    open: Range<u32>,
}

impl<'v> Positions<'v> {
    fn inside(document: &'v Document, at: u32, end: u32) -> Self {
        Self {
            document,
            open: at + HEAD..end,
        }
    }
}

impl Iterator for Positions<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.open.is_empty() {
            return None;
        }
        let at = self.open.start;
        self.open.start = self.document.after(at);
        Some(at)
    }
}

impl<'v> View<'v> {
    /// Returns what distinguishes an array or object from all others in its document.
    pub(crate) fn identity(self) -> Option<u32> {
        match self {
            Self::Array(Items { at, .. }) | Self::Object(Fields { at, .. }) => Some(at),
            _ => None,
        }
    }
}

/// Writes the JSON text of the value.
impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => Value::from(*text).fmt(f),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write!(f, "{}:{value}", View::String(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let mut document = Self::default();
        Builder(&mut document).deserialize(json)?;
        Ok(document)
    }
}

/// Appends a value to a document.
struct Builder<'d>(&'d mut Document);

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.words.push(Tag::Null.word(0));
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let tag = if value { Tag::True } else { Tag::False };
        self.0.words.push(tag.word(0));
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match u64::try_from(number) {
            Ok(number) => return self.visit_u64(number),
            Err(_) => self.0.push(Tag::Negative, number.cast_unsigned()),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if number < Tag::LIMIT {
            self.0.words.push(Tag::Small.word(number as u32));
        } else {
            self.0.push(Tag::Unsigned, number);
        }
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.push(Tag::Float, number.to_bits());
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push_text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(document) = self;
        let at = document.open(Tag::Array)?;
        let mut count = 0;
        while let Some(()) = items.next_element_seed(Builder(document))? {
            count += 1;
        }
        document.close(at, count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self(document) = self;
        let object = document.open(Tag::Object)?;
        let mut names = Vec::new();
        while let Some(name) = fields.next_key_seed(Name(document))? {
            fields.next_value_seed(Builder(document))?;
            names.push(name);
        }
        // Of the same name, the last one is the last after this, too.
        names.sort_by(|&one, &other| document.text(one).cmp(document.text(other)));
        let mut kept: usize = 0;
        for index in 0..names.len() {
            let last = kept.checked_sub(1).map(|last| names[last]);
            match last.filter(|&last| document.text(last) == document.text(names[index])) {
                Some(replaced) => {
                    if let Some(word) = document.words.get_mut(replaced as usize) {
                        *word = Tag::Replaced.word(0);
                    }
                    names[kept - 1] = names[index];
                }
                None => {
                    names[kept] = names[index];
                    kept += 1;
                }
            }
        }
        names.truncate(kept);
        document.words.extend(&names);
        document.close(object, position(kept)?)
    }
}

/// Appends the name of a field, and returns its position.
struct Name<'d>(&'d mut Document);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<u32, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<u32, E> {
        if name.starts_with(PRIVATE_KEY) {
            // What reads the arguments would replace the object.
            return Err(E::custom(format_args!(
                "no name may begin with {PRIVATE_KEY}"
            )));
        }
        let at = self.0.next()?;
        self.0.push_text(name)?;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_text_that_it_was_read_from() {
        for text in [
            "null",
            "[true,false,0,268435455,268435456,18446744073709551615,-1,-9223372036854775808,0.5,1e300]",
            r#"{"b":[],"a":{"":"\"\u0001ü"},"c":[[1],{}]}"#,
        ] {
            let document = Document::from_text(text).unwrap();
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(document.to_string(), value.to_string());
            assert_eq!(Document::of(&value).unwrap().to_string(), value.to_string());
        }
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_value_counts() {
        let text = r#"{"a": 1, "b": 2, "a": [3], "a": 4}"#;
        let document = Document::from_text(text).unwrap();
        assert_eq!(document.to_string(), r#"{"b":2,"a":4}"#);
        let View::Object(fields) = document.root() else {
            panic!("not an object");
        };
        assert_eq!(fields.len(), 2);
        assert_eq!(fields.get("a").unwrap().to_string(), "4");
        assert!(fields.has("b") && !fields.has("c"));
    }

    #[test]
    fn no_value_takes_many_times_its_text() {
        for item in ["0", "[]", "[0]", "{}", r#""""#, r#"{"":0}"#, "0.5", "-1"] {
            let text = format!("[{}{item}]", format!("{item},").repeat(1000));
            let document = Document::from_text(&text).unwrap();
            let times = document.size() as f64 / text.len() as f64;
            assert!(times < 5.0, "{item}: {times}");
        }
    }
}
