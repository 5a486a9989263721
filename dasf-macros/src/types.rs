//! What can be seen of a type in its tokens.

use darling::{Error, Result};
use syn::visit_mut::{VisitMut, visit_path_mut, visit_type_mut};
use syn::{
    GenericArgument, Ident, Lifetime, Path, PathArguments, PathSegment, ReturnType, Type,
    parse_quote,
};

/// An argument's type, as each side sees it.
#[derive(Debug)]
pub(crate) struct ArgumentType {
    /// What the module decodes.
    pub(crate) owned: Type,
    /// Whether the function takes a reference to that.
    pub(crate) is_reference: bool,
    /// Whether that reference is mutable.
    pub(crate) is_mutable: bool,
    pub(crate) shape: Shape,
}

/// What kind of argument a type makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Data without a comfort of its own.
    Plain,
    /// A text that the function owns: a client may give whatever becomes one.
    Text,
    /// An optional value, which is null by default.
    Optional(Box<Type>),
    /// The call's report.
    Reporter,
    /// The call's context.
    Context,
}

impl ArgumentType {
    /// Looks at the type of an argument. `this` stands for `Self`.
    pub(crate) fn of(ty: &Type, this: Option<&Type>) -> Result<Self> {
        let mut ty = ty.clone();
        if let Some(this) = this {
            ReplaceSelf(this).visit_type_mut(&mut ty);
        }
        let (mut owned, is_reference, is_mutable) = match ty {
            Type::Reference(reference) => {
                let is_mutable = reference.mutability.is_some();
                (owned_form(*reference.elem), true, is_mutable)
            }
            other => (other, false, false),
        };
        let mut borrowed = OwnLifetimes { error: None };
        borrowed.visit_type_mut(&mut owned);
        if let Some(error) = borrowed.error {
            return Err(error);
        }
        let shape = shape_of(&owned);
        if is_mutable && shape != Shape::Reporter {
            return Err(Error::custom(
                "an argument cannot be changed for its caller; take it by value",
            )
            .with_span(&owned));
        }
        Ok(Self {
            owned,
            is_reference,
            is_mutable,
            shape,
        })
    }
}

/// What a function returns.
#[derive(Debug)]
pub(crate) struct ResultType {
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
    ) -> Result<Self> {
        let mut ty = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        if let Some(this) = this {
            ReplaceSelf(this).visit_type_mut(&mut ty);
        }
        match &ty {
            Type::Reference(_) => {
                return Err(Error::custom(
                    "a result must be owned; return a String, a Vec or another value",
                )
                .with_span(&ty));
            }
            Type::ImplTrait(_) => {
                return Err(Error::custom(
                    "a result must have a name; write the type itself instead of `impl`",
                )
                .with_span(&ty));
            }
            _ => {}
        }
        let Some(segment) = last_segment(&ty).filter(|segment| segment.ident == "Result") else {
            return Ok(Self {
                value: ty,
                is_fallible: false,
            });
        };
        let value = match first_type(segment) {
            Some(value) => value.clone(),
            None => parse_quote!(<#ty as #fallible>::Value),
        };
        Ok(Self {
            value,
            is_fallible: true,
        })
    }
}

fn shape_of(ty: &Type) -> Shape {
    let Some(segment) = last_segment(ty) else {
        return Shape::Plain;
    };
    match segment.ident.to_string().as_str() {
        "ProgressReport" => Shape::Reporter,
        "Context" => Shape::Context,
        "String" => Shape::Text,
        "Option" => match first_type(segment) {
            Some(inner) => Shape::Optional(Box::new(inner.clone())),
            None => Shape::Plain,
        },
        _ => Shape::Plain,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn first_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// What can be decoded to lend as a reference to `ty`.
fn owned_form(ty: Type) -> Type {
    match ty {
        Type::Slice(slice) => {
            let element = slice.elem;
            parse_quote!(::std::vec::Vec<#element>)
        }
        Type::Path(path) if path.path.is_ident("str") => parse_quote!(::std::string::String),
        other => other,
    }
}

/// A type as it is written one module deeper than the user wrote it.
pub(crate) fn one_deeper(ty: &Type) -> Type {
    struct Deeper;
    impl VisitMut for Deeper {
        fn visit_path_mut(&mut self, path: &mut Path) {
            if let Some(first) = path.segments.first_mut()
                && path.leading_colon.is_none()
            {
                if first.ident == "self" {
                    first.ident = Ident::new("super", first.ident.span());
                } else if first.ident == "super" {
                    let segment = first.clone();
                    path.segments.insert(0, segment);
                }
            }
            visit_path_mut(self, path);
        }
    }
    let mut ty = ty.clone();
    Deeper.visit_type_mut(&mut ty);
    ty
}

struct ReplaceSelf<'a>(&'a Type);

impl VisitMut for ReplaceSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::Path(path) if path.path.is_ident("Self")) {
            *ty = self.0.clone();
        }
        visit_type_mut(self, ty);
    }
}

