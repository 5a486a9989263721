//! The messages of one connection that are not acknowledged, and what is said of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mqtt_proto::v5::{Packet, Puback, Publish};
use mqtt_proto::{Pid, QosPid, TopicName};
use tokio_tungstenite::tungstenite::Message;

use super::packets;
use super::takeover;
use crate::transport::Verdict;
use crate::transport::socket::WriteAcknowledgements;

/// How often a message is given back to a group: the broker may hand it to the same module again,
/// again and again where there is no other. Then it stays until the module has ended.
const MAX_RETURNS: usize = 8;
/// How many of the messages given back are remembered.
const MAX_REMEMBERED: usize = 4096;

/// Messages that are not acknowledged, by their ids.
#[derive(Default)]
pub(super) struct Unacknowledged(Mutex<VecDeque<Held>>);

/// A message that is not acknowledged.
pub(super) struct Held {
    pub(super) message_id: String,
    pub(super) pid: Pid,
    /// The message itself, where it can be given back.
    pub(super) publish: Option<Publish>,
}

impl Unacknowledged {
    fn with<T>(&self, access: impl FnOnce(&mut VecDeque<Held>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a message, and says how many there are.
    pub(super) fn add(&self, held: Held) -> usize {
        self.with(|messages| {
            messages.push_back(held);
            messages.len()
        })
    }

    fn remove(&self, message_id: &str) -> Option<Held> {
        self.with(|messages| {
            let index = messages
                .iter()
                .position(|held| held.message_id == message_id)?;
            messages.remove(index)
        })
    }
}

/// Writes what a reader says of messages.
pub(super) struct AcknowledgementWriter {
    pub(super) unacknowledged: Arc<Unacknowledged>,
    /// Where a group gets its messages back.
    pub(super) returned: Option<TopicName>,
    pub(super) max_packet_size: usize,
    next: Pid,
    /// The messages that were given back, in this order.
    given_back: VecDeque<String>,
}

impl AcknowledgementWriter {
    pub(super) fn new(
        unacknowledged: Arc<Unacknowledged>,
        returned: Option<TopicName>,
        max_packet_size: usize,
    ) -> Self {
        Self {
            unacknowledged,
            returned,
            max_packet_size,
            next: Pid::default(),
            given_back: VecDeque::new(),
        }
    }

    /// The packet that publishes a message again to its group; `None` where it must stay.
    fn returning(&mut self, held: &Held) -> Option<Packet> {
        let (Some(publish), Some(name)) = (&held.publish, &self.returned) else {
            return None;
        };
        let returns = self.given_back.iter();
        let returns = returns.filter(|id| **id == held.message_id).count();
        let mut publish = takeover::returned(publish.clone(), name.clone());
        publish.qos_pid = QosPid::Level1(self.next);
        if returns >= MAX_RETURNS || packets::size(&publish) > self.max_packet_size {
            return None;
        }
        self.next += 1;
        if self.given_back.len() >= MAX_REMEMBERED {
            self.given_back.pop_front();
        }
        self.given_back.push_back(held.message_id.clone());
        Some(Packet::Publish(publish))
    }
}

impl WriteAcknowledgements for AcknowledgementWriter {
    /// A message that is given back is published again to its group before it is acknowledged, so
    /// that the broker has it, unless it refuses the copy. What cannot be published is left
    /// unacknowledged, for an heir.
    fn frame(&mut self, verdict: Verdict) -> Option<Message> {
        let (message_id, is_done) = match verdict {
            Verdict::Done(message_id) => (message_id, true),
            Verdict::GivenBack(message_id) => (message_id, false),
        };
        let held = self.unacknowledged.remove(&message_id)?;
        let mut written = Vec::new();
        if !is_done {
            match self.returning(&held) {
                Some(packet) => written.push(packet),
                None => {
                    self.unacknowledged.add(held);
                    return None;
                }
            }
        }
        written.push(Packet::Puback(Puback::new_success(held.pid)));
        packets::frame_of(&written).ok()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::mqtt::packets::{Packets, Received};

    fn writer(publish: bool) -> AcknowledgementWriter {
        let name = |name| TopicName::try_from(name).unwrap();
        let pid = Pid::try_from(7).unwrap();
        let message = Publish::new(QosPid::Level1(pid), name("dasf/demo"), Bytes::new());
        let unacknowledged = Arc::new(Unacknowledged::default());
        unacknowledged.add(Held {
            message_id: "m".to_owned(),
            pid,
            publish: publish.then_some(message),
        });
        let returned = Some(name("dasf/demo/groups/g"));
        AcknowledgementWriter::new(unacknowledged, returned, 1000)
    }

    fn written(writer: &mut AcknowledgementWriter, verdict: Verdict) -> Vec<Received> {
        let mut packets = Packets::default();
        let Some(frame) = writer.frame(verdict) else {
            return Vec::new();
        };
        packets.accept(frame);
        std::iter::from_fn(|| packets.next().unwrap()).collect()
    }

    #[test]
    fn what_is_done_is_acknowledged_once() {
        let mut writer = writer(true);
        let done = || Verdict::Done("m".to_owned());
        let packets = written(&mut writer, done());
        assert!(matches!(&packets[..], [Received::Puback(puback)] if puback.pid.value() == 7));
        assert!(written(&mut writer, done()).is_empty());
    }

    #[test]
    fn what_is_given_back_is_published_before_it_is_acknowledged() {
        let mut writer = writer(true);
        let packets = written(&mut writer, Verdict::GivenBack("m".to_owned()));
        let [Received::Publish(Ok(publish)), Received::Puback(puback)] = &packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!(&*publish.topic_name, "dasf/demo/groups/g");
        assert_eq!(puback.pid.value(), 7);
    }

    #[test]
    fn what_comes_back_again_and_again_stays() {
        let mut writer = writer(true);
        for _ in 0..MAX_RETURNS {
            let held = writer.unacknowledged.remove("m").unwrap();
            assert!(writer.returning(&held).is_some());
            writer.unacknowledged.add(held);
        }
        assert!(written(&mut writer, Verdict::GivenBack("m".to_owned())).is_empty());
        assert!(writer.unacknowledged.remove("m").is_some());
    }

    #[test]
    fn without_a_group_nothing_is_given_back() {
        let mut writer = writer(false);
        assert!(written(&mut writer, Verdict::GivenBack("m".to_owned())).is_empty());
        let packets = written(&mut writer, Verdict::Done("m".to_owned()));
        assert_eq!(packets.len(), 1);
    }
}
