//! The properties that tell who has sent a message.
//!
//! Only the broker writes them. So it refuses a message that comes with one, also if it knows no users:
//! otherwise a message that waits until the broker knows users would seem to come from one of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dasf_protocol::properties::key;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::access::Kind;

/// The error of properties that contain a key that only the broker writes, or may contain one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Forged {
    #[error("the properties contain {0:?}, which only the broker writes; leave it out")]
    Key(&'static str),
    #[error("the properties cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

const KEYS: [&str; 2] = [key::USER, key::GROUPS];

/// Checks that properties, which are a JSON object, contain no key that only the broker writes.
pub(crate) fn check_not_forged(properties: &str) -> Result<(), Forged> {
    if !may_contain_key(properties) {
        return Ok(());
    }
    let mut reader = serde_json::Deserializer::from_str(properties);
    // Readers in other languages may understand a key with half of a surrogate pair, and what follows it.
    match reader.deserialize_map(KeySearch)? {
        Some(key) => Err(Forged::Key(key)),
        None => Ok(()),
    }
}

/// Returns whether properties may contain one of the [`KEYS`]. To read all keys would cost more than all other
/// work for a small message.
fn may_contain_key(properties: &str) -> bool {
    let bytes = properties.as_bytes();
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    // Both names have one of these pairs, and a name has another form only with an escape. Without
    // branches, the processor compares many bytes at a time.
    let found = pairs.fold(0, |found, (&byte, &next)| {
        let is_escape = u8::from(byte == b'\\');
        let is_pair = u8::from(byte == b'_') & (u8::from(next == b'u') | u8::from(next == b'g'));
        found | is_escape | is_pair
    });
    found != 0 && (properties.contains('\\') || KEYS.iter().any(|key| properties.contains(key)))
}

/// Finds the first key that only the broker writes.
struct KeySearch;

impl<'de> Visitor<'de> for KeySearch {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(KnownKey)? {
            map.next_value::<IgnoredAny>()?;
            found = found.or(key);
        }
        Ok(found)
    }
}

/// Recognizes a key.
struct KnownKey;

impl<'de> DeserializeSeed<'de> for KnownKey {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(KEYS.into_iter().find(|known| *known == key))
    }
}

/// Returns properties with a stamp: fields of a JSON object without braces.
pub(crate) fn add(properties: Option<&str>, stamp: &str) -> String {
    let fields = properties
        .and_then(|it| it.strip_prefix('{'))
        .unwrap_or("}");
    let is_empty = fields.trim_ascii_start().starts_with('}');
    let separator = if is_empty { "" } else { "," };
    ["{", stamp, separator, fields].concat()
}

/// Returns properties without what holds only for the first time that a message is published: the time that
/// its caller waits, and that it is published again. `None` if they contain neither.
pub(super) fn without_times(properties: Option<&str>) -> Option<String> {
    const OF_ONE_TIME: [&str; 2] = [key::TIMEOUT_MS, key::REPEATED];
    let mut kept: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(properties?).ok()?;
    let before = kept.len();
    kept.retain(|name, _| !OF_ONE_TIME.contains(&&**name));
    match kept.len() < before {
        true => serde_json::to_string(&kept).ok(),
        false => None,
    }
}

