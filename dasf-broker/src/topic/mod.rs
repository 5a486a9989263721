//! One topic: its subscriptions, their consumers and their messages. This module does no I/O, and gets
//! the time as an argument.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use dasf_protocol::Subscription;
use tracing::{debug, info, warn};

use crate::error::{AttachError, PublishError};
use crate::limits::{FullLimit, Limits};
use crate::message::Message;
use crate::route::{ConsumerOptions, DeadLetterPolicy, SubscriptionType, TopicName};
use crate::statistics::Counters;

/// The consequences of a change. The caller carries them out when it holds no lock.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Tasks to wake.
    pub(crate) wakers: Vec<Waker>,
    /// Messages to publish to another topic.
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// A message after the last redelivery that its consumer allows. Its subscription has removed it.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: Message,
    /// The dead-letter topic.
    pub(crate) topic: TopicName,
}

/// The largest number of bytes that [`Topic::take`] copies at a time, because it holds the lock of the
/// topic. Redeliveries are copies, as they contain the number of earlier deliveries.
const MAX_COPIED: usize = 256 * 1024;

/// A consumer within its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConsumerId(u64);

/// The state of a topic.
///
/// The backlog of the topic itself is empty while the topic has a subscription. The first
/// subscription takes over this backlog.
#[derive(Debug)]
pub(crate) struct Topic {
    name: TopicName,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    subscriptions: BTreeMap<Subscription, State>,
    backlog: Backlog,
    producers: usize,
    next_consumer: u64,
}

/// Messages in publish order, with their total size.
#[derive(Debug, Default)]
struct Backlog {
    entries: BTreeMap<u64, Entry>,
    bytes: usize,
}

/// A message without an acknowledgement.
#[derive(Debug)]
struct Entry {
    message: Message,
    /// The number of deliveries without an acknowledgement.
    redeliveries: u32,
}

/// A subscription.
#[derive(Debug)]
struct State {
    kind: SubscriptionType,
    durable: bool,
    /// Messages that wait for a consumer with a permit. Empty while a consumer has a permit.
    ready: Backlog,
    consumers: Vec<Consumer>,
    /// The number of all messages: ready, in flight or delayed.
    messages: usize,
    bytes: usize,
    /// When the last consumer disconnected.
    detached: Option<Instant>,
    /// The number of assignments, which decides between equal consumers.
    turn: u64,
}

/// A connected consumer.
#[derive(Debug)]
struct Consumer {
    id: ConsumerId,
    /// The largest number of messages in `in_flight`.
    permits: usize,
    /// Messages that are assigned to the consumer and not acknowledged.
    in_flight: BTreeMap<u64, Entry>,
    /// The messages of `in_flight` that the socket has not taken yet. It takes the oldest first.
    outbox: BTreeSet<u64>,
    /// The time before a negatively acknowledged message is delivered again.
    redelivery_delay: Duration,
    /// Negatively acknowledged messages with the times at which they are due, in the order of these
    /// times.
    delayed: VecDeque<(Instant, Entry)>,
    dead_letters: Option<DeadLetterPolicy>,
    /// The task of the consumer while it waits for a message.
    waker: Option<Waker>,
    /// The number of the last assignment.
    turn: u64,
}

impl Backlog {
    fn insert(&mut self, entry: Entry) {
        match self.entries.entry(entry.message.sequence) {
            Slot::Vacant(slot) => {
                self.bytes += entry.message.size();
                slot.insert(entry);
            }
            // A new subscription that takes over several others gets the same message from each.
            Slot::Occupied(mut slot) => {
                let known = slot.get_mut();
                known.redeliveries = known.redeliveries.max(entry.redeliveries);
            }
        }
    }

    fn pop_first(&mut self) -> Option<Entry> {
        let (_, entry) = self.entries.pop_first()?;
        self.bytes -= entry.message.size();
        Some(entry)
    }

    fn append(&mut self, other: Self) {
        for entry in other.entries.into_values() {
            self.insert(entry);
        }
    }

    /// Removes the oldest message if it was published at least `age` ago.
    fn pop_older(&mut self, age: Duration, now: Instant) -> Option<Entry> {
        let (_, first) = self.entries.first_key_value()?;
        let old = now.saturating_duration_since(first.message.published) >= age;
        if old { self.pop_first() } else { None }
    }
}

impl Entry {
    fn new(message: Message) -> Self {
        Self {
            message,
            redeliveries: 0,
        }
    }

    /// Counts a delivery without an acknowledgement. Returns the dead-letter topic if the consumer does
    /// not allow another redelivery.
    fn came_back(&mut self, policy: Option<&DeadLetterPolicy>) -> Option<TopicName> {
        self.redeliveries = self.redeliveries.saturating_add(1);
        policy
            .filter(|policy| self.redeliveries > policy.max_redeliveries)
            .map(|policy| policy.topic.clone())
    }
}

impl Consumer {
    fn assign(&mut self, entry: Entry, turn: u64, effects: &mut Effects) {
        let sequence = entry.message.sequence;
        self.turn = turn;
        self.in_flight.insert(sequence, entry);
        self.outbox.insert(sequence);
        effects.wakers.extend(self.waker.take());
    }
}

impl State {
    fn new(options: &ConsumerOptions) -> Self {
        Self {
            kind: options.kind,
            durable: options.durable,
            ready: Backlog::default(),
            consumers: Vec::new(),
            messages: 0,
            bytes: 0,
            detached: None,
            turn: 0,
        }
    }

    fn is_attached(&self) -> bool {
        !self.consumers.is_empty()
    }

