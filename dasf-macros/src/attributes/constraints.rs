//! The options that constrain values beyond their type.

use darling::FromMeta;
use darling::util::SpannedValue;
use proc_macro2::Span;

use crate::number::Number;
use crate::types::ValueKind;

/// The constraints among the options of an argument or a result.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Constraints {
    gt: Option<SpannedValue<Number>>,
    ge: Option<SpannedValue<Number>>,
    lt: Option<SpannedValue<Number>>,
    le: Option<SpannedValue<Number>>,
    multiple_of: Option<SpannedValue<Number>>,
    min_length: Option<SpannedValue<u64>>,
    max_length: Option<SpannedValue<u64>>,
    pattern: Option<SpannedValue<String>>,
    min_items: Option<SpannedValue<u64>>,
    max_items: Option<SpannedValue<u64>>,
    format: Option<SpannedValue<String>>,
}

/// One constraint.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// The option's name.
    pub(crate) option: &'static str,
    /// The JSON Schema keyword.
    pub(crate) keyword: &'static str,
    pub(crate) value: ConstraintValue,
    /// The kind of values that it constrains.
    pub(crate) about: ValueKind,
    pub(crate) span: Span,
}

/// The value of one constraint.
#[derive(Debug, Clone)]
pub(crate) enum ConstraintValue {
    Number(Number),
    Text(String),
}

impl ConstraintValue {
    /// Returns the number, unless it is a text.
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl Constraints {
    /// Returns the constraints that are given.
    pub(crate) fn list(&self) -> Vec<Constraint> {
        let number = |option, keyword, value: &Option<SpannedValue<Number>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Number(**value),
                about: ValueKind::Number,
                span: value.span(),
            })
        };
        let length = |option, keyword, about, value: &Option<SpannedValue<u64>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Number(Number::natural(u128::from(**value))),
                about,
                span: value.span(),
            })
        };
        let text = |option, keyword, value: &Option<SpannedValue<String>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Text((**value).clone()),
                about: ValueKind::String,
                span: value.span(),
            })
        };
        let all = [
            number("gt", "exclusiveMinimum", &self.gt),
            number("ge", "minimum", &self.ge),
            number("lt", "exclusiveMaximum", &self.lt),
            number("le", "maximum", &self.le),
            number("multiple_of", "multipleOf", &self.multiple_of),
            length(
                "min_length",
                "minLength",
                ValueKind::String,
                &self.min_length,
            ),
            length(
                "max_length",
                "maxLength",
                ValueKind::String,
                &self.max_length,
            ),
            length("min_items", "minItems", ValueKind::List, &self.min_items),
            length("max_items", "maxItems", ValueKind::List, &self.max_items),
            text("pattern", "pattern", &self.pattern),
            text("format", "format", &self.format),
        ];
        all.into_iter().flatten().collect()
    }
}
