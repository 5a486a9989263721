//! The times of brokers: those in their deliveries, and those in their answers to a handshake.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads a time in the form of RFC 3339, as brokers write it in a delivery. Returns `None` if the text
/// has another form, or the time is before 1970.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use dasf_protocol::time::from_rfc3339;
///
/// let time = UNIX_EPOCH + Duration::from_millis(1_500);
/// assert_eq!(from_rfc3339("1970-01-01T00:00:01.500Z"), Some(time));
/// assert_eq!(from_rfc3339("1970-01-01T01:00:01.5+01:00"), Some(time));
/// assert_eq!(from_rfc3339("yesterday"), None);
/// ```
pub fn from_rfc3339(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let (time, rest) = rest.split_at_checked(9)?;
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2] = *date else {
        return None;
    };
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let days = days_since_epoch(year, number(&[o1, o2])?, number(&[d1, d2])?)?;
    let seconds = seconds_of_day(&[h1, h2], &[m1, m2], &[s1, s2])?;
    let (nanoseconds, offset) = fraction(rest)?;
    let offset = offset_in_seconds(offset)?;
    let seconds = days * 86_400 + seconds - offset;
    let since_epoch = Duration::new(u64::try_from(seconds).ok()?, nanoseconds);
    UNIX_EPOCH.checked_add(since_epoch)
}

/// Reads a time in the form of HTTP, as servers write it in the header `Date`. Returns `None` if the text
/// has another form, or the time is before 1970.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use dasf_protocol::time::from_http_date;
///
/// let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
/// assert_eq!(from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(time));
/// assert_eq!(from_http_date("now"), None);
/// ```
pub fn from_http_date(text: &str) -> Option<SystemTime> {
    let mut parts = text.split_ascii_whitespace();
    let (_, day, month, year) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = i64::try_from(month).ok()? + 1;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *time.as_bytes() else {
        return None;
    };
    let is_utc = zone == "GMT" && parts.next().is_none() && year.len() == 4;
    let days = days_since_epoch(number(year.as_bytes())?, month, number(day.as_bytes())?)?;
    let seconds = days * 86_400 + seconds_of_day(&[h1, h2], &[m1, m2], &[s1, s2])?;
    let seconds = u64::try_from(seconds).ok().filter(|_| is_utc)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Reads a number of at most nine digits.
fn number(digits: &[u8]) -> Option<i64> {
    let is_number = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let value = |value: i64, digit: &u8| value * 10 + i64::from(digit - b'0');
    is_number.then(|| digits.iter().fold(0, value))
}

fn seconds_of_day(hour: &[u8], minute: &[u8], second: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    // A leap second has the number 60.
    let is_valid = hour < 24 && minute < 60 && second <= 60;
    is_valid.then_some(hour * 3600 + minute * 60 + second)
}

/// Returns the number of a day. This is `days_from_civil` of Howard Hinnant.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    // Years start in March, so that a leap day is the last day of a year.
    let (year, month) = match month {
        ..=2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * month + 2) / 5 + day - 1 + year * 365 + year / 4 - year / 100;
    is_valid.then_some(era * 146_097 + day - 719_468)
}

/// Returns the nanoseconds of a fraction of a second, and what follows it.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    let known = &digits[..digits.len().min(9)];
    let missing = u32::try_from(9 - known.len()).ok()?;
    let nanoseconds = number(known)? * 10_i64.pow(missing);
    Some((u32::try_from(nanoseconds).ok()?, rest))
}

fn offset_in_seconds(offset: &[u8]) -> Option<i64> {
    let (sign, digits) = match offset {
        b"Z" | b"z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hour, minute) = match *digits {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (number(&[h1, h2])?, number(&[m1, m2])?),
        _ => return None,
    };
    let is_valid = hour < 24 && minute < 60;
    is_valid.then_some(sign * (hour * 3600 + minute * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(time: Option<SystemTime>) -> Option<u128> {
        time.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_micros())
    }

    #[test]
    fn the_times_of_all_brokers_are_read() {
        let noon = 1_795_344_728_353_669;
        for (text, expected) in [
            // `dasf-broker` and Django, which leaves out a fraction of zero.
            ("2026-11-22T10:52:08.353669+00:00", Some(noon)),
            (
                "2026-11-22T10:52:08+00:00",
                Some(noon / 1_000_000 * 1_000_000),
            ),
            // Pulsar.
            ("2026-11-22T11:52:08.353669+01:00", Some(noon)),
            ("2026-11-22T05:22:08.353669-0530", Some(noon)),
            ("2026-11-22T10:52:08.353669Z", Some(noon)),
            ("2026-11-22T10:52:08.353669999999Z", Some(noon)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000_000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-22T10:52:08Z", None),
            ("2026-11-00T10:52:08Z", None),
            ("2026-11-22T24:52:08Z", None),
            ("2026-11-22T10:52:08", None),
            ("2026-11-22T10:52:08.Z", None),
            ("2026-11-22T10:52:08.5", None),
            ("2026-11-22T10:52:08+1", None),
            ("2026-11-22", None),
            ("", None),
        ] {
            assert_eq!(micros(from_rfc3339(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_header_date_is_read() {
        for (text, expected) in [
            ("Sun, 22 Nov 2026 10:52:08 GMT", Some(1_795_344_728_000_000)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 22 Nov 2026 10:52:08 CET", None),
            ("Sun, 22 Nov 2026 10:52:08 GMT+1", None),
            ("Sunday, 22-Nov-26 10:52:08 GMT", None),
            ("Sun, 22 Nov 2026 10:52 GMT", None),
            ("", None),
        ] {
            assert_eq!(micros(from_http_date(text)), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:.+ -]{0,40}|.*") {
            let _ = from_rfc3339(&text);
            let _ = from_http_date(&text);
        }
    }
}