    fn describe(&self) -> &'static str {
        match (self.kind, self.durable) {
            (SubscriptionType::Exclusive, true) => "Exclusive and Durable",
            (SubscriptionType::Exclusive, false) => "Exclusive and NonDurable",
            (SubscriptionType::Shared, true) => "Shared and Durable",
            (SubscriptionType::Shared, false) => "Shared and NonDurable",
        }
    }

    /// Returns the limit that a further message would exceed.
    fn full(&self, message: &Message, limits: &Limits) -> Option<FullLimit> {
        limits.exceeds_backlog(self.messages + 1, self.bytes + message.size())
    }

    /// Returns the consumer for the next message: among those with a permit, the consumer with the
    /// fewest messages in flight, and among equals the one that waits longest. The consumer that
    /// returned the message comes last.
    fn next_consumer(&mut self, giver: Option<ConsumerId>) -> Option<&mut Consumer> {
        self.consumers
            .iter_mut()
            .filter(|consumer| consumer.in_flight.len() < consumer.permits)
            .min_by_key(|consumer| {
                // A consumer with delayed messages is probably about to stop.
                let gave = giver == Some(consumer.id) || !consumer.delayed.is_empty();
                (gave, consumer.in_flight.len(), consumer.turn)
            })
    }

    /// Adds a new message.
    fn push(&mut self, message: Message, effects: &mut Effects) {
        self.messages += 1;
        self.bytes += message.size();
        let entry = Entry::new(message);
        self.turn += 1;
        let turn = self.turn;
        match self.next_consumer(None) {
            Some(consumer) => consumer.assign(entry, turn, effects),
            None => self.ready.insert(entry),
        }
    }

    /// Assigns ready messages to consumers that have permits. Messages that `giver` returned go to
    /// others first.
    fn dispatch(&mut self, giver: Option<ConsumerId>, effects: &mut Effects) {
        while let Some(entry) = self.ready.pop_first() {
            self.turn += 1;
            let turn = self.turn;
            let Some(consumer) = self.next_consumer(giver) else {
                self.ready.insert(entry);
                break;
            };
            consumer.assign(entry, turn, effects);
        }
    }

    /// Subtracts a message that the subscription no longer has.
    fn release(&mut self, entry: &Entry) {
        self.messages -= 1;
        self.bytes -= entry.message.size();
    }

    /// Moves a message to another topic.
    fn dead_letter(&mut self, entry: Entry, topic: TopicName, effects: &mut Effects) {
        self.release(&entry);
        let Entry { message, .. } = entry;
        effects.dead_letters.push(DeadLetter { message, topic });
    }

    fn consumer(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|consumer| consumer.id == id)
    }

    /// Returns all messages of a subscription without a consumer.
    fn into_backlog(self) -> Backlog {
        debug_assert!(self.consumers.is_empty());
        self.ready
    }
}

impl Topic {
    pub(crate) fn new(name: TopicName, limits: Arc<Limits>, counters: Arc<Counters>) -> Self {
        Self {
            name,
            limits,
            counters,
            subscriptions: BTreeMap::new(),
            backlog: Backlog::default(),
            producers: 0,
            next_consumer: 0,
        }
    }

    /// Returns whether the topic can be removed without a loss.
    pub(crate) fn is_idle(&self) -> bool {
        self.producers == 0 && self.subscriptions.is_empty() && self.backlog.entries.is_empty()
    }

    pub(crate) fn attach_producer(&mut self) {
        self.producers += 1;
    }

    pub(crate) fn detach_producer(&mut self) {
        self.producers -= 1;
    }

    /// Publishes a message of a producer.
    pub(crate) fn publish(
        &mut self,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        self.insert(message, effects)?;
        self.counters.published.add(1);
        Ok(())
    }

    /// Adds a message to each subscription. Without a subscription, adds it to the backlog of the
    /// topic.
    pub(crate) fn insert(
        &mut self,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        self.check_room(&message)?;
        if self.subscriptions.is_empty() {
            self.backlog.insert(Entry::new(message));
            return Ok(());
        }
        for (name, state) in &mut self.subscriptions {
            while state.full(&message, &self.limits).is_some() {
                // `check_room` lets only a full subscription without a consumer pass, and all its
                // messages are ready.
                let Some(oldest) = state.ready.pop_first() else {
                    break;
                };
                state.release(&oldest);
                self.counters.dropped.add(1);
                warn!(
                    topic = self.name.to_string(),
                    subscription = name.to_string(),
                    message_id = oldest.message.id(),
                    "dropped the oldest message: the subscription is full and has no consumer"
                );
            }
            state.push(message.clone(), effects);
        }
        Ok(())
    }

    /// Refuses a message that would exceed a limit of a subscription with a consumer.
    ///
    /// A subscription without a consumer does not stop the others. But if no subscription has a
    /// consumer, the message is refused: otherwise accepted messages would be dropped for no gain.
    fn check_room(&self, message: &Message) -> Result<(), PublishError> {
        let is_read = self.subscriptions.values().any(State::is_attached);
        for (name, state) in &self.subscriptions {
            if (state.is_attached() || !is_read)
                && let Some(limit) = state.full(message, &self.limits)
            {
                return Err(PublishError::SubscriptionFull {
                    topic: self.name.clone(),
                    subscription: name.clone(),
                    limit,
                });
            }
        }
        let messages = self.backlog.entries.len() + 1;
        let bytes = self.backlog.bytes + message.size();
        match self.limits.exceeds_backlog(messages, bytes) {
            Some(limit) => Err(PublishError::TopicFull {
                topic: self.name.clone(),
                limit,
            }),
            None => Ok(()),
        }
    }

    /// Connects a consumer, and creates the subscription if it does not exist.
    pub(crate) fn attach(
        &mut self,
        name: &Subscription,
        options: &ConsumerOptions,
        effects: &mut Effects,
    ) -> Result<ConsumerId, AttachError> {
        if let Some(state) = self.subscriptions.get(name) {
            if state.is_attached() {
                self.admit(name, state, options)?;
            }
        } else {
            let state = self.create(name, options)?;
            self.subscriptions.insert(name.clone(), state);
        }
        let id = ConsumerId(self.next_consumer);
        self.next_consumer += 1;
        // The subscription exists by now.
        let state = self
            .subscriptions
            .entry(name.clone())
            .or_insert_with(|| State::new(options));
        if !state.is_attached() {
            state.kind = options.kind;
            state.durable = options.durable;
            state.detached = None;
        }
        state.consumers.push(Consumer {
            id,
            permits: self.limits.permits(options.receiver_queue_size),
            in_flight: BTreeMap::new(),
            outbox: BTreeSet::new(),
            redelivery_delay: options.redelivery_delay,
            delayed: VecDeque::new(),
            dead_letters: options.dead_letters.clone(),
            waker: None,
            turn: 0,
        });
        state.dispatch(None, effects);
        Ok(id)
    }

