//! Reads the headers of messages, in the form in which this crate writes them.
//!
//! Nearly all frames are messages, and a derived reader takes twice as long for one. A header in any
//! other form is left to the derived reader.

use serde::Deserialize;

use super::{FrameKind, Header};

/// Reads a header; `None` if it has another form, or is not valid.
pub(super) fn read<'a, P: Deserialize<'a>>(json: &'a [u8]) -> Option<Header<'a, P>> {
    let json = str::from_utf8(json).ok()?;
    let fields = json.strip_prefix("{\"type\":\"")?;
    let (kind, fields) = match fields.strip_prefix("message") {
        Some(fields) => (FrameKind::Message, fields),
        None => (FrameKind::Publish, fields.strip_prefix("publish")?),
    };
    let (topic, mut fields) = plain_text(fields.strip_prefix("\",\"topic\":")?)?;
    let mut header = Header::empty(kind);
    header.topic = topic[1..topic.len() - 1].into();
    if kind == FrameKind::Message {
        let numbered = fields.strip_prefix(",\"message\":")?;
        let (number, rest) = numbered.split_at(numbered.find(',')?);
        header.message = Some(serde_json::from_str(number).ok()?);
        fields = rest;
    }
    let (context, fields) = plain_text(fields.strip_prefix(",\"context\":")?)?;
    header.context = Some(serde_json::from_str(context).ok()?);
    let properties = fields.strip_prefix(",\"properties\":")?.strip_suffix('}')?;
    // If more fields follow the properties, they are not one JSON value.
    let properties = properties.starts_with('{').then_some(properties)?;
    header.properties = Some(serde_json::from_str(properties).ok()?);
    Some(header)
}

/// Splits off a text with its quotation marks. A text with escapes is left to the derived reader.
fn plain_text(json: &str) -> Option<(&str, &str)> {
    let inner = json.strip_prefix('"')?;
    let end = inner.bytes().position(|byte| byte == b'"')?;
    let is_plain = inner
        .bytes()
        .take(end)
        .all(|byte| byte >= b' ' && byte != b'\\');
    is_plain.then(|| json.split_at(end + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::Properties;
    use crate::link::parse;

    fn written(header: &Header<'_>) -> String {
        serde_json::to_string(header).unwrap()
    }

    proptest! {
        #[test]
        fn a_header_means_the_same_to_the_derived_reader(
            start in prop::sample::select(vec!["{\"type\":\"message\"", "{\"type\":\"publish\"", "{\"type\":\"other\""]),
            topic in r#"[a-z\\" ü]{0,4}"#,
            message in prop::sample::select(vec!["", ",\"message\":7", ",\"message\": 8 ", ",\"message\":-1", ",\"message\":\"1\""]),
            context in prop::sample::select(vec!["\"1\"", "1", "\"\\n\"", "null", "\"\n\"", ""]),
            properties in prop::sample::select(vec![
                "{}", "{\"a\":1,\"status\":\"success\"}", "null", "[]", "{\"a\":1},\"count\":1", "{\"a\":}", "{\"a\":1}}", "",
            ]),
            end in prop::sample::select(vec!["}", "", "} ", ",\"count\":3}", "}}"]),
        ) {
            let json = format!("{start},\"topic\":\"{topic}\"{message},\"context\":{context},\"properties\":{properties}{end}");
            if let Some(header) = read::<&RawValue>(json.as_bytes()) {
                let derived = parse::<Header<'_>>(json.as_bytes()).unwrap();
                prop_assert_eq!(written(&header), written(&derived));
            }
            if let Some(header) = read::<Properties>(json.as_bytes()) {
                let derived = parse::<Header<'_, Properties>>(json.as_bytes()).unwrap();
                prop_assert_eq!(header.properties, derived.properties);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read::<Properties>(&bytes);
        }
    }

    #[test]
    fn the_headers_of_messages_have_this_form() {
        let properties = Properties::new().with("status", "success");
        let mut frames = crate::link::publish("demo", "7", &properties, &bytes::Bytes::new());
        let publish = frames.next().unwrap();
        let header = read::<Properties>(&publish[4..]).unwrap();
        assert_eq!((header.kind, &*header.topic), (FrameKind::Publish, "demo"));
        assert_eq!(header.properties, Some(properties));
        let message = crate::link::Message {
            topic: "demo",
            number: 8,
            redelivery_count: 0,
            begun_count: None,
            context: Some("\"7\""),
            properties: Some("{}"),
            payload: &bytes::Bytes::new(),
        };
        let message = message.frames().next().unwrap();
        let header = read::<&RawValue>(&message[4..]).unwrap();
        assert_eq!((header.kind, header.message), (FrameKind::Message, Some(8)));
    }
}
