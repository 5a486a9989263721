//! Reading an annotated `mod`: its attributes, and the items that have them.
//!
//! It reports only what it cannot read. `check` looks for other mistakes.

mod class;
mod function;
mod misplaced;
mod scope;

use proc_macro2::TokenStream;
use syn::{Attribute, Item, ItemMod, parse_quote};

use crate::attributes::{ModuleOptions, forbids_main, from_tokens, take_dasf_attributes};
use crate::mistakes::Mistakes;
use crate::source::{MemberKind, MemberSource, ModuleSource};
use crate::types::{TypeNames, ValueKind};
use class::TypeDocs;
pub(crate) use misplaced::strip;
use scope::Scope;

/// Reads an annotated `mod`, and removes the attributes inside it.
pub(crate) fn module(attribute: TokenStream, mut item: ItemMod) -> ModuleSource {
    let mut mistakes = Mistakes::default();
    // A mistake in another option must not add a `main`.
    let forbids_main = forbids_main(&attribute);
    let options = from_tokens(attribute, ValueKind::Unknown);
    let mut options: ModuleOptions = mistakes.handle(options).unwrap_or_default();
    let krate = options.krate.take();
    let krate = krate.unwrap_or_else(|| parse_quote!(::dasf));
    let items = match &mut item.content {
        Some((_, items)) => items.as_mut_slice(),
        None => &mut [],
    };
    let type_names = TypeNames::of(items, &krate);
    let scope = Scope {
        krate: &krate,
        type_names: &type_names,
    };
    let docs = TypeDocs::of(items);
    let read: Vec<Option<MemberSource>> = items
        .iter_mut()
        .map(|item| member(item, &docs, &scope))
        .collect();
    let is_member: Vec<bool> = read.iter().map(Option::is_some).collect();
    let mut misplaced = Mistakes::default();
    misplaced::take(items, &krate, &is_member, &mut misplaced);
    ModuleSource {
        item,
        options,
        forbids_main,
        krate,
        type_names,
        members: read.into_iter().flatten().collect(),
        mistakes,
        misplaced,
    }
}

/// Reads an item with an attribute of ours. An attribute on the wrong kind of item stays there;
/// `misplaced` reports it.
fn member(item: &mut Item, docs: &TypeDocs, scope: &Scope<'_>) -> Option<MemberSource> {
    let mut mistakes = Mistakes::default();
    let kind = match item {
        Item::Fn(item) => {
            let attribute = take(&mut item.attrs, "function", scope, &mut mistakes)?;
            let function = function::read(&attribute, item, scope, &mut mistakes);
            MemberKind::Function(Box::new(function))
        }
        Item::Impl(item) => {
            let attribute = take(&mut item.attrs, "class", scope, &mut mistakes)?;
            let class = class::read(&attribute, item, docs, scope, &mut mistakes);
            MemberKind::Class(Box::new(class))
        }
        _ => return None,
    };
    Some(MemberSource { kind, mistakes })
}

/// Removes an attribute from an item and returns it.
fn take(
    attributes: &mut Vec<Attribute>,
    name: &str,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes,
) -> Option<Attribute> {
    let mut found = take_dasf_attributes(attributes, name, scope.krate).into_iter();
    let first = found.next()?;
    if let Some(second) = found.next() {
        let mistake = format!("write one #[dasf::{name}(…)] with all options");
        mistakes.report(mistake, &second);
    }
    Some(first)
}
