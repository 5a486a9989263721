//! Checking constraints against the range of a type: some hold for no value, others for every value.

use syn::{Expr, Lit, Type};

use crate::attributes::Constraint;
use crate::mistakes::Mistakes;
use crate::number::Number;
use crate::tokens::ungrouped;
use crate::types::{TypeNames, ValueKind, undeclared_name};

/// The range of the numbers of a type.
struct NumberRange {
    name: String,
    least: Number,
    most: Number,
    are_whole: bool,
}

impl NumberRange {
    /// Returns the range of a primitive type. `usize` counts as 64 bits on every machine.
    fn of(ty: &Type, names: &TypeNames) -> Option<Self> {
        let name = undeclared_name(ty, names)?;
        let signed = |bits: u32| {
            let most = (1_u128 << (bits - 1)) - 1;
            (-Number::natural(most + 1), Number::natural(most))
        };
        let unsigned = |bits: u32| {
            (
                Number::natural(0),
                Number::natural(u128::MAX >> (128 - bits)),
            )
        };
        let float = |most: f64| (Number::Float(-most), Number::Float(most));
        let (least, most) = match name.as_str() {
            "i8" => signed(8),
            "i16" => signed(16),
            "i32" => signed(32),
            "i64" | "isize" => signed(64),
            "i128" => signed(128),
            "u8" => unsigned(8),
            "u16" => unsigned(16),
            "u32" => unsigned(32),
            "u64" | "usize" => unsigned(64),
            "u128" => unsigned(128),
            // The usual decimal form; the exact value is a little smaller.
            "f32" => float(3.402_823_5e38),
            "f64" => float(f64::MAX),
            _ => return None,
        };
        let are_whole = matches!(least, Number::Integer { .. });
        Some(Self {
            name,
            least,
            most,
            are_whole,
        })
    }

    /// Returns the mistake in a constraint on this range.
    fn mistake(&self, constraint: &Constraint) -> Option<String> {
        let Self {
            name, least, most, ..
        } = self;
        let option = constraint.option;
        let bound = constraint.value.number()?;
        let (is_impossible, is_useless) = match option {
            "ge" => (bound > *most, bound < *least),
            "gt" => (bound >= *most, bound < *least),
            "le" => (bound < *least, bound > *most),
            "lt" => (bound <= *least, bound > *most),
            "multiple_of" if bound > *most => {
                return Some(format!(
                    "the only value of `{name}` that is a multiple of {bound} is 0; use a smaller \
                     number"
                ));
            }
            _ => (false, false),
        };
        let values = format!("value of `{name}` ({least} to {most})");
        if is_impossible {
            Some(format!(
                "no {values} satisfies `{option} = {bound}`; use a bound in between"
            ))
        } else {
            is_useless.then(|| format!("every {values} satisfies `{option} = {bound}`; remove it"))
        }
    }

    /// Returns whether a number of this range satisfies the constraints.
    fn can_satisfy(&self, constraints: &[Constraint]) -> bool {
        let mut least = self.least;
        let mut most = self.most;
        for constraint in constraints {
            let Some(bound) = constraint.value.number() else {
                continue;
            };
            match constraint.option {
                "ge" => least = greater(least, bound.ceil()),
                "gt" => least = greater(least, bound.floor().next()),
                "le" => most = smaller(most, bound.floor()),
                "lt" => most = smaller(most, bound.ceil().previous()),
                _ => {}
            }
        }
        !self.are_whole || least <= most
    }
}

fn greater(one: Number, other: Number) -> Number {
    if other > one { other } else { one }
}

fn smaller(one: Number, other: Number) -> Number {
    if other < one { other } else { one }
}

/// Returns the number of characters or items of every value of a type, if the type fixes it.
fn fixed_length(ty: &Type, names: &TypeNames) -> Option<(Number, &'static str)> {
    match ty {
        Type::Array(array) => match ungrouped(&array.len) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(length) => {
                    let length = length.base10_parse().ok()?;
                    Some((Number::natural(length), "item"))
                }
                _ => None,
            },
            _ => None,
        },
        _ if ValueKind::of(ty, names) == ValueKind::Char => Some((Number::natural(1), "character")),
        _ => None,
    }
}

/// Refuses constraints that no value of the type satisfies, or that every value satisfies.
pub(super) fn check_range(
    constraints: &[Constraint],
    ty: &Type,
    names: &TypeNames,
    mistakes: &mut Mistakes,
) {
    if let Some(range) = NumberRange::of(ty, names) {
        let mut all_bounds_fit = true;
        for constraint in constraints {
            if let Some(mistake) = range.mistake(constraint) {
                mistakes.report(mistake, &constraint.span);
                all_bounds_fit = false;
            }
        }
        if let (true, Some(last)) = (all_bounds_fit, constraints.last())
            && !range.can_satisfy(constraints)
        {
            let mistake = "no integer lies within these bounds; widen them";
            mistakes.report(mistake, &last.span);
        }
    }
    if let Some((length, unit)) = fixed_length(ty, names) {
        for constraint in constraints {
            let Some(bound) = constraint.value.number() else {
                continue;
            };
            let is_least = constraint.option.starts_with("min");
            let quantity = match (bound == length, (bound > length) == is_least) {
                (true, _) => continue,
                (false, true) => "no value",
                (false, false) => "every value",
            };
            let option = constraint.option;
            let plural = if length == Number::natural(1) {
                ""
            } else {
                "s"
            };
            let mistake = format!(
                "{quantity} satisfies `{option} = {bound}`: every value has {length} \
                 {unit}{plural}; remove it"
            );
            mistakes.report(mistake, &constraint.span);
        }
    }
}
