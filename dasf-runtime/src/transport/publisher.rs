//! The handle that sends messages to one topic.

use dasf_protocol::{Properties, Topic, properties::key};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{ConnectError, ConnectionState, first_attempt};
use crate::random;

/// How many messages wait for a connection's task before senders have to wait.
const QUEUE_CAPACITY: usize = 64;

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PublishError {
    /// The broker answered that it does not take the message.
    #[error("{0}")]
    Refused(String),
    /// The broker says that nobody reads the topic.
    #[error("nobody listens to the topic")]
    NobodyListens,
    /// The connection was lost over it, too often to try again.
    #[error(
        "the connection was lost each of the {times} times it was sent, the last time with: {reason}"
    )]
    Lost { times: u32, reason: String },
    /// The reader of the topic does not say that it has read what was sent before.
    #[error("the reader of the topic did not read what was sent to it before")]
    Unread,
    /// It was not sent before its time was over.
    #[error("it could not be sent in time")]
    Expired,
    /// The connection is closed for good.
    #[error("the connection is closed")]
    Closed,
}

/// A message to publish.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The payload in base64.
    pub(crate) payload: String,
    /// The call's id; pairs the broker's receipt with the message.
    pub(crate) context: String,
    /// The routing data.
    pub(crate) properties: Properties,
    /// When sending it makes no sense any more.
    pub(crate) expires: Option<Instant>,
}

/// A message in a connection's queue, with the one who waits for its receipt.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: Outgoing,
    /// A unique number for the message, for a protocol that needs one.
    id: Option<u128>,
    /// When it was last written to a connection.
    written_at: Option<Instant>,
    /// How often the connection was lost while it was the oldest without a receipt.
    losses: u32,
    /// Why it was lost the last time.
    last_loss: String,
    receipt: Option<oneshot::Sender<Result<(), PublishError>>>,
}

/// How often the connection may be lost over a message: one that itself makes the broker drop the
/// connection must not do so for ever.
const MAX_LOSSES: u32 = 4;

impl Queued {
    fn new(message: Outgoing) -> Self {
        Self {
            message,
            id: None,
            written_at: None,
            losses: 0,
            last_loss: String::new(),
            receipt: None,
        }
    }

    /// A unique number for the message, which stays the same when the message is written again.
    pub(crate) fn id(&mut self) -> u128 {
        *self.id.get_or_insert_with(random::bits)
    }

    /// The message, which is written now. One that may have reached the broker before says so,
    /// because a receiver should not run it twice.
    pub(crate) fn written(&mut self) -> &Outgoing {
        if self.written_at.is_some() && self.message.properties.get(key::REPEATED).is_none() {
            let properties = std::mem::take(&mut self.message.properties);
            self.message.properties = properties.with(key::REPEATED, "1");
        }
        self.written_at = Some(Instant::now());
        &self.message
    }

    /// When it was last written to a connection.
    pub(crate) fn written_at(&self) -> Option<Instant> {
        self.written_at
    }

    /// Notes that the connection was lost while this was the oldest message without a receipt, and
    /// why.
    pub(crate) fn count_loss(&mut self, reason: &str) {
        self.losses += 1;
        reason.clone_into(&mut self.last_loss);
    }

    /// Why it must not be written (again), if so.
    pub(crate) fn obstacle(&self, now: Instant) -> Option<PublishError> {
        if self.message.expires.is_some_and(|expires| expires <= now) {
            Some(PublishError::Expired)
        } else if self.losses >= MAX_LOSSES {
            Some(PublishError::Lost {
                times: self.losses,
                reason: self.last_loss.clone(),
            })
        } else {
            None
        }
    }

    /// Tells the outcome to the one who waits for it; a failure that nobody waits for is logged.
    pub(crate) fn settle(self, topic: &Topic, outcome: Result<(), PublishError>) {
        let context = &self.message.context;
        match (self.receipt, outcome) {
            (Some(receipt), outcome) => {
                // A caller that left in the meantime does not need to know.
                let _ = receipt.send(outcome);
            }
            (None, Ok(())) => {}
            (None, Err(error)) => {
                tracing::error!(%topic, context, %error, "message not published");
            }
        }
    }
}

/// Sends messages to one topic. Clones share the connection; it is closed when the last one is
/// dropped and everything queued is sent.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    queue: mpsc::Sender<Queued>,
    state: watch::Receiver<ConnectionState>,
}

/// What a connection's task holds of a publisher.
pub(crate) struct PublisherEnds {
    pub(crate) queue: mpsc::Receiver<Queued>,
    pub(crate) state: watch::Sender<ConnectionState>,
}

impl Publisher {
    /// A handle, and what the task behind it needs.
    pub(crate) fn new() -> (Self, PublisherEnds) {
        let (queue, queued) = mpsc::channel(QUEUE_CAPACITY);
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        (
            Self {
                queue,
                state: watched,
            },
            PublisherEnds {
                queue: queued,
                state,
            },
        )
    }

    /// Where the connection stands.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the first attempt to connect has succeeded or failed.
    pub(crate) async fn connected(&mut self) -> Result<(), ConnectError> {
        first_attempt(&mut self.state).await
    }

    /// Hands a message to the connection, and waits only while its queue is full. A refusal is
    /// logged.
    ///
    /// # Errors
    /// The message, when the connection is closed for good.
    ///
    /// # Cancel safety
    /// When dropped, the message is not sent.
    pub(crate) async fn send(&self, message: Outgoing) -> Result<(), Box<Outgoing>> {
        let sent = self.queue.send(Queued::new(message)).await;
        sent.map_err(|error| Box::new(error.0.message))
    }

    /// Hands a message to the connection if its queue has room.
    ///
    /// # Errors
    /// When it has none, or the connection is closed for good.
    pub(crate) fn try_send(&self, message: Outgoing) -> Result<(), ()> {
        self.queue.try_send(Queued::new(message)).map_err(|_| ())
    }

    /// Hands a message to the connection; what is returned resolves to the broker's answer.
    ///
    /// # Errors
    /// [`PublishError::Closed`] when the connection is closed for good.
    pub(crate) async fn publish(
        &self,
        message: Outgoing,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        let (sender, receipt) = oneshot::channel();
        let queued = Queued {
            receipt: Some(sender),
            ..Queued::new(message)
        };
        self.queue
            .send(queued)
            .await
            .map_err(|_| PublishError::Closed)?;
        Ok(receipt)
    }

    /// Whether the connection is closed for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Gives this handle up, and waits until everything queued is sent and the connection is
    /// closed, provided that no other handle keeps it.
    pub(crate) async fn finish(self) {
        let Self { queue, mut state } = self;
        drop(queue);
        while state.changed().await.is_ok() {}
    }
}
