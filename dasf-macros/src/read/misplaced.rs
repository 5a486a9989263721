//! Our attributes at places where nothing reads them.

use quote::ToTokens;
use syn::visit_mut::{
    VisitMut, visit_impl_item_fn_mut, visit_item_fn_mut, visit_item_impl_mut, visit_item_mut,
    visit_trait_item_fn_mut,
};
use syn::{Attribute, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, PatType, Path, TraitItemFn};

use crate::attributes::{expand_cfg_attr, is_dasf_attribute};
use crate::mistakes::Mistakes;

/// Removes every attribute of ours from an item outside of a module.
pub(crate) fn strip(item: &mut Item) {
    let krate = syn::parse_quote!(::dasf);
    take(
        std::slice::from_mut(item),
        &krate,
        &[false],
        &mut Mistakes::default(),
    );
}

/// Removes every attribute of ours from the items of a module and reports it as misplaced. The
/// members were read before. `classes` contains for each item whether it is a class.
pub(crate) fn take(items: &mut [Item], krate: &Path, classes: &[bool], mistakes: &mut Mistakes) {
    for (item, &is_class) in items.iter_mut().zip(classes) {
        Misplaced {
            krate,
            mistakes,
            is_class,
            is_nested: false,
        }
        .visit_item_mut(item);
    }
}

struct Misplaced<'a> {
    krate: &'a Path,
    mistakes: &'a mut Mistakes,
    /// Inside a class.
    is_class: bool,
    /// Inside a `mod` inside the module.
    is_nested: bool,
}

/// Returns whether an attribute with this path is ours. On a type, `#[dasf(…)]` belongs to its derive
/// macro.
fn is_ours(path: &Path, krate: &Path, is_type: bool) -> bool {
    (path.is_ident("dasf") && !is_type)
        || is_dasf_attribute(path, "function", krate)
        || is_dasf_attribute(path, "class", krate)
}

/// Returns whether one of our attributes is inside a `cfg_attr`, which the compiler expands too late
/// for us.
fn is_hidden(attribute: &Attribute, krate: &Path, is_type: bool) -> bool {
    let mut inner = expand_cfg_attr(&attribute.meta)
        .into_iter()
        .filter(|it| !it.conditions.is_empty());
    inner.any(|it| {
        let path = it.meta.path();
        is_ours(path, krate, is_type) || is_dasf_attribute(path, "module", krate)
    })
}

impl Misplaced<'_> {
    /// Removes our attributes and reports each. `say` returns the error, with a correction.
    fn take(&mut self, attributes: &mut Vec<Attribute>, say: impl Fn(&str) -> String) {
        self.take_from(attributes, false, say);
    }

    fn take_from(
        &mut self,
        attributes: &mut Vec<Attribute>,
        is_type: bool,
        say: impl Fn(&str) -> String,
    ) {
        let krate = self.krate;
        let hidden = attributes.extract_if(.., |attribute| is_hidden(attribute, krate, is_type));
        for attribute in hidden {
            let mistake = "#[dasf::module] does not see attributes inside cfg_attr; write this one \
                           without it, and #[cfg(…)] on the item";
            self.mistakes.report(mistake, &attribute);
        }
        let ours = attributes.extract_if(.., |attribute| is_ours(attribute.path(), krate, is_type));
        for attribute in ours {
            let last = attribute.path().segments.last();
            let name = last.map(|it| it.ident.to_string()).unwrap_or_default();
            let text = if self.is_nested {
                "#[dasf::module] does not search a `mod` inside it; move the item out, or add \
                 #[dasf::module] to that `mod`"
                    .to_owned()
            } else {
                say(&name)
            };
            self.mistakes.report(text, &attribute);
        }
    }
}

impl VisitMut for Misplaced<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        let is_type = matches!(item, Item::Struct(_) | Item::Enum(_) | Item::Union(_));
        let attributes = match item {
            Item::Fn(_) | Item::Impl(_) | Item::Mod(_) => return visit_item_mut(self, item),
            Item::Const(item) => &mut item.attrs,
            Item::Enum(item) => &mut item.attrs,
            Item::Macro(item) => &mut item.attrs,
            Item::Static(item) => &mut item.attrs,
            Item::Struct(item) => &mut item.attrs,
            Item::Trait(item) => &mut item.attrs,
            Item::Type(item) => &mut item.attrs,
            Item::Union(item) => &mut item.attrs,
            Item::Use(item) => &mut item.attrs,
            _ => return,
        };
        self.take_from(attributes, is_type, |name| match name {
            "class" => "#[dasf::class] belongs on the `impl` block with the methods".to_owned(),
            _ => "#[dasf::function] belongs on a function".to_owned(),
        });
        visit_item_mut(self, item);
    }

    fn visit_item_mod_mut(&mut self, item: &mut ItemMod) {
        let is_module =
            |attribute: &Attribute| is_dasf_attribute(attribute.path(), "module", self.krate);
        if item.attrs.iter().any(is_module) {
            return;
        }
        self.take(&mut item.attrs, |_| {
            "this attribute does not belong on a `mod`; use #[dasf::module]".to_owned()
        });
        let outer = std::mem::replace(&mut self.is_nested, true);
        for item in item.content.iter_mut().flat_map(|(_, items)| items) {
            self.visit_item_mut(item);
        }
        self.is_nested = outer;
    }

    fn visit_item_fn_mut(&mut self, item: &mut ItemFn) {
        self.take(&mut item.attrs, |name| match name {
            "class" => {
                "#[dasf::class] does not belong on a function; use #[dasf::function]".to_owned()
            }
            _ => "write the options of a function in #[dasf::function(…)]".to_owned(),
        });
        visit_item_fn_mut(self, item);
    }

    fn visit_item_impl_mut(&mut self, item: &mut ItemImpl) {
        self.take(&mut item.attrs, |name| match name {
            "function" => {
                "#[dasf::function] does not belong on an `impl` block; use #[dasf::class]"
                    .to_owned()
            }
            _ => "write the options of a class in #[dasf::class(…)]".to_owned(),
        });
        visit_item_impl_mut(self, item);
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut ImplItemFn) {
        let is_class = self.is_class;
        self.take(&mut item.attrs, |_| {
            if is_class {
                "every `pub` method of a class can be called without an attribute; write options as \
                 #[dasf(…)]"
                    .to_owned()
            } else {
                "this attribute does not belong on a method; write #[dasf::class] on its `impl` block"
                    .to_owned()
            }
        });
        visit_impl_item_fn_mut(self, item);
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut TraitItemFn) {
        self.take(&mut item.attrs, |_| {
            "the method of a trait cannot be called; write it in an `impl` block with #[dasf::class]"
                .to_owned()
        });
        visit_trait_item_fn_mut(self, item);
    }

    fn visit_pat_type_mut(&mut self, argument: &mut PatType) {
        if self.is_nested {
            // The function itself is reported.
            argument
                .attrs
                .retain(|attribute| !attribute.path().is_ident("dasf"));
        }
        let name = argument.pat.to_token_stream().to_string();
        self.take(&mut argument.attrs, |_| {
            format!(
                "callers cannot reach the function of `{name}`; remove the options, or make the \
                 function callable"
            )
        });
    }
}
