//! What one may see of all topics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Hub, lock};
use crate::clock::now;
use crate::topic::{Topic, TopicName, TopicView};

/// The numbers of a broker that grow and fall.
#[cfg(feature = "metrics")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) topics: usize,
    pub(crate) subscriptions: usize,
    pub(crate) listeners: usize,
    pub(crate) waiting: usize,
    pub(crate) unacknowledged: usize,
    pub(crate) dead_requests: usize,
    pub(crate) dead_bytes: usize,
}

impl Hub {
    fn all_topics(&self) -> Vec<(TopicName, Arc<Mutex<Topic>>)> {
        let topics = lock(&self.topics);
        let topics = topics.iter();
        topics
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect()
    }

    /// Records the numbers of all topics for their rates.
    pub(crate) fn sample(&self) {
        let now = now();
        for (_, topic) in self.all_topics() {
            lock(&topic).sample(now);
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn gauges(&self) -> Gauges {
        let (dead_requests, dead_bytes) = {
            let dead = lock(&self.dead);
            (dead.len(), dead.bytes())
        };
        let mut gauges = Gauges {
            dead_requests,
            dead_bytes,
            ..Gauges::default()
        };
        for (_, topic) in self.all_topics() {
            let topic = lock(&topic);
            let (subscriptions, listeners) = topic.readers();
            let (waiting, unacknowledged) = topic.backlog();
            gauges.topics += 1;
            gauges.subscriptions += subscriptions;
            gauges.listeners += listeners;
            gauges.waiting += waiting;
            gauges.unacknowledged += unacknowledged;
        }
        gauges
    }

    /// Returns what one may see of a topic, if it exists.
    pub(crate) fn view(&self, name: &TopicName) -> Option<TopicView> {
        let topic = lock(&self.topics).get(name).cloned()?;
        let view = lock(&topic).view(now());
        Some(self.with_dead_count(name, view))
    }

    fn with_dead_count(&self, name: &TopicName, mut view: TopicView) -> TopicView {
        view.dead_requests = lock(&self.dead).count_of(name);
        view
    }

    /// Returns what one may see of the topics after a name in the order of names, at most `limit`, and
    /// whether there are more. `includes` decides by the name. The topics on which callers read their
    /// responses are left out, unless they are asked for.
    pub(crate) fn views(
        &self,
        after: &str,
        limit: usize,
        with_response_topics: bool,
        includes: impl Fn(&TopicName) -> bool,
    ) -> (Vec<TopicView>, bool) {
        let now = now();
        let topics = self.all_topics().into_iter();
        let topics: BTreeMap<_, _> = topics
            .map(|(name, topic)| (name.to_string(), (name, topic)))
            .collect();
        let mut views = Vec::new();
        for (text, (name, topic)) in &topics {
            if text.as_str() <= after || !includes(name) {
                continue;
            }
            let view = lock(topic).view(now);
            if !with_response_topics && view.is_of_callers(|base| topics.contains_key(base)) {
                continue;
            }
            if views.len() == limit {
                return (views, true);
            }
            views.push(self.with_dead_count(name, view));
        }
        (views, false)
    }
}
