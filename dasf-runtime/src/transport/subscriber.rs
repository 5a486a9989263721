//! The handle that reads one topic.

use dasf_protocol::Delivery;
use tokio::sync::{mpsc, oneshot, watch};

use super::{ConnectError, ConnectionState, first_attempt};

/// How many messages wait to be read before the connection is not read any more.
const DELIVERY_CAPACITY: usize = 64;
/// How many verdicts wait to be written before readers have to wait.
const VERDICT_CAPACITY: usize = 1024;

/// What a reader tells the broker of a message, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It need not come again.
    Done(String),
    /// Another reader should have it, where the broker can see to that. Otherwise it comes again
    /// when the connection is closed.
    GivenBack(String),
}

/// A message, and the number of the connection on which it came.
pub(crate) struct Received {
    pub(crate) delivery: Delivery,
    pub(crate) connection: u64,
}

/// Reads one topic. When it is dropped, and all that was cloned of its [`Verdicts`], the verdicts
/// given are still sent, then the connection is closed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    deliveries: mpsc::Receiver<Received>,
    verdicts: Verdicts,
    state: watch::Receiver<ConnectionState>,
}

/// What a connection's task holds of a subscriber.
pub(crate) struct SubscriberEnds {
    pub(crate) deliveries: mpsc::Sender<Received>,
    pub(crate) verdicts: mpsc::Receiver<Given>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Subscriber {
    /// A handle, and what the task behind it needs.
    pub(crate) fn new() -> (Self, SubscriberEnds) {
        let (delivered, deliveries) = mpsc::channel(DELIVERY_CAPACITY);
        let (verdicts, given) = mpsc::channel(VERDICT_CAPACITY);
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        let handle = Self {
            deliveries,
            verdicts: Verdicts {
                queue: verdicts,
                connection: 0,
            },
            state: watched,
        };
        let ends = SubscriberEnds {
            deliveries: delivered,
            verdicts: given,
            state,
        };
        (handle, ends)
    }

    /// A handle whose connection is never made.
    pub(crate) fn refused(error: ConnectError) -> Self {
        let (handle, ends) = Self::new();
        ends.state
            .send_replace(ConnectionState::Disconnected(error));
        handle
    }

    /// Where the connection stands.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the first attempt to connect has succeeded or failed.
    pub(crate) async fn connected(&mut self) -> Result<(), ConnectError> {
        first_attempt(&mut self.state).await
    }

    /// The next message; `None` when the connection is closed for good.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub(crate) async fn receive(&mut self) -> Option<Delivery> {
        let Received {
            delivery,
            connection,
        } = self.deliveries.recv().await?;
        self.verdicts.connection = connection;
        Some(delivery)
    }

    /// Tells the broker that the message received last need not come again.
    pub(crate) async fn acknowledge(&self, message_id: String) {
        self.verdicts.give(Verdict::Done(message_id)).await;
    }

    /// By which others tell the broker of the message received last.
    pub(crate) fn verdicts(&self) -> Verdicts {
        self.verdicts.clone()
    }

    /// Stops reading, and waits until the verdicts given are sent and the connection is closed,
    /// provided that nobody else can give one.
    pub(crate) async fn finish(self) {
        let Self {
            deliveries,
            verdicts,
            mut state,
        } = self;
        drop((deliveries, verdicts));
        while state.changed().await.is_ok() {}
    }
}

/// Tells the broker of messages that a [`Subscriber`] read on one connection. When that is lost, the
/// messages come again, perhaps to another reader, so that there is nothing to tell any more.
#[derive(Debug, Clone)]
pub(crate) struct Verdicts {
    queue: mpsc::Sender<Given>,
    connection: u64,
}

/// A verdict on its way to the broker.
pub(crate) struct Given {
    pub(crate) verdict: Verdict,
    /// The connection on which its message came, and on which alone it is written.
    pub(crate) connection: u64,
    /// Hears when it is written.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

impl Verdicts {
    /// Waits only while too many are to be written.
    pub(crate) async fn give(&self, verdict: Verdict) {
        let given = Given {
            verdict,
            connection: self.connection,
            written: None,
        };
        // On a connection closed for good nothing can be said; the broker will deliver the message
        // again.
        let _ = self.queue.send(given).await;
    }

    /// Waits until it is written, or cannot be written any more: then this is false.
    pub(crate) async fn give_and_write(&self, verdict: Verdict) -> bool {
        let (sender, written) = oneshot::channel();
        let given = Given {
            verdict,
            connection: self.connection,
            written: Some(sender),
        };
        self.queue.send(given).await.is_ok() && written.await.is_ok()
    }
}
