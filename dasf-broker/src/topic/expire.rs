//! Messages and subscriptions end when nobody has read them for the time of the retention.

use std::time::Instant;

use super::Topic;
use super::backlog::MessageQueue;
use super::effects::{Effects, Event, EventKind};
use super::options::OnClose;
use super::subscription::Subscription;

impl Topic {
    /// Removes messages and subscriptions whose time is over, and messages that the store could not write.
    pub(crate) fn remove_expired(&mut self, now: Instant, effects: &mut Effects) {
        self.forget_refused();
        let limits = self.limits.clone();
        let is_over = |subscription: &Subscription| {
            let retention = subscription.retention(&limits);
            subscription
                .detached
                .is_some_and(|since| now.saturating_duration_since(since) >= retention)
        };
        let over: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| is_over(subscription))
            .map(|(name, _)| name.clone())
            .collect();
        let over: Vec<_> = over
            .into_iter()
            .filter_map(|name| self.subscriptions.remove_entry(&name))
            .collect();
        for (name, subscription) in over {
            let event = Event::new(EventKind::SubscriptionExpired, &name);
            effects.events.push(event);
            if subscription.on_close != OnClose::Keep {
                self.hand_over(*subscription, effects);
                continue;
            }
            let messages = subscription.into_messages();
            if self.subscriptions.is_empty() {
                // Younger messages stay for the rest of their own retention.
                self.unclaimed.adopt(messages);
            } else {
                self.expire(&messages, effects);
            }
        }
        self.remove_expired_hold(now, effects);
        let retention = limits.unclaimed_retention();
        let longest = limits
            .topic
            .ttl
            .unwrap_or(limits.max_subscription_retention);
        let mut expired = vec![self.unclaimed.take_expired(retention, longest, now)];
        self.charge_unclaimed();
        if let Some(ttl) = limits.topic.ttl {
            let subscriptions = self.subscriptions.values_mut();
            expired.extend(subscriptions.map(|subscription| subscription.take_older(ttl, now)));
        }
        for expired in expired {
            self.expire(&expired, effects);
        }
    }

    fn expire(&self, messages: &MessageQueue, effects: &mut Effects) {
        self.counters.expired.add(messages.size().messages);
        let messages = messages.iter().map(|queued| &queued.message);
        let event = Event::of_messages(EventKind::Expired, None, messages);
        effects.events.extend(event);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, shared};

    #[test]
    fn a_job_waits_longer_than_other_requests() {
        let mut test = TestTopic::new(Limits::default());
        let retention = test.topic.limits.subscription_retention;
        let longest = test.topic.limits.max_subscription_retention;
        let keep = |seconds: u64| format!(r#"{{"x_dasf_job":"1","x_dasf_keep_s":{seconds}}}"#);
        let seconds = retention.as_secs();
        for properties in ["{}", &keep(2 * seconds), &keep(u64::MAX), &keep(1), "{}"] {
            test.publish_with(properties).unwrap();
        }
        let mut waiting = |age| {
            test.topic.remove_expired(test.now + age, &mut test.effects);
            test.topic.unclaimed.size().messages
        };
        assert_eq!(waiting(retention - Duration::from_secs(1)), 5);
        assert_eq!(waiting(retention), 2);
        assert_eq!(waiting(2 * retention), 1);
        assert_eq!(waiting(longest - Duration::from_secs(1)), 1);
        assert_eq!(waiting(longest), 0);
    }

    #[test]
    fn a_subscription_dissolves_and_its_young_messages_stay() {
        let mut test = TestTopic::new(Limits::default());
        let retention = test.topic.limits.subscription_retention;
        let id = test.attach("s", &shared(1));
        test.publish().unwrap();
        test.detach("s", id);
        test.now += retention / 2;
        let young = test.publish().unwrap();
        test.topic
            .remove_expired(test.now + retention / 2, &mut test.effects);
        assert_eq!(test.topic.counters.read(0, 0).expired, 1);
        assert!(test.topic.subscriptions.is_empty());
        assert!(!test.topic.is_idle());
        let id = test.attach("t", &shared(1));
        assert_eq!(test.take("t", id), [young]);
        test.detach("t", id);
        test.topic
            .remove_expired(test.now + retention, &mut test.effects);
        assert_eq!(test.topic.counters.read(0, 0).expired, 2);
        assert!(test.topic.is_idle());
    }
}
