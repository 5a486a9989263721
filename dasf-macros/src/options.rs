//! The options of the attributes.

use darling::ast::NestedMeta;
use darling::{Error, FromMeta, Result};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::{VisitMut, visit_impl_item_fn_mut};
use syn::{Attribute, Expr, ImplItemFn, ItemMod, Lit, LitStr, Meta, PatType, Path, UnOp};

/// `#[dasf::module(…)]`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ModuleOptions {
    pub(crate) topic: Option<LitStr>,
    pub(crate) main: Option<bool>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Path>,
}

/// `#[dasf::function(…)]`, and `#[dasf(…)]` on a method.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct FunctionOptions {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) returns: Option<ReturnOptions>,
    #[darling(with = "keep_expression")]
    pub(crate) schema_extra: Option<Expr>,
    pub(crate) inline: bool,
    /// Only on a method: it is not callable.
    pub(crate) skip: bool,
}

/// `#[dasf::class(…)]`.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ClassOptions {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
}

/// `#[dasf(…)]` on an argument.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct ArgumentOptions {
    pub(crate) default: Option<DefaultOption>,
    pub(crate) rename: Option<String>,
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

/// What a value must satisfy beyond its type.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Constraints {
    gt: Option<Number>,
    ge: Option<Number>,
    lt: Option<Number>,
    le: Option<Number>,
    multiple_of: Option<Number>,
    min_length: Option<u32>,
    max_length: Option<u32>,
    pattern: Option<String>,
    min_items: Option<u32>,
    max_items: Option<u32>,
    format: Option<String>,
}

/// The value of one constraint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConstraintValue {
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Constraints {
    /// The constraints by their JSON Schema keywords.
    pub(crate) fn keywords(&self) -> Vec<(&'static str, ConstraintValue)> {
        let numbers = [
            ("exclusiveMinimum", &self.gt),
            ("minimum", &self.ge),
            ("exclusiveMaximum", &self.lt),
            ("maximum", &self.le),
            ("multipleOf", &self.multiple_of),
        ];
        let lengths = [
            ("minLength", self.min_length),
            ("maxLength", self.max_length),
            ("minItems", self.min_items),
            ("maxItems", self.max_items),
        ];
        let texts = [("pattern", &self.pattern), ("format", &self.format)];
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, number.as_ref()?.0.clone())));
        let lengths = lengths
            .into_iter()
            .filter_map(|(name, length)| Some((name, ConstraintValue::Integer(length?.into()))));
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, ConstraintValue::Text(text.clone()?))));
        numbers.chain(lengths).chain(texts).collect()
    }
}

/// A number as a literal, with or without a sign.
#[derive(Debug)]
struct Number(ConstraintValue);

impl FromMeta for Number {
    fn from_expr(expression: &Expr) -> Result<Self> {
        let (negative, inner) = match expression {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => (true, &*unary.expr),
            other => (false, other),
        };
        let literal = match inner {
            Expr::Lit(literal) => &literal.lit,
            _ => {
                return Err(
                    Error::custom("expected a number, such as 0 or -1.5").with_span(expression)
                );
            }
        };
        let value = match literal {
            Lit::Int(integer) => {
                let integer: i64 = integer.base10_parse()?;
                ConstraintValue::Integer(if negative { -integer } else { integer })
            }
            Lit::Float(float) => {
                let float: f64 = float.base10_parse()?;
                ConstraintValue::Number(if negative { -float } else { float })
            }
            _ => {
                return Err(
                    Error::custom("expected a number, such as 0 or -1.5").with_span(expression)
                );
            }
        };
        Ok(Self(value))
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
            Meta::List(list) => {
                Err(Error::custom("expected `default`, or `default = EXPRESSION`").with_span(list))
            }
        }
    }
}

fn keep_one_expression(item: &Meta) -> Result<Expr> {
    match item {
        Meta::NameValue(pair) => Ok(pair.value.clone()),
        other => Err(Error::custom("expected `NAME = EXPRESSION`").with_span(other)),
    }
}

fn keep_expression(item: &Meta) -> Result<Option<Expr>> {
    keep_one_expression(item).map(Some)
}

/// Reads the options of an attribute macro's own invocation.
pub(crate) fn from_tokens<T: FromMeta>(tokens: TokenStream) -> Result<T> {
    T::from_list(&NestedMeta::parse_meta_list(tokens)?)
}

/// Reads the options of an attribute inside the module.
pub(crate) fn from_attribute<T: FromMeta>(attribute: &Attribute) -> Result<T> {
    match &attribute.meta {
        Meta::Path(_) => T::from_list(&[]),
        Meta::List(list) => from_tokens(list.tokens.clone()),
        Meta::NameValue(pair) => {
            let name = pair.path.to_token_stream().to_string().replace(' ', "");
            Err(Error::custom(format!("expected #[{name}] or #[{name}(…)]")).with_span(pair))
        }
    }
}

/// Takes the attribute `#[dasf::NAME]`, or `#[NAME]` where it was imported, off an item. The crate
/// may have another name.
pub(crate) fn take_member(
    attributes: &mut Vec<Attribute>,
    name: &str,
    krate: &Path,
) -> Option<Attribute> {
    let krate = krate.segments.last();
    let found = attributes.iter().position(|attribute| {
        let segments: Vec<_> = attribute.path().segments.iter().collect();
        match segments.as_slice() {
            [only] => only.ident == name,
            [first, second] => {
                let is_ours =
                    first.ident == "dasf" || krate.is_some_and(|it| it.ident == first.ident);
                is_ours && second.ident == name
            }
            _ => false,
        }
    })?;
    Some(attributes.remove(found))
}

/// Takes all attributes `#[dasf(…)]` off the items of a module that has mistakes, so that the
/// compiler does not report them as unknown on top.
pub(crate) fn strip_options(item: &mut ItemMod) {
    struct Strip;
    impl VisitMut for Strip {
        fn visit_pat_type_mut(&mut self, argument: &mut PatType) {
            argument
                .attrs
                .retain(|attribute| !attribute.path().is_ident("dasf"));
        }
        fn visit_impl_item_fn_mut(&mut self, method: &mut ImplItemFn) {
            method
                .attrs
                .retain(|attribute| !attribute.path().is_ident("dasf"));
            visit_impl_item_fn_mut(self, method);
        }
    }
    Strip.visit_item_mod_mut(item);
}

/// Takes the attributes `#[dasf(…)]` off a method or an argument.
pub(crate) fn take_options<T: FromMeta + Default>(attributes: &mut Vec<Attribute>) -> Result<T> {
    let mut found = attributes.extract_if(.., |attribute| attribute.path().is_ident("dasf"));
    let (first, second) = (found.next(), found.next());
    drop(found);
    match (first, second) {
        (None, _) => Ok(T::default()),
        (Some(attribute), None) => from_attribute(&attribute),
        (Some(_), Some(second)) => {
            Err(Error::custom("write all options in one #[dasf(…)]").with_span(&second))
        }
    }
}
