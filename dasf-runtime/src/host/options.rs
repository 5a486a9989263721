//! The options of a module host.

#[cfg(feature = "status")]
use std::net::SocketAddr;
use std::time::Duration;

use dasf_protocol::Subscription;

use super::counts::Counts;
use crate::module::Module;
use crate::random;
use crate::transport::{self, Reading};

/// The moment at which a module acknowledges a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// Before it runs, as Python modules do. A request runs at most once. If the module crashes,
    /// its unfinished requests are lost.
    #[default]
    Received,
    /// After the broker has accepted the response. A request runs at least once. If the module
    /// crashes, its unfinished requests go to another module.
    Completed,
}

/// The limits, the group and the timeouts of a host. A method of the same name sets each of them.
///
/// ```
/// use dasf_runtime::{Acknowledge, HostOptions};
///
/// let options = HostOptions::default()
///     .max_workers(4)
///     .queue_size(100)
///     .group("workers".parse()?)
///     .acknowledge(Acknowledge::Completed);
/// assert_eq!(options.max_workers, 4);
/// # Ok::<(), dasf_protocol::TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the options apply to the host that is started with them"]
#[non_exhaustive]
pub struct HostOptions {
    /// The number of calls of plain functions that run at a time; default five times the number of
    /// processors. The host starts a thread when a call needs it.
    pub max_workers: usize,
    /// The number of calls of `async` functions that run at a time; default
    /// [`queue_size`](field@Self::queue_size). These calls need no thread while they wait. In a group, the
    /// default is [`max_workers`](field@Self::max_workers), so that the modules share the calls.
    pub max_concurrent: Option<usize>,
    /// The name of a group. Modules with the same topic and the same group share the requests. A
    /// module without a group, the default, gets every request, even if other modules listen.
    ///
    /// The broker must support shared subscriptions. With `dasf-broker-django` a host with a group
    /// does not start.
    pub group: Option<Subscription>,
    /// The moment at which a request is acknowledged; default [`Acknowledge::Received`].
    pub acknowledge: Acknowledge,
    /// The number of unacknowledged requests that the broker delivers to a module of a group;
    /// default [`max_workers`](field@Self::max_workers). With a larger number, requests may wait in one
    /// module while another one is idle. Without a group, the broker decides.
    pub receiver_queue_size: Option<usize>,
    /// How many modules a request may end that come to it after its first delivery; default
    /// [`DEFAULT_MAX_DEATHS`](Self::DEFAULT_MAX_DEATHS). A module that gives the request back after it has begun
    /// it counts, too. The embedded broker counts that, for jobs and for requests that are acknowledged when they
    /// are [completed](Acknowledge::Completed). Then it puts the request aside: its caller gets an error of the
    /// kind [`PutAside`](crate::FailureKind::PutAside), and the broker keeps the request for those who look at
    /// it, send it again or drop it.
    ///
    /// The last attempt runs alone: it waits up to 10 s for the end of the other calls of the module, and the
    /// next ones wait up to 10 s for it. It never runs beside another last attempt. First deliveries do not
    /// count, because a module reports only of redeliveries that it begins them.
    ///
    /// Apache Pulsar counts something else, and only if it is set in a group: the negative acknowledgements of
    /// a request. Then it moves the request to the dead-letter topic `{topic}-{group}-DLQ`, and its caller gets
    /// no error. MQTT brokers and `dasf-broker-django` do not count. There, and at a Pulsar without a group, a
    /// host with this option does not start.
    pub max_deaths: Option<u32>,
    /// The number of calls that are accepted at a time, including the running ones; default 1024, or the
    /// default of [`max_workers`](field@Self::max_workers) if that is more. Further requests get the response
    /// `request rejected due to queue overflow, try again later`.
    pub queue_size: usize,
    /// The largest payload in one frame, in bytes before base64; default
    /// [`DEFAULT_MAX_PAYLOAD_SIZE`](Self::DEFAULT_MAX_PAYLOAD_SIZE).
    ///
    /// The host cuts larger payloads into fragments. The base64 of a fragment has at most this
    /// length. Over MQTT it cuts payloads of more than 2800 bytes, and the broker's Maximum Packet
    /// Size is a further limit.
    pub max_payload_size: usize,
    /// The size of the payloads that the host holds for one caller, in bytes; default 256 MiB. So it is
    /// also the size of the largest request. Payloads of more than 64 KiB count: requests, also
    /// incomplete ones, until their functions have returned, and responses until the broker has
    /// accepted them. Beyond it, the caller gets an error. A response is never refused.
    ///
    /// A caller is a response topic.
    pub max_request_size: usize,
    /// The size of the payloads that the host holds for all callers together, in bytes; default 512
    /// MiB. They count as for [`max_request_size`](field@Self::max_request_size). Beyond it, the host
    /// drops incomplete requests of which no fragment came for 5 s. If there are none, the caller gets
    /// the response `request rejected due to queue overflow, try again later`.
    pub max_held_bytes: usize,
    /// How long an unused connection to a response topic stays open; default 120 s. With zero it
    /// closes as soon as the broker has accepted the response.
    pub producer_keep_alive: Duration,
    /// How long a response waits for the connection to its topic; default 30 s. Then the host drops
    /// it.
    pub producer_connection_timeout: Duration,
    /// The number of open connections to response topics; default 512. For a further one, the host
    /// closes the connection that was unused for the longest time.
    pub max_response_topics: usize,
    /// How long accepted calls may continue after the host is stopped; default 30 s.
    pub drain_timeout: Duration,
    /// The address at which the host serves its [health and its numbers](Self::status_addr) over HTTP; none by
    /// default.
    #[cfg(feature = "status")]
    pub status_addr: Option<SocketAddr>,
}

