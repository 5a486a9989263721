//! The faults of a value, and what is said of them.

use std::fmt::Write;

use crate::check::Check;
use crate::evaluated;
use crate::node::{BoundKind, Keyword, Members, SizeKind, UnionKind};
use crate::types::Types;
use crate::union::is_ambiguous;
use crate::view::{Document, View};

/// The maximum length of a value that a problem quotes.
const MAX_QUOTED: usize = 80;
/// The maximum number of names or items in a problem.
const MAX_NAMES: usize = 20;
/// What stands for a longer value.
const LONG_VALUE: &str = "the value";

/// The reason why a schema refuses a value.
#[derive(Debug)]
pub(crate) enum Fault<'s> {
    /// No value is allowed.
    Never,
    Type(Types),
    /// A property that an object lacks.
    Missing(&'s str),
    /// An object has properties that the schema does not know.
    Unexpected(&'s Members),
    /// The message of a fault in the name of a property.
    Name(String),
    /// Any other keyword.
    Keyword(&'s Keyword),
}

impl<'s> Fault<'s> {
    pub(crate) fn of(keyword: &'s Keyword) -> Self {
        match keyword {
            Keyword::Never | Keyword::PropertyNames(None) => Self::Never,
            keyword => Self::Keyword(keyword),
        }
    }

    /// Returns the message without a value that is too long to read.
    pub(crate) fn quoted(&self, check: &mut Check<'s>, value: View<'_>) -> String {
        let is_too_long = match value {
            View::String(text) => text.len() > MAX_QUOTED,
            View::Array(items) => items.len() > MAX_QUOTED / 4 || is_long(value),
            View::Object(_) => is_long(value),
            _ => false,
        };
        if !is_too_long {
            return self.message(check, value, &value.to_string());
        }
        let count = match (self, value) {
            (Self::Keyword(Keyword::NoMoreItems(most)), View::Array(items)) => {
                Some(("Additional", items.len() - most))
            }
            (Self::Keyword(Keyword::UnevaluatedItems { of, schema }), View::Array(items)) => {
                let rest = evaluated::other_items(check, *of, items, value);
                let rest = rest.filter(|item| !check.accepts(*schema, *item));
                Some(("Unevaluated", rest.count()))
            }
            _ => None,
        };
        match count {
            Some((kind, count)) => {
                let s = if count == 1 { "" } else { "s" };
                format!("{kind} items are not allowed ({count} item{s})")
            }
            None => self.message(check, value, LONG_VALUE),
        }
    }

    /// Returns the message for the name of a property, which is quoted in full.
    pub(crate) fn of_name(&self, check: &mut Check<'s>, name: View<'_>) -> String {
        match self {
            Self::Keyword(Keyword::Pattern(_)) => self.quoted(check, name),
            fault => fault.message(check, name, &name.to_string()),
        }
    }

    /// Returns the message, in which `shown` stands for the value.
    fn message(&self, check: &mut Check<'s>, value: View<'_>, shown: &str) -> String {
        match self {
            Self::Never => format!("False schema does not allow {shown}"),
            Self::Type(types) => {
                let names: Vec<String> = types.names().map(|name| format!("\"{name}\"")).collect();
                let types = if names.len() == 1 { "type" } else { "types" };
                format!("{shown} is not of {types} {}", names.join(", "))
            }
            Self::Missing(name) => format!("{} is a required property", View::String(name)),
            Self::Unexpected(members) => {
                let View::Object(fields) = value else {
                    return String::new();
                };
                let unknown = fields.names().filter(|name| !members.know(name));
                unexpected("Additional properties", unknown.map(of_field))
            }
            Self::Name(message) => message.clone(),
            Self::Keyword(keyword) => of_keyword(keyword, check, value, shown),
        }
    }
}

fn of_keyword<'s>(
    keyword: &'s Keyword,
    check: &mut Check<'s>,
    value: View<'_>,
    shown: &str,
) -> String {
    match keyword {
        Keyword::Const(expected) => format!("{expected} was expected"),
        Keyword::Enum(known) => format!("{shown} is not one of {}", known_values(known)),
        Keyword::Bound { kind, written, .. } => {
            let is = match kind {
                BoundKind::Minimum => "less than the minimum",
                BoundKind::Maximum => "greater than the maximum",
                BoundKind::ExclusiveMinimum => "less than or equal to the minimum",
                BoundKind::ExclusiveMaximum => "greater than or equal to the maximum",
            };
            format!("{shown} is {is} of {written}")
        }
        Keyword::MultipleOf(of) => format!("{shown} is not a multiple of {of}"),
        Keyword::Size { kind, limit } => {
            let (is, one, many) = match kind {
                SizeKind::MinLength => ("is shorter than", "character", "characters"),
                SizeKind::MaxLength => ("is longer than", "character", "characters"),
                SizeKind::MinItems => ("has less than", "item", "items"),
                SizeKind::MaxItems => ("has more than", "item", "items"),
                SizeKind::MinProperties => ("has less than", "property", "properties"),
                SizeKind::MaxProperties => ("has more than", "property", "properties"),
            };
            let unit = if *limit == 1 { one } else { many };
            format!("{shown} {is} {limit} {unit}")
        }
        Keyword::Format(format) => format!("{shown} is not a \"{}\"", format.name()),
        Keyword::UniqueItems => format!("{shown} has non-unique elements"),
        Keyword::NoMoreItems(most) => {
            let View::Array(items) = value else {
                return String::new();
            };
            let others = items.iter().skip(*most);
            unexpected("Additional items", others.map(self::shown))
        }
        Keyword::Contains { .. } => format!("None of {shown} are valid under the given schema"),
        Keyword::Union { variants, kind } => {
            let (is, keyword) = match kind {
                UnionKind::AnyOf => ("not valid under any", "anyOf"),
                UnionKind::OneOf if is_ambiguous(check, variants, value) => {
                    ("valid under more than one", "oneOf")
                }
                UnionKind::OneOf => ("not valid under any", "oneOf"),
            };
            format!("{shown} is {is} of the schemas listed in the '{keyword}' keyword")
        }
        Keyword::Not { written, .. } => format!("{written} is not allowed for {shown}"),
        Keyword::UnevaluatedProperties { of, schema } => {
            let View::Object(fields) = value else {
                return String::new();
            };
            let rest = evaluated::other_properties(check, *of, fields, value);
            unexpected(
                "Unevaluated properties",
                rest.filter(|(_, inner)| !check.accepts(*schema, *inner))
                    .map(|(name, _)| of_field(name)),
            )
        }
        Keyword::UnevaluatedItems { of, schema } => {
            let View::Array(items) = value else {
                return String::new();
            };
            let rest = evaluated::other_items(check, *of, items, value);
            unexpected(
                "Unevaluated items",
                rest.filter(|item| !check.accepts(*schema, *item))
                    .map(|item| format!("'{}'", self::shown(item))),
            )
        }
        Keyword::Pattern(pattern) => format!("{shown} does not match \"{}\"", pattern.source),
        // The other keywords apply schemas, and these have the faults.
        _ => String::new(),
    }
}

/// Tells which names or items are not allowed: the first of many.
fn unexpected(kind: &str, mut rest: impl Iterator<Item = String>) -> String {
    let mut text = format!("{kind} are not allowed (");
    let mut count = 0;
    for name in rest.by_ref().take(MAX_NAMES) {
        if count > 0 {
            text.push_str(", ");
        }
        text.push_str(&name);
        count += 1;
    }
    let more = rest.count();
    if more > 0 {
        let _ = write!(text, " and {more} more"); // writing to a string cannot fail
    }
    text.push_str(if count == 1 {
        " was unexpected)"
    } else {
        " were unexpected)"
    });
    text
}

/// Returns the name of a field as problems show it.
fn of_field(name: &str) -> String {
    if name.len() > MAX_QUOTED {
        let start: String = name.chars().take(MAX_QUOTED / 2).collect();
        return format!("'{start}…'");
    }
    format!("'{name}'")
}

/// Lists the values of an enum, or the first two of many.
fn known_values(known: &[Document]) -> String {
    /// The maximum number of values in a full list.
    const MAX_LISTED: usize = 3;
    let mut shown: Vec<String> = known
        .iter()
        .take(MAX_LISTED)
        .map(ToString::to_string)
        .collect();
    let mut last = shown.pop().unwrap_or_default();
    if known.len() > MAX_LISTED {
        last = format!("{} other candidates", known.len() - shown.len());
    }
    if shown.is_empty() {
        return last;
    }
    format!("{} or {last}", shown.join(", "))
}

/// Returns a value as a problem shows it.
pub(crate) fn shown(value: View<'_>) -> String {
    if is_long(value) {
        LONG_VALUE.to_owned()
    } else {
        value.to_string()
    }
}

fn is_long(value: View<'_>) -> bool {
    /// Counts written bytes and stops at the limit, so that a huge value costs no more than a small
    /// one.
    struct Limited(usize);
    impl Write for Limited {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    write!(Limited(MAX_QUOTED), "{value}").is_err()
}
