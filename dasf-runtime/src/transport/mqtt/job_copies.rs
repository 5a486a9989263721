//! Copies of the requests of jobs that a module without a group has not answered.
//!
//! A broker keeps nothing for such a module when its connection ends. So the module leaves a copy of each request of
//! a job there, as a retained message, and clears it when it acknowledges the request. The next module reads the
//! copies when it starts.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageId, Topic};
use mqtt_proto::v5::{Packet, Publish, RetainHandling};
use mqtt_proto::{QoS, QosPid, TopicName};

use super::names;
use super::session::{self, Session};
use super::session_recovery;
use crate::transport::ConnectError;

/// The maximum number of copies that a module reads when it starts. Further ones stay for the next module.
const MAX_COPIES: usize = 1024;
/// The maximum total size of their payloads, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// How many seconds the broker keeps a copy, if its job does not say: seven days.
const EXPIRY: u32 = 7 * 86_400;

/// The copies of the jobs of a module, on all its connections.
pub(super) struct JobCopies {
    topic: Topic,
    /// Whether there may be a copy.
    has_some: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the broker takes copies; `None` before the copies of earlier modules were read.
    are_taken: Option<bool>,
    /// The topics of the copies, by the ids of their messages.
    names: HashMap<MessageId, TopicName>,
    /// Copies to write.
    waiting: VecDeque<Publish>,
}

impl JobCopies {
    pub(super) fn new(topic: Topic) -> Self {
        Self {
            topic,
            has_some: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the copies that earlier modules have left, on the first connection of this module. They are its first
    /// messages.
    ///
    /// # Errors
    /// Returns why the connection cannot be used.
    pub(super) async fn read(&self, session: &mut Session) -> Result<(), ConnectError> {
        if self.lock().are_taken.is_some() {
            return Ok(());
        }
        let are_taken = session.limits.retains && self.read_all(session).await?;
        self.lock().are_taken = Some(are_taken);
        Ok(())
    }

    /// Returns whether the broker allows it.
    async fn read_all(&self, session: &mut Session) -> Result<bool, ConnectError> {
        let filter = [names::jobs(&self.topic)];
        // Without acknowledgements a broker sends all messages.
        let options = session::options(QoS::Level0, RetainHandling::SendAtSubscribe);
        let mut copies = Vec::new();
        let (mut bytes, mut left_out) = (0, 0_usize);
        let read = session
            .read_retained(&filter, options, |publish| {
                if copies.len() >= MAX_COPIES || bytes + publish.payload.len() > MAX_BYTES {
                    left_out += 1;
                } else if publish.retain {
                    bytes += publish.payload.len();
                    copies.push(Ok(publish));
                }
                Ok(())
            })
            .await;
        match read {
            Err(ConnectError::Rejected { .. }) => return Ok(false),
            read => read?,
        }
        session.unsubscribe(&filter).await?;
        if left_out > 0 {
            tracing::warn!(
                topic = self.topic.as_str(),
                left_out,
                "earlier modules have left more jobs than one module takes; the next one gets the others"
            );
        }
        session.early.extend(copies);
        Ok(true)
    }

    /// Notices the request of a job, or the copy of one.
    pub(super) fn note(&self, message_id: &MessageId, publish: Publish) {
        let mut state = self.lock();
        if names::is_job(&self.topic, &publish.topic_name) {
            state
                .names
                .insert(message_id.clone(), publish.topic_name.clone());
            return self.has_some.store(true, Ordering::Relaxed);
        }
        let name = names::job(&self.topic, message_id);
        let name = name.and_then(|name| TopicName::try_from(name.as_str()).ok());
        let Some(name) = name.filter(|_| state.are_taken == Some(true)) else {
            tracing::warn!(
                topic = self.topic.as_str(),
                message_id = &**message_id,
                "the broker keeps no copy of this job, so it is lost if the module is killed"
            );
            return;
        };
        let keep = property(&publish, key::KEEP).and_then(|text| text.parse().ok());
        let mut copy = session_recovery::returned(publish, name.clone());
        copy.qos_pid = QosPid::Level0;
        copy.retain = true;
        let expiry = copy.properties.message_expiry_interval;
        copy.properties.message_expiry_interval = expiry.or(keep).or(Some(EXPIRY));
        state.waiting.push_back(copy);
        state.names.insert(message_id.clone(), name);
        self.has_some.store(true, Ordering::Relaxed);
    }

    /// Removes the next copy to write.
    pub(super) fn next(&self) -> Option<Publish> {
        if !self.has_some.load(Ordering::Relaxed) {
            return None;
        }
        self.lock().waiting.pop_front()
    }

    /// Returns the packet that clears the copy of a message, if there is one.
    pub(super) fn clear(&self, message_id: &MessageId) -> Option<Packet> {
        if !self.has_some.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        let name = state.names.remove(message_id)?;
        if state.names.is_empty() && state.waiting.is_empty() {
            self.has_some.store(false, Ordering::Relaxed);
        }
        let mut publish = Publish::new(QosPid::Level0, name, Bytes::new());
        publish.retain = true;
        Some(Packet::Publish(publish))
    }
}

/// Returns whether a message is a request of a job.
pub(super) fn is_job(publish: &Publish) -> bool {
    property(publish, key::JOB).is_some()
}

fn property<'p>(publish: &'p Publish, name: &str) -> Option<&'p str> {
    let mut properties = publish.properties.user_properties.iter();
    let found = properties.find(|property| &*property.name == name);
    found.map(|property| &*property.value)
}