/// Options that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A limit is zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The queue is larger than a host can manage.
    #[error("queue_size ({queue_size}) must be at most {limit}")]
    TooLarge {
        /// The given queue size.
        queue_size: usize,
        /// The greatest queue size.
        limit: usize,
    },
    /// The option is for groups only.
    #[error("{0} needs a group")]
    NeedsGroup(&'static str),
    /// The queue is smaller than the number of workers, so that some workers could never run.
    #[error(
        "queue_size ({queue_size}) must be at least max_workers ({max_workers}): the queue includes the running calls"
    )]
    QueueSize {
        /// The given queue size.
        queue_size: usize,
        /// The given number of workers.
        max_workers: usize,
    },
}

impl HostOptions {
    /// The default limit of a payload in one frame: 700 KiB.
    ///
    /// In base64 and with its envelope, this payload is smaller than the 1,000,000 bytes that
    /// brokers accept. The client of demessaging cannot join fragments, so it receives only results
    /// up to this size.
    pub const DEFAULT_MAX_PAYLOAD_SIZE: usize = transport::DEFAULT_MAX_PAYLOAD_SIZE;

    /// The default number of modules that a request may end.
    pub const DEFAULT_MAX_DEATHS: u32 = transport::DEFAULT_MAX_DEATHS;

    /// The default queue size.
    pub const DEFAULT_QUEUE_SIZE: usize = 1024;

    /// The greatest queue size. Each call costs a task. A million is more than one process can
    /// answer, and a semaphore can count it.
    const MAX_QUEUE_SIZE: usize = 1 << 20;

    /// Sets the number of threads, and so of calls of plain functions that run at a time: see
    /// [`max_workers`](field@Self::max_workers).
    pub fn max_workers(mut self, threads: usize) -> Self {
        self.max_workers = threads;
        self
    }

    /// Sets the number of calls of `async` functions that run at a time: see
    /// [`max_concurrent`](field@Self::max_concurrent).
    pub fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// Sets the group that shares the requests of the topic: see [`group`](field@Self::group).
    pub fn group(mut self, group: Subscription) -> Self {
        self.group = Some(group);
        self
    }

    /// Sets the moment at which a request is acknowledged: see
    /// [`acknowledge`](field@Self::acknowledge).
    pub fn acknowledge(mut self, moment: Acknowledge) -> Self {
        self.acknowledge = moment;
        self
    }

    /// Sets the number of unacknowledged requests that the broker delivers to a module of a group:
    /// see [`receiver_queue_size`](field@Self::receiver_queue_size).
    pub fn receiver_queue_size(mut self, requests: usize) -> Self {
        self.receiver_queue_size = Some(requests);
        self
    }

    /// Sets how many modules a request may end, before it is put aside: see
    /// [`max_deaths`](field@Self::max_deaths).
    pub fn max_deaths(mut self, deaths: u32) -> Self {
        self.max_deaths = Some(deaths);
        self
    }

    /// Sets the number of calls that are accepted at a time, including the running ones: see
    /// [`queue_size`](field@Self::queue_size).
    pub fn queue_size(mut self, calls: usize) -> Self {
        self.queue_size = calls;
        self
    }

    /// Sets the largest payload in one frame, in bytes before base64: see
    /// [`max_payload_size`](field@Self::max_payload_size).
    pub fn max_payload_size(mut self, bytes: usize) -> Self {
        self.max_payload_size = bytes;
        self
    }

