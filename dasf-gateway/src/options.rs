//! The options of a gateway.

use std::time::Duration;

use dasf_protocol::{Topic, TopicError};

/// An option of a [`Gateway`](crate::Gateway) that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A text in [`allowed_origins`](field@Options::allowed_origins) is no origin.
    #[error(
        "{origin:?} is not an origin; write its scheme and port, such as https://lab.example.org, or *"
    )]
    #[non_exhaustive]
    Origin {
        /// The text.
        origin: String,
    },
}

/// The options of a [`Gateway`](crate::Gateway), with their defaults. A method of the same name sets each of them.
///
/// ```
/// use std::time::Duration;
///
/// use dasf_gateway::Options;
///
/// let options = Options::default()
///     .timeout(Duration::from_secs(20))
///     .max_calls_per_user(16);
/// assert_eq!(options.max_body_size, 64 << 20);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The time that a call may take if its caller names none with `Prefer: wait`; default 60 s.
    pub timeout: Duration,
    /// The longest time that a caller may name; default one hour. A longer wait is shortened to it.
    pub max_wait: Duration,
    /// The largest body of a request, in bytes; default 64 MiB. A larger one is refused with status 413.
    pub max_body_size: usize,
    /// The largest size of the headers of a request together with its path, in bytes; default 32 KiB. Larger
    /// ones are refused with status 431.
    pub max_header_size: usize,
    /// The time in which the body of a request must arrive; default 60 s. A later one is refused with status 408.
    pub body_timeout: Duration,
    /// How many requests of one user run at a time, over all topics; default 1024. Further ones are refused with
    /// status 429. All callers without a token are one user.
    pub max_calls_per_user: usize,
    /// How many event streams are open at a time; default 4096. Further ones are refused with status 429.
    pub max_event_streams: usize,
    /// How many clients of modules the gateway holds, one for each topic that a user calls; default 1024. The
    /// one that was not used for the longest time makes room for a new one. If all are in use, a request is
    /// refused with status 503.
    pub max_clients: usize,
    /// How many connections [`serve`](crate::Gateway::serve) accepts at a time; default 8192. Further ones wait.
    pub max_connections: usize,
    /// How long the gateway waits for the description of a module that it does not know; default 20 s.
    pub description_timeout: Duration,
    /// The topics whose modules `GET /api` lists, even if the broker keeps no list or the caller may not watch them;
    /// default none. The topics that the caller has used are listed, too.
    pub topics: Vec<Topic>,
    /// The origins of web pages that may use the gateway, such as `https://lab.example.org`; `*` stands for all.
    /// Default none but its own.
    pub allowed_origins: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            max_wait: Duration::from_secs(3600),
            max_body_size: 64 << 20,
            max_header_size: 32 << 10,
            body_timeout: Duration::from_secs(60),
            max_calls_per_user: 1024,
            max_event_streams: 4096,
            max_clients: 1024,
            max_connections: 8192,
            description_timeout: Duration::from_secs(20),
            topics: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl Options {
    /// Sets the default timeout of calls: see [`timeout`](field@Self::timeout).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the longest timeout of calls: see [`max_wait`](field@Self::max_wait).
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        Self { max_wait, ..self }
    }

    /// Sets the largest body: see [`max_body_size`](field@Self::max_body_size).
    #[must_use]
    pub fn max_body_size(self, bytes: usize) -> Self {
        Self {
            max_body_size: bytes,
            ..self
        }
    }

    /// Sets the largest headers: see [`max_header_size`](field@Self::max_header_size).
    #[must_use]
    pub fn max_header_size(self, bytes: usize) -> Self {
        Self {
            max_header_size: bytes,
            ..self
        }
    }

    /// Sets the time for a body: see [`body_timeout`](field@Self::body_timeout).
    #[must_use]
    pub fn body_timeout(self, timeout: Duration) -> Self {
        Self {
            body_timeout: timeout,
            ..self
        }
    }

    /// Sets the number of requests: see [`max_calls_per_user`](field@Self::max_calls_per_user).
    #[must_use]
    pub fn max_calls_per_user(self, calls: usize) -> Self {
        Self {
            max_calls_per_user: calls.max(1),
            ..self
        }
    }

    /// Sets the number of event streams: see [`max_event_streams`](field@Self::max_event_streams).
    #[must_use]
    pub fn max_event_streams(self, streams: usize) -> Self {
        Self {
            max_event_streams: streams,
            ..self
        }
    }

    /// Sets the number of clients: see [`max_clients`](field@Self::max_clients).
    #[must_use]
    pub fn max_clients(self, clients: usize) -> Self {
        Self {
            max_clients: clients.max(1),
            ..self
        }
    }

    /// Sets the number of connections: see [`max_connections`](field@Self::max_connections).
    #[must_use]
    pub fn max_connections(self, connections: usize) -> Self {
        Self {
            max_connections: connections.max(1),
            ..self
        }
    }

    /// Sets the time for a description: see [`description_timeout`](field@Self::description_timeout).
    #[must_use]
    pub fn description_timeout(self, timeout: Duration) -> Self {
        Self {
            description_timeout: timeout,
            ..self
        }
    }

    /// Adds a topic: see [`topics`](field@Self::topics).
    ///
    /// # Errors
    /// [`TopicError`] if the name is not valid.
    pub fn topic(mut self, topic: &str) -> Result<Self, TopicError> {
        self.topics.push(topic.parse()?);
        Ok(self)
    }

    /// Adds an origin: see [`allowed_origins`](field@Self::allowed_origins). [`Gateway::new`](crate::Gateway::new)
    /// checks it.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }
}
