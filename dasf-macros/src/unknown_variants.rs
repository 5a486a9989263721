//! Variants for all values that an enum does not know. `schemars` ignores `#[serde(other)]`, so a
//! mark in the schema of the variant tells the module.

use proc_macro2::TokenTree;
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Item, ItemEnum, Meta, Path, Token, parse_quote};

/// The key of the mark.
const MARK: &str = "x_dasf_other";

/// Marks such variants in all enums that derive their schema.
pub(crate) fn mark(items: &mut [Item]) {
    for item in items {
        Marker.visit_item_mut(item);
    }
}

struct Marker;

impl VisitMut for Marker {
    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        if !item.attrs.iter().any(derives_schema) {
            return;
        }
        for variant in &mut item.variants {
            let is_marked = variant.attrs.iter().any(has_mark);
            if variant.attrs.iter().any(is_other) && !is_marked {
                let mark = parse_quote!(#[schemars(extend(#MARK = true))]);
                variant.attrs.push(mark);
            }
        }
    }
}

fn derives_schema(attribute: &Attribute) -> bool {
    let paths = Punctuated::<Path, Token![,]>::parse_terminated;
    let is_schema = |path: &Path| {
        path.segments
            .last()
            .is_some_and(|it| it.ident == "JsonSchema")
    };
    attribute.path().is_ident("derive")
        && attribute
            .parse_args_with(paths)
            .is_ok_and(|paths| paths.iter().any(is_schema))
}

/// Whether an attribute of serde says `other`.
fn is_other(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ',');
    let is_other = |part: &[TokenTree]| matches!(part, [TokenTree::Ident(word)] if word == "other");
    list.path.is_ident("serde") && tokens.split(is_comma).any(is_other)
}

fn has_mark(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    list.path.is_ident("schemars") && list.tokens.to_string().contains(MARK)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    #[test]
    fn variants_that_stand_for_all_others_are_marked_once() {
        for (attribute, marks) in [
            (quote::quote!(#[serde(other)]), 1),
            (quote::quote!(#[serde(rename = "other", other)]), 1),
            (quote::quote!(#[serde(rename = "other")]), 0),
            (quote::quote!(#[serde(alias = "other")]), 0),
            (
                quote::quote!(#[serde(other)] #[schemars(extend("x_dasf_other" = true))]),
                1,
            ),
        ] {
            let item: Item = parse_quote! {
                mod inner {
                    #[derive(Debug)]
                    #[derive(Clone, schemars::JsonSchema)]
                    enum Kind { A, #attribute B }
                }
            };
            let mut items = [item];
            mark(&mut items);
            let text = items[0].to_token_stream().to_string();
            assert_eq!(text.matches(MARK).count(), marks, "{text}");
        }
        let item: Item = parse_quote!(
            #[derive(Debug)]
            enum Kind {
                #[serde(other)]
                A,
            }
        );
        let mut items = [item.clone()];
        mark(&mut items);
        assert_eq!(items, [item]);
    }
}
