//! MQTT 5 over WebSockets.
//!
//! Every publisher and every subscriber has a session of its own, which ends with its connection.
//! Only that of a module which must not lose a request is kept by the broker for a while, so that
//! the module, or another of its group, finds there what was not acknowledged.

mod directory;
mod envelope;
mod names;
mod notice;
mod packets;
mod presence;
mod session;
mod takeover;
mod unacknowledged;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dasf_protocol::{Subscription, Topic};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mqtt_proto::v5::{Packet, Puback, PubackReasonCode, Publish, RetainHandling};
use mqtt_proto::{Pid, QoS, TopicName};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::socket::{
    self, ConsumerDialect, Endpoint, Incoming, Link, ProducerDialect, ReadDeliveries, ReadReceipts,
    Settlement, Window, WriteMessages,
};
use super::{
    Announcement, ConnectError, PublishError, Publisher, PublisherOptions, Queued, Reader, Reading,
    Subscriber, Transport,
};
use crate::address::{BaseUrl, Login};
use packets::{Packets, Received, Unreadable};
use presence::Presence;
use session::{KEEP_ALIVE, Limits, Opening, Session, UNACKNOWLEDGED_LIMIT};
use takeover::{Group, SESSION_EXPIRY};
use unacknowledged::{AcknowledgementWriter, Held, Unacknowledged};

/// The largest payload, in bytes, that goes in one message if it can be cut: Mosquitto 2.0 sends a
/// WebSocket about 40 kB per second of what is larger, with its envelope, than 4 KiB.
const PIECE_SIZE: usize = 2800;
/// How many bytes of payloads in base64 are on their way to a broker at a time: readers must not fall
/// behind by more messages than a broker keeps for them.
const WINDOW_BYTES: usize = 8 * PIECE_SIZE;
/// How many messages a broker may send to a reader without seeing acknowledgements, if nothing else
/// follows from its work. Mosquitto keeps 1000 more, and drops the next; of those that it is
/// sending, it keeps no more than 1000.
const READ_AHEAD: u16 = 768;
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
            headers,
            trust: self.trust.clone(),
        }
    }
}

impl Mqtt {
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
            receive_maximum: reading.prefetch.map_or(READ_AHEAD, receive_maximum),
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

    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<Announcement>, ConnectError>>> {
        let read = async { directory::read(&self.endpoint(), &self.login).await };
        Some(read.boxed())
    }
}

/// What a broker is told of how many messages it may send without acknowledgements.
fn receive_maximum(prefetch: usize) -> u16 {
    u16::try_from(prefetch.max(1)).unwrap_or(u16::MAX)
}

fn protocol_error(endpoint: &Endpoint, reason: String) -> ConnectError {
    ConnectError::Protocol {
        url: endpoint.to_string(),
        reason,
    }
}

/// How messages are sent to a topic.
struct Sending {
    login: Login,
    topic: String,
    max_packet_size: MaxPacketSize,
}

impl ProducerDialect for Sending {
    type Writer = MessageWriter;
    type Reader = ReceiptReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Link<MessageWriter, ReceiptReader>, ConnectError> {
        let topic = TopicName::try_from(self.topic.as_str());
        let topic = topic.map_err(|error| protocol_error(endpoint, error.to_string()))?;
        let session = session::open(endpoint, &self.login, Opening::fresh()).await?;
        self.max_packet_size.learn(&session.limits);
        let keep_alive = session
            .keep_alive()
            .map_err(|reason| protocol_error(endpoint, reason))?;
        let Session {
            sink,
            stream,
            packets,
            limits,
            ..
        } = session;
        Ok(Link {
            sink,
            stream,
            writer: MessageWriter {
                topic,
                next: Pid::default(),
                max_packet_size: limits.max_packet_size,
            },
            reader: ReceiptReader { packets },
            window: Window {
                messages: limits.window,
                bytes: WINDOW_BYTES,
            },
            keep_alive,
            goodbye: session::goodbye(),
        })
    }
}

/// How a topic is read.
struct Receiving {
    login: Login,
    topic: Topic,
    /// With whom it is shared.
    group: Option<Subscription>,
    receive_maximum: u16,
    client_id: String,
    at_least_once: bool,
    /// Whether the broker may have kept the session.
    was_kept: AtomicBool,
    max_packet_size: MaxPacketSize,
    presence: Option<Presence>,
}

