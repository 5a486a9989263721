//! The options in attributes of other macros, such as `serde` and `schemars`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, Meta, Token};

use super::cfg_attr::expand_cfg_attr;
use crate::tokens::ungrouped;

/// The options in the attributes of one macro, also inside `cfg_attr`.
pub(crate) struct MacroOptions(Vec<MacroOption>);

/// One option.
pub(crate) struct MacroOption {
    pub(crate) meta: Meta,
    conditions: Vec<TokenStream>,
}

impl MacroOptions {
    /// Reads the options of serde on a type, field or variant.
    pub(crate) fn serde(attributes: &[Attribute]) -> Self {
        Self::named(attributes, "serde")
    }

    /// Reads the options of attributes with a name. Invalid ones are left out: the macro that the
    /// attribute belongs to reports them.
    pub(crate) fn named(attributes: &[Attribute], name: &str) -> Self {
        let attributes = attributes
            .iter()
            .flat_map(|attribute| expand_cfg_attr(&attribute.meta));
        let mut options = Vec::new();
        for attribute in attributes.filter(|it| it.meta.path().is_ident(name)) {
            let Meta::List(list) = &attribute.meta else {
                continue;
            };
            let inner = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
            options.extend(inner.into_iter().flatten().map(|meta| MacroOption {
                meta,
                conditions: attribute.conditions.clone(),
            }));
        }
        Self(options)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Returns whether there is any option.
    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the options whose path ends with this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &MacroOption> {
        let is_it = move |option: &&MacroOption| {
            let last = option.meta.path().segments.last();
            last.is_some_and(|last| last.ident == name)
        };
        self.0.iter().filter(is_it)
    }
}

impl MacroOption {
    /// Returns an attribute under the same conditions as this option.
    pub(crate) fn under_conditions(&self, attribute: TokenStream) -> TokenStream {
        let conditions = self.conditions.iter().rev();
        conditions.fold(
            attribute,
            |inner, condition| quote!(cfg_attr(#condition, #inner)),
        )
    }

    /// Returns the names in `rename(serialize = "…", deserialize = "…")`.
    fn names(&self) -> [Option<String>; 2] {
        let Meta::List(list) = &self.meta else {
            return [const { None }; 2];
        };
        let inner = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
        let inner: Vec<Meta> = inner.into_iter().flatten().collect();
        ["serialize", "deserialize"].map(|name| {
            let found = inner.iter().find(|meta| meta.path().is_ident(name));
            found.and_then(string_value)
        })
    }

    /// Returns whether writing and reading use different names. `own` is the name without a `rename`.
    pub(crate) fn differs(&self, own: Option<&str>) -> bool {
        let [written, read] = self.names();
        written.as_deref().or(own) != read.as_deref().or(own)
    }

    /// Returns the name that serde writes.
    pub(crate) fn written_name(&self) -> Option<String> {
        let [written, _] = self.names();
        string_value(&self.meta).or(written)
    }
}

/// Returns the string in `name = "string"`.
pub(crate) fn string_value(meta: &Meta) -> Option<String> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    match ungrouped(&pair.value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
