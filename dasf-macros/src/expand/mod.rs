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
use quote::quote;
use syn::{Item, ItemMod};

use crate::model::Module;

/// Writes the user's `mod` with the generated code inside it, and `main()` beside it. With mistakes,
/// writes the `mod` with the assertions of the sound members, and the mistakes.
pub(crate) fn module(module: &Module, mut item: ItemMod, mistakes: Result<()>) -> TokenStream {
    let mut errors = TokenStream::new();
    if let Some((_, items)) = &mut item.content {
        imports::allow(items, &module.krate);
        variant_order::keep(items);
        unknown_variants::mark(items);
        struct_tags::add(items, &module.krate);
    }
    match mistakes {
        Ok(()) => {
            add(&mut item, server::expand(module));
            add(&mut item, client::expand(module));
        }
        Err(mistakes) => {
            add(&mut item, assertions::expand(module));
            errors = mistakes.write_errors();
        }
    }
    let main = module.has_main.then(|| main_of(module, errors.is_empty()));
    quote! { #item #errors #main }
}

fn add(item: &mut ItemMod, generated: TokenStream) {
    if let Some((_, items)) = &mut item.content {
        items.push(Item::Verbatim(generated));
    }
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
