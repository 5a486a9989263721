//! A message on its way to the broker, and who gets its outcome.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::text::printable;
use dasf_protocol::{MessageType, Properties, Topic, properties::key};
use smol_str::SmolStr;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::random;

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

/// How often the connection may be lost because of one message. A message that makes the broker
/// drop the connection must not do so again and again.
const MAX_LOSSES: u32 = 4;

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

    /// Returns a unique number for the message. It stays the same when the message is sent again.
    pub(crate) fn id(&mut self) -> u128 {
        *self.id.get_or_insert_with(random::bits)
    }

    /// Returns the message for sending, and records that it is written. A message that may have reached
    /// the broker before gets a property, because a receiver should not run it twice.
    pub(crate) fn mark_written(&mut self) -> &Outgoing {
        if self.written_at.is_some() && self.message.properties.get(key::REPEATED).is_none() {
            let properties = std::mem::take(&mut self.message.properties);
            self.message.properties = properties.with(key::REPEATED, "1");
        }
        self.written_at = Some(Instant::now());
        &self.message
    }

    /// Returns whether the sender waits until the broker has accepted the message.
    pub(crate) fn wants_receipt(&self) -> bool {
        matches!(self.receipt, Receipt::Channel(_))
    }

    /// Returns when the message was last written to a connection.
    pub(crate) fn written_at(&self) -> Option<Instant> {
        self.written_at
    }

    /// Records that nobody reads the topic, so that the message reached nobody. Returns since when this
    /// is so; `None` if the message is of no use later.
    pub(crate) fn is_unread(&mut self, now: Instant) -> Option<Instant> {
        let message_type = self.message.properties.message_type();
        if matches!(
            message_type,
            Some(MessageType::Progress | MessageType::Pong)
        ) {
            return None;
        }
        self.written_at = None;
        Some(*self.unread_since.get_or_insert(now))
    }

    /// Returns whether the message is still of use at this time.
    pub(crate) fn is_useful_at(&self, time: Instant) -> bool {
        self.message.expires.is_none_or(|expires| expires > time)
    }

    /// Records that the connection was lost while this was the oldest message without a receipt.
    pub(crate) fn count_loss(&mut self, reason: &str) {
        self.losses += 1;
        reason.clone_into(&mut self.last_loss);
    }

    /// Returns why the message must not be sent (again); `None` if it may be sent. `has_waited` means
    /// that the message may have waited so long that nobody needs it any more.
    pub(crate) fn obstacle(&self, now: Instant, has_waited: bool) -> Option<PublishError> {
        let is_repeated = self.written_at.is_some() || self.unread_since.is_some();
        if self.message.expires.is_some_and(|expires| expires <= now) {
            Some(PublishError::Expired)
        } else if (is_repeated && self.is_late(now))
            || ((has_waited || is_repeated) && !self.is_awaited())
        {
            Some(PublishError::Unawaited)
        } else if self.losses >= MAX_LOSSES {
            Some(PublishError::Lost {
                times: self.losses,
                reason: self.last_loss.clone(),
            })
        } else {
            None
        }
    }

    /// Returns whether nobody waits for the message any more.
    fn is_late(&self, now: Instant) -> bool {
        let until = self.message.awaited_until;
        until.is_some_and(|until| until <= now)
    }

    /// Returns whether the owner of the call still waits for its response, or the sender for the
    /// receipt.
    fn is_awaited(&self) -> bool {
        match &self.receipt {
            Receipt::Unwanted => true,
            Receipt::Channel(receipt) => !receipt.is_closed(),
            Receipt::Call(owner) => owner.is_awaited(),
        }
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

/// Removes the progress reports after which the queue has another report or the response of the same
/// call: each report contains the whole state. Without a topic, a message is for the only topic of the
/// queue.
pub(crate) fn drop_superseded_reports<T>(
    queue: &mut VecDeque<T>,
    message: impl Fn(&T) -> Option<(Option<&Topic>, &Queued)>,
) {
    let mut followed = HashSet::new();
    let mut is_superseded = VecDeque::with_capacity(queue.len());
    for (topic, queued) in queue.iter().rev().map(&message).map(Option::unzip) {
        let (Some(topic), Some(Queued { message, .. })) = (topic, queued) else {
            is_superseded.push_front(false);
            continue;
        };
        let call = (topic, message.context.as_str());
        let message_type = message.properties.message_type();
        is_superseded.push_front(match message_type {
            Some(MessageType::Progress) => !followed.insert(call),
            Some(MessageType::Response) => {
                followed.insert(call);
                false
            }
            _ => false,
        });
    }
    queue.retain(|_| !is_superseded.pop_front().unwrap_or_default());
}

/// How long messages may wait for a connection before it asks whether somebody still needs them.
const LONG_WAIT: Duration = Duration::from_millis(10);

/// Knows whether the messages in a queue may have waited for long. To ask the owner of every message
/// whether it is still needed would make all of them slower.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// When the queue was last empty.
    empty_at: Instant,
}

