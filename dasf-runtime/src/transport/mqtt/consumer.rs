//! Reads one topic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dasf_protocol::{Subscription, Topic};
use mqtt_proto::v5::{Puback, PubackReasonCode, Publish, RetainHandling};
use mqtt_proto::{QoS, TopicName};
use tokio_tungstenite::tungstenite::Message;

use super::Login;
use super::announcer::Announcer;
use super::job_copies::{self, JobCopies};
use super::packets::{self, Packets, Received, Unreadable};
use super::session::{self, KEEP_ALIVE, Opening, Session, UNACKNOWLEDGED_LIMIT};
use super::session_recovery::SESSION_EXPIRY;
use super::unacknowledged::{AcknowledgementWriter, Held, Unacknowledged};
use super::{MaxPacketSize, envelope, names};
use crate::transport::websocket::{Connection, Dialect, Endpoint, Incoming, ReadDeliveries};
use crate::transport::{ConnectError, Feature};

/// The parameters of a topic's subscriber.
pub(super) struct Receiving {
    pub(super) login: Login,
    pub(super) topic: Topic,
    /// The group that shares the topic.
    pub(super) group: Option<Subscription>,
    /// What a module without a group leaves for the next one.
    pub(super) jobs: Option<Arc<JobCopies>>,
    pub(super) receive_maximum: u16,
    pub(super) client_id: String,
    pub(super) at_least_once: bool,
    /// Whether the broker may have kept the session.
    pub(super) was_kept: AtomicBool,
    pub(super) max_packet_size: MaxPacketSize,
    pub(super) announcer: Option<Announcer>,
}

impl Receiving {
    /// Returns whether the broker keeps the session when its connection is lost. In a group, other
    /// modules return its messages, if they notice the loss. Otherwise the session would only
    /// collect requests that nobody runs.
    async fn is_kept(&self) -> Result<bool, ConnectError> {
        let Some(announcer) = &self.announcer else {
            return Ok(false);
        };
        // Wait for the announcement, because without it nobody would notice that this module died
        // with a request.
        match announcer.announced().await {
            Ok(()) => Ok(self.group.is_some()),
            Err(_) if self.group.is_none() => Ok(false),
            // Waiting does not help if the login has no right to announce itself.
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
            // Mosquitto saves only sessions that were opened without a clean start, even if they
            // are new.
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
            let reason = "it has no shared subscriptions, so the whole group would run each request; \
                          enable them there";
            return Err(session.lacks(Feature::Groups, reason));
        }
        if self.at_least_once && !session.limits.keeps_sessions {
            let reason = "it does not keep the session of a lost client with its unfinished requests; allow a \
                          Session Expiry Interval there";
            return Err(session.lacks(Feature::Redelivery, reason));
        }
        self.was_kept.store(is_kept, Ordering::Relaxed);
        Ok(session)
    }
}

impl Dialect for Receiving {
    type Writer = AcknowledgementWriter;
    type Reader = DeliveryReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Connection<AcknowledgementWriter, DeliveryReader>, ConnectError> {
        let (names, returned) = match &self.group {
            None => (vec![names::topic(self.topic.as_str())], None),
            Some(group) => {
                let returned = TopicName::try_from(names::returned(&self.topic, group).as_str());
                let returned = returned
                    .map_err(|error| session::protocol_error(endpoint, error.to_string()))?;
                (names::shared(&self.topic, group).to_vec(), Some(returned))
            }
        };
        let mut session = self.open(endpoint).await?;
        if let Some(jobs) = &self.jobs {
            jobs.read(&mut session).await?;
        }
        let options = session::options(QoS::Level1, RetainHandling::DoNotSend);
        session.subscribe(&names, options).await?;
        let unacknowledged = Arc::new(Unacknowledged::default());
        session.into_connection(usize::MAX, |limits, packets, early| {
            let writer = AcknowledgementWriter::new(Arc::clone(&unacknowledged), returned, &limits);
            let reader = DeliveryReader {
                early,
                packets,
                unacknowledged,
                gives_back: self.group.is_some(),
                jobs: self.jobs.clone(),
            };
            let writer = writer.with_jobs(self.jobs.clone());
            (writer, reader)
        })
    }

