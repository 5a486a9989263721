//! What one may see of a topic: who listens, and how much waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dasf_protocol::Subscription as SubscriptionName;
use serde::Serialize;

use super::Topic;
use super::backlog::QueuedMessage;
use super::consumer::{Consumer, ConsumerId};
use super::options::{OnClose, SubscriptionType};
use super::subscription::Subscription;
use crate::budget::{Budget, Charge};
use crate::message::rfc3339;

/// The largest number of characters of a text with which a listener introduces itself.
const MAX_TEXT: usize = 255;

/// The shortest random part of the name of a response topic.
const MIN_RANDOM: usize = 8;

/// The consumer of a topic, as it introduces itself.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// The name of the user, if the broker has users.
    pub(crate) user: Option<String>,
    pub(crate) introduction: Introduction,
    connected: SystemTime,
    /// The memory of the texts.
    charge: Option<Charge>,
}

/// What a program tells of itself when it reads a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) module: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) process: Option<u32>,
}

/// Returns the beginning of a text. Peers choose it, and pages and terminals show it.
pub(crate) fn shortened(text: &str) -> String {
    let shown = text.chars().filter(|it| !it.is_control());
    shown.take(MAX_TEXT).collect()
}

impl Listener {
    pub(crate) fn new(
        address: SocketAddr,
        user: Option<String>,
        introduction: Introduction,
    ) -> Self {
        Self {
            address,
            user,
            introduction,
            connected: SystemTime::now(),
            charge: None,
        }
    }

    fn charge(&mut self, budget: &Arc<Budget>) {
        let Introduction {
            module,
            version,
            host,
            ..
        } = &self.introduction;
        let texts = [module, version, host, &self.user].into_iter().flatten();
        let bytes = size_of::<Self>() + texts.map(String::len).sum::<usize>();
        self.charge = Some(budget.charge(bytes));
    }
}

/// How many messages a topic has seen. The lock of the topic protects the numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) published: u64,
    pub(super) delivered: u64,
    pub(super) acknowledged: u64,
}

/// The numbers of a topic at earlier times, from which its rates follow.
#[derive(Debug, Default)]
pub(super) struct Samples {
    last: Option<(Instant, Counts)>,
    before: Option<(Instant, Counts)>,
}

impl Samples {
    fn add(&mut self, now: Instant, seen: Counts) {
        self.before = self.last.replace((now, seen));
    }

    /// Returns what is published and delivered in a second, since the sample before the last one.
    fn rates(&self, now: Instant, seen: Counts) -> (f64, f64) {
        let Some((since, earlier)) = self.before.or(self.last) else {
            return (0.0, 0.0);
        };
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let rate = |now: u64, then: u64| match seconds > 0.0 {
            true => ((now - then) as f64 / seconds * 1000.0).round() / 1000.0,
            false => 0.0,
        };
        (
            rate(seen.published, earlier.published),
            rate(seen.delivered, earlier.delivered),
        )
    }
}

/// What one may see of a topic.
#[derive(Debug, Serialize)]
pub(crate) struct TopicView {
    pub(crate) topic: String,
    pub(crate) listeners: Vec<ListenerView>,
    /// The messages that no listener has.
    pub(crate) waiting_messages: usize,
    /// The messages that listeners have and did not acknowledge.
    pub(crate) unacknowledged_messages: usize,
    /// The size of these messages.
    pub(crate) bytes: usize,
    /// The age of the oldest of these messages.
    pub(crate) oldest_message_seconds: Option<f64>,
    /// Since the topic exists.
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
    pub(crate) published_per_second: f64,
    pub(crate) delivered_per_second: f64,
    pub(crate) publishers: usize,
    /// The requests of the topic that are put aside. The topic does not know them.
    pub(crate) dead_requests: usize,
    pub(crate) subscriptions: Vec<SubscriptionView>,
    /// Whether only callers read the topic.
    #[serde(skip)]
    is_of_callers: bool,
}

/// What one may see of a consumer.
#[derive(Debug, Serialize)]
pub(crate) struct ListenerView {
    pub(crate) module: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) process: Option<u32>,
    /// The group with which the module shares its requests.
    pub(crate) group: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) connected_since: Option<String>,
    pub(crate) subscription: String,
    pub(crate) unacknowledged_messages: usize,
}

