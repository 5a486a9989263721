//! Producers and consumers connect to a topic, and disconnect from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dasf_protocol::Subscription as SubscriptionName;

use super::Topic;
use super::backlog::MessageQueue;
use super::consumer::{Consumer, ConsumerId, RunId};
use super::effects::{Effects, Event, EventKind};
use super::error::AttachError;
use super::options::{ConsumerOptions, RedeliveryLimit};
use super::redelivery::Suspect;
use super::subscription::Subscription;
use crate::account::{Account, Counted, OverLimit, Thing};
use crate::clock;
use crate::store::Home;

/// The largest number of lost consumers that a topic recognizes when they come back.
const MAX_LOST_RUNS: usize = 1024;

/// What a new subscription starts with.
struct TakenOver {
    messages: MessageQueue,
    suspects: Vec<Suspect>,
    /// The number from which on it has all messages.
    since: u64,
}

impl TakenOver {
    fn nothing(since: u64) -> Self {
        Self {
            messages: MessageQueue::default(),
            suspects: Vec::new(),
            since,
        }
    }
}

impl Topic {
    pub(crate) fn attach_producer(&mut self) {
        self.producers += 1;
    }

    pub(crate) fn detach_producer(&mut self) {
        self.producers -= 1;
    }

    /// Returns how long a subscription stays without a consumer. One that is not durable does not.
    pub(crate) fn retention(&self, name: &SubscriptionName) -> Option<Duration> {
        let subscription = self.subscriptions.get(name)?;
        let retention = subscription.retention(&self.limits);
        subscription.is_durable().then_some(retention)
    }

    /// Connects a consumer, and creates the subscription if it does not exist.
    pub(crate) fn attach_consumer(
        &mut self,
        name: &SubscriptionName,
        options: &ConsumerOptions,
        effects: &mut Effects,
    ) -> Result<ConsumerId, AttachError> {
        let TakenOver {
            messages: mut taken_over,
            mut suspects,
            since,
        } = match self.subscriptions.get(name) {
            Some(known) => {
                self.check_consumer(name, known, options)?;
                TakenOver::nothing(known.since)
            }
            None => self.take_over(name, effects)?,
        };
        let held = self.use_hold(options.hold, clock::now(), effects);
        taken_over.append(held);
        let id = ConsumerId(self.consumers);
        self.consumers += 1;
        let prefetch = self.limits.prefetch(options.receiver_queue_size);
        let limit = RedeliveryLimit::of(options, &self.limits, &self.name, name);
        let consumer = Consumer::new(id, prefetch, options, limit);
        self.obsolescence.gone.remove(&self.name);
        if let Some(run) = options.run
            && self.lost_runs.remove(&run)
        {
            let subscriptions = self.subscriptions.values_mut();
            subscriptions.for_each(|subscription| subscription.has_come_back(run));
            let unclaimed = self.unclaimed.iter_mut().chain(taken_over.iter_mut());
            let suspects = suspects.iter_mut().map(|it| &mut it.queued);
            let all = unclaimed.chain(suspects);
            all.for_each(|queued| queued.history.has_come_back(run));
        }
        let subscription = self.subscriptions.entry(name.clone()).or_insert_with(|| {
            let (budget, obsolescence) = (&self.budget, &self.obsolescence);
            let mut new = Subscription::new(options, taken_over, since, obsolescence, budget);
            if let Some(store) = &self.store {
                new.keep(name, store, &self.name, &self.tenure);
            }
            new
        });
        let kept = subscription.record(name);
        subscription.receive_suspects(suspects);
        subscription.add_consumer(consumer, options, effects);
        if let Some(store) = &self.store
            && subscription.record(name) != kept
        {
            subscription.keep(name, store, &self.name, &self.tenure);
        }
        Ok(id)
    }

