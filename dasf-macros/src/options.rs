//! The options of the attributes.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use darling::{Error, FromMeta, Result};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, LitStr, Meta, MetaNameValue, Path, UnOp};

use crate::constraints::{Constraints, Kind};

/// The attribute that options belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
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

const OF_FUNCTIONS: &[(&str, Takes)] = &[
    ("name", Takes::Text),
    ("description", Takes::Text),
    ("returns", Takes::Options),
    ("schema_extra", Takes::Expression),
    ("inline", Takes::Nothing),
    ERRORS,
];

/// The texts of an error that callers get.
const ERRORS: (&str, Takes) = ("errors", Takes::OneOf(&["outermost", "chain"]));

const CONSTRAINTS: &[(&str, Takes)] = &[
    ("gt", Takes::Number),
    ("ge", Takes::Number),
    ("lt", Takes::Number),
    ("le", Takes::Number),
    ("multiple_of", Takes::Number),
    ("min_length", Takes::Length),
    ("max_length", Takes::Length),
    ("pattern", Takes::Text),
    ("min_items", Takes::Length),
    ("max_items", Takes::Length),
    ("format", Takes::Text),
];

impl Place {
    const ALL: [Self; 9] = [
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

    fn options(self) -> impl Iterator<Item = (&'static str, Takes)> {
        let (own, shared): (&'static [_], &'static [_]) = match self {
            Self::Module => (
                &[
                    ("topic", Takes::Text),
                    ("group", Takes::Text),
                    ("main", Takes::Truth),
                    ("description", Takes::Text),
                    ("version", Takes::Text),
                    ("crate", Takes::Path),
                    ERRORS,
                    ("unknown_arguments", Takes::OneOf(&["ignore", "refuse"])),
                ],
                &[],
            ),
            Self::Function => (&[], OF_FUNCTIONS),
            Self::Method => (&[("skip", Takes::Nothing)], OF_FUNCTIONS),
            Self::Class => (&[("name", Takes::Text), ("description", Takes::Text)], &[]),
            Self::Argument => (
                &[
                    ("default", Takes::MaybeExpression),
                    ("rename", Takes::Text),
                    ("title", Takes::Text),
                    ("description", Takes::Text),
                    ("example", Takes::Expression),
                ],
                CONSTRAINTS,
            ),
            Self::Returns => (&[("description", Takes::Text)], CONSTRAINTS),
            Self::Error => (&[("code", Takes::Text), ("crate", Takes::Path)], &[]),
            Self::ErrorVariant => (&[("code", Takes::Text)], &[]),
            Self::ErrorField => (&[("skip", Takes::Nothing)], &[]),
        };
        own.iter().chain(shared).copied()
    }

    /// Returns the value that an option takes here; `None` if the option does not exist here.
    fn option(self, name: &str) -> Option<Takes> {
        let mut options = self.options();
        options
            .find(|(known, _)| *known == name)
            .map(|(_, takes)| takes)
    }

    /// Returns the place in words, as it follows "an option of".
    fn name(self) -> &'static str {
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

    /// Returns the mistake of an option that does not exist here, for a value of this kind.
    fn no_option(self, name: &str, kind: Kind) -> String {
        let here = self.name();
        let takes_constraints = matches!(self, Self::Argument | Self::Returns);
        if takes_constraints && let Some(meant) = constraint_meant(name, kind) {
            return format!("unknown option `{name}`; {meant}");
        }
        let mut places = Self::ALL.into_iter();
        if let Some(other) = places.find(|place| place.option(name).is_some()) {
            return format!("`{name}` is an option of {}, not of {here}", other.name());
        }
        /// The least likeness of two names for a suggestion, from 0 to 1.
        const LIKENESS: f64 = 0.75;
        let names: Vec<&str> = self.options().map(|(name, _)| name).collect();
        let likeness = |option: &&&str| strsim::jaro_winkler(name, option);
        let closest = names
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match closest.filter(|option| likeness(option) > LIKENESS) {
            Some(closest) => format!("unknown option `{name}`; did you mean `{closest}`?"),
            None => {
                let names = names.join("`, `");
                format!("unknown option `{name}`; {here} takes `{names}`")
            }
        }
    }
}

/// Returns the constraint that is meant by its name in JSON Schema, Python or another crate.
fn constraint_meant(name: &str, kind: Kind) -> Option<String> {
    let [number, string, list] = match name.to_lowercase().replace('_', "").as_str() {
        "min" | "minimum" | "minvalue" => [
            "`ge` (greater than or equal to)",
            "`min_length`",
            "`min_items`",
        ],
        "max" | "maximum" | "maxvalue" => [
            "`le` (less than or equal to)",
            "`max_length`",
            "`max_items`",
        ],
        "exclusivemin" | "exclusiveminimum" => ["`gt` (greater than)", "", ""],
        "exclusivemax" | "exclusivemaximum" => ["`lt` (less than)", "", ""],
        "gte" => ["`ge` (greater than or equal to)", "", ""],
        "lte" => ["`le` (less than or equal to)", "", ""],
        "step" => ["`multiple_of`", "", ""],
        "len" | "length" => [
            "",
            "`min_length` and `max_length`",
            "`min_items` and `max_items`",
        ],
        "regex" => ["", "`pattern`", ""],
        _ => return None,
    };
    let meant = match kind {
        Kind::Number => number,
        Kind::Text | Kind::Character => string,
        Kind::List => list,
        Kind::Boolean | Kind::Tool => "",
        Kind::Unknown => {
            let all = [(number, "a number"), (string, "a string"), (list, "a list")];
            let known = all.into_iter().filter(|(option, _)| !option.is_empty());
            let known: Vec<_> = known.collect();
            if let [(only, _)] = *known.as_slice() {
                only
            } else {
                let known = known
                    .iter()
                    .map(|(option, values)| format!("{option} for {values}"));
                return Some(format!("use {}", known.collect::<Vec<_>>().join(", ")));
            }
        }
    };
    Some(if meant.is_empty() {
        let (values, options) = kind.words();
        format!("{values} take {options}")
    } else {
        format!("did you mean {meant}?")
    })
}

/// The value that an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Truth,
    Text,
    /// One of these words, as a string.
    OneOf(&'static [&'static str]),
    Number,
    /// A number of characters or items.
    Length,
    Path,
    Expression,
    MaybeExpression,
    Options,
}

