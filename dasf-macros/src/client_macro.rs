//! `dasf::client!`: a client from a file.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token};

/// The input of the macro.
pub(crate) struct Input {
    file: LitStr,
    krate: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const USAGE: &str = "expected the file of an API description, such as \
                             dasf::client!(\"arithmetic.api.json\")";
        let file = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), USAGE))?;
        let mut krate = quote!(::dasf);
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            input.parse::<Token![crate]>().map_err(|error| {
                let text = "expected `crate = PATH`, the only option";
                syn::Error::new(error.span(), text)
            })?;
            input.parse::<Token![=]>()?;
            let path: syn::Path = input.parse()?;
            krate = quote!(#path);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { file, krate })
    }
}

/// Writes the client of the module that the file describes.
pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let Input { file, krate } = input;
    let error = |message: String| syn::Error::new(file.span(), message);
    // Cargo sets the variable for every crate. `include_str!` in the root finds the same file.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let path = Path::new(&root).join(file.value());
    let bytes = std::fs::read(&path).map_err(|reason| {
        error(format!(
            "the file cannot be read: {reason}; its path is relative to the folder of Cargo.toml"
        ))
    })?;
    let text = dasf_protocol::text::decode(bytes)
        .map_err(|reason| error(format!("the file cannot be read: {reason}")))?;
    let api_info = serde_json::from_str(&text)
        .map_err(|reason| error(format!("the file is not JSON: {reason}")))?;
    let path = path.display().to_string();
    // With `include_str!`, the compiler expands again when the file changes.
    let text = quote!(::core::include_str!(#path));
    dasf_codegen::rust_items(&api_info, krate, &text).map_err(|reason| error(reason.to_string()))
}
