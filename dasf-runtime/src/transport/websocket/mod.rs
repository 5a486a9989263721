//! The common part of all brokers that use WebSockets: connections that are kept alive and
//! reconnected, messages that wait for a receipt, and acknowledgements.
//!
//! A [`Dialect`] defines the frames of one kind of broker. A [`driver`] runs each socket.

mod connect;
mod consumer;
mod dead_letters;
mod driver;
mod link;
mod listing;
mod liveness;
mod producer;
mod proxy;
mod reconnect;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod traffic;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::{Delivery, MessageId, Topic};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

pub(crate) use connect::route;
pub(super) use connect::{MAX_FRAME_SIZE, Opened, Socket, broken, close, connect, greet};
pub(crate) use dead_letters::{DeadLetter, DeadLetterTopic};
pub(in crate::transport) use dead_letters::{HAS_A_READER, MAX_LETTERS};
pub(crate) use link::Link;
pub(super) use link::{LinkBroker, Subscribing};
pub(crate) use link::{LinkPool, Links};
pub(crate) use listing::{lacks_activity, lacks_dead_requests, lacks_list};
pub(super) use liveness::{LONGEST_SILENCE, PING_INTERVAL};
pub(crate) use tls::Trust;
pub(super) use traffic::HasTraffic;

use super::base_url;
use super::subscriber::Acknowledgement;
use super::{
    ConnectError, DiscoveredModule, Hold, PublishError, Publisher, PublisherEnds, PublisherOptions,
    Queued, Reading, Subscriber, SubscriberEnds,
};
use crate::activity::TopicActivity;

/// A URL to connect to, with the headers and the trusted certificates.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: String,
    /// The part of its path below the address of the broker.
    pub(super) below: String,
    pub(super) headers: HeaderMap,
    pub(super) trust: Trust,
}

impl Endpoint {
    /// Returns whether the handshake has a login.
    pub(super) fn has_login(&self) -> bool {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        let has_token = query.split('&').any(|part| part.starts_with("token="));
        has_token || self.headers.contains_key(AUTHORIZATION)
    }

    /// Asks the broker to refuse requests that nobody reads. A broker that cannot do that ignores it.
    pub(super) fn refuse_unread(&mut self) {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        self.url.push(separator);
        self.url.push_str("nobodyListens=Refuse");
    }

    /// Returns the URL without its query, which may contain a secret.
    pub(super) fn without_query(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

impl fmt::Display for Endpoint {
    /// Writes the address of the broker as its user knows it, without the path of the topic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.without_query();
        let base = url.strip_suffix(&self.below).unwrap_or(url);
        f.write_str(base_url::of_broker(base.trim_end_matches('/')))
    }
}

/// An open connection: its socket, and the writer and reader of the broker's frames.
pub(super) struct Connection<W, R> {
    pub(super) socket: Socket,
    pub(super) writer: W,
    pub(super) reader: R,
    /// How many messages may be without a receipt, as the broker allows.
    pub(super) window: usize,
    pub(super) keep_alive: KeepAlive,
    /// The frame to send before the socket is closed.
    pub(super) goodbye: Option<Message>,
    /// Whether the broker names the users who send the messages.
    pub(super) names_users: bool,
    /// What the broker tells about the messages that the topic holds.
    pub(super) hold: Option<Hold>,
}

/// How an idle connection is kept open.
pub(super) struct KeepAlive {
    pub(super) every: Duration,
    pub(super) ping: Message,
}

impl Default for KeepAlive {
    /// Returns how a WebSocket is kept open if the broker has no own way.
    fn default() -> Self {
        Self {
            every: PING_INTERVAL,
            ping: Message::Ping(Bytes::new()),
        }
    }
}

/// How one kind of broker sends or delivers messages.
pub(super) trait Dialect: Send + Sync + 'static {
    type Writer: Send;
    type Reader: Send;

    /// Opens a connection.
    fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = Result<Connection<Self::Writer, Self::Reader>, ConnectError>> + Send;

    /// Waits until a better connection than the open one can be had, and opens it. It takes the place of the open
    /// one, whose unacknowledged messages come again. By default there is none.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    fn better(
        &self,
        _endpoint: &Endpoint,
    ) -> impl Future<Output = Connection<Self::Writer, Self::Reader>> + Send {
        std::future::pending()
    }

    /// Cleans up after the last connection.
    fn leave(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async {}
    }
}

/// Writes messages to one connection.
pub(super) trait WriteMessages: Send {
    /// Returns the frame of a message, and the key that its receipt will carry.
    ///
    /// # Errors
    /// Returns why this broker can never accept the message.
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError>;
}

