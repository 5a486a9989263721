//! What a change of a topic causes outside of the topic.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use dasf_protocol::Subscription as SubscriptionName;
use tracing::{debug, info, warn};
use uuid::fmt::Hyphenated;

use super::attempt::Attempt;
use super::name::TopicName;
use super::position::PositionAnswer;
use crate::account::Account;
use crate::message::Message;
use crate::store::Held;

/// The consequences of a change. The caller carries them out when it holds no lock.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Tasks to wake.
    pub(crate) wakers: Vec<Waker>,
    /// Messages to publish to another topic.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Messages to put aside.
    pub(crate) put_aside: Vec<PutAside>,
    /// When the topic has to look at its suspects, if there are new ones.
    pub(crate) suspects_due: Option<Instant>,
    /// Answers to callers who ask where their requests are.
    pub(crate) answers: Vec<PositionAnswer>,
    /// Events to log.
    pub(crate) events: Vec<Event>,
}

impl Effects {
    /// Wakes the tasks. The caller must hold no lock.
    pub(crate) fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Names the subscription whose change has put messages aside.
    pub(super) fn name_put_aside(&mut self, subscription: &SubscriptionName) {
        for aside in &mut self.put_aside {
            let name = &mut aside.subscription;
            name.get_or_insert_with(|| subscription.clone());
        }
    }
}

/// An event of a topic. The broker logs it when it holds no lock, because a log may be slow.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) subscription: Option<SubscriptionName>,
    /// The id of the first of the messages.
    pub(crate) message_id: Option<Hyphenated>,
    /// The number of messages.
    pub(crate) messages: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A new subscription takes over waiting messages.
    TakenOver,
    /// A subscription gets the messages of one that has ended.
    HandedOver,
    /// Messages without a reader made room in the memory of the broker.
    DroppedForMemory,
    /// A subscription without a consumer made room for another one.
    SubscriptionDropped,
    /// A full subscription without a consumer lost its oldest messages.
    DroppedWithoutConsumer,
    /// A full subscription whose consumers lag behind others lost its oldest messages.
    DroppedLagging,
    /// The broker disconnected consumers that lag behind others.
    Disconnected,
    /// A subscription that was not durable ended with its messages.
    DroppedNotDurable,
    /// A consumer removed its subscription with its messages.
    DroppedUnsubscribed,
    /// No consumer came back to a subscription.
    SubscriptionExpired,
    /// Nobody read messages in time.
    Expired,
    /// The callers of requests no longer wait.
    RequestExpired,
    /// The callers of requests are gone.
    CallerGone,
    /// The callers of requests have cancelled them.
    Cancelled,
    /// The store cannot read messages.
    Unreadable,
    /// Messages had their last redelivery, and their topic has no dead letters.
    GivenUp,
    /// A reader ended the hold of a topic.
    HoldEnded,
    /// Nobody used the hold of a topic for its time.
    HoldExpired,
}

impl Event {
    pub(super) fn new(kind: EventKind, subscription: &SubscriptionName) -> Self {
        Self {
            kind,
            subscription: Some(subscription.clone()),
            message_id: None,
            messages: 0,
        }
    }

    /// Returns an event of these messages, or nothing if there are none.
    pub(super) fn of_messages<'a>(
        kind: EventKind,
        subscription: Option<&SubscriptionName>,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Option<Self> {
        let mut messages = messages.into_iter();
        let first = messages.next()?.id();
        Some(Self {
            kind,
            subscription: subscription.cloned(),
            message_id: Some(first),
            messages: messages.count() + 1,
        })
    }

    /// Logs the event.
    pub(crate) fn log(&self, topic: &TopicName) {
        let subscription = self.subscription.as_ref().map(tracing::field::display);
        let message_id = self.message_id.map(tracing::field::display);
        let (messages, text) = (self.messages, self.kind.text());
        match self.kind {
            EventKind::TakenOver
            | EventKind::HandedOver
            | EventKind::DroppedNotDurable
            | EventKind::DroppedUnsubscribed
            | EventKind::RequestExpired
            | EventKind::CallerGone
            | EventKind::Cancelled
            | EventKind::HoldEnded
            | EventKind::HoldExpired => {
                info!(%topic, subscription, message_id, messages, "{text}");
            }
            EventKind::SubscriptionExpired => debug!(%topic, subscription, "{text}"),
            EventKind::Disconnected => warn!(%topic, subscription, "{text}"),
            _ => warn!(%topic, subscription, message_id, messages, "{text}"),
        }
    }
}

impl EventKind {
    pub(crate) const COUNT: usize = 18;

    /// All kinds, in the order of their numbers.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::TakenOver,
        Self::HandedOver,
        Self::DroppedForMemory,
        Self::SubscriptionDropped,
        Self::DroppedWithoutConsumer,
        Self::DroppedLagging,
        Self::Disconnected,
        Self::DroppedNotDurable,
        Self::DroppedUnsubscribed,
        Self::SubscriptionExpired,
        Self::Expired,
        Self::RequestExpired,
        Self::CallerGone,
        Self::Cancelled,
        Self::Unreadable,
        Self::GivenUp,
        Self::HoldEnded,
        Self::HoldExpired,
    ];

    /// Returns the text in the log.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TakenOver => "the new subscription takes over the waiting messages",
            Self::HandedOver => "the subscription takes over the messages of one that has ended",
            Self::DroppedForMemory => {
                "dropped the oldest messages: the memory of the broker is full"
            }
            Self::SubscriptionDropped => {
                "removed the subscription without a consumer: the topic has too many subscriptions"
            }
            Self::DroppedWithoutConsumer => {
                "dropped the oldest messages: the subscription is full and has no consumer"
            }
            Self::DroppedLagging => {
                "dropped the oldest messages: the subscription is full, and other subscriptions of the topic have room"
            }
            Self::Disconnected => {
                "disconnected a consumer that acknowledges nothing while others work"
            }
            Self::DroppedNotDurable => "dropped: the subscription was not durable",
            Self::DroppedUnsubscribed => "dropped: the consumer does not need its messages",
            Self::SubscriptionExpired => "removed the subscription: no consumer came back",
            Self::Expired => "expired: nobody read the messages in time",
            Self::RequestExpired => "expired: the caller of the request no longer waits",
            Self::CallerGone => "dropped: the caller of the request is gone",
            Self::Cancelled => "dropped: the caller of the request has cancelled it",
            Self::Unreadable => {
                "not delivered: the content of the message cannot be read from the disk"
            }
            Self::GivenUp => "dropped after the last redelivery: the topic has no dead letters",
            Self::HoldEnded => {
                "dropped: a reader of the topic no longer needs the messages that it holds"
            }
            Self::HoldExpired => "expired: the time is over for which the topic held the messages",
        }
    }
}

/// A message after the last redelivery that its consumer allows. Its subscription has removed it.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: Message,
    /// The dead-letter topic.
    pub(crate) topic: TopicName,
    /// The user who has created the subscription, for whom a new dead-letter topic counts.
    pub(crate) account: Option<Arc<Account>>,
    /// Keeps the message in the store until it is in the other topic.
    pub(super) _held: Option<Held>,
}

/// A message that ended too many consumers. Its subscription has removed it.
#[derive(Debug)]
pub(crate) struct PutAside {
    pub(crate) message: Message,
    /// How often a consumer began to work on it, and did not finish.
    pub(crate) deaths: u32,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) subscription: Option<SubscriptionName>,
    /// Whether the broker keeps it for those who look at it.
    pub(crate) is_kept: bool,
    /// Keeps the message in the store until it has another place there.
    pub(crate) held: Option<Held>,
}
