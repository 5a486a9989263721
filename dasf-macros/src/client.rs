//! `dasf::client!`: a client out of a file.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token};

/// What the macro is given.
pub(crate) struct Input {
    file: LitStr,
    krate: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const USAGE: &str = "expected the file in which a module describes itself: dasf::client!(\"arithmetic.api.json\")";
        let file = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), USAGE))?;
        let mut krate = quote!(::dasf);
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            let path: syn::Path = input.parse()?;
            krate = quote!(#path);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { file, krate })
    }
}

/// The client of the module that the file describes.
pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let Input { file, krate } = input;
    let error = |message: String| syn::Error::new(file.span(), message);
    // As `include_str!` in the root would find it; cargo sets it for every crate.
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
        .map_err(|reason| error(format!("what is in the file is no JSON: {reason}")))?;
    let path = path.display().to_string();
    // So the compiler knows when to expand again.
    let text = quote!(::core::include_str!(#path));
    dasf_codegen::rust_items(&api_info, krate, &text).map_err(|reason| error(reason.to_string()))
}
