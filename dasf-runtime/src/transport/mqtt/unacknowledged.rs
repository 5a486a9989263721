//! The unacknowledged messages of one connection, and their acknowledgement.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dasf_protocol::{Delivery, MessageId};
use mqtt_proto::v5::{Packet, Puback, Publish};
use mqtt_proto::{Pid, QosPid, TopicName};
use tokio_tungstenite::tungstenite::Message;

use super::job_copies::JobCopies;
use super::packets;
use super::session::Limits;
use super::session_recovery;
use crate::transport::Acknowledgement;
use crate::transport::websocket::WriteAcknowledgements;

/// How often a message is returned to a group. If there is no other module, the broker delivers it
/// to the same module again and again. After this limit it stays until the module ends.
const MAX_RETURNS: usize = 8;
/// How many copies may be under way at a time, if the broker accepts so many.
const MAX_RETURNING: usize = 16;
/// How many returned messages are remembered.
const MAX_REMEMBERED: usize = 4096;

/// The unacknowledged messages. One half of the connection adds received messages, the other half
/// handles the acknowledgements.
#[derive(Default)]
pub(super) struct Unacknowledged(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    /// The messages without an acknowledgement.
    held: VecDeque<Held>,
    /// The messages to return, in this order.
    to_return: VecDeque<Returning>,
    /// The messages whose copies are under way, by the numbers of the copies.
    returning: BTreeMap<u16, Held>,
    /// The numbers of the messages whose copies the broker has.
    returned: Vec<Pid>,
}

/// An unacknowledged message.
pub(super) struct Held {
    pub(super) message_id: MessageId,
    pub(super) pid: Pid,
    /// The message itself, if it can be returned.
    pub(super) publish: Option<Publish>,
}

/// A message to return, and its copy.
struct Returning {
    held: Held,
    copy: Publish,
}

impl Messages {
    fn remove(&mut self, message_id: &MessageId) -> Option<Held> {
        let mut messages = self.held.iter();
        let index = messages.position(|held| held.message_id == *message_id)?;
        self.held.remove(index)
    }
}

impl Unacknowledged {
    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message, and returns the number of messages.
    pub(super) fn add(&self, held: Held) -> usize {
        let mut messages = self.lock();
        messages.held.push_back(held);
        messages.held.len() + messages.to_return.len() + messages.returning.len()
    }

    /// Records the broker's answer for the copy with this number. Returns whether the writing half
    /// must know this answer. A message whose copy is refused stays for the module that takes over.
    pub(super) fn settle(&self, copy: Pid, is_taken: bool) -> bool {
        let mut messages = self.lock();
        let Some(held) = messages.returning.remove(&copy.value()) else {
            return false;
        };
        if is_taken {
            messages.returned.push(held.pid);
        } else {
            messages.held.push_back(held);
        }
        true
    }
}

/// Writes the acknowledgements of a reader.
pub(super) struct AcknowledgementWriter {
    pub(super) unacknowledged: Arc<Unacknowledged>,
    /// The topic of the messages returned to a group.
    pub(super) returned: Option<TopicName>,
    /// The largest packet that the broker accepts.
    pub(super) max_packet_size: usize,
    /// How many copies may be under way.
    pub(super) window: usize,
    next: Pid,
    /// The ids of the returned messages, in this order.
    given_back: VecDeque<MessageId>,
    /// What a module without a group leaves for the next one.
    jobs: Option<Arc<JobCopies>>,
}

impl AcknowledgementWriter {
    pub(super) fn new(
        unacknowledged: Arc<Unacknowledged>,
        returned: Option<TopicName>,
        limits: &Limits,
    ) -> Self {
        Self {
            unacknowledged,
            returned,
            max_packet_size: limits.max_packet_size,
            window: limits.window.clamp(1, MAX_RETURNING),
            next: Pid::default(),
            given_back: VecDeque::new(),
            jobs: None,
        }
    }

    /// Also writes the copies of jobs, and clears them.
    pub(super) fn with_jobs(self, jobs: Option<Arc<JobCopies>>) -> Self {
        Self { jobs, ..self }
    }

    fn clear_copy(&self, message_id: &MessageId) -> Option<Packet> {
        self.jobs.as_ref()?.clear(message_id)
    }

