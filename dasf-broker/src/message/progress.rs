//! Recognizes progress reports, of which only the latest one counts.

use std::borrow::Cow;

use dasf_protocol::properties::key;
use serde::Deserialize;

/// The subject of a progress report. A later report with the same subject replaces it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject<'a> {
    /// The call, as it is in the properties.
    context: &'a str,
    /// Whether the report has a checkpoint, which one without a checkpoint does not replace.
    has_checkpoint: bool,
}

/// Returns the subject of a message with these properties, if it is a progress report.
pub(crate) fn progress_of(properties: &str) -> Option<Subject<'_>> {
    #[derive(Deserialize)]
    struct Properties<'a> {
        #[serde(rename = "messageType", borrow, default)]
        message_type: Option<Cow<'a, str>>,
        #[serde(rename = "requestContext", borrow, default)]
        request_context: Option<&'a serde_json::value::RawValue>,
    }

    // Most messages are no reports, and need no parser.
    if !properties.contains("progress") {
        return None;
    }
    let read: Properties<'_> = serde_json::from_str(properties).ok()?;
    (read.message_type? == "progress").then_some(())?;
    Some(Subject {
        context: read.request_context?.get(),
        has_checkpoint: properties.contains(key::CHECKPOINT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_have_a_subject() {
        for (properties, expected) in [
            ("", None),
            ("{}", None),
            (
                r#"{"messageType":"response","requestContext":"1","a":"progress"}"#,
                None,
            ),
            (r#"{"messageType":"progress"}"#, None),
            (
                r#"{"messageType":"progress","requestContext":"1"}"#,
                Some(("\"1\"", false)),
            ),
            (
                r#"{"requestContext":1,"messageType":"progress"}"#,
                Some(("1", false)),
            ),
            (
                r#"{"messageType":"progress","requestContext":"1","x_dasf_checkpoint":"1"}"#,
                Some(("\"1\"", true)),
            ),
        ] {
            let subject = progress_of(properties).map(|it| (it.context, it.has_checkpoint));
            assert_eq!(subject, expected, "{properties}");
        }
    }
}
