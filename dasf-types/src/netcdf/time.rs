//! Times and durations, which NetCDF stores as numbers with units: `days since 2000-01-01`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use ndarray::ArrayD;

use super::error::NetcdfError;
use super::format::Numbers;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// The units of the CF conventions with a fixed length in nanoseconds, from coarse to fine.
const UNITS: [(&str, i128); 7] = [
    ("days", DAY),
    ("hours", 3_600 * SECOND),
    ("minutes", 60 * SECOND),
    ("seconds", SECOND),
    ("milliseconds", SECOND / 1_000),
    ("microseconds", SECOND / 1_000_000),
    ("nanoseconds", 1),
];
/// Other names of these units.
const SHORT_UNITS: [(&str, &str); 14] = [
    ("d", "days"),
    ("h", "hours"),
    ("hr", "hours"),
    ("hrs", "hours"),
    ("min", "minutes"),
    ("mins", "minutes"),
    ("s", "seconds"),
    ("sec", "seconds"),
    ("secs", "seconds"),
    ("ms", "milliseconds"),
    ("msec", "milliseconds"),
    ("msecs", "milliseconds"),
    ("microsec", "microseconds"),
    ("microsecs", "microseconds"),
];
/// The first day of the Gregorian calendar. In the calendar `standard`, earlier days are Julian.
const FIRST_GREGORIAN: (i32, u32, u32) = (1582, 10, 15);
/// The Julian day number of 1 January 1970.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;
/// Double precision represents every integer up to this one.
const EXACT: i128 = 1 << 53;

/// Returns whether units count from a point in time.
pub(super) fn are_since(units: &str) -> bool {
    units.contains("since")
}

fn refuse(reason: impl Into<String>) -> NetcdfError {
    NetcdfError::NotTimes {
        reason: reason.into(),
    }
}

/// Converts a number of units to nanoseconds, rounded.
fn nanoseconds(number: f64, unit: i128) -> Option<i128> {
    let whole = number.trunc();
    // The fraction is multiplied alone, because the product of the whole number would lose its
    // digits.
    #[allow(clippy::cast_precision_loss)] // a unit has at most 47 bits
    let fraction = ((number - whole) * unit as f64).round();
    #[allow(clippy::cast_possible_truncation)] // too large values saturate and are rejected below
    let (whole, fraction) = (whole as i128, fraction as i128);
    whole.checked_mul(unit)?.checked_add(fraction)
}

fn from_nanoseconds(nanoseconds: i128) -> Option<NaiveDateTime> {
    let seconds = i64::try_from(nanoseconds.div_euclid(SECOND)).ok()?;
    let rest = u32::try_from(nanoseconds.rem_euclid(SECOND)).ok()?;
    Some(DateTime::from_timestamp(seconds, rest)?.naive_utc())
}

fn to_nanoseconds(time: NaiveDateTime) -> i128 {
    let time = time.and_utc();
    i128::from(time.timestamp()) * SECOND + i128::from(time.timestamp_subsec_nanos())
}

/// Converts numbers to times, and NaN to `None`.
pub(super) fn decode_times(
    numbers: &ArrayD<f64>,
    units: &str,
    calendar: Option<&str>,
) -> Result<ArrayD<Option<NaiveDateTime>>, NetcdfError> {
    // The default calendar is `standard`.
    let calendar = calendar.unwrap_or("standard").to_lowercase();
    let mixed = match calendar.as_str() {
        "standard" | "gregorian" => true,
        "proleptic_gregorian" => false,
        _ => {
            return Err(refuse(format!(
                "the calendar `{calendar}` is not a calendar of the real world"
            )));
        }
    };
    let (unit, reference) = units
        .split_once(" since ")
        .ok_or_else(|| refuse(format!("the units `{units}` are not `UNIT since DATE`")))?;
    let unit = unit_length(unit.trim()).ok_or_else(|| {
        refuse(format!(
            "the unit `{}` has no fixed length or is unknown",
            unit.trim()
        ))
    })?;
    let reference = Reference::parse(reference.trim())
        .and_then(|reference| reference.nanoseconds(mixed))
        .ok_or_else(|| {
            refuse(format!(
                "the reference date `{}` is invalid",
                reference.trim()
            ))
        })?;
    let (year, month, day) = FIRST_GREGORIAN;
    let first = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    let decode = |number: f64| {
        let time = nanoseconds(number, unit)
            .and_then(|since| reference.checked_add(since))
            .and_then(from_nanoseconds)
            .ok_or_else(|| refuse(format!("{number} {units} is out of range")))?;
        if mixed && time.date() < first {
            return Err(refuse(format!(
                "{number} {units} is before 1582-10-15 and so a date of the Julian calendar"
            )));
        }
        Ok(time)
    };
    map(numbers, |&number| {
        if number.is_nan() {
            Ok(None)
        } else {
            decode(number).map(Some)
        }
    })
}