impl Backlog {
    /// Returns the state of a queue that was empty at this time.
    pub(crate) fn since(empty_at: Instant) -> Self {
        Self { empty_at }
    }

    /// Records that the queue is empty.
    pub(crate) fn ends(&mut self, now: Instant) {
        self.empty_at = now;
    }

    /// Returns whether a message in the queue may have waited for long.
    pub(crate) fn is_long(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.empty_at) >= LONG_WAIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_whose_receipt_nobody_awaits_is_not_written_again() {
        let (mut queued, receipt) = Queued::with_receipt(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new(),
            expires: None,
            awaited_until: None,
        });
        let now = Instant::now();
        assert_eq!(queued.obstacle(now, true), None);
        drop(receipt);
        assert_eq!(queued.obstacle(now, false), None);
        let unawaited = Some(PublishError::Unawaited);
        assert_eq!(queued.obstacle(now, true), unawaited);
        queued.mark_written();
        assert_eq!(queued.obstacle(now, false), unawaited);
    }

    #[test]
    fn a_message_is_not_written_again_when_nobody_waits_for_it() {
        let until = Instant::now();
        let before = until.checked_sub(LONG_WAIT).unwrap();
        let mut queued = Queued::new(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new(),
            expires: None,
            awaited_until: Some(until),
        });
        assert_eq!(queued.obstacle(before, true), None);
        // Even if it is late, its reader may still take it.
        assert_eq!(queued.obstacle(until, true), None);
        queued.mark_written();
        assert_eq!(queued.obstacle(before, false), None);
        assert_eq!(queued.obstacle(until, false), Some(PublishError::Unawaited));
    }

    #[test]
    fn a_report_is_superseded_by_the_next_message_of_its_call() {
        let [a, b]: [Topic; 2] = ["a", "b"].map(|topic| topic.parse().unwrap());
        let message = |topic: &Topic, context: &str, message_type| {
            let queued = Queued::new(Outgoing {
                payload: Bytes::new(),
                context: context.into(),
                properties: Properties::new().with_message_type(message_type),
                expires: None,
                awaited_until: None,
            });
            (topic.clone(), queued)
        };
        let report = || MessageType::Progress;
        let response = || MessageType::Response;
        let mut queue = VecDeque::from([
            message(&a, "1", report()),
            message(&a, "2", report()),
            message(&b, "1", report()),
            message(&a, "1", report()),
            message(&a, "1", response()),
            message(&a, "1", response()),
            message(&b, "1", report()),
            message(&a, "1", MessageType::Pong),
        ]);
        drop_superseded_reports(&mut queue, |(topic, queued)| Some((Some(topic), queued)));
        let left: Vec<_> = queue
            .iter()
            .map(|(topic, queued)| {
                let Outgoing {
                    context,
                    properties,
                    ..
                } = &queued.message;
                (topic, context.as_str(), properties.message_type().unwrap())
            })
            .collect();
        let expected = [
            (&a, "2", report()),
            (&a, "1", response()),
            (&a, "1", response()),
            (&b, "1", report()),
            (&a, "1", MessageType::Pong),
        ];
        assert_eq!(left, expected);
    }
}
