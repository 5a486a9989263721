//! All topics of a broker, and the handles of producers and consumers.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use dasf_protocol::Subscription;
use dasf_protocol::link::Header;
use serde_json::value::RawValue;
use tracing::{debug, info, warn};

use crate::budget::Budget;
use crate::clock::now;
use crate::limits::Limits;
use crate::log::{Line, Log};
use crate::message::{Keeping, Message, MessageIds, Origin};
use crate::statistics::Counters;
use crate::store::{QueueId, Restored, Store, Ticket};
use crate::topic::{
    AttachError, ConsumerId, ConsumerOptions, DeadLetter, Delivery, Effects, GoneReaders,
    PublishError, Topic, TopicName, Victims,
};

/// The topics of a broker.
///
/// To hold both locks, lock the table first and the topic second.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Log,
    origin: Origin,
    /// The budget of what waits for the peers to read it.
    pub(crate) outgoing: Arc<Budget>,
    gone: Arc<GoneReaders>,
    topics: Mutex<Topics>,
    room: Mutex<RoomMaker>,
}

/// Makes room in the memory of the broker.
#[derive(Debug, Default)]
struct RoomMaker {
    /// When a search for this topic found too little.
    failed: Option<(Instant, TopicName)>,
}

/// The time after which a search for room may find more than the last one, which found too little. A
/// search looks at all topics.
const ROOM_INTERVAL: Duration = Duration::from_millis(100);

/// The topics that one connection has created, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct TopicQuota(VecDeque<(TopicName, Weak<Mutex<Topic>>)>);

/// When there are too many topics, this part of them makes room at once, because a search looks at all.
const JUNK_FRACTION: usize = 16;

/// The contents of messages that are on the disk may use this part of the largest memory.
const CACHE_FRACTION: usize = 8;

/// What waits for the peers to read it may use this part of the largest memory, in addition.
const OUTGOING_FRACTION: usize = 4;

type Topics = HashMap<TopicName, Arc<Mutex<Topic>>>;

/// Topics that made room for others.
#[derive(Debug, Default)]
struct Removed {
    topics: usize,
    messages: usize,
}

impl AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        self.topics += other.topics;
        self.messages += other.messages;
    }
}

impl Removed {
    fn log(&self) {
        let Self { topics, messages } = *self;
        warn!(
            topics,
            messages, "removed topics without a consumer: there are too many topics"
        );
    }
}

/// Removes this number of topics without a consumer, those with the oldest messages first.
fn remove_oldest_unread(topics: &mut Topics, count: usize) -> Removed {
    let mut unread: Vec<_> = topics
        .iter()
        .filter_map(|(name, topic)| {
            let topic = lock(topic);
            (!topic.is_read()).then(|| (topic.last_sequence(), name.clone()))
        })
        .collect();
    unread.sort_unstable_by_key(|(last, _)| *last);
    let mut removed = Removed::default();
    for (_, name) in unread.into_iter().take(count) {
        if let Some(topic) = topics.remove(&name) {
            removed.topics += 1;
            removed.messages += lock(&topic).remove();
        }
    }
    removed
}

/// Removes a topic that a connection has created, if it has no consumer.
fn remove_if_unread(
    topics: &mut Topics,
    name: &TopicName,
    created: &Weak<Mutex<Topic>>,
) -> Removed {
    let is_same = |it: &Arc<Mutex<Topic>>| {
        created
            .upgrade()
            .is_some_and(|created| Arc::ptr_eq(it, &created))
    };
    let found = topics.get(name).filter(|it| is_same(it));
    let mut removed = Removed::default();
    if found.is_some_and(|topic| !lock(topic).is_read())
        && let Some(topic) = topics.remove(name)
    {
        removed.topics = 1;
        removed.messages = lock(&topic).remove();
    }
    removed
}

