//! The frames of producers.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::stamp;

/// The error of a frame that is not a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(
        "the frame is not a JSON object ({0}); send {{\"payload\": …, \"context\": …, \"properties\": {{…}}}}"
    )]
    Json(#[from] serde_json::Error),
    #[error(
        "the frame is not a JSON object; send {{\"payload\": …, \"context\": …, \"properties\": {{…}}}}"
    )]
    NotAnObject,
    #[error("properties is not a JSON object; send an object, or leave it out")]
    Properties,
    #[error("the frame contains {0:?}, which the broker adds; leave it out")]
    Reserved(&'static str),
    #[error(transparent)]
    Forged(#[from] stamp::Forged),
}

/// The fields of a frame that the broker reads. Of the payload, it only checks that it is JSON.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    properties: Option<&'a RawValue>,
    #[serde(rename = "messageId", borrow, default, deserialize_with = "present")]
    message_id: Option<&'a RawValue>,
    #[serde(rename = "publishTime", borrow, default, deserialize_with = "present")]
    publish_time: Option<&'a RawValue>,
    #[serde(
        rename = "redeliveryCount",
        borrow,
        default,
        deserialize_with = "present"
    )]
    redelivery_count: Option<&'a RawValue>,
    #[serde(rename = "begunCount", borrow, default, deserialize_with = "present")]
    begun_count: Option<&'a RawValue>,
    #[serde(rename = "waitedMs", borrow, default, deserialize_with = "present")]
    waited_ms: Option<&'a RawValue>,
}

/// Distinguishes `null` from a missing field.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A frame of a producer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// The JSON of `context`; `null` if it is missing.
    pub(crate) context: &'a str,
    /// The fields, or an error.
    pub(crate) fields: Result<Fields<'a>, FrameError>,
}

/// The fields of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// The frame after its opening brace.
    pub(crate) text: &'a str,
    /// The JSON object of the properties, which is a part of the text.
    pub(crate) properties: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Returns the text with a [stamp](super::stamp) in the properties.
    pub(crate) fn stamped(self, stamp: &str) -> Cow<'a, str> {
        let text = self.text;
        if stamp.is_empty() {
            return text.into();
        }
        let stamped = stamp::add(self.properties, stamp);
        let Some(properties) = self.properties else {
            let is_empty = text.trim_ascii_start().starts_with('}');
            let separator = if is_empty { "" } else { "," };
            return ["\"properties\":", &stamped, separator, text]
                .concat()
                .into();
        };
        let start = properties.as_ptr().addr() - text.as_ptr().addr();
        let (before, after) = (&text[..start], &text[start + properties.len()..]);
        [before, &stamped, after].concat().into()
    }
}

#[cfg(test)]
impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Fields<'a> {
    /// Returns fields without properties that somebody has to read.
    fn from(text: &'a T) -> Self {
        let (text, properties) = (text.as_ref(), None);
        Self { text, properties }
    }
}

impl<'a> Frame<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        // The derived code would read the items of an array as the fields.
        let Some(fields) = text.trim_ascii_start().strip_prefix('{') else {
            let error = serde_json::from_str::<IgnoredAny>(text)
                .map_or_else(FrameError::Json, |_| FrameError::NotAnObject);
            return Self {
                context: "null",
                fields: Err(error),
            };
        };
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return Self {
                    context: "null",
                    fields: Err(error.into()),
                };
            }
        };
        let fields = if envelope.message_id.is_some() {
            Err(FrameError::Reserved("messageId"))
        } else if envelope.publish_time.is_some() {
            Err(FrameError::Reserved("publishTime"))
        } else if envelope.redelivery_count.is_some() {
            Err(FrameError::Reserved("redeliveryCount"))
        } else if envelope.begun_count.is_some() {
            Err(FrameError::Reserved("begunCount"))
        } else if envelope.waited_ms.is_some() {
            Err(FrameError::Reserved("waitedMs"))
        } else {
            let properties = envelope.properties.map(RawValue::get);
            check_properties(properties).map(|()| Fields {
                text: fields,
                properties,
            })
        };
        Self {
            context: envelope.context.map_or("null", RawValue::get),
            fields,
        }
    }
}

fn check_properties(properties: Option<&str>) -> Result<(), FrameError> {
    let Some(properties) = properties else {
        return Ok(());
    };
    if !properties.starts_with('{') {
        return Err(FrameError::Properties);
    }
    Ok(stamp::check_not_forged(properties)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_has_the_context_of_the_frame() {
        for context in ["3", "\"3\"", "1.50", "null", r#"{"a": [1, "\u00e4"]}"#] {
            let text = format!(r#"{{"context": {context} , "payload": ""}}"#);
            assert_eq!(Frame::parse(&text).context, context);
        }
        assert_eq!(Frame::parse("{}").context, "null");
    }

    #[test]
    fn invalid_frames_are_errors() {
        for (text, context, reason) in [
            ("not json", "null", "not a JSON object"),
            ("", "null", "not a JSON object"),
            ("{\"payload\": ", "null", "not a JSON object"),
            ("{} {}", "null", "not a JSON object"),
            ("[null, {}]", "null", "not a JSON object"),
            ("5", "null", "not a JSON object"),
            (r#"{"context":7,"messageId":null}"#, "7", "\"messageId\""),
            (
                r#"{"context":7,"publishTime":"now"}"#,
                "7",
                "\"publishTime\"",
            ),
            (
                r#"{"context":7,"redeliveryCount":1}"#,
                "7",
                "\"redeliveryCount\"",
            ),
            (r#"{"context":7,"begunCount":1}"#, "7", "\"begunCount\""),
            (r#"{"context":7,"waitedMs":1}"#, "7", "\"waitedMs\""),
            (r#"{"context":7,"properties":null}"#, "7", "properties"),
            (r#"{"context":7,"properties":[]}"#, "7", "properties"),
            (
                r#"{"context":7,"message\u0049d":"x"}"#,
                "7",
                "\"messageId\"",
            ),
            (
                r#"{"context":7,"properties":{"x_dasf_user":"ada"}}"#,
                "7",
                "\"x_dasf_user\"",
            ),
        ] {
            let frame = Frame::parse(text);
            assert_eq!(frame.context, context, "{text}");
            let error = frame.fields.unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_stamp_stands_in_the_properties() {
        let stamp = r#""x_dasf_user":"ada""#;
        for (frame, stamped) in [
            (
                r#"{"properties": { "a": 1 }, "payload": ""}"#,
                r#""properties": {"x_dasf_user":"ada", "a": 1 }, "payload": ""}"#,
            ),
            (
                r#"{"payload": "", "properties":{}}"#,
                r#""payload": "", "properties":{"x_dasf_user":"ada"}}"#,
            ),
            (
                r#" { "payload": ""}"#,
                r#""properties":{"x_dasf_user":"ada"}, "payload": ""}"#,
            ),
            ("{ }", r#""properties":{"x_dasf_user":"ada"} }"#),
        ] {
            let fields = Frame::parse(frame).fields.unwrap();
            assert_eq!(fields.stamped(stamp), stamped);
            assert_eq!(fields.stamped(""), fields.text);
        }
    }
}
