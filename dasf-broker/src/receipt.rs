//! The broker's answer to each frame of a producer.

use serde_json::Value;

use crate::route::Style;

/// Pulsar's code for a frame that cannot be read.
pub(crate) const BAD_FRAME: u8 = 3;
/// Pulsar's code for a message that the broker does not take.
pub(crate) const REFUSED: u8 = 8;

/// The receipt of a message that was taken. `context` is JSON text.
pub(crate) fn accepted(style: Style, id: &str, context: &str) -> String {
    let end = match style {
        Style::Dasf => ",\"result\":\"ok\"}",
        Style::Pulsar => ",\"result\":\"ok\",\"errorCode\":0,\"schemaVersion\":0}",
    };
    ["{\"messageId\":\"", id, "\",\"context\":", context, end].concat()
}

/// The receipt of a frame that was not taken. `context` is JSON text.
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
        assert_eq!(
            read(&accepted(Style::Dasf, "m", "\"7\"")),
            json!({"messageId": "m", "context": "7", "result": "ok"})
        );
        assert_eq!(
            read(&accepted(Style::Pulsar, "m", "7")),
            json!({"messageId": "m", "context": 7, "result": "ok", "errorCode": 0, "schemaVersion": 0})
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
