//! Checking names: invalid, reserved and repeated ones.

use std::collections::HashSet;

use syn::ext::IdentExt;
use syn::{Item, LitStr};

use crate::identifiers::snake_case;
use crate::items::declared_names;
use crate::mistakes::Mistakes;
use crate::source::{ClassSource, FunctionSource, MemberKind, MemberSource};

/// Names in the module, and names of a client's methods, that the macro uses itself.
const RESERVED_IN_MODULE: [&str; 5] = ["main", "module", "client", "blocking", "Client"];
const RESERVED_IN_CLIENT: [&str; 5] = ["attach", "connect", "builder", "caller", "new"];
/// The keys of a request that are not arguments.
const RESERVED_IN_REQUEST: [&str; 3] = ["func_name", "class_name", "function"];

/// Refuses items with a name that the macro uses itself.
pub(super) fn check_items(items: &[Item], mistakes: &mut Mistakes) {
    for ident in items.iter().flat_map(declared_names) {
        if RESERVED_IN_MODULE.contains(&ident.to_string().as_str()) {
            let mistake =
                format!("#[dasf::module] uses the name `{ident}` itself; choose another name");
            mistakes.report(mistake, ident);
        }
    }
}

/// Refuses members, and methods of a client, that share a name. Members with a `#[cfg(…)]` may share
/// it: the compiler reports the members that exist together.
pub(super) fn check_members(members: &[MemberSource], mistakes: &mut Mistakes) {
    let mut in_module = HashSet::new();
    let mut in_client = HashSet::new();
    for member in members.iter().filter(|member| member.is_readable()) {
        let (ident, name, is_conditional) = match &member.kind {
            MemberKind::Function(function) => {
                let is_conditional = !function.outer.conditions.is_empty();
                (&function.signature.ident, function.name(), is_conditional)
            }
            MemberKind::Class(class) => {
                let Some(ident) = &class.ident else { continue };
                let is_conditional = !class.outer.conditions.is_empty();
                (ident, class.name(ident), is_conditional)
            }
        };
        let method = match &member.kind {
            MemberKind::Function(_) => ident.unraw().to_string(),
            MemberKind::Class(_) => snake_case(&ident.to_string()),
        };
        if RESERVED_IN_CLIENT.contains(&method.as_str()) {
            let mistake = format!("every client has a method `{method}`; choose another name");
            mistakes.report(mistake, ident);
        }
        if is_conditional {
            continue;
        }
        if !in_module.insert(name.clone()) {
            let mistake =
                format!("another member of this module has the name {name:?}; rename one of them");
            mistakes.report(mistake, ident);
        } else if !in_client.insert(method.clone()) {
            let mistake =
                format!("the client would have two methods `{method}`; rename one of the members");
            mistakes.report(mistake, ident);
        }
        if let MemberKind::Class(class) = &member.kind {
            check_methods(class, mistakes);
        }
    }
}

/// Refuses methods of a class that share a name.
fn check_methods(class: &ClassSource, mistakes: &mut Mistakes) {
    let mut names = HashSet::new();
    for method in class.readable_methods() {
        let name = method.name();
        if method.outer.conditions.is_empty() && !names.insert(name.clone()) {
            let mistake =
                format!("another method of this class has the name {name:?}; rename one of them");
            mistakes.report(mistake, &method.signature.ident);
        }
    }
}

/// Refuses arguments that share a name, and names that requests use themselves.
pub(super) fn check_arguments(function: &FunctionSource, mistakes: &mut Mistakes) {
    let mut names = HashSet::new();
    for argument in function.readable_arguments() {
        let name = argument.name();
        if RESERVED_IN_REQUEST.contains(&name.as_str()) {
            let mistake = format!("requests use the key {name:?} themselves; rename this argument");
            mistakes.report(mistake, &argument.ident);
        } else if argument.conditions.is_empty() && !names.insert(name.clone()) {
            let mistake = format!("another argument has the name {name:?}; rename one of them");
            mistakes.report(mistake, &argument.ident);
        }
    }
}

/// Refuses a name in an option that is not an identifier.
pub(super) fn check_option(option: Option<&LitStr>, mistakes: &mut Mistakes) {
    let Some(literal) = option else { return };
    let name = literal.value();
    let mut letters = name.chars();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let is_identifier = letters
        .next()
        .is_some_and(|c| is_letter(c) && !c.is_numeric())
        && letters.all(is_letter);
    if !is_identifier {
        let mistake = format!(
            "the name {name:?} is not an identifier; use letters, digits and '_', and do not begin \
             with a digit"
        );
        mistakes.report(mistake, literal);
    }
}
