//! The client in Rust: the surface of the client that `#[dasf::module]` generates, with types made
//! from the schemas.
//!
//! The crate `typify` makes types from schemas, too, but not from any: it ends the process on some,
//! and writes types that do not compile, or any JSON value, for more. The description has few forms,
//! and each becomes one here.

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

/// Writes the file.
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
        // It shows, and compiles or not as it would otherwise.
        Err(_) => tokens.to_string(),
    };
    format!("{comment}\n{code}")
}

/// A JSON text as a raw literal, in which it can be read.
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

/// Puts a blank line before every item that follows another with a body.
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

/// The items of a client, for a module of their own. `krate` is the path of the crate `dasf`,
/// `api_info` an expression of the description's text.
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
    // Not every module needs all that is imported.
    quote! {
        #[allow(unused_imports)]
        use std::collections::BTreeMap;

        #[allow(unused_imports)]
        use #krate::generated::{Call, Deserialize, Deserializer, Instance, Mode, Serialize, Value};

        /// A client of the module, for asynchronous code.
        pub type Client = client::Client<#krate::Async>;

        /// A client of the module for code that is not asynchronous.
        pub mod blocking {
            /// A client of the module whose calls are sent with `send()`.
            pub type Client = super::client::Client<#krate::Blocking>;
        }

        /// The client, and the calls that it makes.
        pub mod client {
            #krate::generated::client!(#topic, super::API_INFO);
            #builders
        }

        #methods

        #(#definitions)*

        /// What the module said of itself; requests are checked against it before they are sent.
        const API_INFO: &str = #api_info;
    }
}
