//! The messages of a backlog, and their total size.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::History;
use crate::limits::{BacklogLimit, Limits};
use crate::message::{MESSAGE_OVERHEAD, Message};
use crate::store::{Held, Home};

/// The memory of a place in a backlog, with its keys in the ordered maps.
const PLACE_COST: usize = 80;

/// The memory of places is counted in steps of this size, so that few messages change the count.
const PLACES_STEP: usize = 4096;

/// A message without an acknowledgement.
#[derive(Debug)]
pub(super) struct QueuedMessage {
    pub(super) message: Message,
    pub(super) history: History,
    /// Keeps the message in the store.
    pub(super) held: Option<Held>,
}

impl QueuedMessage {
    /// Returns a new message of a queue with this place in the store.
    pub(super) fn new(message: Message, home: Option<&Arc<Home>>) -> Self {
        Self {
            held: home.map(|home| Held::new(home, &message)),
            message,
            history: History::default(),
        }
    }

    /// Returns a message that the store has at this place, with its history.
    pub(super) fn restored(message: Message, home: &Arc<Home>, history: History) -> Self {
        Self {
            held: Some(Held::restored(home, &message)),
            message,
            history,
        }
    }

    /// Keeps the history in the store.
    pub(super) fn keep_history(&self) {
        if let (Some(held), Some(counts)) = (&self.held, self.history.counts()) {
            held.keep_counts(counts);
        }
    }

    /// Moves the message to another place in the store.
    pub(super) fn move_to(&mut self, home: Option<&Arc<Home>>) {
        let is_there = match (&self.held, home) {
            (None, None) => true,
            (Some(held), Some(home)) => held.is_in(home),
            _ => false,
        };
        if !is_there {
            // The new place first: a message without a place would leave the store.
            self.held = home.map(|home| Held::new(home, &self.message));
            self.keep_history();
        }
    }
}

/// Messages in publish order.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    messages: BTreeMap<u64, QueuedMessage>,
    bytes: usize,
    /// The place of the messages in the store. Without it, the messages keep the places they have.
    home: Option<Arc<Home>>,
}

impl MessageQueue {
    /// Returns an empty queue with this place in the store.
    pub(super) fn at(home: Option<Arc<Home>>) -> Self {
        Self {
            home,
            ..Self::default()
        }
    }

    pub(super) fn home(&self) -> Option<&Arc<Home>> {
        self.home.as_ref()
    }

    /// Changes the place of the messages in the store.
    pub(super) fn move_to(&mut self, home: Option<Arc<Home>>) {
        self.home = home;
        for queued in self.messages.values_mut() {
            queued.move_to(self.home.as_ref());
        }
    }

    /// Further messages have no place in the store.
    pub(super) fn leave_home(&mut self) {
        self.home = None;
    }

    /// Takes all messages out with their place in the store. Later ones have another place.
    pub(super) fn take_with_home(&mut self, next: Option<Arc<Home>>) -> Self {
        std::mem::replace(self, Self::at(next))
    }

