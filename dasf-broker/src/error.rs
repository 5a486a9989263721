//! Why a broker does not start, an address is not served, or a message is not taken.

use std::io;
use std::net::SocketAddr;

use axum::http::StatusCode;
use dasf_protocol::{Subscription, TopicError};

use crate::limits::FullLimit;
use crate::route::TopicName;

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}; {}", remedy(source))]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A limit is zero, with which the broker could do nothing.
    #[error("the limit {name} is 0; set it to at least 1, or leave it out")]
    ZeroLimit {
        /// The setter of the limit.
        name: &'static str,
    },
    /// The token is empty: that would be a lock which any key opens.
    #[error("the token is empty; set one with at least one character, or none at all")]
    EmptyToken,
}

/// What a person can do about an address that cannot be bound.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that listens there, or choose another port (port 0 takes any free one)"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port from 1024 on, or run with the right to use this one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "choose an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"
        }
        _ => "choose another address or port",
    }
}

/// Why a path or query is not that of a producer or consumer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(
        "nothing is served under this path; there are\n\
         /ws/{{topic}} (publish) and /ws/{{topic}}/{{subscription}} (consume), and in Pulsar's style\n\
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
    #[error("the subscription type {value:?} is not offered; use Exclusive or Shared")]
    SubscriptionType { value: String },
    #[error("the subscription mode is {value:?}; use Durable or NonDurable")]
    SubscriptionMode { value: String },
    #[error("receiverQueueSize is {value:?}; use a whole number from 1 on")]
    ReceiverQueueSize { value: String },
    #[error(
        "negativeAckRedeliveryDelay is {value:?}; use a whole number of milliseconds, 0 for none"
    )]
    RedeliveryDelay { value: String },
    #[error("maxRedeliverCount is {value:?}; use a whole number from 1 on, or leave it out")]
    MaxRedeliverCount { value: String },
    #[error(
        "deadLetterTopic comes without maxRedeliverCount; add it, as in maxRedeliverCount=3, or \
         leave both out"
    )]
    DeadLetterTopicAlone,
    #[error(
        "no dead letter topic: {0}; name one of the consumer's own tenant and namespace with \
         deadLetterTopic=NAME"
    )]
    DeadLetterTopic(#[source] TopicError),
    #[error(
        "deadLetterTopic is {value:?}, the consumer's own topic: what it does not want would come \
         to it again; name another one"
    )]
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

/// Why a producer or consumer is not let in.
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
        "the subscription '{subscription}' of topic '{topic}' is {present} for the consumer it has; \
         attach as {present}, or use another name"
    )]
    Conflict {
        topic: TopicName,
        subscription: Subscription,
        present: &'static str,
    },
    #[error(
        "topic '{topic}' has {max} subscriptions, as many as max_subscriptions allows; \
         close some consumers, or raise the limit"
    )]
    TooManySubscriptions { topic: TopicName, max: usize },
    #[error(
        "the broker has {max} topics, as many as max_topics allows; close some connections, \
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

/// Why a well-formed message is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(
        "subscription '{subscription}' of topic '{topic}' is full ({} = {}): \
         try again when its consumer has acknowledged some messages, or raise the limit",
        limit.name, limit.value
    )]
    SubscriptionFull {
        topic: TopicName,
        subscription: Subscription,
        limit: FullLimit,
    },
    #[error(
        "topic '{topic}' is full ({} = {}) and nobody reads it: \
         start a consumer and try again, or raise the limit",
        limit.name, limit.value
    )]
    TopicFull { topic: TopicName, limit: FullLimit },
}

/// Why a dead letter topic does not take a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}