    /// Counts the subscription of a consumer for its user, if nobody else has created it. The result belongs
    /// to [`count_subscription_for`](Self::count_subscription_for), when the consumer is connected.
    pub(crate) fn count_subscription(
        &self,
        name: &SubscriptionName,
        account: &Arc<Account>,
    ) -> Result<Option<Counted>, OverLimit> {
        let is_of = |it: &Subscription| it.counted.as_ref().is_some_and(|it| it.is_of(account));
        let ending = match self.subscriptions.get(name) {
            Some(known) if known.counted.is_some() => return Ok(None),
            Some(_) => 0,
            None if self.is_read() => 0,
            // The new subscription takes over what they have.
            None => self.subscriptions.values().filter(|it| is_of(it)).count(),
        };
        account.count(Thing::Subscription, ending).map(Some)
    }

    /// Counts a subscription as long as it exists.
    pub(crate) fn count_subscription_for(&mut self, name: &SubscriptionName, counted: Counted) {
        if let Some(subscription) = self.subscriptions.get_mut(name) {
            subscription.counted = Some(counted);
        }
    }

    /// Checks whether a subscription accepts a consumer.
    fn check_consumer(
        &self,
        name: &SubscriptionName,
        subscription: &Subscription,
        options: &ConsumerOptions,
    ) -> Result<(), AttachError> {
        if !subscription.has_consumer() {
            return Ok(());
        }
        if !subscription.fits(options) {
            return Err(AttachError::Conflict {
                topic: self.name.clone(),
                subscription: name.clone(),
                present: subscription.describe(),
            });
        }
        if subscription.is_exclusive() {
            return Err(AttachError::Taken {
                topic: self.name.clone(),
                subscription: name.clone(),
            });
        }
        Ok(())
    }

    /// Returns what a new subscription starts with. If the topic has no consumer, it starts with all waiting messages that no consumer
    /// has acknowledged.
    fn take_over(
        &mut self,
        name: &SubscriptionName,
        effects: &mut Effects,
    ) -> Result<TakenOver, AttachError> {
        if self.is_read() {
            let max = self.limits.max_subscriptions;
            if self.subscriptions.len() >= max && !self.remove_oldest_detached(effects) {
                return Err(AttachError::TooManySubscriptions {
                    topic: self.name.clone(),
                    max,
                });
            }
            return Ok(TakenOver::nothing(self.last_sequence + 1));
        }
        let store = self.store.as_ref();
        let home = store.map(|store| Home::of_topic(store, &self.name, &self.tenure));
        let mut sources = vec![self.unclaimed.take_with_home(home)];
        self.charge_unclaimed();
        let mut detached = std::mem::take(&mut self.subscriptions);
        let suspects = detached.values_mut().flat_map(|it| it.take_suspects());
        let mut suspects: Vec<_> = suspects.collect();
        sources.extend(detached.into_values().map(|it| it.into_messages()));
        // The subscription takes over a place in the store. Only the other messages have to move there.
        sources.sort_by_key(|source| source.size().messages);
        let mut taken_over = sources.pop().unwrap_or_default();
        for source in sources {
            taken_over.append(source);
        }
        // Otherwise a new module would run again what another one has done.
        taken_over.retain(|message| !message.is_acknowledged());
        suspects.retain(|suspect| !suspect.queued.message.is_acknowledged());
        let messages = taken_over.iter().map(|queued| &queued.message);
        let event = Event::of_messages(EventKind::TakenOver, Some(name), messages);
        effects.events.extend(event);
        Ok(TakenOver {
            messages: taken_over,
            suspects,
            since: 0,
        })
    }

