//! One topic: its subscriptions, their consumers and their messages. This module does no I/O, and gets
//! the time as an argument, except where a message has waited.
//!
//! This file holds the topic, and finds the subscription of a consumer. `attach` connects consumers, and
//! `hand_over` gives the messages of one that has left to others. `publish` adds messages, `hold` keeps them for later
//! readers, `expire` removes old ones, `room` those for which there is no memory, and `cancel` those that their
//! callers no longer need. A `subscription` shares the messages
//! of its `backlog` among its `consumer`s, unless they are `obsolete`. `redelivery` takes messages back from
//! them, and the `history` of a message counts that and has its `attempt`s. `position` tells callers how many
//! requests wait before theirs. `restore` brings back what a store has kept. `watch`
//! shows who listens and how much waits.

mod attach;
mod attempt;
mod backlog;
mod cancel;
mod consumer;
mod effects;
mod error;
mod expire;
mod hand_over;
mod history;
mod hold;
mod name;
mod obsolete;
mod options;
mod position;
mod publish;
mod redelivery;
mod restore;
mod room;
mod subscription;
mod watch;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod test_topic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Instant;

use dasf_protocol::Subscription as SubscriptionName;

use crate::access::{Owners, Tenure};
use crate::account::Counted;
use crate::budget::{Budget, Charge};
use crate::clock::now;
use crate::limits::Limits;
use crate::statistics::Counters;
use crate::store::{Home, Store};
pub(crate) use attempt::Attempt;
use backlog::MessageQueue;
pub(crate) use cancel::CallId;
pub(crate) use consumer::{ConsumerId, Delivery, RunId};
pub(crate) use effects::{DeadLetter, Effects, EventKind, PutAside};
pub(crate) use error::{AttachError, PublishError};
use hold::Hold;
pub(crate) use hold::HoldView;
pub(crate) use name::TopicName;
use obsolete::Obsolescence;
pub(crate) use obsolete::{GoneReaders, expects_answer};
pub(crate) use options::{
    ConsumerOptions, DeadLetterPolicy, HoldOption, OnClose, SubscriptionType,
};
pub(crate) use position::{PositionAnswer, call_of};
pub(crate) use room::Victims;
use subscription::Subscription;
use watch::{Counts, Samples};
pub(crate) use watch::{Introduction, Listener, TopicView, shortened};

/// The memory of a topic in bytes, without subscriptions and messages.
const TOPIC_COST: usize = 1024;

/// The meaning of a topic, once it is known. Its producers and its queues in the store share it.
pub(crate) type SharedTenure = Arc<OnceLock<Tenure>>;

/// The state of a topic.
#[derive(Debug)]
pub(crate) struct Topic {
    name: TopicName,
    tenure: SharedTenure,
    owners: Arc<Owners>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    /// In boxes, because a map has places for eleven, and most topics have one.
    subscriptions: BTreeMap<SubscriptionName, Box<Subscription>>,
    obsolescence: Arc<Obsolescence>,
    /// The messages of a topic without subscriptions. The first subscription takes them over.
    unclaimed: MessageQueue,
    /// The messages that the topic holds for later readers.
    hold: Option<Box<Hold>>,
    /// The store, if the broker has one.
    store: Option<Arc<Store>>,
    producers: usize,
    /// Whether the broker has removed the topic, which had no consumer. Its producers connect again.
    is_removed: bool,
    /// The largest number of a message that the topic has had.
    last_sequence: u64,
    budget: Arc<Budget>,
    /// The number of messages that the store could not write, when the topic last looked for its own.
    refused: u64,
    /// The memory of the topic and of the places of its unclaimed messages.
    charge: Charge,
    /// The number of consumers that have connected, which identifies the next one.
    consumers: u64,
    /// The lost consumers that worked on redelivered messages.
    lost_runs: BTreeSet<RunId>,
    /// Counts the topic for the user who has created it.
    counted: Option<Counted>,
    seen: Counts,
    samples: Samples,
}

impl Topic {
    pub(crate) fn new(
        name: TopicName,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
        budget: Arc<Budget>,
        gone: Arc<GoneReaders>,
        owners: Arc<Owners>,
        store: Option<Arc<Store>>,
    ) -> Self {
        let store = store.filter(|_| limits.topic.is_kept);
        let tenure = SharedTenure::default();
        let home = store
            .as_ref()
            .map(|store| Home::of_topic(store, &name, &tenure));
        let obsolescence = Obsolescence {
            topic: name.clone(),
            gone,
            counters: counters.clone(),
            ttl: limits.topic.ttl,
            cancelled: Arc::default(),
        };
        Self {
            obsolescence: Arc::new(obsolescence),
            charge: budget.charge(TOPIC_COST),
            budget,
            name,
            tenure,
            owners,
            limits,
            counters,
            subscriptions: BTreeMap::new(),
            unclaimed: MessageQueue::at(home),
            hold: None,
            store,
            producers: 0,
            is_removed: false,
            last_sequence: 0,
            refused: 0,
            consumers: 0,
            lost_runs: BTreeSet::new(),
            counted: None,
            seen: Counts::default(),
            samples: Samples::default(),
        }
    }

    /// Changes the limits. A topic that the store does not keep stays so, and the consumers keep the sizes of
    /// their queues and their numbers of redeliveries, with what happens then, until they connect again.
    pub(crate) fn set_limits(&mut self, limits: Arc<Limits>) {
        if limits.topic.ttl != self.obsolescence.ttl {
            let changed = self.obsolescence.with_ttl(limits.topic.ttl);
            self.obsolescence = Arc::new(changed);
            for subscription in self.subscriptions.values_mut() {
                subscription.obsolescence = self.obsolescence.clone();
            }
        }
        self.limits = limits;
    }

