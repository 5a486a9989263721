//! The names of topics and subscriptions.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The maximum length of a topic in characters. Brokers accept longer names, but some of their
/// parts fail with them: only 35 characters are safe everywhere. A response topic adds at least
/// nine characters to the topic of its module.
pub const MAX_TOPIC_LENGTH: usize = 255;

/// The maximum length of a response topic, if the topic of the module leaves room.
/// dasf-broker-django stores topic names in columns of 50 characters, if its database limits
/// columns.
const RESPONSE_TOPIC_LENGTH: usize = 50;
/// The minimum number of random characters in a response topic.
const SHORTEST_NAME: usize = 8;
/// The number of characters for 128 random bits.
const NAME_LENGTH: usize = 22;

/// Returns 128 random bits as a name of 22 letters and digits. Such a name is valid for topics and
/// subscriptions. In a response topic, it shows where the topic of the module ends: before the last `_`.
///
/// ```
/// assert_eq!(dasf_protocol::topic::random_name(63), "1100000000000000000000");
/// ```
pub fn random_name(bits: u128) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = bits;
    // The last digit has the fewest bits, so that a name that is cut keeps the most.
    let digit = |_| {
        let digit = DIGITS[(left % 62) as usize];
        left /= 62;
        char::from(digit)
    };
    (0..NAME_LENGTH).map(digit).collect()
}

/// The reason why a name of a topic or subscription is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is empty.
    #[error("the name of the {kind} is empty; use at least one character")]
    Empty {
        /// The named thing: `topic` or `subscription`.
        kind: &'static str,
    },
    /// The name is longer than [`MAX_TOPIC_LENGTH`].
    #[error("the name of the {kind} has {length} characters; use at most {MAX_TOPIC_LENGTH}")]
    TooLong {
        /// The named thing: `topic` or `subscription`.
        kind: &'static str,
        /// The length of the rejected name in bytes.
        length: usize,
    },
    /// The name contains a character that brokers do not accept.
    #[error("the {kind} {name:?} contains {}; use {allowed}", in_words(*.character))]
    Character {
        /// The named thing: `topic` or `subscription`.
        kind: &'static str,
        /// The rejected name.
        name: String,
        /// The first character that is not allowed.
        character: char,
        /// The allowed characters, in words.
        allowed: &'static str,
    },
}

/// Returns a character as an error shows it: most readers do not see a quoted space.
fn in_words(character: char) -> String {
    if character == ' ' {
        "a space".to_owned()
    } else {
        format!("{character:?}")
    }
}

/// The name of a topic: one or more ASCII letters, digits, `-` and `_`.
///
/// Clones are cheap, because they share the string.
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
    /// Returns the name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the topic on which a caller waits for its responses: this topic, `_` and `suffix`.
    ///
    /// # Errors
    /// Returns a [`TopicError`] if the suffix contains a character that is not allowed, or makes
    /// the name too long.
    pub fn response_topic(&self, suffix: &str) -> Result<Topic, TopicError> {
        format!("{self}_{suffix}").parse()
    }

    /// Returns the response topic of a caller with 128 random bits: this topic, `_`, and the
    /// [name](random_name) of the bits.
    ///
    /// Brokers need short topics. If this topic has 28 to 41 characters, the name is cut so that
    /// the response topic has 50 characters. The name keeps at least eight characters, or 47 bits.
    /// If two callers get the same name, they distinguish their responses by the contexts, which
    /// start at random numbers.
    ///
    /// # Errors
    /// Returns [`TopicError::TooLong`] for a topic with more than 246 characters.
    pub fn response_topic_of(&self, bits: u128) -> Result<Topic, TopicError> {
        let left = |limit: usize| limit.saturating_sub(self.as_str().len() + 1);
        let length = match left(RESPONSE_TOPIC_LENGTH) {
            // The response topic is longer than 50 characters in any case.
            ..SHORTEST_NAME => left(MAX_TOPIC_LENGTH),
            length => length,
        };
        let mut name = random_name(bits);
        name.truncate(length.clamp(SHORTEST_NAME, NAME_LENGTH));
        self.response_topic(&name)
    }
}

impl Subscription {
    /// Returns the name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        check(name, "topic", "ASCII letters, digits, '-' and '_'", accepts).map(Topic)
    }
}

impl FromStr for Subscription {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        let allowed = "ASCII letters, digits, '-', '_', '.' and ':'";
        check(name, "subscription", allowed, accepts).map(Subscription)
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
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

    #[test]
    fn a_response_topic_has_as_many_random_bits_as_brokers_allow() {
        let of = |length: usize, bits| {
            let topic: Topic = "t".repeat(length).parse().unwrap();
            let response_topic = topic.response_topic_of(bits);
            response_topic.map(|it| it.as_str()[length + 1..].to_owned())
        };
        for (length, name) in [
            (1, 22),
            (27, 22),
            (28, 21),
            (35, 14),
            (41, 8),
            (42, 22),
            (246, 8),
        ] {
            assert_eq!(of(length, u128::MAX).unwrap().len(), name, "{length}");
        }
        assert!(matches!(of(247, 0), Err(TopicError::TooLong { .. })));
        // The last bit and the first bit change the name.
        assert_ne!(of(10, 0), of(10, 1));
        assert_ne!(of(35, 0), of(35, 1 << 127));
        assert_eq!(random_name(u128::MAX), "7chF7tm8n9klfT5MGD24n7");
    }
}
