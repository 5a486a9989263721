//! The attributes of `dasf`. The crate `dasf` re-exports and documents them.
//!
//! `#[dasf::module]` has five phases, each with its own types:
//!
//! 1. `attributes` reads the options of each attribute.
//! 2. `read` makes the `source`: the annotated items with their options.
//! 3. `check` looks for mistakes in the source.
//! 4. `lower` makes the `model` from the members without mistakes.
//! 5. `expand` writes the model as code.
//!
//! A phase uses only the phases before it. All of them may use `types`, `docs`, `identifiers`, `items`,
//! `number` and `tokens`, which are about Rust code in general. `error_derive` is the derive `IntoError`,
//! `client_macro` the macro `client!`.
//!
//! The macro reports all mistakes, each at its place. It always keeps the user's own items, so that
//! one mistake does not cause others.

mod attributes;
mod check;
#[cfg(feature = "generate")]
mod client_macro;
mod docs;
mod error_derive;
mod expand;
mod identifiers;
mod items;
mod lower;
mod mistakes;
mod model;
mod number;
mod read;
mod source;
mod tokens;
mod types;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{DeriveInput, Item, ItemMod, parse_macro_input};

use expand::Parts;

/// Makes a `mod` a backend module. See the crate `dasf`.
#[proc_macro_attribute]
pub fn module(attribute: TokenStream, item: TokenStream) -> TokenStream {
    attribute_module(attribute, item, Parts::ALL)
}

/// The attribute [`module`](macro@module) of a `dasf` without the feature `cli`.
///
/// `dasf` has one of these attributes under the name `module`. Features of this crate could not tell
/// them apart: build scripts and programs share one build of a crate with macros, and so its features.
#[proc_macro_attribute]
pub fn module_without_cli(attribute: TokenStream, item: TokenStream) -> TokenStream {
    attribute_module(attribute, item, Parts::WITHOUT_CLI)
}

/// The attribute [`module`](macro@module) of a `dasf` without the features `cli` and `client`.
#[proc_macro_attribute]
pub fn module_without_client(attribute: TokenStream, item: TokenStream) -> TokenStream {
    attribute_module(attribute, item, Parts::WITHOUT_CLIENT)
}

fn attribute_module(attribute: TokenStream, item: TokenStream, parts: Parts) -> TokenStream {
    match parse_macro_input!(item as Item) {
        Item::Mod(item) => expand_module(attribute.into(), item, parts).into(),
        mut other => {
            let message = "#[dasf::module] belongs on a `mod` with the functions inside";
            let error = syn::Error::new_spanned(&other, message).into_compile_error();
            read::strip(&mut other);
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
    let input = parse_macro_input!(input as client_macro::Input);
    client_macro::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Expands `#[dasf::module]`.
fn expand_module(attribute: TokenStream2, item: ItemMod, parts: Parts) -> TokenStream2 {
    let mut source = read::module(attribute, item);
    let mistakes = check::module(&mut source);
    let (module, item) = lower::module(source);
    expand::module(&module, item, mistakes.finish(), parts)
}

/// Expands an attribute outside of a module: `#[dasf::module]` removes the ones inside it.
fn outside_module(attribute: &str, item: TokenStream2) -> TokenStream2 {
    let message = format!(
        "#[dasf::{attribute}] works only inside a `mod` with #[dasf::module]; write it there itself, \
         not in a macro"
    );
    let item = match syn::parse2::<Item>(item.clone()) {
        Ok(mut item) => {
            read::strip(&mut item);
            quote!(#item)
        }
        Err(_) => item,
    };
    quote! { #item ::core::compile_error!(#message); }
}
