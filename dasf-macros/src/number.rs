//! Number literals in options, kept and compared exactly.

use std::cmp::Ordering;
use std::fmt;

use darling::{Error, FromMeta, Result};
use syn::{Expr, Lit, UnOp};

/// 2 to the power of 128: greater than every integer of a [`Number`].
const BEYOND: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;

/// A number literal, with or without a sign.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// An integer: its sign and its digits.
    Integer { is_negative: bool, digits: u128 },
    /// A finite float.
    Float(f64),
}

impl Number {
    /// Makes an integer that is not negative.
    pub(crate) const fn natural(digits: u128) -> Self {
        Self::Integer {
            is_negative: false,
            digits,
        }
    }

    /// Returns the number as `serde_json` holds it: an integer of 64 bits or a float. `None` if
    /// neither holds the exact number.
    pub(crate) fn to_json(self) -> Option<JsonNumber> {
        let (is_negative, digits) = match self {
            Self::Float(float) => return Some(JsonNumber::Float(float)),
            Self::Integer {
                is_negative,
                digits,
            } => (is_negative, digits),
        };
        if let Ok(integer) = i128::try_from(digits) {
            let integer = if is_negative { -integer } else { integer };
            if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&integer) {
                return Some(JsonNumber::Integer(integer));
            }
        }
        let float = nearest(digits);
        let is_exact = float < BEYOND && float as u128 == digits;
        is_exact.then_some(JsonNumber::Float(if is_negative { -float } else { float }))
    }

    /// Returns the smallest integer that is not below the number.
    pub(crate) fn ceil(self) -> Self {
        match self {
            Self::Float(float) => whole(float.ceil()),
            integer => integer,
        }
    }

    /// Returns the greatest integer that is not above the number.
    pub(crate) fn floor(self) -> Self {
        match self {
            Self::Float(float) => whole(float.floor()),
            integer => integer,
        }
    }

    /// Returns the next integer above an integer.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Integer {
                is_negative: true,
                digits: digits @ 1..,
            } => Self::Integer {
                is_negative: true,
                digits: digits - 1,
            },
            Self::Integer { digits, .. } => Self::natural(digits.saturating_add(1)),
            float @ Self::Float(_) => float,
        }
    }

    /// Returns the next integer below an integer.
    pub(crate) fn previous(self) -> Self {
        -(-self).next()
    }

    /// Returns whether the number is a multiple of another; `None` unless both are integers.
    pub(crate) fn is_multiple_of(self, step: Self) -> Option<bool> {
        match (self, step) {
            (Self::Integer { digits, .. }, Self::Integer { digits: step, .. }) => {
                Some(digits.checked_rem(step)? == 0)
            }
            _ => None,
        }
    }
}

/// A number in a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JsonNumber {
    Integer(i128),
    Float(f64),
}

#[allow(clippy::cast_precision_loss)] // the caller checks whether it is lost
fn nearest(digits: u128) -> f64 {
    digits as f64
}

/// Returns a whole float as an integer, or the outermost integer if the float is beyond it.
fn whole(float: f64) -> Number {
    Number::Integer {
        is_negative: float < 0.0,
        digits: float.abs() as u128,
    }
}

impl std::ops::Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            Self::Integer {
                is_negative,
                digits,
            } => Self::Integer {
                is_negative: !is_negative,
                digits,
            },
            Self::Float(float) => Self::Float(-float),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(&other),
            (Self::Integer { .. }, Self::Float(float)) => {
                if float.abs() >= BEYOND {
                    return 0.0.partial_cmp(&float);
                }
                let by_integers = self.partial_cmp(&whole(float.trunc()))?;
                Some(by_integers.then(0.0.partial_cmp(&float.fract())?))
            }
            (Self::Float(_), Self::Integer { .. }) => {
                other.partial_cmp(self).map(Ordering::reverse)
            }
            (
                Self::Integer {
                    is_negative,
                    digits,
                },
                Self::Integer {
                    is_negative: other_is_negative,
                    digits: other_digits,
                },
            ) => Some(match (is_negative, other_is_negative) {
                (false, false) => digits.cmp(&other_digits),
                (true, true) => other_digits.cmp(&digits),
                _ if digits == 0 && other_digits == 0 => Ordering::Equal,
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
            }),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer {
                is_negative,
                digits,
            } => {
                let sign = if *is_negative && *digits > 0 { "-" } else { "" };
                write!(f, "{sign}{digits}")
            }
            Self::Float(float) => write!(f, "{float:?}"),
        }
    }
}

