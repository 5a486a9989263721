//! Integers as in JSON Schema: `2.0` and `1e3` are integers, and keep all digits.

use serde::de::{Error, Visitor};

/// An integer with all its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// At least zero.
    Natural(u128),
    /// Below zero.
    Negative(i128),
}

impl Whole {
    /// Parses a JSON number; `None` if it has a fraction or more than 128 bits.
    ///
    /// A fraction too small for a double does not count, because the validator compares doubles.
    pub(super) fn parse(number: &str) -> Option<Self> {
        Self::exact(number).or_else(|| Self::rounded(number))
    }

    fn rounded(number: &str) -> Option<Self> {
        /// Below this limit, a double can hold every integer.
        const LIMIT: f64 = 9_007_199_254_740_992.0;
        if !number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None; // Rust accepts more forms of numbers than JSON
        }
        let number: f64 = number.parse().ok()?;
        let is_whole = number.fract() == 0.0 && number.abs() < LIMIT;
        #[allow(clippy::cast_possible_truncation)] // whole, and within the limits
        is_whole.then(|| match number as i64 {
            negative @ ..0 => Self::Negative(negative.into()),
            natural => Self::Natural(natural.unsigned_abs().into()),
        })
    }

    fn exact(number: &str) -> Option<Self> {
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let magnitude = magnitude(digits)?;
        match (negative, magnitude) {
            (false, magnitude) => Some(Self::Natural(magnitude)),
            (true, 0) => Some(Self::Natural(0)),
            (true, magnitude) => 0_i128.checked_sub_unsigned(magnitude).map(Self::Negative),
        }
    }

    /// Passes the integer to a visitor of integers with at most 64 bits.
    ///
    /// # Errors
    /// Returns the visitor if the integer has more bits.
    pub(super) fn visit<'de, V: Visitor<'de>, E: Error>(
        self,
        visitor: V,
    ) -> Result<Result<V::Value, E>, V> {
        match self {
            Self::Natural(integer) => match u64::try_from(integer) {
                Ok(integer) => Ok(visitor.visit_u64(integer)),
                Err(_) => Err(visitor),
            },
            Self::Negative(integer) => match i64::try_from(integer) {
                Ok(integer) => Ok(visitor.visit_i64(integer)),
                Err(_) => Err(visitor),
            },
        }
    }

    /// Does the same as [`Whole::visit`] for a visitor of integers with 128 bits.
    ///
    /// # Errors
    /// Never fails. The signature is that of [`Whole::visit`].
    pub(super) fn visit_wide<'de, V: Visitor<'de>, E: Error>(
        self,
        visitor: V,
    ) -> Result<Result<V::Value, E>, V> {
        Ok(match self {
            Self::Natural(integer) => visitor.visit_u128(integer),
            Self::Negative(integer) => visitor.visit_i128(integer),
        })
    }
}

/// Returns the value of `12`, `12.00` or `1.2e1`.
fn magnitude(number: &str) -> Option<u128> {
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return None; // not a number
    }
    if let Ok(integer) = number.parse() {
        return Some(integer);
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()),
        None => (number, Ok(0)),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{integer}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0); // with any exponent
    }
    let places = exponent
        .ok()?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if places < 0 {
        // `120e-1` is whole, `125e-1` is not.
        let cut = usize::try_from(places.unsigned_abs()).ok()?;
        let whole = digits.len().checked_sub(cut)?;
        let (whole, rest) = digits.split_at_checked(whole)?;
        return rest
            .bytes()
            .all(|digit| digit == b'0')
            .then(|| whole.parse().ok())?;
    }
    let factor = 10_u128.checked_pow(places.unsigned_abs())?;
    digits.parse::<u128>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_have_all_their_digits() {
        for (number, whole) in [
            ("0", Whole::Natural(0)),
            ("-0", Whole::Natural(0)),
            ("-0.0", Whole::Natural(0)),
            ("0e999999999999", Whole::Natural(0)),
            ("2.0", Whole::Natural(2)),
            ("-2.00", Whole::Negative(-2)),
            ("1e3", Whole::Natural(1000)),
            ("1.5E+1", Whole::Natural(15)),
            ("120e-1", Whole::Natural(12)),
            ("1e-400", Whole::Natural(0)),
            ("-1.00000000000000000001", Whole::Negative(-1)),
            ("1200.0e-2", Whole::Natural(12)),
            ("9007199254740993.0", Whole::Natural(9_007_199_254_740_993)),
            (
                "340282366920938463463374607431768211455",
                Whole::Natural(u128::MAX),
            ),
            (
                "-170141183460469231731687303715884105728",
                Whole::Negative(i128::MIN),
            ),
        ] {
            assert_eq!(Whole::parse(number), Some(whole), "{number}");
        }
    }

    #[test]
    fn what_has_a_fraction_or_too_many_digits_is_no_integer() {
        for number in [
            "0.5",
            "125e-1",
            "1e-1",
            "1e39",
            "1e99999999999",
            "+1",
            "inf",
            "340282366920938463463374607431768211456",
            "-170141183460469231731687303715884105729",
        ] {
            assert_eq!(Whole::parse(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_float_without_fraction_reads_as_the_integer_it_was(integer in any::<i64>(), zeros in 0..4_usize) {
            let number = format!("{integer}.0{}", "0".repeat(zeros));
            let whole = match u128::try_from(integer) {
                Ok(natural) => Whole::Natural(natural),
                Err(_) => Whole::Negative(integer.into()),
            };
            prop_assert_eq!(Whole::parse(&number), Some(whole));
        }
    }
}