    /// Checks whether a subscription with a consumer accepts another one.
    fn admit(
        &self,
        name: &Subscription,
        state: &State,
        options: &ConsumerOptions,
    ) -> Result<(), AttachError> {
        let topic = self.name.clone();
        let subscription = name.clone();
        if state.kind != options.kind || state.durable != options.durable {
            let present = state.describe();
            Err(AttachError::Conflict {
                topic,
                subscription,
                present,
            })
        } else if state.kind == SubscriptionType::Exclusive {
            Err(AttachError::Taken {
                topic,
                subscription,
            })
        } else {
            Ok(())
        }
    }

    /// Creates a subscription. If the topic has no consumer, the subscription takes over all waiting
    /// messages.
    fn create(
        &mut self,
        name: &Subscription,
        options: &ConsumerOptions,
    ) -> Result<State, AttachError> {
        let mut state = State::new(options);
        if self.subscriptions.values().any(State::is_attached) {
            let max = self.limits.max_subscriptions;
            if self.subscriptions.len() >= max {
                return Err(AttachError::TooManySubscriptions {
                    topic: self.name.clone(),
                    max,
                });
            }
            return Ok(state);
        }
        state.ready = std::mem::take(&mut self.backlog);
        for (_, detached) in std::mem::take(&mut self.subscriptions) {
            state.ready.append(detached.into_backlog());
        }
        state.messages = state.ready.entries.len();
        state.bytes = state.ready.bytes;
        if state.messages > 0 {
            info!(
                topic = self.name.to_string(),
                subscription = name.to_string(),
                messages = state.messages,
                "the new subscription takes over the waiting messages"
            );
        }
        Ok(state)
    }

    /// Disconnects a consumer. Its unacknowledged messages go to other consumers, or wait for the next
    /// one.
    pub(crate) fn detach(
        &mut self,
        name: &Subscription,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) {
        let alone = self.subscriptions.len() == 1;
        let Some(state) = self.subscriptions.get_mut(name) else {
            return;
        };
        let Some(index) = state
            .consumers
            .iter()
            .position(|consumer| consumer.id == id)
        else {
            return;
        };
        let Consumer {
            in_flight,
            outbox,
            delayed,
            dead_letters,
            ..
        } = state.consumers.swap_remove(index);
        for (_, entry) in delayed {
            state.ready.insert(entry);
        }
        for (sequence, mut entry) in in_flight {
            if !outbox.contains(&sequence)
                && let Some(topic) = entry.came_back(dead_letters.as_ref())
            {
                state.dead_letter(entry, topic, effects);
            } else {
                state.ready.insert(entry);
            }
        }
        if state.is_attached() {
            state.dispatch(None, effects);
            return;
        }
        state.detached = Some(now);
        // The backlog of the topic can replace an empty subscription that is the only one. It is
        // removed at once, so the response topics of former callers do not pile up.
        if (!state.durable || alone && state.messages == 0)
            && let Some(state) = self.subscriptions.remove(name)
        {
            self.drop_all(name, state, "its subscription was not durable");
        }
    }

    fn drop_all(&self, name: &Subscription, state: State, reason: &str) {
        let Backlog { entries, .. } = state.into_backlog();
        self.counters.dropped.add(entries.len());
        for entry in entries.values() {
            let message = entry.message.id();
            info!(
                topic = self.name.to_string(),
                subscription = name.to_string(),
                message_id = message,
                "dropped: {reason}"
            );
        }
    }

    /// Removes the subscription of a consumer, with all its messages.
    ///
    /// Returns whether the subscription was removed. If it has other consumers, it is not.
    pub(crate) fn unsubscribe(&mut self, name: &Subscription, id: ConsumerId) -> bool {
        let Some(mut state) = self.subscriptions.remove(name) else {
            return false;
        };
        if state.consumer(id).is_none() || state.consumers.len() > 1 {
            self.subscriptions.insert(name.clone(), state);
            return false;
        }
        for Consumer {
            in_flight, delayed, ..
        } in state.consumers.drain(..)
        {
            for entry in in_flight.into_values() {
                state.ready.insert(entry);
            }
            for (_, entry) in delayed {
                state.ready.insert(entry);
            }
        }
        self.drop_all(name, state, "its consumer removed the subscription");
        true
    }

