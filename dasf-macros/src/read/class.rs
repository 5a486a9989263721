//! Reading classes and their methods.

use std::collections::HashMap;

use syn::{Attribute, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemImpl, Visibility};

use super::function;
use super::scope::Scope;
use crate::attributes::{MethodOptions, OuterAttributes, from_attribute, named, take_options};
use crate::mistakes::Mistakes;
use crate::source::{ClassSource, MethodSource, WithMistakes};
use crate::types::{ValueKind, type_path};

/// The documentation of the module's types, by their names.
pub(super) struct TypeDocs(HashMap<String, Vec<Attribute>>);

impl TypeDocs {
    pub(super) fn of(items: &[Item]) -> Self {
        let documented = items.iter().filter_map(|item| match item {
            Item::Struct(item) => Some((&item.ident, &item.attrs)),
            Item::Enum(item) => Some((&item.ident, &item.attrs)),
            _ => None,
        });
        let docs =
            documented.map(|(ident, attributes)| (ident.to_string(), named(attributes, "doc")));
        Self(docs.collect())
    }

    /// Returns the documentation of a type; `None` if it has none.
    fn get(&self, ident: &Ident) -> Option<&Vec<Attribute>> {
        self.0
            .get(&ident.to_string())
            .filter(|docs| !docs.is_empty())
    }
}

/// Reads an `impl` block with its attribute.
pub(super) fn read(
    attribute: &Attribute,
    item: &mut ItemImpl,
    docs: &TypeDocs,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes,
) -> ClassSource {
    let options = mistakes.handle(from_attribute(attribute, ValueKind::Unknown));
    let ty = (*item.self_ty).clone();
    let ident = type_path(&ty).and_then(|path| path.path.segments.last());
    let ident = ident.map(|segment| segment.ident.clone());
    let mut outer = OuterAttributes::of(&item.attrs);
    if let Some(docs) = ident.as_ref().and_then(|ident| docs.get(ident)) {
        outer.docs.clone_from(docs);
    }
    let mut class = ClassSource {
        ty,
        ident,
        trait_path: item.trait_.as_ref().map(|(path, _)| path.clone()),
        generics: item.generics.clone(),
        options: options.unwrap_or_default(),
        outer,
        methods: Vec::new(),
        has_skipped_method: false,
    };
    for item in &mut item.items {
        if let ImplItem::Fn(item) = item {
            let mut mistakes = Mistakes::default();
            let value = class.read_method(item, scope, &mut mistakes);
            class.methods.push(WithMistakes { value, mistakes });
        }
    }
    class
}

impl ClassSource {
    /// Reads a function of the class. Leaves out those that the author skips, and those without
    /// options that callers cannot reach.
    fn read_method(
        &mut self,
        item: &mut ImplItemFn,
        scope: &Scope<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<MethodSource> {
        let options = take_options::<MethodOptions>(&mut item.attrs, ValueKind::Unknown);
        let options = mistakes.handle(options).flatten();
        let has_options = options.is_some();
        let options = options.unwrap_or_default();
        let is_constructor = item.sig.ident == "new";
        let is_method = matches!(item.vis, Visibility::Public(_))
            && matches!(item.sig.inputs.first(), Some(FnArg::Receiver(_)));
        if !is_constructor {
            if options.skip {
                self.has_skipped_method |= is_method;
                return None;
            }
            if !is_method && !has_options {
                return None;
            }
        }
        let outer = OuterAttributes::of(&item.attrs);
        let function = function::signature(
            &mut item.sig,
            options.function,
            outer,
            Some(&self.ty),
            scope,
        );
        Some(MethodSource {
            visibility: item.vis.clone(),
            is_skipped: options.skip,
            function,
        })
    }
}
