//! The frames of producers.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

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
    /// The frame after its opening brace, or an error.
    pub(crate) fields: Result<&'a str, FrameError>,
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
        } else if envelope
            .properties
            .is_some_and(|it| !it.get().starts_with('{'))
        {
            Err(FrameError::Properties)
        } else {
            Ok(fields)
        };
        Self {
            context: envelope.context.map_or("null", RawValue::get),
            fields,
        }
    }
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
            (r#"{"context":7,"properties":null}"#, "7", "properties"),
            (r#"{"context":7,"properties":[]}"#, "7", "properties"),
            (
                r#"{"context":7,"message\u0049d":"x"}"#,
                "7",
                "\"messageId\"",
            ),
        ] {
            let frame = Frame::parse(text);
            assert_eq!(frame.context, context, "{text}");
            let error = frame.fields.unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
