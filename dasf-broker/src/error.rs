//! The errors of a start, of a handshake and of a publish.

use std::io;
use std::net::SocketAddr;

use axum::http::StatusCode;
use dasf_protocol::{Subscription, TopicError};

use crate::limits::BacklogLimit;
use crate::route::TopicName;

/// The error of a broker that does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The broker cannot listen on the address.
    #[error("cannot listen on {address}: {source}; {}", remedy(source))]
    Bind {
        /// The address of the settings.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A limit is zero. With such a limit, a broker cannot work.
    #[error("the limit {name} is 0; set it to at least 1, or leave it out")]
    ZeroLimit {
        /// The name of the limit and of its setter.
        name: &'static str,
    },
    /// The token is empty. An empty token would protect nothing.
    #[error("the token is empty; set a token of at least one character, or no token")]
    EmptyToken,
}

/// Returns advice for an address on which the broker cannot listen.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that listens there, or choose another port (port 0 stands for any free port)"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port of at least 1024, or run the broker with the right to use this port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "choose an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all addresses"
        }
        _ => "choose another address or port",
    }
}

/// The error of a path or query that belongs to no producer or consumer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(
        "the broker does not know this path; its paths are\n\
         /ws/{{topic}} (publish) and /ws/{{topic}}/{{subscription}} (consume), and in the Pulsar style\n\
         /ws/v2/producer/{{persistence}}/{{tenant}}/{{namespace}}/{{topic}} and\n\
         /ws/v2/consumer/{{persistence}}/{{tenant}}/{{namespace}}/{{topic}}/{{subscription}}"
    )]
    Unknown,
    #[error(transparent)]
    Name(#[from] TopicError),
    #[error("{text:?} is not percent-encoded UTF-8")]
    Encoding { text: String },
    #[error("the persistence is {persistence:?}; use \"persistent\" or \"non-persistent\"")]
    Persistence { persistence: String },
    #[error("the {kind} is {name:?}; use 1 to 255 letters, digits, '-', '_', '.', ':' and '='")]
    Scope { kind: &'static str, name: String },
    #[error("the subscription type is {value:?}; use Exclusive or Shared")]
    SubscriptionType { value: String },
    #[error("the subscription mode is {value:?}; use Durable or NonDurable")]
    SubscriptionMode { value: String },
    #[error("receiverQueueSize is {value:?}; use an integer of at least 1")]
    ReceiverQueueSize { value: String },
    #[error("negativeAckRedeliveryDelay is {value:?}; use an integer, the number of milliseconds")]
    RedeliveryDelay { value: String },
    #[error("maxRedeliverCount is {value:?}; use an integer of at least 1, or leave it out")]
    MaxRedeliverCount { value: String },
    #[error(
        "deadLetterTopic needs maxRedeliverCount; add it, such as maxRedeliverCount=3, or leave \
         both out"
    )]
    DeadLetterTopicAlone,
    #[error(
        "the name of the dead-letter topic is not valid: {0}; set another name with \
         deadLetterTopic=NAME, without tenant and namespace"
    )]
    DeadLetterTopic(#[source] TopicError),
    #[error("deadLetterTopic is {value:?}, the consumer's own topic; use another topic")]
    DeadLetterCircle { value: String },
}

impl RouteError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

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
        "the broker has {max} topics, the limit max_topics; close some connections, \
         wait until unread messages expire, or raise the limit"
    )]
    TooManyTopics { max: usize },
}

impl AttachError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Taken { .. } | Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooManySubscriptions { .. } | Self::TooManyTopics { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
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
}

/// The error of a dead-letter topic that refuses a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}
