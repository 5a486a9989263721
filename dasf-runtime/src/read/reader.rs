//! A deserializer around that of `serde_json`, which reads values by the rules of JSON Schema.
//!
//! It reads whole floats as integers, with all digits. Where serde keeps JSON until it knows the
//! type, the deserializer follows its [`Guide`], if it has one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, MapDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use serde_json::value::RawValue;

use super::entries::{Entries, Text};
use super::guide::Guide;
use super::number::Whole;

/// Reads one value.
pub(super) struct Reader<'s, D> {
    inner: D,
    guide: Guide<'s>,
    /// A key to add after the keys of the object.
    last_key: Option<&'static str>,
    /// The text of the value, if its ends are known.
    text: Option<&'s str>,
}

impl<'s, D> Reader<'s, D> {
    pub(super) fn new(inner: D, guide: Guide<'s>) -> Self {
        Self {
            inner,
            guide,
            last_key: None,
            text: None,
        }
    }

    /// Reads a value with a guide. If `text` is given, it is the whole value, which is known to be JSON, and
    /// what `inner` reads. Then an integer is read at once, without another search for its end.
    pub(super) fn of_value(inner: D, text: Option<&'s str>, guide: Guide<'s>) -> Self {
        Self {
            text,
            ..Self::new(inner, guide)
        }
    }

    fn around<V>(self, visitor: V) -> (D, Reader<'s, V>) {
        let Self {
            inner,
            guide,
            last_key,
            ..
        } = self;
        let visitor = Reader {
            inner: visitor,
            guide,
            last_key,
            text: None,
        };
        (inner, visitor)
    }
}

/// Calls a method of `serde_json`, with a [`Reader`] for the content of the value.
macro_rules! around {
    ($self:ident.$method:ident($($argument:expr),*; $visitor:ident)) => {{
        let (inner, visitor) = $self.around($visitor);
        inner.$method($($argument,)* visitor)
    }};
}

/// Methods for integers of at most 64 bits, or of 128 bits.
macro_rules! integers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let raw = match self.text {
                Some(text) => text,
                None => <&RawValue>::deserialize(self.inner)?.get(),
            };
            let visitor = match Whole::parse(raw) {
                Some(whole) => match whole.$visit(visitor) {
                    Ok(visited) => return visited,
                    Err(visitor) => visitor,
                },
                None => visitor,
            };
            // It is not an integer of this size, and `serde_json` reports the error.
            let mut text = serde_json::Deserializer::from_str(raw);
            text.deserialize_any(visitor).map_err(|error| converted(&error))
        }
    )*};
}

