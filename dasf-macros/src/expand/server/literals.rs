//! The literals in defaults and examples, converted to the type of their argument.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitFloat, LitInt, Type, UnOp};

use crate::tokens::{is_number, ungrouped};
use crate::types::{ArgumentKind, ArgumentType, INTEGERS, parameters, type_path};

/// Converts the expression of a default or an example. A string literal is converted with `From`, an
/// integer literal becomes a float if the type is one, and a literal of an optional value becomes
/// `Some`.
pub(super) fn converted(expression: &Expr, ty: &ArgumentType) -> TokenStream {
    let literal = ungrouped(expression);
    let is_optional = ty.kind == ArgumentKind::Optional;
    let wanted = if is_optional {
        let optional = type_path(&ty.owned).and_then(|path| path.path.segments.last());
        optional.and_then(|segment| parameters(segment).next())
    } else {
        Some(&ty.owned)
    };
    let value = match (literal, integer(literal), wanted) {
        (
            Expr::Lit(ExprLit {
                lit: Lit::Str(_), ..
            }),
            ..,
        ) => quote!(::core::convert::From::from(#literal)),
        (_, Some(integer), Some(wanted)) => converted_integer(literal, integer, wanted),
        (other, ..) => quote!(#other),
    };
    if is_optional && (matches!(literal, Expr::Lit(_)) || is_number(literal)) {
        quote!(::core::option::Option::Some(#value))
    } else {
        value
    }
}

/// Returns an integer literal without a type suffix, with or without a sign.
fn integer(expression: &Expr) -> Option<&LitInt> {
    let literal = match expression {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => ungrouped(&unary.expr),
        other => other,
    };
    match literal {
        Expr::Lit(ExprLit {
            lit: Lit::Int(integer),
            ..
        }) if integer.suffix().is_empty() => Some(integer),
        _ => None,
    }
}

/// Converts an integer literal to the wanted type, if that is a float.
fn converted_integer(expression: &Expr, integer: &LitInt, wanted: &Type) -> TokenStream {
    let Some(path) = type_path(wanted) else {
        return quote!(#expression);
    };
    let name = path.path.get_ident().map(Ident::to_string);
    match name.as_deref() {
        Some("f32" | "f64") => {
            let float = LitFloat::new(&format!("{}.0", integer.base10_digits()), integer.span());
            match expression {
                Expr::Unary(ExprUnary { op, .. }) => quote!(#op #float),
                _ => quote!(#float),
            }
        }
        Some(name) if INTEGERS.contains(&name) => quote!(#expression),
        // The type may be an alias of a float.
        _ => quote!(<__p::Integer<#wanted>>::value(#expression)),
    }
}