/// Converts numbers to durations, and NaN to `None`.
///
/// Returns `None` if the units are not a unit of time, or if a number is out of range.
pub(super) fn decode_durations(
    numbers: &ArrayD<f64>,
    units: &str,
) -> Option<ArrayD<Option<TimeDelta>>> {
    let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == units)?;
    let decode = |&number: &f64| {
        if number.is_nan() {
            return Ok(None);
        }
        let nanoseconds = nanoseconds(number, unit).ok_or(())?;
        let seconds = i64::try_from(nanoseconds.div_euclid(SECOND)).map_err(|_| ())?;
        let rest = u32::try_from(nanoseconds.rem_euclid(SECOND)).map_err(|_| ())?;
        TimeDelta::new(seconds, rest).map(Some).ok_or(())
    };
    map(numbers, decode).ok()
}

fn map<T, U, E>(
    array: &ArrayD<T>,
    convert: impl FnMut(&T) -> Result<U, E>,
) -> Result<ArrayD<U>, E> {
    let values = array.iter().map(convert).collect::<Result<Vec<_>, _>>()?;
    Ok(super::values::shaped(array.raw_dim(), values))
}

fn unit_length(unit: &str) -> Option<i128> {
    let unit = unit.to_lowercase();
    let plural = SHORT_UNITS
        .into_iter()
        .find_map(|(short, plural)| (short == unit).then_some(plural));
    let unit = plural.unwrap_or(&unit);
    let mut units = UNITS.into_iter();
    units.find_map(|(name, length)| {
        (unit == name || Some(unit) == name.strip_suffix('s')).then_some(length)
    })
}

/// A date and a time of day with an offset, in any calendar.
#[derive(Debug, PartialEq)]
struct Reference {
    year: i32,
    month: u32,
    day: u32,
    /// The nanoseconds since midnight in UTC.
    time: i128,
}