    /// Passes the next messages of a consumer to `deliver`, at most `max`. If there is none, the next
    /// one wakes the task of the consumer.
    pub(crate) fn take(
        &mut self,
        name: &Subscription,
        id: ConsumerId,
        max: usize,
        waker: &Waker,
        mut deliver: impl FnMut(Utf8Bytes),
    ) {
        let Some(consumer) = self
            .subscriptions
            .get_mut(name)
            .and_then(|it| it.consumer(id))
        else {
            return;
        };
        let (mut delivered, mut redelivered, mut copied) = (0, 0, 0);
        while delivered < max && copied < MAX_COPIED {
            let Some(sequence) = consumer.outbox.pop_first() else {
                break;
            };
            let Some(entry) = consumer.in_flight.get(&sequence) else {
                continue;
            };
            let text = entry.message.delivery(entry.redeliveries);
            delivered += 1;
            if entry.redeliveries > 0 {
                redelivered += 1;
                copied += text.len();
            }
            deliver(text);
        }
        if delivered == 0 {
            match &mut consumer.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        self.counters.delivered.add(delivered);
        self.counters.redelivered.add(redelivered);
    }

    /// Acknowledges a message. Returns whether it was in flight to the consumer.
    pub(crate) fn acknowledge(
        &mut self,
        name: &Subscription,
        id: ConsumerId,
        sequence: u64,
        effects: &mut Effects,
    ) -> bool {
        let Some(state) = self.subscriptions.get_mut(name) else {
            return false;
        };
        let Some(consumer) = state.consumer(id) else {
            return false;
        };
        let Some(entry) = consumer.in_flight.remove(&sequence) else {
            return false;
        };
        // The outbox contains the message if the peer got it on an earlier connection, and acknowledges
        // it on this one.
        consumer.outbox.remove(&sequence);
        state.release(&entry);
        state.dispatch(None, effects);
        self.counters.acknowledged.add(1);
        true
    }

    /// Acknowledges a message negatively. The message is delivered again, at once or after the delay of
    /// the consumer, or becomes a dead letter. Returns whether it was in flight to the consumer.
    pub(crate) fn refuse(
        &mut self,
        name: &Subscription,
        id: ConsumerId,
        sequence: u64,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let Some(state) = self.subscriptions.get_mut(name) else {
            return false;
        };
        let Some(consumer) = state.consumer(id) else {
            return false;
        };
        if consumer.outbox.contains(&sequence) {
            // The peer means a delivery on an earlier connection. The redelivery is on its way.
            return true;
        }
        let Some(mut entry) = consumer.in_flight.remove(&sequence) else {
            return false;
        };
        if let Some(topic) = entry.came_back(consumer.dead_letters.as_ref()) {
            state.dead_letter(entry, topic, effects);
            state.dispatch(None, effects);
        } else if consumer.redelivery_delay.is_zero() {
            state.ready.insert(entry);
            state.dispatch(Some(id), effects);
        } else {
            let due = now + consumer.redelivery_delay;
            consumer.delayed.push_back((due, entry));
            // Meanwhile the consumer has room for another message.
            state.dispatch(None, effects);
        }
        true
    }

    /// Makes the delayed messages of a consumer ready as soon as they are due. Returns when the next
    /// one is due.
    pub(crate) fn release_due(
        &mut self,
        name: &Subscription,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Instant> {
        let state = self.subscriptions.get_mut(name)?;
        let consumer = state.consumer(id)?;
        let count = consumer.delayed.partition_point(|(due, _)| *due <= now);
        let due: Vec<_> = consumer.delayed.drain(..count).collect();
        let next = consumer.delayed.front().map(|(due, _)| *due);
        for (_, entry) in due {
            state.ready.insert(entry);
        }
        state.dispatch(Some(id), effects);
        next
    }

    /// Removes messages and subscriptions that are older than the retention.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let retention = self.limits.subscription_retention;
        let is_over = |state: &State| {
            state
                .detached
                .is_some_and(|since| now.saturating_duration_since(since) >= retention)
        };
        let over: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|(_, state)| is_over(state))
            .map(|(name, _)| name.clone())
            .collect();
        let over: Vec<_> = over
            .into_iter()
            .filter_map(|name| self.subscriptions.remove_entry(&name))
            .collect();
        for (name, state) in over {
            debug!(
                topic = self.name.to_string(),
                subscription = name.to_string(),
                "removed the subscription: no consumer came back"
            );
            let backlog = state.into_backlog();
            if self.subscriptions.is_empty() {
                // Younger messages stay for the rest of their own retention.
                self.backlog.append(backlog);
            } else {
                for entry in backlog.entries.values() {
                    self.expire(entry);
                }
            }
        }
        while let Some(entry) = self.backlog.pop_older(retention, now) {
            self.expire(&entry);
        }
    }

