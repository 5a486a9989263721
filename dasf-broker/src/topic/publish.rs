//! A new message goes to each subscription, if their backlogs have room.

use std::time::Instant;

use dasf_protocol::Subscription as SubscriptionName;

use super::Topic;
use super::backlog::QueuedMessage;
use super::consumer::ConsumerId;
use super::effects::{Effects, Event, EventKind};
use super::error::PublishError;
use crate::limits::BacklogLimit;
use crate::message::Message;

impl Topic {
    /// Publishes a message of a producer.
    pub(crate) fn publish(
        &mut self,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        let size = message.size();
        self.insert(message, effects)?;
        self.seen.published += 1;
        self.counters.published.add(1);
        self.counters.published_bytes.add(size);
        Ok(())
    }

    /// Adds a message to each subscription. Without a subscription, the message waits for the first one.
    pub(crate) fn insert(
        &mut self,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        self.check_room(&message, effects)?;
        self.last_sequence = self.last_sequence.max(message.sequence);
        self.hold(&message);
        if self.subscriptions.is_empty() {
            if self.is_held() {
                return Ok(());
            }
            let queued = QueuedMessage::new(message, self.unclaimed.home());
            self.unclaimed.insert(queued);
            self.charge_unclaimed();
            return Ok(());
        }
        let mut disconnected = Vec::new();
        for (name, subscription) in &mut self.subscriptions {
            if subscription
                .limit_exceeded_by(&message, &self.limits)
                .is_some()
                && let Some(hoarder) = subscription.hoarder()
            {
                disconnected.push((name.clone(), Some(hoarder)));
            }
            let removed = subscription.make_room_for(&message, &self.limits);
            if !removed.is_empty() {
                self.counters.dropped.add(removed.len());
                let kind = match subscription.has_consumer() {
                    true => EventKind::DroppedLagging,
                    false => EventKind::DroppedWithoutConsumer,
                };
                let event = Event::of_messages(kind, Some(name), &removed);
                effects.events.extend(event);
            }
            subscription.push(message.clone(), effects);
            if subscription.has_consumer() && subscription.is_stalled() {
                disconnected.push((name.clone(), None));
            }
        }
        for (name, consumer) in disconnected {
            self.disconnect(&name, consumer, message.published, effects);
        }
        Ok(())
    }

    /// Refuses a message if no subscription has room that could have it.
    ///
    /// A subscription does not stop the others: a full one loses its oldest messages. But if all that
    /// have a consumer are full, the message is refused, so that producers are no faster than the
    /// consumers. It is also refused if no subscription has a consumer and one is full: otherwise
    /// accepted messages would be dropped for no gain.
    pub(super) fn check_room(
        &mut self,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        let mut full = self.full_subscription(message);
        if full.is_some() && self.forget_refused() {
            full = self.full_subscription(message);
        }
        if let Some((subscription, limit)) = full {
            let found = self.subscriptions.get_mut(&subscription);
            if let Some(hoarder) = found.and_then(|it| it.hoarder()) {
                self.disconnect(&subscription, Some(hoarder), message.published, effects);
            }
            return Err(PublishError::SubscriptionFull {
                topic: self.name.clone(),
                subscription,
                limit,
            });
        }
        if let Some(limit) = self.hold_limit_exceeded_by(message) {
            return Err(PublishError::TopicFull {
                topic: self.name.clone(),
                limit,
            });
        }
        let mut full = self.full_of_unclaimed(message);
        if full.is_some() && self.forget_refused() {
            full = self.full_of_unclaimed(message);
        }
        match full {
            Some(limit) => Err(PublishError::TopicFull {
                topic: self.name.clone(),
                limit,
            }),
            None => Ok(()),
        }
    }

    /// Returns a full subscription because of which a message is refused, and its limit.
    fn full_subscription(&self, message: &Message) -> Option<(SubscriptionName, BacklogLimit)> {
        let is_read = self.is_read();
        let mut full = None;
        for (name, subscription) in &self.subscriptions {
            if is_read && !subscription.has_consumer() {
                continue;
            }
            match subscription.limit_exceeded_by(message, &self.limits) {
                None if is_read => return None,
                None => {}
                Some(limit) => full = full.or(Some((name.clone(), limit))),
            }
        }
        full
    }

    fn full_of_unclaimed(&self, message: &Message) -> Option<BacklogLimit> {
        let unclaimed = self.unclaimed.size();
        unclaimed.limit_exceeded_by(message, &self.limits, self.unclaimed.home())
    }

    /// Removes the messages that wait and that the store could not write, if there are new ones. Returns
    /// whether there may have been some.
    pub(super) fn forget_refused(&mut self) -> bool {
        let refused = self.store.as_ref().map_or(0, |store| store.refused());
        if refused == self.refused {
            return false;
        }
        self.refused = refused;
        self.unclaimed.retain(|message| !message.is_refused());
        self.charge_unclaimed();
        let subscriptions = self.subscriptions.values_mut();
        subscriptions.for_each(|it| it.forget_refused());
        if let Some(hold) = &mut self.hold {
            hold.forget_refused();
        }
        true
    }

