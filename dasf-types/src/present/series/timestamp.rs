//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SECONDS_OF_DAY: i64 = 86_400;
const NANOSECONDS: u32 = 1_000_000_000;
/// The days of 400 years of the Gregorian calendar.
const DAYS_OF_ERA: i64 = 146_097;
/// The days from 1 March of the year 0 to 1 January 1970.
const DAYS_BEFORE_EPOCH: i64 = 719_468;

/// A point in time, to the nanosecond, in the Gregorian calendar.
///
/// In JSON it is a string as in RFC 3339, in UTC: `2026-11-22T10:00:00Z`. Reading accepts other
/// offsets. Years go from 0 to 9999; other times cannot be written. A fraction of a second has six
/// digits, or nine if six are not exact. Reading drops digits after the ninth.
///
/// With the features `chrono` and `time` of the crate, the types of these crates convert to it. A
/// date, or a date and time without an offset, is taken in UTC.
///
/// ```
/// use dasf_types::present::Timestamp;
///
/// let time: Timestamp = "2026-11-22T11:00:00+01:00".parse()?;
/// assert_eq!(time.to_string(), "2026-11-22T10:00:00Z");
/// assert_eq!(time.seconds(), 1_795_341_600);
/// # Ok::<(), dasf_types::present::TimestampError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// The reason why a text is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a date and time such as 2026-11-22T10:00:00Z{reason}")]
pub struct TimestampError {
    text: String,
    reason: &'static str,
}

impl Timestamp {
    /// Makes the time that is this many seconds and nanoseconds after the beginning of 1970 in UTC.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        Self {
            seconds: seconds.saturating_add((nanoseconds / NANOSECONDS).into()),
            nanoseconds: nanoseconds % NANOSECONDS,
        }
    }

    /// Returns the whole seconds since the beginning of 1970 in UTC, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after the whole second.
    #[must_use]
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    fn year(self) -> i64 {
        date_of(self.seconds.div_euclid(SECONDS_OF_DAY)).0
    }
}

/// Returns year, month and day of the day that is so many days after 1 January 1970. Years begin
/// with March in this computation, so the day of a leap year is the last one.
fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + DAYS_BEFORE_EPOCH;
    let (era, day) = (day.div_euclid(DAYS_OF_ERA), day.rem_euclid(DAYS_OF_ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        ..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    (year + era * 400, month, day)
}

/// Returns the number of the day after 1 January 1970.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        ..3 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * month + 2) / 5 + day - 1;
    era * DAYS_OF_ERA + 365 * year + year / 4 - year / 100 + day - DAYS_BEFORE_EPOCH
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.seconds.div_euclid(SECONDS_OF_DAY);
        let second = self.seconds.rem_euclid(SECONDS_OF_DAY);
        let (year, month, day) = date_of(day);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match (self.nanoseconds / 1_000, self.nanoseconds % 1_000) {
            (0, 0) => {}
            (microseconds, 0) => write!(f, ".{microseconds:06}")?,
            _ => write!(f, ".{:09}", self.nanoseconds)?,
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        read(text).map_err(|reason| TimestampError {
            // A text of a peer may be long.
            text: text.chars().take(40).collect(),
            reason,
        })
    }
}

