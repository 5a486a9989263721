//! The types of arguments and results, as far as their tokens show them.

use darling::{Error, Result};
use quote::ToTokens;
use syn::visit_mut::{VisitMut, visit_expr_path_mut, visit_type_mut};
use syn::{ExprPath, Lifetime, Path, QSelf, ReturnType, Type, TypeParamBound, parse_quote};

use crate::names::{Known, Names, parameters, type_path, ungrouped};

/// The type of an argument, for the module and for its clients.
#[derive(Debug)]
pub(crate) struct ArgumentType {
    /// The type that the module decodes.
    pub(crate) owned: Type,
    /// The type of the parameter of a client's method.
    pub(crate) parameter: Type,
    /// Whether the function takes a reference to the decoded value.
    pub(crate) is_reference: bool,
    /// Whether that reference is mutable.
    pub(crate) is_mutable: bool,
    pub(crate) shape: Shape,
}

/// The kind of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Data that a client takes as it is.
    Plain,
    /// Data that a client takes as `impl Into<…>`: a string.
    Into,
    /// An optional value, which is null by default.
    Optional,
    /// The progress report of the call.
    Reporter,
    /// The context of the call.
    Context,
}

impl ArgumentType {
    /// Reads the type of an argument. `this` replaces `Self`.
    pub(crate) fn of(ty: &Type, this: Option<&Type>, names: &Names) -> Result<Self> {
        let mut ty = ungrouped(ty).clone();
        if let Some(this) = this {
            ReplaceSelf(this).visit_type_mut(&mut ty);
        }
        let (mut owned, reference) = match &ty {
            Type::Reference(reference) => (owned_form(&reference.elem), Some(reference)),
            other => (other.clone(), None),
        };
        check_can_be_owned(&ty, &owned)?;
        if let Some(lifetime) = reference.and_then(|it| it.lifetime.as_ref())
            && lifetime.ident == "static"
        {
            let error = "an argument is decoded for one call and does not live for `'static`; remove \
                         the lifetime";
            return Err(Error::custom(error).with_span(lifetime));
        }
        OwnLifetimes.visit_type_mut(&mut owned);
        let known = names.known(&owned).map(|(known, _)| known);
        let shape = match known {
            Some(Known::Reporter) => Shape::Reporter,
            Some(Known::Context) => Shape::Context,
            Some(Known::Option) => Shape::Optional,
            Some(Known::String) if reference.is_none() => Shape::Into,
            Some(Known::String | Known::Result) | None => Shape::Plain,
        };
        let is_mutable = reference.is_some_and(|reference| reference.mutability.is_some());
        if is_mutable && shape != Shape::Reporter {
            let owned = owned_throughout(&owned);
            let error = format!(
                "a function cannot change the value of its caller; take it by value, as `mut …: \
                 {owned}`"
            );
            return Err(Error::custom(error).with_span(&ty));
        }
        let parameter = match (shape, reference) {
            (Shape::Into | Shape::Optional, None) => {
                parse_quote!(impl ::core::convert::Into<#owned>)
            }
            (_, None) => owned.clone(),
            (_, Some(reference)) => {
                let mut lent = (*reference.elem).clone();
                OwnLifetimes.visit_type_mut(&mut lent);
                parse_quote!(&#lent)
            }
        };
        Ok(Self {
            owned,
            parameter,
            is_reference: reference.is_some(),
            is_mutable,
            shape,
        })
    }
}

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
    /// Reads the type of a result. `this` replaces `Self`. `fallible` is the path of the trait that
    /// gives the value of a `Result` with another name.
    pub(crate) fn of(
        output: &ReturnType,
        this: Option<&Type>,
        fallible: &syn::Path,
        names: &Names,
    ) -> Result<Self> {
        let mut ty = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => ungrouped(ty).clone(),
        };
        if let Some(this) = this {
            ReplaceSelf(this).visit_type_mut(&mut ty);
        }
        let (value, is_fallible) = match names.known(&ty) {
            Some((Known::Result, segment)) => match parameters(segment).next() {
                Some(value) => (value.clone(), true),
                None => (parse_quote!(<#ty as #fallible>::Value), true),
            },
            _ => (ty.clone(), false),
        };
        check_is_owned(&ty, &value)?;
        let (mut ty, mut value) = (ty, value);
        OwnLifetimes.visit_type_mut(&mut ty);
        OwnLifetimes.visit_type_mut(&mut value);
        Ok(Self {
            whole: ty,
            value,
            is_fallible,
        })
    }
}

/// Refuses results that borrow, and results without a type name. `whole` is the type in the source.
fn check_is_owned(whole: &Type, value: &Type) -> Result<()> {
    let problem = match value {
        Type::Never(_) => "a function of type `!` never returns a result; return `()`",
        Type::ImplTrait(it) if it.bounds.iter().any(is_future) => {
            "a future cannot be a result; write `async fn` with the type that the future returns"
        }
        Type::ImplTrait(_) => {
            "a result needs a type with a name; write that type instead of `impl`"
        }
        _ => {
            let mut found = FindBorrowed { problem: None };
            found.visit_type_mut(&mut value.clone());
            return match found.problem {
                None => Ok(()),
                Some(Borrowed::Reference) => {
                    let owned = owned_throughout(whole);
                    let error = format!("a result cannot borrow; return `{owned}`");
                    Err(Error::custom(error).with_span(whole))
                }
                Some(Borrowed::Opaque(problem)) => Err(Error::custom(problem).with_span(whole)),
            };
        }
    };
    Err(Error::custom(problem).with_span(whole))
}

/// Returns whether a bound is a trait of futures, by its name.
fn is_future(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    let last = bound.path.segments.last();
    last.is_some_and(|it| it.ident == "Future" || it.ident == "IntoFuture")
}

/// Refuses references inside the type of an argument: a decoded value owns all its parts.
fn check_can_be_owned(whole: &Type, owned: &Type) -> Result<()> {
    let mut found = FindBorrowed { problem: None };
    found.visit_type_mut(&mut owned.clone());
    match found.problem {
        None => Ok(()),
        Some(Borrowed::Reference) => {
            let owned = owned_throughout(owned);
            let error =
                format!("a reference inside another type cannot be decoded; write `{owned}`");
            Err(Error::custom(error).with_span(whole))
        }
        Some(Borrowed::Opaque(problem)) => Err(Error::custom(problem).with_span(whole)),
    }
}

/// Returns the type to decode for an argument `&ty`.
fn owned_form(ty: &Type) -> Type {
    match ungrouped(ty) {
        Type::Slice(slice) => {
            let element = &slice.elem;
            parse_quote!(::std::vec::Vec<#element>)
        }
        other => match type_path(other).and_then(|path| path.path.segments.last()) {
            Some(last) if last.ident == "str" => parse_quote!(::std::string::String),
            Some(last) if last.ident == "Path" => parse_quote!(::std::path::PathBuf),
            _ => other.clone(),
        },
    }
}

/// Returns a type as text, with an owned type in place of every reference.
fn owned_throughout(ty: &Type) -> String {
    struct Own;
    impl VisitMut for Own {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::Reference(reference) = ty {
                *ty = owned_form(&reference.elem);
            }
            visit_type_mut(self, ty);
        }
    }
    let mut ty = ty.clone();
    Own.visit_type_mut(&mut ty);
    let text = ty.to_token_stream().to_string();
    tidy(&text)
        .replace("::std::path::", "")
        .replace("::std::string::", "")
        .replace("::std::vec::", "")
}

/// Returns tokens as text, with spaces as a person writes them.
pub(crate) fn tidy(tokens: &str) -> String {
    let mut text = String::with_capacity(tokens.len());
    for token in tokens.split(' ') {
        let before = text.chars().next_back().unwrap_or('(');
        let after = token.chars().next().unwrap_or(')');
        let is_word = |c: char| c.is_alphanumeric() || "_'\"{}".contains(c);
        let is_operator = |c: char| "=+*/|".contains(c);
        let is_minus = (before == '-' && text.len() > 1) || after == '-';
        let is_binary = is_operator(before) || is_operator(after) || is_minus;
        let wants_space =
            before == ',' || (is_word(before) && is_word(after)) || (!text.is_empty() && is_binary);
        if wants_space {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

/// Replaces `Self` by the type of its `impl` block, for code outside that block.
pub(crate) struct ReplaceSelf<'a>(pub(crate) &'a Type);

impl ReplaceSelf<'_> {
    /// Replaces `Self` at the beginning of a path such as `Self::NAME`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        let is_of_self = path.segments.len() > 1
            && path
                .segments
                .first()
                .is_some_and(|first| first.ident == "Self");
        if qself.is_some() || !is_of_self {
            return;
        }
        let ty = self.0;
        let rest = path.segments.iter().skip(1);
        let qualified: ExprPath = parse_quote!(<#ty>::#(#rest)::*);
        *qself = qualified.qself;
        *path = qualified.path;
    }
}

impl VisitMut for ReplaceSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::Path(path) if path.path.is_ident("Self") => *ty = self.0.clone(),
            Type::Path(path) => self.qualify(&mut path.qself, &mut path.path),
            _ => {}
        }
        visit_type_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, expression: &mut ExprPath) {
        self.qualify(&mut expression.qself, &mut expression.path);
        visit_expr_path_mut(self, expression);
    }
}

