//! The options that exist, for each item that they can be about.

use super::option_value::OptionValue;

/// The item that options are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Module,
    Function,
    Method,
    Class,
    Argument,
    Returns,
    /// A type, variant or field with `#[derive(dasf::IntoError)]`.
    Error,
    ErrorVariant,
    ErrorField,
}

const OF_FUNCTIONS: &[(&str, OptionValue)] = &[
    ("name", OptionValue::String),
    ("description", OptionValue::String),
    ("returns", OptionValue::List),
    ("schema_extra", OptionValue::Expression),
    ("inline", OptionValue::Flag),
    ERRORS,
    ALLOW_GROUPS,
];

/// The texts of an error that callers get.
const ERRORS: (&str, OptionValue) = ("errors", OptionValue::OneOf(&["outermost", "chain"]));

/// The groups of users that may call.
const ALLOW_GROUPS: (&str, OptionValue) = ("allow_groups", OptionValue::Strings);

const CONSTRAINTS: &[(&str, OptionValue)] = &[
    ("gt", OptionValue::Number),
    ("ge", OptionValue::Number),
    ("lt", OptionValue::Number),
    ("le", OptionValue::Number),
    ("multiple_of", OptionValue::Number),
    ("min_length", OptionValue::Length),
    ("max_length", OptionValue::Length),
    ("pattern", OptionValue::String),
    ("min_items", OptionValue::Length),
    ("max_items", OptionValue::Length),
    ("format", OptionValue::String),
];

impl Target {
    pub(super) const ALL: [Self; 9] = [
        Self::Module,
        Self::Function,
        Self::Method,
        Self::Class,
        Self::Argument,
        Self::Returns,
        Self::Error,
        Self::ErrorVariant,
        Self::ErrorField,
    ];

    /// Returns the options that exist here, with their values.
    pub(super) fn options(self) -> impl Iterator<Item = (&'static str, OptionValue)> {
        let (own, shared): (&'static [_], &'static [_]) = match self {
            Self::Module => (
                &[
                    ("topic", OptionValue::String),
                    ("group", OptionValue::String),
                    ("main", OptionValue::Bool),
                    ("description", OptionValue::String),
                    ("version", OptionValue::String),
                    ("crate", OptionValue::Path),
                    ERRORS,
                    (
                        "unknown_arguments",
                        OptionValue::OneOf(&["ignore", "refuse"]),
                    ),
                    ALLOW_GROUPS,
                ],
                &[],
            ),
            Self::Function => (&[], OF_FUNCTIONS),
            Self::Method => (&[("skip", OptionValue::Flag)], OF_FUNCTIONS),
            Self::Class => (
                &[
                    ("name", OptionValue::String),
                    ("description", OptionValue::String),
                    ALLOW_GROUPS,
                ],
                &[],
            ),
            Self::Argument => (
                &[
                    ("default", OptionValue::OptionalExpression),
                    ("rename", OptionValue::String),
                    ("title", OptionValue::String),
                    ("description", OptionValue::String),
                    ("example", OptionValue::Expression),
                ],
                CONSTRAINTS,
            ),
            Self::Returns => (&[("description", OptionValue::String)], CONSTRAINTS),
            Self::Error => (
                &[("code", OptionValue::String), ("crate", OptionValue::Path)],
                &[],
            ),
            Self::ErrorVariant => (&[("code", OptionValue::String)], &[]),
            Self::ErrorField => (&[("skip", OptionValue::Flag)], &[]),
        };
        own.iter().chain(shared).copied()
    }

    /// Returns the value that an option takes here; `None` if the option does not exist here.
    pub(super) fn option(self, name: &str) -> Option<OptionValue> {
        let mut options = self.options();
        options
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Returns the target in words, as it follows "an option of".
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Module => "#[dasf::module(…)]",
            Self::Function => "#[dasf::function(…)]",
            Self::Method => "#[dasf(…)] on a method",
            Self::Class => "#[dasf::class(…)]",
            Self::Argument => "#[dasf(…)] on an argument",
            Self::Returns => "`returns(…)`",
            Self::Error => "#[dasf(…)] on an error",
            Self::ErrorVariant => "#[dasf(…)] on a variant",
            Self::ErrorField => "#[dasf(…)] on a field",
        }
    }
}
