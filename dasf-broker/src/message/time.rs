//! Times in the texts of deliveries.

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const TIME_EXAMPLE: &str = "2026-11-22T10:52:08.353669+00:00";

/// Returns a time as RFC 3339 in UTC with microseconds, from 1970 to 9999.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let mut text = String::with_capacity(TIME_EXAMPLE.len());
    push_time(&mut text, time);
    text
}

/// Returns the date of a time in UTC.
#[cfg(feature = "cli")]
pub(crate) fn date(time: SystemTime) -> String {
    let mut text = rfc3339(time);
    text.truncate("2026-11-22".len());
    text
}

/// Appends a time as RFC 3339 in UTC with microseconds, from 1970 to 9999.
pub(super) fn push_time(text: &mut String, time: SystemTime) {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years start in March, so a leap day is the last day of a year and the lengths of months are
    // regular. Day 0 is 0000-03-01. This is `civil_from_days` of Howard Hinnant.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match (era * 400 + year, month) {
        (year, 0..10) => (year, month + 3),
        (year, _) => (year + 1, month - 9),
    };

    push_number(text, year, 4);
    for (separator, number) in [
        ('-', month),
        ('-', day),
        ('T', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        text.push(separator);
        push_number(text, number, 2);
    }
    text.push('.');
    push_number(text, u64::from(since_epoch.subsec_micros()), 6);
    text.push_str("+00:00");
}

/// Appends the last `digits` decimal digits of a number.
fn push_number(text: &mut String, number: u64, digits: u32) {
    for power in (0..digits).rev() {
        let digit = number / 10_u64.pow(power) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn time(micros: u64) -> String {
        let mut text = String::new();
        push_time(&mut text, UNIX_EPOCH + Duration::from_micros(micros));
        text
    }

    #[test]
    fn a_time_is_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(
            time(951_782_400_000_000),
            "2000-02-29T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(1_709_251_199_999_999),
            "2024-02-29T23:59:59.999999+00:00"
        );
        assert_eq!(
            time(1_709_251_200_000_000),
            "2024-03-01T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(1_795_344_728_353_669),
            "2026-11-22T10:52:08.353669+00:00"
        );
        assert_eq!(
            time(4_107_542_400_000_000),
            "2100-03-01T00:00:00.000000+00:00"
        );
        assert_eq!(
            time(253_402_300_799_000_000),
            "9999-12-31T23:59:59.000000+00:00"
        );
        assert_eq!(time(1).len(), TIME_EXAMPLE.len());
    }
}
