//! Links: one WebSocket on which a program publishes to any topic and reads all its topics.
//!
//! [`dasf_protocol::link`] describes the frames. The first subscriber of a transport asks for a link
//! in its handshake. A broker that does not offer links takes the socket for that of an ordinary
//! consumer. Then all publishers and subscribers have their own sockets.

mod acknowledgements;
mod handle;
mod orders;
mod pool;
mod receipts;
mod role;
mod state;
mod subscription;
mod unread;

use std::fmt;
use std::sync::Arc;

use dasf_protocol::link::{HEADER, RUN, VERSION};
use dasf_protocol::{Subscription, Topic};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};

use super::reconnect::lost;
use super::{Connection, Dialect, Endpoint, Opened, ReadDeliveries, WriteAcknowledgements};
use super::{connect, consumer};
use crate::backoff::Backoff;
use crate::transport::{ConnectError, Publisher, SubscriberEnds};
pub(crate) use handle::Link;
use handle::Shared;
pub(crate) use pool::LinkPool;
use state::LinkState;
use subscription::NewSubscription;

/// What a link needs to know about its broker.
pub(in crate::transport) trait LinkBroker:
    Clone + fmt::Debug + Send + Sync + 'static
{
    /// The frames of ordinary consumers.
    type Consumer: Dialect<Writer: WriteAcknowledgements, Reader: ReadDeliveries>;

    /// Returns where a topic is published.
    fn producer(&self, topic: &Topic) -> Endpoint;

    /// Returns where a subscription is read.
    fn consumer(&self, subscribing: &Subscribing) -> Endpoint;

    /// Returns the frames of an ordinary consumer.
    fn dialect(&self, subscribing: &Subscribing) -> Self::Consumer;

    /// Returns the ordinary consumer of a socket.
    ///
    /// # Errors
    /// Returns the feature that the broker lacks.
    fn ordinary(
        dialect: &Self::Consumer,
        opened: Opened,
        endpoint: &Endpoint,
    ) -> Result<OrdinaryConsumer<Self>, ConnectError>;

    /// Starts a publisher with its own socket.
    fn publisher(&self, topic: &Topic) -> Publisher;
}

/// An open connection of an ordinary consumer.
type OrdinaryConsumer<B> = Connection<
    <<B as LinkBroker>::Consumer as Dialect>::Writer,
    <<B as LinkBroker>::Consumer as Dialect>::Reader,
>;

/// A topic to read.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Subscribing {
    pub(in crate::transport) topic: Topic,
    pub(in crate::transport) subscription: Subscription,
    /// The parameters of the subscription, as in the query of a consumer's URL.
    pub(in crate::transport) parameters: Vec<(&'static str, String)>,
    /// Whether the subscription is shared by a group.
    pub(in crate::transport) is_shared: bool,
    /// Whether the broker must count the redelivered messages that were begun.
    pub(in crate::transport) limits_deaths: bool,
}

/// The link of a transport, if its broker offers links.
#[derive(Debug)]
pub(crate) struct Links(watch::Sender<Mode>);

/// How a transport reaches its broker.
#[derive(Debug, Clone)]
enum Mode {
    /// No subscriber has connected yet.
    Unknown,
    /// A subscriber asks the broker.
    Asking,
    /// All use one link.
    Link(Arc<Shared>),
    /// Each topic has its own socket.
    Sockets,
}

impl Default for Links {
    fn default() -> Self {
        Self(watch::Sender::new(Mode::Unknown))
    }
}

impl Links {
    /// Returns the link; `None` if the broker offers no links, or no subscriber has connected yet.
    pub(in crate::transport) fn link(&self) -> Option<Link> {
        match &*self.0.borrow() {
            Mode::Link(shared) => Link::new(shared),
            Mode::Unknown | Mode::Asking | Mode::Sockets => None,
        }
    }