    fn expire(&self, entry: &Entry) {
        self.counters.expired.add(1);
        let message = entry.message.id();
        warn!(
            topic = self.name.to_string(),
            message_id = message,
            "expired: nobody read the message in time"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use crate::message::MessageIds;
    use dasf_protocol::Topic as Name;
    use proptest::prelude::*;

    /// A topic with the arguments of its methods.
    struct Bench {
        topic: Topic,
        ids: MessageIds,
        effects: Effects,
        now: Instant,
    }

    fn name(text: &str) -> Subscription {
        text.parse().unwrap()
    }

    fn options(kind: SubscriptionType, permits: usize) -> ConsumerOptions {
        ConsumerOptions {
            kind,
            durable: true,
            receiver_queue_size: Some(permits),
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
        }
    }

    const DELAY: Duration = Duration::from_secs(5);

    fn delaying(permits: usize) -> ConsumerOptions {
        ConsumerOptions {
            redelivery_delay: DELAY,
            ..shared(permits)
        }
    }

    /// Options with this number of redeliveries.
    fn dead_lettering(permits: usize, max_redeliveries: u32) -> ConsumerOptions {
        let topic = "lost".parse::<Name>().unwrap().into();
        ConsumerOptions {
            dead_letters: Some(DeadLetterPolicy {
                max_redeliveries,
                topic,
            }),
            ..shared(permits)
        }
    }

    fn shared(permits: usize) -> ConsumerOptions {
        options(SubscriptionType::Shared, permits)
    }

    impl Bench {
        fn new(limits: Limits) -> Self {
            let name = "demo".parse::<Name>().unwrap().into();
            Self {
                topic: Topic::new(name, Arc::new(limits), Arc::default()),
                ids: MessageIds::new(),
                effects: Effects::default(),
                now: Instant::now(),
            }
        }

        fn publish(&mut self) -> Result<u64, PublishError> {
            let message = Message::new(&self.ids, self.now, "}");
            let sequence = message.sequence;
            self.topic
                .publish(message, &mut self.effects)
                .map(|()| sequence)
        }

        fn attach(&mut self, subscription: &str, options: &ConsumerOptions) -> ConsumerId {
            self.topic
                .attach(&name(subscription), options, &mut self.effects)
                .unwrap()
        }

        fn detach(&mut self, subscription: &str, id: ConsumerId) {
            self.topic
                .detach(&name(subscription), id, self.now, &mut self.effects);
        }

        /// Takes a batch, with the number of earlier deliveries of each message.
        fn take_counted(&mut self, subscription: &str, id: ConsumerId) -> Vec<(u64, u32)> {
            let mut taken = Vec::new();
            let ids = &self.ids;
            self.topic
                .take(&name(subscription), id, 3, Waker::noop(), |text| {
                    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let sequence = ids.sequence(json["messageId"].as_str().unwrap()).unwrap();
                    let count = json
                        .get("redeliveryCount")
                        .map_or(0, |it| it.as_u64().unwrap());
                    taken.push((sequence, count.try_into().unwrap()));
                });
            taken
        }

        fn take(&mut self, subscription: &str, id: ConsumerId) -> Vec<u64> {
            let taken = self.take_counted(subscription, id);
            taken.into_iter().map(|(sequence, _)| sequence).collect()
        }

        fn acknowledge(&mut self, subscription: &str, id: ConsumerId, sequence: u64) -> bool {
            self.topic
                .acknowledge(&name(subscription), id, sequence, &mut self.effects)
        }

        fn refuse(&mut self, subscription: &str, id: ConsumerId, sequence: u64) -> bool {
            self.topic.refuse(
                &name(subscription),
                id,
                sequence,
                self.now,
                &mut self.effects,
            )
        }

        /// Returns the dead letters since the last call.
        fn dead_letters(&mut self) -> Vec<u64> {
            self.effects
                .dead_letters
                .drain(..)
                .map(|letter| {
                    assert_eq!(letter.topic.to_string(), "lost");
                    letter.message.sequence
                })
                .collect()
        }

        /// Returns the time until the next message is due.
        fn release_due(&mut self, subscription: &str, id: ConsumerId) -> Option<Duration> {
            self.topic
                .release_due(&name(subscription), id, self.now, &mut self.effects)
                .map(|due| due - self.now)
        }
    }

    #[test]
    fn a_waiting_consumer_is_woken_and_a_busy_one_is_not() {
        #[derive(Default)]
        struct Count(AtomicUsize);

        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let mut bench = Bench::new(Limits::default());
        let id = bench.attach("s", &shared(9));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        bench.publish().unwrap();
        assert!(
            bench.effects.wakers.is_empty(),
            "the consumer does not wait yet"
        );
        for expected in [1, 0] {
            let mut taken = 0;
            bench.topic.take(&name("s"), id, 9, &waker, |_| taken += 1);
            assert_eq!(taken, expected);
        }
        bench.publish().unwrap();
        bench.publish().unwrap();
        assert_eq!(bench.effects.wakers.len(), 1);
        bench.effects.wakers.drain(..).for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_acknowledged_message_is_not_sent_again_by_the_next_socket() {
        let mut bench = Bench::new(Limits::default());
        let first = bench.attach("s", &shared(9));
        let sequence = bench.publish().unwrap();
        assert_eq!(bench.take("s", first), [sequence]);
        bench.detach("s", first);
        let second = bench.attach("s", &shared(9));
        assert!(!bench.acknowledge("s", first, sequence));
        assert!(bench.acknowledge("s", second, sequence));
        assert!(bench.take("s", second).is_empty());
    }

    #[test]
    fn only_messages_that_a_socket_got_count_as_redelivered() {
        let mut bench = Bench::new(Limits::default());
        let id = bench.attach("s", &shared(9));
        let sent: Vec<_> = (0..4).map(|_| bench.publish().unwrap()).collect();
        assert_eq!(bench.take("s", id), sent[..3]);
        assert!(bench.refuse("s", id, sent[0]));
        bench.detach("s", id);
        let id = bench.attach("s", &shared(9));
        let taken = bench.take_counted("s", id);
        assert_eq!(taken, [(sent[0], 1), (sent[1], 1), (sent[2], 1)]);
        assert_eq!(bench.take_counted("s", id), [(sent[3], 0)]);
        bench.detach("s", id);
        // A subscription of a new name takes over the numbers.
        let id = bench.attach("t", &shared(9));
        let taken = bench.take_counted("t", id);
        assert_eq!(taken, [(sent[0], 2), (sent[1], 2), (sent[2], 2)]);
    }

    #[test]
    fn a_pending_redelivery_ignores_negative_acknowledgements() {
        let mut bench = Bench::new(Limits::default());
        let first = bench.attach("s", &shared(9));
        let sequence = bench.publish().unwrap();
        assert_eq!(bench.take("s", first), [sequence]);
        bench.detach("s", first);
        let second = bench.attach("s", &shared(9));
        for _ in 0..3 {
            assert!(bench.refuse("s", second, sequence));
        }
        assert_eq!(bench.take_counted("s", second), [(sequence, 1)]);
        assert!(bench.take("s", second).is_empty());
    }

    #[test]
    fn copies_are_made_in_portions() {
        let mut bench = Bench::new(Limits::default());
        let id = bench.attach("s", &shared(9));
        let members = format!(r#""payload":"{}"}}"#, "x".repeat(MAX_COPIED));
        for _ in 0..2 {
            let message = Message::new(&bench.ids, bench.now, &members);
            bench.topic.publish(message, &mut bench.effects).unwrap();
        }
        assert_eq!(bench.take("s", id).len(), 2, "all share one text");
        bench.detach("s", id);
        let id = bench.attach("s", &shared(9));
        for expected in [1, 1, 0] {
            assert_eq!(bench.take("s", id).len(), expected);
        }
    }

    #[test]
    fn other_consumers_get_the_messages_of_one_that_disconnects() {
        let mut bench = Bench::new(Limits::default());
        let a = bench.attach("s", &shared(2));
        let b = bench.attach("s", &shared(3));
        let sent: Vec<_> = (0..6).map(|_| bench.publish().unwrap()).collect();
        assert_eq!(bench.take("s", a), [sent[0], sent[2]]);
        assert_eq!(bench.take("s", b), [sent[1], sent[3], sent[4]]);
        bench.detach("s", a);
        assert!(bench.take("s", b).is_empty());
        assert!(bench.acknowledge("s", b, sent[3]));
        assert_eq!(bench.take("s", b), [sent[0]], "the oldest comes first");
        assert!(bench.refuse("s", b, sent[4]));
        assert_eq!(bench.take("s", b), [sent[2]]);
    }

    #[test]
    fn a_returned_message_goes_to_another_consumer_with_room() {
        let mut bench = Bench::new(Limits::default());
        let a = bench.attach("s", &shared(9));
        let b = bench.attach("s", &shared(2));
        let sent: Vec<_> = (0..4).map(|_| bench.publish().unwrap()).collect();
        assert_eq!(bench.take("s", a), [sent[0], sent[2]]);
        assert_eq!(bench.take("s", b), [sent[1], sent[3]]);
        assert!(bench.acknowledge("s", a, sent[2]));
        assert!(bench.acknowledge("s", b, sent[3]));
        // The consumer that returns it would have fewer messages.
        assert!(bench.refuse("s", a, sent[0]));
        assert!(bench.take("s", a).is_empty());
        assert_eq!(bench.take("s", b), [sent[0]]);
        assert!(bench.refuse("s", b, sent[0]));
        assert_eq!(bench.take("s", a), [sent[0]]);
        let more = bench.publish().unwrap();
        assert_eq!(bench.take("s", a), [] as [u64; 0]);
        assert_eq!(bench.take("s", b), [more]);
        assert!(bench.refuse("s", a, sent[0]));
        assert_eq!(bench.take_counted("s", a), [(sent[0], 3)]);
    }

    #[test]
    fn a_delayed_message_leaves_room_and_comes_before_younger_ones() {
        let mut bench = Bench::new(Limits::default());
        let id = bench.attach("s", &delaying(2));
        let sent: Vec<_> = (0..6).map(|_| bench.publish().unwrap()).collect();
        assert_eq!(bench.take("s", id), sent[..2]);
        assert!(bench.refuse("s", id, sent[1]));
        assert!(!bench.refuse("s", id, sent[1]), "no longer in flight");
        assert!(!bench.acknowledge("s", id, sent[1]));
        bench.now += DELAY / 2;
        assert!(bench.refuse("s", id, sent[0]));
        assert_eq!(bench.take("s", id), sent[2..4]);
        assert_eq!(bench.topic.subscriptions[&name("s")].messages, 6);

        assert_eq!(bench.release_due("s", id), Some(DELAY / 2));
        bench.now += DELAY / 2;
        assert_eq!(bench.release_due("s", id), Some(DELAY / 2));
        assert!(bench.acknowledge("s", id, sent[2]));
        bench.now += DELAY;
        assert_eq!(bench.release_due("s", id), None);
        assert!(bench.acknowledge("s", id, sent[3]));
        assert_eq!(bench.take_counted("s", id), [(sent[0], 1), (sent[1], 1)]);
        assert!(bench.acknowledge("s", id, sent[0]));
        assert!(bench.acknowledge("s", id, sent[1]));
        assert_eq!(bench.take("s", id), sent[4..]);
    }

    #[test]
    fn a_delayed_message_goes_to_others_first_and_waits_only_for_a_connected_consumer() {
        let mut bench = Bench::new(Limits::default());
        let a = bench.attach("s", &delaying(9));
        let first = bench.publish().unwrap();
        let second = bench.publish().unwrap();
        assert_eq!(bench.take("s", a), [first, second]);
        assert!(bench.refuse("s", a, first));
        let b = bench.attach("s", &shared(9));
        bench.now += DELAY;
        assert_eq!(bench.release_due("s", a), None);
        assert_eq!(bench.take_counted("s", b), [(first, 1)]);
        assert!(bench.refuse("s", a, second));
        assert!(bench.take("s", b).is_empty());
        bench.detach("s", a);
        assert_eq!(bench.take_counted("s", b), [(second, 1)]);
    }

    #[test]
    fn a_delayed_message_counts_for_the_limit_and_ends_with_its_subscription() {
        let mut bench = Bench::new(Limits {
            max_backlog_messages: 1,
            ..Limits::default()
        });
        let id = bench.attach("s", &delaying(9));
        let sequence = bench.publish().unwrap();
        assert_eq!(bench.take("s", id), [sequence]);
        assert!(bench.refuse("s", id, sequence));
        assert!(matches!(
            bench.publish(),
            Err(PublishError::SubscriptionFull { .. })
        ));
        assert!(bench.topic.unsubscribe(&name("s"), id));
        assert_eq!(bench.topic.counters.read(0, 0).dropped, 1);
        assert!(bench.topic.is_idle());
    }

    #[test]
    fn a_message_after_its_last_redelivery_becomes_a_dead_letter() {
        let mut bench = Bench::new(Limits {
            max_backlog_messages: 2,
            ..Limits::default()
        });
        let first = bench.publish().unwrap();
        let second = bench.publish().unwrap();
        for count in 0..=2 {
            let id = bench.attach("s", &dead_lettering(1, 2));
            assert!(bench.dead_letters().is_empty());
            assert_eq!(bench.take_counted("s", id), [(first, count)]);
            bench.detach("s", id);
        }
        assert_eq!(bench.dead_letters(), [first]);
        // A dead letter does not count for the limit.
        let third = bench.publish().unwrap();

        let id = bench.attach("s", &dead_lettering(1, 1));
        assert_eq!(bench.take_counted("s", id), [(second, 0)]);
        assert!(bench.refuse("s", id, second));
        assert_eq!(bench.take_counted("s", id), [(second, 1)]);
        assert!(bench.refuse("s", id, second));
        assert_eq!(bench.dead_letters(), [second]);
        assert!(!bench.acknowledge("s", id, second));
        assert_eq!(bench.take_counted("s", id), [(third, 0)]);
        assert!(bench.acknowledge("s", id, third));
        let state = &bench.topic.subscriptions[&name("s")];
        assert_eq!((state.messages, state.bytes), (0, 0));
        assert_eq!(bench.topic.counters.read(0, 0).acknowledged, 1);
    }

    #[test]
    fn the_current_consumer_decides_the_number_of_redeliveries() {
        let mut bench = Bench::new(Limits::default());
        let sequence = bench.publish().unwrap();
        for count in 0..5 {
            let id = bench.attach("s", &shared(1));
            assert_eq!(bench.take_counted("s", id), [(sequence, count)]);
            bench.detach("s", id);
        }
        // A message that the socket did not take is not counted.
        let id = bench.attach("s", &dead_lettering(1, 3));
        bench.detach("s", id);
        assert!(bench.dead_letters().is_empty());
        let options = ConsumerOptions {
            redelivery_delay: DELAY,
            ..dead_lettering(1, 3)
        };
        let id = bench.attach("s", &options);
        assert_eq!(bench.take_counted("s", id), [(sequence, 5)]);
        assert!(bench.refuse("s", id, sequence));
        assert_eq!(bench.dead_letters(), [sequence], "it does not wait");
        bench.detach("s", id);
        assert!(bench.topic.is_idle());
    }

    #[test]
    fn a_subscription_changes_its_type_only_without_consumers() {
        let mut bench = Bench::new(Limits::default());
        let exclusive = options(SubscriptionType::Exclusive, 1);
        let id = bench.attach("s", &exclusive);
        bench.publish().unwrap();
        let mut attach = |options| bench.topic.attach(&name("s"), options, &mut bench.effects);
        assert!(matches!(attach(&exclusive), Err(AttachError::Taken { .. })));
        assert!(matches!(
            attach(&shared(1)),
            Err(AttachError::Conflict { .. })
        ));
        bench.detach("s", id);
        bench.attach("s", &shared(1));
        bench.attach("s", &shared(1));
        let brief = ConsumerOptions {
            durable: false,
            ..shared(1)
        };
        let refused = bench.topic.attach(&name("s"), &brief, &mut bench.effects);
        assert!(matches!(refused, Err(AttachError::Conflict { .. })));
    }

    #[test]
    fn only_the_last_consumer_unsubscribes() {
        let mut bench = Bench::new(Limits::default());
        let a = bench.attach("s", &shared(1));
        let b = bench.attach("s", &shared(1));
        bench.publish().unwrap();
        assert!(!bench.topic.unsubscribe(&name("s"), a));
        bench.detach("s", a);
        assert!(bench.topic.unsubscribe(&name("s"), b));
        bench.detach("s", b);
        assert!(bench.topic.is_idle());
    }

    #[test]
    fn a_topic_without_consumers_drops_nothing() {
        let mut bench = Bench::new(Limits {
            max_backlog_messages: 2,
            ..Limits::default()
        });
        let id = bench.attach("s", &shared(1));
        let first = bench.publish().unwrap();
        bench.detach("s", id);
        let second = bench.publish().unwrap();
        assert!(matches!(
            bench.publish(),
            Err(PublishError::SubscriptionFull { .. })
        ));
        let id = bench.attach("t", &shared(9));
        assert_eq!(bench.take("t", id), [first, second]);
    }

    #[test]
    fn a_subscription_dissolves_and_its_young_messages_stay() {
        let mut bench = Bench::new(Limits::default());
        let retention = bench.topic.limits.subscription_retention;
        let id = bench.attach("s", &shared(1));
        bench.publish().unwrap();
        bench.detach("s", id);
        bench.now += retention / 2;
        let young = bench.publish().unwrap();
        bench.topic.sweep(bench.now + retention / 2);
        assert_eq!(bench.topic.counters.read(0, 0).expired, 1);
        assert!(bench.topic.subscriptions.is_empty());
        assert!(!bench.topic.is_idle());
        let id = bench.attach("t", &shared(1));
        assert_eq!(bench.take("t", id), [young]);
        bench.detach("t", id);
        bench.topic.sweep(bench.now + retention);
        assert_eq!(bench.topic.counters.read(0, 0).expired, 2);
        assert!(bench.topic.is_idle());
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    #[derive(Debug, Clone)]
    enum Step {
        Publish,
        Attach {
            name: usize,
            permits: usize,
            delays: bool,
            max_redeliveries: Option<u32>,
        },
        Wait,
        Detach {
            consumer: prop::sample::Index,
        },
        Take {
            consumer: prop::sample::Index,
        },
        Acknowledge {
            consumer: prop::sample::Index,
            message: prop::sample::Index,
        },
        Refuse {
            consumer: prop::sample::Index,
            message: prop::sample::Index,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        use prop::sample::Index;
        prop_oneof![
            4 => Just(Step::Publish),
            2 => (0..NAMES.len(), 1..4_usize, any::<bool>(), prop::option::of(1..3_u32))
                .prop_map(|(name, permits, delays, max_redeliveries)| Step::Attach { name, permits, delays, max_redeliveries }),
            1 => Just(Step::Wait),
            1 => any::<Index>().prop_map(|consumer| Step::Detach { consumer }),
            4 => any::<Index>().prop_map(|consumer| Step::Take { consumer }),
            3 => any::<(Index, Index)>()
                .prop_map(|(consumer, message)| Step::Acknowledge { consumer, message }),
            1 => any::<(Index, Index)>()
                .prop_map(|(consumer, message)| Step::Refuse { consumer, message }),
        ]
    }

    /// A consumer as its peer sees it.
    struct Peer {
        name: &'static str,
        id: ConsumerId,
        permits: usize,
        max_redeliveries: Option<u32>,
        /// The messages without an acknowledgement.
        got: Vec<u64>,
    }

    impl Peer {
        /// Counts a delivery without an acknowledgement. Returns whether the message is a dead letter.
        fn returns(&self, owed: &mut BTreeMap<u64, u32>, sequence: u64) -> bool {
            let count = owed.get_mut(&sequence).unwrap();
            *count += 1;
            let dead = self.max_redeliveries.is_some_and(|max| *count > max);
            if dead {
                owed.remove(&sequence);
            }
            dead
        }
    }

    proptest! {
        /// Runs the topic beside a model that knows the expected messages of each subscription.
        #[test]
        fn subscriptions_get_the_expected_messages(steps in prop::collection::vec(step(), 0..80)) {
            let mut bench = Bench::new(Limits::default());
            // The expected messages, with the numbers of their deliveries.
            let mut owed: BTreeMap<&str, BTreeMap<u64, u32>> = BTreeMap::new();
            let mut unclaimed = BTreeMap::new();
            let mut peers: Vec<Peer> = Vec::new();
            for step in steps {
                match step {
                    Step::Publish => {
                        let sequence = bench.publish().unwrap();
                        if owed.is_empty() {
                            unclaimed.insert(sequence, 0);
                        }
                        owed.values_mut().for_each(|owed| { owed.insert(sequence, 0); });
                    }
                    Step::Wait => {
                        bench.now += DELAY / 2;
                        for peer in &peers {
                            bench.release_due(peer.name, peer.id);
                        }
                    }
                    Step::Attach { name, permits, delays, max_redeliveries } => {
                        let name = NAMES[name];
                        if !owed.contains_key(name) && peers.is_empty() {
                            for (sequence, count) in std::mem::take(&mut owed).into_values().flatten() {
                                let most = unclaimed.entry(sequence).or_default();
                                *most = count.max(*most);
                            }
                            owed.insert(name, std::mem::take(&mut unclaimed));
                        }
                        owed.entry(name).or_default();
                        let options = ConsumerOptions {
                            redelivery_delay: if delays { DELAY } else { Duration::ZERO },
                            dead_letters: max_redeliveries.and_then(|it| dead_lettering(1, it).dead_letters),
                            ..shared(permits)
                        };
                        let id = bench.attach(name, &options);
                        peers.push(Peer { name, id, permits, max_redeliveries, got: Vec::new() });
                    }
                    Step::Detach { consumer } if !peers.is_empty() => {
                        let peer = peers.swap_remove(consumer.index(peers.len()));
                        bench.detach(peer.name, peer.id);
                        let counts = owed.get_mut(peer.name).unwrap();
                        let mut dead = peer.got.clone();
                        dead.retain(|&sequence| peer.returns(counts, sequence));
                        dead.sort_unstable();
                        prop_assert_eq!(bench.dead_letters(), dead);
                        let last = peers.iter().all(|other| other.name != peer.name);
                        if last && owed.len() == 1 && owed[peer.name].is_empty() {
                            owed.clear();
                        }
                    }
                    Step::Take { consumer } if !peers.is_empty() => {
                        let index = consumer.index(peers.len());
                        let (name, id) = (peers[index].name, peers[index].id);
                        for (sequence, count) in bench.take_counted(name, id) {
                            prop_assert_eq!(Some(&count), owed[name].get(&sequence));
                            let mut others = peers.iter().filter(|peer| peer.name == name);
                            prop_assert!(others.all(|it| !it.got.contains(&sequence)), "in flight");
                            peers[index].got.push(sequence);
                        }
                        prop_assert!(peers[index].got.len() <= peers[index].permits);
                    }
                    Step::Acknowledge { consumer, message } if !peers.is_empty() => {
                        let index = consumer.index(peers.len());
                        let peer = &mut peers[index];
                        if !peer.got.is_empty() {
                            let sequence = peer.got.remove(message.index(peer.got.len()));
                            prop_assert!(bench.acknowledge(peer.name, peer.id, sequence));
                            prop_assert!(!bench.acknowledge(peer.name, peer.id, sequence));
                            owed.get_mut(peer.name).unwrap().remove(&sequence);
                        }
                    }
                    Step::Refuse { consumer, message } if !peers.is_empty() => {
                        let index = consumer.index(peers.len());
                        let peer = &mut peers[index];
                        if !peer.got.is_empty() {
                            let sequence = peer.got.remove(message.index(peer.got.len()));
                            prop_assert!(bench.refuse(peer.name, peer.id, sequence));
                            let dead = peer.returns(owed.get_mut(peer.name).unwrap(), sequence);
                            prop_assert_eq!(bench.dead_letters().len(), usize::from(dead));
                        }
                    }
                    _ => {}
                }
                let names: Vec<_> = bench.topic.subscriptions.keys().map(Subscription::as_str).collect();
                prop_assert_eq!(names, owed.keys().copied().collect::<Vec<_>>());
                for (name, state) in &bench.topic.subscriptions {
                    prop_assert_eq!(state.messages, owed[name.as_str()].len());
                }
            }

            // One consumer of each name remains, and gets all expected messages in order.
            let readers: Vec<_> =
                owed.keys().map(|&name| (name, bench.attach(name, &shared(1000)))).collect();
            for peer in peers {
                bench.detach(peer.name, peer.id);
                let counts = owed.get_mut(peer.name).unwrap();
                for &sequence in &peer.got {
                    peer.returns(counts, sequence);
                }
            }
            for (name, id) in readers {
                let mut got = BTreeMap::new();
                loop {
                    let taken = bench.take_counted(name, id);
                    if taken.is_empty() {
                        break;
                    }
                    for (sequence, count) in taken {
                        prop_assert!(got.insert(sequence, count).is_none(), "twice");
                        prop_assert!(bench.acknowledge(name, id, sequence));
                    }
                }
                prop_assert_eq!(&got, &owed[name]);
                let state = &bench.topic.subscriptions[&super::tests::name(name)];
                prop_assert_eq!((state.messages, state.bytes, state.ready.bytes), (0, 0, 0));
            }
            prop_assert_eq!(bench.topic.backlog.entries.len(), unclaimed.len());
        }
    }
}
