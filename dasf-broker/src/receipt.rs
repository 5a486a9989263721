//! Receipts: the answers to the frames of a producer.

use serde_json::Value;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::route::Style;

/// The code of Pulsar for a bad frame.
pub(crate) const BAD_FRAME: u8 = 3;
/// The code of Pulsar for a message that the broker refuses.
pub(crate) const REFUSED: u8 = 8;

/// Returns the receipt of an accepted message. `context` is JSON.
pub(crate) fn accepted(style: Style, id: Hyphenated, context: &str) -> String {
    let end = match style {
        Style::Dasf => ",\"result\":\"ok\"}",
        Style::Pulsar => ",\"result\":\"ok\",\"errorCode\":0,\"schemaVersion\":0}",
    };
    let mut buffer = Uuid::encode_buffer();
    let id: &str = id.encode_lower(&mut buffer);
    ["{\"messageId\":\"", id, "\",\"context\":", context, end].concat()
}

/// Returns the receipt of a refused frame. `context` is JSON. A status tells programs what the reason tells
/// people.
pub(crate) fn refused(
    style: Style,
    code: u8,
    reason: &str,
    status: Option<u16>,
    context: &str,
) -> String {
    let reason = Value::from(reason);
    let status = status.map_or(String::new(), |status| format!(",\"status\":{status}"));
    match style {
        Style::Dasf => format!("{{\"context\":{context},\"result\":{reason}{status}}}"),
        Style::Pulsar => format!(
            "{{\"result\":\"send-error:{code}\",\"errorMsg\":{reason}{status},\"context\":{context}}}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_style_has_its_receipt() {
        let id = Uuid::nil();
        assert_eq!(
            read(&accepted(Style::Dasf, id.hyphenated(), "\"7\"")),
            json!({"messageId": id.to_string(), "context": "7", "result": "ok"})
        );
        assert_eq!(
            read(&accepted(Style::Pulsar, id.hyphenated(), "7")),
            json!({"messageId": id.to_string(), "context": 7, "result": "ok", "errorCode": 0, "schemaVersion": 0})
        );
        assert_eq!(
            read(&refused(Style::Dasf, REFUSED, "say \"no\"", None, "7")),
            json!({"context": 7, "result": "say \"no\""})
        );
        assert_eq!(
            read(&refused(Style::Dasf, REFUSED, "no", Some(404), "7")),
            json!({"context": 7, "result": "no", "status": 404})
        );
        assert_eq!(
            read(&refused(Style::Pulsar, BAD_FRAME, "bad", None, "null")),
            json!({"result": "send-error:3", "errorMsg": "bad", "context": null})
        );
    }
}
