//! Assertions about the user's types, which the compiler checks.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::conditions::conditions;
use crate::model::{Argument, Member, Module};
use crate::types::{INTEGERS, ResultType, foreign_messages, parameters, type_path, ungrouped};

/// Writes the assertions alone, for a module with mistakes.
pub(super) fn expand(module: &Module) -> TokenStream {
    let krate = &module.krate;
    let assertions = of(module);
    // Lints are for code that a person wrote.
    quote! {
        #[allow(deprecated, unused_imports, clippy::all, clippy::pedantic)]
        const _: () = {
            use #krate::__private as __p;
            use __p::Unable as _;

            #assertions
        };
    }
}

/// Writes one assertion for each type, at its first use, where the compiler shows the message.
pub(super) fn of(module: &Module) -> TokenStream {
    let mut uses = Uses::default();
    for member in &module.members {
        let outer = &member.outer().conditions;
        let is_class = matches!(member, Member::Class(_));
        for (index, function) in member.functions().into_iter().enumerate() {
            let own = &function.outer.conditions;
            let condition = if is_class {
                quote!(#(#outer)* #(#own)*)
            } else {
                conditions(own)
            };
            for argument in &function.arguments {
                let conditions = conditions(&argument.conditions);
                uses.add_argument(argument, &quote!(#condition #conditions));
            }
            // The first one is the constructor, whose result is not data.
            if !is_class || index > 0 {
                uses.add_data(&function.result.value, &condition);
            }
            uses.add_result(&function.result, &condition);
        }
    }
    uses.assertions()
}

/// The types that a module uses.
#[derive(Default)]
struct Uses {
    done: HashSet<String>,
    /// Assertions about one type alone.
    assertions: TokenStream,
    /// Types that must be data, in the order of their first use.
    data: Vec<Data>,
}

/// A type that must be data.
struct Data {
    ty: Type,
    condition: TokenStream,
    /// The types without parameters inside it. If one of them is not data, the error is about that
    /// one.
    inner: Vec<Type>,
    /// The types that contain it; itself, if it is used by itself.
    users: Vec<Type>,
}

impl Uses {
    fn add_argument(&mut self, argument: &Argument, condition: &TokenStream) {
        let ty = &argument.ty.owned;
        if argument.is_data() {
            self.add_data(ty, condition);
        } else if type_path(ty).is_some_and(|path| path.path.segments.len() == 1)
            && self.is_new("tool", ty, condition)
        {
            // The type is named without a path, so it may be another type of the same name.
            let assertion = quote_spanned!(ty.span()=> __p::check_tool::<#ty>(););
            self.assertions.extend(quote!(#condition #assertion));
        }
    }

    fn add_data(&mut self, ty: &Type, condition: &TokenStream) {
        if is_primitive(ty) || !self.is_new("data", ty, condition) {
            return;
        }
        let inner = innermost(ty);
        for inner in &inner {
            self.use_of(inner, condition).users.push(ty.clone());
        }
        let data = self.use_of(ty, condition);
        data.users.push(ty.clone());
        data.inner = inner;
    }

    fn use_of(&mut self, ty: &Type, condition: &TokenStream) -> &mut Data {
        let key =
            |ty: &Type, condition: &TokenStream| format!("{condition} {}", ty.to_token_stream());
        let wanted = key(ty, condition);
        let found = self
            .data
            .iter()
            .position(|data| key(&data.ty, &data.condition) == wanted);
        let index = found.unwrap_or_else(|| {
            self.data.push(Data {
                ty: ty.clone(),
                condition: condition.clone(),
                inner: Vec::new(),
                users: Vec::new(),
            });
            self.data.len() - 1
        });
        &mut self.data[index]
    }

    /// Asserts that the error of a `Result` implements `Display`. A `Result` with another name is
    /// refused, because its errors would be sent as values.
    fn add_result(&mut self, result: &ResultType, condition: &TokenStream) {
        let ty = &result.whole;
        let may_be_result = matches!(ungrouped(ty), Type::Path(_)) && !is_primitive(ty);
        if !may_be_result || !self.is_new("result", ty, condition) {
            return;
        }
        let assertion = if result.is_fallible {
            quote_spanned!(ty.span()=> __p::check_fallible::<#ty>();)
        } else {
            let message = "this type is a `Result` with another name; write `Result<…>`, so that \
                           callers get its errors as errors";
            quote_spanned!(ty.span()=> ::core::assert!(!<__p::Probe<#ty>>::IS_RESULT, #message);)
        };
        self.assertions.extend(quote!(#condition #assertion));
    }

    fn is_new(&mut self, what: &str, ty: &Type, condition: &TokenStream) -> bool {
        let key = format!("{what} {condition} {}", ty.to_token_stream());
        self.done.insert(key)
    }

    /// Writes the assertions. A type fails if three things hold: it is not data, some type that contains
    /// it is not data, and all types inside it are data.
    fn assertions(self) -> TokenStream {
        let data = self.data.iter().map(|data| {
            let Data {
                ty,
                condition,
                inner,
                users,
            } = data;
            let text = ty.to_token_stream().to_string();
            let is_used_alone = users
                .iter()
                .all(|user| user.to_token_stream().to_string() == text);
            let users = (!is_used_alone).then(|| quote!(|| (#(<__p::Probe<#users>>::IS_DATA)&&*)));
            let messages = foreign_messages(ty).map(|name| quote!(, __p::crates::#name));
            quote_spanned! {ty.span()=>
                #condition
                <__p::Lacks<{
                    if <__p::Probe<#ty>>::IS_DATA #users #(|| !<__p::Probe<#inner>>::IS_DATA)* {
                        0
                    } else {
                        __p::lacking(
                            <__p::Probe<#ty>>::SERIALIZES,
                            <__p::Probe<#ty>>::DESERIALIZES,
                            <__p::Probe<#ty>>::HAS_SCHEMA,
                            <__p::Probe<#ty>>::IS_SEND,
                        )
                    }
                } #messages>>::check::<#ty>();
            }
        });
        let of_data: TokenStream = data.collect();
        let others = self.assertions;
        quote!(#of_data #others)
    }
}

/// Returns whether a type is primitive. Then it needs no assertion.
fn is_primitive(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        other => type_path(other)
            .and_then(|path| path.path.get_ident())
            .is_some_and(|ident| {
                let name = ident.to_string();
                INTEGERS.contains(&name.as_str())
                    || ["f32", "f64", "bool", "char", "str"].contains(&name.as_str())
            }),
    }
}

/// Returns the types without parameters inside a type that may not be data; none if it has no
/// parameters itself.
fn innermost(ty: &Type) -> Vec<Type> {
    fn collect(ty: &Type, found: &mut Vec<Type>) {
        let inner: Vec<&Type> = match ungrouped(ty) {
            // A parameter of a known foreign type need not be data: `Utc` in `DateTime<Utc>`.
            foreign if foreign_messages(foreign).is_some() => Vec::new(),
            Type::Array(array) => vec![&array.elem],
            Type::Slice(slice) => vec![&slice.elem],
            Type::Tuple(tuple) => tuple.elems.iter().collect(),
            other => match type_path(other).and_then(|path| path.path.segments.last()) {
                Some(segment) => parameters(segment).collect(),
                None => return,
            },
        };
        if inner.is_empty() && !is_primitive(ty) {
            found.push(ty.clone());
        }
        for inner in inner {
            collect(inner, found);
        }
    }
    let mut found = Vec::new();
    collect(ty, &mut found);
    let itself = ty.to_token_stream().to_string();
    found.retain(|inner| inner.to_token_stream().to_string() != itself && !may_be_constant(inner));
    found
}

/// Returns whether a parameter that looks like a type may be a constant, as far as its letters show.
/// The type around it is checked in any case.
fn may_be_constant(ty: &Type) -> bool {
    let ident = type_path(ty).and_then(|path| path.path.get_ident());
    ident.is_some_and(|ident| !ident.to_string().contains(char::is_lowercase))
}