    /// Takes all messages out. They keep their places in the store until another queue gets them.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::at(self.home.clone());
        let taken = std::mem::replace(self, empty);
        Self {
            home: None,
            ..taken
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn size(&self) -> BacklogSize {
        BacklogSize {
            messages: self.messages.len(),
            bytes: self.bytes,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedMessage> {
        self.messages.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut QueuedMessage> {
        self.messages.values_mut()
    }

    pub(super) fn insert(&mut self, mut queued: QueuedMessage) {
        match self.messages.entry(queued.message.sequence) {
            Entry::Vacant(place) => {
                self.bytes += queued.message.size();
                if self.home.is_some() {
                    queued.move_to(self.home.as_ref());
                }
                place.insert(queued);
            }
            // A new subscription that takes over several others gets the same message from each.
            Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.history.merge(queued.history);
                known.keep_history();
            }
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for queued in other.messages.into_values() {
            self.insert(queued);
        }
    }

    /// Adds the messages of a queue that has ended to a queue of no subscription. If this one is empty, it
    /// takes over the place in the store, because to move many messages there takes long.
    pub(super) fn adopt(&mut self, ended: Self) {
        match &ended.home {
            Some(home) if self.is_empty() && self.home.is_some() => {
                home.record(None);
                *self = ended;
            }
            _ => self.append(ended),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Message) -> bool) {
        self.messages.retain(|_, queued| {
            let kept = keep(&queued.message);
            if !kept {
                self.bytes -= queued.message.size();
            }
            kept
        });
    }

    /// Removes the messages for which the condition is true.
    pub(super) fn take_where(
        &mut self,
        mut condition: impl FnMut(&QueuedMessage) -> bool,
    ) -> Vec<QueuedMessage> {
        let chosen = self.messages.values().filter(|it| condition(it));
        let chosen: Vec<_> = chosen.map(|it| it.message.sequence).collect();
        let taken = chosen.iter().filter_map(|it| self.messages.remove(it));
        let taken: Vec<_> = taken.collect();
        self.bytes -= taken.iter().map(|it| it.message.size()).sum::<usize>();
        taken
    }

    /// Removes the message with this number.
    pub(super) fn remove(&mut self, sequence: u64) {
        if let Some(queued) = self.messages.remove(&sequence) {
            self.bytes -= queued.message.size();
        }
    }

    pub(super) fn pop_first(&mut self) -> Option<QueuedMessage> {
        let (_, queued) = self.messages.pop_first()?;
        self.bytes -= queued.message.size();
        Some(queued)
    }

    /// Removes the messages that were published at least `retention` ago, unless their senders want them to be
    /// kept for a longer time. That is at most `longest`.
    pub(super) fn take_expired(
        &mut self,
        retention: Duration,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let is_older = |queued: &QueuedMessage, age| {
            now.saturating_duration_since(queued.message.published) >= age
        };
        let old = self.messages.values();
        let old = old.take_while(|queued| is_older(queued, retention));
        let expired: Vec<_> = old
            .filter(|queued| is_older(queued, queued.message.keep().min(longest).max(retention)))
            .map(|queued| queued.message.sequence)
            .collect();
        let mut taken = Self::default();
        for sequence in expired {
            if let Some(queued) = self.messages.remove(&sequence) {
                self.bytes -= queued.message.size();
                taken.insert(queued);
            }
        }
        taken
    }

    /// Returns whether the sender of a message wants it to be kept.
    pub(super) fn has_kept(&self) -> bool {
        self.messages
            .values()
            .any(|queued| !queued.message.keep().is_zero())
    }

    /// Removes the messages that were published at least `age` ago.
    pub(super) fn take_older(&mut self, age: Duration, now: Instant) -> Self {
        let mut taken = Self::default();
        while let Some((_, first)) = self.messages.first_key_value()
            && now.saturating_duration_since(first.message.published) >= age
            && let Some(queued) = self.pop_first()
        {
            taken.insert(queued);
        }
        taken
    }
}

/// The size of a backlog, which has limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BacklogSize {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl BacklogSize {
    pub(super) fn add(&mut self, message: &Message) {
        self.messages += 1;
        self.bytes += message.size();
    }

    pub(super) fn subtract(&mut self, message: &Message) {
        self.messages -= 1;
        self.bytes -= message.size();
    }

    /// Changes its size as a part of the backlog did.
    pub(super) fn follow(&mut self, before: Self, after: Self) {
        self.messages = self.messages + after.messages - before.messages;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }

    /// Returns the memory of the places of the messages in bytes, rounded up.
    pub(super) fn cost_of_places(&self) -> usize {
        (self.messages * PLACE_COST).next_multiple_of(PLACES_STEP)
    }

    /// Returns the memory of the places and of the messages in bytes. Other subscriptions may have the
    /// same messages.
    pub(super) fn cost(&self) -> usize {
        self.bytes + self.messages * (PLACE_COST + MESSAGE_OVERHEAD)
    }

    /// Returns the limit that a further message would exceed, in a backlog with this place in the store.
    pub(super) fn limit_exceeded_by(
        mut self,
        message: &Message,
        limits: &Limits,
        home: Option<&Arc<Home>>,
    ) -> Option<BacklogLimit> {
        self.add(message);
        limits.exceeded_by_backlog(self.messages, self.bytes, home.is_some())
    }
}
