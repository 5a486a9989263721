//! The full name of a topic.

use std::borrow::Cow;
use std::fmt;

use dasf_protocol::{Subscription, Topic, TopicError};

/// The full name of a topic. It does not contain the persistence: a broker keeps the
/// messages of all topics in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TopicName {
    tenant: Cow<'static, str>,
    namespace: Cow<'static, str>,
    topic: Topic,
}

const DEFAULT_TENANT: &str = "public";
const DEFAULT_NAMESPACE: &str = "default";

/// The smallest number of characters of the random part of a response topic. Clients in Python use 8
/// letters.
const MIN_RANDOM: usize = 8;

impl From<Topic> for TopicName {
    /// Returns the topic of a DASF path, with the default tenant and namespace of Pulsar.
    fn from(topic: Topic) -> Self {
        Self {
            tenant: DEFAULT_TENANT.into(),
            namespace: DEFAULT_NAMESPACE.into(),
            topic,
        }
    }
}

impl TopicName {
    pub(crate) fn new(tenant: String, namespace: String, topic: Topic) -> Self {
        Self {
            tenant: tenant.into(),
            namespace: namespace.into(),
            topic,
        }
    }

    #[cfg(feature = "store")]
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    #[cfg(feature = "store")]
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the name without tenant and namespace.
    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Splits the name of a topic that may be a response topic: the topic of the module, and the random
    /// letters and digits after the last `_`.
    fn split(&self) -> Option<(&str, &str)> {
        let (base, random) = self.topic.as_str().rsplit_once('_')?;
        let is_random =
            random.len() >= MIN_RANDOM && random.bytes().all(|it| it.is_ascii_alphanumeric());
        (is_random && !base.is_empty()).then_some((base, random))
    }

    /// Returns the topic of the module, if this topic may be one on which a caller waits for its answers.
    pub(crate) fn base(&self) -> Option<Self> {
        let (base, _) = self.split()?;
        Some(self.sibling(base.parse().ok()?))
    }

    /// Returns whether the end of a name is rather random than a word.
    pub(crate) fn looks_random(&self) -> bool {
        let random = self.split().map_or("", |(_, random)| random);
        random
            .bytes()
            .any(|it| it.is_ascii_digit() || it.is_ascii_uppercase())
    }

    /// Returns the topic of the dead letters of a subscription that names no other one.
    pub(crate) fn dead_letters_of(&self, subscription: &Subscription) -> Result<Self, TopicError> {
        // The default of Pulsar, but a topic cannot contain `.` and `:`.
        let name = format!("{}-{subscription}-DLQ", self.topic).replace(['.', ':'], "-");
        Ok(self.sibling(name.parse()?))
    }

    /// Returns a topic of the same tenant and namespace.
    pub(crate) fn sibling(&self, topic: Topic) -> Self {
        Self {
            topic,
            ..self.clone()
        }
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenant,
            namespace,
            topic,
        } = self;
        if tenant == DEFAULT_TENANT && namespace == DEFAULT_NAMESPACE {
            write!(f, "{topic}")
        } else {
            write!(f, "{tenant}/{namespace}/{topic}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_topic_begins_with_the_topic_of_its_module() {
        for (topic, base, looks_random) in [
            ("river_QY1vPqzJ", Some("river"), true),
            ("river_qyivpqzj", Some("river"), false),
            ("my_river_00ff00ff00ff00ff", Some("my_river"), true),
            ("soil_moisture", Some("soil"), false),
            ("river_QY1vPqz", None, false),
            ("river_QY1vPqz-J", None, false),
            ("_QY1vPqzJ", None, false),
            ("river", None, false),
        ] {
            let name: TopicName = topic.parse::<Topic>().unwrap().into();
            assert_eq!(name.base().map(|it| it.to_string()).as_deref(), base);
            assert_eq!(name.looks_random(), looks_random, "{topic}");
        }
        let elsewhere = TopicName::new(
            "a".to_owned(),
            "b".to_owned(),
            "r_QY1vPqzJ".parse().unwrap(),
        );
        assert_eq!(elsewhere.base().unwrap().to_string(), "a/b/r");
    }
}
