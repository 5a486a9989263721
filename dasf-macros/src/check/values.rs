//! Checking defaults and examples that are literals.

use darling::FromMeta;
use syn::{Expr, Lit};

use crate::attributes::Constraint;
use crate::mistakes::Mistakes;
use crate::number::Number;
use crate::tokens::ungrouped;
use crate::types::ValueKind;

/// Checks a default or an example that is a literal. Others are checked when the module starts.
pub(super) fn check_value(
    constraints: &[Constraint],
    what: &str,
    value: &Expr,
    kind: ValueKind,
    mistakes: &mut Mistakes,
) {
    let mistake = literal(value).and_then(|literal| {
        of_another_kind(&literal, what, kind).or_else(|| broken(constraints, &literal, what))
    });
    if let Some(mistake) = mistake {
        mistakes.report(mistake, value);
    }
}

/// Returns the mistake of a literal that is not of this kind.
fn of_another_kind(literal: &Literal, what: &str, kind: ValueKind) -> Option<String> {
    match (kind, literal) {
        (ValueKind::Number, Literal::Text(_)) => Some(format!(
            "{what} of a number must be a number, such as 1 or -0.5"
        )),
        (ValueKind::String, Literal::Number(_)) => Some(format!(
            "{what} of a string must be a string, such as \"m\""
        )),
        (ValueKind::Char, Literal::Text(text)) => Some(format!(
            "{what} of a character must be a character, such as {:?}",
            text.chars().next().unwrap_or('m')
        )),
        (ValueKind::Boolean, Literal::Text(_) | Literal::Number(_)) => {
            Some(format!("{what} of a boolean must be `true` or `false`"))
        }
        _ => None,
    }
}

/// Returns the mistake of a literal that breaks a constraint.
fn broken(constraints: &[Constraint], literal: &Literal, what: &str) -> Option<String> {
    let breaks = |constraint: &&Constraint| {
        let Some(bound) = constraint.value.number() else {
            return false;
        };
        let value = match (literal, constraint.about) {
            (Literal::Number(number), ValueKind::Number) => *number,
            (Literal::Text(text), ValueKind::String) => {
                Number::natural(text.chars().count() as u128)
            }
            _ => return false,
        };
        match constraint.option {
            "gt" => value <= bound,
            "ge" | "min_length" => value < bound,
            "lt" => value >= bound,
            "le" | "max_length" => value > bound,
            "multiple_of" => value.is_multiple_of(bound) == Some(false),
            _ => false,
        }
    };
    let broken = constraints.iter().find(breaks)?;
    let bound = broken.value.number()?;
    Some(format!(
        "{what} does not satisfy `{} = {bound}` of this argument",
        broken.option
    ))
}

enum Literal {
    Number(Number),
    Text(String),
}

fn literal(expression: &Expr) -> Option<Literal> {
    let expression = ungrouped(expression);
    match Number::from_expr(expression) {
        Ok(number) => Some(Literal::Number(number)),
        Err(_) => match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(Literal::Text(text.value())),
                _ => None,
            },
            _ => None,
        },
    }
}