#[cfg(test)]
mod tests {
    use mqtt_proto::Pid;
    use mqtt_proto::v5::UserProperty;

    use super::*;

    fn request(name: &str) -> Publish {
        let name = TopicName::try_from(name).unwrap();
        let pid = QosPid::Level1(Pid::default());
        let mut publish = Publish::new(pid, name, Bytes::from_static(b"{}"));
        for (name, value) in [(key::JOB, "1"), (key::KEEP, "60")] {
            let (name, value) = (name.into(), value.into());
            publish
                .properties
                .user_properties
                .push(UserProperty { name, value });
        }
        publish
    }

    fn copies(are_taken: Option<bool>) -> JobCopies {
        let copies = JobCopies::new("demo".parse().unwrap());
        copies.lock().are_taken = are_taken;
        copies
    }

    #[test]
    fn a_job_leaves_a_copy_until_it_is_acknowledged() {
        let copies = copies(Some(true));
        let id = MessageId::from("0f-1");
        copies.note(&id, request("dasf/demo"));
        let copy = copies.next().unwrap();
        assert!(copy.retain && is_job(&copy));
        assert_eq!(&*copy.topic_name, "dasf/demo/jobs/0f-1");
        assert_eq!(copy.payload, "{}");
        assert_eq!(copy.qos_pid, QosPid::Level0);
        assert_eq!(copy.properties.message_expiry_interval, Some(60));
        assert_eq!(copies.next(), None);
        let Some(Packet::Publish(clearing)) = copies.clear(&id) else {
            panic!("nothing is cleared")
        };
        assert!(clearing.retain && clearing.payload.is_empty());
        assert_eq!(clearing.topic_name, copy.topic_name);
        assert_eq!(copies.clear(&id), None);
    }

    #[test]
    fn the_copy_of_an_earlier_module_is_cleared_and_not_written_again() {
        let copies = copies(Some(true));
        let id = MessageId::from("0f-1");
        copies.note(&id, request("dasf/demo/jobs/0f-1"));
        assert_eq!(copies.next(), None);
        assert!(copies.clear(&id).is_some());
    }

    #[test]
    fn a_broker_that_takes_no_copies_gets_none() {
        for are_taken in [None, Some(false)] {
            let copies = copies(are_taken);
            copies.note(&"1".into(), request("dasf/demo"));
            assert_eq!(copies.next(), None);
            assert_eq!(copies.clear(&"1".into()), None);
        }
        let copies = copies(Some(true));
        copies.note(&"a/b".into(), request("dasf/demo"));
        assert_eq!(copies.next(), None, "its id is no part of a topic");
    }
}
