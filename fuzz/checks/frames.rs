//! Any text as a frame of a DASF broker or of a Pulsar is an error, or has properties that are written as they were
//! read.

use dasf::protocol::fragment::Position;
use dasf::protocol::{Delivery, ErrorInfo, Properties, Receipt, payload};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    match Receipt::from_json(text) {
        Ok(receipt) => {
            let _ = (receipt.context_text(), receipt.refusal());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match Delivery::from_json(text) {
        Ok(delivery) => {
            let properties = &delivery.properties;
            let _ = (
                properties.message_type(),
                properties.status(),
                properties.request_context(),
                properties.response_topic(),
                Position::of(properties),
                ErrorInfo::from_properties(properties),
            );
            let json = serde_json::to_string(properties).unwrap();
            let again: Properties = serde_json::from_str(&json).unwrap();
            assert_eq!(&again, properties, "{text}");
            if let Ok(bytes) = delivery.payload.into_bytes() {
                let _ = payload::to_text(&bytes);
                assert_eq!(payload::decode(&payload::encode(&bytes)).unwrap(), bytes);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
