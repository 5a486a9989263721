//! The options of each attribute inside a module, and of the module's own.

use darling::{Error, FromMeta, Result};
use proc_macro2::TokenStream;
use syn::{Expr, LitStr, Meta, Path};

use super::constraints::Constraints;
use super::parse::Options;
use super::target::Target;
use crate::tokens::strings;

impl Options for ModuleOptions {
    const TARGET: Target = Target::Module;
}

impl Options for FunctionOptions {
    const TARGET: Target = Target::Function;
}

impl Options for MethodOptions {
    const TARGET: Target = Target::Method;
}

impl Options for ClassOptions {
    const TARGET: Target = Target::Class;
}

impl Options for ArgumentOptions {
    const TARGET: Target = Target::Argument;
}

impl Options for ReturnOptions {
    const TARGET: Target = Target::Returns;
}

/// The texts of an error that callers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromMeta)]
pub(crate) enum ErrorTexts {
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
    pub(crate) errors: Option<ErrorTexts>,
    pub(crate) unknown_arguments: Option<UnknownArguments>,
    pub(crate) allow_groups: Option<AllowGroups>,
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
    pub(crate) errors: Option<ErrorTexts>,
    pub(crate) allow_groups: Option<AllowGroups>,
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
    pub(crate) allow_groups: Option<AllowGroups>,
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

/// `allow_groups = ["…"]`: the groups of users that may call.
#[derive(Debug)]
pub(crate) struct AllowGroups {
    pub(crate) names: Vec<LitStr>,
    /// The whole list.
    pub(crate) list: Expr,
}

impl AllowGroups {
    /// Returns the names of the groups.
    pub(crate) fn names(&self) -> Vec<String> {
        self.names.iter().map(LitStr::value).collect()
    }
}

impl FromMeta for AllowGroups {
    fn from_meta(item: &Meta) -> Result<Self> {
        let list = keep_one_expression(item)?;
        let names = strings(&list).ok_or_else(|| Error::unexpected_expr_type(&list))?;
        Ok(Self { names, list })
    }
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
