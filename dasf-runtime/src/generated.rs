//! The parts of generated clients.
//!
//! A file of `dasf generate --lang rust` needs only the crate `dasf`, and so does the expansion of
//! [`dasf::client!`]. Everything that they use is in this module. Other code does not need it. A
//! generated file works with the version of `dasf` for which it was generated, and with compatible
//! versions.
//!
//! [`dasf::client!`]: https://docs.rs/dasf/latest/dasf/macro.client.html

use std::collections::BTreeMap;
use std::fmt::Display;

pub use crate::client::{Async, Blocking, Call, Instance, Mode};
pub use crate::{__call as call, __client as client, __instance as instance};
use dasf_pattern::to_rust;
use regex::Regex;
use serde::de::{DeserializeOwned, Error as _};
pub use serde::{self, Deserialize, Deserializer, Serialize};
pub use serde_json::Value;

/// Below this number, `f64` represents every integer exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a value of a union, as the type that keeps the most of it. If several types keep the same,
/// reads it as the first of them. The first type that accepts the value is not always right,
/// because it may ignore a part of the value.
///
/// # Errors
/// When no type accepts the value.
pub fn one_of<'de, D, T>(
    deserializer: D,
    readers: &[fn(Value) -> serde_json::Result<T>],
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Serialize,
{
    let value = Value::deserialize(deserializer)?;
    let whole = size(&value);
    let mut best: Option<(usize, T)> = None;
    for read in readers {
        let Ok(read) = read(value.clone()) else {
            continue;
        };
        let kept = serde_json::to_value(&read).map_or(0, |read| kept(&value, &read));
        if kept == whole {
            return Ok(read);
        }
        if best.as_ref().is_none_or(|(most, _)| kept > *most) {
            best = Some((kept, read));
        }
    }
    let best = best.map(|(_, read)| read);
    best.ok_or_else(|| {
        let value = excerpt(&value);
        D::Error::custom(format_args!("{value} has none of the allowed types"))
    })
}

/// The greatest length of a value in an error, in characters.
const MAX_EXCERPT: usize = 100;

/// Returns the beginning of a value, which is enough to recognize its variant.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Reads a value that must be one of the known values.
///
/// # Errors
/// When the value is not one of them.
pub fn one_value_of<'de, D, T>(deserializer: D, values: &[T]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialEq + Display,
{
    let value = T::deserialize(deserializer)?;
    if values.contains(&value) {
        return Ok(value);
    }
    let known: Vec<String> = values.iter().map(T::to_string).collect();
    let known = known.join(", ");
    Err(D::Error::custom(format_args!(
        "{value} is not one of {known}"
    )))
}

/// Reads a string that must not be one of the known strings.
///
/// # Errors
/// When the string is one of them.
pub fn text_besides<'de, D>(deserializer: D, known: &[&str]) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if known.contains(&text.as_str()) {
        let message = format_args!("{text:?} must have the form of its variant");
        return Err(D::Error::custom(message));
    }
    Ok(text)
}

/// The names of the properties with a certain type, if the module does not describe other
/// properties.
#[derive(Debug)]
pub struct Names {
    /// The valid expressions.
    patterns: Vec<Regex>,
    /// Whether all expressions are valid.
    are_all: bool,
}

impl Names {
    /// Creates the names that match one of these regular expressions of JSON Schema.
    pub fn new(patterns: &[&str]) -> Self {
        let compile = |pattern: &&str| Regex::new(&to_rust(pattern).ok()?).ok();
        let compiled: Vec<Regex> = patterns.iter().filter_map(compile).collect();
        Self {
            are_all: compiled.len() == patterns.len(),
            patterns: compiled,
        }
    }

    /// Reads the properties of an object with such names, and ignores others, for example those of
    /// a newer module.
    ///
    /// An invalid expression may match any other name. Then a property with another name is read if
    /// its value has the type, and ignored otherwise.
    ///
    /// # Errors
    /// When the value is not an object, or one of the properties does not have the type.
    pub fn read<'de, D, T>(&self, deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
    where
        D: Deserializer<'de>,
        T: DeserializeOwned,
    {
        let mut read = BTreeMap::new();
        for (name, value) in BTreeMap::<String, Value>::deserialize(deserializer)? {
            let has_name = self.patterns.iter().any(|pattern| pattern.is_match(&name));
            if self.are_all && !has_name {
                continue;
            }
            match from_value(value) {
                Ok(value) => drop(read.insert(name, value)),
                Err(error) if has_name => {
                    return Err(D::Error::custom(format_args!("{name:?}: {error}")));
                }
                Err(_) => {}
            }
        }
        Ok(read)
    }
}

/// Reads a value as the type of a variant.
///
/// # Errors
/// When the value does not have the type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    serde_json::from_value(value)
}

/// Reads a default of the API description. Returns `None` if it does not have its own type.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// Returns the size of a value: one for itself, and the size of all that it contains.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(values) => values.values().map(size).sum(),
        _ => 0,
    }
}

