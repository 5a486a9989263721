//! MQTT 5 over WebSockets.
//!
//! Every publisher and every subscriber has its own session, which ends with its connection. The
//! exception is a module that must not lose requests. The broker keeps its session for a while, so
//! that the module or another one of its group finds the unacknowledged messages there.

mod announcement;
mod announcer;
mod consumer;
mod discovery;
mod doubts;
mod envelope;
mod facts;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzed;
mod job_copies;
mod kept;
mod names;
mod packets;
mod parts;
mod producer;
mod session;
mod session_recovery;
mod unacknowledged;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dasf_protocol::{Properties, Topic};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::base_url::BaseUrl;
use super::websocket::{self, Endpoint};
use super::{
    ConnectError, DiscoveredModule, Feature, Keeping, KeptMessages, Publisher, PublisherOptions,
    Reader, Reading, Subscriber, Transport,
};
use announcer::Announcer;
use consumer::Receiving;
use job_copies::JobCopies;
use kept::KeptTopic;
use producer::Sending;
use session::Limits;
use session_recovery::Group;

/// The largest payload, in bytes, that goes in one message if it can be cut into fragments.
/// Messages that exceed 4 KiB with their envelope are slow: Mosquitto 2.0 sends only about 40 kB of
/// them per second to a WebSocket.
const BEST_PAYLOAD_SIZE: usize = 2800;
/// How many messages a sender may be ahead of a reader. It is a fraction of the 1768 that Mosquitto
/// keeps for a reader, because other senders also need room.
const MAX_UNREAD: usize = 256;
/// How many calls of a client run at a time by default. Mosquitto keeps 1000 messages for a reader and
/// silently drops further ones, so the requests of ten clients have room there. The client has room for
/// the answers.
const MAX_IN_FLIGHT: usize = 100;
/// How many messages a broker may send to a reader before they are acknowledged. Mosquitto keeps
/// 1000 more and drops later ones. If it sends more than 1000 messages at a time, it drops the
/// others.
const MAX_READ_AHEAD: u16 = 768;
/// The smallest limit of a payload. A broker that does not accept even this size with its envelope
/// accepts no message.
const MIN_PAYLOAD_SIZE: usize = 256;

/// The user name and the password of an MQTT connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Login {
    /// Omits the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)
    }
}

/// An MQTT broker.
#[derive(Debug, Clone)]
pub(crate) struct Mqtt {
    pub(crate) url: BaseUrl,
    pub(crate) login: Login,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: super::Trust,
    pub(crate) runtime: Handle,
    pub(crate) max_packet_size: MaxPacketSize,
}

/// The largest packet that the broker accepts, as announced on the latest connection; 0 before the
/// first.
#[derive(Debug, Clone, Default)]
pub(crate) struct MaxPacketSize(Arc<AtomicUsize>);

impl MaxPacketSize {
    fn learn(&self, limits: &Limits) {
        self.0.store(limits.max_packet_size, Ordering::Relaxed);
    }

    /// Returns the largest payload; `None` before the first connection.
    fn payload(&self) -> Option<usize> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            size => Some(MIN_PAYLOAD_SIZE.max(size.saturating_sub(envelope::MAX_SIZE))),
        }
    }
}

impl Mqtt {
    fn endpoint(&self) -> Endpoint {
        let mut headers = self.headers.clone();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
        Endpoint {
            url: self.url.whole(),
            below: String::new(),
            headers,
            trust: self.trust.clone(),
        }
    }

    /// Returns why MQTT cannot serve a reading; `None` if it can.
    fn refusal(&self, reading: &Reading) -> Option<ConnectError> {
        let refuse = |feature, reason: &str| {
            Some(ConnectError::Unsupported {
                url: self.url.to_string(),
                feature,
                reason: reason.to_owned(),
            })
        };
        match reading.reader {
            Reader::Caller => None,
            _ if reading.max_deaths.is_some() => {
                refuse(Feature::RedeliveryLimit, "MQTT does not count redeliveries")
            }
            Reader::Alone if reading.at_least_once => refuse(
                Feature::RedeliveryWithoutGroup,
                "without a group every module gets every request, and no module takes over the requests of another",
            ),
            _ => None,
        }
    }
}