    /// Returns the copy of a message to publish to its group; `None` if the message must stay.
    fn copy(&mut self, held: &Held) -> Option<Publish> {
        let (Some(publish), Some(name)) = (&held.publish, &self.returned) else {
            return None;
        };
        let returns = self.given_back.iter();
        let returns = returns.filter(|id| **id == held.message_id).count();
        let copy = session_recovery::returned(publish.clone(), name.clone());
        if returns >= MAX_RETURNS || packets::size(&copy) > self.max_packet_size {
            return None;
        }
        if self.given_back.len() >= MAX_REMEMBERED {
            self.given_back.pop_front();
        }
        self.given_back.push_back(held.message_id.clone());
        Some(copy)
    }
}

impl WriteAcknowledgements for AcknowledgementWriter {
    /// A returned message is published again to its group. It is acknowledged when the broker has
    /// the copy. A message that cannot be published stays unacknowledged for the module that takes
    /// over.
    fn frame(&mut self, acknowledgement: Acknowledgement) -> Option<Message> {
        let unacknowledged = Arc::clone(&self.unacknowledged);
        let mut messages = unacknowledged.lock();
        match acknowledgement {
            Acknowledgement::Positive(message_id) => {
                let held = messages.remove(&message_id);
                let puback = held.map(|held| Packet::Puback(Puback::new_success(held.pid)));
                match (puback, self.clear_copy(&message_id)) {
                    (Some(packet), None) | (None, Some(packet)) => packets::frame(&packet).ok(),
                    (Some(puback), Some(clearing)) => packets::frame_of(&[puback, clearing]).ok(),
                    (None, None) => None,
                }
            }
            // MQTT counts nothing, so nobody reports it.
            Acknowledgement::Begun(_) => None,
            Acknowledgement::Negative(message_id) => {
                let held = messages.remove(&message_id)?;
                match self.copy(&held) {
                    Some(copy) => messages.to_return.push_back(Returning { held, copy }),
                    None => messages.held.push_back(held),
                }
                drop(messages);
                self.go_on()
            }
        }
    }

    fn go_on(&mut self) -> Option<Message> {
        let mut messages = self.unacknowledged.lock();
        let returned = std::mem::take(&mut messages.returned).into_iter();
        let acknowledgements = returned.map(|pid| Packet::Puback(Puback::new_success(pid)));
        let mut written: Vec<_> = acknowledgements.collect();
        while messages.returning.len() < self.window {
            let Some(Returning { held, mut copy }) = messages.to_return.pop_front() else {
                break;
            };
            // Only a few numbers are in use.
            while messages.returning.contains_key(&self.next.value()) {
                self.next += 1;
            }
            copy.qos_pid = QosPid::Level1(self.next);
            messages.returning.insert(self.next.value(), held);
            self.next += 1;
            written.push(Packet::Publish(copy));
        }
        if written.is_empty() {
            return None;
        }
        packets::frame_of(&written).ok()
    }

    fn delivered(&mut self, _: &Delivery) -> Option<Message> {
        let copy = self.jobs.as_ref()?.next()?;
        let size = packets::size(&copy);
        if size > self.max_packet_size {
            tracing::warn!(
                topic = &*copy.topic_name,
                size,
                "the broker takes no copy of this job, which is too large, so it is lost if the module is killed"
            );
            return None;
        }
        packets::frame(&Packet::Publish(copy)).ok()
    }

    fn late(&mut self, acknowledgement: Acknowledgement) -> Option<Message> {
        match acknowledgement {
            Acknowledgement::Positive(message_id) => {
                let clearing = self.clear_copy(&message_id)?;
                packets::frame(&clearing).ok()
            }
            Acknowledgement::Begun(_) | Acknowledgement::Negative(_) => None,
        }
    }

