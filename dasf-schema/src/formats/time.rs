//! Dates, times and durations, with the same meaning for the types of `chrono` and `time`.
//!
//! Dates and times are those of RFC 3339. `date-time` has no leap seconds, because `time` cannot hold
//! them. Without a check, `chrono` reads spaces, signs and fields of one digit.

/// A time of the day.
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    /// The minutes by which the clock is ahead of UTC.
    offset: i64,
}

/// Accepts `2026-11-22`.
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fields = || {
        let year = number(bytes.get(..4)?)?;
        Some((year, number(bytes.get(5..7)?)?, number(bytes.get(8..)?)?))
    };
    let Some((year, month, day)) = fields().filter(|_| bytes.len() == 10) else {
        return false;
    };
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    };
    bytes[4] == b'-' && bytes[7] == b'-' && (1..=days).contains(&day)
}

/// Accepts `10:00:00.5Z` and `23:59:60+00:00`.
pub(super) fn is_time(text: &str) -> bool {
    Clock::read(text).is_some_and(|clock| clock.second < 60 || clock.is_last_minute())
}

/// Accepts `2026-11-22T10:00:00Z`, but not a leap second.
pub(super) fn is_date_time(text: &str) -> bool {
    let clock = |(date, time): (&str, &str)| Clock::read(time).filter(|_| is_date(date));
    let clock = text.split_once(['T', 't']).and_then(clock);
    clock.is_some_and(|clock| clock.second < 60)
}

/// Accepts `2026-11-22T10:00:00`.
pub(super) fn is_partial_date_time(text: &str) -> bool {
    text.get(10..11) == Some("T") && is_date_time(&format!("{text}Z"))
}

/// Accepts `10:00:00` and `10:00`; both crates read both.
pub(super) fn is_partial_time(text: &str) -> bool {
    let seconds = if text.len() == "10:00".len() {
        ":00"
    } else {
        ""
    };
    is_date_time(&format!("1970-01-01T{text}{seconds}Z"))
}

impl Clock {
    fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let field = |at: usize| number(bytes.get(at..at + 2)?);
        let has_colons = bytes.get(2) == Some(&b':') && bytes.get(5) == Some(&b':');
        let (hour, minute, second) = (field(0)?, field(3)?, field(6)?);
        let mut rest = bytes.get(8..)?;
        if let [b'.', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|it| it.is_ascii_digit()).count();
            rest = fraction.get(digits..).filter(|_| digits > 0)?;
        }
        let offset = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] if hours.len() == 2 => {
                let (hours, minutes) = (number(hours)?, number(&[*tens, *ones])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let minutes = i64::from(hours * 60 + minutes);
                if *sign == b'+' { minutes } else { -minutes }
            }
            _ => return None,
        };
        let is_valid = has_colons && hour <= 23 && minute <= 59 && second <= 60;
        is_valid.then_some(Self {
            hour,
            minute,
            second,
            offset,
        })
    }

    /// Returns whether this is the last minute of a day in UTC, which may have a leap second.
    fn is_last_minute(&self) -> bool {
        /// The minutes of a day.
        const DAY: i64 = 24 * 60;
        let minutes = i64::from(self.hour * 60 + self.minute) - self.offset;
        minutes.rem_euclid(DAY) == DAY - 1
    }
}

/// Returns the number that digits stand for. There are too few of them to overflow.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// Accepts `P1Y2M3DT4H5M6S` and `P4W` (RFC 3339, appendix A). Between two units, none may be left out.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    match (units(date), time.map(units)) {
        (Some(date), None) => is_part(&date, "YMD") || date == "W",
        (Some(date), Some(Some(time))) => {
            is_part(&time, "HMS") && (date.is_empty() || is_part(&date, "YMD"))
        }
        _ => false,
    }
}

/// Returns the units of numbers; `None` if the text is something else.
fn units(text: &str) -> Option<String> {
    let mut units = String::new();
    let mut has_digits = false;
    for character in text.chars() {
        if character.is_ascii_digit() {
            has_digits = true;
        } else if std::mem::take(&mut has_digits) {
            units.push(character);
        } else {
            return None;
        }
    }
    (!has_digits).then_some(units)
}

/// Returns whether some units follow each other in a list of units.
fn is_part(units: &str, all: &str) -> bool {
    !units.is_empty() && all.contains(units)
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

    #[test]
    fn a_time_has_leap_seconds_at_the_end_of_a_day() {
        for text in [
            "10:00:00Z",
            "23:59:60Z",
            "18:59:60-05:00",
            "00:29:60.5+00:30",
        ] {
            assert!(is_time(text), "{text}");
        }
        for text in [
            "22:59:60Z",
            "23:59:61Z",
            "10:00:00",
            "10:00:00.Z",
            "10:00:00+24:00",
        ] {
            assert!(!is_time(text), "{text}");
        }
    }

    #[test]
    fn a_duration_leaves_no_unit_out() {
        for text in ["P1Y", "P1Y2M3DT4H5M6S", "P4W", "PT5M6S", "P2MT1S"] {
            assert!(is_duration(text), "{text}");
        }
        for text in [
            "P", "PT", "P1YT", "P1Y3D", "PT1H6S", "P1WT1H", "P1W2D", "P1M1Y", "1Y", "PY",
        ] {
            assert!(!is_duration(text), "{text}");
        }
    }
}