impl Reference {
    /// Parses `2000-01-01`, `1-1-1 00:00:0.0`, `2000-01-01T12:00Z`, `1990-1-1 0:0:0 -6:00` …
    fn parse(text: &str) -> Option<Self> {
        let end = text.find([' ', 'T', 't', 'Z', 'z']).unwrap_or(text.len());
        let (date, rest) = text.split_at(end);
        let (sign, date) = match date.strip_prefix('-') {
            Some(date) => (-1, date),
            None => (1, date.strip_prefix('+').unwrap_or(date)),
        };
        let mut date = date.split('-');
        let year: i32 = number(date.next()?)?;
        let month = number(date.next()?)?;
        let day = number(date.next()?)?;
        if date.next().is_some() {
            return None;
        }
        let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim();
        let (clock, zone) = match rest.find(['Z', 'z', '+', '-', ' ', 'U', 'G']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        Some(Self {
            year: sign * year,
            month,
            day,
            time: time_of_day(clock)? - offset(zone.trim())?,
        })
    }

    /// Returns the nanoseconds since 1970, if the calendar has this day.
    fn nanoseconds(&self, mixed: bool) -> Option<i128> {
        let date = (self.year, self.month, self.day);
        let days = if mixed && date < FIRST_GREGORIAN {
            self.julian_days()?
        } else {
            let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
            date.signed_duration_since(NaiveDate::default()).num_days()
        };
        (i128::from(days) * DAY).checked_add(self.time)
    }

    /// Returns the days since 1970 of a date in the Julian calendar.
    fn julian_days(&self) -> Option<i64> {
        let date = (self.year, self.month, self.day);
        let leap = self.year % 4 == 0;
        let longest = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        // The fourth of October was followed by the fifteenth. There was no year zero.
        if date > (1582, 10, 4) || self.year < 1 || !(1..=longest).contains(&self.day) {
            return None;
        }
        let (year, month, day) = (
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
        );
        // In years that begin in March, the leap day is the last day.
        let before_march = i64::from(month < 3);
        let year = year + 4_800 - before_march;
        let month = month + 12 * before_march - 3;
        let julian_day = day + (153 * month + 2) / 5 + 365 * year + year / 4 - 32_083;
        Some(julian_day - EPOCH_JULIAN_DAY)
    }
}

/// Parses an unsigned number of at most nine digits.
fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// Parses `12`, `12:00`, `12:00:00`, `12:00:00.5` or nothing, and returns nanoseconds.
fn time_of_day(clock: &str) -> Option<i128> {
    if clock.is_empty() {
        return Some(0);
    }
    let mut fields = clock.split(':');
    let hours: u32 = number(fields.next()?)?;
    let minutes: u32 = fields.next().map_or(Some(0), number)?;
    let seconds = fields.next().unwrap_or("0");
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole: u32 = number(seconds)?;
    let digits: u32 = number(fraction)?;
    let scale = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let nanosecond = u64::from(digits) * 1_000_000_000 / u64::from(scale);
    let nanosecond = u32::try_from(nanosecond).ok()?;
    let time = NaiveTime::from_hms_nano_opt(hours, minutes, whole, nanosecond)?;
    if fields.next().is_some() {
        return None;
    }
    Some(
        time.signed_duration_since(NaiveTime::MIN)
            .num_nanoseconds()?
            .into(),
    )
}

/// Parses `Z`, `UTC`, `+02:00`, `-6:00`, `+0200`, `+2`, `0:00` or nothing, and returns nanoseconds.
fn offset(zone: &str) -> Option<i128> {
    if zone.is_empty() || ["z", "utc", "gmt"].contains(&zone.to_lowercase().as_str()) {
        return Some(0);
    }
    let (sign, offset) = match zone.strip_prefix('-') {
        Some(offset) => (-1, offset),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = match offset.split_once(':') {
        Some(fields) => fields,
        None if offset.len() == 4 => offset.split_at_checked(2)?,
        None => (offset, "0"),
    };
    let (hours, minutes): (u32, u32) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * i128::from(hours * 60 + minutes) * 60 * SECOND)
}

/// Times or durations as numbers.
pub(super) struct Encoded {
    pub(super) units: String,
    /// Integers if all of them are present and small.
    pub(super) numbers: Numbers,
}

/// Converts times to exact numbers since the day of the first time.
pub(super) fn encode_times(times: &ArrayD<Option<NaiveDateTime>>) -> Option<Encoded> {
    let first = times.iter().flatten().next().map(NaiveDateTime::date);
    let first = first.unwrap_or_default();
    let reference = to_nanoseconds(first.and_time(NaiveTime::MIN));
    let since = times
        .iter()
        .map(|time| time.map(|time| to_nanoseconds(time) - reference));
    let encoded = encode(&since.collect::<Vec<_>>())?;
    Some(Encoded {
        units: format!("{} since {first} 00:00:00", encoded.units),
        ..encoded
    })
}

/// Converts durations to exact numbers.
pub(super) fn encode_durations(durations: &ArrayD<Option<TimeDelta>>) -> Option<Encoded> {
    let nanoseconds = durations.iter().map(|duration| {
        duration.map(|duration| {
            i128::from(duration.num_seconds()) * SECOND + i128::from(duration.subsec_nanos())
        })
    });
    encode(&nanoseconds.collect::<Vec<_>>())
}

/// Uses the coarsest unit of which all values are whole multiples. Returns `None` if the numbers
/// are too large.
fn encode(nanoseconds: &[Option<i128>]) -> Option<Encoded> {
    let whole = |unit: i128| nanoseconds.iter().flatten().all(|count| count % unit == 0);
    let (units, unit) = UNITS.into_iter().find(|&(_, unit)| whole(unit))?;
    let counts = || {
        nanoseconds
            .iter()
            .map(|count| count.map(|count| count / unit))
    };
    let small = counts().map(|count| count.and_then(|count| i32::try_from(count).ok()));
    let numbers = match small.collect::<Option<Vec<_>>>() {
        Some(numbers) => Numbers::I32(numbers),
        None => {
            if counts().flatten().any(|count| count.abs() > EXACT) {
                return None;
            }
            #[allow(clippy::cast_precision_loss)] // exact, as checked above
            let numbers = counts().map(|count| count.map_or(f64::NAN, |count| count as f64));
            Numbers::F64(numbers.collect())
        }
    };
    Some(Encoded {
        units: units.to_owned(),
        numbers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(number: f64, units: &str, calendar: &str) -> Result<String, String> {
        let numbers = ndarray::arr0(number).into_dyn();
        match decode_times(&numbers, units, Some(calendar)) {
            Ok(times) => Ok(times.first().unwrap().unwrap().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn references_are_read_as_they_are_found_in_files() {
        for (units, expected) in [
            ("days since 2000-01-01", "2000-01-02 00:00:00"),
            ("day since 2000-1-1", "2000-01-02 00:00:00"),
            ("Hours since 2000-01-01 00:00:0.0", "2000-01-01 01:00:00"),
            ("minutes since 2000-01-01T12:30", "2000-01-01 12:31:00"),
            ("seconds since 1970-01-01T00:00:00Z", "1970-01-01 00:00:01"),
            (
                "seconds since 1970-01-01 00:00:00 UTC",
                "1970-01-01 00:00:01",
            ),
            (
                "s since 1992-10-8 15:15:42.5 -6:00",
                "1992-10-08 21:15:43.500",
            ),
            ("h since 2000-01-01 00:00:00 +02:00", "1999-12-31 23:00:00"),
            (
                "hours since 2000-01-01 00:00:00+0130",
                "1999-12-31 23:30:00",
            ),
            (
                "hours since 2000-01-01 00:00:00 0:00",
                "2000-01-01 01:00:00",
            ),
            (
                "seconds since 1970-1-1 00:00:0.0 +01:00",
                "1969-12-31 23:00:01",
            ),
            ("milliseconds since 1970-01-01", "1970-01-01 00:00:00.001"),
            (
                "nanoseconds since 1970-01-01",
                "1970-01-01 00:00:00.000000001",
            ),
        ] {
            assert_eq!(
                decode(1.0, units, "proleptic_gregorian").as_deref(),
                Ok(expected),
                "{units}"
            );
        }
    }

    #[test]
    fn invalid_units_are_errors() {
        for (units, problem) in [
            (
                "months since 2000-01-01",
                "the unit `months` has no fixed length",
            ),
            ("days since", "are not `UNIT since DATE`"),
            ("days since yesterday", "the reference date `yesterday`"),
            ("days since 2000-13-01", "the reference date `2000-13-01`"),
            ("days since 2000-01-01 25:00", "the reference date"),
            ("days since 2000-01-01 00:00 CEST", "the reference date"),
            ("days since 01-01-2000", "the reference date"),
            ("days since 2000-01", "the reference date"),
            ("days since 2000-01-01-01", "the reference date"),
            ("days since ü-ü-ü", "the reference date"),
        ] {
            let error = decode(1.0, units, "standard").unwrap_err();
            assert!(error.contains(problem), "{units}: {error}");
        }
        for number in [1e300, f64::INFINITY, -1e18] {
            let error = decode(number, "days since 2000-01-01", "standard").unwrap_err();
            assert!(error.contains("out of range"), "{error}");
        }
    }

    #[test]
    fn the_standard_calendar_is_julian_before_1582() {
        // As in cftime: hours since the first day of year 1 in the mixed calendar.
        let units = "hours since 1-1-1 00:00:0.0";
        let noon = "2000-01-01 12:00:00";
        assert_eq!(decode(17_522_916.0, units, "standard").as_deref(), Ok(noon));
        let noon = "2000-01-01 12:00:00";
        assert_eq!(
            decode(17_522_868.0, units, "proleptic_gregorian").as_deref(),
            Ok(noon)
        );
        let units = "days since 1582-10-04";
        let first = "1582-10-15 00:00:00";
        assert_eq!(decode(1.0, units, "gregorian").as_deref(), Ok(first));
        let error = decode(0.0, units, "gregorian").unwrap_err();
        assert!(error.contains("a date of the Julian calendar"), "{error}");
        for gap in [
            "days since 1582-10-10",
            "days since 0-1-1",
            "days since 1500-2-30",
        ] {
            let error = decode(300_000.0, gap, "standard").unwrap_err();
            assert!(error.contains("the reference date"), "{error}");
        }
        // The year 1500 is a leap year only in the Julian calendar.
        assert!(decode(300_000.0, "days since 1500-2-29", "standard").is_ok());
        assert!(decode(300_000.0, "days since 1500-2-29", "proleptic_gregorian").is_err());
    }

    #[test]
    fn fractions_keep_their_digits() {
        let units = "days since 0001-01-01";
        let time = decode(730_119.25, units, "proleptic_gregorian");
        assert_eq!(time.as_deref(), Ok("2000-01-01 06:00:00"));
        let units = "seconds since 1970-01-01";
        let time = decode(-0.25, units, "proleptic_gregorian");
        assert_eq!(time.as_deref(), Ok("1969-12-31 23:59:59.750"));
    }

    fn encoded(times: &[Option<&str>]) -> Option<(String, Vec<f64>, bool)> {
        let times: Vec<Option<NaiveDateTime>> = times
            .iter()
            .map(|time| time.map(|time| time.parse().unwrap()))
            .collect();
        let encoded = encode_times(&ndarray::arr1(&times).into_dyn())?;
        let integers = matches!(encoded.numbers, Numbers::I32(_));
        Some((encoded.units, encoded.numbers.to_f64s(), integers))
    }

    #[test]
    fn times_are_written_in_the_coarsest_units_that_are_exact() {
        let (units, numbers, integers) =
            encoded(&[Some("2000-01-01T00:00:00"), Some("1999-12-30T00:00:00")]).unwrap();
        assert_eq!(units, "days since 2000-01-01 00:00:00");
        assert_eq!((numbers, integers), (vec![0.0, -2.0], true));

        let (units, numbers, integers) = encoded(&[
            None,
            Some("2000-01-01T18:00:00"),
            Some("2000-01-02T00:00:00"),
        ])
        .unwrap();
        assert_eq!(units, "hours since 2000-01-01 00:00:00");
        assert!(numbers[0].is_nan() && !integers);
        assert_eq!(numbers[1..], [18.0, 24.0]);

        let (units, numbers, integers) = encoded(&[
            Some("2000-01-01T00:00:00.000001"),
            Some("2100-01-01T00:00:00"),
        ])
        .unwrap();
        assert_eq!(units, "microseconds since 2000-01-01 00:00:00");
        assert_eq!((numbers, integers), (vec![1.0, 3_155_760_000e6], false));

        assert_eq!(encoded(&[]).unwrap().0, "days since 1970-01-01 00:00:00");
        // The nanoseconds of a year do not fit in any number of the format.
        let far = ["2000-01-01T00:00:00.000000001", "2001-01-01T00:00:00"];
        assert_eq!(encoded(&far.map(Some)), None);
    }
}
