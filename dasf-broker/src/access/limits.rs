//! The limits of single users, as a configuration has them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::ConfigError;
use crate::topic_settings::{NumberOrText, Size};

/// What a user may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quota {
    /// WebSockets.
    Connections,
    /// Topics that the user has created.
    Topics,
    /// Subscriptions that the user has created.
    Subscriptions,
    /// The bytes of the messages that the user has published, as long as they are in the memory.
    Memory,
    /// Messages that the user publishes in a second.
    MessagesPerSecond,
}

impl Quota {
    pub(crate) const ALL: [Self; 5] = [
        Self::Connections,
        Self::Topics,
        Self::Subscriptions,
        Self::Memory,
        Self::MessagesPerSecond,
    ];

    /// Returns the key in a configuration, which errors name, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::Topics => "max_topics",
            Self::Subscriptions => "max_subscriptions",
            Self::Memory => "max_memory",
            Self::MessagesPerSecond => "max_messages_per_second",
        }
    }
}

/// The limits of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UserLimits([Option<usize>; Quota::ALL.len()]);

impl UserLimits {
    /// Returns a limit, if there is one.
    pub(crate) fn get(&self, quota: Quota) -> Option<usize> {
        self.0[quota as usize]
    }

    #[cfg(test)]
    pub(crate) fn with(mut self, quota: Quota, max: usize) -> Self {
        self.0[quota as usize] = Some(max);
        self
    }

    /// Adds the limits that are missing.
    fn or(self, others: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].or(others.0[at])))
    }

    /// Returns the larger one of each limit. One that is missing is smaller than any.
    pub(super) fn or_larger(self, others: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].max(others.0[at])))
    }
}

/// The limits of a user by the tables in which they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) own: UserLimits,
    pub(super) roles: UserLimits,
    pub(super) all: UserLimits,
}

impl Levels {
    /// Returns the nearest one of each limit.
    pub(super) fn nearest(self) -> UserLimits {
        self.own.or(self.roles).or(self.all)
    }
}

/// The table `limits` as it is written. Its keys are checked when the place of the table is known, so that
/// the error names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct LimitsTable(BTreeMap<String, NumberOrText>);

impl LimitsTable {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the table with this name.
    pub(super) fn read(&self, table: &str) -> Result<UserLimits, ConfigError> {
        let mut limits = UserLimits::default();
        for (key, value) in &self.0 {
            let problem = |problem| ConfigError::Limit {
                key: format!("{table}.{key}"),
                problem,
            };
            let quota = Quota::ALL.into_iter().find(|quota| quota.name() == key);
            let quota = quota.ok_or_else(|| {
                let names = Quota::ALL.map(Quota::name).join(", ");
                problem(format!("a user has no limit of this name, only {names}"))
            })?;
            let max = match quota {
                Quota::Memory => {
                    let size = Size::try_from(value.clone());
                    size.map_err(|error| problem(error.to_string()))?.0
                }
                _ => number(value).map_err(problem)?,
            };
            limits.0[quota as usize] = Some(max);
        }
        Ok(limits)
    }
}

fn number(value: &NumberOrText) -> Result<usize, String> {
    let (number, text) = match value {
        NumberOrText::Number(number) => (usize::try_from(*number).ok(), number.to_string()),
        NumberOrText::Text(text) => (None, format!("{text:?}")),
    };
    match number {
        Some(number @ 1..) => Ok(number),
        _ => Err(format!(
            "{text} is not a number above 0; write one, or leave the key out if there is no limit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Config;

    #[test]
    fn sizes_have_units_and_numbers_do_not() {
        let table: LimitsTable = toml_edit::de::from_str(
            "max_connections = 5\nmax_memory = \"2 MiB\"\nmax_messages_per_second = 1000",
        )
        .unwrap();
        let expected = UserLimits::default()
            .with(Quota::Connections, 5)
            .with(Quota::Memory, 2 << 20)
            .with(Quota::MessagesPerSecond, 1000);
        assert_eq!(table.read("limits").unwrap(), expected);
    }

    #[test]
    fn an_error_names_the_table_and_the_key() {
        for (text, key, problem) in [
            (
                "[users.ada.limits]\nmax_topics = 0",
                "users.ada.limits.max_topics",
                "above 0",
            ),
            (
                "[users.ada]\nlimits = { max_topics = \"5\" }",
                "users.ada.limits.max_topics",
                "above 0",
            ),
            (
                "[roles.caller.limits]\nmax_memory = \"0 MiB\"",
                "roles.caller.limits.max_memory",
                "above 0",
            ),
            (
                "[anonymous.limits]\nmax_topic = 5",
                "anonymous.limits.max_topic",
                "only max_connections, max_topics,",
            ),
            (
                "[users.ada]\n[limits]\nmax_messages = 5",
                "limits.max_messages",
                "max_messages_per_second",
            ),
            ("[limits]\nmax_topics = 5", "limits", "no users"),
        ] {
            let error = text.parse::<Config>().unwrap_err();
            let ConfigError::Limit { key: found, .. } = &error else {
                panic!("{text}: {error}")
            };
            assert_eq!(found, key);
            assert!(error.to_string().contains(problem), "{text}: {error}");
        }
        let negative = "[users.ada.limits]\nmax_topics = -1".parse::<Config>();
        assert!(negative.unwrap_err().to_string().contains("line 2"));
    }
}