    /// Sets the size of the payloads that the host holds for one caller, in bytes: see
    /// [`max_request_size`](field@Self::max_request_size).
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.max_request_size = bytes;
        self
    }

    /// Sets the size of the payloads that the host holds for all callers together, in bytes: see
    /// [`max_held_bytes`](field@Self::max_held_bytes).
    pub fn max_held_bytes(mut self, bytes: usize) -> Self {
        self.max_held_bytes = bytes;
        self
    }

    /// Sets how long an unused connection to a response topic stays open: see
    /// [`producer_keep_alive`](field@Self::producer_keep_alive).
    pub fn producer_keep_alive(mut self, time: Duration) -> Self {
        self.producer_keep_alive = time;
        self
    }

    /// Sets how long a response waits for the connection to its topic: see
    /// [`producer_connection_timeout`](field@Self::producer_connection_timeout).
    pub fn producer_connection_timeout(mut self, time: Duration) -> Self {
        self.producer_connection_timeout = time;
        self
    }

    /// Sets the number of open connections to response topics: see
    /// [`max_response_topics`](field@Self::max_response_topics).
    pub fn max_response_topics(mut self, connections: usize) -> Self {
        self.max_response_topics = connections;
        self
    }

    /// Sets how long accepted calls may continue after the host is stopped: see
    /// [`drain_timeout`](field@Self::drain_timeout).
    pub fn drain_timeout(mut self, time: Duration) -> Self {
        self.drain_timeout = time;
        self
    }

    /// Serves the health and the numbers of the module over HTTP at this address, for programs that watch it.
    /// Port 0 takes any free port, which [`Host::status_addr`](crate::Host::status_addr) returns.
    ///
    /// `GET /health` answers `ok` with the status 200. It answers with the status 503 while the module has no
    /// connection to the broker, and when it stops. `GET /metrics` answers with the numbers for Prometheus.
    /// Everybody who reaches the address sees them.
    ///
    /// ```
    /// let options = dasf_runtime::HostOptions::default().status_addr(([127, 0, 0, 1], 9464).into());
    /// # assert!(options.status_addr.is_some());
    /// ```
    #[cfg(feature = "status")]
    pub fn status_addr(mut self, address: SocketAddr) -> Self {
        self.status_addr = Some(address);
        self
    }

    /// Returns how the host reads the topic.
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
            max_deaths: self.max_deaths,
            ..reading
        }
    }

    /// Returns what counts the calls of a module, if somebody may see it.
    pub(super) fn counts(&self, module: &Module) -> Option<Counts> {
        #[cfg(feature = "status")]
        let is_watched = self.status_addr.is_some();
        #[cfg(not(feature = "status"))]
        let is_watched = false;
        is_watched.then(|| Counts::new(module))
    }

    /// Returns the number of calls of `async` functions that run at a time.
    pub(super) fn concurrency(&self) -> usize {
        let default = match self.group {
            Some(_) => self.max_workers,
            None => self.queue_size,
        };
        self.max_concurrent.unwrap_or(default)
    }

    /// Returns how many requests may wait for their payloads at a time: of one caller, and of all.
    /// Otherwise callers that never send theirs could keep all other requests away.
    pub(super) fn max_fetches(&self) -> (usize, usize) {
        let received = self.receiver_queue_size.unwrap_or(self.max_workers);
        let received = received.min(self.queue_size);
        ((received / 2).max(1), (received * 3 / 4).max(1))
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
        let limits = [
            ("max_concurrent", self.max_concurrent),
            ("receiver_queue_size", self.receiver_queue_size),
            ("max_deaths", self.max_deaths.map(|limit| limit as usize)),
        ];
        if let Some((name, _)) = limits.into_iter().find(|&(_, limit)| limit == Some(0)) {
            return Err(OptionsError::Zero(name));
        }
        if self.group.is_none() && self.receiver_queue_size.is_some() {
            return Err(OptionsError::NeedsGroup("receiver_queue_size"));
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

/// Returns a name that no other process has.
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
            max_concurrent: None,
            group: None,
            acknowledge: Acknowledge::default(),
            receiver_queue_size: None,
            max_deaths: None,
            queue_size: Self::DEFAULT_QUEUE_SIZE.max(processors * 5),
            max_payload_size: Self::DEFAULT_MAX_PAYLOAD_SIZE,
            max_request_size: 256 << 20,
            max_held_bytes: 512 << 20,
            producer_keep_alive: Duration::from_secs(120),
            producer_connection_timeout: Duration::from_secs(30),
            max_response_topics: 512,
            drain_timeout: Duration::from_secs(30),
            #[cfg(feature = "status")]
            status_addr: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Reader;

    #[test]
    fn a_queue_has_room_for_its_workers() {
        let options = HostOptions::default().max_workers(4).queue_size(3);
        assert_eq!(
            options.checked(),
            Err(OptionsError::QueueSize {
                queue_size: 3,
                max_workers: 4
            })
        );
        let options = HostOptions::default().max_payload_size(0);
        assert_eq!(
            options.checked(),
            Err(OptionsError::Zero("max_payload_size"))
        );
        let options = HostOptions::default().queue_size(usize::MAX);
        assert!(matches!(
            options.checked(),
            Err(OptionsError::TooLarge { .. })
        ));
        assert!(HostOptions::default().checked().is_ok());
    }

    #[test]
    fn options_of_groups_need_a_group() {
        let options = HostOptions::default().receiver_queue_size(3);
        let missing = OptionsError::NeedsGroup("receiver_queue_size");
        assert_eq!(options.checked(), Err(missing));
        let options = HostOptions::default().max_deaths(3);
        let checked = options.clone().checked().unwrap();
        assert_eq!(checked.reading().max_deaths, Some(3), "jobs have it");
        let grouped = options.group("workers".parse().unwrap()).max_workers(3);
        let reading = grouped.checked().unwrap().reading();
        assert_eq!(reading.reader, Reader::Group);
        assert_eq!(reading.subscription.as_str(), "workers");
        assert_eq!(reading.prefetch, Some(3));
        let alone = HostOptions::default().reading();
        assert_eq!((alone.reader, alone.prefetch), (Reader::Alone, None));
    }
}
