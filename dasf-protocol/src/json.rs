//! Writes the JSON of frames. They are mostly names and short texts, which need no escapes.

use serde::Serialize;

/// Appends a text.
pub(crate) fn push_text(json: &mut Vec<u8>, text: &str) {
    // Without an early end, the compiler looks at many bytes at once.
    let needs_escapes = text.bytes().fold(false, |is_found, byte| {
        is_found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    });
    if needs_escapes {
        push(json, text);
    } else {
        push_plain(json, text);
    }
}

/// Appends a text that needs no escapes.
pub(crate) fn push_plain(json: &mut Vec<u8>, text: &str) {
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

/// Appends a text, a number or a JSON value.
#[allow(clippy::expect_used)] // the message explains why it cannot happen
pub(crate) fn push<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(json, value).expect("texts, numbers and JSON values always serialize");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in any::<String>(), plain in "[ -~]*") {
            for text in [text, plain] {
                let mut json = Vec::new();
                push_text(&mut json, &text);
                prop_assert_eq!(json, serde_json::to_vec(&text).unwrap());
            }
        }
    }
}
