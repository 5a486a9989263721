//! Reads numbers in the properties of a message.

use std::time::Duration;

use dasf_protocol::properties::key;

/// Returns the value of a property, if it is a whole number. Some brokers make texts of all properties.
pub(crate) fn whole_number(properties: &str, name: &str) -> Option<u64> {
    // A whole parser would cost more than all other work for a small message.
    let (_, rest) = properties.split_once(name)?;
    let rest = rest.strip_prefix('"')?.trim_start().strip_prefix(':')?;
    let rest = rest.trim_start().trim_start_matches('"');
    let end = rest.bytes().position(|it| !it.is_ascii_digit())?;
    let number = rest[..end].parse().ok()?;
    // Another end is that of a fraction or of an exponent.
    let is_whole = rest[end..].starts_with([',', '}', '"', ' ', '\n', '\r', '\t']);
    is_whole.then_some(number)
}

/// Returns how long the caller of a job wants the broker to keep its request.
pub(super) fn keep(properties: Option<&str>) -> Duration {
    let seconds = properties.and_then(|it| whole_number(it, key::KEEP));
    seconds.map_or(Duration::ZERO, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_are_read() {
        let read = |text: &str| whole_number(text, "x_dasf_timeout_ms");
        for (text, expected) in [
            (r#"{"x_dasf_timeout_ms":60}"#, Some(60)),
            (
                r#"{"a":"b", "x_dasf_timeout_ms" : 5000 , "c":1}"#,
                Some(5000),
            ),
            (r#"{"x_dasf_timeout_ms":"70"}"#, Some(70)),
            (r#"{"x_dasf_timeout_ms":0}"#, Some(0)),
            (r#"{"x_dasf_timeout_ms":1.5}"#, None),
            (r#"{"x_dasf_timeout_ms":1e3}"#, None),
            (r#"{"x_dasf_timeout_ms":-1}"#, None),
            (r#"{"x_dasf_timeout_ms":null}"#, None),
            (r#"{"x_dasf_timeout_ms":99999999999999999999}"#, None),
            (r#"{"a":"\"x_dasf_timeout_ms\":5"}"#, None),
            (r#"{"x_dasf_timeout_ms"#, None),
            ("{}", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
