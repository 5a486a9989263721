//! The handle that reads one topic.

use dasf_protocol::Delivery;
use tokio::sync::{mpsc, oneshot, watch};

use super::{ConnectError, ConnectionState, first_attempt};

/// How many received messages wait before the connection is no longer read.
const DELIVERY_CAPACITY: usize = 64;
/// How many verdicts wait in the queue before readers must wait.
const VERDICT_CAPACITY: usize = 1024;

/// The reader's verdict on a message, with the id of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The message is acknowledged and need not be redelivered.
    Done(String),
    /// The message is returned, so that another reader gets it if the broker supports that.
    /// Otherwise it is redelivered when the connection is closed.
    GivenBack(String),
}

/// A message and the number of its connection.
pub(crate) struct Received {
    pub(crate) delivery: Delivery,
    pub(crate) connection: u64,
}

/// Reads one topic. It ends when it and all clones of its [`Verdicts`] are dropped. Then the
/// pending verdicts are sent and the connection is closed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    deliveries: mpsc::Receiver<Received>,
    verdicts: Verdicts,
    state: watch::Receiver<ConnectionState>,
}

/// The other ends of a subscriber's channels, for the connection's task.
pub(crate) struct SubscriberEnds {
    pub(crate) deliveries: mpsc::Sender<Received>,
    pub(crate) verdicts: mpsc::Receiver<Given>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Subscriber {
    /// Returns a handle and the channel ends for its task.
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

    /// Returns a handle that never connects, because of this error.
    pub(crate) fn refused(error: ConnectError) -> Self {
        let (handle, ends) = Self::new();
        ends.state
            .send_replace(ConnectionState::Disconnected(error));
        handle
    }

    /// Returns the state of the connection.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the first attempt to connect has succeeded or failed.
    pub(crate) async fn connected(&mut self) -> Result<(), ConnectError> {
        first_attempt(&mut self.state).await
    }

    /// Returns the next message; `None` when the connection is closed permanently.
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

    /// Acknowledges the message that was received last.
    pub(crate) async fn acknowledge(&self, message_id: String) {
        self.verdicts.give(Verdict::Done(message_id)).await;
    }

    /// Returns the handle through which other code gives a verdict on the last message.
    pub(crate) fn verdicts(&self) -> Verdicts {
        self.verdicts.clone()
    }

    /// Stops reading, and waits until the pending verdicts are sent and the connection is closed,
    /// provided that no other code can give one.
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

/// Gives the broker verdicts on the messages of one connection. When that connection is lost, the
/// broker redelivers its messages, perhaps to another reader, so a verdict is no longer needed.
#[derive(Debug, Clone)]
pub(crate) struct Verdicts {
    queue: mpsc::Sender<Given>,
    connection: u64,
}

/// A verdict on its way to the broker.
pub(crate) struct Given {
    pub(crate) verdict: Verdict,
    /// The connection on which the message came. The verdict is written only there.
    pub(crate) connection: u64,
    /// Notified when the verdict is written.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

impl Verdicts {
    /// Gives a verdict. It waits only while too many are pending.
    pub(crate) async fn give(&self, verdict: Verdict) {
        let given = Given {
            verdict,
            connection: self.connection,
            written: None,
        };
        // A permanently closed connection cannot carry the verdict. The broker redelivers the
        // message.
        let _ = self.queue.send(given).await;
    }

    /// Gives a verdict and waits until it is written. Returns false if it cannot be written any
    /// more.
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
