//! The attributes of `dasf`. The crate `dasf` re-exports and documents them.
//!
//! An expansion has four phases:
//!
//! 1. `options` and `constraints` read the attributes.
//! 2. `reader` makes the `model` of the annotated `mod`, with `docs`, `names` and `types`.
//! 3. `mistakes`, `misplaced` and `serde_attributes` check it on the way.
//! 4. `expand` writes the model as code.
//!
//! The macro reports all mistakes, each at its place. It always keeps the user's own items, so that
//! one mistake does not cause others.

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
mod variant_order;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{DeriveInput, Item, parse_macro_input};

/// Makes a `mod` a backend module. See the crate `dasf`.
#[proc_macro_attribute]
pub fn module(attribute: TokenStream, item: TokenStream) -> TokenStream {
    match parse_macro_input!(item as Item) {
        Item::Mod(item) => expand::module(attribute.into(), item).into(),
        mut other => {
            let message = "#[dasf::module] belongs on a `mod` with the functions inside";
            let error = syn::Error::new_spanned(&other, message).into_compile_error();
            misplaced::strip(&mut other);
            quote! { #other #error }.into()
        }
    }
}

/// Makes a function of a `#[dasf::module]` callable from outside. See the crate `dasf`.
#[proc_macro_attribute]
pub fn function(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("function", item.into()).into()
}

/// Makes a class of a type in a `#[dasf::module]`. See the crate `dasf`.
#[proc_macro_attribute]
pub fn class(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("class", item.into()).into()
}

/// Sends the code and details of an error to callers. See the crate `dasf`.
#[proc_macro_derive(IntoError, attributes(dasf))]
pub fn into_error(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    error_derive::expand(&item)
        .unwrap_or_else(darling::Error::write_errors)
        .into()
}

/// Makes the client of a module from its API description. See the crate `dasf`.
#[cfg(feature = "generate")]
#[proc_macro]
pub fn client(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as client::Input);
    client::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Expands an attribute outside of a module: `#[dasf::module]` removes the ones inside it.
fn outside_module(attribute: &str, item: TokenStream2) -> TokenStream2 {
    let message = format!(
        "#[dasf::{attribute}] works only inside a `mod` with #[dasf::module]; write it there itself, \
         not in a macro"
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
