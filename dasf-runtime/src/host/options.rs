//! The limits and patience of a module host.

use std::time::Duration;

use dasf_protocol::Subscription;

use crate::random;
use crate::transport::Reading;

/// When a module tells the broker that a request need not come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// Before it is run, as Python modules do: what the broker delivers is run at most once, and lost
    /// with the module that dies over it.
    #[default]
    Received,
    /// When the broker has taken the answer: what a module that dies had not finished goes to
    /// another, so that a request is run at least once.
    Completed,
}

/// How much a host takes on, with whom it shares the work, and how long it waits.
///
/// ```
/// use dasf_runtime::{Acknowledge, HostOptions};
///
/// let options = HostOptions {
///     max_workers: 4,
///     queue_size: 100,
///     group: Some("workers".parse()?),
///     acknowledge: Acknowledge::Completed,
///     ..HostOptions::default()
/// };
/// # Ok::<(), dasf_protocol::TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// How many calls run at a time; default five times the number of processors.
    pub max_workers: usize,
    /// The name of a group: the modules that listen to a topic under one name share its requests.
    /// `None`, the default, is a module that gets every request, whoever else listens.
    ///
    /// A broker must be able to share: with `dasf-broker-django` the host does not start.
    pub group: Option<Subscription>,
    /// When the broker is told that a request need not come again; default
    /// [`Acknowledge::Received`].
    pub acknowledge: Acknowledge,
    /// How many requests the broker hands to a module of a group before it sees acknowledgements of
    /// them; default [`max_workers`](Self::max_workers). More let one module hoard what another
    /// could run already. Without a group, the broker decides.
    pub receiver_queue_size: Option<usize>,
    /// How often a request that a group did not finish is tried again, before the broker puts it
    /// aside, on the topic `{topic}-{group}-DLQ`; `None`, the default, is for ever. The embedded
    /// broker writes `-` for a `.` or `:` of the group. MQTT brokers do not count, and refuse it.
    pub max_redeliveries: Option<u32>,
    /// How many calls are accepted at a time, those that run included; default 1024. What comes on
    /// top is answered with `request rejected due to queue overflow, try again later`.
    pub queue_size: usize,
    /// The largest payload, in bytes before base64, that is sent in one frame; default
    /// [`DEFAULT_MAX_PAYLOAD_SIZE`](Self::DEFAULT_MAX_PAYLOAD_SIZE). Larger ones are cut into
    /// fragments whose base64 text has at most this length. Over MQTT those of more than 2800 bytes
    /// are cut, and the broker's Maximum Packet Size is a limit as well.
    pub max_payload_size: usize,
    /// How many bytes of fragmented requests, counted in base64, are held while their rest is
    /// awaited; default 256 MiB over all callers together.
    pub max_request_size: usize,
    /// How long the connection to a response topic is kept without an answer to send; default 120
    /// s. With zero it is closed as soon as the answer is taken.
    pub producer_keep_alive: Duration,
    /// How long an answer waits for the connection to its response topic; default 30 s. Then it is
    /// dropped.
    pub producer_connection_timeout: Duration,
    /// How many connections to response topics are kept at a time; default 512. The one unused for
    /// longest makes room for a further one.
    pub max_response_topics: usize,
    /// How long accepted calls may go on when the host is told to stop; default 30 s.
    pub drain_timeout: Duration,
}

/// Options that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A limit is zero, so that nothing could be done.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// More calls would be accepted than can be counted.
    #[error("queue_size ({queue_size}) must be at most {limit}")]
    TooLarge {
        /// The queue size given.
        queue_size: usize,
        /// The most that it may be.
        limit: usize,
    },
    /// Only a group can do this.
    #[error("{0} needs a group")]
    NeedsGroup(&'static str),
    /// Workers could never be busy.
    #[error(
        "queue_size ({queue_size}) must be at least max_workers ({max_workers}): it counts running calls too"
    )]
    QueueSize {
        /// The queue size given.
        queue_size: usize,
        /// The number of workers given.
        max_workers: usize,
    },
}

impl HostOptions {
    /// 700 KiB: in base64, and with its envelope, this stays below the 1,000,000 bytes that brokers
    /// take, and below it Python's client, which cannot put fragments together, receives every
    /// result.
    pub const DEFAULT_MAX_PAYLOAD_SIZE: usize = 700 * 1024;

    /// The default queue size.
    pub const DEFAULT_QUEUE_SIZE: usize = 1024;

