//! Writing the model as code.

mod checks;
mod client;
#[cfg(test)]
mod goldens;
mod server;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ItemMod};

use crate::model::Module;
use crate::reader::{Read, read};

/// Writes the user's `mod` with the generated code inside it, and `main()` beside it. With mistakes,
/// writes the `mod` with the checks of the sound members, and the mistakes.
pub(crate) fn module(attribute: TokenStream, mut item: ItemMod) -> TokenStream {
    let Read { module, mistakes } = read(attribute, &mut item);
    let errors = match mistakes {
        Ok(()) => {
            add(&mut item, server::expand(&module));
            add(&mut item, client::expand(&module));
            TokenStream::new()
        }
        Err(errors) => {
            add(&mut item, checks::expand(&module));
            errors.write_errors()
        }
    };
    let main = module.has_main.then(|| main_of(&module, errors.is_empty()));
    quote! { #item #errors #main }
}

fn add(item: &mut ItemMod, generated: TokenStream) {
    if let Some((_, items)) = &mut item.content {
        items.push(syn::Item::Verbatim(generated));
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

/// Writes attributes `#[cfg(…)]`.
fn conditions(attributes: &[Attribute]) -> TokenStream {
    quote!(#(#attributes)*)
}
