//! Reads the headers that nearly all frames have, in the form in which this crate writes them: those of
//! messages, of their acknowledgements and of their confirmations.
//!
//! A derived reader takes twice as long for one. A header in any other form, for example that of a
//! redelivered message, is left to it.

use serde::Deserialize;

use super::{FrameKind, Header};

/// Reads a header; `None` if it has another form, or is not valid.
pub(super) fn read<'a, P: Deserialize<'a>>(json: &'a str) -> Option<Header<'a, P>> {
    let (kind, fields) = json.strip_prefix("{\"type\":\"")?.split_once('"')?;
    match kind {
        "message" => read_message(FrameKind::Message, fields),
        "publish" => read_message(FrameKind::Publish, fields),
        "acknowledge" => {
            let (mut header, fields) = with_topic(FrameKind::Acknowledge, fields)?;
            let numbers = fields.strip_prefix(",\"messages\":[")?.strip_suffix("]}")?;
            for number in numbers.split(',') {
                header.messages.push(self::number(number)?);
            }
            Some(header)
        }
        "accepted" => {
            let mut header = Header::empty(FrameKind::Accepted);
            let count = fields.strip_prefix(",\"count\":")?.strip_suffix('}')?;
            header.count = Some(number(count)?);
            Some(header)
        }
        _ => None,
    }
}

fn read_message<'a, P: Deserialize<'a>>(kind: FrameKind, fields: &'a str) -> Option<Header<'a, P>> {
    let (mut header, mut fields) = with_topic(kind, fields)?;
    if kind == FrameKind::Message {
        let numbered = fields.strip_prefix(",\"message\":")?;
        let (number, rest) = numbered.split_at(numbered.find(',')?);
        header.message = Some(self::number(number)?);
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

/// Returns a header with the topic, and the fields after it.
fn with_topic<P>(kind: FrameKind, fields: &str) -> Option<(Header<'_, P>, &str)> {
    let (topic, fields) = plain_text(fields.strip_prefix(",\"topic\":")?)?;
    let mut header = Header::empty(kind);
    header.topic = topic[1..topic.len() - 1].into();
    Some((header, fields))
}

/// Reads a number. JSON has no sign and no zero in front of one.
fn number(digits: &str) -> Option<u64> {
    let has_no_excess = !digits.starts_with(['0', '+']) || digits == "0";
    has_no_excess.then(|| digits.parse().ok()).flatten()
}

/// Splits off a text with its quotation marks. A text with escapes is left to the derived reader.
fn plain_text(json: &str) -> Option<(&str, &str)> {
    let inner = json.strip_prefix('"')?;
    let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let end = inner.bytes().position(is_special)?;
    let is_plain = inner[end..].starts_with('"');
    is_plain.then(|| json.split_at(end + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::Properties;

    fn written(header: &Header<'_>) -> String {
        serde_json::to_string(header).unwrap()
    }

    proptest! {
        #[test]
        fn a_header_means_the_same_to_the_derived_reader(
            start in prop::sample::select(vec!["{\"type\":\"message\"", "{\"type\":\"publish\"", "{\"type\":\"close\""]),
            topic in r#"[a-z\\" ü]{0,4}"#,
            message in prop::sample::select(vec!["", ",\"message\":7", ",\"message\": 8 ", ",\"message\":-1", ",\"message\":\"1\""]),
            context in prop::sample::select(vec!["\"1\"", "1", "\"\\n\"", "null", "\"\n\"", ""]),
            properties in prop::sample::select(vec![
                "{}", "{\"a\":1,\"status\":\"success\"}", "null", "[]", "{\"a\":1},\"count\":1", "{\"a\":}", "{\"a\":1}}", "",
            ]),
            end in prop::sample::select(vec!["}", "", "} ", ",\"count\":3}", "}}"]),
        ) {
            let json = format!("{start},\"topic\":\"{topic}\"{message},\"context\":{context},\"properties\":{properties}{end}");
            if let Some(header) = read::<&RawValue>(&json) {
                let derived = serde_json::from_str::<Header<'_>>(&json).unwrap();
                prop_assert_eq!(written(&header), written(&derived));
            }
            if let Some(header) = read::<Properties>(&json) {
                let derived = serde_json::from_str::<Header<'_, Properties>>(&json).unwrap();
                prop_assert_eq!(header.properties, derived.properties);
            }
        }

        #[test]
        fn a_header_with_numbers_means_the_same_to_the_derived_reader(
            fields in prop::sample::select(vec![
                "acknowledge\",\"topic\":\"a\",\"messages\":[", "accepted\",\"count\":", "accepted\",\"messages\":[",
            ]),
            numbers in prop::collection::vec(prop::sample::select(vec![
                "0", "7", "18446744073709551615", "18446744073709551616", "01", "+1", "-1", " 1", "1 ", "1.0", "1e1", "",
            ]), 0..3),
            end in prop::sample::select(vec!["]}", "}", "] }", "],\"count\":1}", ",\"topic\":\"b\"}"]),
        ) {
            let json = format!("{{\"type\":\"{fields}{}{end}", numbers.join(","));
            if let Some(header) = read::<&RawValue>(&json) {
                let derived: Header<'_> = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(written(&header), written(&derived));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,64}") {
            let _ = read::<Properties>(&text);
        }
    }

    fn header_of(frame: &[u8]) -> &str {
        str::from_utf8(&frame[4..]).unwrap()
    }

    #[test]
    fn the_frequent_headers_have_this_form() {
        let properties = Properties::new().with("status", "success");
        let frames = crate::link::publish("demo", "7", &properties, &bytes::Bytes::new());
        let publish = frames.into_iter().next().unwrap();
        let header = read::<Properties>(header_of(&publish)).unwrap();
        assert_eq!((header.kind, &*header.topic), (FrameKind::Publish, "demo"));
        assert_eq!(header.properties, Some(properties));
        let message = crate::link::Message {
            topic: "demo",
            number: 8,
            redelivery_count: 0,
            begun_count: None,
            waited_ms: 0,
            context: Some("\"7\""),
            properties: Some("{}"),
            payload: &bytes::Bytes::new(),
        };
        let message = message.frames().into_iter().next().unwrap();
        let header = read::<&RawValue>(header_of(&message)).unwrap();
        assert_eq!((header.kind, header.message), (FrameKind::Message, Some(8)));
        let acknowledge = Header {
            topic: "demo".into(),
            messages: vec![7, 8],
            ..Header::new(FrameKind::Acknowledge)
        };
        let frame = acknowledge.frame(b"");
        let header = read::<&RawValue>(header_of(&frame)).unwrap();
        assert_eq!(
            (&*header.topic, &header.messages[..]),
            ("demo", &[7, 8][..])
        );
        let accepted = Header {
            count: Some(9),
            ..Header::new(FrameKind::Accepted)
        };
        let frame = accepted.frame(b"");
        let header = read::<&RawValue>(header_of(&frame)).unwrap();
        assert_eq!((header.kind, header.count), (FrameKind::Accepted, Some(9)));
    }
}
