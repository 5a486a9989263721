//! The defaults of arguments.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use super::literals::converted;
use super::names;
use crate::attributes::DefaultOption;
use crate::expand::conditions::conditions;
use crate::model::{Class, Function};
use crate::types::ArgumentKind;

/// Writes one function for each default, which the wrapper and the schema use.
pub(super) fn defaults(
    krate: &Path,
    function: &Function,
    class: Option<&Class>,
    condition: &TokenStream,
) -> TokenStream {
    let with_default = function
        .arguments
        .iter()
        .filter(|argument| argument.has_default());
    let defaults = with_default.map(|argument| {
        let name = names::default(argument, function, class);
        let own = conditions(&argument.conditions);
        let owned = match argument.ty.kind {
            ArgumentKind::Reporter => quote!(#krate::ProgressReport),
            _ => {
                let owned = &argument.ty.owned;
                quote!(#owned)
            }
        };
        let function_name = &function.name;
        let value = match (&argument.default, argument.ty.kind) {
            (Some(DefaultOption::Expression(expression)), _) => converted(expression, &argument.ty),
            (_, ArgumentKind::Reporter) => quote!(#krate::ProgressReport::new(#function_name)),
            _ => quote_spanned!(owned.span()=> ::core::default::Default::default()),
        };
        quote!(#condition #own fn #name() -> #owned { #value })
    });
    defaults.collect()
}
