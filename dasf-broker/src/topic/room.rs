//! A topic makes room in the memory of the broker.

use super::TOPIC_COST;
use super::Topic;
use super::backlog::MessageQueue;
use super::effects::{Effects, Event, EventKind};
use super::subscription::Subscription;

/// The messages that may make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victims {
    /// The messages and the subscriptions that nobody reads.
    Unread,
    /// The messages of subscriptions with a consumer.
    Read,
}

impl Victims {
    fn include(self, subscription: &Subscription) -> bool {
        subscription.has_consumer() == (self == Self::Read)
    }
}

impl Topic {
    /// Counts the memory of the places of the unclaimed messages.
    pub(super) fn charge_unclaimed(&mut self) {
        let places = self.unclaimed.size().cost_of_places();
        self.charge.set(TOPIC_COST + places);
    }

    /// Returns the memory that these messages use, in bytes.
    pub(crate) fn cost(&self, victims: Victims) -> usize {
        let subscriptions = self.subscriptions.values();
        let subscriptions = subscriptions.filter(|it| victims.include(it));
        let unclaimed = match victims {
            Victims::Unread => self.unclaimed.size().cost(),
            Victims::Read => 0,
        };
        unclaimed + subscriptions.map(|it| it.cost()).sum::<usize>()
    }

    /// Removes the oldest messages of the largest subscription until it has freed this number of bytes
    /// or is empty. Nobody comes back to an empty subscription without a consumer, so it is removed.
    pub(crate) fn make_room(&mut self, victims: Victims, bytes: usize, effects: &mut Effects) {
        let mut removed = Vec::new();
        let candidates = self.subscriptions.iter_mut();
        let largest = candidates
            .filter(|(_, subscription)| victims.include(subscription))
            .max_by_key(|(_, subscription)| subscription.cost());
        let unclaimed = match victims {
            Victims::Unread => self.unclaimed.size().cost(),
            Victims::Read => 0,
        };
        let mut name = None;
        match largest {
            Some((found, subscription)) if subscription.cost() > unclaimed => {
                let target = subscription.cost().saturating_sub(bytes);
                while subscription.cost() > target
                    && let Some(oldest) = subscription.pop_oldest()
                {
                    removed.push(oldest);
                }
                name = Some(found.clone());
            }
            _ => {
                let target = unclaimed.saturating_sub(bytes);
                while self.unclaimed.size().cost() > target
                    && let Some(oldest) = self.unclaimed.pop_first()
                {
                    removed.push(oldest.message);
                }
                self.charge_unclaimed();
            }
        }
        self.counters.dropped.add(removed.len());
        let kind = EventKind::DroppedForMemory;
        let event = Event::of_messages(kind, name.as_ref(), removed.iter());
        effects.events.extend(event);
        if let Some(name) = name
            && victims == Victims::Unread
            && self.subscriptions[&name].backlog.messages == 0
        {
            self.subscriptions.remove(&name);
        }
    }

    /// Removes the subscription whose consumer is away for the longest time. Returns whether there was
    /// one.
    pub(super) fn remove_oldest_detached(&mut self, effects: &mut Effects) -> bool {
        let detached = self.subscriptions.iter();
        let oldest = detached
            .filter_map(|(name, subscription)| Some((subscription.detached?, name)))
            .min();
        let Some(name) = oldest.map(|(_, name)| name.clone()) else {
            return false;
        };
        if let Some(subscription) = self.subscriptions.remove(&name) {
            let kind = EventKind::SubscriptionDropped;
            let mut event = Event::new(kind, &name);
            let messages: MessageQueue = subscription.into_messages();
            self.counters.dropped.add(messages.size().messages);
            event.messages = messages.size().messages;
            event.message_id = messages.iter().next().map(|it| it.message.id());
            effects.events.push(event);
        }
        true
    }
}
