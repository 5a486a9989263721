//! The handle that sends messages to one topic.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::text::printable;
use dasf_protocol::{MessageType, Properties, Topic, properties::key};
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{ConnectError, ConnectionState, Link, PublisherOptions, first_attempt};
use crate::random;

/// How many messages the queue of a connection holds before senders have to wait.
const QUEUE_CAPACITY: usize = 64;

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
    #[error("nobody waits for the outcome of the message any more")]
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
    fn new(message: Outgoing) -> Self {
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
    fn of_call(owner: Arc<dyn Calls>, context: u64, message: Outgoing) -> Self {
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

    /// Returns the message for sending. A message that may have reached the broker before is
    /// marked, because a receiver should not run it twice.
    pub(crate) fn written(&mut self) -> &Outgoing {
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
        if self.message.expires.is_some_and(|expires| expires <= now) {
            Some(PublishError::Expired)
        } else if (has_waited || self.written_at.is_some() || self.unread_since.is_some())
            && !self.is_awaited()
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

/// Sends messages to one topic. Clones share the connection. It is closed when the last clone is
/// dropped and the queue is sent.
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

    /// Drops this handle, and waits until the queue is sent. Without other handles, it waits until
    /// the connection is closed.
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
        });
        let now = Instant::now();
        assert_eq!(queued.obstacle(now, true), None);
        drop(receipt);
        assert_eq!(queued.obstacle(now, false), None);
        let unawaited = Some(PublishError::Unawaited);
        assert_eq!(queued.obstacle(now, true), unawaited);
        queued.written();
        assert_eq!(queued.obstacle(now, false), unawaited);
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
