//! Reading options from the tokens of an attribute.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use darling::{Error, FromMeta, Result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, Meta, MetaNameValue};

use super::option_value::name_of;
use super::target::Target;
use super::unknown_option::unknown_option;
use crate::tokens::ungrouped;
use crate::types::ValueKind;

/// Options that know their target.
pub(crate) trait Options: FromMeta {
    const TARGET: Target;
}

/// Reads options, which are about a value of this kind.
pub(crate) fn from_tokens<T: Options>(tokens: TokenStream, kind: ValueKind) -> Result<T> {
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
                match T::TARGET.option(&name) {
                    None => Some((unknown_option(T::TARGET, &name, kind), option.path().span())),
                    Some(value) => value.mistake(option).or_else(|| {
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
pub(crate) fn from_attribute<T: Options>(attribute: &Attribute, kind: ValueKind) -> Result<T> {
    match &attribute.meta {
        Meta::Path(_) => T::from_list(&[]),
        Meta::List(list) => from_tokens(list.tokens.clone(), kind),
        Meta::NameValue(pair) => {
            let name = pair.path.to_token_stream().to_string().replace(' ', "");
            Err(Error::custom(format!("expected #[{name}] or #[{name}(…)]")).with_span(pair))
        }
    }
}

/// Removes the attribute `#[dasf(…)]` from a method or an argument, and reads its options for values
/// of this kind. Returns `None` if there is no attribute.
pub(crate) fn take_options<T: Options + Default>(
    attributes: &mut Vec<Attribute>,
    kind: ValueKind,
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
}
