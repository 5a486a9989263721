//! Messages and subscriptions end when nobody has read them for the time of the retention.

use std::time::Instant;

use tracing::{debug, warn};

use super::Topic;
use super::backlog::QueuedMessage;
use super::subscription::Subscription;

impl Topic {
    /// Removes messages and subscriptions that are older than the retention.
    pub(crate) fn remove_expired(&mut self, now: Instant) {
        let retention = self.limits.subscription_retention;
        let is_over = |subscription: &Subscription| {
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
            debug!(
                topic = self.name.to_string(),
                subscription = name.to_string(),
                "removed the subscription: no consumer came back"
            );
            let messages = subscription.into_messages();
            if self.subscriptions.is_empty() {
                // Younger messages stay for the rest of their own retention.
                self.unclaimed.append(messages);
            } else {
                for queued in messages.iter() {
                    self.expire(queued);
                }
            }
        }
        while let Some(queued) = self.unclaimed.pop_older(retention, now) {
            self.expire(&queued);
        }
    }

    fn expire(&self, queued: &QueuedMessage) {
        self.counters.expired.add(1);
        warn!(
            topic = self.name.to_string(),
            message_id = %queued.message.id(),
            "expired: nobody read the message in time"
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, shared};

    #[test]
    fn a_subscription_dissolves_and_its_young_messages_stay() {
        let mut test = TestTopic::new(Limits::default());
        let retention = test.topic.limits.subscription_retention;
        let id = test.attach("s", &shared(1));
        test.publish().unwrap();
        test.detach("s", id);
        test.now += retention / 2;
        let young = test.publish().unwrap();
        test.topic.remove_expired(test.now + retention / 2);
        assert_eq!(test.topic.counters.read(0, 0).expired, 1);
        assert!(test.topic.subscriptions.is_empty());
        assert!(!test.topic.is_idle());
        let id = test.attach("t", &shared(1));
        assert_eq!(test.take("t", id), [young]);
        test.detach("t", id);
        test.topic.remove_expired(test.now + retention);
        assert_eq!(test.topic.counters.read(0, 0).expired, 2);
        assert!(test.topic.is_idle());
    }
}
