//! The values that options take.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Lit, Meta};

use crate::tokens::{is_number, strings, ungrouped};

/// The value that an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OptionValue {
    /// None: the name alone.
    Flag,
    Bool,
    String,
    /// One of these words, as a string.
    OneOf(&'static [&'static str]),
    /// A list of strings.
    Strings,
    Number,
    /// A number of characters or items.
    Length,
    Path,
    Expression,
    /// An expression, or the name alone.
    OptionalExpression,
    /// Options in parentheses.
    List,
}

impl OptionValue {
    /// Returns the mistake in the value of an option, and its place.
    pub(super) fn mistake(self, option: &Meta) -> Option<(String, Span)> {
        let name = name_of(option);
        let value = match option {
            Meta::NameValue(pair) => Some(ungrouped(&pair.value)),
            _ => None,
        };
        let literal = match value {
            Some(Expr::Lit(literal)) => Some(&literal.lit),
            _ => None,
        };
        let (is_right, expected) = match self {
            Self::Flag => (
                matches!(option, Meta::Path(_)),
                format!("`{name}` without a value"),
            ),
            Self::Bool => (
                matches!(literal, Some(Lit::Bool(_))),
                format!("`{name} = true` or `{name} = false`"),
            ),
            Self::String => (
                matches!(literal, Some(Lit::Str(_))),
                format!("a string, `{name} = \"…\"`"),
            ),
            Self::OneOf(words) => {
                let word = match literal {
                    Some(Lit::Str(text)) => text.value(),
                    _ => String::new(),
                };
                let choices = words.iter().map(|word| format!("`{name} = {word:?}`"));
                (
                    words.contains(&word.as_str()),
                    choices.collect::<Vec<_>>().join(" or "),
                )
            }
            Self::Strings => (
                value.and_then(strings).is_some(),
                format!("a list of strings, `{name} = [\"…\"]`"),
            ),
            Self::Number => (
                value.is_some_and(is_number),
                format!("a number, such as `{name} = 0` or `{name} = -1.5`"),
            ),
            Self::Length => (
                matches!(literal, Some(Lit::Int(integer)) if integer.base10_parse::<u64>().is_ok()),
                format!("an integer of 0 or more, such as `{name} = 1`"),
            ),
            Self::Path | Self::Expression => (value.is_some(), format!("a value, `{name} = …`")),
            Self::OptionalExpression => (
                !matches!(option, Meta::List(_)),
                format!("`{name}`, or `{name} = …`"),
            ),
            Self::List => (
                matches!(option, Meta::List(_)),
                format!("options in parentheses, `{name}(…)`"),
            ),
        };
        let span = match value {
            Some(value) => value.span(),
            None => option.span(),
        };
        (!is_right).then(|| (format!("expected {expected}"), span))
    }
}

/// Returns the name of an option.
pub(super) fn name_of(option: &Meta) -> String {
    let name = option.path().to_token_stream().to_string();
    name.trim_start_matches("r#").to_owned()
}
