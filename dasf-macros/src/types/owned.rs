//! Owned forms of types: a value that is decoded from JSON borrows nothing.

use quote::ToTokens;
use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{Lifetime, Type, parse_quote};

use super::path::{type_path, ungrouped};
use crate::tokens::spaced;

/// Returns the type to decode for an argument `&ty`.
pub(super) fn owned_form(ty: &Type) -> Type {
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
pub(super) fn owned_text(ty: &Type) -> String {
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
    spaced(&text)
        .replace("::std::path::", "")
        .replace("::std::string::", "")
        .replace("::std::vec::", "")
}

/// Makes every lifetime `'static`, because decoded data owns all its parts.
pub(super) struct StaticLifetimes;

impl VisitMut for StaticLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }
}

/// A part of a type that is not owned or has no name.
pub(super) enum Unowned {
    Reference,
    /// Another part, and what to write instead.
    Other(&'static str),
}

/// Finds the first part of a type that is not owned or has no name.
pub(super) fn find_unowned(ty: &Type) -> Option<Unowned> {
    struct Find(Option<Unowned>);
    impl VisitMut for Find {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            let unowned = match ty {
                Type::Reference(_) => Unowned::Reference,
                Type::ImplTrait(_) => {
                    Unowned::Other("`impl` cannot be decoded; write a type with a name instead")
                }
                Type::TraitObject(_) => Unowned::Other(
                    "a trait object has no schema; use a type that implements the trait, or an enum \
                     of several such types",
                ),
                Type::Ptr(_) => {
                    Unowned::Other("a pointer cannot be written as JSON; use the value itself")
                }
                Type::FnPtr(_) => {
                    Unowned::Other("a function cannot be written as JSON; use a value")
                }
                Type::Infer(_) => {
                    Unowned::Other("the macro cannot infer a type; write it instead of `_`")
                }
                _ => return visit_type_mut(self, ty),
            };
            self.0.get_or_insert(unowned);
        }
    }
    let mut find = Find(None);
    find.visit_type_mut(&mut ty.clone());
    find.0
}
