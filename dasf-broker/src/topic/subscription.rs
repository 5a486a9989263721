//! One subscription: its messages, and the consumers that share them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dasf_protocol::Subscription as SubscriptionName;

use super::SharedTenure;
use super::backlog::{BacklogSize, MessageQueue, QueuedMessage};
use super::consumer::{Consumer, ConsumerId, Delivery};
use super::effects::{Effects, Event, EventKind};
use super::history::History;
use super::name::TopicName;
use super::obsolete::Obsolescence;
use super::options::{ConsumerOptions, OnClose, SubscriptionType};
use super::redelivery::Suspect;
use crate::account::Counted;
use crate::budget::{Budget, Charge};
use crate::limits::{BacklogLimit, Limits};
use crate::message::Message;
use crate::store::{Home, Store, SubscriptionRecord};

/// The memory of a subscription with a consumer in bytes, without messages.
const SUBSCRIPTION_COST: usize = 1024;

/// The number of publishes to a full subscription for which a consumer with most of its messages may
/// acknowledge none, while other consumers have room.
const MAX_IDLE_PUBLISHES: usize = 16;

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    kind: SubscriptionType,
    durable: bool,
    pub(super) on_close: OnClose,
    /// How long the subscription stays without a consumer, if a consumer has asked for a time.
    pub(super) asked_retention: Option<Duration>,
    /// The subscription has got every message of the topic from this number on.
    pub(super) since: u64,
    /// Messages that wait for a consumer with a permit. Empty while a consumer has a permit.
    pub(super) ready: MessageQueue,
    pub(super) consumers: Vec<Consumer>,
    /// Messages whose consumers may have ended with them once too often. They wait until the last one had
    /// time to come back.
    pub(super) suspects: Vec<Suspect>,
    /// The size of all messages: ready, in flight, delayed or suspected.
    pub(super) backlog: BacklogSize,
    pub(super) obsolescence: Arc<Obsolescence>,
    /// The memory of the subscription and of the places of its messages.
    charge: Charge,
    /// The number of messages that were removed because consumers lag behind those of other
    /// subscriptions, since a consumer connected or acknowledged a message.
    lost: usize,
    /// Counts the subscription for the user who has created it.
    pub(super) counted: Option<Counted>,
    /// When the last consumer disconnected.
    pub(super) detached: Option<Instant>,
    /// The number of assignments, which decides between equal consumers.
    assignments: u64,
}

impl Subscription {
    /// Creates a subscription with the messages that it takes over.
    pub(super) fn new(
        options: &ConsumerOptions,
        ready: MessageQueue,
        since: u64,
        obsolescence: &Arc<Obsolescence>,
        budget: &Arc<Budget>,
    ) -> Box<Self> {
        let cost = SUBSCRIPTION_COST + ready.size().cost_of_places();
        Box::new(Self {
            charge: budget.charge(cost),
            obsolescence: obsolescence.clone(),
            kind: options.kind,
            durable: options.durable,
            on_close: options.on_close,
            asked_retention: options.retention,
            since,
            backlog: ready.size(),
            ready,
            consumers: Vec::new(),
            suspects: Vec::new(),
            lost: 0,
            counted: None,
            detached: None,
            assignments: 0,
        })
    }

    pub(super) fn has_consumer(&self) -> bool {
        !self.consumers.is_empty()
    }

    pub(super) fn kind(&self) -> SubscriptionType {
        self.kind
    }

    pub(super) fn is_exclusive(&self) -> bool {
        self.kind == SubscriptionType::Exclusive
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Returns whether nobody needs the subscription whose last reader is gone.
    pub(super) fn ends_with_reader(&self) -> bool {
        let stays = self.on_close != OnClose::Discard || self.asked_retention.is_some();
        !self.durable || !stays
    }

    /// Returns whether the options have the type and mode of the subscription.
    pub(super) fn fits(&self, options: &ConsumerOptions) -> bool {
        self.kind == options.kind && self.durable == options.durable
    }

    pub(super) fn describe(&self) -> &'static str {
        match (self.kind, self.durable) {
            (SubscriptionType::Exclusive, true) => "Exclusive and Durable",
            (SubscriptionType::Exclusive, false) => "Exclusive and NonDurable",
            (SubscriptionType::Shared, true) => "Shared and Durable",
            (SubscriptionType::Shared, false) => "Shared and NonDurable",
        }
    }

