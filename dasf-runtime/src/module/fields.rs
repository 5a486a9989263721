//! The fields of a JSON object, whose values are not parsed.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of a JSON object in their order. The values are not parsed, because a
/// [`Value`](serde_json::Value) keeps only 64 bits of a number.
///
/// ```
/// use dasf_runtime::module::validate::Fields;
///
/// let fields: Fields = serde_json::from_str(r#"{"a": 1.50, "b": []}"#)?;
/// assert_eq!(fields.to_json(), r#"{"a":1.50,"b":[]}"#);
/// assert!(serde_json::from_str::<Fields>(r#"{"a": 1, "a": 2}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Fields(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                let mut names = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !names.insert(name.clone()) {
                        let problem = format!("the argument {name:?} is given twice");
                        return Err(A::Error::custom(problem));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl Fields {
    /// Returns the object as JSON.
    pub fn to_json(&self) -> String {
        let size = |(name, value): &(String, Box<RawValue>)| name.len() + value.get().len() + 4;
        let mut json = String::with_capacity(2 + self.0.iter().map(size).sum::<usize>());
        json.push('{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(raw_text(name).get());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        json
    }
}

/// Returns a text as JSON.
pub(super) fn raw_text(text: &str) -> Box<RawValue> {
    #[allow(clippy::expect_used)] // the message proves that it cannot happen
    serde_json::value::to_raw_value(text).expect("every text is a JSON string")
}
