//! The handle that reads one topic.

use dasf_protocol::Delivery;
use tokio::sync::{mpsc, watch};

use super::{ConnectError, ConnectionState, first_attempt};

/// How many messages wait to be read before the connection is not read any more.
const DELIVERY_CAPACITY: usize = 64;
/// How many acknowledgements wait to be written before readers have to wait.
const ACKNOWLEDGEMENT_CAPACITY: usize = 1024;

/// Reads one topic. When it is dropped, the acknowledgements given are still sent, then the
/// connection is closed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    deliveries: mpsc::Receiver<Delivery>,
    acknowledgements: mpsc::Sender<String>,
    state: watch::Receiver<ConnectionState>,
}

/// What a connection's task holds of a subscriber.
pub(crate) struct SubscriberEnds {
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) acknowledgements: mpsc::Receiver<String>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Subscriber {
    /// A handle, and what the task behind it needs.
    pub(crate) fn new() -> (Self, SubscriberEnds) {
        let (delivered, deliveries) = mpsc::channel(DELIVERY_CAPACITY);
        let (acknowledgements, acknowledged) = mpsc::channel(ACKNOWLEDGEMENT_CAPACITY);
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        let handle = Self {
            deliveries,
            acknowledgements,
            state: watched,
        };
        let ends = SubscriberEnds {
            deliveries: delivered,
            acknowledgements: acknowledged,
            state,
        };
        (handle, ends)
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
        self.deliveries.recv().await
    }

    /// Tells the broker that a message need not come again.
    pub(crate) async fn acknowledge(&self, message_id: String) {
        // On a connection closed for good nothing can be acknowledged; the broker will deliver it
        // again.
        let _ = self.acknowledgements.send(message_id).await;
    }

    /// Stops reading, and waits until the acknowledgements given are sent and the connection is
    /// closed.
    pub(crate) async fn finish(self) {
        let Self {
            deliveries,
            acknowledgements,
            mut state,
        } = self;
        drop((deliveries, acknowledgements));
        while state.changed().await.is_ok() {}
    }
}
