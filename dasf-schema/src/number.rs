//! Exact comparison and division of JSON numbers.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn of(number: &serde_json::Number) -> Self {
        match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Self::Unsigned(number),
            (None, Some(number)) => Self::Negative(number),
            (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Unsigned(number) => number as f64,
            Self::Negative(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Negative(number) => number.fmt(f),
            Self::Float(number) => serde_json::Value::from(*number).fmt(f),
        }
    }
}

/// A number without loss.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exact {
    Integer(i128),
    Float(f64),
}

impl Exact {
    pub(crate) fn of(number: Number) -> Self {
        match number {
            Number::Unsigned(number) => Self::Integer(number.into()),
            Number::Negative(number) => Self::Integer(number.into()),
            Number::Float(number) => Self::Float(number),
        }
    }

    /// Compares two numbers; `None` if one of them is not a number.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => Some(one.cmp(&other)),
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(&other),
            (Self::Integer(one), Self::Float(other)) => with_float(one, other),
            (Self::Float(one), Self::Integer(other)) => {
                with_float(other, one).map(Ordering::reverse)
            }
        }
    }
}

/// Compares an integer of at most 64 bits with a float.
fn with_float(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // The conversion saturates far beyond 64 bits, so the order stays.
    let whole = float.trunc() as i128;
    let of_fraction = || 0.0_f64.partial_cmp(&float.fract());
    match integer.cmp(&whole) {
        Ordering::Equal => of_fraction(),
        order => Some(order),
    }
}

/// Returns whether a number is a multiple of another, which is positive. Both count as the decimal
/// numbers that they are written as: 0.3 is a multiple of 0.1.
pub(crate) fn is_multiple(number: Number, of: f64) -> bool {
    /// From here on, floats skip integers.
    const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64();
    if of.fract() != 0.0 {
        return float == 0.0 || (float.abs() >= of && divides(float, of));
    }
    match Exact::of(number) {
        Exact::Integer(integer) if of <= EXACT_LIMIT => integer % (of as i128) == 0,
        _ => float.fract() == 0.0 && float % of == 0.0,
    }
}

/// Returns whether the quotient of two decimal numbers, which are not zero, is an integer.
fn divides(number: f64, by: f64) -> bool {
    let (Some((dividend, exponent)), Some((divisor, other))) = (decimal(number), decimal(by))
    else {
        return false;
    };
    let shift = exponent - other;
    if shift < 0 {
        // `dividend / (divisor * 10^-shift)`: a product that does not fit is larger than the
        // dividend.
        let scale = 10_u128.checked_pow(shift.unsigned_abs());
        let scaled = scale.and_then(|scale| scale.checked_mul(divisor));
        return scaled.is_some_and(|scaled| dividend % scaled == 0);
    }
    // `dividend * 10^shift / divisor`, modulo the divisor: all factors have at most 17 digits.
    let mut rest = dividend % divisor;
    for _ in 0..shift {
        if rest == 0 {
            break;
        }
        rest = rest * 10 % divisor;
    }
    rest == 0
}

/// Returns a number as `digits * 10^exponent`, without its sign.
fn decimal(number: f64) -> Option<(u128, i32)> {
    let text = format!("{:e}", number.abs());
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let shift = i32::try_from(fraction.len()).ok()?;
    Some((digits, exponent.parse::<i32>().ok()? - shift))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn number(text: &str) -> Number {
        Number::of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn no_digit_is_lost_in_a_comparison() {
        for (one, other, order) in [
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            (
                "18446744073709551615",
                "18446744073709551616.0",
                Ordering::Less,
            ),
            (
                "-9223372036854775808",
                "-9223372036854775808.0",
                Ordering::Equal,
            ),
            ("-1", "-1.5", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("0", "-0.0", Ordering::Equal),
            ("1", "1e300", Ordering::Less),
            ("1", "-1e300", Ordering::Greater),
        ] {
            let (one, other) = (Exact::of(number(one)), Exact::of(number(other)));
            assert_eq!(one.compare(other), Some(order));
            assert_eq!(other.compare(one), Some(order.reverse()));
        }
    }

    #[test]
    fn multiples_are_those_of_the_decimal_numbers() {
        for (value, of, expected) in [
            (json!(0.3), 0.1, true),
            (json!(1070468.14), 0.01, true),
            (json!(0.35), 0.1, false),
            (json!(1e300), 0.1, true),
            (json!(1e-300), 0.1, false),
            (json!(0), 0.7, true),
            (json!(-1.4), 0.7, true),
            (json!(1.5), 1e-30, true),
            (json!(9), 3.0, true),
            (json!(9.0), 3.0, true),
            (json!(9.5), 3.0, false),
            (json!(u64::MAX), 5.0, true),
            (json!(u64::MAX), 7.0, false),
            (json!(1e20), 3.0, false),
        ] {
            let number = Number::of(value.as_number().unwrap());
            assert_eq!(is_multiple(number, of), expected, "{value} of {of}");
        }
    }
}
