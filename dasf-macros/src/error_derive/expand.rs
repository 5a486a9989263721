//! Writing the implementation of `IntoError`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::source::{Case, ErrorSource, Field};

pub(super) fn error(source: &ErrorSource<'_>) -> TokenStream {
    let ErrorSource { item, krate, .. } = source;
    let ident = &item.ident;
    let (generics, parameters, bounds) = item.generics.split_for_impl();
    // The compiler accepts an empty `match` on a value, but not on a reference.
    let value = if source.cases.is_empty() {
        quote!(*self)
    } else {
        quote!(self)
    };
    let codes = source.cases.iter().map(|case| {
        let (path, code) = (&case.path, &case.code);
        quote!(#path { .. } => ::std::borrow::Cow::Borrowed(#code),)
    });
    let details = source.cases.iter().map(details);
    let parts = source.cases.iter().map(from_parts);
    quote! {
        #[automatically_derived]
        impl #generics #krate::IntoError for #ident #parameters #bounds {
            fn code(&self) -> ::std::borrow::Cow<'static, str> {
                match #value { #(#codes)* }
            }

            fn details(&self) -> #krate::__private::Value {
                use #krate::__private as __p;
                match #value { #(#details)* }
            }

            fn from_parts(
                code: &str,
                details: &#krate::__private::Value,
            ) -> ::core::option::Option<Self> {
                use #krate::__private as __p;
                match code {
                    #(#parts)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}

/// Returns the name of a field in the details.
fn key(member: &syn::Member) -> String {
    match member {
        syn::Member::Named(ident) => ident.unraw().to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    }
}

/// Writes the code for the details of a case: an object of the fields that are sent, a list if the
/// fields have no names, or null if there are none.
fn details(case: &Case) -> TokenStream {
    let path = &case.path;
    let fields = case.fields.iter().enumerate();
    let sent: Vec<(Ident, &Field)> = fields
        .filter(|(_, field)| !field.is_skipped)
        .map(|(index, field)| (format_ident!("field_{index}"), field))
        .collect();
    if sent.is_empty() {
        return quote!(#path { .. } => ::core::default::Default::default(),);
    }
    let written: Vec<TokenStream> = sent
        .iter()
        .map(|(local, Field { ty, .. })| quote_spanned!(ty.span()=> __p::details_of::<#ty>(#local)))
        .collect();
    let patterns = sent
        .iter()
        .map(|(local, Field { member, .. })| quote!(#member: #local));
    let made = if case.is_named {
        let keys = sent.iter().map(|(_, field)| key(&field.member));
        quote! {
            ::core::iter::FromIterator::from_iter([#(
                (::core::convert::Into::<::std::string::String>::into(#keys), #written)
            ),*])
        }
    } else {
        quote!(::core::iter::FromIterator::from_iter([#(#written),*]))
    };
    quote! {
        #path { #(#patterns,)* .. } => #made,
    }
}

/// Writes the code that makes a case from its details. It makes no case with a field that is not
/// sent.
fn from_parts(case: &Case) -> TokenStream {
    let (code, path) = (&case.code, &case.path);
    if case.fields.iter().any(|field| field.is_skipped) {
        return quote!(#code => ::core::option::Option::None,);
    }
    let fields = case.fields.iter().enumerate();
    let fields = fields.map(|(index, Field { member, ty, .. })| {
        let value = if case.is_named {
            let key = key(member);
            quote!(details.get(#key))
        } else {
            quote!(details.get(#index))
        };
        let detail = quote_spanned!(ty.span()=> __p::detail::<#ty>);
        quote!(#member: #detail(#value)?)
    });
    quote!(#code => ::core::option::Option::Some(#path { #(#fields),* }),)
}
