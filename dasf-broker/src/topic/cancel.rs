//! Requests that their callers have cancelled.
//!
//! A cancellation is a message with the response topic and the context of its request. The topic removes
//! the request where it waits, so that no consumer gets it. A consumer that has it already gets the
//! cancellation, too. What the topic cannot look at now, because it is on the disk or there is too much of
//! it, is removed when it is its turn.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dasf_protocol::MessageType;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Topic;
use super::consumer::ConsumerId;
use super::effects::{Effects, Event, EventKind};
use super::error::PublishError;
use super::subscription::Subscription;
use crate::clock::now;
use crate::message::Message;

/// How many messages of a subscription the topic looks at for one cancellation.
const MAX_LOOKS: usize = 1024;
/// The size of these messages in bytes.
const MAX_SIZE: usize = 4 << 20;
/// How many cancellations a topic remembers.
const MAX_REMEMBERED: usize = 4096;
/// How long it remembers them.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// What identifies a call: its response topic, its context and its user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CallId {
    response_topic: String,
    context: String,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "messageType", borrow, default)]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_topic: Option<Cow<'a, str>>,
    #[serde(rename = "requestContext", borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(rename = "x_dasf_user", borrow, default)]
    user: Option<Cow<'a, str>>,
}

impl CallId {
    /// Returns the call of a message of this type.
    fn of(message: &Message, message_type: &MessageType) -> Option<Self> {
        message.with_properties(|properties| {
            let properties: Properties<'_> = serde_json::from_str(properties?).ok()?;
            if properties.message_type.as_deref() != Some(message_type.as_str()) {
                return None;
            }
            // Some programs make a number of the context.
            let context = properties.context?.get().trim_matches('"');
            Some(Self {
                response_topic: properties.response_topic?.into_owned(),
                context: context.to_owned(),
                user: properties.user.map(Cow::into_owned),
            })
        })
    }

    /// Returns the call that a message cancels.
    pub(crate) fn cancelled_by(message: &Message) -> Option<Self> {
        let may_cancel = message.with_properties(|properties| {
            // A whole parser would cost more than all other work for a small message.
            properties.is_some_and(|it| it.contains("\"cancel\""))
        });
        may_cancel
            .then(|| Self::of(message, &MessageType::Cancel))
            .flatten()
    }

    /// Returns whether a message is the request of the call, or a part of it.
    fn is_of(&self, message: &Message) -> bool {
        let may_be = message.with_properties(|properties| {
            properties.is_some_and(|it| it.contains(&self.response_topic))
        });
        may_be && Self::of(message, &MessageType::Request).as_ref() == Some(self)
    }
}

/// The cancelled calls of a topic whose requests may still wait somewhere. The oldest make room.
#[derive(Debug, Default)]
pub(super) struct CancelledCalls {
    count: AtomicUsize,
    hasher: RandomState,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    order: VecDeque<(Instant, u64)>,
    hashes: HashSet<u64>,
}

impl CancelledCalls {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: &CallId, now: Instant) {
        let hash = self.hasher.hash_one(call);
        let mut calls = self.lock();
        if calls.hashes.insert(hash) {
            calls.order.push_back((now, hash));
        }
        while let Some(&(added, oldest)) = calls.order.front()
            && (calls.order.len() > MAX_REMEMBERED || now.saturating_duration_since(added) > MEMORY)
        {
            calls.order.pop_front();
            calls.hashes.remove(&oldest);
        }
        self.count.store(calls.hashes.len(), Ordering::Relaxed);
    }

    /// Returns whether the caller of a request has cancelled it.
    pub(super) fn contain(&self, message: &Message) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let call = CallId::of(message, &MessageType::Request);
        call.is_some_and(|call| self.lock().hashes.contains(&self.hasher.hash_one(&call)))
    }
}

/// What a subscription has for a cancellation.
#[derive(Debug, Default)]
struct Found {
    /// The messages that waited. They are removed.
    removed: Vec<Message>,
    /// The consumers that have the request, or a part of it.
    holders: Vec<ConsumerId>,
    /// Whether somebody else may run the request, or the subscription may have more of it.
    is_elsewhere: bool,
}

