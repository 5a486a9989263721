//! Dates and times of the crate [`time`](https://docs.rs/time) as strings.
//!
//! By default, `time` writes its types as lists of numbers, and has no JSON schemas for them. These
//! types are strings as in RFC 3339 and ISO 8601, which Python's pydantic writes and reads:
//!
//! | type | in JSON | `format` in the schema |
//! |---|---|---|
//! | [`OffsetDateTime`] | `2026-11-22T10:00:00Z`, `2026-11-22T10:00:00.250000+01:00` | `date-time` |
//! | [`PrimitiveDateTime`] | `2026-11-22T10:00:00` | `partial-date-time` |
//! | [`Date`] | `2026-11-22` | `date` |
//! | [`Time`] | `10:00:00`, `10:00:00.250000` | `partial-time` |
//!
//! `schemars` uses the same formats for the types of the crate `chrono`. In JSON Schema,
//! `date-time` and `time` require an offset from UTC, so they do not fit types without one. The
//! names with `partial-` come from RFC 3339; only modules check them, other validators do not.
//!
//! Fractions of a second are written with six digits, or with nine if six are not exact. As with
//! the types of `chrono`, a `T` separates date and time, and only a [`Time`] may omit the seconds.
//! Years go from 0 to 9999, and seconds from 0 to 59. Leap seconds are rejected, because `time` has
//! no value for them.
//!
//! ```
//! use dasf_types::time::{Date, OffsetDateTime};
//! use time::UtcOffset;
//!
//! fn day(at: OffsetDateTime) -> Date {
//!     at.to_offset(UtcOffset::UTC).date().into()
//! }
//!
//! let at: OffsetDateTime = serde_json::from_str(r#""2026-11-22T00:30:00+01:00""#)?;
//! assert_eq!(serde_json::to_string(&at)?, r#""2026-11-22T00:30:00+01:00""#);
//! assert_eq!(serde_json::to_string(&day(at))?, r#""2026-11-21""#);
//! # Ok::<(), serde_json::Error>(())
//! ```

#[cfg(feature = "schemars")]
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Deref;

use ::time::UtcOffset;
use ::time::error::{Parse, ParseFromDescription};
use ::time::format_description::StaticFormatDescription;
use ::time::format_description::well_known::Rfc3339;
use ::time::macros::format_description;
#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DATE: StaticFormatDescription =
    format_description!(version = 2, "[year range:standard]-[month]-[day]");
const TIME: StaticFormatDescription = format_description!(
    version = 2,
    "[hour]:[minute][optional [:[second][optional [.[subsecond]]]]]"
);
const DATE_TIME: StaticFormatDescription = format_description!(
    version = 2,
    "[year range:standard]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]"
);

/// The reason why a value cannot be written.
#[derive(Debug, thiserror::Error)]
enum Unwritable {
    #[error("the year {0} is not between 0 and 9999")]
    Year(i32),
    #[error("the offset {0} from UTC has seconds; use whole minutes")]
    Offset(UtcOffset),
}

/// The reason why a string is rejected.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("{0}")]
    Parse(#[from] Parse),
    #[error("a year cannot have a sign")]
    Sign,
    #[error("put a T between the date and the time")]
    Separator,
    #[error("leap seconds (second 60) are not supported")]
    LeapSecond,
}

/// Rejects strings that `time` reads but `chrono` and Python do not.
fn check(text: &str) -> Result<(), Unreadable> {
    if text.starts_with(['+', '-']) {
        return Err(Unreadable::Sign);
    }
    if text.as_bytes().get(10) == Some(&b' ') {
        return Err(Unreadable::Separator);
    }
    // `time` would convert it to the last nanosecond before.
    let clock = text.get(11..).unwrap_or(text);
    if clock.get(5..8) == Some(":60") {
        return Err(Unreadable::LeapSecond);
    }
    Ok(())
}