impl Takes {
    /// Returns the mistake in the value of an option, and its place.
    fn mistake(self, option: &Meta) -> Option<(String, Span)> {
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
            Self::Nothing => (
                matches!(option, Meta::Path(_)),
                format!("`{name}` without a value"),
            ),
            Self::Truth => (
                matches!(literal, Some(Lit::Bool(_))),
                format!("`{name} = true` or `{name} = false`"),
            ),
            Self::Text => (
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
            Self::Number => (
                value.is_some_and(is_number),
                format!("a number, such as `{name} = 0` or `{name} = -1.5`"),
            ),
            Self::Length => (
                matches!(literal, Some(Lit::Int(integer)) if integer.base10_parse::<u64>().is_ok()),
                format!("an integer of 0 or more, such as `{name} = 1`"),
            ),
            Self::Path | Self::Expression => (value.is_some(), format!("a value, `{name} = …`")),
            Self::MaybeExpression => (
                !matches!(option, Meta::List(_)),
                format!("`{name}`, or `{name} = …`"),
            ),
            Self::Options => (
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

fn name_of(option: &Meta) -> String {
    let name = option.path().to_token_stream().to_string();
    name.trim_start_matches("r#").to_owned()
}

/// Returns whether an expression is a number literal, with or without a sign.
pub(crate) fn is_number(expression: &Expr) -> bool {
    let inner = match expression {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => &*unary.expr,
        other => other,
    };
    matches!(inner, Expr::Lit(literal) if matches!(literal.lit, Lit::Int(_) | Lit::Float(_)))
}

/// Returns an expression without the groups that a macro puts around it.
pub(crate) fn ungrouped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// Options that know their place.
pub(crate) trait Options: FromMeta {
    const PLACE: Place;
}

impl Options for ModuleOptions {
    const PLACE: Place = Place::Module;
}

impl Options for FunctionOptions {
    const PLACE: Place = Place::Function;
}

impl Options for MethodOptions {
    const PLACE: Place = Place::Method;
}

impl Options for ClassOptions {
    const PLACE: Place = Place::Class;
}

impl Options for ArgumentOptions {
    const PLACE: Place = Place::Argument;
}

impl Options for ReturnOptions {
    const PLACE: Place = Place::Returns;
}

/// The texts of an error that callers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromMeta)]
pub(crate) enum Errors {
    /// Only the text of the error itself.
    Outermost,
    /// The text of the error, and the texts of its causes.
    Chain,
}

/// The handling of arguments in a request that the function does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromMeta)]
pub(crate) enum UnknownArguments {
    Ignore,
    Refuse,
}

/// `#[dasf::module(…)]`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ModuleOptions {
    pub(crate) topic: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    pub(crate) main: Option<bool>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Path>,
    pub(crate) errors: Option<Errors>,
    pub(crate) unknown_arguments: Option<UnknownArguments>,
}

/// `#[dasf::function(…)]`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct FunctionOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<String>,
    /// The options in `returns(…)`, a [`ReturnOptions`].
    #[darling(with = "keep_tokens")]
    pub(crate) returns: TokenStream,
    #[darling(with = "keep_expression")]
    pub(crate) schema_extra: Option<Expr>,
    pub(crate) inline: bool,
    pub(crate) errors: Option<Errors>,
}

/// `#[dasf(…)]` on a method.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct MethodOptions {
    #[darling(flatten)]
    pub(crate) function: FunctionOptions,
    /// The method cannot be called.
    pub(crate) skip: bool,
}

/// `#[dasf::class(…)]`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ClassOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<String>,
}

