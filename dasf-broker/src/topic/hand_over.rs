//! A subscription ends with its last consumer, and others get its messages.

use std::time::{Duration, Instant};

use dasf_protocol::Subscription as SubscriptionName;

use super::Topic;
use super::consumer::ConsumerId;
use super::effects::{Effects, Event, EventKind};
use super::options::OnClose;
use super::subscription::Subscription;
use crate::limits::Limits;

/// The time that a consumer has to come back after a lost connection, if its subscription ends with it.
const COME_BACK_TIMEOUT: Duration = Duration::from_secs(60);

impl Subscription {
    /// Returns the time for which the subscription waits for a consumer.
    pub(super) fn retention(&self, limits: &Limits) -> Duration {
        let retention = limits.retention(self.asked_retention);
        match self.on_close {
            // The name is that of one run of a program. If it is started again, it has another one.
            OnClose::HandOver | OnClose::Discard if self.asked_retention.is_none() => {
                retention.min(COME_BACK_TIMEOUT)
            }
            _ => retention,
        }
    }
}

impl Topic {
    /// Disconnects a consumer that has closed its connection.
    pub(crate) fn leave(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) {
        let is_reader = self
            .subscriptions
            .get(name)
            .is_some_and(|it| it.on_close == OnClose::Discard && it.consumers.len() <= 1);
        self.detach_consumer(name, id, now, effects);
        self.end_left(name, effects);
        if is_reader && self.subscriptions.is_empty() {
            self.obsolescence.gone.add(&self.name, now, false);
        }
    }

    /// Ends a subscription whose last consumer has closed its connection.
    fn end_left(&mut self, name: &SubscriptionName, effects: &mut Effects) {
        let Some(left) = self.subscriptions.get(name) else {
            return;
        };
        if left.has_consumer() || left.on_close == OnClose::Keep {
            return;
        }
        if let Some(subscription) = self.subscriptions.remove(name) {
            match subscription.on_close {
                OnClose::Discard => {
                    self.drop_all(name, *subscription, EventKind::DroppedUnsubscribed, effects);
                }
                OnClose::Keep | OnClose::HandOver => self.hand_over(*subscription, effects),
            }
        }
    }

    /// Gives the messages of a subscription that has ended to another one, or lets them wait for the next
    /// one.
    ///
    /// It leaves out messages that a consumer has acknowledged, and messages that another subscription
    /// has got, too.
    pub(super) fn hand_over(&mut self, ended: Subscription, effects: &mut Effects) {
        let mut messages = ended.into_messages();
        messages.retain(|message| !message.is_acknowledged());
        let is_read = self.is_read();
        let others = self.subscriptions.iter_mut();
        let mut others: Vec<_> = others
            .filter(|(_, other)| !is_read || other.has_consumer())
            .collect();
        let oldest = others.iter().map(|(_, other)| other.since).min();
        let newest = others.iter_mut().max_by_key(|(_, other)| other.since);
        let (Some(oldest), Some((name, heir))) = (oldest, newest) else {
            self.unclaimed.adopt(messages);
            self.charge_unclaimed();
            return;
        };
        messages.retain(|message| message.sequence < oldest);
        let handed_over = messages.iter().map(|queued| &queued.message);
        let event = Event::of_messages(EventKind::HandedOver, Some(name), handed_over);
        effects.events.extend(event);
        heir.receive(messages, effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::topic::options::ConsumerOptions;
    use crate::topic::test_topic::{TestTopic, shared};

    fn ending(on_close: OnClose) -> ConsumerOptions {
        ConsumerOptions {
            on_close,
            ..shared(99)
        }
    }

    fn acknowledge_all(test: &mut TestTopic, subscription: &str, id: ConsumerId) -> usize {
        let mut count = 0;
        loop {
            let taken = test.take(subscription, id);
            if taken.is_empty() {
                return count;
            }
            for sequence in taken {
                assert!(test.acknowledge(subscription, id, sequence));
                count += 1;
            }
        }
    }

    /// The first module is lost, and the second one works. The third one has nothing to do.
    #[test]
    fn a_new_subscription_does_not_get_what_another_one_has_acknowledged() {
        for on_close in [OnClose::Keep, OnClose::HandOver] {
            let mut test = TestTopic::new(Limits::default());
            let first = test.attach("first", &ending(on_close));
            let second = test.attach("second", &ending(on_close));
            test.detach("first", first);
            for _ in 0..50 {
                test.publish().unwrap();
            }
            assert_eq!(acknowledge_all(&mut test, "second", second), 50);
            let open = test.publish().unwrap();
            test.leave("second", second);
            let third = test.attach("third", &ending(on_close));
            assert_eq!(test.take("third", third), [open]);
            assert!(test.take("third", third).is_empty());
        }
    }

    #[test]
    fn a_successor_gets_what_a_subscription_gives_back() {
        let mut test = TestTopic::new(Limits::default());
        let first = test.attach("first", &ending(OnClose::HandOver));
        let old: Vec<_> = (0..3).map(|_| test.publish().unwrap()).collect();
        let _other = test.attach("other", &ending(OnClose::HandOver));
        let second = test.attach("second", &ending(OnClose::HandOver));
        let new = test.publish().unwrap();
        assert_eq!(test.take("first", first), old);
        assert!(test.acknowledge("first", first, old[1]));
        test.leave("first", first);
        // It has the younger message already.
        assert_eq!(
            test.take_counted("second", second),
            [(old[0], 1), (old[2], 1), (new, 0)]
        );
        assert_eq!(test.topic.subscriptions.len(), 2);
    }

    #[test]
    fn the_next_subscription_gets_what_the_last_one_gives_back() {
        let mut test = TestTopic::new(Limits::default());
        let first = test.attach("first", &ending(OnClose::HandOver));
        let sent: Vec<_> = (0..2).map(|_| test.publish().unwrap()).collect();
        test.leave("first", first);
        assert!(test.topic.subscriptions.is_empty());
        let second = test.attach("second", &ending(OnClose::HandOver));
        assert_eq!(test.take("second", second), sent);
    }

    #[test]
    fn a_subscription_that_discards_its_messages_leaves_nothing() {
        let mut test = TestTopic::new(Limits::default());
        let reader = test.attach("reader", &ending(OnClose::Discard));
        test.publish().unwrap();
        test.leave("reader", reader);
        assert!(test.topic.is_idle());
        assert_eq!(test.topic.counters.read(0, 0).dropped, 1);
    }

    /// A module crashes again and again, beside one that works.
    #[test]
    fn a_crash_loop_leaves_nothing_behind() {
        let mut test = TestTopic::new(Limits {
            max_subscriptions: 4,
            ..Limits::default()
        });
        let works = test.attach("works", &ending(OnClose::HandOver));
        for number in 0..300 {
            let name = format!("run-{number}");
            let crashes = test.attach(&name, &ending(OnClose::HandOver));
            test.publish().unwrap();
            assert_eq!(acknowledge_all(&mut test, "works", works), 1);
            test.detach(&name, crashes);
            assert!(test.topic.subscriptions.len() <= 4);
        }
        test.now += COME_BACK_TIMEOUT;
        test.topic.remove_expired(test.now, &mut test.effects);
        assert_eq!(test.topic.subscriptions.len(), 1);
        assert_eq!(test.topic.counters.read(0, 0).expired, 0);
    }
}