/// Makes every lifetime `'static`, as that of decoded data is.
struct OwnLifetimes {
    error: Option<Error>,
}

impl VisitMut for OwnLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        let problem = match ty {
            Type::Reference(_) => {
                Some("a reference inside another type cannot be decoded; use an owned type there")
            }
            Type::ImplTrait(_) => {
                Some("an argument must have a type with a name; write it instead of `impl`")
            }
            Type::TraitObject(_) => {
                Some("a trait object cannot be decoded; use a type that implements it")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.error
                .get_or_insert_with(|| Error::custom(problem).with_span(ty));
        }
        visit_type_mut(self, ty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn owned(ty: &Type) -> String {
        ArgumentType::of(ty, None)
            .unwrap()
            .owned
            .to_token_stream()
            .to_string()
            .replace(' ', "")
    }

    #[test]
    fn borrowed_arguments_are_decoded_as_owned_ones() {
        assert_eq!(owned(&parse_quote!(&str)), "::std::string::String");
        assert_eq!(owned(&parse_quote!(&[Point])), "::std::vec::Vec<Point>");
        assert_eq!(owned(&parse_quote!(&Point)), "Point");
        assert_eq!(owned(&parse_quote!(Cow<'_, str>)), "Cow<'static,str>");
        for bad in [
            parse_quote!(Option<&str>),
            parse_quote!(impl Into<String>),
            parse_quote!(&mut i64),
        ] {
            assert!(ArgumentType::of(&bad, None).is_err());
        }
    }

    #[test]
    fn a_relative_path_leads_one_module_further_up() {
        let deeper = |ty: Type| {
            one_deeper(&ty)
                .to_token_stream()
                .to_string()
                .replace(' ', "")
        };
        let expected = "Vec<super::super::Point>";
        assert_eq!(deeper(parse_quote!(Vec<super::Point>)), expected);
        assert_eq!(deeper(parse_quote!(self::Point)), "super::Point");
        assert_eq!(
            deeper(parse_quote!(::std::string::String)),
            "::std::string::String"
        );
    }

    #[test]
    fn a_type_is_known_by_its_last_name() {
        let shape = |ty: Type| ArgumentType::of(&ty, None).unwrap().shape;
        assert_eq!(shape(parse_quote!(dasf::ProgressReport)), Shape::Reporter);
        assert_eq!(shape(parse_quote!(&mut ProgressReport)), Shape::Reporter);
        assert_eq!(shape(parse_quote!(Context)), Shape::Context);
        assert_eq!(
            shape(parse_quote!(std::option::Option<f64>)),
            Shape::Optional(parse_quote!(f64))
        );
    }

    #[test]
    fn a_result_shows_its_value() {
        let fallible = parse_quote!(Fallible);
        let result = |output: ReturnType| {
            let this = parse_quote!(Greeter);
            let result = ResultType::of(&output, Some(&this), &fallible).unwrap();
            (
                result.value.to_token_stream().to_string().replace(' ', ""),
                result.is_fallible,
            )
        };
        assert_eq!(result(ReturnType::Default), ("()".into(), false));
        assert_eq!(result(parse_quote!(-> io::Result<u8>)), ("u8".into(), true));
        assert_eq!(
            result(parse_quote!(-> Result)),
            ("<ResultasFallible>::Value".into(), true)
        );
        assert_eq!(
            result(parse_quote!(-> Vec<Self>)),
            ("Vec<Greeter>".into(), false)
        );
    }
}
