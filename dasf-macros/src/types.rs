//! What can be seen of a type in its tokens.

use darling::{Error, Result};
use quote::ToTokens;
use syn::visit_mut::{VisitMut, visit_expr_path_mut, visit_type_mut};
use syn::{ExprPath, Lifetime, Path, QSelf, ReturnType, Type, TypeParamBound, parse_quote};

use crate::names::{Known, Names, parameters, type_path, ungrouped};

/// An argument's type, as each side sees it.
#[derive(Debug)]
pub(crate) struct ArgumentType {
    /// What the module decodes.
    pub(crate) owned: Type,
    /// What a client's method takes.
    pub(crate) parameter: Type,
    /// Whether the function takes a reference to what is decoded.
    pub(crate) is_reference: bool,
    /// Whether that reference is mutable.
    pub(crate) is_mutable: bool,
    pub(crate) shape: Shape,
}

/// What kind of argument a type makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Data without a comfort of its own.
    Plain,
    /// Data which a client may give as whatever becomes it: a text, or an optional value.
    Into,
    /// An optional value, which is null by default.
    Optional,
    /// The call's report.
    Reporter,
    /// The call's context.
    Context,
}

impl ArgumentType {
    /// Looks at the type of an argument. `this` stands for `Self`.
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
            let error = "what is decoded does not live that long; leave the lifetime out";
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
                "an argument cannot be changed for its caller; take it by value, as `mut …: {owned}`"
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

/// What a function returns.
#[derive(Debug)]
pub(crate) struct ResultType {
    /// The type as it is written.
    pub(crate) whole: Type,
    /// The type in case of success.
    pub(crate) value: Type,
    /// Whether there is another case.
    pub(crate) is_fallible: bool,
}

impl ResultType {
    /// Looks at the type of a result. `this` stands for `Self`, and `fallible` is the path of the
    /// trait that knows what a `Result` under another name holds.
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

/// A result must own what it holds, and have a name. `whole` is the type as it was written.
fn check_is_owned(whole: &Type, value: &Type) -> Result<()> {
    let problem = match value {
        Type::Never(_) => "a function that never returns never answers; return `()`",
        Type::ImplTrait(it) if it.bounds.iter().any(is_future) => {
            "a result is a value; write `async fn`, and the type that the future yields"
        }
        Type::ImplTrait(_) => "a result must have a name; write the type itself instead of `impl`",
        _ => {
            let mut found = FindBorrowed { problem: None };
            found.visit_type_mut(&mut value.clone());
            return match found.problem {
                None => Ok(()),
                Some(Borrowed::Reference) => {
                    let owned = owned_throughout(whole);
                    let error = format!("a result must be owned; return `{owned}`");
                    Err(Error::custom(error).with_span(whole))
                }
                Some(Borrowed::Opaque(problem)) => Err(Error::custom(problem).with_span(whole)),
            };
        }
    };
    Err(Error::custom(problem).with_span(whole))
}

/// Whether a bound is a trait of futures, by its name.
fn is_future(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    let last = bound.path.segments.last();
    last.is_some_and(|it| it.ident == "Future" || it.ident == "IntoFuture")
}

/// An argument is decoded before it is lent: nothing inside it can be borrowed.
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

/// What can be decoded to lend as a reference to `ty`.
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

/// A type with every reference in it replaced by what owns the same, as text.
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

/// Tokens without the spaces that nobody would write.
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

/// Writes the type of an `impl` block in place of `Self`, for code outside that block.
pub(crate) struct ReplaceSelf<'a>(pub(crate) &'a Type);

impl ReplaceSelf<'_> {
    /// Makes `Self::NAME` a path that begins with the type.
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

/// Makes every lifetime `'static`, as that of decoded data is.
struct OwnLifetimes;

impl VisitMut for OwnLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }
}

/// Finds what is not owned in a type, or has no name.
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
                Borrowed::Opaque("the type must have a name; write it instead of `impl`")
            }
            Type::TraitObject(_) => Borrowed::Opaque(
                "a trait object has no schema; use a type that implements the trait, or an enum of \
                 such types",
            ),
            Type::Ptr(_) => Borrowed::Opaque("a pointer has no JSON; use the value itself"),
            Type::FnPtr(_) => Borrowed::Opaque("a function has no JSON; use a value"),
            Type::Infer(_) => Borrowed::Opaque("the type must be written out"),
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
    fn a_client_takes_what_the_function_takes() {
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
    fn what_cannot_be_decoded_is_told_with_what_can() {
        assert!(mistake(&parse_quote!(Option<&str>)).ends_with("write `Option<String>`"));
        assert!(mistake(&parse_quote!(Vec<&[u8]>)).ends_with("write `Vec<Vec<u8>>`"));
        assert!(mistake(&parse_quote!(&mut i64)).ends_with("as `mut …: i64`"));
        assert!(mistake(&parse_quote!(&'static str)).contains("leave the lifetime out"));
        assert!(mistake(&parse_quote!(impl Into<String>)).contains("instead of `impl`"));
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