impl FromMeta for Number {
    fn from_expr(expression: &Expr) -> Result<Self> {
        let error = |text: &str| Err(Error::custom(text).with_span(expression));
        let (is_negative, inner) = match expression {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => (true, &*unary.expr),
            other => (false, other),
        };
        let Expr::Lit(literal) = inner else {
            return error("expected a number, such as 0 or -1.5");
        };
        let number = match &literal.lit {
            Lit::Int(integer) => {
                // A macro's literal may have its sign inside.
                let digits = integer.base10_digits();
                let (sign, digits) = match digits.strip_prefix('-') {
                    Some(digits) => (true, digits),
                    None => (false, digits),
                };
                match digits.parse() {
                    Ok(digits) => Self::Integer {
                        is_negative: sign,
                        digits,
                    },
                    Err(_) => {
                        return error(
                            "integers have at most 128 bits here; write a float, such as 1e40",
                        );
                    }
                }
            }
            Lit::Float(float) => match float.base10_parse::<f64>() {
                Ok(float) if float.is_finite() => Self::Float(float),
                Ok(_) => {
                    return error(
                        "a float of 64 bits cannot hold this number, and JSON has no infinity; the \
                         greatest is 1.7976931348623157e308",
                    );
                }
                Err(error) => return Err(error.into()),
            },
            _ => return error("expected a number, such as 0 or -1.5"),
        };
        Ok(if is_negative { -number } else { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::from_expr(&syn::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let ascending = [
            "-1e300",
            "-170141183460469231731687303715884105728",
            "-9223372036854775808",
            "-9223372036854775807",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "9007199254740992.0",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616.0",
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728.0",
            "340282366920938463463374607431768211455",
            "340282366920938463463374607431768211456.0",
            "1.7976931348623157e308",
        ]
        .map(number);
        for (index, one) in ascending.iter().enumerate() {
            for (other_index, other) in ascending.iter().enumerate() {
                let order = one.partial_cmp(other);
                assert_eq!(order, Some(index.cmp(&other_index)), "{one} and {other}");
            }
        }
        assert_eq!(number("-0"), number("0.0"));
        assert_eq!(number("0x10"), number("16.0"));
        assert_eq!(number("1e3"), number("1_000u16"));
    }

    #[test]
    fn integers_have_neighbours_and_floats_are_between_them() {
        for (text, floor, ceil) in [("-1.5", -2, -1), ("0.5", 0, 1), ("2.0", 2, 2)] {
            let integer = |value: i64| number(&value.to_string());
            assert_eq!(number(text).floor(), integer(floor), "{text}");
            assert_eq!(number(text).ceil(), integer(ceil), "{text}");
        }
        let signed = proc_macro2::Literal::i64_unsuffixed(-7);
        let signed: Expr = syn::parse_quote!(#signed);
        assert_eq!(Number::from_expr(&signed).unwrap(), number("-7"));
        for (text, next) in [("-1", "0"), ("0", "1"), ("-2", "-1"), ("255", "256")] {
            assert_eq!(number(text).next(), number(next));
            assert_eq!(number(next).previous(), number(text));
        }
    }

    #[test]
    fn a_schema_holds_exact_numbers_only() {
        let json = |text| match number(text).to_json() {
            Some(JsonNumber::Integer(integer)) => integer.to_string(),
            Some(JsonNumber::Float(float)) => format!("{float:?}"),
            None => "none".to_owned(),
        };
        for (text, expected) in [
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551616", "1.8446744073709552e19"),
            ("18446744073709551617", "none"),
            (
                "-170141183460469231731687303715884105728",
                "-1.7014118346046923e38",
            ),
            ("170141183460469231731687303715884105727", "none"),
            ("340282366920938463463374607431768211455", "none"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn a_literal_that_is_not_a_finite_number_is_refused() {
        let mistake = |text: &str| {
            let expression = syn::parse_str(text).unwrap();
            Number::from_expr(&expression).unwrap_err().to_string()
        };
        assert!(mistake("1e400").contains("JSON has no infinity"));
        assert!(mistake("-1e400").contains("JSON has no infinity"));
        let long = "9".repeat(40);
        assert!(mistake(&long).contains("at most 128 bits"));
        assert!(mistake("\"a\"").contains("expected a number"));
    }
}
