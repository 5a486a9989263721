//! Checking the groups of users that may call.

use std::collections::HashSet;

use super::check_characters;
use crate::attributes::AllowGroups;
use crate::mistakes::Mistakes;

/// The largest number of characters in the name of a group that brokers accept.
const MAX_LENGTH: usize = 64;

/// Checks the groups that may call a function, a class or a module.
pub(super) fn check(option: Option<&AllowGroups>, mistakes: &mut Mistakes) {
    let Some(groups) = option else { return };
    if groups.names.is_empty() {
        let mistake =
            "this list is empty, so nobody could call; name a group, or remove `allow_groups`";
        mistakes.report(mistake, &groups.list);
    }
    let mut names = HashSet::new();
    for literal in &groups.names {
        check_characters("group", literal, &['-', '_', '.', '@'], mistakes);
        let name = literal.value();
        if name.len() > MAX_LENGTH {
            let mistake = format!(
                "the group {name:?} has more than {MAX_LENGTH} characters, which no broker accepts; use a shorter name"
            );
            mistakes.report(mistake, literal);
        }
        if !names.insert(name.clone()) {
            let mistake = format!("the group {name:?} is given twice; remove one");
            mistakes.report(mistake, literal);
        }
    }
}
