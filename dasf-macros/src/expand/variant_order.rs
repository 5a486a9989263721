//! The order of the variants of an enum in its schema.
//!
//! If only some unit variants have documentation, `schemars` writes the others first, as one list.
//! Errors and generated clients would show this order. An attribute without effect on the schema
//! makes `schemars` write each variant at its place.

use quote::quote;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Fields, Item, ItemEnum, Variant, parse_quote};

use crate::attributes::MacroOptions;

/// Keeps the order of the variants in all enums of unit variants that derive `JsonSchema`.
pub(super) fn keep(items: &mut [Item]) {
    for item in items {
        Keeper.visit_item_mut(item);
    }
}

struct Keeper;

impl VisitMut for Keeper {
    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        let derives = MacroOptions::named(&item.attrs, "derive");
        let Some(schema) = derives.all("JsonSchema").next() else {
            return;
        };
        let options = MacroOptions::serde(&item.attrs);
        // The schema of a unit variant is a string only without a tag.
        let is_tagged = ["tag", "untagged"].iter().any(|name| options.has(name));
        let mut variants = item.variants.iter();
        let are_strings = variants.all(|variant| {
            let is_untagged = MacroOptions::serde(&variant.attrs).has("untagged");
            matches!(variant.fields, Fields::Unit) && !is_untagged
        });
        if is_tagged || !are_strings || !item.variants.iter().any(stands_alone) {
            return;
        }
        // `schemars` writes this key with this value in any case.
        let attribute = schema.under_conditions(quote!(schemars(extend("type" = "string"))));
        for variant in &mut item.variants {
            if !stands_alone(variant) {
                let attribute: Attribute = parse_quote!(#[#attribute]);
                variant.attrs.push(attribute);
            }
        }
    }
}

/// Returns whether `schemars` writes a variant at its place, because it has attributes.
fn stands_alone(variant: &Variant) -> bool {
    let mut attributes = variant.attrs.iter().map(Attribute::path);
    attributes.any(|path| path.is_ident("doc") || path.is_ident("deprecated"))
        || MacroOptions::named(&variant.attrs, "schemars").is_any()
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    #[test]
    fn variants_without_attributes_keep_their_place_beside_documented_ones() {
        for (variants, attribute, kept) in [
            (
                quote!(
                    #[doc = "One."]
                    A,
                    B,
                    C
                ),
                quote!(),
                2,
            ),
            (
                quote!(
                    A,
                    #[deprecated]
                    B
                ),
                quote!(),
                1,
            ),
            (
                quote!(
                    A,
                    #[schemars(title = "B")]
                    B
                ),
                quote!(),
                1,
            ),
            (quote!(A, B), quote!(), 0),
            (
                quote!(
                    A,
                    #[doc = "Two."]
                    B(u8)
                ),
                quote!(),
                0,
            ),
            (
                quote!(
                    A,
                    #[doc = "Two."]
                    #[serde(untagged)]
                    B
                ),
                quote!(),
                0,
            ),
            (
                quote!(
                    A,
                    #[doc = "Two."]
                    B
                ),
                quote!(#[serde(tag = "t")]),
                0,
            ),
            (
                quote!(
                    A,
                    #[doc = "Two."]
                    B
                ),
                quote!(#[serde(untagged)]),
                0,
            ),
        ] {
            let item: Item = parse_quote! {
                mod inner {
                    #[derive(Debug, schemars::JsonSchema)]
                    #attribute
                    enum Kind { #variants }
                }
            };
            let mut items = [item];
            keep(&mut items);
            let text = items[0].to_token_stream().to_string();
            assert_eq!(text.matches("extend").count(), kept, "{text}");
        }
    }

    #[test]
    fn the_attribute_has_the_conditions_of_the_derive() {
        let item: Item = parse_quote! {
            #[cfg_attr(feature = "schema", derive(JsonSchema))]
            enum Kind {
                #[doc = "One."]
                A,
                B,
            }
        };
        let expected: Item = parse_quote! {
            #[cfg_attr(feature = "schema", derive(JsonSchema))]
            enum Kind {
                #[doc = "One."]
                A,
                #[cfg_attr(feature = "schema", schemars(extend("type" = "string")))]
                B,
            }
        };
        let mut items = [item];
        keep(&mut items);
        assert_eq!(items, [expected]);
        let item: Item = parse_quote!(
            enum Kind {
                #[doc = "One."]
                A,
                B,
            }
        );
        let mut items = [item.clone()];
        keep(&mut items);
        assert_eq!(items, [item]);
    }
}