    /// Returns the limit that a further message would exceed.
    pub(super) fn limit_exceeded_by(
        &self,
        message: &Message,
        limits: &Limits,
    ) -> Option<BacklogLimit> {
        let home = self.ready.home();
        self.backlog.limit_exceeded_by(message, limits, home)
    }

    /// Returns what the store keeps of the subscription. It keeps nothing of one that ends with its last
    /// consumer.
    pub(super) fn record(&self, name: &SubscriptionName) -> Option<SubscriptionRecord> {
        self.durable.then(|| SubscriptionRecord {
            name: name.clone(),
            kind: self.kind,
            on_close: self.on_close,
            retention: self.asked_retention,
            since: self.since,
        })
    }

    /// Records the subscription in the store.
    pub(super) fn keep(
        &mut self,
        name: &SubscriptionName,
        store: &Arc<Store>,
        topic: &TopicName,
        tenure: &SharedTenure,
    ) {
        let record = self.record(name);
        match (self.ready.home(), record) {
            (Some(home), Some(record)) => home.record(Some(record)),
            (None, Some(record)) => {
                let home = Home::of_topic(store, topic, tenure);
                home.record(Some(record));
                self.ready.move_to(Some(home));
            }
            // The messages that it has keep their places.
            (_, None) => self.ready.leave_home(),
        }
    }

    /// Adds a consumer. The first one decides the type and the mode. The longest retention counts that one
    /// of those that share the subscription has asked for.
    pub(super) fn add_consumer(
        &mut self,
        consumer: Consumer,
        options: &ConsumerOptions,
        effects: &mut Effects,
    ) {
        if !self.has_consumer() {
            self.kind = options.kind;
            self.durable = options.durable;
            self.on_close = options.on_close;
            self.asked_retention = None;
            self.detached = None;
        }
        self.asked_retention = self.asked_retention.max(options.retention);
        self.lost = 0;
        let reclaimed = options.run.map(|run| self.reclaim(run));
        self.consumers.push(consumer);
        if let Some(consumer) = self.consumers.last_mut() {
            for queued in reclaimed.into_iter().flatten() {
                self.assignments += 1;
                consumer.assign(queued, self.assignments, effects);
            }
        }
        self.dispatch(None, effects);
    }