/// Looks at messages, as long as it may.
struct Search<'a> {
    call: &'a CallId,
    looks: usize,
    size: usize,
    is_incomplete: bool,
}

impl<'a> Search<'a> {
    fn new(call: &'a CallId) -> Self {
        Self {
            call,
            looks: MAX_LOOKS,
            size: MAX_SIZE,
            is_incomplete: false,
        }
    }

    /// Returns whether a message is the request.
    fn finds(&mut self, message: &Message) -> bool {
        let size = self.size.checked_sub(message.size());
        let looks = self.looks.checked_sub(1);
        let (Some(size), Some(looks), true) = (size, looks, message.load().is_some()) else {
            self.is_incomplete = true;
            return false;
        };
        (self.size, self.looks) = (size, looks);
        self.call.is_of(message)
    }
}

impl Topic {
    /// Removes a request that its caller has cancelled. A consumer that has it already gets the
    /// cancellation.
    pub(crate) fn cancel(
        &mut self,
        message: Message,
        call: &CallId,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        let mut search = Search::new(call);
        let waiting = self.unclaimed.take_where(|it| search.finds(&it.message));
        self.charge_unclaimed();
        let mut removed: Vec<_> = waiting.into_iter().map(|it| it.message).collect();
        let is_unread = self.subscriptions.is_empty() && removed.is_empty();
        // A module that runs the request may be about to connect again.
        let mut is_needed = search.is_incomplete || is_unread;
        let mut holders = Vec::new();
        for subscription in self.subscriptions.values_mut() {
            let found = subscription.remove_cancelled(call, effects);
            let is_over = !found.removed.is_empty() && found.holders.is_empty();
            removed.extend(found.removed);
            if is_over && !found.is_elsewhere {
                holders.push(None);
                continue;
            }
            is_needed = true;
            holders.push(Some(found.holders));
        }
        self.counters.dropped.add(removed.len());
        let event = Event::of_messages(EventKind::Cancelled, None, &removed);
        effects.events.extend(event);
        self.seen.published += 1;
        self.counters.published.add(1);
        self.counters.published_bytes.add(message.size());
        if !is_needed {
            return Ok(());
        }
        // What a consumer returns, or what is on the disk, is removed when it is its turn.
        self.obsolescence.cancelled.add(call, now());
        if self.subscriptions.is_empty() {
            return self.insert(message, effects);
        }
        self.check_room(&message, effects)?;
        self.last_sequence = self.last_sequence.max(message.sequence);
        for (subscription, holders) in self.subscriptions.values_mut().zip(holders) {
            if let Some(holders) = holders {
                subscription.give_cancellation(&message, &holders, effects);
            }
        }
        Ok(())
    }
}

impl Subscription {
    /// Removes the messages of a cancelled request that wait.
    fn remove_cancelled(&mut self, call: &CallId, effects: &mut Effects) -> Found {
        let mut search = Search::new(call);
        let mut found = Found::default();
        let mut waiting = self.ready.take_where(|it| search.finds(&it.message));
        for consumer in &mut self.consumers {
            waiting.extend(consumer.take_pending(|it| search.finds(&it.message)));
            let mut in_flight = consumer.in_flight.values();
            if in_flight.any(|it| search.finds(&it.message)) {
                found.holders.push(consumer.id);
            }
        }
        found.is_elsewhere = search.is_incomplete;
        for queued in waiting {
            // A consumer that was lost may still run what it had.
            found.is_elsewhere |= queued.history.redeliveries() > 0;
            self.uncount(&queued.message);
            found.removed.push(queued.message);
        }
        if !found.removed.is_empty() {
            self.dispatch(None, effects);
        }
        found
    }

