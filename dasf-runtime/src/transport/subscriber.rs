//! The handle that reads one topic.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{BrokerClock, ConnectError, ConnectionState, Reading, first_attempt};

/// How many received messages wait before the connection is no longer read.
const DELIVERY_CAPACITY: usize = 64;
/// How many acknowledgements wait in the queue before readers must wait.
const ACKNOWLEDGEMENT_CAPACITY: usize = 1024;

/// What a reader tells the broker about a message, with the id of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// The broker need not redeliver the message.
    Positive(MessageId),
    /// The reader begins to work on a redelivered message with a
    /// [`begun_count`](Delivery::begun_count), so that the broker counts this delivery.
    Begun(MessageId),
    /// The message is returned, so that another reader gets it if the broker supports that.
    /// Otherwise it is redelivered when the connection is closed.
    Negative(MessageId),
}

/// A message and its connection.
pub(crate) struct Received {
    pub(crate) delivery: Delivery,
    /// The number of the connection.
    pub(crate) connection: u64,
    /// Whether the broker names the users who send the messages on this connection.
    pub(crate) names_users: bool,
    /// When the message came.
    pub(crate) at: Instant,
}

/// The way of a message through the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transit {
    /// When the message came.
    came: Instant,
    /// How long the broker had it before.
    waited: Duration,
}

impl Transit {
    /// Returns the way of a message that came at this instant, and did not wait.
    pub(crate) fn direct(came: Instant) -> Self {
        let waited = Duration::ZERO;
        Self { came, waited }
    }

    /// Returns when a time is over that began when the broker got the message.
    pub(crate) fn end_of(self, time: Duration) -> Instant {
        self.came + time.saturating_sub(self.waited)
    }
}

/// Processes the messages of a topic in the task of the connection, which acknowledges them.
pub(crate) trait Receive: fmt::Debug + Send + Sync {
    /// Processes a message. It must return at once, because the connection waits.
    fn receive(&self, delivery: Delivery);
}

/// Where the task of a connection passes the messages of a subscriber.
pub(crate) struct Deliveries {
    /// The queue of the handle. It is closed when the handle is dropped.
    pub(crate) queue: mpsc::Sender<Received>,
    /// Gets the messages in place of the queue.
    pub(crate) receiver: Option<Arc<dyn Receive>>,
}

/// Reads one topic. It ends when it and all clones of its [`Acknowledger`] are dropped. Then the
/// pending acknowledgements are sent. If the connection is not a link, it is closed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    deliveries: mpsc::Receiver<Received>,
    acknowledger: Acknowledger,
    state: watch::Receiver<ConnectionState>,
    /// The clock by which the broker tells when it got the messages, if it does so.
    clock: Option<Arc<BrokerClock>>,
    /// The way of the message that was received last.
    transit: Transit,
}