/// Reads a time, or returns what follows the error.
fn read(text: &str) -> Result<Timestamp, &'static str> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        let digits = bytes.get(from..from + count).unwrap_or_default();
        let is_number = digits.len() == count && digits.iter().all(u8::is_ascii_digit);
        let number = || {
            digits
                .iter()
                .fold(0, |n, digit| n * 10 + i64::from(digit - b'0'))
        };
        is_number.then(number).ok_or("")
    };
    let expect = |at: usize, symbols: &[u8]| match bytes.get(at) {
        Some(symbol) if symbols.contains(symbol) => Ok(()),
        _ => Err(""),
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    for (at, symbols) in [
        (4, b"--"),
        (7, b"--"),
        (10, b"Tt"),
        (13, b"::"),
        (16, b"::"),
    ] {
        expect(at, symbols)?;
    }
    let fraction = bytes.get(19..).unwrap_or_default();
    let (mut nanoseconds, mut end) = (0, 19);
    if let Some(fraction) = fraction.strip_prefix(b".") {
        let count = fraction.iter().take_while(|it| it.is_ascii_digit()).count();
        if count == 0 {
            return Err("");
        }
        end += 1 + count;
        let known = fraction.iter().take(count).chain(std::iter::repeat(&b'0'));
        nanoseconds = known
            .take(9)
            .fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    }
    let offset = match bytes.get(end) {
        Some(b'Z' | b'z') => {
            end += 1;
            0
        }
        Some(sign @ (b'+' | b'-')) => {
            let (hours, minutes) = (digits(end + 1, 2)?, digits(end + 4, 2)?);
            expect(end + 3, b":")?;
            if hours > 23 || minutes > 59 {
                return Err(": there is no such offset from UTC");
            }
            end += 6;
            let offset = hours * 3_600 + minutes * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        None => return Err(": it has no offset from UTC, such as Z"),
        Some(_) => return Err(""),
    };
    if end != bytes.len() {
        return Err("");
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(": there is no such time of the day");
    }
    let number = day_of(year, month, day);
    if !(1..=12).contains(&month) || date_of(number) != (year, month, day) {
        return Err(": there is no such day");
    }
    let second = hour * 3_600 + minute * 60 + second - offset;
    Ok(Timestamp::from_unix(
        number * SECONDS_OF_DAY + second,
        nanoseconds,
    ))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let year = self.year();
        if !(0..=9999).contains(&year) {
            let problem = format_args!("the year {year} is not between 0 and 9999");
            return Err(S::Error::custom(problem));
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date and time such as 2026-11-22T10:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_unix(seconds(after), after.subsec_nanos()),
            Err(error) => {
                let before = error.duration();
                match before.subsec_nanos() {
                    0 => Self::from_unix(-seconds(before), 0),
                    part => Self::from_unix(-seconds(before) - 1, NANOSECONDS - part),
                }
            }
        }
    }
}

#[cfg(feature = "chrono")]
mod with_chrono {
    use super::Timestamp;
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

    impl<Z: TimeZone> From<DateTime<Z>> for Timestamp {
        fn from(time: DateTime<Z>) -> Self {
            // A leap second of chrono has more than a second of nanoseconds.
            Self::from_unix(time.timestamp(), time.timestamp_subsec_nanos())
        }
    }

    impl From<NaiveDateTime> for Timestamp {
        /// Takes the time in UTC.
        fn from(time: NaiveDateTime) -> Self {
            time.and_utc().into()
        }
    }

    impl From<NaiveDate> for Timestamp {
        /// Takes the beginning of the day in UTC.
        fn from(day: NaiveDate) -> Self {
            day.and_time(NaiveTime::MIN).into()
        }
    }

    impl From<Timestamp> for Option<DateTime<Utc>> {
        /// Returns `None` for a time that `chrono` does not have, more than 260,000 years from now.
        fn from(time: Timestamp) -> Self {
            DateTime::from_timestamp(time.seconds, time.nanoseconds)
        }
    }
}

#[cfg(feature = "time")]
mod with_time {
    use super::Timestamp;
    use time::{Date, OffsetDateTime, PrimitiveDateTime};

    impl From<OffsetDateTime> for Timestamp {
        fn from(time: OffsetDateTime) -> Self {
            Self::from_unix(time.unix_timestamp(), time.nanosecond())
        }
    }

    impl From<PrimitiveDateTime> for Timestamp {
        /// Takes the time in UTC.
        fn from(time: PrimitiveDateTime) -> Self {
            time.assume_utc().into()
        }
    }

    impl From<Date> for Timestamp {
        /// Takes the beginning of the day in UTC.
        fn from(day: Date) -> Self {
            day.midnight().into()
        }
    }