impl Receiving {
    /// Whether the broker is to keep the session when its connection is lost. In a group others
    /// return then what is in it, provided that they learn of it; otherwise it would only gather
    /// requests that nobody runs.
    async fn is_kept(&self) -> Result<bool, ConnectError> {
        let Some(presence) = &self.presence else {
            return Ok(false);
        };
        // No request comes before others would notice that this module died over it.
        match presence.announced().await {
            Ok(()) => Ok(self.group.is_some()),
            Err(_) if self.group.is_none() => Ok(false),
            // There is no use in waiting for the right to it.
            Err(ConnectError::Rejected { .. } | ConnectError::Unsupported { .. })
                if !self.at_least_once =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Session, ConnectError> {
        let is_kept = self.is_kept().await?;
        let opening = Opening {
            client_id: self.client_id.clone(),
            // Mosquitto saves only sessions that were opened without it, even if they are new.
            clean_start: !is_kept && !self.was_kept.load(Ordering::Relaxed),
            session_expiry: if is_kept { SESSION_EXPIRY } else { 0 },
            receive_maximum: self.receive_maximum,
            max_packet_size: packets::MAX_PACKET_SIZE,
            keep_alive: KEEP_ALIVE,
            will: None,
        };
        let session = session::open(endpoint, &self.login, opening).await?;
        self.max_packet_size.learn(&session.limits);
        if self.group.is_some() && !session.limits.shares {
            let reason = "it has no shared subscriptions, so that each request would be run by all of the group; \
                          switch them on there, or start one module without a group";
            return Err(session.lacks("a group", reason));
        }
        if self.at_least_once && !session.limits.keeps_sessions {
            let reason = "it keeps no session of a client that is gone, where such requests would wait; allow a \
                          Session Expiry Interval there, or start the modules without --ack completed";
            return Err(session.lacks("delivery again of what a module did not finish", reason));
        }
        self.was_kept.store(is_kept, Ordering::Relaxed);
        Ok(session)
    }
}

impl ConsumerDialect for Receiving {
    type Writer = AcknowledgementWriter;
    type Reader = DeliveryReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Link<AcknowledgementWriter, DeliveryReader>, ConnectError> {
        let (names, returned) = match &self.group {
            None => (vec![names::topic(self.topic.as_str())], None),
            Some(group) => {
                let returned = TopicName::try_from(names::returned(&self.topic, group).as_str());
                let returned =
                    returned.map_err(|error| protocol_error(endpoint, error.to_string()))?;
                (names::shared(&self.topic, group).to_vec(), Some(returned))
            }
        };
        let mut session = self.open(endpoint).await?;
        let options = session::options(QoS::Level1, RetainHandling::DoNotSend);
        session.subscribe(&names, options).await?;
        let keep_alive = session
            .keep_alive()
            .map_err(|reason| protocol_error(endpoint, reason))?;
        let Session {
            sink,
            stream,
            packets,
            early,
            limits,
            ..
        } = session;
        let unacknowledged = Arc::new(Unacknowledged::default());
        Ok(Link {
            sink,
            stream,
            writer: AcknowledgementWriter::new(Arc::clone(&unacknowledged), returned, &limits),
            reader: DeliveryReader {
                early,
                packets,
                unacknowledged,
                gives_back: self.group.is_some(),
                limit: UNACKNOWLEDGED_LIMIT.max(self.receive_maximum.into()),
            },
            window: Window::OPEN,
            keep_alive,
            goodbye: session::goodbye(),
        })
    }

    async fn leave(self) {
        if let Some(presence) = self.presence {
            presence.end().await;
        }
    }
}

/// Writes messages as PUBLISH packets, which the broker acknowledges by their number.
struct MessageWriter {
    topic: TopicName,
    next: Pid,
    max_packet_size: usize,
}

impl WriteMessages for MessageWriter {
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
        let (id, pid) = (queued.id, self.next);
        self.next += 1;
        let publish = envelope::publish(queued.written(), id, self.topic.clone(), pid)?;
        let size = packets::size(&publish);
        if size > self.max_packet_size {
            let limit = self.max_packet_size;
            return Err(PublishError::Refused(format!(
                "the message has {size} bytes, and the broker takes {limit} at most"
            )));
        }
        let frame = packets::frame(&Packet::Publish(publish)).map_err(PublishError::Refused)?;
        Ok((frame, pid.value().to_string()))
    }
}

struct ReceiptReader {
    packets: Packets,
}

impl ReadReceipts for ReceiptReader {
    fn accept(&mut self, frame: Message) {
        self.packets.accept(frame);
    }

