//! The names that items declare.

use syn::{Ident, Item, UseTree};

/// Returns the names that an item brings into its module.
pub(crate) fn declared_names(item: &Item) -> Vec<&Ident> {
    match item {
        Item::Const(item) => vec![&item.ident],
        Item::Enum(item) => vec![&item.ident],
        Item::Fn(item) => vec![&item.sig.ident],
        Item::Mod(item) => vec![&item.ident],
        Item::Static(item) => vec![&item.ident],
        Item::Struct(item) => vec![&item.ident],
        Item::Trait(item) => vec![&item.ident],
        Item::Type(item) => vec![&item.ident],
        Item::Use(item) => imported_names(&item.tree),
        _ => Vec::new(),
    }
}

fn imported_names(tree: &UseTree) -> Vec<&Ident> {
    match tree {
        UseTree::Path(path) => imported_names(&path.tree),
        UseTree::Name(name) => vec![&name.ident],
        UseTree::Rename(rename) => vec![&rename.rename],
        UseTree::Group(group) => group.items.iter().flat_map(imported_names).collect(),
        _ => Vec::new(),
    }
}