    /// Disconnects a consumer of a subscription, or all. Other consumers get its messages.
    fn disconnect(
        &mut self,
        name: &SubscriptionName,
        consumer: Option<ConsumerId>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let Some(subscription) = self.subscriptions.get(name) else {
            return;
        };
        let consumers = subscription.consumers.iter().map(|it| it.id);
        let disconnected: Vec<_> = consumers
            .filter(|id| consumer.is_none_or(|one| one == *id))
            .collect();
        for id in disconnected {
            self.detach_consumer(name, id, now, effects);
        }
        effects
            .events
            .push(Event::new(EventKind::Disconnected, name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, name, shared};

    #[test]
    fn a_topic_without_consumers_drops_nothing() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 2,
            ..Limits::default()
        });
        let id = test.attach("s", &shared(1));
        let first = test.publish().unwrap();
        test.detach("s", id);
        let second = test.publish().unwrap();
        assert!(matches!(
            test.publish(),
            Err(PublishError::SubscriptionFull { .. })
        ));
        let id = test.attach("t", &shared(9));
        assert_eq!(test.take("t", id), [first, second]);
    }

    /// Publishes until the broker disconnects the consumer, at most `max` times. Returns the number of
    /// accepted messages.
    fn publish_until_disconnected(test: &mut TestTopic, subscription: &str, max: usize) -> usize {
        let mut accepted = 0;
        for _ in 0..max {
            accepted += usize::from(test.publish().is_ok());
            if !test.topic.subscriptions[&name(subscription)].has_consumer() {
                break;
            }
        }
        accepted
    }

    #[test]
    fn a_subscription_that_acknowledges_nothing_loses_its_oldest_messages_and_its_consumer() {
        // Messages that wait go before those that the consumer has.
        for (prefetch, kept) in [(1, [0, 6, 7]), (4, [5, 6, 7]), (100, [5, 6, 7])] {
            let mut test = TestTopic::new(Limits {
                max_backlog_messages: 4,
                ..Limits::default()
            });
            let silent = test.attach("silent", &shared(prefetch));
            let works = test.attach("works", &shared(100));
            for count in 1..=8 {
                let sequence = test.publish().unwrap();
                assert_eq!(test.take("works", works), [sequence]);
                assert!(test.acknowledge("works", works, sequence));
                let backlog = test.topic.subscriptions[&name("silent")].backlog.messages;
                assert_eq!(backlog, count.min(4));
                assert!(test.topic.subscriptions[&name("silent")].has_consumer());
            }
            assert_eq!(test.topic.counters.read(0, 0).dropped, 4);
            test.publish().unwrap();
            assert!(!test.topic.subscriptions[&name("silent")].has_consumer());
            assert!(test.try_take("silent", silent).is_none());
            let events = test.effects.events.iter().map(|event| event.kind);
            let mut expected = vec![EventKind::DroppedLagging; 5];
            expected.push(EventKind::Disconnected);
            assert_eq!(events.collect::<Vec<_>>(), expected);
            // It may come back.
            let back = test.attach("silent", &shared(100));
            assert_eq!(test.take("silent", back), kept);
        }
    }

    #[test]
    fn a_subscription_that_lags_and_acknowledges_keeps_its_consumer() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 4,
            ..Limits::default()
        });
        let slow = test.attach("slow", &shared(2));
        let quick = test.attach("quick", &shared(100));
        for _ in 0..100 {
            for _ in 0..3 {
                let sequence = test.publish().unwrap();
                test.take("quick", quick);
                test.acknowledge("quick", quick, sequence);
            }
            let first = test.take("slow", slow)[0];
            assert!(test.acknowledge("slow", slow, first));
        }
        assert!(test.topic.subscriptions[&name("slow")].has_consumer());
        // Each round brings three messages, and one is acknowledged.
        assert_eq!(test.topic.counters.read(0, 0).dropped, 200 - 3);
    }

    #[test]
    fn producers_are_no_faster_than_all_consumers() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 4,
            ..Limits::default()
        });
        test.attach("a", &shared(100));
        test.attach("b", &shared(1));
        assert_eq!(publish_until_disconnected(&mut test, "a", 100), 4);
        assert_eq!(test.topic.counters.read(0, 0).dropped, 0);
    }

    #[test]
    fn a_consumer_that_hoards_gives_its_messages_to_the_others() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 4,
            ..Limits::default()
        });
        let hoarder = test.attach("s", &shared(100));
        for _ in 0..4 {
            test.publish().unwrap();
        }
        assert_eq!(test.take("s", hoarder).len(), 3);
        let other = test.attach("s", &shared(100));
        for _ in 0..=16 {
            assert!(test.try_take("s", hoarder).is_some());
            test.publish().unwrap_err();
        }
        assert!(test.try_take("s", hoarder).is_none());
        assert_eq!(test.take_counted("s", other), [(0, 1), (1, 1), (2, 1)]);
        assert_eq!(test.take_counted("s", other), [(3, 1)]);
        assert_eq!(test.topic.counters.read(0, 0).dropped, 0);
    }
}
