//! `#[derive(dasf::IntoError)]`, in the phases of `#[dasf::module]`.

mod check;
mod expand;
mod read;
mod source;

use darling::Result;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Writes the implementation of `IntoError` for a type.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let source = read::error(item);
    check::error(&source).finish()?;
    Ok(expand::error(&source))
}
