//! Sends messages to one topic.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mqtt_proto::v5::{Packet, Puback, PubackReasonCode};
use mqtt_proto::{Pid, TopicName};
use tokio_tungstenite::tungstenite::Message;

use super::Login;
use super::envelope::Retained;
use super::facts::Fact;
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
            let unread = Arc::new(Unread::default());
            let writer = MessageWriter {
                topic,
                next: Pid::default(),
                max_packet_size: limits.max_packet_size,
                unread: Arc::clone(&unread),
            };
            (writer, ReceiptReader { packets, unread })
        })
    }
}

/// The messages on their way that the broker retains and nobody needs to read now.
#[derive(Default)]
struct Unread {
    /// Whether there was any, so that other messages do not pay for them.
    is_used: AtomicBool,
    pids: Mutex<HashSet<Pid>>,
}

impl Unread {
    fn add(&self, pid: Pid) {
        self.is_used.store(true, Ordering::Relaxed);
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids.insert(pid);
    }

    fn remove(&self, pid: Pid) -> bool {
        self.is_used.load(Ordering::Relaxed) && {
            let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
            pids.remove(&pid)
        }
    }
}

/// Writes messages as PUBLISH packets, which the broker acknowledges by their number.
pub(super) struct MessageWriter {
    topic: TopicName,
    next: Pid,
    max_packet_size: usize,
    unread: Arc<Unread>,
}

impl WriteMessages for MessageWriter {
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
        let (id, pid) = (queued.id(), self.next);
        self.next += 1;
        let (publish, retained) =
            envelope::publish(queued.mark_written(), id, self.topic.clone(), pid)?;
        let size = packets::size(&publish);
        if size > self.max_packet_size {
            let limit = self.max_packet_size;
            return Err(PublishError::Refused(format!(
                "the message has {size} bytes, but the broker accepts at most {limit}"
            )));
        }
        // A caller that cancels a job must know whether there is one.
        if matches!(
            retained,
            Some(Retained::Part | Retained::Fact(Fact::Checkpoint | Fact::Answered))
        ) {
            self.unread.add(pid);
        }
        let packet = Packet::Publish(publish);
        let frame = match retained {
            // Nobody needs the checkpoint of a job that is done.
            Some(Retained::Fact(Fact::Answered)) => Fact::Checkpoint
                .clearing(&self.topic)
                .and_then(|clearing| packets::frame_of(&[packet, clearing])),
            _ => packets::frame(&packet),
        };
        let frame = frame.map_err(PublishError::Refused)?;
        Ok((frame, pid.value().to_string()))
    }
}

/// Reads PUBACK packets.
pub(super) struct ReceiptReader {
    packets: Packets,
    unread: Arc<Unread>,
}

impl ReadReceipts for ReceiptReader {
    fn accept(&mut self, frame: Message) {
        self.packets.accept(frame);
    }

    fn next(&mut self) -> Result<Option<Settlement>, String> {
        while let Some(received) = self.packets.next()? {
            match received {
                Received::Puback(puback) => {
                    let is_unread = self.unread.remove(puback.pid);
                    return Ok(Some(settlement(&puback, is_unread)));
                }
                Received::Disconnect(disconnect) => return Err(session::farewell(&disconnect)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Returns the outcome of a message. `is_unread` means that nobody needs to read it now.
fn settlement(puback: &Puback, is_unread: bool) -> Settlement {
    let code = puback.reason_code;
    Settlement {
        key: Some(puback.pid.value().to_string()),
        outcome: match code {
            PubackReasonCode::Success => Ok(()),
            PubackReasonCode::NoMatchingSubscribers if is_unread => Ok(()),
            PubackReasonCode::NoMatchingSubscribers => Err(PublishError::NobodyListens),
            code => {
                let text = puback.properties.reason_string.as_deref();
                Err(PublishError::Refused(session::reason(text, code)))
            }
        },
    }
}
