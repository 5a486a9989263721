//! A new message goes to each subscription, if their backlogs have room.

use tracing::warn;

use super::Topic;
use super::backlog::QueuedMessage;
use super::effects::Effects;
use super::error::PublishError;
use super::subscription::Subscription;
use crate::message::Message;

impl Topic {
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

    /// Adds a message to each subscription. Without a subscription, the message waits for the first one.
    pub(crate) fn insert(
        &mut self,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), PublishError> {
        self.check_room(&message)?;
        if self.subscriptions.is_empty() {
            self.unclaimed.insert(QueuedMessage::new(message));
            return Ok(());
        }
        for (name, subscription) in &mut self.subscriptions {
            while subscription
                .limit_exceeded_by(&message, &self.limits)
                .is_some()
            {
                // `check_room` lets only a full subscription without a consumer pass, and all its
                // messages are ready.
                let Some(oldest) = subscription.pop_oldest() else {
                    break;
                };
                self.counters.dropped.add(1);
                warn!(
                    topic = self.name.to_string(),
                    subscription = name.to_string(),
                    message_id = %oldest.message.id(),
                    "dropped the oldest message: the subscription is full and has no consumer"
                );
            }
            subscription.push(message.clone(), effects);
        }
        Ok(())
    }

    /// Refuses a message that would exceed a limit of a subscription with a consumer.
    ///
    /// A subscription without a consumer does not stop the others. But if no subscription has a
    /// consumer, the message is refused: otherwise accepted messages would be dropped for no gain.
    fn check_room(&self, message: &Message) -> Result<(), PublishError> {
        let is_read = self.subscriptions.values().any(Subscription::has_consumer);
        for (name, subscription) in &self.subscriptions {
            if (subscription.has_consumer() || !is_read)
                && let Some(limit) = subscription.limit_exceeded_by(message, &self.limits)
            {
                return Err(PublishError::SubscriptionFull {
                    topic: self.name.clone(),
                    subscription: name.clone(),
                    limit,
                });
            }
        }
        let unclaimed = self.unclaimed.size();
        match unclaimed.limit_exceeded_by(message, &self.limits) {
            Some(limit) => Err(PublishError::TopicFull {
                topic: self.name.clone(),
                limit,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, shared};

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
}
