//! The limits of single topics.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::topic::TopicName;
use crate::topic_settings::TopicRule;

/// The limits of all topics.
#[derive(Debug)]
pub(super) struct Rules {
    of_patterns: Vec<(Pattern, Arc<Limits>)>,
    of_others: Arc<Limits>,
    /// The shortest time after which something ends of itself.
    shortest_time: Duration,
}

impl Rules {
    /// Returns the limits with their own settings of topics, and with those of a configuration.
    pub(super) fn new(limits: &Arc<Limits>, configured: &[TopicRule]) -> Self {
        let rules = limits.topics.iter().chain(configured);
        let times = rules
            .clone()
            .flat_map(|rule| [rule.settings.ttl, rule.settings.max_retention]);
        let retention = limits.subscription_retention;
        let shortest_time = times.flatten().fold(retention, Duration::min);
        let of_patterns = rules
            .map(|rule| (rule.pattern.clone(), Arc::new(limits.with(&rule.settings))))
            .collect();
        Self {
            of_patterns,
            of_others: limits.clone(),
            shortest_time,
        }
    }

    pub(super) fn shortest_time(&self) -> Duration {
        self.shortest_time
    }

    /// Returns the limits of a topic: those of the first pattern that is for it.
    pub(super) fn of(&self, topic: &TopicName) -> Arc<Limits> {
        if self.of_patterns.is_empty() {
            return self.of_others.clone();
        }
        let (topic, mut rules) = (topic.to_string(), self.of_patterns.iter());
        let found = rules.find(|(pattern, _)| pattern.matches(&topic));
        found.map_or(&self.of_others, |(_, limits)| limits).clone()
    }
}
