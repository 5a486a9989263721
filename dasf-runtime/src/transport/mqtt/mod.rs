//! MQTT 5 over WebSockets.
//!
//! Every publisher and every subscriber has a session of its own, which ends with its connection.

mod envelope;
mod packets;
mod session;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use dasf_protocol::Topic;
use mqtt_proto::v5::{Packet, Puback, PubackReasonCode, Publish};
use mqtt_proto::{Pid, TopicFilter, TopicName};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::socket::{
    self, ConsumerDialect, Endpoint, Incoming, Link, ProducerDialect, ReadDeliveries, ReadReceipts,
    Settlement, WriteAcknowledgements, WriteMessages,
};
use super::{
    ConnectError, PublishError, Publisher, PublisherOptions, Queued, Reading, Subscriber,
    Transport, Verdict,
};
use crate::address::{BaseUrl, Login};
use packets::{Packets, Received};
use session::{Session, UNACKNOWLEDGED_LIMIT};

/// The largest payload, in bytes, that goes in one message if it can be cut: Mosquitto 2.0 sends a
/// WebSocket about 40 kB per second of what is larger, with its envelope, than 4 KiB.
const PIECE_SIZE: usize = 2800;

/// Topics of one MQTT broker.
#[derive(Debug, Clone)]
pub(crate) struct Mqtt {
    pub(crate) url: BaseUrl,
    pub(crate) login: Login,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: super::Trust,
    pub(crate) runtime: Handle,
}

impl Mqtt {
    fn session_on(&self, topic: &Topic) -> OnTopic {
        OnTopic {
            login: self.login.clone(),
            topic: format!("{}{topic}", envelope::PREFIX),
        }
    }

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

impl Transport for Mqtt {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let dialect = self.session_on(topic);
        socket::publisher(&self.runtime, dialect, self.endpoint(), topic, options)
    }

    /// MQTT has no names for the readers of a topic: every one gets every message. A session that
    /// ends with its connection keeps nothing.
    fn subscribe(&self, topic: &Topic, _reading: &Reading) -> Subscriber {
        let dialect = self.session_on(topic);
        socket::subscriber(&self.runtime, dialect, self.endpoint(), topic)
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn max_payload_size(&self) -> Option<usize> {
        Some(PIECE_SIZE)
    }
}

/// A session for one topic of MQTT.
struct OnTopic {
    login: Login,
    topic: String,
}

impl OnTopic {
    /// What MQTT makes of the topic's name, which has no character that means anything to it.
    fn name<'a, T: TryFrom<&'a str, Error = mqtt_proto::Error>>(
        &'a self,
        endpoint: &Endpoint,
    ) -> Result<T, ConnectError> {
        T::try_from(&self.topic).map_err(|error| protocol_error(endpoint, error.to_string()))
    }
}

fn protocol_error(endpoint: &Endpoint, reason: String) -> ConnectError {
    ConnectError::Protocol {
        url: endpoint.to_string(),
        reason,
    }
}

impl ProducerDialect for OnTopic {
    type Writer = MessageWriter;
    type Reader = ReceiptReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Link<MessageWriter, ReceiptReader>, ConnectError> {
        let topic = self.name(endpoint)?;
        let session = session::open(endpoint, &self.login).await?;
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
            window: limits.window,
            keep_alive,
            goodbye: session::goodbye(),
        })
    }
}

impl ConsumerDialect for OnTopic {
    type Writer = AcknowledgementWriter;
    type Reader = DeliveryReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Link<AcknowledgementWriter, DeliveryReader>, ConnectError> {
        let filter: TopicFilter = self.name(endpoint)?;
        let mut session = session::open(endpoint, &self.login).await?;
        session.subscribe(endpoint, filter).await?;
        let keep_alive = session
            .keep_alive()
            .map_err(|reason| protocol_error(endpoint, reason))?;
        let Session {
            sink,
            stream,
            packets,
            early,
            ..
        } = session;
        let unacknowledged = Arc::new(Unacknowledged::default());
        Ok(Link {
            sink,
            stream,
            writer: AcknowledgementWriter(Arc::clone(&unacknowledged)),
            reader: DeliveryReader {
                early,
                packets,
                unacknowledged,
            },
            window: usize::MAX,
            keep_alive,
            goodbye: session::goodbye(),
        })
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
                "the message has {size} bytes, and the broker takes {limit} at most; set max_payload_size below that"
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

/// The messages of one connection that are not acknowledged, by their ids; at most
/// [`UNACKNOWLEDGED_LIMIT`].
#[derive(Default)]
struct Unacknowledged(Mutex<VecDeque<(String, Pid)>>);

impl Unacknowledged {
    fn with<T>(&self, access: impl FnOnce(&mut VecDeque<(String, Pid)>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct AcknowledgementWriter(Arc<Unacknowledged>);

impl WriteAcknowledgements for AcknowledgementWriter {
    fn frame(&mut self, verdict: Verdict) -> Option<Message> {
        let Verdict::Done(message_id) = verdict else {
            return None;
        };
        let pid = self.0.with(|messages| {
            let index = messages.iter().position(|(id, _)| *id == message_id)?;
            messages.remove(index).map(|(_, pid)| pid)
        })?;
        packets::frame(&Packet::Puback(Puback::new_success(pid))).ok()
    }
}

struct DeliveryReader {
    early: VecDeque<Publish>,
    packets: Packets,
    unacknowledged: Arc<Unacknowledged>,
}

impl DeliveryReader {
    fn incoming(&self, publish: Publish) -> Result<Incoming, String> {
        let pid = publish.qos_pid.pid();
        let read = envelope::delivery(publish);
        let (Ok(message_id) | Err(message_id)) = read.as_ref().map(|delivery| &delivery.message_id);
        if let Some(pid) = pid {
            let is_allowed = self.unacknowledged.with(|messages| {
                messages.push_back((message_id.clone(), pid));
                messages.len() <= UNACKNOWLEDGED_LIMIT
            });
            if !is_allowed {
                return Err("the broker sends more messages than it was told to".to_owned());
            }
        }
        Ok(match read {
            Ok(delivery) => Incoming::Delivery(delivery),
            Err(message_id) => Incoming::Unreadable(Some(message_id)),
        })
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
                Received::Disconnect(disconnect) => return Err(session::farewell(&disconnect)),
                _ => {}
            }
        }
        Ok(None)
    }
}
