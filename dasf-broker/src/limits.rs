//! The limits of a broker.

use std::time::Duration;

use crate::topic_settings::{TopicRule, TopicSettings};

/// The limits of a broker, or of the topics of a pattern. Each of a broker has a setter of the same name in
/// [`Builder`](crate::Builder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_frame_size: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) max_handshakes: usize,
    pub(crate) max_topics: usize,
    pub(crate) max_topics_per_connection: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) max_backlog_messages: usize,
    pub(crate) max_backlog_bytes: usize,
    /// `max_backlog_messages` and `max_backlog_bytes` of a backlog on the disk.
    pub(crate) max_kept_messages: usize,
    pub(crate) max_kept_bytes: usize,
    pub(crate) max_memory: usize,
    pub(crate) max_dead_requests: usize,
    pub(crate) max_dead_bytes: usize,
    pub(crate) receiver_queue_size: usize,
    pub(crate) max_receiver_queue_size: usize,
    pub(crate) subscription_retention: Duration,
    pub(crate) max_subscription_retention: Duration,
    pub(crate) ping_interval: Duration,
    /// The settings of topics. The first one whose pattern is for a topic counts.
    pub(crate) topics: Vec<TopicRule>,
    /// Those of the configuration at the start, which come after the others.
    pub(crate) configured_topics: Vec<TopicRule>,
    /// What only the settings of topics limit.
    pub(crate) topic: TopicPolicy,
}

/// What a topic does with its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicPolicy {
    /// How long a message waits.
    pub(crate) ttl: Option<Duration>,
    /// The largest number of redeliveries that count.
    pub(crate) max_redeliveries: Option<u32>,
    /// Whether a message after its last redelivery becomes a dead letter.
    pub(crate) has_dead_letters: bool,
    /// Whether a broker with a store keeps the topic there.
    pub(crate) is_kept: bool,
    /// The names of the largest number of messages and bytes.
    backlog_names: [&'static str; 2],
}

impl Default for TopicPolicy {
    fn default() -> Self {
        Self {
            ttl: None,
            max_redeliveries: None,
            has_dead_letters: true,
            is_kept: true,
            backlog_names: ["max_backlog_messages", "max_backlog_bytes"],
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_size: 1024 * 1024,
            max_connections: 4096,
            max_connections_per_address: 2048,
            max_handshakes: 1024,
            max_topics: 16_384,
            max_topics_per_connection: 1024,
            max_subscriptions: 256,
            max_backlog_messages: 10_000,
            max_backlog_bytes: 64 * 1024 * 1024,
            // 100,000 messages without their contents have 30 MB.
            max_kept_messages: 100_000,
            max_kept_bytes: 1024 * 1024 * 1024,
            max_memory: 512 * 1024 * 1024,
            max_dead_requests: 1000,
            max_dead_bytes: 64 * 1024 * 1024,
            receiver_queue_size: 1000,
            max_receiver_queue_size: 10_000,
            subscription_retention: Duration::from_secs(600),
            // Jobs of a week-end, and the holiday after it.
            max_subscription_retention: Duration::from_secs(7 * 86_400),
            ping_interval: Duration::from_secs(6),
            topics: Vec::new(),
            configured_topics: Vec::new(),
            topic: TopicPolicy::default(),
        }
    }
}