/// Returns the kind of a message with these properties.
pub(crate) fn kind(properties: Option<&str>) -> Kind {
    #[derive(Deserialize)]
    struct Properties<'a> {
        #[serde(rename = "messageType", borrow, default)]
        message_type: Option<Cow<'a, str>>,
    }

    // Properties with two types are an error.
    let read = properties.and_then(|it| serde_json::from_str::<Properties<'_>>(it).ok());
    match read.and_then(|it| it.message_type).as_deref() {
        Some("ping" | "info" | "api_info") => Kind::Question,
        Some("response" | "progress" | "log" | "fetch") | None => Kind::Answer,
        Some("job") => Kind::Note,
        Some(_) => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_forged_key_is_seen_in_any_form() {
        for (properties, expected) in [
            ("{}", None),
            (r#"{"messageType":"request","x_dasf_timeout_ms":60}"#, None),
            (r#"{"a":"x_dasf_user"}"#, None),
            (r#"{"a":{"x_dasf_user":"ada"}}"#, None),
            (
                r#"{"x_dasf_users":1,"my_x_dasf_user":1,"error":"\n"}"#,
                None,
            ),
            (r#"{"x_dasf_user":"ada"}"#, Some(key::USER)),
            (r#"{"x_dasf_user":null}"#, Some(key::USER)),
            (
                r#"{ "a": [1, "}"] , "x_dasf_groups" : [] }"#,
                Some(key::GROUPS),
            ),
            (r#"{"x_dasf_\u0075ser":"ada"}"#, Some(key::USER)),
            (r#"{"\u0078_dasf_groups":"a"}"#, Some(key::GROUPS)),
            (
                r#"{"a":1,"a":2,"x_dasf_user":1,"x_dasf_user":2}"#,
                Some(key::USER),
            ),
        ] {
            let found = match check_not_forged(properties) {
                Ok(()) => None,
                Err(Forged::Key(key)) => Some(key),
                Err(error) => panic!("{properties}: {error}"),
            };
            assert_eq!(found, expected, "{properties}");
        }
        let half = check_not_forged(r#"{"\ud800":1,"x_dasf_user":"ada"}"#);
        assert!(matches!(half, Err(Forged::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn no_key_that_a_reader_takes_for_the_users_passes(
            keys in prop::collection::vec("(x|\\\\u0078)_dasf_(user|gr(o|\\\\u006F)ups|use)|[a-z\\u{e4}]{1,3}", 0..4),
        ) {
            let fields: Vec<_> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
            let properties = format!("{{{}}}", fields.join(","));
            let read: Value = serde_json::from_str(&properties).unwrap();
            let has_key = KEYS.iter().any(|key| read.get(key).is_some());
            prop_assert_eq!(check_not_forged(&properties).is_err(), has_key, "{}", properties);
        }
    }

    #[test]
    fn a_stamp_is_the_first_property() {
        let stamp = r#""x_dasf_user":"ada""#;
        for (properties, rest) in [
            (None, json!({})),
            (Some("{}"), json!({})),
            (Some("{ }"), json!({})),
            (Some(r#"{"a": {"b": "}"}}"#), json!({"a": {"b": "}"}})),
        ] {
            let stamped: Value = serde_json::from_str(&add(properties, stamp)).unwrap();
            let mut stamped = stamped.as_object().unwrap().clone();
            assert_eq!(stamped.remove(key::USER), Some(json!("ada")));
            assert_eq!(Value::Object(stamped), rest);
        }
    }

    #[test]
    fn the_kind_of_a_message_is_its_type() {
        for (properties, expected) in [
            (None, Kind::Answer),
            (Some("{}"), Kind::Answer),
            (Some(r#"{"messageType":"request"}"#), Kind::Other),
            (Some(r#"{"messageType":"pong"}"#), Kind::Other),
            (Some(r#"{"messageType":"job"}"#), Kind::Note),
            (Some(r#"{"messageType":"p\u0069ng"}"#), Kind::Question),
            (Some(r#"{"messageType":"ping"}"#), Kind::Question),
            (Some(r#"{"messageType":"api_info"}"#), Kind::Question),
            (Some(r#"{"messageType":"response"}"#), Kind::Answer),
            (Some(r#"{"messageType":"re\u0073ponse"}"#), Kind::Answer),
            (
                Some(r#"{"messageType":"pong","messageType":"response"}"#),
                Kind::Answer,
            ),
            (Some(r#"{"messageType":7}"#), Kind::Answer),
        ] {
            assert_eq!(kind(properties), expected, "{properties:?}");
        }
    }
}