fn write_date(text: &mut String, date: ::time::Date) -> Result<(), Unwritable> {
    let (year, month, day) = date.to_calendar_date();
    if !(0..=9999).contains(&year) {
        return Err(Unwritable::Year(year));
    }
    let month = u8::from(month);
    // Writing to a string cannot fail, here and below.
    let _ = write!(text, "{year:04}-{month:02}-{day:02}");
    Ok(())
}

fn write_time(text: &mut String, time: ::time::Time) {
    let (hour, minute, second, nanosecond) = time.as_hms_nano();
    let _ = write!(text, "{hour:02}:{minute:02}:{second:02}");
    let _ = match (nanosecond / 1000, nanosecond % 1000) {
        (0, 0) => Ok(()),
        (microsecond, 0) => write!(text, ".{microsecond:06}"),
        _ => write!(text, ".{nanosecond:09}"),
    };
}

fn write_offset(text: &mut String, offset: UtcOffset) -> Result<(), Unwritable> {
    let (hours, minutes, seconds) = offset.as_hms();
    if seconds != 0 {
        return Err(Unwritable::Offset(offset));
    }
    if offset.is_utc() {
        text.push('Z');
    } else {
        let sign = if offset.is_negative() { '-' } else { '+' };
        let (hours, minutes) = (hours.unsigned_abs(), minutes.unsigned_abs());
        let _ = write!(text, "{sign}{hours:02}:{minutes:02}");
    }
    Ok(())
}

/// A type of the crate `time` that is a string in JSON.
trait Text: Sized {
    /// The name of the form, with an example.
    const WHAT: &'static str;

    fn write(&self) -> Result<String, Unwritable>;
    fn read(text: &str) -> Result<Self, Unreadable>;
}

impl Text for OffsetDateTime {
    const WHAT: &'static str = "a date and time such as 2026-11-22T10:00:00Z";

    fn write(&self) -> Result<String, Unwritable> {
        let mut text =
            PrimitiveDateTime(::time::PrimitiveDateTime::new(self.date(), self.time())).write()?;
        write_offset(&mut text, self.offset())?;
        Ok(text)
    }

    fn read(text: &str) -> Result<Self, Unreadable> {
        check(text)?;
        Ok(Self(::time::OffsetDateTime::parse(text, &Rfc3339)?))
    }
}

impl Text for PrimitiveDateTime {
    const WHAT: &'static str = "a date and time such as 2026-11-22T10:00:00";

    fn write(&self) -> Result<String, Unwritable> {
        let mut text = Date(self.date()).write()?;
        text.push('T');
        write_time(&mut text, self.time());
        Ok(text)
    }

    fn read(text: &str) -> Result<Self, Unreadable> {
        check(text)?;
        Ok(Self(::time::PrimitiveDateTime::parse(text, &DATE_TIME)?))
    }
}

impl Text for Date {
    const WHAT: &'static str = "a date such as 2026-11-22";

    fn write(&self) -> Result<String, Unwritable> {
        let mut text = String::new();
        write_date(&mut text, self.0)?;
        Ok(text)
    }

    fn read(text: &str) -> Result<Self, Unreadable> {
        check(text)?;
        Ok(Self(::time::Date::parse(text, &DATE)?))
    }
}

impl Text for Time {
    const WHAT: &'static str = "a time such as 10:00:00";

    fn write(&self) -> Result<String, Unwritable> {
        let mut text = String::new();
        write_time(&mut text, self.0);
        Ok(text)
    }

    fn read(text: &str) -> Result<Self, Unreadable> {
        check(text)?;
        Ok(Self(::time::Time::parse(text, &TIME)?))
    }
}

/// Reads the string of a type.
struct Reader<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Text> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(|error| match error {
            // For a wrong character between the numbers, `time` does not report which one.
            Unreadable::Parse(Parse::ParseFromDescription(
                ParseFromDescription::InvalidLiteral { .. },
            )) => E::custom(format_args!("not {}", T::WHAT)),
            error => E::custom(format_args!("not {}: {error}", T::WHAT)),
        })
    }
}

