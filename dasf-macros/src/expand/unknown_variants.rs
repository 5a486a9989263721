//! Variants for all values that an enum does not know.
//!
//! `schemars` ignores `#[serde(other)]`. So this code adds a mark to the schema of the variant. The
//! module reads the mark.

use proc_macro2::TokenTree;
use quote::quote;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Item, ItemEnum, LitStr, Meta, parse_quote};

use crate::attributes::MacroOptions;

/// The key of the mark.
const MARK: &str = "x_dasf_other";

/// Marks these variants in all enums that derive `JsonSchema`.
pub(super) fn mark(items: &mut [Item]) {
    for item in items {
        Marker.visit_item_mut(item);
    }
}

struct Marker;

impl VisitMut for Marker {
    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        let derives = MacroOptions::named(&item.attrs, "derive");
        let Some(schema) = derives.all("JsonSchema").next() else {
            return;
        };
        for variant in &mut item.variants {
            if has_mark(&variant.attrs) {
                continue;
            }
            let options = MacroOptions::serde(&variant.attrs);
            let marks = options.all("other").map(|other| -> Attribute {
                let mark = other.under_conditions(quote!(schemars(extend(#MARK = true))));
                // Without the derive, the compiler does not know the attribute.
                let mark = schema.under_conditions(mark);
                parse_quote!(#[#mark])
            });
            variant.attrs.extend(marks);
        }
    }
}

/// Returns whether the user wrote the mark already. `schemars` refuses it twice.
fn has_mark(attributes: &[Attribute]) -> bool {
    let is_mark = |token: TokenTree| {
        let TokenTree::Literal(literal) = token else {
            return false;
        };
        syn::parse_str::<LitStr>(&literal.to_string()).is_ok_and(|text| text.value() == MARK)
    };
    MacroOptions::named(attributes, "schemars")
        .all("extend")
        .any(|option| match &option.meta {
            Meta::List(list) => list.tokens.clone().into_iter().any(is_mark),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    #[test]
    fn a_mark_has_the_conditions_of_the_attributes_that_need_it() {
        let item: Item = parse_quote! {
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            enum Kind {
                #[cfg_attr(unix, cfg_attr(feature = "serde", serde(other)))]
                A,
            }
        };
        let expected: Item = parse_quote! {
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            enum Kind {
                #[cfg_attr(unix, cfg_attr(feature = "serde", serde(other)))]
                #[cfg_attr(
                    feature = "schema",
                    cfg_attr(
                        unix,
                        cfg_attr(feature = "serde", schemars(extend("x_dasf_other" = true)))
                    )
                )]
                A,
            }
        };
        let mut items = [item];
        mark(&mut items);
        assert_eq!(items, [expected]);
    }

    #[test]
    fn variants_for_all_other_values_are_marked_once() {
        for (attribute, marks) in [
            (quote!(#[serde(other)]), 1),
            (quote!(#[serde(rename = "other", other)]), 1),
            (quote!(#[serde(rename = "other")]), 0),
            (quote!(#[serde(alias = "other")]), 0),
            (
                quote!(#[serde(other)] #[schemars(extend("x_dasf_other" = true))]),
                1,
            ),
            (quote!(#[cfg_attr(all(), serde(other))]), 1),
            (
                quote!(#[serde(other)] #[cfg_attr(all(), schemars(extend("x_dasf_other" = true)))]),
                1,
            ),
            (
                quote!(#[serde(other)] #[schemars(description = "no x_dasf_other")]),
                2,
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
