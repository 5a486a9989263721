//! The attributes of `dasf`. The crate `dasf` re-exports and documents them.
//!
//! One expansion has four phases, each with types of its own: the attributes are read (`options`),
//! the annotated `mod` becomes a model (`model`, with `docs` and `types`), which is checked on the
//! way, and the model is written as code (`expand`). Every mistake found is reported, each where it
//! was made, and the user's own items are always kept, so that one mistake does not cause the next.

mod docs;
mod expand;
mod model;
mod options;
mod types;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{ItemMod, parse_macro_input};

/// Makes a `mod` a backend module: see the crate `dasf`.
#[proc_macro_attribute]
pub fn module(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = parse_macro_input!(item as ItemMod);
    let wants_main = !attribute
        .to_string()
        .replace(' ', "")
        .contains("main=false");
    match model::Module::from_item(attribute.into(), &mut item) {
        Ok(module) => expand::module(&module, &item).into(),
        Err(errors) => {
            options::strip_options(&mut item);
            let errors = errors.write_errors();
            let main = wants_main.then(expand::fallback_main);
            quote! { #item #errors #main }.into()
        }
    }
}

/// Makes a function of a `#[dasf::module]` callable from outside: see the crate `dasf`.
#[proc_macro_attribute]
pub fn function(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("function", &item.into()).into()
}

/// Makes a type of a `#[dasf::module]` callable from outside: see the crate `dasf`.
#[proc_macro_attribute]
pub fn class(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_module("class", &item.into()).into()
}

/// `#[dasf::module]` takes the other attributes away, so that one which is expanded stands outside.
fn outside_module(attribute: &str, item: &TokenStream2) -> TokenStream2 {
    let message =
        format!("#[dasf::{attribute}] belongs inside a `mod` that carries #[dasf::module]");
    quote! { #item ::core::compile_error!(#message); }
}