/// What one may see of a subscription.
#[derive(Debug, Serialize)]
pub(crate) struct SubscriptionView {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) durable: bool,
    pub(crate) listeners: usize,
    pub(crate) waiting_messages: usize,
    pub(crate) unacknowledged_messages: usize,
    pub(crate) bytes: usize,
    /// How long it has no listener.
    pub(crate) unread_seconds: Option<f64>,
}

impl TopicView {
    /// Returns the topic whose callers get their responses here, if the name has the form of a response
    /// topic and no module reads it: `{topic}_{random letters and digits}`.
    pub(crate) fn base(&self) -> Option<&str> {
        let is_known = self.listeners.iter().any(|it| it.module.is_some());
        let (base, random) = self.topic.rsplit_once('_')?;
        let is_random =
            random.len() >= MIN_RANDOM && random.bytes().all(|it| it.is_ascii_alphanumeric());
        (!is_known && is_random).then_some(base)
    }

    /// Returns whether callers of a topic read their responses here. `exists` tells whether there is a
    /// topic.
    pub(crate) fn is_of_callers(&self, exists: impl Fn(&str) -> bool) -> bool {
        self.is_of_callers || self.base().is_some_and(exists)
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

impl Topic {
    /// Records who a consumer is.
    pub(crate) fn introduce(
        &mut self,
        name: &SubscriptionName,
        id: ConsumerId,
        mut listener: Listener,
    ) {
        let subscription = self.subscriptions.get_mut(name);
        if let Some(consumer) = subscription.and_then(|it| it.consumer(id)) {
            listener.charge(&self.budget);
            consumer.listener = Some(Box::new(listener));
        }
    }

    /// Records the numbers of the topic for its rates.
    pub(crate) fn sample(&mut self, now: Instant) {
        self.samples.add(now, self.seen);
    }

    /// Returns the number of subscriptions, and of their consumers.
    #[cfg(feature = "metrics")]
    pub(crate) fn readers(&self) -> (usize, usize) {
        let consumers = self.subscriptions.values().map(|it| it.consumers.len());
        (self.subscriptions.len(), consumers.sum())
    }

    /// Returns the number of messages that no consumer has, and of those that consumers have.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        let subscriptions = self.subscriptions.values().map(|it| {
            let has: usize = it.consumers.iter().map(Consumer::unacknowledged).sum();
            (it.backlog.messages - has, has)
        });
        let unclaimed = self.unclaimed.size().messages;
        subscriptions.fold((unclaimed, 0), |(waiting, had), (more, has)| {
            (waiting + more, had + has)
        })
    }

    /// Returns what one may see of the topic.
    pub(crate) fn view(&self, now: Instant) -> TopicView {
        let (waiting_messages, unacknowledged_messages) = self.backlog();
        let subscriptions = self.subscriptions.values();
        let bytes = subscriptions.clone().map(|it| it.backlog.bytes);
        let oldest = subscriptions.clone().filter_map(|it| it.oldest());
        let unclaimed = self.unclaimed.iter().next().map(published);
        let oldest = oldest.chain(unclaimed).min();
        let (published_per_second, delivered_per_second) = self.samples.rates(now, self.seen);
        TopicView {
            topic: self.name.to_string(),
            listeners: self.listeners(),
            waiting_messages,
            unacknowledged_messages,
            bytes: self.unclaimed.size().bytes + bytes.sum::<usize>(),
            oldest_message_seconds: oldest
                .map(|oldest| seconds(now.saturating_duration_since(oldest))),
            published: self.seen.published,
            delivered: self.seen.delivered,
            acknowledged: self.seen.acknowledged,
            published_per_second,
            delivered_per_second,
            publishers: self.producers,
            dead_requests: 0,
            is_of_callers: !self.subscriptions.is_empty()
                && subscriptions
                    .clone()
                    .all(|it| !it.is_durable() || it.on_close == OnClose::Discard),
            subscriptions: self.subscription_views(now),
        }
    }

    fn listeners(&self) -> Vec<ListenerView> {
        let mut listeners = Vec::new();
        for (name, subscription) in &self.subscriptions {
            for consumer in &subscription.consumers {
                let known = consumer.listener.as_deref();
                let introduction = known.map(|it| it.introduction.clone()).unwrap_or_default();
                // A subscription that stays without its consumer has the name of a group.
                let is_group =
                    introduction.module.is_some() && subscription.on_close == OnClose::Keep;
                let Introduction {
                    module,
                    version,
                    host,
                    process,
                } = introduction;
                listeners.push(ListenerView {
                    module,
                    version,
                    host,
                    process,
                    group: is_group.then(|| name.to_string()),
                    user: known.and_then(|it| it.user.clone()),
                    address: known.map(|it| it.address.to_string()),
                    connected_since: known.map(|it| rfc3339(it.connected)),
                    subscription: name.to_string(),
                    unacknowledged_messages: consumer.unacknowledged(),
                });
            }
        }
        listeners
    }

    fn subscription_views(&self, now: Instant) -> Vec<SubscriptionView> {
        let view = |name: &SubscriptionName, it: &Subscription| {
            let has: usize = it.consumers.iter().map(Consumer::unacknowledged).sum();
            SubscriptionView {
                name: name.to_string(),
                kind: match it.kind() {
                    SubscriptionType::Exclusive => "Exclusive",
                    SubscriptionType::Shared => "Shared",
                },
                durable: it.is_durable(),
                listeners: it.consumers.len(),
                waiting_messages: it.backlog.messages - has,
                unacknowledged_messages: has,
                bytes: it.backlog.bytes,
                unread_seconds: it
                    .detached
                    .map(|since| seconds(now.saturating_duration_since(since))),
            }
        };
        self.subscriptions
            .iter()
            .map(|(name, it)| view(name, it))
            .collect()
    }
}