/// The broker's receipt for a message.
pub(super) struct Settlement {
    /// The key of the message. `None` means the oldest message, because some brokers do not name
    /// it.
    pub(super) key: Option<String>,
    pub(super) outcome: Result<(), PublishError>,
}

/// Reads receipts from one connection.
pub(super) trait ReadReceipts: Send {
    /// Accepts a frame, which [`next`](Self::next) then reads. Call it only after `next` has read
    /// everything before.
    fn accept(&mut self, frame: Message);

    /// Returns the next receipt from the accepted frames.
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn next(&mut self) -> Result<Option<Settlement>, String>;
}

/// Writes acknowledgements to one connection.
pub(super) trait WriteAcknowledgements: Send {
    /// Returns the frame for an acknowledgement; `None` if this connection needs none, or not yet.
    fn frame(&mut self, acknowledgement: Acknowledgement) -> Option<Message>;

    /// Returns the frame to write after [`Incoming::Settled`].
    fn go_on(&mut self) -> Option<Message> {
        None
    }

    /// Returns whether a frame still waits for the broker.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Notices a message that is passed on. Returns a frame to write for it, if there is one.
    fn delivered(&mut self, _delivery: &Delivery) -> Option<Message> {
        None
    }

    /// Notices an acknowledgement of a message that came on an earlier connection, which needs none any more.
    /// Returns a frame to write for it, if there is one.
    fn late(&mut self, _acknowledgement: Acknowledgement) -> Option<Message> {
        None
    }

    /// Returns whether the next reader needs the subscription, so that the connection ends without its last frame.
    fn leaves_work(&self) -> bool {
        false
    }
}

/// An event on a connection that reads.
pub(super) enum Incoming {
    Delivery(Delivery),
    /// A message that cannot be read, with its id if it has one.
    Unreadable(Option<MessageId>),
    /// An event for which the writing half may have waited.
    Settled,
}

/// Reads messages from one connection.
pub(super) trait ReadDeliveries: Send {
    /// Accepts a frame, which [`next`](Self::next) then reads. Call it only after `next` has read
    /// everything before.
    fn accept(&mut self, frame: Message);

    /// Returns the next event from the accepted frames.
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn next(&mut self) -> Result<Option<Incoming>, String>;
}

/// Reads the list of modules of the embedded broker. `producer` is the base of the URLs of its producers.
pub(super) async fn read_listing(
    producer: &base_url::BaseUrl,
    headers: HeaderMap,
    trust: Trust,
) -> Result<Vec<DiscoveredModule>, ConnectError> {
    listing::read(&listing_endpoint(producer, headers, trust)).await
}

/// Reads what happens on the topics of the embedded broker. `producer` is the base of the URLs of its producers.
pub(super) async fn read_activity(
    producer: &base_url::BaseUrl,
    headers: HeaderMap,
    trust: Trust,
) -> Result<Vec<TopicActivity>, ConnectError> {
    listing::read_activity(&listing_endpoint(producer, headers, trust)).await
}

fn listing_endpoint(producer: &base_url::BaseUrl, headers: HeaderMap, trust: Trust) -> Endpoint {
    Endpoint {
        url: producer.beside(listing::PATH),
        below: listing::PATH.to_owned(),
        headers,
        trust,
    }
}

/// Asks the embedded broker about the requests that are put aside. `producer` is the base of the URLs of its
/// producers, and `path` is below that of these requests.
pub(super) async fn read_dead(
    producer: &base_url::BaseUrl,
    path: &str,
    headers: HeaderMap,
    trust: Trust,
) -> Result<Vec<serde_json::Value>, ConnectError> {
    let below = format!("{}{path}", listing::DEAD_PATH);
    let endpoint = Endpoint {
        url: producer.beside(&below),
        below,
        headers,
        trust,
    };
    listing::read_dead(&endpoint).await
}

/// Starts a publisher whose connections run on this runtime.
pub(super) fn publisher<D>(
    runtime: &Handle,
    dialect: D,
    endpoint: Endpoint,
    topic: &Topic,
    options: PublisherOptions,
) -> Publisher
where
    D: Dialect<Writer: WriteMessages, Reader: ReadReceipts>,
{
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

/// Starts a subscriber whose connections run on this runtime.
pub(super) fn subscriber<D>(
    runtime: &Handle,
    dialect: D,
    endpoint: Endpoint,
    topic: &Topic,
    reading: &Reading,
) -> Subscriber
where
    D: Dialect<Writer: WriteAcknowledgements, Reader: ReadDeliveries>,
{
    let (handle, ends): (Subscriber, SubscriberEnds) = Subscriber::new(reading);
    runtime.spawn(consumer::run(dialect, endpoint, topic.clone(), ends, None));
    handle
}
