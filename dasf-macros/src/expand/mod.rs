//! Writing the model as code.

mod client;
mod server;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemMod;

use crate::model::Module;

/// The user's `mod` with what is generated inside it, and `main()` beside it.
pub(crate) fn module(module: &Module, item: &ItemMod) -> TokenStream {
    let mut item = item.clone();
    let server = server::expand(module);
    let client = client::expand(module);
    if let Some((_, items)) = &mut item.content {
        items.push(syn::Item::Verbatim(server));
        items.push(syn::Item::Verbatim(client));
    }
    let name = &module.name;
    let main = module.has_main.then(|| {
        quote! {
            fn main() -> ::std::process::ExitCode {
                #name::main()
            }
        }
    });
    quote! { #item #main }
}

/// A `main()` for a module with mistakes: without one, the compiler would report that as well. In a
/// library it is dead code.
pub(crate) fn fallback_main() -> TokenStream {
    quote! {
        #[allow(dead_code)]
        fn main() {}
    }
}
