//! The type of a result.

use darling::{Error, Result};
use syn::visit_mut::VisitMut;
use syn::{Path, ReturnType, Type, TypeParamBound, parse_quote};

use super::names::{KnownType, TypeNames};
use super::owned::{StaticLifetimes, Unowned, find_unowned, owned_text};
use super::path::{parameters, ungrouped};
use super::self_type::ReplaceSelf;

/// The result of a function.
#[derive(Debug)]
pub(crate) struct ResultType {
    /// The type in the source.
    pub(crate) whole: Type,
    /// The type in case of success.
    pub(crate) value: Type,
    /// Whether the function can fail.
    pub(crate) is_fallible: bool,
}

impl ResultType {
    /// Reads the type of a result. `self_type` replaces `Self`. `fallible` is the path of the trait that
    /// gives the value of a `Result` with another name.
    pub(crate) fn of(
        output: &ReturnType,
        self_type: Option<&Type>,
        fallible: &Path,
        names: &TypeNames,
    ) -> Result<Self> {
        let mut ty = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => ungrouped(ty).clone(),
        };
        if let Some(self_type) = self_type {
            ReplaceSelf(self_type).visit_type_mut(&mut ty);
        }
        let (value, is_fallible) = match names.known(&ty) {
            Some((KnownType::Result, segment)) => match parameters(segment).next() {
                Some(value) => (value.clone(), true),
                None => (parse_quote!(<#ty as #fallible>::Value), true),
            },
            _ => (ty.clone(), false),
        };
        check_is_owned(&ty, &value)?;
        let (mut ty, mut value) = (ty, value);
        StaticLifetimes.visit_type_mut(&mut ty);
        StaticLifetimes.visit_type_mut(&mut value);
        Ok(Self {
            whole: ty,
            value,
            is_fallible,
        })
    }
}

/// Refuses results that borrow, and results without a type name. `whole` is the type in the source.
fn check_is_owned(whole: &Type, value: &Type) -> Result<()> {
    let mistake = match value {
        Type::Never(_) => "a function of type `!` never returns a result; return `()`",
        Type::ImplTrait(it) if it.bounds.iter().any(is_future) => {
            "a future cannot be a result; write `async fn` with the type that the future returns"
        }
        Type::ImplTrait(_) => {
            "a result needs a type with a name; write that type instead of `impl`"
        }
        _ => match find_unowned(value) {
            None => return Ok(()),
            Some(Unowned::Other(mistake)) => mistake,
            Some(Unowned::Reference) => {
                let owned = owned_text(whole);
                let error = format!("a result cannot borrow; return `{owned}`");
                return Err(Error::custom(error).with_span(whole));
            }
        },
    };
    Err(Error::custom(mistake).with_span(whole))
}

/// Returns whether a bound is a trait of futures, by its name.
fn is_future(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    let last = bound.path.segments.last();
    last.is_some_and(|it| it.ident == "Future" || it.ident == "IntoFuture")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::spaced;
    use quote::ToTokens;

    #[test]
    fn a_result_shows_its_value() {
        let fallible = parse_quote!(Fallible);
        let self_type = parse_quote!(Greeter);
        let result = |output: ReturnType| {
            let names = TypeNames::default();
            ResultType::of(&output, Some(&self_type), &fallible, &names)
                .map(|result| {
                    (
                        spaced(&result.value.to_token_stream().to_string()),
                        result.is_fallible,
                    )
                })
                .map_err(|error| error.to_string())
        };
        let value = |text: &str, is_fallible| Ok((text.to_owned(), is_fallible));
        assert_eq!(result(ReturnType::Default), value("()", false));
        assert_eq!(result(parse_quote!(-> io::Result<u8>)), value("u8", true));
        assert_eq!(
            result(parse_quote!(-> Result)),
            value("<Result as Fallible>::Value", true)
        );
        assert_eq!(
            result(parse_quote!(-> Vec<Self>)),
            value("Vec<Greeter>", false)
        );
        let mistake = result(parse_quote!(-> Result<&'static str, E>)).unwrap_err();
        assert!(mistake.ends_with("return `Result<String, E>`"), "{mistake}");
        assert!(result(parse_quote!(-> impl Future<Output = u8>)).is_err());
    }
}
