//! The attributes `#[cfg(…)]` of generated code.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Attribute;

/// Writes attributes `#[cfg(…)]`.
pub(super) fn conditions(attributes: &[Attribute]) -> TokenStream {
    quote!(#(#attributes)*)
}
