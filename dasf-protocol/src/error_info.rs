//! The code and the details of an error, for programs. The text of the error is for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::properties::{Properties, key};

/// The maximum size of an error's JSON in the properties, in bytes. The properties share a frame
/// with the payload, which contains the error's text, and brokers reject large frames.
pub const MAX_SIZE: usize = 16 << 10;

/// The code and the details of a function's error: the extension `x_dasf_error`.
///
/// The properties of the response contain it as a string of JSON, because some brokers turn every
/// other value into a string.
///
/// ```
/// use dasf_protocol::{ErrorInfo, Properties};
/// use serde_json::json;
///
/// let info = ErrorInfo::new("no_such_station", json!({"name": "x"}));
/// let properties = info.add_to(Properties::new());
/// assert_eq!(ErrorInfo::from_properties(&properties), Some(info));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// The kind of the error, as a word that stays the same.
    pub code: String,
    /// Data about the error, or null.
    #[serde(default)]
    pub details: Value,
}

impl ErrorInfo {
    /// Creates the error with a code and its details, which may be null.
    pub fn new(code: impl Into<String>, details: Value) -> Self {
        Self {
            code: code.into(),
            details,
        }
    }

    /// Adds the error to properties. It omits the details if they make the JSON longer than
    /// [`MAX_SIZE`]. If the code alone is longer, it adds nothing.
    pub fn add_to(&self, properties: Properties) -> Properties {
        let text = |info: &Self| {
            let json = crate::payload::to_json(info).ok()?;
            (json.len() <= MAX_SIZE).then(|| String::from_utf8_lossy(&json).into_owned())
        };
        let without_details = || {
            text(&Self {
                code: self.code.clone(),
                details: Value::Null,
            })
        };
        match text(self).or_else(without_details) {
            Some(text) => properties.with(key::ERROR, text),
            None => properties,
        }
    }

    /// Returns the error in the properties of a response; `None` if there is none or it cannot be
    /// read.
    pub fn from_properties(properties: &Properties) -> Option<Self> {
        let error = properties.get(key::ERROR)?;
        match error.as_str() {
            Some(text) => serde_json::from_str(text).ok(),
            None => serde_json::from_value(error.to_json()).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sent(code: &str, details: Value) -> Option<ErrorInfo> {
        let code = code.to_owned();
        let properties = ErrorInfo { code, details }.add_to(Properties::new());
        ErrorInfo::from_properties(&properties)
    }

    #[test]
    fn an_error_arrives() {
        let info = sent("ä", json!([1, "世"])).unwrap();
        assert_eq!((info.code.as_str(), info.details), ("ä", json!([1, "世"])));
        assert_eq!(sent("a", Value::Null).unwrap().details, Value::Null);
    }

    #[test]
    fn long_details_and_codes_are_left_out() {
        let long = "x".repeat(MAX_SIZE);
        let info = sent("a", json!(long)).unwrap();
        assert_eq!((info.code.as_str(), info.details), ("a", Value::Null));
        assert_eq!(sent(&long, Value::Null), None);
    }

    #[test]
    fn only_an_object_with_a_code_is_read() {
        let read = |value: Value| {
            ErrorInfo::from_properties(&Properties::new().with("x_dasf_error", value))
        };
        assert_eq!(read(json!({"code": "a"})).unwrap().code, "a");
        for other in [json!(1), json!("{"), json!({"code": 1}), json!(null)] {
            assert_eq!(read(other), None);
        }
    }
}
