//! A message on its way to the broker, and who gets its outcome.

mod writing;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dasf_protocol::text::printable;
use dasf_protocol::{Properties, Topic};
use smol_str::SmolStr;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use writing::{Backlog, drop_superseded_reports};

/// The reason why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PublishError {
    /// The broker rejected the message.
    #[error("{}", printable(.0))]
    Refused(String),
    /// The broker reports that nobody reads the topic.
    #[error("nobody listens on the topic")]
    NobodyListens,
    /// The connection was lost each time the message was sent, too often to try again.
    #[error(
        "the connection was lost each of the {times} times the message was sent, the last time because of: {}",
        printable(reason)
    )]
    Lost { times: u32, reason: String },
    /// The reader of the topic does not confirm that it has read the earlier messages.
    #[error("the reader of the topic did not read the earlier messages")]
    Unread,
    /// The deadline of the message passed before it was sent.
    #[error("the message could not be sent in time")]
    Expired,
    /// Nobody needs the message any more.
    #[error("nobody waits for the message or its outcome any more")]
    Unawaited,
    /// The connection is closed permanently.
    #[error("the connection is closed")]
    Closed,
}

/// A message to publish.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The payload; empty if the message has none.
    pub(crate) payload: Bytes,
    /// The id of the call, which matches the broker's receipt to the message.
    pub(crate) context: SmolStr,
    /// The routing data.
    pub(crate) properties: Properties,
    /// The time after which the message is useless.
    pub(crate) expires: Option<Instant>,
    /// The time after which nobody waits for the message. Later it is not sent again.
    pub(crate) awaited_until: Option<Instant>,
}

/// A message in the queue of a connection, and the channel for its receipt.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: Outgoing,
    /// A unique number for the message, for a protocol that needs one.
    id: Option<u128>,
    /// When it was last written to a connection.
    written_at: Option<Instant>,
    /// Since when the broker reports that nobody reads its topic.
    unread_since: Option<Instant>,
    /// How often the connection was lost while this was the oldest message without a receipt.
    losses: u32,
    /// The reason of the last loss.
    last_loss: String,
    receipt: Receipt,
}

/// Who gets the outcome of a message.
#[derive(Debug)]
enum Receipt {
    /// Nobody. A failure is logged.
    Unwanted,
    /// The receiver of a channel.
    Channel(oneshot::Sender<Result<(), PublishError>>),
    /// The owner of a call, which needs to know only about a failure.
    Call(Owner),
}

/// The owner of a call. It is also told if the message is dropped without an outcome.
#[derive(Debug)]
struct Owner {
    /// `None` after the outcome.
    owner: Option<Arc<dyn Calls>>,
    /// The context of the call.
    context: u64,
}

impl Owner {
    fn is_awaited(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| owner.is_awaited(self.context))
    }

    fn settle(mut self, outcome: Result<(), PublishError>) {
        let owner = self.owner.take();
        if let (Some(owner), Err(error)) = (owner, outcome) {
            owner.failed(self.context, error);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.failed(self.context, PublishError::Closed);
        }
    }
}

/// Owns calls, and gets the failures of their messages.
pub(crate) trait Calls: fmt::Debug + Send + Sync {
    /// Records that the message of a call is not published.
    fn failed(&self, context: u64, error: PublishError);

    /// Returns whether a call still waits for its response.
    fn is_awaited(&self, context: u64) -> bool;
}

impl Queued {
    /// Returns a message whose outcome nobody waits for.
    pub(super) fn new(message: Outgoing) -> Self {
        Self {
            message,
            id: None,
            written_at: None,
            unread_since: None,
            losses: 0,
            last_loss: String::new(),
            receipt: Receipt::Unwanted,
        }
    }

    /// Returns the message of a call whose owner is told if it is not published.
    pub(super) fn of_call(owner: Arc<dyn Calls>, context: u64, message: Outgoing) -> Self {
        let owner = Some(owner);
        Self {
            receipt: Receipt::Call(Owner { owner, context }),
            ..Self::new(message)
        }
    }

    /// Returns a message, and the channel that receives its receipt.
    pub(crate) fn with_receipt(
        message: Outgoing,
    ) -> (Self, oneshot::Receiver<Result<(), PublishError>>) {
        let (sender, receipt) = oneshot::channel();
        let queued = Self {
            receipt: Receipt::Channel(sender),
            ..Self::new(message)
        };
        (queued, receipt)
    }

    /// Reports the outcome to the sender. If nobody waits for the outcome, a failure is logged.
    pub(crate) fn settle(self, topic: &Topic, outcome: Result<(), PublishError>) {
        match (self.receipt, outcome) {
            (Receipt::Channel(receipt), outcome) => {
                // A sender that is gone does not need the outcome.
                let _ = receipt.send(outcome);
            }
            (Receipt::Call(owner), outcome) => owner.settle(outcome),
            (Receipt::Unwanted, Ok(())) => {}
            (Receipt::Unwanted, Err(error @ PublishError::Unawaited)) => {
                tracing::debug!(
                    topic = topic.as_str(),
                    context = self.message.context.as_str(),
                    error = error.to_string(),
                    "message not sent again"
                );
            }
            (Receipt::Unwanted, Err(error)) => {
                tracing::error!(
                    topic = topic.as_str(),
                    context = self.message.context.as_str(),
                    error = error.to_string(),
                    "message not published"
                );
            }
        }
    }
}