/// Locks a mutex. No code under it panics, so its content is never half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(limits: Limits) -> Self {
        let origin = Origin {
            ids: MessageIds::new(),
            budget: Budget::new(limits.max_memory),
            keeping: None,
        };
        Self::with_origin(limits, origin)
    }

    /// Returns the topics that a store has kept.
    pub(crate) fn restored(limits: Limits, store: Arc<Store>, restored: Restored) -> Self {
        let last = restored.messages.last().map(|message| message.sequence);
        let keeping = Arc::new(Keeping {
            store,
            cache: Budget::new(limits.max_memory / CACHE_FRACTION),
        });
        let origin = Origin {
            ids: MessageIds::restored(restored.run, restored.starts, last),
            budget: Budget::new(limits.max_memory),
            keeping: Some(keeping.clone()),
        };
        let hub = Self::with_origin(limits, origin);
        let (now, time) = (now(), SystemTime::now());
        let mut messages: HashMap<QueueId, Vec<Message>> = HashMap::new();
        for restored in restored.messages {
            let age = time.duration_since(restored.published).unwrap_or_default();
            // On some systems no time is before the start of the machine.
            let published = now.checked_sub(age).unwrap_or(now);
            let message = Message::restored(&hub.origin, &keeping, published, &restored);
            for queue in restored.queues {
                messages.entry(queue).or_default().push(message.clone());
            }
        }
        for record in restored.queues {
            let kept = messages.remove(&record.id).unwrap_or_default();
            let name = record.topic.clone();
            let restore = |topic: &mut Topic| -> Result<(), AttachError> {
                topic.restore(&keeping.store, record, kept, now);
                Ok(())
            };
            if let Err(error) = hub.with_topic(&name, None, restore) {
                warn!(topic = %name, "cannot restore the topic: {error}");
            }
        }
        hub
    }

    fn with_origin(limits: Limits, origin: Origin) -> Self {
        let outgoing = Budget::new(limits.max_memory / OUTGOING_FRACTION);
        Self {
            limits: Arc::new(limits),
            counters: Arc::default(),
            log: Log::default(),
            origin,
            outgoing,
            gone: Arc::default(),
            topics: Mutex::default(),
            room: Mutex::default(),
        }
    }

    /// Returns what differs between this broker and all others. A broker that goes on with a store has what
    /// the earlier one had.
    pub(crate) fn run(&self) -> String {
        self.origin.ids.run()
    }

    pub(crate) fn topics(&self) -> usize {
        lock(&self.topics).len()
    }

    /// Returns the commit of the store after which a published message is on the disk, if the message
    /// must be there before its producer gets a receipt.
    pub(crate) fn written_after(&self, message: &Message) -> Option<Ticket> {
        let keeping = self.origin.keeping.as_ref()?;
        message.is_held().then(|| keeping.store.ticket())
    }

    /// Returns whether the store has made this commit, or has failed. If not, the task wakes then.
    pub(crate) fn is_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        let keeping = self.origin.keeping.as_ref();
        keeping.is_none_or(|keeping| keeping.store.is_written(ticket, cx.waker()))
    }

    /// Runs a function on a topic, and creates the topic if it does not exist.
    fn with_topic<T, E: From<AttachError>>(
        &self,
        name: &TopicName,
        quota: Option<&mut TopicQuota>,
        change: impl FnOnce(&mut Topic) -> Result<T, E>,
    ) -> Result<(Arc<Mutex<Topic>>, T), E> {
        let mut topics = lock(&self.topics);
        // The table stays locked, so no other task finds the topic idle and removes it.
        if let Some(found) = topics.get(name) {
            let changed = change(&mut lock(found))?;
            return Ok((found.clone(), changed));
        }
        let mut removed = Removed::default();
        let max = self.limits.max_topics;
        if topics.len() >= max {
            removed = remove_oldest_unread(&mut topics, max.div_ceil(JUNK_FRACTION));
            if topics.len() >= max {
                return Err(AttachError::TooManyTopics { max }.into());
            }
        }
        let (limits, counters) = (self.limits.clone(), self.counters.clone());
        let (budget, gone) = (self.origin.budget.clone(), self.gone.clone());
        let keeping = self.origin.keeping.as_ref();
        let store = keeping.map(|keeping| keeping.store.clone());
        let mut topic = Topic::new(name.clone(), limits, counters, budget, gone, store);
        let changed = change(&mut topic)?;
        let topic = Arc::new(Mutex::new(topic));
        topics.insert(name.clone(), topic.clone());
        if let Some(quota) = quota {
            quota.0.push_back((name.clone(), Arc::downgrade(&topic)));
            if quota.0.len() > self.limits.max_topics_per_connection
                && let Some((oldest, topic)) = quota.0.pop_front()
            {
                removed += remove_if_unread(&mut topics, &oldest, &topic);
            }
        }
        drop(topics);
        if removed.topics > 0 && self.log.allows(Line::TopicsRemoved) {
            removed.log();
        }
        Ok((topic, changed))
    }

    /// Removes a topic if it is idle.
    fn remove_if_idle(&self, name: &TopicName) {
        let mut topics = lock(&self.topics);
        let is_idle = topics.get(name).is_some_and(|topic| lock(topic).is_idle());
        if is_idle {
            topics.remove(name);
        }
        drop(topics);
        if is_idle {
            debug!(topic = name.to_string(), "removed the topic");
        }
    }

    /// Returns whether the memory of the broker has room. If it is full, messages that nobody reads make
    /// room first, those of the topic with the most of them before others. Then the topic with the most
    /// memory loses messages, unless it is the topic `name` itself, which asks for room.
    fn has_room(&self, name: &TopicName) -> bool {
        let budget = &self.origin.budget;
        if !budget.is_exceeded() {
            return true;
        }
        let mut room = lock(&self.room);
        let now = now();
        let has_failed = room.failed.as_ref().is_some_and(|(failed, topic)| {
            topic == name && now.saturating_duration_since(*failed) < ROOM_INTERVAL
        });
        if !budget.is_exceeded() || has_failed {
            return !budget.is_exceeded();
        }
        // Some more room than needed, so that the next search is not due at once.
        let target = budget.max() - budget.max() / 16;
        let mut effects = self.shrink(Victims::Unread, None, target);
        if budget.is_exceeded() {
            effects.extend(self.shrink(Victims::Read, Some(name), target));
        }
        let has_room = !budget.is_exceeded();
        room.failed = (!has_room).then(|| (now, name.clone()));
        drop(room);
        for (name, mut effects) in effects {
            self.apply_effects(&name, &mut effects);
        }
        has_room
    }

    /// Removes messages of the topic with the most memory, until all topics use no more than `target`, or
    /// until it is the topic `asking`. Returns the effects on the topics.
    fn shrink(
        &self,
        victims: Victims,
        asking: Option<&TopicName>,
        target: usize,
    ) -> Vec<(TopicName, Effects)> {
        let mut all_effects = Vec::new();
        let budget = &self.origin.budget;
        let all: Vec<_> = lock(&self.topics)
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        let costs = all.iter().map(|(_, topic)| lock(topic).cost(victims));
        let mut by_cost: BinaryHeap<_> = costs.enumerate().map(|(at, cost)| (cost, at)).collect();
        while budget.used() > target
            && let Some((cost, at)) = by_cost.pop()
            && cost > 0
        {
            let (name, topic) = &all[at];
            if asking == Some(name) {
                break;
            }
            let mut effects = Effects::default();
            let (rest, idle) = {
                let mut topic = lock(topic);
                let excess = budget.used().saturating_sub(target);
                topic.make_room(victims, excess.min(cost.div_ceil(2)), &mut effects);
                (topic.cost(victims), topic.is_idle())
            };
            all_effects.push((name.clone(), effects));
            if idle {
                self.remove_if_idle(name);
            }
            if rest < cost {
                by_cost.push((rest, at));
            }
        }
        all_effects
    }

    fn full(&self) -> AttachError {
        let max = self.origin.budget.max();
        AttachError::BrokerFull { max }
    }

    /// Connects a producer. If the connection has others, the topic counts for its quota.
    pub(crate) fn producer(
        self: &Arc<Self>,
        name: TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Producer, AttachError> {
        if !self.has_room(&name) {
            return Err(self.full());
        }
        let topic = self.topic_of_producer(&name, quota)?;
        Ok(Producer {
            hub: self.clone(),
            name,
            topic,
            effects: Effects::default(),
        })
    }

    fn topic_of_producer(
        &self,
        name: &TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Arc<Mutex<Topic>>, AttachError> {
        let (topic, ()) = self.with_topic(name, quota, |topic| {
            topic.attach_producer();
            Ok::<_, AttachError>(())
        })?;
        Ok(topic)
    }

    /// Connects a consumer.
    pub(crate) fn consumer(
        self: &Arc<Self>,
        name: TopicName,
        subscription: Subscription,
        options: &ConsumerOptions,
    ) -> Result<Consumer, AttachError> {
        self.consumer_with_quota(name, subscription, options, None)
    }

    /// Connects a consumer. If its connection has others, the topic counts for its quota.
    pub(crate) fn consumer_with_quota(
        self: &Arc<Self>,
        name: TopicName,
        subscription: Subscription,
        options: &ConsumerOptions,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Consumer, AttachError> {
        if !self.has_room(&name) {
            return Err(self.full());
        }
        let mut effects = Effects::default();
        let attach =
            |topic: &mut Topic| topic.attach_consumer(&subscription, options, &mut effects);
        let (topic, id) = self.with_topic(&name, quota, attach)?;
        self.apply_effects(&name, &mut effects);
        Ok(Consumer {
            hub: self.clone(),
            name,
            subscription,
            topic,
            id,
            has_left: false,
            redelivery_delay: options.redelivery_delay,
            next_due: None,
            effects,
        })
    }

    /// Publishes the dead letters of a change of the topic `name`, logs its events, and wakes tasks.
    /// The caller must hold no lock.
    pub(crate) fn apply_effects(&self, name: &TopicName, effects: &mut Effects) {
        self.report(name, effects);
        effects.wake();
    }

    /// Publishes the dead letters of a change of the topic `name`, and logs its events. The tasks to wake
    /// stay.
    fn report(&self, name: &TopicName, effects: &mut Effects) {
        for event in effects.events.drain(..) {
            if self.log.allows(Line::Event(event.kind)) {
                event.log(name);
            }
        }
        for letter in std::mem::take(&mut effects.dead_letters) {
            self.dead_letter(name, &letter, effects);
        }
    }

    /// Publishes a message of the topic `name` to its dead-letter topic.
    ///
    /// The dead letter is a new message, because several subscriptions may send the same message
    /// there. Its retention starts again.
    fn dead_letter(&self, name: &TopicName, letter: &DeadLetter, effects: &mut Effects) {
        let DeadLetter {
            message, topic: to, ..
        } = letter;
        let Some(loaded) = message.load_now() else {
            self.counters.dropped.add(1);
            return;
        };
        let copy = Message::copy(loaded.content(), &self.origin, now(), to.topic());
        let copy_id = copy.id();
        let published = self.with_topic(to, None, |topic| -> Result<(), DeadLetterError> {
            topic.insert(copy, effects)?;
            // A consumer may get the dead letter as soon as the lock is free.
            self.counters.dead_lettered.add(1);
            Ok(())
        });
        let is_logged = self.log.allows(Line::DeadLetter);
        match published {
            Ok(_) if !is_logged => {}
            Ok(_) => {
                warn!(
                    topic = name.to_string(),
                    message_id = %message.id(),
                    to = to.to_string(),
                    new_message_id = %copy_id,
                    "moved to the dead-letter topic after the last redelivery that the consumer allows"
                );
            }
            Err(error) => {
                self.counters.dropped.add(1);
                if !is_logged {
                    return;
                }
                warn!(
                    topic = name.to_string(),
                    message_id = %message.id(),
                    to = to.to_string(),
                    "dropped: the dead-letter topic refused the message: {error}"
                );
            }
        }
    }

    /// Removes expired messages and subscriptions from all topics.
    pub(crate) fn remove_expired(&self) {
        self.gone.forget_old(now());
        let topics: Vec<_> = lock(&self.topics)
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        for (name, topic) in topics {
            let mut effects = Effects::default();
            let idle = {
                let mut topic = lock(&topic);
                topic.remove_expired(now(), &mut effects);
                topic.is_idle()
            };
            self.apply_effects(&name, &mut effects);
            if idle {
                self.remove_if_idle(&name);
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Otherwise the store would learn that all queues end.
        if let Some(keeping) = &self.origin.keeping {
            keeping.store.close();
        }
    }
}

/// The error of a dead-letter topic that refuses a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A connected producer. A drop disconnects it.
#[derive(Debug)]
pub(crate) struct Producer {
    hub: Arc<Hub>,
    name: TopicName,
    topic: Arc<Mutex<Topic>>,
    effects: Effects,
}

impl Producer {
    /// Publishes the fields of a frame as a message, and returns the message. Consumers wake with
    /// [`apply_effects`](Self::apply_effects).
    pub(crate) fn publish(&mut self, fields: &str) -> (Message, Result<(), PublishError>) {
        let message = Message::from_text(&self.hub.origin, now(), fields);
        let mut effects = std::mem::take(&mut self.effects);
        let published = self.insert(message.clone(), &mut effects);
        self.effects = effects;
        (message, published)
    }

    /// Publishes the parts of a frame of a link as a message, and returns the message. Its consumers are in
    /// `effects`, with those of other topics of the link.
    pub(crate) fn publish_parts(
        &mut self,
        header: &Header<'_>,
        payload: &Bytes,
        effects: &mut Effects,
    ) -> (Message, Result<(), PublishError>) {
        let (origin, now) = (&self.hub.origin, now());
        let (context, properties) = (header.context, header.properties);
        let (context, properties) = (context.map(RawValue::get), properties.map(RawValue::get));
        let message =
            Message::from_link(origin, now, self.name.topic(), context, properties, payload);
        let published = self.insert(message.clone(), effects);
        self.hub.report(&self.name, effects);
        (message, published)
    }

    fn insert(&mut self, message: Message, effects: &mut Effects) -> Result<(), PublishError> {
        if !self.hub.has_room(&self.name) {
            return Err(PublishError::BrokerFull {
                topic: self.name.clone(),
                max: self.hub.origin.budget.max(),
            });
        }
        loop {
            let mut topic = lock(&self.topic);
            if !topic.is_removed() {
                return topic.publish(message, effects);
            }
            drop(topic);
            self.topic = self.hub.topic_of_producer(&self.name, None)?;
        }
    }

    /// See [`Hub::written_after`].
    pub(crate) fn written_after(&self, message: &Message) -> Option<Ticket> {
        self.hub.written_after(message)
    }

    /// See [`Hub::is_written`].
    pub(crate) fn is_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        self.hub.is_written(ticket, cx)
    }

    /// Wakes the consumers that have a new message.
    pub(crate) fn apply_effects(&mut self) {
        self.hub.apply_effects(&self.name, &mut self.effects);
    }

    /// Counts and logs a refused frame.
    pub(crate) fn report_refused(&self, message: Option<&Message>, reason: &str) {
        self.hub.counters.refused.add(1);
        if !self.hub.log.allows(Line::FrameRefused) {
            return;
        }
        info!(
            topic = self.name.to_string(),
            message_id = message.map(|message| display(message.id())),
            "refused a frame: {reason}"
        );
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.apply_effects();
        let idle = {
            let mut topic = lock(&self.topic);
            topic.detach_producer();
            topic.is_idle()
        };
        if idle {
            self.hub.remove_if_idle(&self.name);
        }
    }
}

/// A connected consumer. A drop disconnects it.
#[derive(Debug)]
pub(crate) struct Consumer {
    hub: Arc<Hub>,
    name: TopicName,
    subscription: Subscription,
    topic: Arc<Mutex<Topic>>,
    id: ConsumerId,
    /// Whether the peer has closed the connection.
    has_left: bool,
    redelivery_delay: Duration,
    /// When the first of the delayed messages is due.
    next_due: Option<Instant>,
    effects: Effects,
}

impl Consumer {
    pub(crate) fn topic(&self) -> &TopicName {
        &self.name
    }

    pub(crate) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    pub(crate) fn log(&self) -> &Log {
        &self.hub.log
    }

    /// See [`Topic::take`].
    pub(crate) fn take(&mut self, max: usize, waker: &Waker) -> Option<Vec<Delivery>> {
        let (name, effects) = (&self.subscription, &mut self.effects);
        let taken = lock(&self.topic).take(name, self.id, max, waker, effects);
        self.apply_effects();
        taken
    }

    /// Returns the number of the message with this id, if this run of the broker made the id.
    pub(crate) fn sequence(&self, id: &str) -> Option<u64> {
        self.hub.origin.ids.sequence(id)
    }

    /// Records that the consumer works on a redelivered message. Returns whether the consumer had it.
    pub(crate) fn begin(&mut self, sequence: u64) -> bool {
        lock(&self.topic).begin(&self.subscription, self.id, sequence)
    }

    /// Acknowledges a message. Returns whether the consumer had it.
    pub(crate) fn acknowledge(&mut self, sequence: u64) -> bool {
        lock(&self.topic).acknowledge(&self.subscription, self.id, sequence, &mut self.effects)
    }

    /// Acknowledges a message negatively. Returns whether the consumer had it.
    pub(crate) fn negative_acknowledge(&mut self, sequence: u64) -> bool {
        let now = now();
        let (name, effects) = (&self.subscription, &mut self.effects);
        let known = lock(&self.topic).negative_acknowledge(name, self.id, sequence, now, effects);
        if known && !self.redelivery_delay.is_zero() {
            self.next_due.get_or_insert(now + self.redelivery_delay);
        }
        known
    }

    /// Returns when to call [`release_due`](Self::release_due).
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.next_due
    }

    /// See [`Topic::release_due`].
    pub(crate) fn release_due(&mut self) {
        let (name, effects) = (&self.subscription, &mut self.effects);
        self.next_due = lock(&self.topic).release_due(name, self.id, now(), effects);
    }

    /// Records that the peer has closed the connection. It was not lost.
    pub(crate) fn leave(&mut self) {
        self.has_left = true;
    }

    /// See [`Topic::unsubscribe`].
    pub(crate) fn unsubscribe(&mut self) -> bool {
        let known = lock(&self.topic).unsubscribe(&self.subscription, self.id, &mut self.effects);
        self.apply_effects();
        known
    }

    /// Wakes the other consumers of the subscription that have a new message, and publishes dead
    /// letters.
    pub(crate) fn apply_effects(&mut self) {
        self.hub.apply_effects(&self.name, &mut self.effects);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let idle = {
            let mut topic = lock(&self.topic);
            let (name, effects) = (&self.subscription, &mut self.effects);
            match self.has_left {
                true => topic.leave(name, self.id, now(), effects),
                false => topic.detach_consumer(name, self.id, now(), effects),
            }
            topic.is_idle()
        };
        self.apply_effects();
        if idle {
            self.hub.remove_if_idle(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::topic::{OnClose, SubscriptionType};
    use dasf_protocol::Topic;

    const SHARED: ConsumerOptions = ConsumerOptions {
        kind: SubscriptionType::Shared,
        durable: true,
        on_close: OnClose::Keep,
        receiver_queue_size: None,
        redelivery_delay: Duration::ZERO,
        dead_letters: None,
        run: None,
    };

    fn name(text: &str) -> TopicName {
        text.parse::<Topic>().unwrap().into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_removed_when_its_messages_have_expired() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let retention = hub.limits.subscription_retention;
        hub.producer(name("a"), None)
            .unwrap()
            .publish("}")
            .1
            .unwrap();
        let consumer = hub
            .consumer(name("b"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        let mut producer = hub.producer(name("b"), None).unwrap();
        producer.publish("}").1.unwrap();
        drop(consumer);
        assert_eq!(hub.topics(), 2);

        tokio::time::advance(retention - Duration::from_secs(1)).await;
        producer.publish("}").1.unwrap();
        hub.remove_expired();
        assert_eq!(hub.counters.read(0, 0).expired, 0);

        tokio::time::advance(Duration::from_secs(1)).await;
        hub.remove_expired();
        // The subscription has ended. Its younger message waits for a subscription of any name.
        assert_eq!(hub.counters.read(0, 0).expired, 2);
        assert_eq!(hub.topics(), 1);
        drop(producer);
        let mut consumer = hub
            .consumer(name("b"), "t".parse().unwrap(), &SHARED)
            .unwrap();
        assert_eq!(consumer.take(9, Waker::noop()).unwrap().len(), 1);
    }

    #[test]
    fn a_refused_topic_is_not_created() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics: 1,
            ..Limits::default()
        }));
        let consumer = hub.consumer(name("a"), "s".parse().unwrap(), &SHARED);
        assert_eq!(
            hub.producer(name("b"), None).unwrap_err(),
            AttachError::TooManyTopics { max: 1 }
        );
        drop(consumer);
        assert_eq!(hub.topics(), 0);
        hub.producer(name("b"), None).unwrap();
    }

    fn small(max_memory: usize) -> Arc<Hub> {
        Arc::new(Hub::new(Limits {
            max_memory,
            ..Limits::default()
        }))
    }

    /// Publishes payloads of one kilobyte. Returns the number of accepted ones.
    fn publish(producer: &mut Producer, messages: usize) -> usize {
        let fields = format!("\"payload\":\"{}\"}}", "x".repeat(1000));
        let published = (0..messages).filter(|_| producer.publish(&fields).1.is_ok());
        let accepted = published.count();
        producer.apply_effects();
        accepted
    }

    fn backlog(hub: &Hub, topic: &str, victims: Victims) -> usize {
        let topic = lock(&hub.topics).get(&name(topic)).cloned();
        topic.map_or(0, |topic| lock(&topic).cost(victims))
    }

    const MB: usize = 1 << 20;

    #[test]
    fn messages_that_nobody_reads_make_room_first() {
        let hub = small(4 * MB);
        let mut consumer = hub
            .consumer(name("read"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        let mut read = hub.producer(name("read"), None).unwrap();
        assert_eq!(publish(&mut read, 1000), 1000);
        // A subscription without a consumer, and a topic without a subscription.
        let other = hub.consumer(name("left"), "other".parse().unwrap(), &SHARED);
        let left = hub.consumer(name("left"), "s".parse().unwrap(), &SHARED);
        let mut left_producer = hub.producer(name("left"), None).unwrap();
        drop((left, other));
        let mut small = hub.producer(name("small"), None).unwrap();
        assert_eq!(publish(&mut small, 10), 10);
        for _ in 0..10 {
            assert_eq!(publish(&mut left_producer, 1000), 1000);
            assert!(hub.origin.budget.used() <= 4 * MB + 4096);
        }
        // The largest loses, and what is read stays.
        assert!(backlog(&hub, "small", Victims::Unread) > 10_000);
        assert!(hub.counters.read(0, 0).dropped > 5000);
        let mut got = 0;
        while let Some(taken) = consumer.take(99, Waker::noop())
            && !taken.is_empty()
        {
            got += taken.len();
        }
        assert_eq!(got, 1000);
    }

    #[test]
    fn the_topic_with_the_most_memory_makes_room_for_others_and_not_for_itself() {
        let hub = small(4 * MB);
        let consumer = |topic| hub.consumer(name(topic), "s".parse().unwrap(), &SHARED);
        let _large = consumer("large").unwrap();
        let _other = consumer("other").unwrap();
        let mut large = hub.producer(name("large"), None).unwrap();
        let mut other = hub.producer(name("other"), None).unwrap();
        assert_eq!(publish(&mut other, 100), 100);
        let accepted = publish(&mut large, 5000);
        assert!((2500..3500).contains(&accepted), "{accepted}");
        let fields = format!("\"payload\":\"{}\"}}", "x".repeat(2000));
        let refused = large.publish(&fields).1.unwrap_err();
        assert!(
            matches!(refused, PublishError::BrokerFull { .. }),
            "{refused}"
        );
        assert_eq!(hub.counters.read(0, 0).dropped, 0);
        let before = backlog(&hub, "large", Victims::Read);
        assert_eq!(publish(&mut other, 100), 100);
        assert!(backlog(&hub, "large", Victims::Read) < before);
        assert!(hub.origin.budget.used() <= 4 * MB + 4096);
    }

    #[test]
    fn all_memory_is_given_back() {
        let hub = small(MB);
        for _ in 0..3 {
            let consumer = hub.consumer(name("a"), "s".parse().unwrap(), &SHARED);
            let mut producer = hub.producer(name("a"), None).unwrap();
            publish(&mut producer, 3000);
            let mut consumer = consumer.unwrap();
            while let Some(taken) = consumer.take(99, Waker::noop())
                && !taken.is_empty()
            {
                for delivery in taken {
                    consumer.acknowledge(delivery.message.sequence);
                }
            }
        }
        assert_eq!((hub.topics(), hub.origin.budget.used()), (0, 0));
    }

    #[test]
    fn topics_without_a_consumer_make_room_for_others() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics: 100,
            ..Limits::default()
        }));
        let consumer = |topic: &str| hub.consumer(name(topic), "s".parse().unwrap(), &SHARED);
        let mut read = consumer("read").unwrap();
        let mut producer = hub.producer(name("read"), None).unwrap();
        let mut kept = hub.producer(name("kept"), None).unwrap();
        kept.publish("}").1.unwrap();
        for number in 0..1000 {
            let topic = format!("junk-{number}").parse::<Topic>().unwrap();
            hub.producer(topic.into(), None)
                .unwrap()
                .publish("}")
                .1
                .unwrap();
            assert!(hub.topics() <= 100);
        }
        // A producer of a removed topic goes on.
        assert_eq!(backlog(&hub, "kept", Victims::Unread), 0);
        kept.publish("}").1.unwrap();
        assert_eq!(
            consumer("kept")
                .unwrap()
                .take(9, Waker::noop())
                .unwrap()
                .len(),
            1
        );
        producer.publish("}").1.unwrap();
        assert_eq!(read.take(9, Waker::noop()).unwrap().len(), 1);
    }

    #[test]
    fn a_connection_keeps_a_number_of_topics_without_a_consumer() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics_per_connection: 3,
            ..Limits::default()
        }));
        let mut quota = TopicQuota::default();
        let mut publish = |topic: &str| {
            let mut producer = hub.producer(name(topic), Some(&mut quota)).unwrap();
            producer.publish("}").1.unwrap();
        };
        publish("read");
        let _read = hub
            .consumer(name("read"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        for topic in ["a", "b", "c", "d", "e"] {
            publish(topic);
        }
        let mut topics: Vec<_> = lock(&hub.topics).keys().map(ToString::to_string).collect();
        topics.sort();
        assert_eq!(topics, ["c", "d", "e", "read"]);
        assert_eq!(hub.counters.read(0, 0).dropped, 2);
    }

    fn options(on_close: OnClose, prefetch: usize) -> ConsumerOptions {
        ConsumerOptions {
            on_close,
            receiver_queue_size: Some(prefetch),
            ..SHARED
        }
    }

    /// Publishes a request, and returns its number.
    fn request(producer: &mut Producer, properties: &str) -> u64 {
        let fields = format!("\"payload\":\"\",\"properties\":{properties}}}");
        let (message, published) = producer.publish(&fields);
        published.unwrap();
        message.sequence
    }

    /// Takes the next message, and acknowledges it.
    fn work(consumer: &mut Consumer) -> Option<u64> {
        let taken = consumer.take(1, Waker::noop()).unwrap();
        let sequence = taken.first()?.message.sequence;
        assert!(consumer.acknowledge(sequence));
        Some(sequence)
    }

    /// One worker gets twice the load that it can do. What it does is of use.
    #[tokio::test(start_paused = true)]
    async fn a_request_whose_caller_no_longer_waits_is_not_delivered() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let options = options(OnClose::Keep, 1);
        let worker = hub.consumer(name("group"), "workers".parse().unwrap(), &options);
        let mut worker = worker.unwrap();
        let mut producer = hub.producer(name("group"), None).unwrap();
        let mut published = HashMap::new();
        let mut late = 0;
        for _ in 0..200 {
            for _ in 0..2 {
                let sequence = request(&mut producer, r#"{"x_dasf_timeout_ms": 5000}"#);
                published.insert(sequence, now());
            }
            let done = work(&mut worker).unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
            // The next request is assigned when this one is acknowledged.
            let waited = now().duration_since(published[&done]);
            late += usize::from(waited > Duration::from_secs(6));
        }
        assert_eq!(late, 0);
        assert!(hub.counters.read(0, 0).expired > 150);
        // Without a limit, requests wait.
        let mut patient = hub.producer(name("patient"), None).unwrap();
        let sequence = request(&mut patient, "{}");
        tokio::time::advance(Duration::from_secs(60)).await;
        let consumer = hub.consumer(name("patient"), "s".parse().unwrap(), &options);
        assert_eq!(work(&mut consumer.unwrap()), Some(sequence));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_caller_is_gone_is_not_delivered() {
        const PROPERTIES: &str = r#"{"messageType":"request","response_topic":"answers"}"#;
        for (on_close, closes, waits, is_delivered) in [
            (OnClose::Discard, true, 0, false),
            // It may come back.
            (OnClose::Discard, false, 5, true),
            (OnClose::Discard, false, 10, false),
            // Its subscription keeps the answers.
            (OnClose::Keep, true, 60, true),
            (OnClose::Keep, false, 60, true),
        ] {
            let hub = Arc::new(Hub::new(Limits::default()));
            let module = hub.consumer(name("m"), "s".parse().unwrap(), &options(OnClose::Keep, 1));
            let mut module = module.unwrap();
            let answers = |subscription: &str| {
                let subscription = subscription.parse().unwrap();
                hub.consumer(name("answers"), subscription, &options(on_close, 9))
            };
            let mut caller = answers("caller").unwrap();
            let mut producer = hub.producer(name("m"), None).unwrap();
            let first = request(&mut producer, PROPERTIES);
            let waiting = request(&mut producer, PROPERTIES);
            let job = request(
                &mut producer,
                &PROPERTIES.replace("}", ",\"x_dasf_job\":1}"),
            );
            let other = request(&mut producer, &PROPERTIES.replace("answers", "others"));
            if closes {
                caller.leave();
            }
            drop(caller);
            tokio::time::advance(Duration::from_secs(waits)).await;
            assert_eq!(work(&mut module), Some(first));
            if is_delivered {
                assert_eq!(work(&mut module), Some(waiting));
            }
            assert_eq!(work(&mut module), Some(job));
            assert_eq!(work(&mut module), Some(other));
            assert_eq!(hub.counters.read(0, 0).dropped, u64::from(!is_delivered));
            // A caller of this topic that comes later gets answers.
            let _later = answers("later").unwrap();
            let (busy, later) = (
                request(&mut producer, "{}"),
                request(&mut producer, PROPERTIES),
            );
            assert_eq!(work(&mut module), Some(busy));
            assert_eq!(work(&mut module), Some(later));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_another_reader_is_not_gone() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let reader = |subscription: &str| {
            let subscription = subscription.parse().unwrap();
            hub.consumer(name("answers"), subscription, &options(OnClose::Discard, 9))
        };
        let (_stays, mut leaves) = (reader("stays").unwrap(), reader("leaves").unwrap());
        leaves.leave();
        drop(leaves);
        assert!(lock(&hub.topics).contains_key(&name("answers")));
        let mut producer = hub.producer(name("m"), None).unwrap();
        let waiting = request(&mut producer, r#"{"response_topic":"answers"}"#);
        let module = hub.consumer(name("m"), "s".parse().unwrap(), &options(OnClose::Keep, 1));
        assert_eq!(work(&mut module.unwrap()), Some(waiting));
    }
}
