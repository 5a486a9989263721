//! The limits and patience of a module host.

use std::time::Duration;

/// How much a host takes on, and how long it waits.
///
/// ```
/// use dasf_runtime::HostOptions;
///
/// let options = HostOptions { max_workers: 4, queue_size: 100, ..HostOptions::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// How many calls run at a time; default five times the number of processors.
    pub max_workers: usize,
    /// How many calls are accepted at a time, those that run included; default 1024. What comes on
    /// top is answered with `request rejected due to queue overflow, try again later`.
    pub queue_size: usize,
    /// The largest payload, in bytes before base64, that is sent in one frame; default
    /// [`DEFAULT_MAX_PAYLOAD_SIZE`](Self::DEFAULT_MAX_PAYLOAD_SIZE). Larger ones are cut into
    /// fragments whose base64 text has at most this length.
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

impl Default for HostOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            max_workers: processors * 5,
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
}