    fn is_waiting(&self) -> bool {
        let messages = self.unacknowledged.lock();
        !(messages.to_return.is_empty()
            && messages.returning.is_empty()
            && messages.returned.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::mqtt::packets::{Packets, Received};

    fn writer(count: u16, publish: bool) -> AcknowledgementWriter {
        let name = |name| TopicName::try_from(name).unwrap();
        let unacknowledged = Arc::new(Unacknowledged::default());
        for number in 1..=count {
            let pid = Pid::try_from(number).unwrap();
            let message = Publish::new(QosPid::Level1(pid), name("dasf/demo"), Bytes::new());
            unacknowledged.add(Held {
                message_id: number.to_string().into(),
                pid,
                publish: publish.then_some(message),
            });
        }
        let returned = Some(name("dasf/demo/groups/g"));
        AcknowledgementWriter::new(unacknowledged, returned, &Limits::default())
    }

    /// Returns the content of a frame: the topics of copies and their numbers, and the acknowledged
    /// numbers.
    #[derive(Debug, PartialEq)]
    enum Written {
        Copy(String, u16),
        Acknowledgement(u16),
    }

    fn written(frame: Option<Message>) -> Vec<Written> {
        let mut packets = Packets::default();
        packets.accept(frame.unwrap_or_else(|| Message::binary(Vec::new())));
        let packets = std::iter::from_fn(|| packets.next().unwrap());
        let read = |packet| match packet {
            Received::Publish(Ok(publish)) => Written::Copy(
                publish.topic_name.to_string(),
                publish.qos_pid.pid().unwrap().value(),
            ),
            Received::Puback(puback) => Written::Acknowledgement(puback.pid.value()),
            other => panic!("{other:?}"),
        };
        packets.map(read).collect()
    }

    fn done(writer: &mut AcknowledgementWriter, number: u16) -> Vec<Written> {
        written(writer.frame(Acknowledgement::Positive(number.to_string().into())))
    }

    fn given_back(writer: &mut AcknowledgementWriter, number: u16) -> Vec<Written> {
        written(writer.frame(Acknowledgement::Negative(number.to_string().into())))
    }

    fn copy(number: u16) -> Written {
        Written::Copy("dasf/demo/groups/g".to_owned(), number)
    }

    fn settle(writer: &AcknowledgementWriter, copy: u16, is_taken: bool) -> bool {
        let copy = Pid::try_from(copy).unwrap();
        writer.unacknowledged.settle(copy, is_taken)
    }

    #[test]
    fn what_is_done_is_acknowledged_once() {
        let mut writer = writer(7, true);
        assert_eq!(done(&mut writer, 7), [Written::Acknowledgement(7)]);
        assert_eq!(done(&mut writer, 7), []);
    }

    #[test]
    fn what_is_given_back_is_acknowledged_when_the_broker_has_its_copy() {
        let mut writer = writer(7, true);
        assert_eq!(given_back(&mut writer, 7), [copy(1)]);
        assert!(writer.is_waiting());
        assert!(!settle(&writer, 2, true), "of a copy that was never sent");
        assert_eq!(written(writer.go_on()), []);
        assert!(settle(&writer, 1, true));
        assert_eq!(written(writer.go_on()), [Written::Acknowledgement(7)]);
        assert!(!writer.is_waiting());
    }

    #[test]
    fn what_the_broker_does_not_take_back_stays() {
        let mut writer = writer(7, true);
        assert_eq!(given_back(&mut writer, 7), [copy(1)]);
        assert!(settle(&writer, 1, false));
        assert_eq!(written(writer.go_on()), []);
        assert!(!writer.is_waiting());
        assert_eq!(done(&mut writer, 7), [Written::Acknowledgement(7)]);
    }

    #[test]
    fn the_broker_gets_no_more_copies_than_it_takes() {
        let mut writer = writer(3, true);
        writer.window = 2;
        assert_eq!(given_back(&mut writer, 1), [copy(1)]);
        assert_eq!(given_back(&mut writer, 2), [copy(2)]);
        assert_eq!(given_back(&mut writer, 3), []);
        assert!(settle(&writer, 2, true));
        let next = [Written::Acknowledgement(2), copy(3)];
        assert_eq!(written(writer.go_on()), next);
        assert!(writer.is_waiting());
    }

    #[test]
    fn what_comes_back_again_and_again_stays() {
        let mut writer = writer(7, true);
        let held = writer.unacknowledged.lock().remove(&"7".into()).unwrap();
        for _ in 0..MAX_RETURNS {
            assert!(writer.copy(&held).is_some());
        }
        writer.unacknowledged.add(held);
        assert_eq!(given_back(&mut writer, 7), []);
        assert_eq!(done(&mut writer, 7), [Written::Acknowledgement(7)]);
    }

    #[test]
    fn without_a_group_nothing_is_given_back() {
        let mut writer = writer(7, false);
        assert_eq!(given_back(&mut writer, 7), []);
        assert!(!writer.is_waiting());
        assert_eq!(done(&mut writer, 7), [Written::Acknowledgement(7)]);
    }
}