impl Limits {
    /// Returns the name of a limit that is zero. With such a limit, a broker cannot work.
    pub(crate) fn zero_limit(&self) -> Option<&'static str> {
        let zeros = [
            ("max_frame_size", self.max_frame_size == 0),
            ("max_connections", self.max_connections == 0),
            (
                "max_connections_per_address",
                self.max_connections_per_address == 0,
            ),
            ("max_handshakes", self.max_handshakes == 0),
            ("max_topics", self.max_topics == 0),
            (
                "max_topics_per_connection",
                self.max_topics_per_connection == 0,
            ),
            ("max_subscriptions", self.max_subscriptions == 0),
            ("max_backlog_messages", self.max_backlog_messages == 0),
            ("max_backlog_bytes", self.max_backlog_bytes == 0),
            ("max_memory", self.max_memory == 0),
            ("max_dead_requests", self.max_dead_requests == 0),
            ("max_dead_bytes", self.max_dead_bytes == 0),
            ("receiver_queue_size", self.receiver_queue_size == 0),
            ("max_receiver_queue_size", self.max_receiver_queue_size == 0),
            (
                "subscription_retention",
                self.subscription_retention.is_zero(),
            ),
            (
                "max_subscription_retention",
                self.max_subscription_retention.is_zero(),
            ),
            ("ping_interval", self.ping_interval.is_zero()),
        ];
        let settings = self.topics.iter().map(|rule| &rule.settings);
        zeros
            .into_iter()
            .find_map(|(name, zero)| zero.then_some(name))
            .or_else(|| settings.into_iter().find_map(TopicSettings::zero_setting))
    }

    /// Returns the limits of the topics with these settings.
    pub(crate) fn with(&self, settings: &TopicSettings) -> Self {
        let mut limits = Self {
            topics: Vec::new(),
            configured_topics: Vec::new(),
            ..self.clone()
        };
        if let Some(messages) = settings.max_messages {
            limits.max_backlog_messages = messages;
            limits.max_kept_messages = messages;
            limits.topic.backlog_names[0] = "max_messages of its pattern";
        }
        if let Some(bytes) = settings.max_bytes {
            limits.max_backlog_bytes = bytes;
            limits.max_kept_bytes = bytes;
            limits.topic.backlog_names[1] = "max_bytes of its pattern";
        }
        if let Some(longest) = settings.max_retention {
            limits.max_subscription_retention = longest;
            limits.subscription_retention = limits.subscription_retention.min(longest);
        }
        let policy = &mut limits.topic;
        policy.ttl = settings.ttl;
        policy.max_redeliveries = settings.max_redeliveries;
        policy.has_dead_letters = settings.dead_letters.unwrap_or(true);
        policy.is_kept = settings.keep.unwrap_or(true);
        limits
    }

    /// Returns how long a subscription stays without a consumer whose consumer asks for this time.
    pub(crate) fn retention(&self, asked: Option<Duration>) -> Duration {
        asked.map_or(self.subscription_retention, |asked| {
            asked.min(self.max_subscription_retention)
        })
    }

    /// Returns how long a topic without subscriptions keeps a message.
    pub(crate) fn unclaimed_retention(&self) -> Duration {
        self.topic.ttl.unwrap_or(self.subscription_retention)
    }

    /// Returns the largest number of unacknowledged messages of a consumer that requests a number.
    pub(crate) fn prefetch(&self, requested: Option<usize>) -> usize {
        requested
            .unwrap_or(self.receiver_queue_size)
            .clamp(1, self.max_receiver_queue_size)
    }

    /// Returns the limit that a backlog of this size exceeds, which is on the disk or not. The bytes include
    /// the fields that the broker adds.
    pub(crate) fn exceeded_by_backlog(
        &self,
        messages: usize,
        bytes: usize,
        is_on_disk: bool,
    ) -> Option<BacklogLimit> {
        let (max_messages, max_bytes) = match is_on_disk {
            true => (self.max_kept_messages, self.max_kept_bytes),
            false => (self.max_backlog_messages, self.max_backlog_bytes),
        };
        let [messages_name, bytes_name] = self.topic.backlog_names;
        let limits = [
            (messages, messages_name, max_messages),
            (bytes, bytes_name, max_bytes),
        ];
        limits.into_iter().find_map(|(size, name, value)| {
            let limit = BacklogLimit { name, value };
            (size > value).then_some(limit)
        })
    }
}

/// The limit of a backlog that one more message would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BacklogLimit {
    pub(crate) name: &'static str,
    pub(crate) value: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_limit_is_named() {
        assert_eq!(Limits::default().zero_limit(), None);
        let limits = Limits {
            max_topics: 0,
            ..Limits::default()
        };
        assert_eq!(limits.zero_limit(), Some("max_topics"));
    }

    #[test]
    fn the_settings_of_a_topic_replace_limits() {
        let hour = Duration::from_secs(3600);
        let broker = Limits::default();
        let settings = TopicSettings::default();
        assert_eq!(broker.with(&settings), broker);
        let settings = settings.max_messages(7).max_retention(hour).ttl(hour / 2);
        let topic = broker.with(&settings);
        let exceeded = |limits: &Limits, is_on_disk| {
            let limit = limits.exceeded_by_backlog(20_000, 1, is_on_disk);
            limit.map(|limit| (limit.name, limit.value))
        };
        assert_eq!(
            exceeded(&broker, false),
            Some(("max_backlog_messages", 10_000))
        );
        assert_eq!(exceeded(&broker, true), None);
        for is_on_disk in [false, true] {
            let limit = exceeded(&topic, is_on_disk);
            assert_eq!(limit, Some(("max_messages of its pattern", 7)));
        }
        assert_eq!(topic.retention(None), Duration::from_secs(600));
        assert_eq!(topic.retention(Some(3 * hour)), hour);
        assert_eq!(broker.retention(Some(3 * hour)), 3 * hour);
        assert_eq!(broker.retention(Some(1000 * hour)), 168 * hour);
        assert_eq!(topic.unclaimed_retention(), hour / 2);
        let shortest = broker.with(&TopicSettings::default().max_retention(hour / 60));
        assert_eq!(shortest.retention(None), hour / 60);
    }

    #[test]
    fn the_prefetch_is_clamped() {
        let limits = Limits::default();
        assert_eq!(limits.prefetch(None), 1000);
        assert_eq!(limits.prefetch(Some(0)), 1);
        assert_eq!(limits.prefetch(Some(7)), 7);
        assert_eq!(
            limits.prefetch(Some(usize::MAX)),
            limits.max_receiver_queue_size
        );
    }
}
