//! MQTT 5 over WebSockets.
//!
//! Every publisher and every subscriber has a session of its own, which ends with its connection.
//! Only that of a module which must not lose a request is kept by the broker for a while, so that
//! the module, or another of its group, finds there what was not acknowledged.

mod consumer;
mod directory;
mod envelope;
mod names;
mod notice;
mod packets;
mod presence;
mod producer;
mod session;
mod takeover;
mod unacknowledged;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dasf_protocol::Topic;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::socket::{self, Endpoint};
use super::{
    Announcement, ConnectError, Publisher, PublisherOptions, Reader, Reading, Subscriber, Transport,
};
use crate::address::{BaseUrl, Login};
use consumer::Receiving;
use presence::Presence;
use producer::Sending;
use session::Limits;
use takeover::Group;

/// The largest payload, in bytes, that goes in one message if it can be cut: Mosquitto 2.0 sends a
/// WebSocket about 40 kB per second of what is larger, with its envelope, than 4 KiB.
const PIECE_SIZE: usize = 2800;
/// How many messages a sender is ahead of a reader: a fraction of the 1768 that Mosquitto keeps for
/// one, because others send as well.
const MAX_UNREAD: usize = 256;
/// How many messages a broker may send to a reader without seeing acknowledgements. Mosquitto keeps
/// 1000 beyond that, and drops the next; of those that it is sending, it drops what exceeds 1000.
const MAX_READ_AHEAD: u16 = 768;
/// The smallest payload for which a message is cut: a broker that does not take even that with its
/// envelope takes none.
const MIN_PIECE_SIZE: usize = 256;

/// Topics of one MQTT broker.
#[derive(Debug, Clone)]
pub(crate) struct Mqtt {
    pub(crate) url: BaseUrl,
    pub(crate) login: Login,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: super::Trust,
    pub(crate) runtime: Handle,
    pub(crate) max_packet_size: MaxPacketSize,
}

/// The largest packet that the broker takes, as it said on the connection opened last; 0 before.
#[derive(Debug, Clone, Default)]
pub(crate) struct MaxPacketSize(Arc<AtomicUsize>);

impl MaxPacketSize {
    fn learn(&self, limits: &Limits) {
        self.0.store(limits.max_packet_size, Ordering::Relaxed);
    }

    /// How large a payload can be.
    fn payload(&self) -> Option<usize> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            size => Some(size.saturating_sub(envelope::MAX_SIZE).max(MIN_PIECE_SIZE)),
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

    /// What MQTT cannot give a reading.
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
            _ if reading.max_redeliveries.is_some() => refuse(
                "a limit of redeliveries",
                "MQTT does not count how often a message comes; leave --max-redeliveries out",
            ),
            Reader::Alone if reading.at_least_once => refuse(
                "delivery to another module without a group",
                "without one every module gets every request, and what one of them leaves is no other's; name a group with --group NAME",
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
        socket::publisher(&self.runtime, dialect, self.endpoint(), topic, options)
    }

    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber {
        if let Some(refusal) = self.refusal(reading) {
            return Subscriber::refused(refusal);
        }
        let group = (reading.reader == Reader::Group).then(|| reading.subscription.clone());
        let client_id = names::module_id(topic, group.as_ref());
        let heirs = group.clone().map(|name| Group {
            endpoint: self.endpoint(),
            login: self.login.clone(),
            topic: topic.clone(),
            name,
        });
        let announcement = reading.announcement.clone();
        // Others of a group must learn of a module's death, even if it presents itself with nothing.
        let announcement = announcement.or_else(|| group.is_some().then(|| "{}".to_owned()));
        let presence = announcement.map(|announcement| {
            let module = presence::Module {
                endpoint: self.endpoint(),
                login: self.login.clone(),
                topic: topic.clone(),
                client_id: client_id.clone(),
                announcement,
                heirs,
            };
            Presence::start(&self.runtime, module)
        });
        let dialect = Receiving {
            login: self.login.clone(),
            topic: topic.clone(),
            group,
            receive_maximum: receive_maximum(reading.prefetch),
            client_id,
            at_least_once: reading.at_least_once,
            was_kept: AtomicBool::new(false),
            max_packet_size: self.max_packet_size.clone(),
            presence,
        };
        socket::subscriber(&self.runtime, dialect, self.endpoint(), topic)
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn max_payload_size(&self) -> Option<usize> {
        self.max_packet_size.payload()
    }

    fn best_payload_size(&self) -> Option<usize> {
        Some(PIECE_SIZE)
    }

    fn max_unread(&self) -> Option<usize> {
        Some(MAX_UNREAD)
    }

    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<Announcement>, ConnectError>>> {
        let read = async { directory::read(&self.endpoint(), &self.login).await };
        Some(read.boxed())
    }
}

/// How many messages a broker is told to send without acknowledgements.
fn receive_maximum(prefetch: Option<usize>) -> u16 {
    let prefetch = prefetch.and_then(|prefetch| u16::try_from(prefetch).ok());
    prefetch.unwrap_or(MAX_READ_AHEAD).clamp(1, MAX_READ_AHEAD)
}