    fn next(&mut self) -> Result<Option<Settlement>, String> {
        while let Some(received) = self.packets.next()? {
            match received {
                Received::Puback(puback) => return Ok(Some(settlement(&puback))),
                Received::Disconnect(disconnect) => return Err(session::farewell(&disconnect)),
                _ => {}
            }
        }
        Ok(None)
    }
}

fn settlement(puback: &Puback) -> Settlement {
    let code = puback.reason_code;
    Settlement {
        key: Some(puback.pid.value().to_string()),
        outcome: match code {
            PubackReasonCode::Success => Ok(()),
            PubackReasonCode::NoMatchingSubscribers => Err(PublishError::NobodyListens),
            code => {
                let text = puback.properties.reason_string.as_deref();
                Err(PublishError::Refused(session::reason(text, code)))
            }
        },
    }
}

struct DeliveryReader {
    early: VecDeque<Result<Publish, Unreadable>>,
    packets: Packets,
    unacknowledged: Arc<Unacknowledged>,
    /// Whether messages can be given back.
    gives_back: bool,
    /// How many messages may be unacknowledged before the connection is given up.
    limit: usize,
}

impl DeliveryReader {
    fn incoming(&self, publish: Result<Publish, Unreadable>) -> Result<Incoming, String> {
        let (pid, kept, read) = match publish {
            Ok(publish) => {
                let pid = publish.qos_pid.pid();
                let kept = self.gives_back.then(|| publish.clone());
                (pid, kept, envelope::delivery(publish))
            }
            Err(Unreadable { pid }) => (pid, None, Err(envelope::any_id())),
        };
        let (Ok(message_id) | Err(message_id)) = read.as_ref().map(|delivery| &delivery.message_id);
        if let Some(pid) = pid {
            let held = Held {
                message_id: message_id.clone(),
                pid,
                publish: kept,
            };
            if self.unacknowledged.add(held) > self.limit {
                return Err("the broker sends more messages than it was told to".to_owned());
            }
        }
        Ok(match read {
            Ok(delivery) => Incoming::Delivery(delivery),
            Err(message_id) => Incoming::Unreadable(Some(message_id)),
        })
    }
}

impl DeliveryReader {
    /// Whether the broker says this of a message that was given back.
    fn is_settled_by(&self, puback: &Puback) -> bool {
        let code = puback.reason_code;
        let is_taken = code == PubackReasonCode::Success;
        let is_settled = self.unacknowledged.settle(puback.pid, is_taken);
        if is_settled && !is_taken {
            let text = puback.properties.reason_string.as_deref();
            let reason = session::reason(text, code);
            tracing::error!(
                reason,
                "the broker does not take a request back for its group; it waits until this module has ended"
            );
        }
        is_settled
    }
}

impl ReadDeliveries for DeliveryReader {
    fn accept(&mut self, frame: Message) {
        self.packets.accept(frame);
    }

    fn next(&mut self) -> Result<Option<Incoming>, String> {
        if let Some(publish) = self.early.pop_front() {
            return self.incoming(publish).map(Some);
        }
        while let Some(received) = self.packets.next()? {
            match received {
                Received::Publish(publish) => return self.incoming(publish).map(Some),
                Received::Puback(puback) if self.is_settled_by(&puback) => {
                    return Ok(Some(Incoming::Settled));
                }
                Received::Disconnect(disconnect) => return Err(session::farewell(&disconnect)),
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Verdict;
    use crate::transport::socket::WriteAcknowledgements;

    #[test]
    fn a_message_that_nobody_can_read_is_passed_over_and_acknowledged() {
        let unacknowledged = Arc::new(Unacknowledged::default());
        let mut reader = DeliveryReader {
            early: VecDeque::new(),
            packets: Packets::default(),
            unacknowledged: Arc::clone(&unacknowledged),
            gives_back: true,
            limit: 10,
        };
        let packet = b"\x32\x0d\x00\x02ab\x00\x07\x06\x08\x00\x03a/#";
        reader.accept(Message::binary(packet.to_vec()));
        let Ok(Some(Incoming::Unreadable(Some(message_id)))) = reader.next() else {
            panic!("it was read");
        };
        let mut writer = AcknowledgementWriter::new(unacknowledged, None, &Limits::default());
        let frame = writer.frame(Verdict::Done(message_id));
        assert_eq!(&frame.unwrap().into_data()[..], b"\x40\x02\x00\x07");
    }
}