    impl From<Timestamp> for Option<OffsetDateTime> {
        /// Returns `None` for a time that the crate `time` does not have.
        fn from(time: Timestamp) -> Self {
            let nanoseconds =
                i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
            OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::chrono::{DateTime, Utc};
    use proptest::prelude::*;

    fn of_chrono(seconds: i64, nanoseconds: u32) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, nanoseconds).unwrap()
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, written) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00z", "0000-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
            ("2024-02-29t12:00:00.5+01:00", "2024-02-29T11:00:00.500000Z"),
            ("2000-02-29T00:30:00-01:30", "2000-02-29T02:00:00Z"),
            (
                "1999-12-31T23:59:59.1234567891234Z",
                "1999-12-31T23:59:59.123456789Z",
            ),
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), written);
            assert_eq!(
                of_chrono(time.seconds(), time.nanoseconds()),
                text.parse::<DateTime<Utc>>().unwrap()
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, reason) in [
            ("", ""),
            ("2024-01-01", ""),
            ("2024-01-01T00:00Z", ""),
            ("2024-01-01 00:00:00Z", ""),
            ("+024-01-01T00:00:00Z", ""),
            ("2024-01-01T00:00:00.Z", ""),
            ("2024-01-01T00:00:00Z ", ""),
            ("2024-01-01T00:00:00+01", ""),
            ("2024-01-01T00:00:00ä", ""),
            ("２024-01-01T00:00:00Z", ""),
            ("2024-01-01T00:00:00", ": it has no offset"),
            ("2024-01-01T00:00:00+24:00", ": there is no such offset"),
            ("2024-01-01T24:00:00Z", ": there is no such time"),
            ("2024-01-01T23:59:60Z", ": there is no such time"),
            ("2023-02-29T00:00:00Z", ": there is no such day"),
            ("2023-13-01T00:00:00Z", ": there is no such day"),
            ("2023-00-01T00:00:00Z", ": there is no such day"),
            ("2023-01-00T00:00:00Z", ": there is no such day"),
        ] {
            let error = text.parse::<Timestamp>().unwrap_err();
            let expected =
                format!("{text:?} is not a date and time such as 2026-11-22T10:00:00Z{reason}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        let long = "9".repeat(1_000_000).parse::<Timestamp>().unwrap_err();
        assert!(long.to_string().len() < 200);
    }

    #[test]
    fn years_that_do_not_fit_are_not_written() {
        for seconds in [-62_167_219_201, 253_402_300_800, i64::MAX, i64::MIN] {
            let error = serde_json::to_string(&Timestamp::from_unix(seconds, 0)).unwrap_err();
            assert!(error.to_string().contains("between 0 and 9999"), "{error}");
        }
    }

    #[test]
    fn a_time_of_the_system_before_1970_is_right() {
        let before = UNIX_EPOCH - Duration::from_millis(1_500);
        assert_eq!(
            Timestamp::from(before),
            Timestamp::from_unix(-2, 500_000_000)
        );
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::from(before), Timestamp::from_unix(-1, 0));
        let after = UNIX_EPOCH + Duration::from_nanos(1_000_000_001);
        assert_eq!(Timestamp::from(after), Timestamp::from_unix(1, 1));
    }

    #[test]
    fn times_of_other_crates_are_taken() {
        use ::time::macros::{date, datetime};
        let time: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(Timestamp::from(datetime!(2026-11-22 01:00 +1)), time);
        assert_eq!(Timestamp::from(datetime!(2026-11-22 00:00)), time);
        assert_eq!(Timestamp::from(date!(2026 - 11 - 22)), time);
        let day: ::chrono::NaiveDate = "2026-11-22".parse().unwrap();
        assert_eq!(Timestamp::from(day), time);
        assert_eq!(Option::from(time), Some(datetime!(2026-11-22 00:00 UTC)));
        assert_eq!(Option::from(time), Some(of_chrono(time.seconds(), 0)));
        assert_eq!(
            Option::<::time::OffsetDateTime>::from(Timestamp::from_unix(i64::MAX, 0)),
            None
        );
    }

    proptest! {
        #[test]
        fn the_calendar_is_that_of_chrono(
            seconds in -62_167_219_200_i64..253_402_300_800,
            nanoseconds in 0..NANOSECONDS,
        ) {
            let time = Timestamp::from_unix(seconds, nanoseconds);
            let text = time.to_string();
            prop_assert_eq!(text.parse(), Ok(time));
            prop_assert_eq!(text.parse(), Ok(of_chrono(seconds, nanoseconds)));
        }

        #[test]
        fn no_text_is_a_panic(text in "[-+0-9TZtz:.é]{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
