//! Who may call: the groups of users that a function names.

use std::collections::BTreeSet;

use dasf_protocol::Properties;
use dasf_protocol::properties::key;
use serde_json::json;

use super::Failure;
use super::descriptor::{FunctionDescriptor, Member};
use super::schema::functions;
use crate::context::groups_of;

/// Where a call comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The program that has the module. It may call all functions.
    Program,
    /// A message with these properties, in which only the broker names a user.
    Message(&'a Properties),
}

/// The groups whose users may call a member. If there are none, everyone may call it.
#[derive(Debug, Default)]
pub(super) struct Access {
    groups: Vec<&'static str>,
}

impl Access {
    /// Returns who may call a function.
    pub(super) fn to_function(function: &FunctionDescriptor) -> Self {
        Self {
            groups: function.allow_groups.to_vec(),
        }
    }

    /// Returns who may call any function of a module.
    pub(super) fn to_module(members: &[&'static Member]) -> Self {
        let mut groups: BTreeSet<&'static str> = BTreeSet::new();
        for function in functions(members) {
            if function.allow_groups.is_empty() {
                return Self::default();
            }
            groups.extend(function.allow_groups);
        }
        Self {
            groups: groups.into_iter().collect(),
        }
    }

    /// Checks whether a call may reach the member with this name.
    ///
    /// # Errors
    /// Returns the [`Failure`] of a call that may not.
    pub(super) fn check(
        &self,
        origin: Origin<'_>,
        name: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let properties = match origin {
            Origin::Message(properties) if !self.groups.is_empty() => properties,
            Origin::Message(_) | Origin::Program => return Ok(()),
        };
        let user = properties.text(key::USER);
        let is_member = || groups_of(properties).any(|group| self.groups.contains(&group));
        if user.is_some() && is_member() {
            return Ok(());
        }
        let (allowed, none) = match self.groups.as_slice() {
            [group] => (format!("the group {group}"), "not in it"),
            groups => (
                format!("one of the groups {}", groups.join(", ")),
                "in none of them",
            ),
        };
        let reason = match user {
            Some(user) => format!("{user} is {none}; ask the administrator of the broker"),
            None => "the broker does not name its users; serve the module over a dasf-broker that does, with \
                     `--config FILE`"
                .to_owned(),
        };
        let name = name();
        let message = format!("{name}: only users in {allowed} may call it, and {reason}");
        let details = json!({"allow_groups": self.groups, "user": user});
        Err(Failure::not_allowed(message, details).of_function(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::FailureKind;

    fn check(groups: &'static [&'static str], origin: Origin<'_>) -> Result<(), Failure> {
        let groups = groups.to_vec();
        Access { groups }.check(origin, || "reset".to_owned())
    }

    fn refused(groups: &'static [&'static str], properties: &Properties) -> String {
        let failure = check(groups, Origin::Message(properties)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::NotAllowed);
        assert_eq!(failure.code(), Some("not_allowed"));
        let user = properties.text(key::USER);
        let details = json!({"allow_groups": groups, "user": user});
        assert_eq!(failure.details(), Some(&details));
        failure.to_string()
    }

    #[test]
    fn a_user_needs_one_of_the_groups() {
        let ada = |groups: &str| {
            Properties::new()
                .with(key::USER, "ada")
                .with(key::GROUPS, groups)
        };
        for groups in ["operators", "a,operators", "operators,b"] {
            let allowed = check(&["admins", "operators"], Origin::Message(&ada(groups)));
            assert_eq!(allowed, Ok(()), "{groups}");
        }
        for groups in ["", "a,b", "operator", "operators2", "Operators"] {
            assert_eq!(
                refused(&["operators"], &ada(groups)),
                "not allowed: reset: only users in the group operators may call it, and ada is not in it; ask the \
                 administrator of the broker"
            );
        }
        assert_eq!(
            refused(&["a", "b"], &Properties::new().with(key::USER, "ada")),
            "not allowed: reset: only users in one of the groups a, b may call it, and ada is in none of them; ask \
             the administrator of the broker"
        );
    }

    #[test]
    fn without_a_user_nobody_is_a_member() {
        for properties in [
            Properties::new(),
            Properties::new().with(key::GROUPS, "operators"),
        ] {
            assert_eq!(
                refused(&["operators"], &properties),
                "not allowed: reset: only users in the group operators may call it, and the broker does not name its \
                 users; serve the module over a dasf-broker that does, with `--config FILE`"
            );
        }
    }

    #[test]
    fn a_function_without_groups_and_the_program_itself_are_free() {
        assert_eq!(check(&[], Origin::Message(&Properties::new())), Ok(()));
        assert_eq!(check(&["operators"], Origin::Program), Ok(()));
    }
}