impl Transport for Mqtt {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let dialect = Sending {
            login: self.login.clone(),
            topic: names::topic(topic.as_str()),
            max_packet_size: self.max_packet_size.clone(),
        };
        websocket::publisher(&self.runtime, dialect, self.endpoint(), topic, options)
    }

    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber {
        if let Some(refusal) = self.refusal(reading) {
            return Subscriber::refused(reading, refusal);
        }
        let group = (reading.reader == Reader::Group).then(|| reading.subscription.clone());
        let client_id = names::module_id(topic, group.as_ref());
        let successors = group.clone().map(|name| Group {
            endpoint: self.endpoint(),
            login: self.login.clone(),
            topic: topic.clone(),
            name,
        });
        let announcement = reading.announcement.clone();
        // The other modules of a group must notice a module's death, even if it does not announce
        // itself in the list.
        let announcement = announcement.or_else(|| group.is_some().then(|| "{}".to_owned()));
        let announcer = announcement.map(|announcement| {
            let module = announcer::Module {
                endpoint: self.endpoint(),
                login: self.login.clone(),
                topic: topic.clone(),
                client_id: client_id.clone(),
                announcement,
                successors,
            };
            Announcer::start(&self.runtime, module)
        });
        let has_jobs = reading.reader == Reader::Alone;
        let dialect = Receiving {
            login: self.login.clone(),
            topic: topic.clone(),
            group,
            jobs: has_jobs.then(|| Arc::new(JobCopies::new(topic.clone()))),
            receive_maximum: receive_maximum(reading.prefetch),
            client_id,
            at_least_once: reading.at_least_once,
            was_kept: AtomicBool::new(false),
            max_packet_size: self.max_packet_size.clone(),
            announcer,
        };
        websocket::subscriber(&self.runtime, dialect, self.endpoint(), topic, reading)
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn max_payload_size(&self) -> Option<usize> {
        self.max_packet_size.payload()
    }

    fn best_payload_size(&self) -> Option<usize> {
        Some(BEST_PAYLOAD_SIZE)
    }

    fn max_unread(&self) -> Option<usize> {
        Some(MAX_UNREAD)
    }

    fn max_in_flight(&self) -> Option<usize> {
        Some(MAX_IN_FLIGHT)
    }

    fn delivers_cancelled_jobs(&self) -> bool {
        true
    }

    fn keeps_answers_from_modules(&self) -> bool {
        true
    }

    fn retains_parts(&self) -> bool {
        true
    }

    fn read_job<'t>(
        &'t self,
        topic: &'t Topic,
        take: &'t mut (dyn FnMut(&Properties) + Send),
    ) -> BoxFuture<'t, Result<(), ConnectError>> {
        Box::pin(facts::read(self, topic, take))
    }

    fn greet<'t>(&'t self, _: &'t Topic) -> BoxFuture<'t, Result<HeaderMap, ConnectError>> {
        Box::pin(async move {
            let session =
                session::open(&self.endpoint(), &self.login, session::Opening::fresh()).await?;
            session.disconnect(0).await?;
            // An MQTT broker tells nothing of itself in its handshake.
            Ok(HeaderMap::new())
        })
    }

    fn keep<'t>(
        &'t self,
        topic: &'t Topic,
        time: Duration,
    ) -> BoxFuture<'t, Result<Keeping, ConnectError>> {
        Box::pin(async move { KeptTopic { mqtt: self, topic }.keep(time).await })
    }

    fn kept<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<KeptMessages, ConnectError>> {
        Box::pin(async move { KeptTopic { mqtt: self, topic }.kept().await })
    }

    fn forget<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<(), ConnectError>> {
        Box::pin(async move { KeptTopic { mqtt: self, topic }.forget().await })
    }

    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<DiscoveredModule>, ConnectError>>> {
        let read = async { discovery::read(&self.endpoint(), &self.login).await };
        Some(read.boxed())
    }
}

/// Returns how many unacknowledged messages the broker may send.
fn receive_maximum(prefetch: Option<usize>) -> u16 {
    let prefetch = prefetch.and_then(|prefetch| u16::try_from(prefetch).ok());
    prefetch.unwrap_or(MAX_READ_AHEAD).clamp(1, MAX_READ_AHEAD)
}
