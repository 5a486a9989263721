//! The messages that a broker keeps on the topic of an answer, also while nobody reads it.

mod few;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageId, MessageType, Properties};
use futures_util::stream::{BoxStream, StreamExt};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::{ConnectError, ConnectionState, Outgoing, PublishError, Publisher, Subscriber};
use crate::random;
use few::FewMessages;

/// How a broker keeps the messages of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// How long it keeps them after their last use; `None` if that is the matter of its operator.
    pub(crate) retention: Option<Duration>,
    /// Whether callers can send notes to the topic.
    pub(crate) takes_notes: bool,
}

/// What a broker tells in its answer to the handshake of a reader whose topic may hold messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// How long the topic holds its messages after their last use; zero if it holds none.
    pub(crate) retention: Duration,
    /// The number of messages that the reader gets first; `None` if the topic held none before.
    pub(crate) messages: Option<usize>,
}

/// How a reader knows that it has all messages that were kept before.
#[derive(Debug)]
enum End {
    /// After so many messages.
    After(usize),
    /// When its own note comes.
    Note(Note),
    /// When nothing has come for a while.
    Silence,
    /// It has them.
    Reached,
}

/// A note that a reader sends to the topic.
#[derive(Debug)]
struct Note {
    text: String,
    /// The receipt of the broker, until it has come.
    receipt: Option<oneshot::Receiver<Result<(), PublishError>>>,
}

/// How the messages stay at the broker after a reader has got them.
#[derive(Debug)]
enum Stay {
    /// They stay in any case.
    Always,
    /// They stay as long as they are not acknowledged.
    Unacknowledged,
    /// The same, and the broker sends only a few of them without an acknowledgement.
    Few(FewMessages),
}

/// How often the first connection to a session may be lost. A session has one reader, and another one may take it
/// away just then.
const MAX_TAKEN: usize = 10;

/// A broker that does not tell how many messages it has sends them without a pause of this length.
const SILENCE: Duration = Duration::from_secs(1);

/// Reads the messages that a broker keeps on a topic, and then those that come. They stay there.
#[derive(Debug)]
pub(crate) struct KeptMessages {
    subscriber: Subscriber,
    state: watch::Receiver<ConnectionState>,
    end: End,
    stay: Stay,
    /// Whether the broker knows that it keeps messages of the topic; `None` if it does not tell.
    exists: Option<bool>,
    /// A message that is not acknowledged yet.
    received: Option<Delivery>,
    /// Reads large answers that the broker keeps apart.
    parts: Option<PartReader>,
}

/// The fragments of a large answer that the broker keeps apart from the other messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The id of the answer.
    pub(crate) id: String,
    pub(crate) count: usize,
}

impl Parts {
    /// Returns the fragments to which one of them belongs.
    pub(crate) fn with_part(properties: &Properties) -> Option<Self> {
        let count = usize::try_from(properties.integer(key::PARTS)?).ok()?;
        let id = properties.text(key::ANSWER)?.to_owned();
        Some(Self { id, count })
    }

    /// Returns the properties of the message that tells of these fragments.
    pub(crate) fn told_in(&self, properties: Properties) -> Properties {
        properties
            .with(key::PARTS, self.count)
            .with(key::ANSWER, self.id.as_str())
    }

    /// Returns the fragments of which a message tells. A message that is a fragment itself tells of none.
    pub(crate) fn of(properties: &Properties) -> Option<Self> {
        let is_fragment = properties.get(key::FRAGMENT).is_some();
        Self::with_part(properties).filter(|_| !is_fragment)
    }
}

/// Reads the fragments of which messages tell.
struct PartReader {
    open: Box<dyn Fn(Parts) -> PartStream + Send>,
    /// The fragments that come now.
    coming: Option<PartStream>,
}

type PartStream = BoxStream<'static, Result<Delivery, ConnectError>>;

impl fmt::Debug for PartReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_reading = self.coming.is_some();
        f.debug_struct("PartReader")
            .field("is_reading", &is_reading)
            .finish_non_exhaustive()
    }
}

