//! Checking constraints against the type of their values, and against each other.

use syn::{Expr, Type};

use super::number_range::check_range;
use super::values::check_value;
use crate::attributes::{Constraint, ConstraintValue};
use crate::mistakes::Mistakes;
use crate::number::Number;
use crate::types::{TypeNames, ValueKind, constrained_type};

/// Checks the constraints of a value of this type, and its default and examples. Each of those values
/// comes with its name in messages, such as `the default`.
pub(super) fn check<'e>(
    constraints: &[Constraint],
    values: impl Iterator<Item = (&'static str, &'e Expr)>,
    ty: &Type,
    type_names: &TypeNames,
    mistakes: &mut Mistakes,
) {
    let kind = ValueKind::of(ty, type_names);
    let mut found = Mistakes::default();
    check_kinds(constraints, kind, &mut found);
    check_pairs(constraints, &mut found);
    check_numbers(constraints, &mut found);
    check_patterns(constraints, &mut found);
    // A check about values makes sense only for constraints that are right in themselves.
    if found.is_empty() {
        let ty = constrained_type(ty, type_names);
        check_range(constraints, ty, type_names, &mut found);
    }
    if found.is_empty() {
        for (what, value) in values {
            check_value(constraints, what, value, kind, &mut found);
        }
    }
    mistakes.add(&found);
}

/// Refuses constraints on values of another kind.
fn check_kinds(constraints: &[Constraint], kind: ValueKind, mistakes: &mut Mistakes) {
    for constraint in constraints {
        if !kind.takes(constraint.about) {
            let (about, _) = constraint.about.words();
            let (values, options) = kind.words();
            let option = constraint.option;
            let mistake = format!("`{option}` constrains {about}; {values} take {options}");
            mistakes.report(mistake, &constraint.span);
        }
    }
}

/// Refuses constraints that no value satisfies, and two constraints of one bound.
fn check_pairs(constraints: &[Constraint], mistakes: &mut Mistakes) {
    let find = |names: &[&str]| {
        let mut given = constraints.iter();
        given.find(|constraint| names.contains(&constraint.option))
    };
    for (least, most) in [
        (&["gt", "ge"][..], &["lt", "le"][..]),
        (&["min_length"], &["max_length"]),
        (&["min_items"], &["max_items"]),
    ] {
        let (Some(least), Some(most)) = (find(least), find(most)) else {
            continue;
        };
        let (Some(low), Some(high)) = (least.value.number(), most.value.number()) else {
            continue;
        };
        let is_open = [least, most]
            .iter()
            .any(|it| matches!(it.option, "gt" | "lt"));
        if low > high || (is_open && low >= high) {
            let mistake = format!(
                "no value satisfies both `{} = {low}` and `{} = {high}`; change or remove one",
                least.option, most.option
            );
            mistakes.report(mistake, &most.span);
        }
    }
    for (first, second, bound) in [("gt", "ge", "lower"), ("lt", "le", "upper")] {
        if let (Some(_), Some(constraint)) = (find(&[first]), find(&[second])) {
            let mistake =
                format!("`{first}` and `{second}` both set the {bound} bound; remove one");
            mistakes.report(mistake, &constraint.span);
        }
    }
    if let Some(step) = find(&["multiple_of"])
        && (step.value.number()).is_some_and(|step| step <= Number::natural(0))
    {
        let mistake = "`multiple_of` must be greater than 0";
        mistakes.report(mistake, &step.span);
    }
}

/// Refuses numbers that a schema cannot hold.
fn check_numbers(constraints: &[Constraint], mistakes: &mut Mistakes) {
    for constraint in constraints {
        if let Some(number) = constraint.value.number()
            && number.to_json().is_none()
        {
            let mistake = format!(
                "JSON cannot hold exactly {number}: integers have 64 bits, and floats have 53 binary \
                 digits; use a number that fits, such as a power of two"
            );
            mistakes.report(mistake, &constraint.span);
        }
    }
}

/// Refuses invalid patterns, and patterns whose meaning differs between dialects.
fn check_patterns(constraints: &[Constraint], mistakes: &mut Mistakes) {
    for constraint in constraints {
        if constraint.option == "pattern"
            && let ConstraintValue::Text(pattern) = &constraint.value
            && let Err(mistake) = dasf_pattern::to_rust(pattern)
        {
            mistakes.report(mistake, &constraint.span);
        }
    }
}
