//! The full name of a topic.

use std::borrow::Cow;
use std::fmt;

use dasf_protocol::Topic;

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