    pub(super) fn consumer(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|consumer| consumer.id == id)
    }

    /// Returns the consumer for the next message: the consumer that still works on it, if there is one. It needs
    /// no permit, because it holds the message already. Otherwise, among those with a permit, the consumer with the fewest messages in flight, and among equals the one that waits longest. The consumer
    /// that returned the message comes last.
    fn next_consumer(
        &mut self,
        history: &History,
        returned_by: Option<ConsumerId>,
    ) -> Option<&mut Consumer> {
        let mut consumers = self.consumers.iter();
        let works_on_it = |it: &Consumer| it.run.is_some_and(|run| history.still_runs_in(run));
        if history.redeliveries() > 0
            && let Some(index) = consumers.position(works_on_it)
        {
            return self.consumers.get_mut(index);
        }
        self.consumers
            .iter_mut()
            .filter(|consumer| consumer.has_permit())
            .min_by_key(|consumer| {
                // A consumer with delayed messages is probably about to stop.
                let returned = returned_by == Some(consumer.id) || !consumer.delayed.is_empty();
                (returned, consumer.in_flight.len(), consumer.last_assignment)
            })
    }

    /// Counts a message that the subscription gets.
    pub(super) fn count(&mut self, message: &Message) {
        self.backlog.add(message);
        self.charge
            .set(SUBSCRIPTION_COST + self.backlog.cost_of_places());
    }

    /// Counts a message that the subscription no longer has.
    pub(super) fn uncount(&mut self, message: &Message) {
        self.backlog.subtract(message);
        self.charge
            .set(SUBSCRIPTION_COST + self.backlog.cost_of_places());
    }

    /// Returns the memory of the subscription and of its messages in bytes.
    pub(super) fn cost(&self) -> usize {
        SUBSCRIPTION_COST + self.backlog.cost()
    }

    /// Adds messages that another subscription had.
    pub(super) fn receive(&mut self, messages: MessageQueue, effects: &mut Effects) {
        self.change_ready(|ready| ready.append(messages));
        self.dispatch(None, effects);
    }

    /// Removes the messages that wait and were published at least `age` ago.
    pub(super) fn take_older(&mut self, age: Duration, now: Instant) -> MessageQueue {
        self.change_ready(|ready| ready.take_older(age, now))
    }

    /// Removes the messages that wait and that the store could not write.
    pub(super) fn forget_refused(&mut self) {
        self.change_ready(|ready| ready.retain(|message| !message.is_refused()));
    }

    fn change_ready<T>(&mut self, change: impl FnOnce(&mut MessageQueue) -> T) -> T {
        let before = self.ready.size();
        let changed = change(&mut self.ready);
        self.backlog.follow(before, self.ready.size());
        self.charge
            .set(SUBSCRIPTION_COST + self.backlog.cost_of_places());
        changed
    }

    /// Adds a new message.
    pub(super) fn push(&mut self, message: Message, effects: &mut Effects) {
        self.count(&message);
        let queued = QueuedMessage::new(message, self.ready.home());
        self.assignments += 1;
        let assignment = self.assignments;
        match self.next_consumer(&queued.history, None) {
            Some(consumer) => consumer.assign(queued, assignment, effects),
            None => self.ready.insert(queued),
        }
    }

    /// Gives a cancellation to a consumer, even if it has no permit: the consumer needs it to become free.
    /// In a subscription that others share, nobody else needs it.
    pub(super) fn assign_to(&mut self, id: ConsumerId, message: &Message, effects: &mut Effects) {
        self.count(message);
        self.assignments += 1;
        let assignment = self.assignments;
        let mut queued = QueuedMessage::new(message.clone(), self.ready.home());
        if !self.is_exclusive() {
            queued.history.make_personal();
        }
        match self.consumer(id) {
            Some(consumer) => consumer.assign_cancellation(queued, assignment, effects),
            None => self.uncount(message),
        }
    }

    /// Assigns ready messages to consumers that have permits. Messages that the consumer `returned_by`
    /// returned go to others first.
    pub(super) fn dispatch(&mut self, returned_by: Option<ConsumerId>, effects: &mut Effects) {
        while !self.ready.is_empty()
            && self.consumers.iter().any(Consumer::has_permit)
            && let Some(queued) = self.ready.pop_first()
        {
            if queued.message.is_refused() {
                self.uncount(&queued.message);
                continue;
            }
            if let Some(kind) = self.obsolescence.of(&queued.message) {
                self.uncount(&queued.message);
                effects
                    .events
                    .extend(Event::of_messages(kind, None, [&queued.message]));
                continue;
            }
            self.assignments += 1;
            let assignment = self.assignments;
            let Some(consumer) = self.next_consumer(&queued.history, returned_by) else {
                self.ready.insert(queued);
                break;
            };
            consumer.assign(queued, assignment, effects);
        }
    }

    /// Removes an acknowledged message. Returns whether it was in flight to the consumer.
    pub(super) fn acknowledge(
        &mut self,
        id: ConsumerId,
        sequence: u64,
        effects: &mut Effects,
    ) -> bool {
        let Some(acknowledged) = self
            .consumer(id)
            .and_then(|consumer| consumer.acknowledge(sequence))
        else {
            return false;
        };
        acknowledged.message.acknowledge();
        self.uncount(&acknowledged.message);
        self.lost = 0;
        if let Some(consumer) = self.consumer(id) {
            consumer.assign_later(effects);
        }
        self.dispatch(None, effects);
        true
    }

    /// Removes the next messages of a consumer if their contents cannot be read, or if the store could not
    /// write them. Returns the number of the unreadable ones, or `None` if the subscription does not have
    /// the consumer.
    pub(super) fn remove_lost(&mut self, id: ConsumerId, effects: &mut Effects) -> Option<usize> {
        let mut lost = 0;
        while let Some(next) = self.consumer(id)?.next_unsent()
            && next.is_gone()
        {
            let next = next.clone();
            // The producer of a refused message has learned it.
            if !next.is_refused() {
                lost += 1;
                let kind = EventKind::Unreadable;
                effects
                    .events
                    .extend(Event::of_messages(kind, None, [&next]));
            }
            let removed = self.remove_from(id, &next, effects);
            if next.is_lost_until_restart()
                && let Some(held) = removed.and_then(|queued| queued.held)
            {
                held.stay();
            }
        }
        Some(lost)
    }

    /// Returns whether the next message of a consumer has no content.
    pub(super) fn has_lost_next(&mut self, id: ConsumerId) -> bool {
        let next = self
            .consumer(id)
            .and_then(|consumer| consumer.next_unsent());
        next.is_some_and(Message::is_gone)
    }

    /// Returns whether somebody needs a delivery. The store may have read its message only now, so that
    /// nobody could tell before. Removes the message otherwise.
    pub(super) fn still_needs(
        &mut self,
        id: ConsumerId,
        delivery: &Delivery,
        effects: &mut Effects,
    ) -> bool {
        let message = &delivery.message;
        let kind = match message.is_read() {
            true if delivery.redeliveries == 0 => self.obsolescence.of(message),
            true => self.obsolescence.useless(message),
            false => self.obsolescence.too_old(message),
        };
        if let Some(kind) = kind {
            effects
                .events
                .extend(Event::of_messages(kind, None, [&**message]));
            self.remove_from(id, message, effects);
            return false;
        }
        message.leave_full_memory();
        true
    }

    fn remove_from(
        &mut self,
        id: ConsumerId,
        message: &Message,
        effects: &mut Effects,
    ) -> Option<QueuedMessage> {
        let removed = self.consumer(id)?.remove(message.sequence)?;
        self.uncount(message);
        self.dispatch(None, effects);
        Some(removed)
    }

    /// Removes the oldest message: one that waits, or if there is none, one that a consumer has.
    pub(super) fn pop_oldest(&mut self) -> Option<Message> {
        let oldest = match self.ready.pop_first() {
            Some(ready) => ready,
            None => {
                let holders = self.consumers.iter_mut();
                let held = holders
                    .filter_map(|it| it.oldest().map(|sequence| (sequence, it)))
                    .min_by_key(|(sequence, _)| *sequence)
                    .and_then(|(sequence, holder)| holder.remove(sequence));
                held.or_else(|| self.suspects.pop().map(|suspect| suspect.queued))?
            }
        };
        self.uncount(&oldest.message);
        Some(oldest.message)
    }

    /// Removes the oldest messages until a further one fits the limits. Returns them.
    pub(super) fn make_room_for(&mut self, message: &Message, limits: &Limits) -> Vec<Message> {
        let mut removed = Vec::new();
        while self.limit_exceeded_by(message, limits).is_some() {
            let Some(oldest) = self.pop_oldest() else {
                break;
            };
            removed.push(oldest);
        }
        self.lost += removed.len();
        removed
    }

    /// Returns whether the subscription has lost as many messages as its backlog holds since a consumer
    /// connected or acknowledged a message.
    pub(super) fn is_stalled(&self) -> bool {
        self.lost > self.backlog.messages
    }

    /// Returns the consumer to disconnect because it keeps a full subscription from its other consumers:
    /// others have room and no message waits, while this one has most messages and has acknowledged none
    /// for a number of publishes. The caller counts a publish with each call.
    pub(super) fn hoarder(&mut self) -> Option<ConsumerId> {
        let has_room = self.consumers.iter().any(Consumer::has_permit);
        if !has_room || self.consumers.len() < 2 || !self.ready.is_empty() {
            return None;
        }
        let messages = self.backlog.messages;
        let mut consumers = self.consumers.iter_mut();
        let most = consumers.find(|it| it.in_flight.len() > messages / 2)?;
        most.idle_publishes += 1;
        (most.idle_publishes > MAX_IDLE_PUBLISHES).then_some(most.id)
    }

    /// Returns all messages: ready, in flight, delayed and suspected.
    pub(super) fn into_messages(self) -> MessageQueue {
        let mut messages = self.ready;
        for suspect in self.suspects {
            messages.insert(suspect.queued);
        }
        for consumer in self.consumers {
            let delayed = consumer.delayed.into_iter().map(|(_, queued)| queued);
            let waiting = delayed.chain(consumer.later);
            for queued in consumer.in_flight.into_values().chain(waiting) {
                messages.insert(queued);
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, shared};

    #[test]
    fn other_consumers_get_the_messages_of_one_that_disconnects() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &shared(2));
        let b = test.attach("s", &shared(3));
        let sent: Vec<_> = (0..6).map(|_| test.publish().unwrap()).collect();
        assert_eq!(test.take("s", a), [sent[0], sent[2]]);
        assert_eq!(test.take("s", b), [sent[1], sent[3], sent[4]]);
        test.detach("s", a);
        assert!(test.take("s", b).is_empty());
        assert!(test.acknowledge("s", b, sent[3]));
        assert_eq!(test.take("s", b), [sent[0]], "the oldest comes first");
        assert!(test.negative_acknowledge("s", b, sent[4]));
        assert_eq!(test.take("s", b), [sent[2]]);
    }
}
