//! The formats of dates and times, with the same meaning for the types of `chrono` and `time`.
//!
//! For `date-time`, the validator follows RFC 3339. This leaves three gaps. The validator accepts
//! leap seconds, which `time` cannot hold. Without a format check, `chrono` reads spaces, signs and
//! fields of one digit. And the validator does not know the formats that `schemars` gives to types
//! without an offset.

use std::sync::LazyLock;

use jsonschema::{ValidationOptions, Validator};
use serde_json::{Value, json};

/// Adds these formats to the options.
pub(super) fn known_to(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    options
        .with_format("date-time", is_date_time)
        .with_format("partial-date-time", is_partial_date_time)
        .with_format("partial-time", is_partial_time)
}

/// Accepts `2026-11-22T10:00:00Z`, but not a leap second.
fn is_date_time(text: &str) -> bool {
    static BUILT_IN: LazyLock<Option<Validator>> = LazyLock::new(|| {
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&json!({"format": "date-time"})).ok()
    });
    let is_leap_second = text.get(16..19) == Some(":60");
    let is_known = |validator: &Validator| validator.is_valid(&Value::from(text));
    // Without a validator, the type decides which strings it reads.
    !is_leap_second && BUILT_IN.as_ref().is_none_or(is_known)
}

/// Accepts `2026-11-22T10:00:00`.
fn is_partial_date_time(text: &str) -> bool {
    text.get(10..11) == Some("T") && is_date_time(&format!("{text}Z"))
}

/// Accepts `10:00:00` and `10:00`; both crates read both.
fn is_partial_time(text: &str) -> bool {
    let seconds = if text.len() == "10:00".len() {
        ":00"
    } else {
        ""
    };
    is_date_time(&format!("1970-01-01T{text}{seconds}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_time_is_that_of_rfc_3339_without_leap_seconds() {
        for text in [
            "2026-11-22T10:00:00Z",
            "2026-11-22t10:00:00.25z",
            "2024-02-29T23:59:59-00:30",
        ] {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "2016-12-31T23:59:60Z",
            "2016-12-31T18:59:60.5-05:00",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00Z",
            "2026-11-22T10:00:00",
            "2026-02-29T10:00:00Z",
            " 2026-11-22T10:00:00Z",
            "+2026-11-22T10:00:00Z",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }

    #[test]
    fn without_an_offset_the_rest_is_the_same() {
        for text in ["2026-11-22T10:00:00", "2026-11-22T10:00:00.123456789"] {
            assert!(is_partial_date_time(text), "{text}");
            let time = text.split_once('T').unwrap().1;
            assert!(is_partial_time(time), "{time}");
        }
        assert!(is_partial_time("10:00"));
        for text in [
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00+01:00",
            "2026-11-22 10:00:00",
            "2026-11-22t10:00:00",
            "2026-11-22T10:00",
            "2016-12-31T23:59:60",
            "2026-1-2T1:2:3",
            "2026-11-22 T 10:00:00",
            "2026-11-22T25:00:00",
        ] {
            assert!(!is_partial_date_time(text), "{text}");
        }
        for text in [
            "",
            "24:00",
            "10",
            "23:59:60",
            "1:2:3",
            " 10:00:00",
            "10:00:00Z",
            "25:00:00",
        ] {
            assert!(!is_partial_time(text), "{text}");
        }
    }
}
