//! Requests that nobody needs any more when it is their turn.
//!
//! A request may wait until its caller has given up, or has gone. If the broker delivered it, modules would
//! work for nobody while others wait.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dasf_protocol::MessageType;
use dasf_protocol::properties::key;
use serde::Deserialize;

use super::cancel::CancelledCalls;
use super::effects::EventKind;
use super::name::TopicName;
use crate::clock::now;
use crate::message::{Message, whole_number};
use crate::statistics::Counters;

/// The time that a caller has to come back after a lost connection, before it counts as gone.
const GRACE: Duration = Duration::from_secs(10);

/// The time for which the broker remembers that the reader of a topic is gone.
const MEMORY: Duration = Duration::from_secs(600);

/// The largest number of topics whose reader is gone.
const MAX_GONE: usize = 65_536;

/// The topics whose only reader is gone, with the time from which on it counts as gone.
#[derive(Debug, Default)]
pub(crate) struct GoneReaders {
    count: AtomicUsize,
    topics: Mutex<HashMap<TopicName, Instant>>,
}

impl GoneReaders {
    fn topics(&self) -> MutexGuard<'_, HashMap<TopicName, Instant>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<TopicName, Instant>)) {
        let mut topics = self.topics();
        change(&mut topics);
        self.count.store(topics.len(), Ordering::Relaxed);
    }

    /// Records that the only reader of a topic has gone, or that its connection was lost.
    pub(super) fn add(&self, topic: &TopicName, now: Instant, was_lost: bool) {
        let from = if was_lost { now + GRACE } else { now };
        self.change(|topics| {
            if topics.len() < MAX_GONE {
                topics.insert(topic.clone(), from);
            }
        });
    }

    /// Records that a topic has a reader.
    pub(super) fn remove(&self, topic: &TopicName) {
        if !self.is_empty() {
            self.change(|topics| {
                topics.remove(topic);
            });
        }
    }

    /// Forgets the topics whose reader has gone long ago.
    pub(crate) fn forget_old(&self, now: Instant) {
        self.change(|topics| {
            topics.retain(|_, from| now.saturating_duration_since(*from) < MEMORY);
        });
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn since(&self, topic: &TopicName) -> Option<Instant> {
        self.topics().get(topic).copied()
    }
}

/// The properties of a request that decide whether somebody needs it.
#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "messageType", borrow, default)]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_topic: Option<Cow<'a, str>>,
}

/// Decides which messages of a topic are obsolete.
#[derive(Debug)]
pub(super) struct Obsolescence {
    pub(super) topic: TopicName,
    pub(super) gone: Arc<GoneReaders>,
    pub(super) counters: Arc<Counters>,
    /// How long a message waits at most.
    pub(super) ttl: Option<Duration>,
    pub(super) cancelled: Arc<CancelledCalls>,
}

impl Obsolescence {
    pub(super) fn with_ttl(&self, ttl: Option<Duration>) -> Self {
        Self {
            topic: self.topic.clone(),
            gone: self.gone.clone(),
            counters: self.counters.clone(),
            ttl,
            cancelled: self.cancelled.clone(),
        }
    }

    /// Returns why nobody needs a message that has waited, and counts it.
    pub(super) fn of(&self, message: &Message) -> Option<EventKind> {
        self.useless(message).or_else(|| self.needless(message))
    }

    /// Returns why nobody needs a message, even if a consumer had it before, and counts it.
    pub(super) fn useless(&self, message: &Message) -> Option<EventKind> {
        self.too_old(message).or_else(|| self.cancelled(message))
    }

    fn cancelled(&self, message: &Message) -> Option<EventKind> {
        self.cancelled.contain(message).then(|| {
            self.counters.dropped.add(1);
            EventKind::Cancelled
        })
    }

    /// Returns why a message that is older than the messages of its topic live is obsolete, and counts it.
    pub(super) fn too_old(&self, message: &Message) -> Option<EventKind> {
        let ttl = self.ttl?;
        let is_old = now().saturating_duration_since(message.published) >= ttl;
        is_old.then(|| {
            self.counters.expired.add(1);
            EventKind::Expired
        })
    }

    /// Returns why the caller of a request does not need it, and counts it.
    fn needless(&self, message: &Message) -> Option<EventKind> {
        message.with_properties(|properties| {
            let properties = properties?;
            // A job outlives its caller.
            if contains_name(properties, key::JOB) {
                None
            } else if has_expired(message, properties) {
                self.counters.expired.add(1);
                Some(EventKind::RequestExpired)
            } else if self.has_lost_its_caller(message, properties) {
                self.counters.dropped.add(1);
                Some(EventKind::CallerGone)
            } else {
                None
            }
        })
    }

    fn has_lost_its_caller(&self, message: &Message, properties: &str) -> bool {
        if self.gone.is_empty() {
            return false;
        }
        let read = serde_json::from_str::<Properties<'_>>(properties);
        let topic = read.ok().and_then(|properties| {
            // The caller of a call may go when it has cancelled the call.
            let is_cancel =
                properties.message_type.as_deref() == Some(MessageType::Cancel.as_str());
            properties.response_topic.filter(|_| !is_cancel)
        });
        let Some(Ok(topic)) = topic.map(|topic| topic.parse()) else {
            return false;
        };
        let since = self.gone.since(&self.topic.sibling(topic));
        since.is_some_and(|since| since >= message.published && now() >= since)
    }
}

/// Returns whether somebody waits for an answer to a message. A job may wait for a module that starts later.
pub(crate) fn expects_answer(message: &Message) -> bool {
    message.with_properties(|properties| {
        properties.is_some_and(|properties| {
            contains_name(properties, key::RESPONSE_TOPIC) && !contains_name(properties, key::JOB)
        })
    })
}

/// Returns whether a name, or a text that equals it, is in the properties.
fn contains_name(properties: &str, name: &str) -> bool {
    // A whole parser would cost more than all other work for a small message.
    properties.match_indices(name).any(|(start, _)| {
        properties[..start].ends_with('"') && properties[start + name.len()..].starts_with('"')
    })
}

fn has_expired(message: &Message, properties: &str) -> bool {
    let timeout = timeout(properties);
    timeout.is_some_and(|timeout| now().saturating_duration_since(message.published) >= timeout)
}

/// Returns the time that the caller waits.
fn timeout(properties: &str) -> Option<Duration> {
    whole_number(properties, key::TIMEOUT_MS).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_the_whole_name() {
        let is_job = |text: &str| contains_name(text, key::JOB);
        assert!(is_job(r#"{"x_dasf_jobs":1,"x_dasf_job" :1}"#));
        assert!(!is_job(r#"{"x_dasf_jobs":1,"my_x_dasf_job":1}"#));
    }
}
