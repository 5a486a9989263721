//! A topic for tests.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use dasf_protocol::{Subscription as SubscriptionName, Topic as ShortName};

use super::error::PublishError;
use super::options::{ConsumerOptions, DeadLetterPolicy, HoldOption, OnClose, SubscriptionType};
use super::{ConsumerId, Delivery, Effects, RunId, Topic};
use crate::budget::Budget;
use crate::limits::Limits;
use crate::message::{Message, MessageIds, Origin};

/// A topic with the arguments of its methods.
pub(super) struct TestTopic {
    pub(super) topic: Topic,
    pub(super) origin: Origin,
    pub(super) effects: Effects,
    pub(super) now: Instant,
}

pub(super) fn name(text: &str) -> SubscriptionName {
    text.parse().unwrap()
}

pub(super) fn options(kind: SubscriptionType, prefetch: usize) -> ConsumerOptions {
    ConsumerOptions {
        kind,
        durable: true,
        on_close: OnClose::Keep,
        retention: None,
        receiver_queue_size: Some(prefetch),
        redelivery_delay: Duration::ZERO,
        dead_letters: None,
        max_deaths: None,
        run: None,
        hold: HoldOption::None,
    }
}

pub(super) const DELAY: Duration = Duration::from_secs(5);

pub(super) fn delaying(prefetch: usize) -> ConsumerOptions {
    ConsumerOptions {
        redelivery_delay: DELAY,
        ..shared(prefetch)
    }
}

/// Options with this number of redeliveries.
pub(super) fn dead_lettering(prefetch: usize, max_redeliveries: u32) -> ConsumerOptions {
    let topic = "lost".parse::<ShortName>().unwrap().into();
    ConsumerOptions {
        dead_letters: Some(DeadLetterPolicy {
            max_redeliveries,
            topic,
        }),
        ..shared(prefetch)
    }
}

/// Options of a run that reports which redelivered messages it begins.
pub(super) fn reporting(prefetch: usize, run: u64) -> ConsumerOptions {
    ConsumerOptions {
        run: Some(RunId(run)),
        ..shared(prefetch)
    }
}

pub(super) fn shared(prefetch: usize) -> ConsumerOptions {
    options(SubscriptionType::Shared, prefetch)
}

impl TestTopic {
    pub(super) fn new(limits: Limits) -> Self {
        let name = "demo".parse::<ShortName>().unwrap().into();
        let origin = Origin {
            ids: MessageIds::new(),
            budget: Budget::new(limits.max_memory),
            keeping: None,
        };
        Self {
            topic: Topic::new(
                name,
                Arc::new(limits),
                Arc::default(),
                origin.budget.clone(),
                Arc::default(),
                Arc::default(),
                None,
            ),
            origin,
            effects: Effects::default(),
            now: Instant::now(),
        }
    }

    pub(super) fn publish(&mut self) -> Result<u64, PublishError> {
        self.publish_fields("}")
    }

    /// Publishes a message with these properties, which are JSON.
    pub(super) fn publish_with(&mut self, properties: &str) -> Result<u64, PublishError> {
        self.publish_fields(&format!(r#""payload":"","properties":{properties}}}"#))
    }

    fn publish_fields(&mut self, fields: &str) -> Result<u64, PublishError> {
        let message = Message::from_text(&self.origin, &self.origin.budget, self.now, fields);
        let sequence = message.sequence;
        self.topic
            .publish(message, &mut self.effects)
            .map(|()| sequence)
    }

    pub(super) fn attach(&mut self, subscription: &str, options: &ConsumerOptions) -> ConsumerId {
        self.topic
            .attach_consumer(&name(subscription), options, &mut self.effects)
            .unwrap()
    }

    pub(super) fn detach(&mut self, subscription: &str, id: ConsumerId) {
        self.topic
            .detach_consumer(&name(subscription), id, self.now, &mut self.effects);
    }

    /// The consumer closes its connection.
    pub(super) fn leave(&mut self, subscription: &str, id: ConsumerId) {
        let name = name(subscription);
        self.topic.leave(&name, id, self.now, &mut self.effects);
    }

    /// Takes a batch, with the number of earlier deliveries of each message.
    pub(super) fn take_counted(&mut self, subscription: &str, id: ConsumerId) -> Vec<(u64, u32)> {
        self.try_take(subscription, id).unwrap()
    }

    /// Takes a batch, unless the broker has disconnected the consumer.
    pub(super) fn try_take(
        &mut self,
        subscription: &str,
        id: ConsumerId,
    ) -> Option<Vec<(u64, u32)>> {
        let taken = self.deliveries(subscription, id)?.into_iter();
        let taken = taken.map(|delivery| (delivery.message.sequence, delivery.redeliveries));
        Some(taken.collect())
    }

    /// Takes a batch, unless the broker has disconnected the consumer.
    pub(super) fn deliveries(
        &mut self,
        subscription: &str,
        id: ConsumerId,
    ) -> Option<Vec<Delivery>> {
        let name = name(subscription);
        self.topic
            .take(&name, id, 3, Waker::noop(), &mut self.effects)
    }

    /// Takes a batch of a consumer that reports what it begins, with the number of times that each
    /// redelivered message was begun.
    pub(super) fn take_begun(
        &mut self,
        subscription: &str,
        id: ConsumerId,
    ) -> Vec<(u64, Option<u32>)> {
        let taken = self.deliveries(subscription, id).unwrap().into_iter();
        let taken = taken.map(|delivery| (delivery.message.sequence, delivery.begun));
        taken.collect()
    }

    pub(super) fn begin(&mut self, subscription: &str, id: ConsumerId, sequence: u64) -> bool {
        self.topic.begin(&name(subscription), id, sequence)
    }

    pub(super) fn take(&mut self, subscription: &str, id: ConsumerId) -> Vec<u64> {
        let taken = self.take_counted(subscription, id);
        taken.into_iter().map(|(sequence, _)| sequence).collect()
    }

    pub(super) fn unsubscribe(&mut self, subscription: &str, id: ConsumerId) -> bool {
        self.topic
            .unsubscribe(&name(subscription), id, &mut self.effects)
    }

    pub(super) fn acknowledge(
        &mut self,
        subscription: &str,
        id: ConsumerId,
        sequence: u64,
    ) -> bool {
        self.topic
            .acknowledge(&name(subscription), id, sequence, &mut self.effects)
    }

    pub(super) fn negative_acknowledge(
        &mut self,
        subscription: &str,
        id: ConsumerId,
        sequence: u64,
    ) -> bool {
        self.topic.negative_acknowledge(
            &name(subscription),
            id,
            sequence,
            self.now,
            &mut self.effects,
        )
    }

    /// Returns the dead letters since the last call.
    pub(super) fn dead_letters(&mut self) -> Vec<u64> {
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
    pub(super) fn release_due(&mut self, subscription: &str, id: ConsumerId) -> Option<Duration> {
        self.topic
            .release_due(&name(subscription), id, self.now, &mut self.effects)
            .map(|due| due - self.now)
    }
}