    /// Gives a cancellation to the consumers that have the request. If none has it, one of them may have
    /// acknowledged it and run it, so each gets the cancellation.
    fn give_cancellation(
        &mut self,
        message: &Message,
        holders: &[ConsumerId],
        effects: &mut Effects,
    ) {
        if self.consumers.is_empty() {
            return self.push(message.clone(), effects);
        }
        let consumers = self.consumers.iter().map(|it| it.id);
        let consumers: Vec<_> = match holders {
            [] => consumers.collect(),
            holders => holders.to_vec(),
        };
        for id in consumers {
            self.assign_to(id, message, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::topic::options::SubscriptionType;
    use crate::topic::test_topic::{TestTopic, delaying, name, options, shared};

    /// Publishes a message of a call.
    fn send(test: &mut TestTopic, message_type: &str, context: &str) -> u64 {
        let fields = format!(
            "\"properties\":{{\"messageType\":\"{message_type}\",\"response_topic\":\"caller\",\"requestContext\":\"{context}\"}}}}"
        );
        let message = Message::from_text(&test.origin, &test.origin.budget, test.now, &fields);
        let sequence = message.sequence;
        let published = match CallId::cancelled_by(&message) {
            Some(call) => test.topic.cancel(message, &call, &mut test.effects),
            None => test.topic.publish(message, &mut test.effects),
        };
        published.unwrap();
        sequence
    }

    /// Returns the size of a backlog; 0 if the subscription has ended.
    fn backlog(test: &TestTopic, subscription: &str) -> usize {
        let subscription = test.topic.subscriptions.get(&name(subscription));
        subscription.map_or(0, |it| it.backlog.messages)
    }

    #[test]
    fn a_request_that_waits_is_removed_with_its_cancellation() {
        let mut test = TestTopic::new(Limits::default());
        send(&mut test, "request", "1");
        let second = send(&mut test, "request", "2");
        send(&mut test, "cancel", "1");
        let id = test.attach("s", &shared(1));
        assert_eq!(test.take("s", id), [second]);
        // While the consumer has no room, and while it has not taken it.
        let third = send(&mut test, "request", "3");
        let fourth = send(&mut test, "request", "4");
        send(&mut test, "cancel", "4");
        assert!(test.acknowledge("s", id, second));
        send(&mut test, "cancel", "3");
        let fifth = send(&mut test, "request", "5");
        assert_eq!(test.take("s", id), [fifth], "not {third} or {fourth}");
        assert_eq!(backlog(&test, "s"), 1);
        let kinds = test.effects.events.iter().map(|event| event.kind);
        assert_eq!(kinds.filter(|it| *it == EventKind::Cancelled).count(), 3);
    }

    #[test]
    fn only_the_consumer_that_has_the_request_gets_the_cancellation() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &shared(1));
        let b = test.attach("s", &shared(1));
        let request = send(&mut test, "request", "1");
        let other = send(&mut test, "request", "2");
        assert_eq!(test.take("s", a), [request]);
        assert_eq!(test.take("s", b), [other]);
        let cancellation = send(&mut test, "cancel", "1");
        assert_eq!(
            test.take("s", a),
            [cancellation],
            "it has no room otherwise"
        );
        assert!(test.take("s", b).is_empty());
        assert!(test.acknowledge("s", a, cancellation));
        // It does not run elsewhere when the consumer is lost.
        test.detach("s", a);
        assert!(test.acknowledge("s", b, other));
        assert!(test.take("s", b).is_empty());
        assert_eq!(backlog(&test, "s"), 0);
    }

    #[test]
    fn a_consumer_gets_only_so_many_cancellations_beyond_its_limit() {
        const MAX: usize = 2 + dasf_protocol::link::EXTRA_CANCELLATIONS;
        for (kind, again) in [
            (SubscriptionType::Shared, 0),
            (SubscriptionType::Exclusive, MAX + 9),
        ] {
            let mut test = TestTopic::new(Limits::default());
            let id = test.attach("s", &options(kind, 2));
            let sent: Vec<_> = (0..MAX + 10)
                .map(|number| send(&mut test, "cancel", &number.to_string()))
                .collect();
            let mut taken = Vec::new();
            while let more = test.take("s", id)
                && !more.is_empty()
            {
                taken.extend(more);
            }
            assert_eq!(taken, sent[..MAX]);
            assert!(test.acknowledge("s", id, sent[0]));
            assert_eq!(test.take("s", id), [sent[MAX]]);
            test.detach("s", id);
            assert_eq!(backlog(&test, "s"), again);
        }
    }

    #[test]
    fn every_consumer_gets_the_cancellation_of_an_acknowledged_request() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &shared(1));
        let b = test.attach("s", &shared(1));
        let request = send(&mut test, "request", "1");
        assert_eq!(test.take("s", a), [request]);
        assert!(test.acknowledge("s", a, request));
        let cancellation = send(&mut test, "cancel", "1");
        assert_eq!(test.take("s", a), [cancellation]);
        assert_eq!(test.take("s", b), [cancellation]);
        assert!(test.acknowledge("s", a, cancellation));
        // A lost one does not give it to others.
        test.detach("s", b);
        assert!(test.take("s", a).is_empty());
        assert_eq!(backlog(&test, "s"), 0);
        assert!(test.topic.subscriptions[&name("s")].ready.is_empty());
    }

    #[test]
    fn a_returned_request_is_removed() {
        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &delaying(9));
        let request = send(&mut test, "request", "1");
        assert_eq!(test.take("s", id), [request]);
        assert!(test.negative_acknowledge("s", id, request));
        let cancellation = send(&mut test, "cancel", "1");
        test.now += crate::topic::test_topic::DELAY;
        assert_eq!(test.release_due("s", id), None);
        assert_eq!(test.take("s", id), [cancellation]);
    }

    #[test]
    fn a_cancellation_waits_for_a_module_without_a_group() {
        let mut test = TestTopic::new(Limits::default());
        let exclusive = options(SubscriptionType::Exclusive, 9);
        let id = test.attach("s", &exclusive);
        let request = send(&mut test, "request", "1");
        assert_eq!(test.take("s", id), [request]);
        assert!(test.acknowledge("s", id, request));
        test.detach("s", id);
        let first = send(&mut test, "cancel", "1");
        let id = test.attach("s", &exclusive);
        let second = send(&mut test, "cancel", "1");
        test.detach("s", id);
        let id = test.attach("s", &exclusive);
        assert_eq!(test.take("s", id), [first, second]);
    }

    #[test]
    fn what_the_topic_cannot_look_at_is_removed_when_it_is_its_turn() {
        let mut test = TestTopic::new(Limits::default());
        for _ in 0..MAX_LOOKS {
            test.publish().unwrap();
        }
        send(&mut test, "request", "1");
        let last = send(&mut test, "cancel", "1");
        let id = test.attach("s", &shared(9));
        let mut taken = Vec::new();
        while taken.last() != Some(&last) {
            let more = test.take("s", id);
            assert!(!more.is_empty());
            for sequence in more {
                assert!(test.acknowledge("s", id, sequence));
                taken.push(sequence);
            }
        }
        assert_eq!(taken.len(), MAX_LOOKS + 1);
    }

    #[test]
    fn another_user_cannot_cancel_a_request() {
        let call = |user: Option<&str>| CallId {
            response_topic: "caller".to_owned(),
            context: "1".to_owned(),
            user: user.map(str::to_owned),
        };
        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &shared(1));
        let busy = test.publish().unwrap();
        assert_eq!(test.take("s", id), [busy]);
        let request = send(&mut test, "request", "1");
        let cancellation = Message::from_text(&test.origin, &test.origin.budget, test.now, "}");
        let cancelled =
            test.topic
                .cancel(cancellation.clone(), &call(Some("eve")), &mut test.effects);
        cancelled.unwrap();
        assert_eq!(test.take("s", id), [cancellation.sequence]);
        assert!(test.acknowledge("s", id, busy));
        assert!(test.acknowledge("s", id, cancellation.sequence));
        assert_eq!(test.take("s", id), [request]);
    }

    #[test]
    fn only_so_many_cancellations_are_remembered() {
        let cancelled = CancelledCalls::default();
        let call = |number: usize| CallId {
            response_topic: "caller".to_owned(),
            context: number.to_string(),
            user: None,
        };
        let now = now();
        for number in 0..MAX_REMEMBERED + 10 {
            cancelled.add(&call(number), now);
            cancelled.add(&call(number), now);
        }
        let sizes = |calls: &Calls| (calls.order.len(), calls.hashes.len());
        assert_eq!(sizes(&cancelled.lock()), (MAX_REMEMBERED, MAX_REMEMBERED));
        cancelled.add(&call(0), now + 2 * MEMORY);
        assert_eq!(sizes(&cancelled.lock()), (1, 1));
    }
}
