//! To whom topics belonged that are gone.
//!
//! A response topic ends when its reader loses the connection and nothing waits there. Until the reader is
//! back, nobody else may take the topic, and read the answers that come meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Tenure;
use crate::topic::TopicName;

/// The largest number of topics that are remembered.
const MAX: usize = 65_536;

/// The owners of topics that are gone.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    count: AtomicUsize,
    topics: Mutex<HashMap<TopicName, (Tenure, Instant)>>,
}

impl Owners {
    fn topics(&self) -> MutexGuard<'_, HashMap<TopicName, (Tenure, Instant)>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the owner of a topic that ends now.
    pub(crate) fn remember(&self, topic: &TopicName, tenure: Option<&Tenure>, now: Instant) {
        let Some(tenure @ (Tenure::Answers(_) | Tenure::Inbox(_))) = tenure else {
            return;
        };
        let mut topics = self.topics();
        if topics.len() < MAX {
            topics.insert(topic.clone(), (tenure.clone(), now));
        }
        self.count.store(topics.len(), Ordering::Relaxed);
    }

    /// Returns the owner of a topic that exists again.
    pub(crate) fn recall(&self, topic: &TopicName) -> Option<Tenure> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut topics = self.topics();
        let recalled = topics.remove(topic);
        self.count.store(topics.len(), Ordering::Relaxed);
        recalled.map(|(tenure, _)| tenure)
    }

    /// Forgets the owners of topics that have ended long ago.
    pub(crate) fn forget_old(&self, retention: Duration, now: Instant) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut topics = self.topics();
        topics.retain(|_, (_, ended)| now.saturating_duration_since(*ended) < retention);
        self.count.store(topics.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use dasf_protocol::Topic;

    use super::*;
    use crate::clock::now;

    fn name(text: &str) -> TopicName {
        text.parse::<Topic>().unwrap().into()
    }

    #[test]
    fn an_owner_is_remembered_for_a_while() {
        let owners = Owners::default();
        let (now, retention) = (now(), Duration::from_secs(600));
        let answers = Tenure::Answers(None);
        owners.remember(&name("a"), Some(&answers), now);
        owners.remember(&name("b"), Some(&Tenure::Requests), now);
        owners.remember(&name("c"), None, now);
        assert_eq!(owners.topics().len(), 1);
        assert_eq!(owners.recall(&name("a")), Some(answers.clone()));
        assert_eq!(owners.recall(&name("a")), None);
        owners.remember(&name("a"), Some(&answers), now);
        owners.forget_old(retention, now + retention / 2);
        assert_eq!(owners.count.load(Ordering::Relaxed), 1);
        owners.forget_old(retention, now + retention);
        assert_eq!(owners.recall(&name("a")), None);
    }

    #[test]
    fn there_is_a_limit() {
        let owners = Owners::default();
        for number in 0..MAX + 10 {
            let topic = name(&format!("a{number}"));
            owners.remember(&topic, Some(&Tenure::Inbox(None)), now());
        }
        assert_eq!(owners.topics().len(), MAX);
    }
}