/// The other ends of a subscriber's channels, for the connection's task.
pub(crate) struct SubscriberEnds {
    pub(crate) deliveries: Deliveries,
    pub(crate) acknowledgements: mpsc::Receiver<Given>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Subscriber {
    /// Returns a handle and the channel ends for its task.
    pub(crate) fn new(reading: &Reading) -> (Self, SubscriberEnds) {
        Self::with_capacity(reading, DELIVERY_CAPACITY)
    }

    /// Returns a handle on which so many received messages wait, and the channel ends for its task.
    pub(crate) fn with_capacity(reading: &Reading, capacity: usize) -> (Self, SubscriberEnds) {
        let (delivered, deliveries) = mpsc::channel(capacity);
        let (queue, acknowledgements) = mpsc::channel(ACKNOWLEDGEMENT_CAPACITY);
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        let handle = Self {
            deliveries,
            acknowledger: Acknowledger {
                queue,
                connection: 0,
            },
            state: watched,
            clock: None,
            transit: Transit::direct(Instant::now()),
        };
        let ends = SubscriberEnds {
            deliveries: Deliveries {
                queue: delivered,
                receiver: reading.receiver.clone(),
            },
            acknowledgements,
            state,
        };
        (handle, ends)
    }

    /// Returns a handle that never connects, because of this error.
    pub(crate) fn refused(reading: &Reading, error: ConnectError) -> Self {
        let (handle, ends) = Self::new(reading);
        ends.state
            .send_replace(ConnectionState::Disconnected(error));
        handle
    }

    /// Returns the handle for a broker that tells by this clock when it got the messages.
    pub(crate) fn with_clock(self, clock: &Arc<BrokerClock>) -> Self {
        let clock = Some(Arc::clone(clock));
        Self { clock, ..self }
    }

    /// Returns the state of the connection.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the first attempt to connect has succeeded or failed.
    pub(crate) async fn connected(&mut self) -> Result<(), ConnectError> {
        first_attempt(&mut self.state).await
    }

    /// Returns whether the broker names the users who send the messages, on the connection of now.
    pub(crate) fn names_users(&self) -> bool {
        matches!(
            *self.state.borrow(),
            ConnectionState::Connected {
                names_users: true,
                ..
            }
        )
    }

    /// Returns the next message; `None` when the connection is closed permanently. Its properties name a
    /// user only if the broker has put the name there.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub(crate) async fn receive(&mut self) -> Option<Delivery> {
        let Received {
            mut delivery,
            connection,
            names_users,
            at,
        } = self.deliveries.recv().await?;
        if !names_users {
            remove_users(&mut delivery);
        }
        self.acknowledger.connection = connection;
        let waited = match (&self.clock, delivery.published) {
            (Some(clock), Some(published)) if delivery.waited.is_zero() => {
                clock.waited(published, at)
            }
            _ => delivery.waited,
        };
        self.transit = Transit { came: at, waited };
        Some(delivery)
    }

    /// Returns the way of the message that was received last.
    pub(crate) fn transit(&self) -> Transit {
        self.transit
    }

    /// Acknowledges the message that was received last.
    pub(crate) async fn acknowledge(&self, message_id: MessageId) {
        self.acknowledger
            .send(Acknowledgement::Positive(message_id))
            .await;
    }

    /// Returns the handle through which other code acknowledges the last message.
    pub(crate) fn acknowledger(&self) -> Acknowledger {
        self.acknowledger.clone()
    }

    /// Stops reading, and waits until the pending acknowledgements are sent and the connection is closed
    /// or, on a link, the topic is left. No other code may be able to add an acknowledgement.
    pub(crate) async fn finish(self) {
        let Self {
            deliveries,
            acknowledger,
            mut state,
            ..
        } = self;
        drop((deliveries, acknowledger));
        while state.changed().await.is_ok() {}
    }
}

/// Removes the user whom the sender of a message claims to be.
fn remove_users(delivery: &mut Delivery) {
    for name in [key::USER, key::GROUPS] {
        if delivery.properties.get(name).is_some() {
            delivery.properties = std::mem::take(&mut delivery.properties).without(name);
        }
    }
}

/// Acknowledges the messages of one connection. When that connection is lost, the broker redelivers
/// its messages, perhaps to another reader, so an acknowledgement is no longer needed.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledger {
    queue: mpsc::Sender<Given>,
    connection: u64,
}

/// An acknowledgement on its way to the broker.
pub(crate) struct Given {
    pub(crate) acknowledgement: Acknowledgement,
    /// The connection on which the message came. The acknowledgement is written only there.
    pub(crate) connection: u64,
    /// Notified when the acknowledgement is written.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

impl Acknowledger {
    /// Queues an acknowledgement. It waits only while too many are pending.
    pub(crate) async fn send(&self, acknowledgement: Acknowledgement) {
        let given = Given {
            acknowledgement,
            connection: self.connection,
            written: None,
        };
        // A permanently closed connection cannot carry the acknowledgement. The broker redelivers the
        // message.
        let _ = self.queue.send(given).await;
    }

    /// Queues an acknowledgement and waits until it is written. Returns false if it cannot be written
    /// any more.
    pub(crate) async fn send_and_flush(&self, acknowledgement: Acknowledgement) -> bool {
        let (sender, written) = oneshot::channel();
        let given = Given {
            acknowledgement,
            connection: self.connection,
            written: Some(sender),
        };
        self.queue.send(given).await.is_ok() && written.await.is_ok()
    }
}