macro_rules! text_types {
    ($($(#[$documentation:meta])* $name:ident, $format:literal;)+) => {$(
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub ::time::$name);

        impl $name {
            /// Returns the value.
            pub fn into_inner(self) -> ::time::$name {
                self.0
            }
        }

        impl Deref for $name {
            type Target = ::time::$name;

            fn deref(&self) -> &::time::$name {
                &self.0
            }
        }

        impl From<::time::$name> for $name {
            fn from(value: ::time::$name) -> Self {
                Self(value)
            }
        }

        impl From<$name> for ::time::$name {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.write().map_err(S::Error::custom)?)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Reader(std::marker::PhantomData))
            }
        }

        #[cfg(feature = "schemars")]
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("dasf_types::time::", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $format})
            }
        }
    )+};
}

text_types! {
    /// A date and time with its offset from UTC: `2026-11-22T10:00:00Z`.
    OffsetDateTime, "date-time";
    /// A date and time without an offset from UTC: `2026-11-22T10:00:00`.
    PrimitiveDateTime, "partial-date-time";
    /// A date: `2026-11-22`.
    Date, "date";
    /// A time of day: `10:00:00`.
    Time, "partial-time";
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::time::Month;
    use ::time::macros::{date, datetime, offset, time};
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let json = serde_json::to_string(text).unwrap();
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    fn written(value: impl Serialize) -> String {
        let json = serde_json::to_value(&value).unwrap();
        json.as_str().unwrap().to_owned()
    }

    #[test]
    fn the_strings_of_pydantic_are_read_and_written() {
        for (text, value) in [
            ("2026-11-22T10:00:00Z", datetime!(2026-11-22 10:00 UTC)),
            (
                "2026-11-22T10:00:00.500000Z",
                datetime!(2026-11-22 10:00:00.5 UTC),
            ),
            (
                "2026-11-22T10:00:00.000001+01:00",
                datetime!(2026-11-22 10:00:00.000_001 +1),
            ),
            (
                "2026-11-22T10:00:00.123456789-01:30",
                datetime!(2026-11-22 10:00:00.123_456_789 -01:30),
            ),
            (
                "2026-11-22T10:00:00-00:30",
                datetime!(2026-11-22 10:00:00 -00:30),
            ),
            ("0001-01-01T00:00:00Z", datetime!(0001-01-01 00:00 UTC)),
        ] {
            assert_eq!(read::<OffsetDateTime>(text).unwrap().0, value, "{text}");
            assert_eq!(
                read::<OffsetDateTime>(text).unwrap().offset(),
                value.offset()
            );
            assert_eq!(written(OffsetDateTime(value)), text);
        }
        for (text, value) in [
            ("2026-11-22T10:00:00", datetime!(2026-11-22 10:00)),
            (
                "2026-11-22T10:00:00.120000",
                datetime!(2026-11-22 10:00:00.12),
            ),
        ] {
            assert_eq!(read::<PrimitiveDateTime>(text).unwrap().0, value, "{text}");
            assert_eq!(written(PrimitiveDateTime(value)), text);
        }
        for (text, value) in [
            ("2026-11-22", date!(2026 - 11 - 22)),
            ("0005-01-02", date!(0005 - 01 - 02)),
        ] {
            assert_eq!(read::<Date>(text).unwrap().0, value, "{text}");
            assert_eq!(written(Date(value)), text);
        }
        for (text, value) in [
            ("10:00:00", time!(10:00)),
            ("10:00:00.000005", time!(10:00:00.000_005)),
        ] {
            assert_eq!(read::<Time>(text).unwrap().0, value, "{text}");
            assert_eq!(written(Time(value)), text);
        }
    }

    #[test]
    fn other_spellings_are_read() {
        let ten = datetime!(2026-11-22 10:00);
        for text in ["2026-11-22T10:00:00.0", "2026-11-22T10:00:00.0000000000"] {
            assert_eq!(read::<PrimitiveDateTime>(text).unwrap().0, ten, "{text}");
        }
        for text in [
            "2026-11-22t10:00:00z",
            "2026-11-22T10:00:00-00:00",
            "2026-11-22T10:00:00.0000000000Z",
        ] {
            assert_eq!(
                read::<OffsetDateTime>(text).unwrap().0,
                ten.assume_utc(),
                "{text}"
            );
        }
        for text in ["10:00", "10:00:00.0"] {
            assert_eq!(read::<Time>(text).unwrap().0, time!(10:00), "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_refused_and_not_another_one() {
        let reason = "leap seconds (second 60) are not supported";
        let refusals = [
            read::<OffsetDateTime>("2016-12-31T23:59:60Z").unwrap_err(),
            read::<OffsetDateTime>("2016-12-31T18:59:60.5-05:00").unwrap_err(),
            read::<PrimitiveDateTime>("2016-12-31T23:59:60").unwrap_err(),
            read::<Time>("23:59:60").unwrap_err(),
        ];
        for refusal in refusals {
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    #[test]
    fn time_reads_the_same_strings_as_chrono() {
        fn both<T: DeserializeOwned, C: DeserializeOwned>(text: &str) -> [bool; 2] {
            [read::<T>(text).is_ok(), read::<C>(text).is_ok()]
        }
        for (text, is_read) in [
            ("2026-11-22T10:00:00", true),
            ("2026-11-22T10:00:00.5", true),
            ("2026-11-22 10:00:00", false),
            ("2026-11-22t10:00:00", false),
            ("2026-11-22T10:00", false),
            ("2026-11-22T24:00:00", false),
            ("2026-11-22T10:00:00.", false),
            ("2026-11-22T10:00:00Z", false),
        ] {
            let read = both::<PrimitiveDateTime, chrono::NaiveDateTime>(text);
            assert_eq!(read, [is_read; 2], "{text}");
        }
        for (text, is_read) in [
            ("10:00:00", true),
            ("10:00:00.123456789", true),
            ("10:00", true),
            ("10", false),
            ("24:00:00", false),
        ] {
            assert_eq!(
                both::<Time, chrono::NaiveTime>(text),
                [is_read; 2],
                "{text}"
            );
        }
        for (text, is_read) in [
            ("2026-11-22", true),
            ("2026-02-29", false),
            ("2026-11", false),
        ] {
            assert_eq!(
                both::<Date, chrono::NaiveDate>(text),
                [is_read; 2],
                "{text}"
            );
        }
        for (text, is_read) in [
            ("2026-11-22T10:00:00Z", true),
            ("2026-11-22t10:00:00.5-01:30", true),
            ("2026-11-22T10:00Z", false),
            ("2026-11-22T10:00:00+01", false),
            ("2026-11-22", false),
        ] {
            let read = both::<OffsetDateTime, chrono::DateTime<chrono::FixedOffset>>(text);
            assert_eq!(read, [is_read; 2], "{text}");
        }
    }

    #[test]
    fn invalid_strings_are_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-11-22",
            "2026-11-22T10:00:00",
            "2026-02-30T10:00:00Z",
            "2026-11-22T10:00:00Zx",
            "2026-11-22 10:00:00Z",
            "+2026-11-22T10:00:00Z",
        ] {
            let error = read::<OffsetDateTime>(text).unwrap_err();
            let expected = "not a date and time such as 2026-11-22T10:00:00Z";
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:00:00Z",
            "2026-11-22T24:00:00",
            "2026-11-22T10",
            "2026-11-22T10:00",
            "2026-11-22 10:00:00",
            "+2026-11-22T10:00:00",
        ] {
            assert!(read::<PrimitiveDateTime>(text).is_err(), "{text}");
        }
        for text in [
            "",
            "22.11.2026",
            "20261122",
            "2026-13-01",
            "2026-11-22T00:00:00",
            "12026-11-22",
            "+2026-11-22",
        ] {
            assert!(read::<Date>(text).is_err(), "{text}");
        }
        for text in ["", "10", "24:00:00", "10:60", "10:00:00Z", "10:00:00."] {
            assert!(read::<Time>(text).is_err(), "{text}");
        }
        let error = serde_json::from_str::<Date>("20261122").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected a date such as 2026-11-22"),
            "{error}"
        );
    }

    #[test]
    fn values_without_a_string_form_are_not_written() {
        let failure = |value: Result<String, serde_json::Error>| value.unwrap_err().to_string();
        let before = Date(date!(-0001 - 01 - 01));
        assert_eq!(
            failure(serde_json::to_string(&before)),
            "the year -1 is not between 0 and 9999"
        );
        let odd = OffsetDateTime(datetime!(1890-01-01 0:00).assume_offset(offset!(+0:53:28)));
        assert_eq!(
            failure(serde_json::to_string(&odd)),
            "the offset +00:53:28 from UTC has seconds; use whole minutes"
        );
    }

    #[test]
    fn a_validator_accepts_the_written_strings() {
        fn check<T: JsonSchema + Serialize>(value: &T, wrong: Option<&str>) {
            let schema = SchemaGenerator::default().into_root_schema_for::<T>();
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft201909)
                .should_validate_formats(true)
                .build(schema.as_value())
                .unwrap();
            let json = serde_json::to_value(value).unwrap();
            assert!(validator.is_valid(&json), "{json}");
            if let Some(wrong) = wrong {
                assert!(!validator.is_valid(&wrong.into()), "{wrong}");
            }
        }
        let now = datetime!(2026-11-22 10:00:00.000_25 +1);
        check(&OffsetDateTime(now), Some("2026-11-22T10:00:00"));
        check(&PrimitiveDateTime(datetime!(2026-11-22 10:00)), None);
        check(&Date(now.date()), Some("2026-11-31"));
        check(&Time(now.time()), None);
    }

    fn dates() -> impl Strategy<Value = ::time::Date> {
        let first = ::time::Date::from_calendar_date(0, Month::January, 1).unwrap();
        let days = (first.to_julian_day())..(first.to_julian_day() + 3_652_425);
        days.prop_map(|day| ::time::Date::from_julian_day(day).unwrap())
    }

    fn times() -> impl Strategy<Value = ::time::Time> {
        let fields = (0..24_u8, 0..60_u8, 0..60_u8, 0..1_000_000_000_u32);
        fields.prop_map(|(h, m, s, nano)| ::time::Time::from_hms_nano(h, m, s, nano).unwrap())
    }

    proptest! {
        #[test]
        fn all_values_survive(date in dates(), time in times(), minutes in -1439..1440_i32) {
            prop_assert_eq!(read::<Date>(&written(Date(date))).unwrap().0, date);
            prop_assert_eq!(read::<Time>(&written(Time(time))).unwrap().0, time);
            let both = PrimitiveDateTime(date.with_time(time));
            prop_assert_eq!(read::<PrimitiveDateTime>(&written(both)).unwrap(), both);
            let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
            let whole = OffsetDateTime(both.assume_offset(offset));
            let back = read::<OffsetDateTime>(&written(whole)).unwrap();
            prop_assert_eq!((back.0, back.offset()), (whole.0, whole.offset()));
        }

        #[test]
        fn no_string_panics(text in r"[0-9TZ:. +-]{0,30}") {
            let _ = read::<OffsetDateTime>(&text);
            let _ = read::<PrimitiveDateTime>(&text);
            let _ = read::<Date>(&text);
            let _ = read::<Time>(&text);
        }
    }
}
