//! The topics that somebody has read not long ago.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;
use crate::topic::TopicName;

/// The largest number of topics.
const MAX_TOPICS: usize = 65_536;

/// The topics that had a reader and have none, with the time at which it went. A module that starts again
/// comes back to one of them, so a request may wait there.
#[derive(Debug, Default)]
pub(super) struct RecentReaders(Mutex<HashMap<TopicName, Instant>>);

impl RecentReaders {
    /// Records that the last reader of a topic has gone.
    pub(super) fn add(&self, topic: &TopicName, now: Instant) {
        let mut topics = lock(&self.0);
        if topics.len() < MAX_TOPICS || topics.contains_key(topic) {
            topics.insert(topic.clone(), now);
        }
    }

    /// Forgets the topics whose reader has gone this time ago.
    pub(super) fn forget_old(&self, now: Instant, age: Duration) {
        lock(&self.0).retain(|_, went| now.saturating_duration_since(*went) < age);
    }

    /// Returns whether somebody has read a topic within this time.
    pub(super) fn contain(&self, topic: &TopicName, now: Instant, age: Duration) -> bool {
        let went = lock(&self.0).get(topic).copied();
        went.is_some_and(|went| now.saturating_duration_since(went) < age)
    }
}