    /// The most calls that can be accepted at a time. Each costs a task; a million is beyond what
    /// one process answers, and within what a semaphore counts.
    const MAX_QUEUE_SIZE: usize = 1 << 20;

    /// How a module reads its topic.
    pub(super) fn reading(&self) -> Reading {
        let reading = match &self.group {
            Some(group) => Reading {
                prefetch: Some(self.receiver_queue_size.unwrap_or(self.max_workers)),
                ..Reading::group(group.clone())
            },
            None => Reading::alone(own_name()),
        };
        Reading {
            at_least_once: self.acknowledge == Acknowledge::Completed,
            max_redeliveries: self.max_redeliveries,
            ..reading
        }
    }

    pub(super) fn checked(self) -> Result<Self, OptionsError> {
        let limits = [
            ("max_workers", self.max_workers),
            ("queue_size", self.queue_size),
            ("max_payload_size", self.max_payload_size),
            ("max_response_topics", self.max_response_topics),
        ];
        if let Some((name, _)) = limits.into_iter().find(|&(_, limit)| limit == 0) {
            return Err(OptionsError::Zero(name));
        }
        if self.receiver_queue_size == Some(0) {
            return Err(OptionsError::Zero("receiver_queue_size"));
        }
        if self.max_redeliveries == Some(0) {
            return Err(OptionsError::Zero("max_redeliveries"));
        }
        if self.group.is_none() {
            if self.receiver_queue_size.is_some() {
                return Err(OptionsError::NeedsGroup("receiver_queue_size"));
            }
            if self.max_redeliveries.is_some() {
                return Err(OptionsError::NeedsGroup("max_redeliveries"));
            }
        }
        let Self {
            queue_size,
            max_workers,
            ..
        } = self;
        if queue_size < max_workers {
            return Err(OptionsError::QueueSize {
                queue_size,
                max_workers,
            });
        }
        if queue_size > Self::MAX_QUEUE_SIZE {
            let limit = Self::MAX_QUEUE_SIZE;
            return Err(OptionsError::TooLarge { queue_size, limit });
        }
        Ok(self)
    }
}

/// A name that no other process has.
fn own_name() -> Subscription {
    let name = format!("backend-module-{}", random::name());
    #[allow(clippy::expect_used)] // the message proves that it cannot happen
    name.parse()
        .expect("letters, dashes and digits make a subscription")
}

impl Default for HostOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            max_workers: processors * 5,
            group: None,
            acknowledge: Acknowledge::default(),
            receiver_queue_size: None,
            max_redeliveries: None,
            queue_size: Self::DEFAULT_QUEUE_SIZE.max(processors * 5),
            max_payload_size: Self::DEFAULT_MAX_PAYLOAD_SIZE,
            max_request_size: 256 << 20,
            producer_keep_alive: Duration::from_secs(120),
            producer_connection_timeout: Duration::from_secs(30),
            max_response_topics: 512,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Reader;

    #[test]
    fn a_queue_holds_its_workers() {
        let options = HostOptions {
            max_workers: 4,
            queue_size: 3,
            ..HostOptions::default()
        };
        assert_eq!(
            options.checked(),
            Err(OptionsError::QueueSize {
                queue_size: 3,
                max_workers: 4
            })
        );
        let options = HostOptions {
            max_payload_size: 0,
            ..HostOptions::default()
        };
        assert_eq!(
            options.checked(),
            Err(OptionsError::Zero("max_payload_size"))
        );
        let options = HostOptions {
            queue_size: usize::MAX,
            ..HostOptions::default()
        };
        assert!(matches!(
            options.checked(),
            Err(OptionsError::TooLarge { .. })
        ));
        assert!(HostOptions::default().checked().is_ok());
    }

    #[test]
    fn what_only_a_group_can_do_needs_one() {
        let options = HostOptions {
            max_redeliveries: Some(3),
            ..HostOptions::default()
        };
        let missing = OptionsError::NeedsGroup("max_redeliveries");
        assert_eq!(options.clone().checked(), Err(missing));
        let grouped = HostOptions {
            group: Some("workers".parse().unwrap()),
            max_workers: 3,
            ..options
        };
        let reading = grouped.checked().unwrap().reading();
        assert_eq!(reading.reader, Reader::Group);
        assert_eq!(reading.subscription.as_str(), "workers");
        assert_eq!(reading.prefetch, Some(3));
        let alone = HostOptions::default().reading();
        assert_eq!((alone.reader, alone.prefetch), (Reader::Alone, None));
    }
}
