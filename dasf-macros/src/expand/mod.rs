//! Writing the model as code.

mod assertions;
mod client;
mod conditions;
#[cfg(test)]
mod goldens;
mod imports;
mod server;
mod struct_tags;
mod unknown_variants;
mod variant_order;

use darling::Result;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Item, ItemMod};

use crate::model::Module;

/// The parts of the expansion beside the module itself. Each needs a feature of `dasf`.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    /// The command line, with the feature `cli`.
    has_cli: bool,
    /// The client, with the feature `client`.
    has_client: bool,
}

impl Parts {
    pub(crate) const ALL: Self = Self {
        has_cli: true,
        has_client: true,
    };
    pub(crate) const WITHOUT_CLI: Self = Self {
        has_cli: false,
        ..Self::ALL
    };
    pub(crate) const WITHOUT_CLIENT: Self = Self {
        has_client: false,
        ..Self::WITHOUT_CLI
    };
}

/// Writes the user's `mod` with the generated code inside it, and `main()` beside it. With mistakes,
/// writes the `mod` with the assertions of the sound members, and the mistakes.
pub(crate) fn module(
    module: &Module,
    mut item: ItemMod,
    mistakes: Result<()>,
    parts: Parts,
) -> TokenStream {
    let mut errors = TokenStream::new();
    if let Some((_, items)) = &mut item.content {
        imports::allow(items, &module.krate);
        variant_order::keep(items);
        unknown_variants::mark(items);
        struct_tags::add(items, &module.krate);
    }
    match mistakes {
        Ok(()) => {
            add(&mut item, server::expand(module, parts.has_cli));
            if parts.has_client {
                add(&mut item, client::expand(module));
            }
        }
        Err(mistakes) => {
            add(&mut item, assertions::expand(module));
            errors = mistakes.write_errors();
        }
    }
    let main = match (module.has_main, parts.has_cli) {
        (false, _) => None,
        (true, true) => Some(main_of(module, errors.is_empty())),
        (true, false) => Some(missing_cli(module)),
    };
    quote! { #item #errors #main }
}

fn add(item: &mut ItemMod, generated: TokenStream) {
    if let Some((_, items)) = &mut item.content {
        items.push(Item::Verbatim(generated));
    }
}

/// Refuses to write a `main()`, because it would run the command line.
fn missing_cli(module: &Module) -> TokenStream {
    let message = "this attribute writes a function `main` that runs the command line of the module, and `dasf` \
                   is built without the feature \"cli\"; add the feature in Cargo.toml, or write \
                   `#[dasf::module(main = false)]` and serve the module with `dasf::Host`";
    quote_spanned!(module.name.span()=> ::core::compile_error!(#message);)
}

/// Writes the program's `main()`. For a module with mistakes, it writes an empty `main()`, because the
/// compiler would also report a missing one. In a library, `main()` is dead code.
fn main_of(module: &Module, is_sound: bool) -> TokenStream {
    let Module { name, krate, .. } = module;
    let (dead, code) = if is_sound {
        (None, quote!(#name::main()))
    } else {
        let dead = quote!(#[allow(dead_code)]);
        (Some(dead), quote!(::std::process::ExitCode::SUCCESS))
    };
    quote! {
        #dead
        fn main() -> #krate::__private::Main {
            const { #krate::__private::check_main(&main) };
            #krate::__private::Main(#code)
        }
    }
}