    /// Disconnects a consumer. Its unacknowledged messages go to other consumers, or wait for the next
    /// one.
    pub(crate) fn detach_consumer(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) {
        let alone = self.subscriptions.len() == 1;
        let Some(subscription) = self.subscriptions.get_mut(name) else {
            return;
        };
        let lost = subscription.consumer(id);
        if let Some(run) = lost.and_then(|it| it.working_run()) {
            self.remember_lost(run);
        }
        let Some(subscription) = self.subscriptions.get_mut(name) else {
            return;
        };
        if !subscription.remove_consumer(id, now, effects) || subscription.has_consumer() {
            return;
        }
        subscription.detached = Some(now);
        let ends_with_reader = subscription.ends_with_reader();
        // The unclaimed messages of the topic can replace an empty subscription that is the only one. It
        // is removed at once, so the response topics of former callers do not pile up. But the topic may
        // keep them for less time than a consumer has asked for.
        let is_replaceable =
            alone && subscription.backlog.messages == 0 && subscription.asked_retention.is_none();
        if (!subscription.is_durable() || is_replaceable)
            && let Some(subscription) = self.subscriptions.remove(name)
        {
            self.drop_all(name, *subscription, EventKind::DroppedNotDurable, effects);
        }
        // The others keep what they get for a reader that may come back.
        let ends = |it: &Subscription| it.ends_with_reader() && !it.has_consumer();
        if ends_with_reader && self.subscriptions.values().all(|it| ends(it)) {
            self.obsolescence.gone.add(&self.name, now, true);
        }
    }

    /// Remembers a run that was lost while it worked on a message.
    pub(super) fn remember_lost(&mut self, run: RunId) {
        if self.lost_runs.len() >= MAX_LOST_RUNS {
            self.lost_runs.pop_first();
        }
        self.lost_runs.insert(run);
    }

    /// Removes the subscription of a consumer, with all its messages.
    ///
    /// Returns whether the subscription was removed. If it has other consumers, it is not.
    pub(crate) fn unsubscribe(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        effects: &mut Effects,
    ) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(name) else {
            return false;
        };
        if subscription.consumer(id).is_none() || subscription.consumers.len() > 1 {
            return false;
        }
        if let Some(subscription) = self.subscriptions.remove(name) {
            self.drop_all(name, *subscription, EventKind::DroppedUnsubscribed, effects);
        }
        true
    }

    pub(super) fn drop_all(
        &self,
        name: &SubscriptionName,
        subscription: Subscription,
        kind: EventKind,
        effects: &mut Effects,
    ) {
        let messages = subscription.into_messages();
        self.counters.dropped.add(messages.size().messages);
        let messages = messages.iter().map(|queued| &queued.message);
        effects
            .events
            .extend(Event::of_messages(kind, Some(name), messages));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::Limits;
    use crate::topic::options::SubscriptionType;
    use crate::topic::test_topic::{TestTopic, name, options, shared};

    #[test]
    fn a_subscription_changes_its_type_only_without_consumers() {
        let mut test = TestTopic::new(Limits::default());
        let exclusive = options(SubscriptionType::Exclusive, 1);
        let id = test.attach("s", &exclusive);
        test.publish().unwrap();
        let mut attach = |options| {
            test.topic
                .attach_consumer(&name("s"), options, &mut test.effects)
        };
        assert!(matches!(attach(&exclusive), Err(AttachError::Taken { .. })));
        assert!(matches!(
            attach(&shared(1)),
            Err(AttachError::Conflict { .. })
        ));
        test.detach("s", id);
        test.attach("s", &shared(1));
        test.attach("s", &shared(1));
        let brief = ConsumerOptions {
            durable: false,
            ..shared(1)
        };
        let refused = test
            .topic
            .attach_consumer(&name("s"), &brief, &mut test.effects);
        assert!(matches!(refused, Err(AttachError::Conflict { .. })));
    }

    #[test]
    fn only_the_last_consumer_unsubscribes() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &shared(1));
        let b = test.attach("s", &shared(1));
        test.publish().unwrap();
        assert!(!test.unsubscribe("s", a));
        test.detach("s", a);
        assert!(test.unsubscribe("s", b));
        test.detach("s", b);
        assert!(test.topic.is_idle());
    }
}