impl PartReader {
    /// Returns what comes next of the fragments, if there are some.
    async fn next(&mut self) -> Option<KeptEvent> {
        match self.coming.as_mut()?.next().await {
            Some(Ok(delivery)) => Some(KeptEvent::Message(delivery)),
            Some(Err(error)) => {
                self.coming = None;
                Some(KeptEvent::Unreadable(error))
            }
            None => {
                self.coming = None;
                None
            }
        }
    }
}

/// What a reader of kept messages gets next.
#[derive(Debug)]
pub(crate) enum KeptEvent {
    Message(Delivery),
    /// A part of a large answer cannot be read.
    Unreadable(ConnectError),
    /// All messages that were kept before have come.
    CaughtUp,
}

impl KeptMessages {
    /// Returns the messages of a topic at a broker that holds them, or at one that keeps what is not
    /// acknowledged.
    pub(super) async fn held_or_unacknowledged(
        mut subscriber: Subscriber,
    ) -> Result<Self, ConnectError> {
        subscriber.connected().await?;
        Ok(match hold_of(&subscriber) {
            Some(hold) => Self::held(subscriber, hold),
            None => Self::new(subscriber, End::Silence, Stay::Unacknowledged),
        })
    }

    /// Returns the messages of a topic at a broker that holds them, or at one that keeps what another reader
    /// has not acknowledged. The publisher sends a note to the topic. If the broker does not accept it, the reader waits
    /// for a silence.
    pub(super) async fn held_or_until_note(
        mut subscriber: Subscriber,
        publisher: impl FnOnce() -> Publisher,
    ) -> Result<Self, ConnectError> {
        subscriber.connected().await?;
        if let Some(hold) = hold_of(&subscriber) {
            return Ok(Self::held(subscriber, hold));
        }
        let note = random::name();
        let properties = Properties::new()
            .with_message_type(MessageType::Job)
            .with(key::READER, note.as_str());
        let message = Outgoing {
            payload: Bytes::new(),
            context: note.as_str().into(),
            properties,
            expires: None,
            awaited_until: None,
        };
        let mut publisher = publisher();
        // A program may have the right to read the topic, but not to publish there.
        let sent = match publisher.connected().await {
            Ok(()) => publisher.publish(message).await.ok(),
            Err(_) => None,
        };
        let end = match sent {
            Some(receipt) => End::Note(Note {
                text: note,
                receipt: Some(receipt),
            }),
            None => End::Silence,
        };
        Ok(Self::new(subscriber, end, Stay::Always))
    }

    /// Returns the messages of a topic that are in a session of the broker. `parts` reads the fragments of a large
    /// answer.
    pub(super) async fn in_session(
        subscriber: Subscriber,
        parts: impl Fn(Parts) -> PartStream + Send + 'static,
    ) -> Result<Self, ConnectError> {
        let hold = hold_in_turn(&subscriber).await?;
        let messages = hold.and_then(|hold| hold.messages);
        Ok(Self {
            exists: Some(messages.is_some()),
            parts: Some(PartReader {
                open: Box::new(parts),
                coming: None,
            }),
            ..Self::new(
                subscriber,
                End::After(messages.unwrap_or_default()),
                Stay::Few(FewMessages::default()),
            )
        })
    }

    fn held(subscriber: Subscriber, hold: Hold) -> Self {
        Self {
            exists: Some(hold.messages.is_some()),
            ..Self::new(
                subscriber,
                End::After(hold.messages.unwrap_or_default()),
                Stay::Always,
            )
        }
    }

    fn new(subscriber: Subscriber, end: End, stay: Stay) -> Self {
        Self {
            state: subscriber.state(),
            subscriber,
            end,
            stay,
            exists: None,
            received: None,
            parts: None,
        }
    }

    /// Returns whether the broker knows that it keeps messages of the topic; `None` if it does not tell.
    pub(crate) fn exists(&self) -> Option<bool> {
        self.exists
    }

