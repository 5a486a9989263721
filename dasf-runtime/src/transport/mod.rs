//! How messages reach a broker and come from it, whichever broker it is.
//!
//! A [`Transport`] opens [`Publisher`]s and [`Subscriber`]s. Both are handles to a task that owns
//! one connection, keeps it alive, and makes it anew for as long as the handle lives. Everything
//! above this module is the same for every broker.

pub(crate) mod dasf;
mod json;
pub(crate) mod mqtt;
mod publisher;
pub(crate) mod pulsar;
mod socket;
mod subscriber;

use std::fmt;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(crate) use publisher::{Outgoing, PublishError, Publisher, Queued};
pub(crate) use subscriber::{Subscriber, SubscriberEnds, Verdict, Verdicts};

/// Opens connections to one broker.
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    /// A handle that sends messages to a topic. The connection is made in the background.
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher;

    /// A handle that reads a topic. The connection is made in the background.
    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber;

    /// Where the connections' tasks run.
    fn runtime(&self) -> &Handle;

    /// Whether the id of a message names that message only.
    fn has_unique_message_ids(&self) -> bool {
        true
    }
}

/// Who reads a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A caller, on a topic that only it ever reads: what comes when it is gone is of no use.
    Caller,
    /// A module that gets every message, whoever else listens.
    Alone,
    /// One of the modules that share the messages of a subscription.
    Group,
}

/// How a topic is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) reader: Reader,
    /// The name of the reader, or of its group.
    pub(crate) subscription: Subscription,
    /// How many messages the broker hands out before it sees acknowledgements of them; `None`
    /// leaves that to the broker.
    pub(crate) prefetch: Option<usize>,
    /// Whether messages that are not acknowledged when the reader dies must come again.
    pub(crate) at_least_once: bool,
    /// How often a message comes again before it is put aside; `None` is for ever.
    pub(crate) max_redeliveries: Option<u32>,
}

/// After how long a message that was given back goes to another reader. Brokers offer it to the one
/// that gave it back as well, which may be gone by then.
const REDELIVERY_DELAY: Duration = Duration::from_secs(1);

impl Reading {
    /// Whether the broker must be able to deliver messages again.
    fn redelivers(&self) -> bool {
        self.at_least_once || self.max_redeliveries.is_some()
    }

    /// The parameters of a shared subscription, as Pulsar named them and the embedded broker knows
    /// them.
    fn shared_parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("subscriptionType", "Shared".to_owned()),
            (
                "negativeAckRedeliveryDelay",
                REDELIVERY_DELAY.as_millis().to_string(),
            ),
        ];
        if let Some(prefetch) = self.prefetch {
            parameters.push(("receiverQueueSize", prefetch.to_string()));
        }
        if let Some(max_redeliveries) = self.max_redeliveries {
            parameters.push(("maxRedeliverCount", max_redeliveries.to_string()));
        }
        parameters
    }
}

#[cfg(test)]
impl Reading {
    fn by(reader: Reader, subscription: &str) -> Self {
        Self {
            reader,
            subscription: subscription.parse().unwrap(),
            prefetch: None,
            at_least_once: false,
            max_redeliveries: None,
        }
    }

    fn caller(subscription: &str) -> Self {
        Self::by(Reader::Caller, subscription)
    }

    fn alone(subscription: &str) -> Self {
        Self::by(Reader::Alone, subscription)
    }

    fn group(subscription: &str) -> Self {
        Self::by(Reader::Group, subscription)
    }
}

/// How long a publisher lives without success or without work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublisherOptions {
    /// Close the connection after this long without a message; `None` keeps it.
    pub(crate) keep_alive: Option<Duration>,
    /// Give up, and drop what is queued, after this long without a connection; `None` tries for
    /// ever.
    pub(crate) connection_timeout: Option<Duration>,
}

/// Why there is no connection to a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing answers at the address.
    #[error("cannot reach a broker at {url}: {reason}")]
    Unreachable {
        /// The URL, without its query.
        url: String,
        /// What the operating system, or TLS, said.
        reason: String,
    },
    /// Something answers there, and refuses the connection.
    #[error("the broker refuses {url} with status {status}: {reason}")]
    Refused {
        /// The URL, without its query.
        url: String,
        /// The HTTP status: 401 or 403 for a login that is missing or not enough, 404 for an
        /// unknown topic or path, 409 for a subscription that another consumer has.
        status: u16,
        /// The broker's explanation, or the status in words.
        reason: String,
    },
    /// An MQTT broker answers there, and refuses the login or the subscription.
    #[error("the broker refuses {url} with reason code {code:#04x}: {reason}")]
    Rejected {
        /// The URL, without its query.
        url: String,
        /// MQTT's reason code: 0x86 for a login that is wrong, 0x87 for one that is not enough.
        code: u8,
        /// The broker's explanation, or the code in words.
        reason: String,
    },
    /// The broker cannot do what the options ask for.
    #[error("the broker at {url} does not offer {feature}: {reason}")]
    Unsupported {
        /// The URL, without its query.
        url: String,
        /// What it does not offer, such as `a group`.
        feature: &'static str,
        /// Why that is needed, and what to do.
        reason: String,
    },
    /// Something answers there, and does not speak WebSocket.
    #[error("{url} does not answer as a WebSocket broker: {reason}")]
    Protocol {
        /// The URL, without its query.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// No answer came in time.
    #[error("the broker at {url} did not accept the connection within {} s", .after.as_secs())]
    Timeout {
        /// The URL, without its query.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The task that makes the connection ended, as it does when its runtime ends.
    #[error("the connection's task ended before there was a connection")]
    Ended,
}

impl ConnectError {
    /// Whether another login could help.
    pub(crate) fn is_about_login(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 401 | 403),
            // Bad user name or password, not authorized, bad authentication method.
            Self::Rejected { code, .. } => matches!(code, 0x86 | 0x87 | 0x8c),
            _ => false,
        }
    }
}

/// Where the connection of a handle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The first attempt is under way.
    Connecting,
    /// There is a connection.
    Connected,
    /// There is none; it will be tried again.
    Disconnected(ConnectError),
}

impl ConnectionState {
    /// Why there is no connection, if so.
    pub(crate) fn failure(&self) -> Option<&ConnectError> {
        match self {
            Self::Disconnected(error) => Some(error),
            Self::Connecting | Self::Connected => None,
        }
    }
}

/// Waits until the first attempt to connect has succeeded or failed.
///
/// # Cancel safety
/// Cancel safe: nothing is consumed.
async fn first_attempt(state: &mut watch::Receiver<ConnectionState>) -> Result<(), ConnectError> {
    let decided = state
        .wait_for(|state| *state != ConnectionState::Connecting)
        .await;
    match decided.as_deref() {
        Ok(ConnectionState::Disconnected(error)) => Err(error.clone()),
        Ok(ConnectionState::Connected | ConnectionState::Connecting) => Ok(()),
        Err(_) => Err(ConnectError::Ended),
    }
}
