//! How messages reach a broker and come from it, whichever broker it is.
//!
//! A [`Transport`] opens [`Publisher`]s and [`Subscriber`]s. Both are handles to a task that owns
//! one connection, keeps it alive, and makes it anew for as long as the handle lives. Everything
//! above this module is the same for every broker.

mod mqtt;
mod publisher;
mod socket;
mod subscriber;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::address::{Address, Protocol};

pub(crate) use publisher::{Outgoing, PublishError, Publisher, Queued};
pub(crate) use subscriber::{Subscriber, SubscriberEnds};

/// Opens connections to one broker.
pub(crate) trait Transport: Send + Sync {
    /// A handle that sends messages to a topic. The connection is made in the background.
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher;

    /// Where the connections' tasks run.
    fn runtime(&self) -> &Handle;

    /// A handle that reads a topic. The connection is made in the background.
    fn subscribe(
        &self,
        topic: &Topic,
        subscription: &Subscription,
        durability: Durability,
    ) -> Subscriber;
}

/// The transport to the broker at an address; its connections live on the current runtime.
pub(crate) fn open(address: Address) -> Arc<dyn Transport> {
    match address.protocol() {
        Protocol::Json => Arc::new(websocket::Websocket::new(address)),
        Protocol::Mqtt(login) => Arc::new(mqtt::Mqtt::new(address, login)),
    }
}

/// What a broker that keeps messages does with a subscription that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It keeps what comes for it.
    Durable,
    /// It forgets it: right for a topic that only one process ever reads.
    Transient,
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
