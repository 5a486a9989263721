//! The tags of structs in their schemas.
//!
//! With `#[serde(tag = "…")]` on a struct, serde writes the name of the struct. `schemars` leaves this
//! tag out of the schema.

use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Item, ItemMod, ItemStruct, Path, parse_quote};

use crate::attributes::{MacroOption, SerdeType, is_dasf_attribute, string_value};

/// Adds the tags to the schemas of all structs that have one.
pub(super) fn add(items: &mut [Item], krate: &Path) {
    for item in items {
        match item {
            Item::Struct(item) => item.attrs.extend(schema_of_tag(item, krate)),
            Item::Mod(ItemMod {
                attrs,
                content: Some((_, items)),
                ..
            }) if !attrs
                .iter()
                .any(|attribute| is_dasf_attribute(attribute.path(), "module", krate)) =>
            {
                add(items, krate);
            }
            _ => {}
        }
    }
}

/// Returns the attribute that adds the tag of a struct to its schema.
fn schema_of_tag(item: &ItemStruct, krate: &Path) -> Option<Attribute> {
    let ty = SerdeType::of(&item.attrs)?;
    let option = ty.options.all("tag").next().filter(|_| ty.is_written)?;
    let tag = string_value(&option.meta)?;
    let renamed = ty.options.all("rename").find_map(MacroOption::written_name);
    let name = renamed.unwrap_or_else(|| item.ident.unraw().to_string());
    let transform = quote!(
        schemars(transform = #krate::__private::StructTag { tag: #tag, name: #name })
    );
    let attribute = option.under_conditions(transform);
    Some(parse_quote!(#[#attribute]))
}
