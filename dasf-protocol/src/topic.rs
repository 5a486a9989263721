//! Names of topics and of the subscriptions that read them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How long a topic may be, in characters. Brokers accept longer names than some of their parts
/// survive: 35 are safe everywhere, and a response topic appends up to nine characters to its
/// module's topic.
pub const MAX_TOPIC_LENGTH: usize = 255;

/// Why a text is no name of a topic or of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is empty.
    #[error("the name of a {kind} must not be empty")]
    Empty {
        /// What was to be named: `topic` or `subscription`.
        kind: &'static str,
    },
    /// The name is longer than [`MAX_TOPIC_LENGTH`].
    #[error("the {kind} name has {length} characters, at most {MAX_TOPIC_LENGTH} are allowed")]
    TooLong {
        /// What was to be named: `topic` or `subscription`.
        kind: &'static str,
        /// The length of the refused name in bytes.
        length: usize,
    },
    /// The name holds a character that brokers do not accept in it.
    #[error("the {kind} {name:?} contains {character:?}; allowed are {allowed}")]
    Character {
        /// What was to be named: `topic` or `subscription`.
        kind: &'static str,
        /// The refused name.
        name: String,
        /// The first character that is not allowed.
        character: char,
        /// The allowed characters, in words.
        allowed: &'static str,
    },
}

/// The name of a topic: one or more ASCII letters, digits, `-` and `_`.
///
/// Cheap to clone: all clones share one text.
///
/// ```
/// use dasf_protocol::Topic;
///
/// let topic: Topic = "co2-station_1".parse()?;
/// assert_eq!(topic.as_str(), "co2-station_1");
/// assert!("my topic".parse::<Topic>().is_err());
/// # Ok::<(), dasf_protocol::TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// The name under which a consumer reads a topic: one or more ASCII letters, digits, `-`, `_`, `.`
/// and `:`.
///
/// ```
/// use dasf_protocol::Subscription;
///
/// let name: Subscription = "backend-module-2026-11-22T10:52:08".parse()?;
/// assert_eq!(name.as_str(), "backend-module-2026-11-22T10:52:08");
/// # Ok::<(), dasf_protocol::TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription(Arc<str>);

fn check(
    name: &str,
    kind: &'static str,
    allowed: &'static str,
    accepts: impl Fn(char) -> bool,
) -> Result<Arc<str>, TopicError> {
    if name.is_empty() {
        return Err(TopicError::Empty { kind });
    }
    if name.len() > MAX_TOPIC_LENGTH {
        let length = name.len();
        return Err(TopicError::TooLong { kind, length });
    }
    match name.chars().find(|&c| !accepts(c)) {
        None => Ok(name.into()),
        Some(character) => Err(TopicError::Character {
            kind,
            name: name.to_owned(),
            character,
            allowed,
        }),
    }
}

impl Topic {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic on which a caller awaits its answers: this topic, `_`, and `suffix`.
    ///
    /// # Errors
    /// [`TopicError`] when the suffix holds a character that is not allowed, or makes the name too
    /// long.
    pub fn response_topic(&self, suffix: &str) -> Result<Topic, TopicError> {
        format!("{self}_{suffix}").parse()
    }
}

impl Subscription {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        check(name, "topic", "letters, digits, '-' and '_'", accepts).map(Topic)
    }
}

impl FromStr for Subscription {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        let allowed = "letters, digits, '-', '_', '.' and ':'";
        check(name, "subscription", allowed, accepts).map(Subscription)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_only_its_characters() {
        for good in ["a", "A-b_9", "test-topic_resp_006a78db"] {
            assert_eq!(good.parse::<Topic>().unwrap().as_str(), good);
        }
        for (bad, character) in [("a b", ' '), ("a/b", '/'), ("ä", 'ä'), ("a.b", '.')] {
            match bad.parse::<Topic>() {
                Err(TopicError::Character { character: c, .. }) => assert_eq!(c, character),
                other => panic!("{bad:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_name_is_neither_empty_nor_endless() {
        assert_eq!(
            "".parse::<Topic>(),
            Err(TopicError::Empty { kind: "topic" })
        );
        let long = "x".repeat(MAX_TOPIC_LENGTH + 1);
        assert_eq!(
            long.parse::<Subscription>(),
            Err(TopicError::TooLong {
                kind: "subscription",
                length: MAX_TOPIC_LENGTH + 1
            })
        );
    }

    #[test]
    fn a_subscription_may_be_a_time() {
        assert!(
            "python-backend-2026-11-22T10:52:08.353669"
                .parse::<Subscription>()
                .is_ok()
        );
        assert!("a/b".parse::<Subscription>().is_err());
    }

    #[test]
    fn a_response_topic_extends_its_topic() {
        let topic: Topic = "demo".parse().unwrap();
        assert_eq!(topic.response_topic("0a1b").unwrap().as_str(), "demo_0a1b");
        assert!(topic.response_topic("a b").is_err());
    }
}