/// `#[dasf(…)]` on an argument.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ArgumentOptions {
    pub(crate) default: Option<DefaultOption>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    #[darling(multiple, with = "keep_one_expression")]
    pub(crate) example: Vec<Expr>,
    #[darling(flatten)]
    pub(crate) constraints: Constraints,
}

/// `returns(…)`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ReturnOptions {
    pub(crate) description: Option<String>,
    #[darling(flatten)]
    pub(crate) constraints: Constraints,
}

/// `default`, or `default = EXPR`.
#[derive(Debug)]
pub(crate) enum DefaultOption {
    /// The type's own `Default`.
    OfType,
    /// This expression.
    Expression(Box<Expr>),
}

impl FromMeta for DefaultOption {
    fn from_meta(item: &Meta) -> Result<Self> {
        match item {
            Meta::Path(_) => Ok(Self::OfType),
            Meta::NameValue(pair) => Ok(Self::Expression(Box::new(pair.value.clone()))),
            Meta::List(list) => Err(Error::unexpected_type("list").with_span(list)),
        }
    }
}

fn keep_one_expression(item: &Meta) -> Result<Expr> {
    Ok(item.require_name_value()?.value.clone())
}

fn keep_expression(item: &Meta) -> Result<Option<Expr>> {
    keep_one_expression(item).map(Some)
}

fn keep_tokens(item: &Meta) -> Result<TokenStream> {
    Ok(item.require_list()?.tokens.clone())
}

/// Reads options, which are about a value of this kind.
pub(crate) fn from_tokens<T: Options>(tokens: TokenStream, kind: Kind) -> Result<T> {
    let items = NestedMeta::parse_meta_list(tokens).map_err(|error| {
        let text = format!(
            "{error}; write options as `NAME`, `NAME = VALUE` or `NAME(…)`, separated by commas"
        );
        Error::custom(text).with_span(&error.span())
    })?;
    let mut errors = Error::accumulator();
    let mut given = HashSet::new();
    let mut known = Vec::new();
    for item in items {
        let mistake = match &item {
            NestedMeta::Meta(option) => {
                let name = name_of(option);
                match T::PLACE.option(&name) {
                    None => Some((T::PLACE.no_option(&name, kind), option.path().span())),
                    Some(takes) => takes.mistake(option).or_else(|| {
                        let is_again = name != "example" && !given.insert(name.clone());
                        let mistake = format!("`{name}` is given twice; remove one");
                        is_again.then(|| (mistake, option.path().span()))
                    }),
                }
            }
            // `from_list` reports its error.
            NestedMeta::NameValueInvalidExpr(_) => None,
            NestedMeta::Lit(literal) => {
                let mistake = "expected an option, such as `description = \"…\"`";
                Some((mistake.to_owned(), literal.span()))
            }
        };
        match mistake {
            None => known.push(item),
            Some((mistake, span)) => errors.push(Error::custom(mistake).with_span(&span)),
        }
    }
    let options = errors.handle(T::from_list(&known));
    errors.finish_with(options)?.ok_or_else(unreported)
}

/// Returns whether the options of a module contain `main = false`, even if another one is invalid.
pub(crate) fn forbids_main(options: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = options.clone().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ',');
    tokens.split(is_comma).any(|option| {
        let option = syn::parse2::<MetaNameValue>(option.iter().cloned().collect());
        option.is_ok_and(|option| {
            let is_false = matches!(
                ungrouped(&option.value),
                Expr::Lit(literal) if matches!(&literal.lit, Lit::Bool(truth) if !truth.value)
            );
            option.path.is_ident("main") && is_false
        })
    })
}

/// The error of options that have neither a value nor another error.
fn unreported() -> Error {
    Error::custom("these options cannot be read")
}

