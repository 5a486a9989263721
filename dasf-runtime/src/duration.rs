//! Durations as people read them.

use std::time::Duration;

/// Returns a duration in milliseconds, rounded down.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Formats a duration for a message: `60 s`, `1.5 s` or `50 ms`.
pub(crate) fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else {
        format!("{} s", duration.as_secs_f64())
    }
}

/// Formats a duration that was measured or chosen at random: `60.3 s` or `50 ms`.
pub(crate) fn rounded(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return shown(duration);
    }
    let tenths = (duration.as_millis() + 50) / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        rest => format!("{}.{rest} s", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (microseconds, exact, round) in [
            (60_000_000, "60 s", "60 s"),
            (1_500_000, "1.5 s", "1.5 s"),
            (1_234_567, "1.234567 s", "1.2 s"),
            (1_999_000, "1.999 s", "2 s"),
            (660_432, "660 ms", "660 ms"),
        ] {
            let duration = Duration::from_micros(microseconds);
            assert_eq!(shown(duration), exact);
            assert_eq!(rounded(duration), round);
        }
    }
}
