//! The client in Rust. It has the interface of the client that `#[dasf::module]` generates, with
//! types from the schemas.
//!
//! The crate `typify` also generates types from schemas. But it panics on some schemas, and for
//! others it generates types that do not compile or that accept any JSON value.

mod client;
mod docs;
mod graph;
mod idents;
mod types;

use dasf_protocol::Topic;
use proc_macro2::TokenStream;
use quote::quote;

use crate::description::Description;
use crate::names::is_escaped;
use client::Client;
use types::Types;

/// Generates the file.
pub(crate) fn write(description: &Description, header: &[String]) -> String {
    let api_info = description.api_info.to_string();
    let items = items(description, &quote!(dasf), &raw(&api_info));
    let doc = docs::inner_attributes(&match description.documentation.as_str() {
        "" => format!(
            "A client of the module {}.",
            docs::prose(&description.topic).trim()
        ),
        documentation => docs::prose(documentation),
    });
    let tokens = quote! {
        #doc
        #![allow(clippy::all, clippy::pedantic, dead_code)]
        #![cfg_attr(rustfmt, rustfmt_skip)]
        #items
    };
    let comment: String = header
        .iter()
        .map(|line| format!("// {line}").trim_end().to_owned() + "\n")
        .collect();
    let code = match syn::parse2(tokens.clone()) {
        Ok(file) => spaced(&prettyplease::unparse(&file)),
        // The compiler reports the error when it reads the file.
        Err(_) => tokens.to_string(),
    };
    format!("{comment}\n{code}")
}

/// Returns JSON as a raw string literal, which is readable.
fn raw(json: &str) -> TokenStream {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    syn::parse_str(&format!("r{hashes}\"{text}\"{hashes}")).unwrap_or_else(|_| quote!(#text))
}

/// Inserts an empty line between items.
fn spaced(code: &str) -> String {
    let mut spaced = String::with_capacity(code.len());
    let mut before = "";
    for line in code.lines() {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let is_comment = before.trim_start().starts_with("//");
        let ends_item = !is_comment && before.ends_with(['}', ';']);
        let begins_item = ["///", "#[", "pub ", "impl", "fn ", "const ", "use "]
            .iter()
            .any(|start| line.trim_start().starts_with(start));
        let ends_inner = before.starts_with("#!") && !line.starts_with("#!");
        if ends_inner || (ends_item && begins_item && indent(before) == indent(line)) {
            spaced.push('\n');
        }
        spaced.push_str(line);
        spaced.push('\n');
        before = line;
    }
    spaced
}

/// Generates the items of a client, for a separate module. `krate` is the path of the crate `dasf`,
/// and `api_info` an expression with the description as a string.
pub(crate) fn items(
    description: &Description,
    krate: &TokenStream,
    api_info: &TokenStream,
) -> TokenStream {
    let topic = match description.topic.parse::<Topic>() {
        Ok(topic) => {
            let topic = topic.as_str();
            quote!(Some(#topic))
        }
        Err(_) => quote!(None),
    };
    let mut types = Types::new(description, krate.clone());
    let (builders, methods) = Client::new(krate.clone(), &mut types).write(description);
    let definitions = types.definitions();
    // Not every client uses all imports.
    quote! {
        #[allow(unused_imports)]
        use std::collections::BTreeMap;

        #[allow(unused_imports)]
        use #krate::generated::{Call, Deserialize, Deserializer, Instance, Mode, Serialize, Value};

        /// An asynchronous client of the module.
        pub type Client = client::Client<#krate::client::Async>;

        /// The client for blocking code.
        pub mod blocking {
            /// A blocking client of the module. `send()` on a call waits for its result.
            pub type Client = super::client::Client<#krate::client::Blocking>;
        }

        /// The client and its calls.
        pub mod client {
            #krate::generated::client!(#topic, super::API_INFO);
            #builders
        }

        #methods

        #(#definitions)*

        /// The API description of the module. The client checks each request against it.
        const API_INFO: &str = #api_info;
    }
}
