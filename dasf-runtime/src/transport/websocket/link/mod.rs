//! Links: one WebSocket on which a program publishes to any topic and reads all its topics.
//!
//! [`dasf_protocol::link`] describes the frames. The first subscriber of a transport asks for a link
//! in its handshake. A broker that does not offer links takes the socket for that of an ordinary
//! consumer. Then all publishers and subscribers have their own sockets.

mod exchange;
mod pool;
mod receipts;
mod role;
mod subscription;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dasf_protocol::link::{HEADER, RUN, VERSION};
use dasf_protocol::{Subscription, Topic};
use futures_util::task::AtomicWaker;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};

use super::reconnect::lost;
use super::{Connection, Dialect, Endpoint, Opened, ReadDeliveries, WriteAcknowledgements};
use super::{connect, consumer};
use crate::backoff::Backoff;
use crate::transport::{ConnectError, ConnectionState, Publisher, Queued, SubscriberEnds};
use exchange::Exchange;
pub(crate) use pool::LinkPool;
use subscription::NewSubscription;

/// How many messages the queue of a link holds before senders have to wait.
const QUEUE_CAPACITY: usize = 256;

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
    pub(in crate::transport) limits_redeliveries: bool,
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
                let (exchange, shared) = Exchange::new(broker.clone(), Arc::clone(self));
                self.0.send_replace(Mode::Link(shared));
                exchange.run(opened, subscribing.clone(), ends).await;
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

/// A handle to a link. The link stays open as long as there are handles, or subscribers that use it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Handle>);

/// Counts as one handle of a link.
struct Handle(Arc<Shared>);

/// The part of a link that handles and its task share.
pub(in crate::transport) struct Shared {
    queue: mpsc::Sender<Order>,
    state: watch::Sender<ConnectionState>,
    users: Mutex<Users>,
    /// Whether the broker no longer offers links. Then the link only forwards what existing handles
    /// publish.
    is_replaced: AtomicBool,
    /// How often the broker came back without the messages that it had.
    broker_losses: AtomicU64,
    /// Wakes the task when the last handle is dropped.
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Users {
    handles: usize,
    /// Whether the task has ended, so that there can be no more handles.
    has_ended: bool,
}

/// An order to the task of a link.
enum Order {
    /// Publish a message.
    Publish(Box<Addressed>),
    /// Notify when all earlier messages have receipts.
    Flush(oneshot::Sender<()>),
    /// Read a topic.
    Subscribe(Box<NewSubscription>),
}

/// A message and its topic.
struct Addressed {
    topic: Topic,
    queued: Queued,
    /// How long the message waits without a connection; `None` means without end.
    patience: Option<Duration>,
}

impl Shared {
    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.users().has_ended
    }

    /// Returns whether the link has no handles.
    fn is_unused(&self) -> bool {
        self.users().handles == 0
    }

    /// Ends the link if it has no handles and no orders.
    fn try_end(&self, queue: &mpsc::Receiver<Order>) -> bool {
        let mut users = self.users();
        // Messages and subscriptions come only from handles, so none can come after this. What waits for
        // earlier messages is notified when the queue is dropped.
        users.has_ended = users.handles == 0 && queue.is_empty();
        users.has_ended
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("state", &*self.state.borrow())
            .field("users", &*self.users())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.0.0).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut users = self.0.users();
        users.handles -= 1;
        if users.handles == 0 {
            drop(users);
            self.0.waker.wake();
        }
    }
}

impl Link {
    /// Returns a new handle; `None` if the link has ended or is replaced.
    fn new(shared: &Arc<Shared>) -> Option<Self> {
        if shared.is_replaced.load(Ordering::Relaxed) {
            return None;
        }
        let mut users = shared.users();
        if users.has_ended {
            return None;
        }
        users.handles += 1;
        Some(Self(Arc::new(Handle(Arc::clone(shared)))))
    }

    fn queue(&self) -> &mpsc::Sender<Order> {
        &self.0.0.queue
    }

    /// Returns the state of the connection.
    pub(in crate::transport) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.0.0.state.subscribe()
    }

    /// Returns whether the broker no longer offers links, so that a new publisher needs its own
    /// connection.
    pub(crate) fn is_replaced(&self) -> bool {
        self.0.0.is_replaced.load(Ordering::Relaxed)
    }

    /// Returns how often the broker came back without the messages that it had.
    pub(in crate::transport) fn broker_losses(&self) -> u64 {
        self.0.0.broker_losses.load(Ordering::Relaxed)
    }

    /// Returns whether the task has ended.
    pub(in crate::transport) fn is_closed(&self) -> bool {
        self.queue().is_closed()
    }

    /// Queues a message. It waits only while the queue is full.
    ///
    /// # Errors
    /// Returns the message if the link has ended.
    pub(in crate::transport) async fn publish(
        &self,
        topic: &Topic,
        patience: Option<Duration>,
        queued: Queued,
    ) -> Result<(), Queued> {
        match self.queue().reserve().await {
            Ok(permit) => {
                permit.send(Order::publish(topic, patience, queued));
                Ok(())
            }
            Err(_) => Err(queued),
        }
    }

    /// Queues a message if the queue has room. Returns the message if it has none or the link has
    /// ended.
    pub(in crate::transport) fn try_publish(
        &self,
        topic: &Topic,
        patience: Option<Duration>,
        queued: Queued,
    ) -> Option<Queued> {
        match self.queue().try_reserve() {
            Ok(permit) => {
                permit.send(Order::publish(topic, patience, queued));
                None
            }
            Err(_) => Some(queued),
        }
    }

    async fn subscribe(self, new: NewSubscription) {
        // It fails only if the task ended with its runtime.
        let _ = self.queue().send(Order::Subscribe(Box::new(new))).await;
    }

    /// Drops this handle, and waits until all earlier messages have receipts. Without other handles
    /// and subscribers, it waits until the link is closed.
    pub(crate) async fn finish(self) {
        let shared = Arc::clone(&self.0.0);
        // The handle goes first, so that the task sees whether it was the last one. If the task ends
        // now, everything is sent.
        drop(self);
        let (sender, flushed) = oneshot::channel();
        if shared.queue.send(Order::Flush(sender)).await.is_ok() {
            // The sender is dropped when the link is closed.
            let _ = flushed.await;
        }
    }
}

impl Order {
    fn publish(topic: &Topic, patience: Option<Duration>, queued: Queued) -> Self {
        Self::Publish(Box::new(Addressed {
            topic: topic.clone(),
            queued,
            patience,
        }))
    }
}