    /// Returns the meaning of the topic, once it is known.
    pub(crate) fn tenure(&self) -> &SharedTenure {
        &self.tenure
    }

    /// Sets the meaning of the topic, if it is not known yet.
    pub(crate) fn set_tenure(&mut self, tenure: Tenure) {
        if self.tenure.set(tenure).is_ok()
            && let Some(home) = self.unclaimed.home()
        {
            home.record_again();
        }
    }

    /// Counts the topic for the user who has created it, as long as it exists.
    pub(crate) fn count_for(&mut self, counted: Option<Counted>) {
        self.counted = counted;
    }

    /// Lets the broker remember for a while to whom the topic belongs, which ends now.
    pub(crate) fn remember_owner(&self, now: Instant) {
        self.owners.remember(&self.name, self.tenure.get(), now);
    }

    /// Returns whether the topic can be removed without a loss.
    pub(crate) fn is_idle(&self) -> bool {
        self.producers == 0
            && self.subscriptions.is_empty()
            && self.unclaimed.is_empty()
            && self.hold.is_none()
    }

    /// Returns whether the topic has a consumer.
    pub(crate) fn is_read(&self) -> bool {
        self.subscriptions.values().any(|it| it.has_consumer())
    }

    /// Returns whether the broker may remove the topic if there are too many: nobody reads it, it holds no
    /// messages, and no job waits there.
    pub(crate) fn may_make_room(&self) -> bool {
        !self.is_read() && !self.is_held() && !self.unclaimed.has_kept()
    }

    /// Returns whether a reader may come back to the topic, as far as the topic knows.
    pub(crate) fn has_subscription(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Returns the number of the last message.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// Drops all messages. The caller removes the topic from the broker. Returns the number of messages.
    pub(crate) fn remove(&mut self) -> usize {
        self.is_removed = true;
        self.counted = None;
        self.remember_owner(now());
        let mut messages = self.unclaimed.take();
        self.hold = None;
        for (_, subscription) in std::mem::take(&mut self.subscriptions) {
            messages.append(subscription.into_messages());
        }
        self.charge_unclaimed();
        let dropped = messages.size().messages;
        self.counters.dropped.add(dropped);
        dropped
    }

    /// Returns the next messages of a consumer, at most `max`. If there is none, the next one wakes the
    /// task of the consumer. Returns `None` if the broker has disconnected the consumer.
    pub(crate) fn take(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        max: usize,
        waker: &Waker,
        effects: &mut Effects,
    ) -> Option<Vec<Delivery>> {
        let subscription = self.subscriptions.get_mut(name)?;
        let taken = loop {
            let lost = subscription.remove_lost(id, effects)?;
            self.counters.dropped.add(lost);
            let mut taken = subscription.consumer(id)?.take(max, waker);
            let was_empty = taken.is_empty();
            taken.retain(|delivery| subscription.still_needs(id, delivery, effects));
            // The store may just have refused a message that the loop above has let pass.
            if was_empty && !subscription.has_lost_next(id) || !taken.is_empty() {
                break taken;
            }
        };
        let redelivered = taken.iter().filter(|delivery| delivery.redeliveries > 0);
        self.seen.delivered += taken.len() as u64;
        self.counters.delivered.add(taken.len());
        let bytes = taken.iter().map(|delivery| delivery.message.size());
        self.counters.delivered_bytes.add(bytes.sum());
        self.counters.redelivered.add(redelivered.count());
        Some(taken)
    }

    /// Records that a consumer works on a redelivered message. Returns whether it was in flight to the
    /// consumer.
    pub(crate) fn begin(&mut self, name: &SubscriptionName, id: ConsumerId, sequence: u64) -> bool {
        let subscription = self.subscriptions.get_mut(name);
        let consumer = subscription.and_then(|it| it.consumer(id));
        consumer.is_some_and(|it| it.begin(sequence))
    }

    /// Acknowledges a message. Returns whether it was in flight to the consumer.
    pub(crate) fn acknowledge(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        sequence: u64,
        effects: &mut Effects,
    ) -> bool {
        let acknowledged = self
            .subscriptions
            .get_mut(name)
            .is_some_and(|it| it.acknowledge(id, sequence, effects));
        if acknowledged {
            self.seen.acknowledged += 1;
            self.counters.acknowledged.add(1);
        }
        acknowledged
    }

    /// Acknowledges a message negatively. The message is delivered again, at once or after the delay of
    /// the consumer, or becomes a dead letter. Returns whether it was in flight to the consumer.
    pub(crate) fn negative_acknowledge(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        sequence: u64,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let known = self
            .subscriptions
            .get_mut(name)
            .is_some_and(|it| it.negative_acknowledge(id, sequence, now, effects));
        effects.name_put_aside(name);
        known
    }

    /// Puts the suspects aside whose consumers had time to come back. Returns when the next ones are due.
    pub(crate) fn judge_suspects(
        &mut self,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for (name, subscription) in &mut self.subscriptions {
            let due = subscription.judge_suspects(now, effects);
            effects.name_put_aside(name);
            next = next.into_iter().chain(due).min();
        }
        next
    }

    /// Makes the delayed messages of a consumer ready as soon as they are due. Returns when the next
    /// one is due.
    pub(crate) fn release_due(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Instant> {
        self.subscriptions
            .get_mut(name)?
            .release_due(id, now, effects)
    }
}
