//! Sends messages to one topic.

use mqtt_proto::v5::{Packet, Puback, PubackReasonCode};
use mqtt_proto::{Pid, TopicName};
use tokio_tungstenite::tungstenite::Message;

use super::Login;
use super::packets::{self, Packets, Received};
use super::session::{self, Opening};
use super::{MaxPacketSize, envelope};
use crate::transport::websocket::{
    Connection, Dialect, Endpoint, ReadReceipts, Settlement, WriteMessages,
};
use crate::transport::{ConnectError, PublishError, Queued};

/// The parameters of a topic's publishers.
pub(super) struct Sending {
    pub(super) login: Login,
    /// The MQTT topic.
    pub(super) topic: String,
    pub(super) max_packet_size: MaxPacketSize,
}

impl Dialect for Sending {
    type Writer = MessageWriter;
    type Reader = ReceiptReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Connection<MessageWriter, ReceiptReader>, ConnectError> {
        let topic = TopicName::try_from(self.topic.as_str());
        let topic = topic.map_err(|error| session::protocol_error(endpoint, error.to_string()))?;
        let session = session::open(endpoint, &self.login, Opening::fresh()).await?;
        self.max_packet_size.learn(&session.limits);
        let window = session.limits.window;
        session.into_connection(window, |limits, packets, _| {
            let writer = MessageWriter {
                topic,
                next: Pid::default(),
                max_packet_size: limits.max_packet_size,
            };
            (writer, ReceiptReader { packets })
        })
    }
}

/// Writes messages as PUBLISH packets, which the broker acknowledges by their number.
pub(super) struct MessageWriter {
    topic: TopicName,
    next: Pid,
    max_packet_size: usize,
}

impl WriteMessages for MessageWriter {
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
        let (id, pid) = (queued.id(), self.next);
        self.next += 1;
        let publish = envelope::publish(queued.mark_written(), id, self.topic.clone(), pid)?;
        let size = packets::size(&publish);
        if size > self.max_packet_size {
            let limit = self.max_packet_size;
            return Err(PublishError::Refused(format!(
                "the message has {size} bytes, but the broker accepts at most {limit}"
            )));
        }
        let frame = packets::frame(&Packet::Publish(publish)).map_err(PublishError::Refused)?;
        Ok((frame, pid.value().to_string()))
    }
}

/// Reads PUBACK packets.
pub(super) struct ReceiptReader {
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