/// Reads the options of an attribute inside the module.
pub(crate) fn from_attribute<T: Options>(attribute: &Attribute, kind: Kind) -> Result<T> {
    match &attribute.meta {
        Meta::Path(_) => T::from_list(&[]),
        Meta::List(list) => from_tokens(list.tokens.clone(), kind),
        Meta::NameValue(pair) => {
            let name = pair.path.to_token_stream().to_string().replace(' ', "");
            Err(Error::custom(format!("expected #[{name}] or #[{name}(…)]")).with_span(pair))
        }
    }
}

/// Returns whether the path of an attribute is `dasf::NAME`, or `NAME` where it was imported. The
/// crate may have another name.
pub(crate) fn is_member(path: &Path, name: &str, krate: &Path) -> bool {
    let krate = krate.segments.last();
    let segments: Vec<_> = path.segments.iter().collect();
    match segments.as_slice() {
        [only] => only.ident == name,
        [first, second] => {
            let is_ours = first.ident == "dasf" || krate.is_some_and(|it| it.ident == first.ident);
            is_ours && second.ident == name
        }
        _ => false,
    }
}

/// Removes the attributes `#[dasf::NAME]` from an item and returns them.
pub(crate) fn take_member(
    attributes: &mut Vec<Attribute>,
    name: &str,
    krate: &Path,
) -> Vec<Attribute> {
    attributes
        .extract_if(.., |attribute| is_member(attribute.path(), name, krate))
        .collect()
}

/// Removes the attribute `#[dasf(…)]` from a method or an argument, and reads its options for values
/// of this kind. Returns `None` if there is no attribute.
pub(crate) fn take_options<T: Options + Default>(
    attributes: &mut Vec<Attribute>,
    kind: Kind,
) -> Result<Option<T>> {
    let mut found = attributes.extract_if(.., |attribute| attribute.path().is_ident("dasf"));
    let (first, second) = (found.next(), found.next());
    drop(found);
    match (first, second) {
        (None, _) => Ok(None),
        (Some(attribute), None) => from_attribute(&attribute, kind).map(Some),
        (Some(_), Some(second)) => {
            Err(Error::custom("write all options in one #[dasf(…)]").with_span(&second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn main_is_left_out_only_by_its_option() {
        for (options, expected) in [
            (quote!(main = false), true),
            (quote!(topik = "a", main = false), true),
            (quote!(topic "a", main = false,), true),
            (quote!(main = true), false),
            (quote!(description = "works with main = false"), false),
            (quote!(crate = other::main), false),
            (quote!(description(main = false)), false),
            (quote!(), false),
        ] {
            assert_eq!(forbids_main(&options), expected, "{options}");
        }
    }

    #[test]
    fn the_message_about_an_unknown_option_names_a_known_one() {
        let mistake = |place: Place, name| place.no_option(name, Kind::Unknown);
        assert_eq!(Place::Argument.option("gt"), Some(Takes::Number));
        assert_eq!(
            mistake(Place::Module, "topik"),
            "unknown option `topik`; did you mean `topic`?"
        );
        assert_eq!(
            mistake(Place::Class, "topic"),
            "`topic` is an option of #[dasf::module(…)], not of #[dasf::class(…)]"
        );
        assert_eq!(
            mistake(Place::Class, "zzz"),
            "unknown option `zzz`; #[dasf::class(…)] takes `name`, `description`"
        );
    }
    #[test]
    fn the_constraint_with_another_name_is_suggested() {
        let meant = |name, kind| Place::Argument.no_option(name, kind);
        for (name, kind, expected) in [
            (
                "min",
                Kind::Number,
                "did you mean `ge` (greater than or equal to)?",
            ),
            ("maximum", Kind::Text, "did you mean `max_length`?"),
            ("minimum", Kind::List, "did you mean `min_items`?"),
            (
                "exclusiveMinimum",
                Kind::Number,
                "did you mean `gt` (greater than)?",
            ),
            (
                "max",
                Kind::Unknown,
                "use `le` (less than or equal to) for a number, `max_length` for a string, \
                 `max_items` for a list",
            ),
            ("regex", Kind::Unknown, "did you mean `pattern`?"),
            ("min", Kind::Boolean, "booleans take no constraints"),
            (
                "regex",
                Kind::List,
                "lists take `min_items` and `max_items`",
            ),
            ("minn_length", Kind::Text, "did you mean `min_length`?"),
        ] {
            assert_eq!(
                meant(name, kind),
                format!("unknown option `{name}`; {expected}")
            );
        }
        let elsewhere = Place::Module.no_option("max", Kind::Unknown);
        assert!(!elsewhere.contains("`le`"), "{elsewhere}");
    }
}
