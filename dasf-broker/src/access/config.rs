//! The configuration of a broker: its users and their rights.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::file::File;
use super::policy::Policy;
use crate::topic_settings::TopicRule;

/// The configuration of a broker: its users and the issuers of further ones, what each of them may do and how
/// much each may have, and the settings of topics. See the [crate documentation](crate#users-and-rights).
///
/// ```
/// let config: dasf_broker::Config = r#"
///     [users.station-1]
///     serve = ["river"]
///     tokens = [{ sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" }]
///
///     [anonymous]
///     call = ["river"]
/// "#
/// .parse()?;
/// let broker = dasf_broker::Broker::builder().config(config);
/// # Ok::<(), dasf_broker::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) policy: Arc<Policy>,
    has_users: bool,
    topics: Vec<TopicRule>,
}

/// The error of a configuration that a broker cannot use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("cannot use the configuration {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<ConfigError>,
    },
    /// A line is not valid TOML, or has a key or value that a configuration does not have.
    #[error("line {line}, {text:?}: {problem}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// A user or an issuer has a role or a group, or a group has a role, that the configuration does not define.
    #[error(
        "{key} contains {name:?}, but there is no table [{table}.{name}]; add it, or correct the name"
    )]
    Unknown {
        /// The key with the name, such as `users.ada.groups`.
        key: String,
        /// The name.
        name: String,
        /// The table in which the name is missing.
        table: &'static str,
    },
    /// A limit of users has an unknown name or a wrong value.
    #[error("{key}: {problem}")]
    Limit {
        /// The key, such as `users.ada.limits.max_topics`.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The configuration has users, and the broker was started without users.
    #[error("the configuration has users, and the broker was started without; start it again")]
    UsersAtStart,
    /// The configuration has neither users nor issuers, and the broker was started with some.
    #[error(
        "the configuration has no users, and the broker was started with users, who would all lose their rights; \
         start it again if that is meant"
    )]
    NoUsers,
    /// A user has the name that stands for programs without a token.
    #[error(
        "no user is called `anonymous`, which stands for programs without a token; use the table [anonymous]"
    )]
    Anonymous,
    /// Two users have the same token.
    #[error(
        "the users {first} and {second} have the same token; make one for each with `dasf-broker token new`"
    )]
    SameToken {
        /// The first user.
        first: String,
        /// The second user.
        second: String,
    },
    /// The broker cannot use the keys of an issuer.
    #[error("cannot use the keys of the issuer {issuer} in {}: {source}", path.display())]
    Keys {
        /// The name of the issuer in the configuration.
        issuer: String,
        /// The file with the keys.
        path: PathBuf,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Two issuers sign their tokens with the same claim `iss`.
    #[error("the issuers {first} and {second} are both {issuer:?}; leave one of them out")]
    SameIssuer {
        /// The name of the first issuer in the configuration.
        first: String,
        /// The name of the second issuer.
        second: String,
        /// Their claim `iss`.
        issuer: String,
    },
    /// The users of two issuers could have the same name.
    #[error(
        "users of the issuers {first} and {second} could have the same name; give each a user_prefix, of which none \
         begins with the other"
    )]
    SamePrefix {
        /// The name of the first issuer in the configuration.
        first: String,
        /// The name of the second issuer.
        second: String,
    },
}

/// The longest part of a line in an error.
const MAX_TEXT: usize = 80;

impl Config {
    /// Reads a configuration from a file, and the keys of its issuers. Their paths are relative to the folder
    /// of the file.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, or is no configuration.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::read(&text, Some(folder)).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Reads a text. Paths in it are relative to the folder. Without one, the keys of issuers stay unread, and
    /// so nobody uses their tokens.
    pub(super) fn read(text: &str, folder: Option<&Path>) -> Result<Self, ConfigError> {
        let read = toml_edit::de::from_str::<File>(text);
        let mut file = read.map_err(|error| at_line(text, error.span(), error.message()))?;
        Ok(Self {
            has_users: file.has_users(),
            topics: std::mem::take(&mut file.topics),
            policy: Arc::new(Policy::new(file, folder)?),
        })
    }

    /// Returns the number of users.
    pub fn users(&self) -> usize {
        self.policy.user_count()
    }

    /// Returns the number of issuers of JSON Web Tokens.
    pub fn issuers(&self) -> usize {
        self.policy.issuer_count()
    }

    /// Returns whether the configuration says who may do what. Otherwise it only has settings of topics.
    pub(crate) fn has_users(&self) -> bool {
        self.has_users
    }