fn published(queued: &QueuedMessage) -> Instant {
    queued.message.published
}

impl Subscription {
    /// Returns when its oldest message was published.
    fn oldest(&self) -> Option<Instant> {
        let ready = self.ready.iter().next().map(published);
        let taken = self.consumers.iter().filter_map(Consumer::oldest_published);
        ready.into_iter().chain(taken).min()
    }
}

impl Consumer {
    /// Returns the number of messages that the consumer has.
    fn unacknowledged(&self) -> usize {
        self.in_flight.len() + self.delayed.len()
    }

    fn oldest_published(&self) -> Option<Instant> {
        let in_flight = self.in_flight.values().next().map(published);
        let delayed = self.delayed.iter().map(|(_, queued)| published(queued));
        in_flight.into_iter().chain(delayed).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, delaying, shared};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let mut test = TestTopic::new(Limits::default());
        let rates = |test: &TestTopic| {
            let view = test.topic.view(test.now);
            (view.published_per_second, view.delivered_per_second)
        };
        let id = test.attach("s", &shared(99));
        test.publish().unwrap();
        assert_eq!(rates(&test), (0.0, 0.0));
        for _ in 0..3 {
            test.topic.sample(test.now);
            test.now += 10 * SECOND;
            for _ in 0..20 {
                test.publish().unwrap();
            }
            test.take("s", id);
        }
        // The last sample has the age of ten seconds, the one before it twenty.
        assert_eq!(rates(&test).0, 2.0);
        for _ in 0..2 {
            test.topic.sample(test.now);
            test.now += 10 * SECOND;
        }
        assert_eq!(rates(&test), (0.0, 0.0));
    }

    #[test]
    fn the_oldest_message_may_wait_or_be_with_a_consumer() {
        let mut test = TestTopic::new(Limits::default());
        let oldest = |test: &TestTopic| {
            let age = test.topic.view(test.now).oldest_message_seconds;
            age.map(f64::round)
        };
        assert_eq!(oldest(&test), None);
        let first = test.publish().unwrap();
        test.now += SECOND;
        assert_eq!(oldest(&test), Some(1.0));
        let id = test.attach("s", &delaying(1));
        let second = test.publish().unwrap();
        assert_eq!(test.take("s", id), [first]);
        test.now += SECOND;
        assert_eq!(oldest(&test), Some(2.0));
        assert!(test.negative_acknowledge("s", id, first));
        assert_eq!(oldest(&test), Some(2.0));
        assert_eq!(test.take("s", id), [second]);
        assert_eq!(test.topic.backlog(), (0, 2));
    }
}
