//! What all brokers that speak over WebSockets have in common: connections that are kept alive and
//! made anew, messages that await a receipt, acknowledgements.
//!
//! A [`ProducerDialect`] and a [`ConsumerDialect`] say what one broker's frames look like.

mod connect;
mod consumer;
mod liveness;
mod producer;
mod proxy;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

use std::fmt;
use std::time::Duration;

use dasf_protocol::{Delivery, Topic};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;

pub(super) use connect::{MAX_FRAME_SIZE, Sink, Stream, broken, connect};
pub(super) use liveness::PING_INTERVAL;
pub(crate) use tls::Trust;

use super::subscriber::Verdict;
use super::{
    ConnectError, PublishError, Publisher, PublisherEnds, PublisherOptions, Queued, Subscriber,
    SubscriberEnds,
};

/// One URL to connect to, and what to present there.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: String,
    /// The part of its path below the address of the broker.
    pub(super) below: String,
    pub(super) headers: HeaderMap,
    pub(super) trust: Trust,
}

impl fmt::Display for Endpoint {
    /// The URL without its query, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split('?').next().unwrap_or_default())
    }
}

/// An open connection: its socket, and what writes and reads the broker's frames on it.
pub(super) struct Link<W, R> {
    pub(super) sink: Sink,
    pub(super) stream: Stream,
    pub(super) writer: W,
    pub(super) reader: R,
    /// How many messages may be without a receipt, as far as the broker has a say in that.
    pub(super) window: usize,
    pub(super) keep_alive: KeepAlive,
    /// What is written before the socket is closed.
    pub(super) goodbye: Option<Message>,
}

/// How a connection without traffic is kept open.
pub(super) struct KeepAlive {
    pub(super) every: Duration,
    pub(super) ping: Message,
}

/// How one broker takes messages.
pub(super) trait ProducerDialect: Send + Sync + 'static {
    type Writer: WriteMessages;
    type Reader: ReadReceipts;

    /// Opens a connection on which messages to the topic are sent.
    fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = Result<Link<Self::Writer, Self::Reader>, ConnectError>> + Send;
}

/// How one broker hands out messages.
pub(super) trait ConsumerDialect: Send + Sync + 'static {
    type Writer: WriteAcknowledgements;
    type Reader: ReadDeliveries;

    /// Opens a connection on which messages of the topic come.
    fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = Result<Link<Self::Writer, Self::Reader>, ConnectError>> + Send;

    /// Does what is left to do when there will be no further connection.
    fn leave(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async {}
    }
}

/// Writes messages to one connection.
pub(super) trait WriteMessages: Send {
    /// The frame of a message, and by what its receipt will be known.
    ///
    /// # Errors
    /// Why this broker can never take it.
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError>;
}

/// What the broker says of a message.
pub(super) struct Settlement {
    /// By what the message is known; `None` where the broker does not say, which it does of the
    /// oldest.
    pub(super) key: Option<String>,
    pub(super) outcome: Result<(), PublishError>,
}

/// Reads receipts from one connection.
pub(super) trait ReadReceipts: Send {
    /// Takes a frame, which [`next`](Self::next) then reads. It is called when that has read
    /// everything before.
    fn accept(&mut self, frame: Message);

    /// The next receipt in the frames taken.
    ///
    /// # Errors
    /// Why the connection must be given up.
    fn next(&mut self) -> Result<Option<Settlement>, String>;
}

/// Writes acknowledgements to one connection.
pub(super) trait WriteAcknowledgements: Send {
    /// The frame that tells the broker of a message; `None` where there is nothing to tell it on
    /// this connection, or not yet.
    fn frame(&mut self, verdict: Verdict) -> Option<Message>;

    /// What is to be written after [`Incoming::Settled`].
    fn go_on(&mut self) -> Option<Message> {
        None
    }

    /// Whether something is to be written that waits for the broker.
    fn is_waiting(&self) -> bool {
        false
    }
}

/// What comes on a connection that reads.
pub(super) enum Incoming {
    Delivery(Delivery),
    /// A message that nobody can read, with its id where there is one.
    Unreadable(Option<String>),
    /// The broker says something for which the half that writes may have waited.
    Settled,
}

/// Reads messages from one connection.
pub(super) trait ReadDeliveries: Send {
    /// Takes a frame, which [`next`](Self::next) then reads. It is called when that has read
    /// everything before.
    fn accept(&mut self, frame: Message);

    /// The next message in the frames taken.
    ///
    /// # Errors
    /// Why the connection must be given up.
    fn next(&mut self) -> Result<Option<Incoming>, String>;
}

/// A publisher whose connections run on this runtime.
pub(super) fn publisher<D: ProducerDialect>(
    runtime: &Handle,
    dialect: D,
    endpoint: Endpoint,
    topic: &Topic,
    options: PublisherOptions,
) -> Publisher {
    let (handle, ends): (Publisher, PublisherEnds) = Publisher::new();
    runtime.spawn(producer::run(
        dialect,
        endpoint,
        topic.clone(),
        options,
        ends,
    ));
    handle
}

/// A subscriber whose connections run on this runtime.
pub(super) fn subscriber<D: ConsumerDialect>(
    runtime: &Handle,
    dialect: D,
    endpoint: Endpoint,
    topic: &Topic,
) -> Subscriber {
    let (handle, ends): (Subscriber, SubscriberEnds) = Subscriber::new();
    runtime.spawn(consumer::run(dialect, endpoint, topic.clone(), ends));
    handle
}

/// Waits for a time that may never come.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