    /// Returns the settings of topics.
    pub(crate) fn topics(&self) -> &[TopicRule] {
        &self.topics
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    /// Paths of key files are relative to the working directory of the program.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::read(text, Some(Path::new("")))
    }
}

fn at_line(text: &str, span: Option<Range<usize>>, problem: &str) -> ConfigError {
    let at = span.map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let shown = text.lines().nth(line).unwrap_or_default().trim();
    ConfigError::Line {
        line: line + 1,
        text: shown.chars().take(MAX_TEXT).collect(),
        problem: problem.lines().collect::<Vec<_>>().join("; "),
    }
}

/// Returns an error for the first name that a table does not define.
pub(super) fn check_names<'a, T>(
    key: impl FnOnce() -> String,
    names: impl IntoIterator<Item = &'a super::Name>,
    table: &'static str,
    defined: &BTreeMap<super::Name, T>,
) -> Result<(), ConfigError> {
    match names.into_iter().find(|name| !defined.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(ConfigError::Unknown {
            key: key(),
            name: name.to_string(),
            table,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ConfigError {
        text.parse::<Config>().unwrap_err()
    }

    #[test]
    fn an_error_tells_the_line() {
        for (text, expected, word) in [
            ("[users.ada]\ncal = [\"river\"]", 2, "cal"),
            ("\n[users.ada]\ncall = \"river\"", 3, "string"),
            ("[users.ada]\n\ncall = [\"ri ver\"]", 3, "' '"),
            ("[user.ada]", 1, "user"),
            ("[users.ada]\ntokens = [\n  { sha256 = \"12\" }]", 3, "64"),
            ("[users.ada]\ntokens = [{ note = \"n\" }]", 2, "sha256"),
            ("[roles.a\n", 1, ""),
            ("[anonymous]\nroles = []", 2, "roles"),
            (
                "[issuers.a]\nissuer = \"i\"\naudience = 1",
                3,
                "list of texts",
            ),
            ("[issuers.a]\naudience = []", 2, "at least one audience"),
            ("[issuers.a]\nkeys = \"\"", 2, "keys"),
        ] {
            let error = error(text);
            let ConfigError::Line { line, problem, .. } = &error else {
                panic!("{text}: {error}")
            };
            assert_eq!(*line, expected, "{text}: {error}");
            assert!(problem.contains(word), "{text}: {error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn each_name_is_defined() {
        for (text, expected_key, expected_table) in [
            ("[users.ada]\nroles = [\"x\"]", "users.ada.roles", "roles"),
            (
                "[users.ada]\ngroups = [\"x\"]",
                "users.ada.groups",
                "groups",
            ),
            ("[groups.a]\nroles = [\"x\"]", "groups.a.roles", "roles"),
            (
                "[issuers.a]\nissuer = \"i\"\naudience = \"a\"\njwks = \"j\"\nroles = [\"x\"]",
                "issuers.a.roles",
                "roles",
            ),
            (
                "[issuers.a]\nissuer = \"i\"\naudience = \"a\"\njwks = \"j\"\ngroups = { g = \"x\" }",
                "issuers.a.groups",
                "groups",
            ),
        ] {
            let error = error(text);
            let ConfigError::Unknown { key, name, table } = &error else {
                panic!("{text}: {error}")
            };
            assert_eq!(
                (&**key, &**name, *table),
                (expected_key, "x", expected_table)
            );
        }
        assert!(error("[users.'a b']").to_string().contains("a b"));
        let reserved = error("[users.anonymous]");
        assert!(matches!(reserved, ConfigError::Anonymous), "{reserved}");
    }

    #[cfg(not(feature = "jwt"))]
    #[test]
    fn issuers_need_a_feature() {
        let error = error("[issuers.a]\nissuer = \"i\"\naudience = \"a\"\njwks = \"j\"");
        assert!(matches!(error, ConfigError::Keys { .. }), "{error}");
        assert!(error.to_string().contains("feature \"jwt\""), "{error}");
    }

    #[test]
    fn each_user_has_tokens_of_his_own() {
        let tokens = format!("tokens = [{{ sha256 = \"{}\" }}]", "0".repeat(64));
        let both = error(&format!("[users.ada]\n{tokens}\n[users.bob]\n{tokens}"));
        assert!(
            matches!(both, ConfigError::SameToken { first, second } if first == "ada" && second == "bob")
        );
        let read: Config = format!("[users.ada]\n{tokens}\n[users.bob]")
            .parse()
            .unwrap();
        assert_eq!(read.users(), 2);
    }
}