    async fn leave(self) {
        if let Some(announcer) = self.announcer {
            announcer.end().await;
        }
    }
}

/// Reads PUBLISH packets and records them as unacknowledged.
pub(super) struct DeliveryReader {
    early: VecDeque<Result<Publish, Unreadable>>,
    packets: Packets,
    unacknowledged: Arc<Unacknowledged>,
    /// Whether messages can be returned.
    gives_back: bool,
    /// Notices the requests of jobs.
    jobs: Option<Arc<JobCopies>>,
}

impl DeliveryReader {
    /// Returns a reader whose messages cannot be returned.
    pub(super) fn new(
        early: VecDeque<Result<Publish, Unreadable>>,
        packets: Packets,
        unacknowledged: Arc<Unacknowledged>,
    ) -> Self {
        Self {
            early,
            packets,
            unacknowledged,
            gives_back: false,
            jobs: None,
        }
    }

    fn incoming(&self, publish: Result<Publish, Unreadable>) -> Result<Incoming, String> {
        let (pid, kept, read) = match publish {
            Ok(publish) => {
                let pid = publish.qos_pid.pid();
                let kept = self.gives_back.then(|| publish.clone());
                if let Some(jobs) = &self.jobs
                    && job_copies::is_job(&publish)
                {
                    let copy = publish.clone();
                    let read = envelope::delivery(publish);
                    if let Ok(delivery) = &read {
                        jobs.note(&delivery.message_id, copy);
                    }
                    (pid, kept, read)
                } else {
                    (pid, kept, envelope::delivery(publish))
                }
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
            if self.unacknowledged.add(held) > UNACKNOWLEDGED_LIMIT {
                return Err("the broker sends more messages than allowed".to_owned());
            }
        }
        Ok(match read {
            Ok(delivery) => Incoming::Delivery(delivery),
            Err(message_id) => Incoming::Unreadable(Some(message_id)),
        })
    }

    /// Returns whether the broker acknowledges or rejects a returned message.
    fn is_settled_by(&self, puback: &Puback) -> bool {
        let code = puback.reason_code;
        let is_taken = code == PubackReasonCode::Success;
        let is_settled = self.unacknowledged.settle(puback.pid, is_taken);
        if is_settled && !is_taken {
            let text = puback.properties.reason_string.as_deref();
            let reason = session::reason(text, code);
            tracing::error!(
                reason,
                "the broker refuses the return of a request to its group; the request waits until this module ends"
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
    use crate::transport::Acknowledgement;
    use crate::transport::mqtt::session::Limits;
    use crate::transport::websocket::WriteAcknowledgements;

    #[test]
    fn a_message_that_nobody_can_read_is_passed_over_and_acknowledged() {
        let unacknowledged = Arc::new(Unacknowledged::default());
        let mut reader = DeliveryReader {
            early: VecDeque::new(),
            packets: Packets::default(),
            unacknowledged: Arc::clone(&unacknowledged),
            gives_back: true,
            jobs: None,
        };
        let packet = b"\x32\x0d\x00\x02ab\x00\x07\x06\x08\x00\x03a/#";
        reader.accept(Message::binary(packet.to_vec()));
        let Ok(Some(Incoming::Unreadable(Some(message_id)))) = reader.next() else {
            panic!("the message was read");
        };
        let mut writer = AcknowledgementWriter::new(unacknowledged, None, &Limits::default());
        let frame = writer.frame(Acknowledgement::Positive(message_id));
        assert_eq!(&frame.unwrap().into_data()[..], b"\x40\x02\x00\x07");
    }
}
