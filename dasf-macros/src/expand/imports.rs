//! The user's imports of our attributes, which the macro removes.

use syn::{Ident, Item, Path, parse_quote};

use crate::items::declared_names;

/// Allows imports of our attributes, which the compiler would report as unused.
pub(super) fn allow(items: &mut [Item], krate: &Path) {
    let krate = krate.segments.last().map(|last| &last.ident);
    for item in items {
        let is_ours = |name: &Ident| {
            name == "function" || name == "class" || name == "dasf" || Some(name) == krate
        };
        let imports_ours = declared_names(item).into_iter().any(is_ours);
        if let Item::Use(item) = item
            && imports_ours
        {
            item.attrs.push(parse_quote!(#[allow(unused_imports)]));
        }
    }
}
