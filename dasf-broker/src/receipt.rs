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

/// Returns the receipt of a refused frame. `context` is JSON.
pub(crate) fn refused(style: Style, code: u8, reason: &str, context: &str) -> String {
    let reason = Value::from(reason);
    match style {
        Style::Dasf => format!("{{\"context\":{context},\"result\":{reason}}}"),
        Style::Pulsar => format!(
            "{{\"result\":\"send-error:{code}\",\"errorMsg\":{reason},\"context\":{context}}}"
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
            read(&refused(Style::Dasf, REFUSED, "say \"no\"", "7")),
            json!({"context": 7, "result": "say \"no\""})
        );
        assert_eq!(
            read(&refused(Style::Pulsar, BAD_FRAME, "bad", "null")),
            json!({"result": "send-error:3", "errorMsg": "bad", "context": null})
        );
    }
}
