//! The errors of a topic that refuses a producer, a consumer or a message.

use dasf_protocol::Subscription;

use super::name::TopicName;
use crate::access::Denied;
use crate::account::OverLimit;
use crate::limits::BacklogLimit;

/// The error of a producer or consumer that cannot use a topic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttachError {
    #[error(
        "the Exclusive subscription '{subscription}' of topic '{topic}' has a consumer already; \
         use another name, or subscriptionType=Shared for all of its consumers"
    )]
    Taken {
        topic: TopicName,
        subscription: Subscription,
    },
    #[error(
        "the subscription '{subscription}' of topic '{topic}' is {present}; connect with the same \
         subscriptionType and subscriptionMode, or use another name"
    )]
    Conflict {
        topic: TopicName,
        subscription: Subscription,
        present: &'static str,
    },
    #[error(
        "topic '{topic}' has {max} subscriptions, the limit max_subscriptions; \
         close some consumers, or raise the limit"
    )]
    TooManySubscriptions { topic: TopicName, max: usize },
    #[error(
        "the broker has {max} topics with consumers, the limit max_topics; close some connections, \
         or raise the limit"
    )]
    TooManyTopics { max: usize },
    #[error(
        "the memory of the broker is full (max_memory = {max}); try again when consumers have \
         acknowledged some messages, or raise the limit"
    )]
    BrokerFull { max: usize },
    #[error(
        "topic '{topic}' holds no messages for later readers, because it is no response topic of yours; leave out \
         the parameter hold"
    )]
    NoHold { topic: TopicName },
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// The error of a good message that the broker refuses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(
        "subscription '{subscription}' of topic '{topic}' is full ({} = {}); \
         try again when its consumer has acknowledged some messages, or raise the limit",
        limit.name, limit.value
    )]
    SubscriptionFull {
        topic: TopicName,
        subscription: Subscription,
        limit: BacklogLimit,
    },
    #[error(
        "topic '{topic}' is full ({} = {}) and has no consumer; \
         start a consumer and try again, or raise the limit",
        limit.name, limit.value
    )]
    TopicFull {
        topic: TopicName,
        limit: BacklogLimit,
    },
    #[error(
        "the memory of the broker is full (max_memory = {max}), and topic '{topic}' uses most of it; \
         try again when its consumers have acknowledged some messages, or raise the limit"
    )]
    BrokerFull { topic: TopicName, max: usize },
    #[error("nobody listens on topic '{topic}'; start a module there, or check the topic")]
    NobodyListens { topic: TopicName },
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl PublishError {
    /// Returns the HTTP status that stands beside the reason for programs, if there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        matches!(self, Self::NobodyListens { .. }).then_some(404)
    }
}