    /// Waits until the first subscriber knows whether the broker offers links.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(in crate::transport) async fn known(&self) {
        let mut modes = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = modes.wait_for(|mode| !matches!(mode, Mode::Asking)).await;
    }

    /// Reserves the question for a subscriber that connects next, so that [`known`](Self::known)
    /// waits for its answer.
    pub(in crate::transport) fn reserve(&self) -> bool {
        self.0.send_if_modified(|mode| {
            let is_unknown = match mode {
                Mode::Unknown => true,
                Mode::Link(shared) => shared.has_ended(),
                Mode::Asking | Mode::Sockets => false,
            };
            if is_unknown {
                *mode = Mode::Asking;
            }
            is_unknown
        })
    }

    /// Reads a topic until the handle is dropped: on the link, or on its own socket. `asks` is the
    /// result of [`reserve`](Self::reserve).
    pub(in crate::transport) async fn subscribe<B: LinkBroker>(
        self: Arc<Self>,
        broker: B,
        subscribing: Subscribing,
        mut ends: SubscriberEnds,
        mut asks: bool,
    ) {
        let mut backoff = Backoff::default();
        loop {
            if asks {
                match self.ask(&broker, &subscribing, ends, &mut backoff).await {
                    Some(returned) => ends = returned,
                    None => return,
                }
            } else {
                self.known().await;
                if let Some(link) = self.link() {
                    let new = NewSubscription { subscribing, ends };
                    return link.subscribe(new).await;
                }
                if matches!(*self.0.borrow(), Mode::Sockets) {
                    return read_alone(&broker, subscribing, ends).await;
                }
            }
            asks = self.reserve();
        }
    }

    /// Connects as a consumer, and asks for a link. Returns the ends when that fails and the handle
    /// still lives. Otherwise it serves them to the end.
    async fn ask<B: LinkBroker>(
        self: &Arc<Self>,
        broker: &B,
        subscribing: &Subscribing,
        ends: SubscriberEnds,
        backoff: &mut Backoff,
    ) -> Option<SubscriberEnds> {
        let endpoint = asking_for_link(broker.consumer(subscribing));
        let dialect = broker.dialect(subscribing);
        let opened = tokio::select! {
            opened = connect(&endpoint) => opened,
            () = ends.deliveries.queue.closed() => {
                self.0.send_replace(Mode::Unknown);
                return None;
            }
        };
        let failure = match opened {
            Ok(opened) if agrees(&opened.headers) => {
                let (link, shared) = LinkState::new(broker.clone(), Arc::clone(self));
                self.0.send_replace(Mode::Link(shared));
                link.run(opened, subscribing.clone(), ends).await;
                return None;
            }
            Ok(opened) => match B::ordinary(&dialect, opened, &endpoint) {
                Ok(connection) => {
                    self.0.send_replace(Mode::Sockets);
                    let topic = subscribing.topic.clone();
                    let endpoint = broker.consumer(subscribing);
                    consumer::run(dialect, endpoint, topic, ends, Some(connection)).await;
                    return None;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.0.send_replace(Mode::Unknown);
        let wait = backoff.next();
        lost("consumer", failure, wait, &ends.state);
        tokio::select! {
            () = tokio::time::sleep(wait) => Some(ends),
            () = ends.deliveries.queue.closed() => None,
        }
    }

    /// Records that the broker no longer offers links.
    fn give_up(&self) {
        self.0.send_replace(Mode::Sockets);
    }
}

/// Reads a topic on its own socket.
async fn read_alone<B: LinkBroker>(broker: &B, subscribing: Subscribing, ends: SubscriberEnds) {
    let endpoint = broker.consumer(&subscribing);
    let dialect = broker.dialect(&subscribing);
    consumer::run(dialect, endpoint, subscribing.topic, ends, None).await;
}

/// Adds the question for a link to a handshake.
fn asking_for_link(mut endpoint: Endpoint) -> Endpoint {
    endpoint.refuse_unread();
    let version = HeaderValue::from_static(VERSION);
    endpoint.headers.insert(HEADER, version);
    endpoint
}

/// Returns whether the broker's answer to a handshake agrees to a link.
fn agrees(headers: &HeaderMap) -> bool {
    headers.get(HEADER).is_some_and(|it| it == VERSION)
}

/// Returns in which run the broker is, if it keeps nothing from one to the next.
fn run_of(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(RUN).cloned()
}
