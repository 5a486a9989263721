//! The handle that sends messages to one topic.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::Topic;
use tokio::sync::{mpsc, oneshot, watch};

use super::queued::{Calls, Outgoing, PublishError, Queued};
use super::{ConnectError, ConnectionState, Link, PublisherOptions, first_attempt};

/// How many messages the queue of a connection holds before senders have to wait.
const QUEUE_CAPACITY: usize = 64;

/// Sends messages to one topic. Clones share the connection. If it is not a link, it is closed when the
/// last clone is dropped and the queue is sent.
#[derive(Debug, Clone)]
pub(crate) struct Publisher(Way);

/// How a publisher reaches the broker.
#[derive(Debug, Clone)]
enum Way {
    /// Over its own connection.
    Own {
        queue: mpsc::Sender<Queued>,
        state: watch::Receiver<ConnectionState>,
    },
    /// Over the link of its transport.
    Link {
        link: Link,
        topic: Topic,
        /// How long a message waits without a connection.
        patience: Option<Duration>,
    },
}

/// The other ends of a publisher's channels, for the connection's task.
pub(crate) struct PublisherEnds {
    pub(crate) queue: mpsc::Receiver<Queued>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Publisher {
    /// Returns a handle and the channel ends for its task.
    pub(crate) fn new() -> (Self, PublisherEnds) {
        let (queue, queued) = mpsc::channel(QUEUE_CAPACITY);
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        let way = Way::Own {
            queue,
            state: watched,
        };
        let ends = PublisherEnds {
            queue: queued,
            state,
        };
        (Self(way), ends)
    }

    /// Returns a handle that uses a link. Its topic costs no connection, so it has no keep-alive.
    pub(crate) fn on_link(link: Link, topic: &Topic, options: PublisherOptions) -> Self {
        Self(Way::Link {
            link,
            topic: topic.clone(),
            patience: options.connection_timeout,
        })
    }

    /// Returns the state of the connection.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        match &self.0 {
            Way::Own { state, .. } => state.clone(),
            Way::Link { link, .. } => link.state(),
        }
    }

    /// Waits until the first attempt to connect has succeeded or failed.
    pub(crate) async fn connected(&mut self) -> Result<(), ConnectError> {
        match &mut self.0 {
            Way::Own { state, .. } => first_attempt(state).await,
            Way::Link { link, .. } => first_attempt(&mut link.state()).await,
        }
    }

    /// Passes a message to the connection. It waits only while the queue is full. If the broker
    /// rejects the message, this is logged.
    ///
    /// # Errors
    /// Returns the message if the connection is closed permanently.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message is not sent.
    pub(crate) async fn send(&self, message: Outgoing) -> Result<(), Box<Outgoing>> {
        let sent = self.forward(Queued::new(message)).await;
        sent.map_err(|queued| Box::new(queued.message))
    }

    /// Passes a message with its receipt's channel to the connection, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// Returns it if the connection is closed permanently.
    pub(crate) async fn forward(&self, queued: Queued) -> Result<(), Queued> {
        match &self.0 {
            Way::Own { queue, .. } => match queue.reserve().await {
                Ok(permit) => {
                    permit.send(queued);
                    Ok(())
                }
                Err(_) => Err(queued),
            },
            Way::Link {
                link,
                topic,
                patience,
            } => link.publish(topic, *patience, queued).await,
        }
    }

    /// Passes a message to the connection if its queue has room.
    ///
    /// # Errors
    /// Fails if the queue has no room or the connection is closed permanently.
    pub(crate) fn try_send(&self, message: Outgoing) -> Result<(), ()> {
        match self.try_forward(Queued::new(message)) {
            None => Ok(()),
            Some(_) => Err(()),
        }
    }

    /// Passes a message with its receipt to the connection, as [`try_send`](Self::try_send) does.
    /// Returns it if the queue has no room or the connection is closed permanently.
    fn try_forward(&self, queued: Queued) -> Option<Queued> {
        match &self.0 {
            Way::Own { queue, .. } => match queue.try_reserve() {
                Ok(permit) => {
                    permit.send(queued);
                    None
                }
                Err(_) => Some(queued),
            },
            Way::Link {
                link,
                topic,
                patience,
            } => link.try_publish(topic, *patience, queued),
        }
    }

    /// Passes the message of a call to the connection. `owner` is told if it is not published.
    ///
    /// # Errors
    /// Returns [`PublishError::Closed`] if the connection is closed permanently.
    pub(crate) async fn publish_for(
        &self,
        owner: Arc<dyn Calls>,
        context: u64,
        message: Outgoing,
    ) -> Result<(), PublishError> {
        let sent = self.forward(Queued::of_call(owner, context, message)).await;
        sent.map_err(|_| PublishError::Closed)
    }

    /// Passes the message of a call to the connection, as [`publish_for`](Self::publish_for) does, if
    /// its queue has room. If it has none, `owner` is told that the message is not published.
    ///
    /// # Errors
    /// Returns the payload if the queue has no room.
    pub(crate) fn try_publish_for(
        &self,
        owner: Arc<dyn Calls>,
        context: u64,
        message: Outgoing,
    ) -> Result<(), Bytes> {
        let queued = Queued::of_call(owner, context, message);
        match self.try_forward(queued) {
            None => Ok(()),
            Some(mut queued) => Err(std::mem::take(&mut queued.message.payload)),
        }
    }

    /// Passes a message to the connection. The returned channel receives the broker's receipt.
    ///
    /// # Errors
    /// Returns [`PublishError::Closed`] if the connection is closed permanently.
    pub(crate) async fn publish(
        &self,
        message: Outgoing,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        let (queued, receipt) = Queued::with_receipt(message);
        let sent = self.forward(queued).await;
        sent.map_err(|_| PublishError::Closed)?;
        Ok(receipt)
    }

    /// Returns how often the broker came back without the messages that it had, as far as it tells that.
    pub(crate) fn broker_losses(&self) -> u64 {
        match &self.0 {
            Way::Own { .. } => 0,
            Way::Link { link, .. } => link.broker_losses(),
        }
    }

    /// Returns whether the connection is closed permanently.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.0 {
            Way::Own { queue, .. } => queue.is_closed(),
            Way::Link { link, .. } => link.is_closed(),
        }
    }

    /// Drops this handle, and waits until the queue is sent. Without other handles and without subscribers
    /// on the same connection, it waits until the connection is closed.
    pub(crate) async fn finish(self) {
        match self.0 {
            Way::Own { queue, mut state } => {
                drop(queue);
                while state.changed().await.is_ok() {}
            }
            Way::Link { link, .. } => link.finish().await,
        }
    }
}