/// Makes every lifetime `'static`, because decoded data owns all its parts.
struct OwnLifetimes;

impl VisitMut for OwnLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }
}

/// Finds the first part of a type that is not owned or has no name.
struct FindBorrowed {
    problem: Option<Borrowed>,
}

enum Borrowed {
    Reference,
    Opaque(&'static str),
}

impl VisitMut for FindBorrowed {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let problem = match ty {
            Type::Reference(_) => Borrowed::Reference,
            Type::ImplTrait(_) => {
                Borrowed::Opaque("`impl` cannot be decoded; write a type with a name instead")
            }
            Type::TraitObject(_) => Borrowed::Opaque(
                "a trait object has no schema; use a type that implements the trait, or an enum of \
                 several such types",
            ),
            Type::Ptr(_) => {
                Borrowed::Opaque("a pointer cannot be written as JSON; use the value itself")
            }
            Type::FnPtr(_) => Borrowed::Opaque("a function cannot be written as JSON; use a value"),
            Type::Infer(_) => {
                Borrowed::Opaque("the macro cannot infer a type; write it instead of `_`")
            }
            _ => return visit_type_mut(self, ty),
        };
        self.problem.get_or_insert(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn argument(ty: &Type) -> ArgumentType {
        ArgumentType::of(ty, None, &Names::default()).unwrap()
    }

    fn text(ty: &Type) -> String {
        tidy(&ty.to_token_stream().to_string())
    }

    fn mistake(ty: &Type) -> String {
        ArgumentType::of(ty, None, &Names::default())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn borrowed_arguments_are_decoded_as_owned_ones() {
        let owned = |ty: Type| text(&argument(&ty).owned);
        assert_eq!(owned(parse_quote!(&str)), "::std::string::String");
        assert_eq!(owned(parse_quote!(&[Point])), "::std::vec::Vec<Point>");
        assert_eq!(owned(parse_quote!(&Point)), "Point");
        assert_eq!(
            owned(parse_quote!(&std::path::Path)),
            "::std::path::PathBuf"
        );
        assert_eq!(owned(parse_quote!(Cow<'_, str>)), "Cow<'static, str>");
    }

    #[test]
    fn tokens_are_written_as_a_person_would() {
        for code in [
            "Option<f64>",
            "::std::vec::Vec<(u8, &'static str)>",
            "<Result as Fallible>::Value",
            "-0.5",
            "everywhere()",
            "a + 1",
            "Vec::from([1, 2])",
        ] {
            let tokens: proc_macro2::TokenStream = code.parse().unwrap();
            assert_eq!(tidy(&tokens.to_string()), code);
        }
    }

    #[test]
    fn a_client_takes_the_types_of_the_function() {
        let parameter = |ty: Type| text(&argument(&ty).parameter);
        assert_eq!(parameter(parse_quote!(&str)), "&str");
        assert_eq!(parameter(parse_quote!(&[Point])), "&[Point]");
        assert_eq!(parameter(parse_quote!(Point)), "Point");
        assert_eq!(
            parameter(parse_quote!(String)),
            "impl::core::convert::Into<String>"
        );
        assert_eq!(
            parameter(parse_quote!(Option<f64>)),
            "impl::core::convert::Into<Option<f64>>"
        );
    }

    #[test]
    fn the_message_about_a_borrowed_argument_has_the_owned_type() {
        assert!(mistake(&parse_quote!(Option<&str>)).ends_with("write `Option<String>`"));
        assert!(mistake(&parse_quote!(Vec<&[u8]>)).ends_with("write `Vec<Vec<u8>>`"));
        assert!(mistake(&parse_quote!(&mut i64)).ends_with("as `mut …: i64`"));
        assert!(mistake(&parse_quote!(&'static str)).contains("remove the lifetime"));
        assert!(mistake(&parse_quote!(impl Into<String>)).starts_with("`impl` cannot be decoded"));
        assert!(mistake(&parse_quote!(Box<dyn Shape>)).contains("trait object"));
    }

    #[test]
    fn a_result_shows_its_value() {
        let fallible = parse_quote!(Fallible);
        let this = parse_quote!(Greeter);
        let result = |output: ReturnType| {
            let names = Names::default();
            ResultType::of(&output, Some(&this), &fallible, &names)
                .map(|result| (text(&result.value), result.is_fallible))
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