    /// Returns what comes next; `None` when the connection is closed permanently. After a lost connection, all
    /// messages come again.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub(crate) async fn next(&mut self) -> Option<KeptEvent> {
        loop {
            if let Some(parts) = &mut self.parts
                && let Some(event) = parts.next().await
            {
                return Some(event);
            }
            let delivery = match &mut self.end {
                _ if self.received.is_some() => self.received.take()?,
                End::After(0) => {
                    self.end = End::Reached;
                    return Some(KeptEvent::CaughtUp);
                }
                End::Silence => match timeout(SILENCE, self.subscriber.receive()).await {
                    Ok(delivery) => delivery?,
                    Err(_) => {
                        self.end = End::Reached;
                        return Some(KeptEvent::CaughtUp);
                    }
                },
                End::Note(Note {
                    receipt: Some(receipt),
                    ..
                }) => tokio::select! {
                    biased;
                    delivery = self.subscriber.receive() => delivery?,
                    outcome = receipt => {
                        match (outcome, &mut self.end) {
                            (Ok(Ok(())), End::Note(note)) => note.receipt = None,
                            _ => self.end = End::Silence,
                        }
                        continue;
                    }
                },
                End::After(_) | End::Note(_) | End::Reached => tokio::select! {
                    biased;
                    delivery = self.subscriber.receive() => delivery?,
                    Ok(()) = self.state.changed(), if self.exists == Some(true) => {
                        if is_gone(&self.state.borrow_and_update()) {
                            // The broker was started again, and has forgotten all.
                            self.exists = Some(false);
                            self.end = End::Reached;
                            return Some(KeptEvent::CaughtUp);
                        }
                        continue;
                    }
                },
            };
            let settled = self.settled_by(&delivery);
            self.received = Some(delivery);
            if let Some(message_id) = settled {
                self.subscriber.acknowledge(message_id).await;
            }
            let delivery = self.received.take()?;
            if let End::After(count) = &mut self.end {
                *count -= 1;
            }
            let properties = &delivery.properties;
            if let Some(parts) = &mut self.parts
                && let Some(found) = Parts::of(properties)
            {
                parts.coming = Some((parts.open)(found));
                continue;
            }
            let (reader, state) = (properties.text(key::READER), properties.get(key::JOB_STATE));
            let (Some(reader), None) = (reader, state) else {
                return Some(KeptEvent::Message(delivery));
            };
            if matches!(&self.end, End::Note(own) if own.text == reader) {
                self.end = End::Reached;
                return Some(KeptEvent::CaughtUp);
            }
        }
    }

    /// Returns the message to acknowledge when this one has come.
    fn settled_by(&mut self, delivery: &Delivery) -> Option<MessageId> {
        let message_id = &delivery.message_id;
        match &mut self.stay {
            Stay::Always => Some(message_id.clone()),
            Stay::Unacknowledged => None,
            Stay::Few(few) => few.add(message_id, &delivery.properties),
        }
    }

    /// Acknowledges all messages, at a broker that keeps what is not acknowledged.
    pub(super) async fn acknowledge_all(mut self) {
        while let Some(KeptEvent::Message(delivery)) = self.next().await {
            self.subscriber.acknowledge(delivery.message_id).await;
        }
        self.subscriber.finish().await;
    }
}

/// Returns whether a broker tells on a new connection that it keeps no messages of the topic any more.
fn is_gone(state: &ConnectionState) -> bool {
    let hold = match state {
        ConnectionState::Connected { hold, .. } => *hold,
        ConnectionState::Connecting | ConnectionState::Disconnected(_) => None,
    };
    hold.is_some_and(|hold| hold.messages.is_none())
}

/// Waits for a connection to a session, and returns what the broker tells about its messages.
async fn hold_in_turn(subscriber: &Subscriber) -> Result<Option<Hold>, ConnectError> {
    let mut state = subscriber.state();
    let mut taken = 0;
    loop {
        match &*state.borrow_and_update() {
            ConnectionState::Connected { hold, .. } => return Ok(*hold),
            ConnectionState::Connecting => {}
            ConnectionState::Disconnected(error) => {
                let is_lost = matches!(
                    error,
                    ConnectError::Protocol { .. } | ConnectError::Unreachable { source: None, .. }
                );
                if !is_lost || taken == MAX_TAKEN {
                    return Err(error.clone());
                }
                taken += 1;
            }
        }
        if state.changed().await.is_err() {
            return Err(ConnectError::Ended);
        }
    }
}

/// Returns what the broker tells about the hold of a subscriber's topic.
fn hold_of(subscriber: &Subscriber) -> Option<Hold> {
    match *subscriber.state().borrow() {
        ConnectionState::Connected { hold, .. } => hold,
        ConnectionState::Connecting | ConnectionState::Disconnected(_) => None,
    }
}
