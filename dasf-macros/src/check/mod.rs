//! Checking a module that was read: its code may be valid Rust and still not be callable.

mod class;
mod constraints;
mod function;
mod groups;
mod names;
mod number_range;
mod serde_attributes;
mod values;

use syn::LitStr;

use crate::mistakes::Mistakes;
use crate::source::{MemberKind, ModuleSource};

/// Checks a module. Adds the mistakes of each member to it, and returns all mistakes.
pub(crate) fn module(source: &mut ModuleSource) -> Mistakes {
    let mut mistakes = std::mem::take(&mut source.mistakes);
    if let Some(topic) = &source.options.topic {
        check_characters("topic", topic, &['-', '_'], &mut mistakes);
    }
    if let Some(group) = &source.options.group {
        check_characters("group", group, &['-', '_', '.', ':'], &mut mistakes);
    }
    groups::check(source.options.allow_groups.as_ref(), &mut mistakes);
    let Some((_, items)) = &source.item.content else {
        let mistake = "write the items inside `mod name { … }`; the macro cannot read them in \
                       another file";
        mistakes.report(mistake, &source.item.ident);
        return mistakes;
    };
    names::check_items(items, &mut mistakes);
    for member in &mut source.members {
        match &member.kind {
            MemberKind::Function(function) => {
                function::check(function, &source.type_names, &mut member.mistakes);
            }
            MemberKind::Class(class) => {
                class::check(class, &source.type_names, &mut member.mistakes);
            }
        }
        mistakes.add(&member.mistakes);
    }
    mistakes.add(&source.misplaced);
    if source.members.is_empty() && source.misplaced.is_empty() {
        let mistake = "this module has nothing to call; mark functions with #[dasf::function] and \
                       `impl` blocks with #[dasf::class]";
        mistakes.report(mistake, &source.item.ident);
    }
    serde_attributes::check(items, &source.krate, &mut mistakes);
    names::check_members(&source.members, &mut mistakes);
    mistakes
}

/// Refuses a topic or group with characters other than letters, digits and some signs.
fn check_characters(what: &str, literal: &LitStr, signs: &[char], mistakes: &mut Mistakes) {
    let name = literal.value();
    let is_other = |c: &char| !c.is_ascii_alphanumeric() && !signs.contains(c);
    let fact = match name.chars().find(is_other) {
        None if name.is_empty() => format!("the {what} is empty"),
        None => return,
        Some(' ') => format!("the {what} {name:?} contains a space"),
        Some(other) => format!("the {what} {name:?} contains {other:?}"),
    };
    let signs: Vec<String> = signs.iter().map(|sign| format!("{sign:?}")).collect();
    let (last, others) = signs.split_last().unwrap_or((&name, &[]));
    let others = others.join(", ");
    let mistake = format!("{fact}; use ASCII letters, digits, {others} and {last}");
    mistakes.report(mistake, literal);
}