/// Returns how much of a value was kept when it was read.
fn kept(value: &Value, read: &Value) -> usize {
    match (value, read) {
        (Value::Array(values), Value::Array(read)) => {
            1 + values
                .iter()
                .zip(read)
                .map(|(value, read)| kept(value, read))
                .sum::<usize>()
        }
        (Value::Object(values), Value::Object(read)) => {
            let kept = |(name, value): (&String, &Value)| Some(kept(value, read.get(name)?));
            1 + values.iter().filter_map(kept).sum::<usize>()
        }
        (Value::Number(value), Value::Number(read)) => {
            // `1` and `1.0` are one number in JSON.
            let are_equal = value == read
                || (value.is_f64() != read.is_f64()
                    && value.as_f64() == read.as_f64()
                    && value
                        .as_f64()
                        .is_some_and(|number| number.abs() < MAX_EXACT));
            usize::from(are_equal)
        }
        (value, read) => usize::from(value == read),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Base {
        x: i64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Derived {
        x: i64,
        #[serde(default)]
        y: i64,
    }

    #[derive(Debug, PartialEq, Serialize)]
    #[serde(untagged)]
    enum Any {
        Base(Base),
        Derived(Derived),
        Number(f64),
        Integer(i64),
        List(Vec<Option<bool>>),
    }

    impl<'de> Deserialize<'de> for Any {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            one_of(
                deserializer,
                &[
                    |value| from_value(value).map(Self::Base),
                    |value| from_value(value).map(Self::Derived),
                    |value| from_value(value).map(Self::Number),
                    |value| from_value(value).map(Self::Integer),
                    |value| from_value(value).map(Self::List),
                ],
            )
        }
    }

    #[test]
    fn the_type_that_keeps_the_most_is_chosen() {
        for (value, expected) in [
            (json!({"x": 1}), Any::Base(Base { x: 1 })),
            (
                json!({"x": 1, "y": 2}),
                Any::Derived(Derived { x: 1, y: 2 }),
            ),
            (json!({"x": 1, "z": 2}), Any::Base(Base { x: 1 })),
            (json!(1), Any::Number(1.0)),
            (json!(0.5), Any::Number(0.5)),
            (
                json!(9_007_199_254_740_993_i64),
                Any::Integer(9_007_199_254_740_993),
            ),
            (json!([true, null]), Any::List(vec![Some(true), None])),
        ] {
            assert_eq!(serde_json::from_value::<Any>(value).unwrap(), expected);
        }
        let error = serde_json::from_value::<Any>(json!("text")).unwrap_err();
        assert_eq!(error.to_string(), "\"text\" has none of the allowed types");
        let error = serde_json::from_value::<Any>(json!(["ä".repeat(200)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("[\"{}… has none of the allowed types", "ä".repeat(98))
        );
    }

    #[test]
    fn properties_with_such_names_are_read() {
        let names = Names::new(&["^[0-9]+$", "^x_"]);
        let read = |value: Value| names.read::<_, f64>(value);
        let value = json!({"2001": 0.5, "x_": 1, "unit": "m", "rate": 2});
        let expected = [("2001".to_owned(), 0.5), ("x_".to_owned(), 1.0)];
        assert_eq!(read(value).unwrap(), BTreeMap::from(expected));
        let error = read(json!({"2001": "much"})).unwrap_err().to_string();
        assert!(error.starts_with("\"2001\": invalid type"), "{error}");
        assert!(read(json!([])).is_err());
        let digits = Names::new(&[r"^\d$"]);
        let value = json!({"1": 1, "٣": 3});
        let expected = BTreeMap::from([("1".to_owned(), 1)]);
        assert_eq!(digits.read::<_, i64>(value).unwrap(), expected);
    }

    #[test]
    fn an_invalid_expression_rejects_nothing() {
        let names = Names::new(&["(?=a)", "^x_"]);
        let read = |value: Value| names.read::<_, f64>(value);
        let value = json!({"a": 0.5, "x_": 1, "unit": "m"});
        let expected = [("a".to_owned(), 0.5), ("x_".to_owned(), 1.0)];
        assert_eq!(read(value).unwrap(), BTreeMap::from(expected));
        let error = read(json!({"x_": "much"})).unwrap_err().to_string();
        assert!(error.starts_with("\"x_\": invalid type"), "{error}");
    }

    #[test]
    fn only_properties_of_such_names_are_read_as_the_type() {
        static READ: AtomicUsize = AtomicUsize::new(0);
        struct Counted;
        impl<'de> Deserialize<'de> for Counted {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                READ.fetch_add(1, Ordering::SeqCst);
                serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }
        let value = json!({"a": 1, "b": 2, "x_": 3});
        let read = Names::new(&["^x_"]).read::<_, Counted>(value).unwrap();
        assert_eq!((read.len(), READ.load(Ordering::SeqCst)), (1, 1));
    }

    #[test]
    fn values_and_strings_are_compared() {
        assert_eq!(one_value_of(json!(1), &[1, 2]).unwrap(), 1);
        let error = one_value_of(json!(3), &[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "3 is not one of 1, 2");
        assert!(one_value_of(json!("x"), &[true]).is_err());
        assert_eq!(text_besides(json!("a"), &["b"]).unwrap(), "a");
        let error = text_besides(json!("b"), &["b"]).unwrap_err();
        assert_eq!(error.to_string(), "\"b\" must have the form of its variant");
    }

    #[test]
    fn an_invalid_default_is_none() {
        assert_eq!(from_json::<Vec<i64>>("[1]"), Some(vec![1]));
        assert_eq!(from_json::<Vec<i64>>("1"), None);
    }
}
