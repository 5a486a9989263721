//! The time limit of a command.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

/// How long a command waits for the result of a call.
#[derive(Debug, Clone, Copy, Args)]
pub struct CallTimeout {
    /// Time to wait for the result: seconds, a time such as 5m or 2h, or none [default: 60]
    #[arg(long, value_name = "TIME")]
    timeout: Option<TimeLimit>,
    /// Time to wait for each progress report, in place of --timeout
    ///
    /// After the last report, the result may take as long.
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with = "timeout",
        hide_short_help = true
    )]
    timeout_without_progress: Option<TimeLimit>,
}

/// How long a command waits for a result by default.
const DEFAULT: TimeLimit = TimeLimit(Duration::from_secs(60));

impl CallTimeout {
    /// Returns the time.
    pub fn limit(self) -> TimeLimit {
        self.given().unwrap_or(DEFAULT)
    }

    /// Returns the time, if the user has given one.
    pub fn given(self) -> Option<TimeLimit> {
        self.timeout_without_progress.or(self.timeout)
    }

    /// Returns whether the time restarts with each progress report.
    pub fn restarts(self) -> bool {
        self.timeout_without_progress.is_some()
    }
}

/// How long a command waits: seconds such as `90` or `0.5`, a time with a unit such as `500ms`, `90s`,
/// `5m`, `2h` or `1d`, or `none`.
///
/// ```
/// use dasf_runtime::cli::TimeLimit;
/// use std::time::Duration;
///
/// let limit: TimeLimit = "2h".parse()?;
/// assert_eq!(limit.duration(), Duration::from_secs(7200));
/// assert!("2 fortnights".parse::<TimeLimit>().is_err());
/// # Ok::<(), dasf_runtime::cli::InvalidTimeLimit>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(Duration);

/// The error of a text that is not a [`TimeLimit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a time; write seconds such as 90, a time such as 500ms, 90s, 5m, 2h or 1d, or none"
)]
pub struct InvalidTimeLimit(String);

/// The units, in seconds. `ms` stands before the others, because it ends like one of them.
const UNITS: [(&str, f64); 5] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

impl TimeLimit {
    /// Returns the time; [`Duration::MAX`] for `none`.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for TimeLimit {
    type Err = InvalidTimeLimit;

    fn from_str(text: &str) -> Result<Self, InvalidTimeLimit> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(Duration::MAX));
        }
        let with_unit = UNITS
            .iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
        let (number, unit) = with_unit.unwrap_or((text, 1.0));
        let is_number = number.starts_with(|first: char| first.is_ascii_digit());
        let number = number.trim_end().parse::<f64>().ok().filter(|_| is_number);
        let seconds = number.map(|number| number * unit);
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Self)
            .ok_or_else(|| InvalidTimeLimit(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, milliseconds) in [
            ("2", 2000),
            ("0", 0),
            ("0.5", 500),
            ("500ms", 500),
            ("90s", 90_000),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("2 h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            let limit: TimeLimit = text.parse().unwrap();
            assert_eq!(
                limit.duration(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
        let none: TimeLimit = "none".parse().unwrap();
        assert_eq!(none.duration(), Duration::MAX);
        for text in ["", "-1", "h", "2x", "1e400", "inf", "NaN", "2h30"] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }
}
