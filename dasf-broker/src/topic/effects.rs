//! What a change of a topic causes outside of the topic.

use std::task::Waker;

use dasf_protocol::Subscription as SubscriptionName;
use tracing::{debug, info, warn};

use super::name::TopicName;
use crate::message::Message;

/// The consequences of a change. The caller carries them out when it holds no lock.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Tasks to wake.
    pub(crate) wakers: Vec<Waker>,
    /// Messages to publish to another topic.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Events to log.
    pub(crate) events: Vec<Event>,
}

/// An event of a topic. The broker logs it when it holds no lock, because a log may be slow.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) subscription: Option<SubscriptionName>,
    /// The first of the messages.
    pub(crate) message: Option<Message>,
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
}

impl Event {
    pub(super) fn new(kind: EventKind, subscription: &SubscriptionName) -> Self {
        Self {
            kind,
            subscription: Some(subscription.clone()),
            message: None,
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
        let first = messages.next()?.clone();
        Some(Self {
            kind,
            subscription: subscription.cloned(),
            message: Some(first),
            messages: messages.count() + 1,
        })
    }

    /// Logs the event.
    pub(crate) fn log(&self, topic: &TopicName) {
        let subscription = self.subscription.as_ref().map(tracing::field::display);
        let message_id = self
            .message
            .as_ref()
            .map(|it| tracing::field::display(it.id()));
        let messages = self.messages;
        macro_rules! log {
            ($level:ident, $text:literal) => {
                $level!(%topic, subscription, message_id, messages, $text)
            };
        }
        match self.kind {
            EventKind::TakenOver => {
                log!(info, "the new subscription takes over the waiting messages");
            }
            EventKind::DroppedWithoutConsumer => log!(
                warn,
                "dropped the oldest messages: the subscription is full and has no consumer"
            ),
            EventKind::DroppedLagging => log!(
                warn,
                "dropped the oldest messages: the subscription is full, and other subscriptions of \
                 the topic have room"
            ),
            EventKind::HandedOver => {
                log!(
                    info,
                    "the subscription takes over the messages of one that has ended"
                );
            }
            EventKind::DroppedForMemory => {
                log!(
                    warn,
                    "dropped the oldest messages: the memory of the broker is full"
                );
            }
            EventKind::SubscriptionDropped => log!(
                warn,
                "removed the subscription without a consumer: the topic has too many subscriptions"
            ),
            EventKind::Disconnected => warn!(
                %topic,
                subscription,
                "disconnected a consumer that acknowledges nothing while others work"
            ),
            EventKind::DroppedNotDurable => {
                log!(info, "dropped: the subscription was not durable");
            }
            EventKind::DroppedUnsubscribed => {
                log!(info, "dropped: the consumer removed the subscription");
            }
            EventKind::SubscriptionExpired => {
                debug!(%topic, subscription, "removed the subscription: no consumer came back");
            }
            EventKind::Expired => log!(warn, "expired: nobody read the messages in time"),
        }
    }
}

/// A message after the last redelivery that its consumer allows. Its subscription has removed it.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: Message,
    /// The dead-letter topic.
    pub(crate) topic: TopicName,
}
