//! The code for the module: a table of descriptors, and a wrapper around each function.

mod defaults;
mod descriptors;
mod literals;
mod names;
mod wrappers;

use proc_macro2::TokenStream;
use quote::quote;

use super::assertions;
use super::conditions::conditions;
use crate::model::{Member, Module};
use descriptors::Descriptors;
use wrappers::Wrappers;

/// Writes the module, and its command line if it has one.
pub(super) fn expand(module: &Module, has_cli: bool) -> TokenStream {
    let Module {
        name,
        krate,
        description,
        ..
    } = module;
    let name = name.to_string();
    let topic = match &module.topic {
        Some(topic) => quote!(::core::option::Option::Some(#topic)),
        None => quote!(::core::option::Option::None),
    };
    let group = match &module.group {
        Some(group) => quote!(::core::option::Option::Some(#group)),
        None => quote!(::core::option::Option::None),
    };
    let version = match &module.version {
        Some(version) => quote!(#version),
        None => quote!(::core::env!("CARGO_PKG_VERSION")),
    };
    let descriptors = Descriptors::new(module.unknown_arguments);
    let wrapped = Wrappers::new(krate, module.errors);
    let mut members = Vec::new();
    let mut wrappers = Vec::new();
    for member in &module.members {
        let conditions = conditions(&member.outer().conditions);
        match member {
            Member::Function(function) => {
                let callee = &function.ident;
                let descriptor = descriptors.function(function, None);
                members.push(quote!(#conditions __p::Member::Function(#descriptor)));
                wrappers.push(wrapped.function(function, None, &quote!(#callee)));
            }
            Member::Class(class) => {
                let descriptor = descriptors.class(class);
                members.push(quote!(#conditions __p::Member::Class(#descriptor)));
                wrappers.push(wrapped.class(class));
            }
        }
    }
    let assertions = assertions::of(module);
    let main = has_cli.then(|| {
        quote! {
            /// Runs the command line of this module. `--help` lists its commands.
            #[allow(dead_code)] // with `main = false`, or in a library, nothing may call it
            pub fn main() -> ::std::process::ExitCode {
                #krate::__private::run(&__DASF_MODULE)
            }
        }
    });
    quote! {
        /// Returns this module, ready to serve.
        ///
        /// # Errors
        /// When the schema is not valid, for instance because a default breaks its constraints, or
        /// because the `pattern` of a type is invalid.
        pub fn module() -> ::core::result::Result<#krate::Module, #krate::ModuleError> {
            #krate::Module::new(&__DASF_MODULE)
        }

        #main

        // Lints are for code that a person wrote; these wrappers have one form for every function.
        // The wrappers are in a block inside the module, so that the user's types and expressions
        // have the same meaning there.
        #[doc(hidden)]
        #[allow(deprecated, unused_imports, clippy::all, clippy::pedantic)]
        static __DASF_MODULE: #krate::__private::ModuleDescriptor = {
            use #krate::__private as __p;
            use __p::{AnyType as _, Causeless as _, Holding as _, OnlyText as _, Silent as _, Unable as _, Unwritable as _};

            #assertions
            #(#wrappers)*

            __p::ModuleDescriptor {
                name: #name,
                topic: #topic,
                group: #group,
                description: #description,
                version: #version,
                members: &[#(#members),*],
            }
        };
    }
}
