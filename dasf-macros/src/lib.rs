//! The attributes of `dasf`. The crate `dasf` re-exports and documents them.
//!
//! One expansion has four phases, each with types of its own: the attributes are read (`options`,
//! `constraints`), the annotated `mod` becomes a `model` (`reader`, with `docs`, `names` and
//! `types`), which is checked on the way (`mistakes`, `misplaced`, `serde_attributes`), and the model
//! is written as code (`expand`). Every mistake found is reported, each where it was made, and the
//! user's own items are always kept, so that one mistake does not cause the next.

#[cfg(feature = "generate")]
mod client;
mod conditional;
mod constraints;
mod docs;
mod error_derive;
mod expand;
mod foreign;
mod misplaced;
mod mistakes;
mod model;
mod names;
mod number;
mod options;
mod reader;
mod serde_attributes;
mod types;
mod unknown_variants;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{DeriveInput, Item, parse_macro_input};

/// Makes a `mod` a backend module: see the crate `dasf`.
#[proc_macro_attribute]
pub fn module(attribute: TokenStream, item: TokenStream) -> TokenStream {
    match parse_macro_input!(item as Item) {
        Item::Mod(item) => expand::module(attribute.into(), item).into(),
        mut other => {
            let message = "#[dasf::module] belongs on a `mod`, with the functions inside";
            let error = syn::Error::new_spanned(&other, message).into_compile_error();
            misplaced::strip(&mut other);
            quote! { #other #error }.into()
        }
    }
}

/// Makes a function of a `#[dasf::module]` callable from outside: see the crate `dasf`.
#[proc_macro_attribute]
pub fn function(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("function", item.into()).into()
}

/// Makes a type of a `#[dasf::module]` callable from outside: see the crate `dasf`.
#[proc_macro_attribute]
pub fn class(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("class", item.into()).into()
}

/// Lets an error's code and details travel to callers: see the crate `dasf`.
#[proc_macro_derive(IntoError, attributes(dasf))]
pub fn into_error(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    error_derive::expand(&item)
        .unwrap_or_else(darling::Error::write_errors)
        .into()
}

/// Makes the client of a module out of its description: see the crate `dasf`.
#[cfg(feature = "generate")]
#[proc_macro]
pub fn client(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as client::Input);
    client::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// `#[dasf::module]` takes the other attributes away, so that one which is expanded stands outside.
fn outside_module(attribute: &str, item: TokenStream2) -> TokenStream2 {
    let message = format!(
        "#[dasf::{attribute}] belongs inside a `mod` that carries #[dasf::module], written out there \
         and not by a macro"
    );
    let item = match syn::parse2::<Item>(item.clone()) {
        Ok(mut item) => {
            misplaced::strip(&mut item);
            quote!(#item)
        }
        Err(_) => item,
    };
    quote! { #item ::core::compile_error!(#message); }
}