/// Methods for values without content.
macro_rules! plain {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, 's: 'de, D: Deserializer<'de>> Deserializer<'de> for Reader<'s, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.guide.is_integer() {
            self.guide.note_cut();
            return self.deserialize_i64(visitor);
        }
        if self.guide.is_object() {
            return self.deserialize_map(visitor);
        }
        around!(self.deserialize_any(; visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.guide.is_object() {
            return around!(self.deserialize_map(; visitor));
        }
        let Entries(mut entries) = Entries::deserialize(self.inner)?;
        self.guide
            .spend(entries.iter().map(|(_, value)| value.get().len()).sum());
        // If a key comes twice, the last one counts, as in the check of the schema.
        let mut seen = HashSet::new();
        entries.reverse();
        entries.retain(|(key, _)| seen.insert(key.clone()));
        entries.reverse();
        // When serde knows the tag, it knows the types of the other entries.
        let tag = self.guide.tag();
        if let Some(index) = entries.iter().position(|(key, _)| Some(&**key) == tag) {
            entries[..=index].rotate_right(1);
        }
        let entries = MapDeserializer::new(entries.into_iter());
        let mut entries = Parts::new(entries, self.guide);
        entries.last_key = self.last_key;
        visitor
            .visit_map(entries)
            .map_err(|error| converted(&error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.last_key = self.guide.note_fields(name, fields);
        if self.guide.is_object() {
            return self.deserialize_map(visitor);
        }
        around!(self.deserialize_struct(name, fields; visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        around!(self.deserialize_option(; visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        around!(self.deserialize_newtype_struct(name; visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        around!(self.deserialize_seq(; visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        around!(self.deserialize_tuple(len; visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        around!(self.deserialize_tuple_struct(name, len; visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        around!(self.deserialize_enum(name, variants; visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    integers! {
        deserialize_i8 visit deserialize_i16 visit deserialize_i32 visit deserialize_i64 visit
        deserialize_u8 visit deserialize_u16 visit deserialize_u32 visit deserialize_u64 visit
        deserialize_i128 visit_wide deserialize_u128 visit_wide
    }

    plain! {
        deserialize_bool deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }
}

/// Methods that pass a value on unchanged.
macro_rules! taken {
    ($($method:ident($value:ty))*) => {$(
        fn $method<E: serde::de::Error>(self, value: $value) -> Result<Self::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

/// As a visitor, a reader passes its guide to the content of the value.
impl<'de, 's: 'de, V: Visitor<'de>> Visitor<'de> for Reader<'s, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    taken! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128)
        visit_f64(f64) visit_char(char) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8])
        visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        self.inner.visit_some(Reader::new(value, self.guide))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        self.inner
            .visit_newtype_struct(Reader::new(value, self.guide))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.inner.visit_seq(Parts::new(items, self.guide))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let mut entries = Parts::new(entries, self.guide);
        entries.last_key = self.last_key;
        self.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<Self::Value, A::Error> {
        self.inner.visit_enum(Parts::new(variant, self.guide))
    }
}

/// The parts of a value: its items, its entries, or its variant with the content.
struct Parts<'s, A> {
    inner: A,
    guide: Guide<'s>,
    /// The number of items read so far.
    count: usize,
    /// The guide for the value of the last key.
    value: Guide<'s>,
    /// A key to add after the keys of the object.
    last_key: Option<&'static str>,
    /// Whether the last key was the added one.
    has_no_value: bool,
}

impl<'s, A> Parts<'s, A> {
    fn new(inner: A, guide: Guide<'s>) -> Self {
        Self {
            inner,
            guide,
            count: 0,
            value: Guide::default(),
            last_key: None,
            has_no_value: false,
        }
    }
}

impl<'de, 's: 'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<'s, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let guide = self.guide.item(self.count);
        self.count += 1;
        self.inner.next_element_seed(Reader::new(seed, guide))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 's: 'de, A: MapAccess<'de>> MapAccess<'de> for Parts<'s, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        if !self.guide.is_known() {
            return self.inner.next_key_seed(seed);
        }
        let text = match self.inner.next_key_seed(Text)? {
            Some(text) => text,
            None => match self.last_key.take() {
                Some(key) => {
                    self.has_no_value = true;
                    key.into()
                }
                None => return Ok(None),
            },
        };
        let (key, value) = Key::new(text, &self.guide);
        self.value = value;
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| converted(&error))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        if self.has_no_value {
            return seed
                .deserialize(Value::Null)
                .map_err(|error| converted(&error));
        }
        let guide = std::mem::take(&mut self.value);
        self.inner.next_value_seed(Reader::new(seed, guide))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 's: 'de, A: EnumAccess<'de>> EnumAccess<'de> for Parts<'s, A> {
    type Error = A::Error;
    type Variant = Parts<'s, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        if !self.guide.is_known() {
            let (variant, content) = self.inner.variant_seed(seed)?;
            return Ok((variant, Parts::new(content, Guide::default())));
        }
        let (text, content) = self.inner.variant_seed(Text)?;
        let (key, guide) = Key::new(text, &self.guide);
        let variant = seed.deserialize(key).map_err(|error| converted(&error))?;
        Ok((variant, Parts::new(content, guide)))
    }
}

impl<'de, 's: 'de, A: VariantAccess<'de>> VariantAccess<'de> for Parts<'s, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner
            .newtype_variant_seed(Reader::new(seed, self.guide))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(len, Reader::new(visitor, self.guide))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = Reader::new(visitor, self.guide);
        self.inner.struct_variant(fields, visitor)
    }
}

impl<'de, 's: 'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Reader<'s, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Reader::new(value, self.guide))
    }
}

/// A key of an object, read as the key type of the map. All keys in JSON are strings.
struct Key<'de> {
    text: Cow<'de, str>,
    is_integer: bool,
}

impl<'de> Key<'de> {
    /// Returns a key, and the guide for its value.
    fn new<'s>(text: Cow<'de, str>, object: &Guide<'s>) -> (Self, Guide<'s>) {
        let value = object.property(&text);
        let is_integer = object.has_integer_key(&text);
        (Self { text, is_integer }, value)
    }
}

/// Methods for keys that are integers.
macro_rules! integer_keys {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
            let visitor = match Whole::parse(&self.text) {
                Some(whole) => match whole.$visit(visitor) {
                    Ok(visited) => return visited,
                    Err(visitor) => visitor,
                },
                None => visitor,
            };
            self.deserialize_str(visitor)
        }
    )*};
}

/// Methods for keys that are floats.
macro_rules! number_keys {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
            match serde_json::from_str(&self.text) {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => self.deserialize_str(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        if self.is_integer {
            self.deserialize_i64(visitor)
        } else {
            self.deserialize_str(visitor)
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        CowStrDeserializer::new(self.text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match &*self.text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => self.deserialize_str(visitor),
        }
    }

    integer_keys! {
        deserialize_i8 visit deserialize_i16 visit deserialize_i32 visit deserialize_i64 visit
        deserialize_u8 visit deserialize_u16 visit deserialize_u32 visit deserialize_u64 visit
        deserialize_i128 visit_wide deserialize_u128 visit_wide
    }

    number_keys! { deserialize_f32 deserialize_f64 }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Converts the error of another deserializer.
fn converted<E: Error>(error: &serde_json::Error) -> E {
    E::custom(message(error))
}

/// Returns the message of an error without line and column, which mean nothing to the caller.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(message) => message.to_owned(),
        None => text,
    }
}
