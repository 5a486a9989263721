//! The limits of a broker.

use std::time::Duration;

/// The limits of a broker. Each has a setter of the same name in [`Builder`](crate::Builder).
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
    pub(crate) max_memory: usize,
    pub(crate) receiver_queue_size: usize,
    pub(crate) max_receiver_queue_size: usize,
    pub(crate) subscription_retention: Duration,
    pub(crate) ping_interval: Duration,
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
            max_memory: 512 * 1024 * 1024,
            receiver_queue_size: 1000,
            max_receiver_queue_size: 10_000,
            subscription_retention: Duration::from_secs(600),
            ping_interval: Duration::from_secs(6),
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
            ("receiver_queue_size", self.receiver_queue_size == 0),
            ("max_receiver_queue_size", self.max_receiver_queue_size == 0),
            (
                "subscription_retention",
                self.subscription_retention.is_zero(),
            ),
            ("ping_interval", self.ping_interval.is_zero()),
        ];
        zeros
            .into_iter()
            .find_map(|(name, zero)| zero.then_some(name))
    }

    /// Returns the largest number of unacknowledged messages of a consumer that requests a number.
    pub(crate) fn prefetch(&self, requested: Option<usize>) -> usize {
        requested
            .unwrap_or(self.receiver_queue_size)
            .clamp(1, self.max_receiver_queue_size)
    }

    /// Returns the limit that a backlog of this size exceeds. The bytes include the fields that the
    /// broker adds.
    pub(crate) fn exceeded_by_backlog(
        &self,
        messages: usize,
        bytes: usize,
    ) -> Option<BacklogLimit> {
        if messages > self.max_backlog_messages {
            Some(BacklogLimit {
                name: "max_backlog_messages",
                value: self.max_backlog_messages,
            })
        } else if bytes > self.max_backlog_bytes {
            Some(BacklogLimit {
                name: "max_backlog_bytes",
                value: self.max_backlog_bytes,
            })
        } else {
            None
        }
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
