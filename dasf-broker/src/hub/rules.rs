//! The limits of single topics.

use std::sync::Arc;

use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::topic::TopicName;

/// The limits of all topics.
#[derive(Debug)]
pub(super) struct Rules {
    of_patterns: Vec<(Pattern, Arc<Limits>)>,
    of_others: Arc<Limits>,
}

impl Rules {
    pub(super) fn new(limits: &Arc<Limits>) -> Self {
        let rules = limits.topics.iter();
        let of_patterns = rules
            .map(|rule| (rule.pattern.clone(), Arc::new(limits.with(&rule.settings))))
            .collect();
        Self {
            of_patterns,
            of_others: limits.clone(),
        }
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
