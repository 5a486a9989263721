//! Topics without a consumer make room for others.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, Weak};

use tracing::warn;

use super::{Topics, lock};
use crate::log::{Line, Log};
use crate::topic::{Topic, TopicName};

/// The topics that one connection has created, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct TopicQuota(VecDeque<(TopicName, Weak<Mutex<Topic>>)>);

impl TopicQuota {
    /// Adds a topic. If there are more than `max`, removes the oldest one, unless it has a consumer.
    pub(super) fn add(
        &mut self,
        topics: &mut Topics,
        name: &TopicName,
        topic: &Arc<Mutex<Topic>>,
        max: usize,
    ) -> Removed {
        self.0.push_back((name.clone(), Arc::downgrade(topic)));
        match self.0.len() > max {
            true => {
                let oldest = self.0.pop_front();
                oldest.map_or_else(Removed::default, |(oldest, created)| {
                    remove_if_unread(topics, &oldest, &created)
                })
            }
            false => Removed::default(),
        }
    }
}

/// When there are too many topics, this part of them makes room at once, because a search looks at all.
const JUNK_FRACTION: usize = 16;

/// Topics that made room for others.
#[derive(Debug, Default)]
pub(super) struct Removed {
    topics: usize,
    messages: usize,
}

impl AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        self.topics += other.topics;
        self.messages += other.messages;
    }
}

impl Removed {
    pub(super) fn log(&self, log: &Log) {
        let Self { topics, messages } = *self;
        if topics == 0 || !log.allows(Line::TopicsRemoved) {
            return;
        }
        warn!(
            topics,
            messages, "removed topics without a consumer: there are too many topics"
        );
    }
}

/// Removes some topics without a consumer, those with the oldest messages first, because there are `max`
/// topics.
pub(super) fn remove_junk(topics: &mut Topics, max: usize) -> Removed {
    let mut unread: Vec<_> = topics
        .iter()
        .filter_map(|(name, topic)| {
            let topic = lock(topic);
            topic
                .may_make_room()
                .then(|| (topic.last_sequence(), name.clone()))
        })
        .collect();
    unread.sort_unstable_by_key(|(last, _)| *last);
    let mut removed = Removed::default();
    for (_, name) in unread.into_iter().take(max.div_ceil(JUNK_FRACTION)) {
        if let Some(topic) = topics.remove(&name) {
            removed.topics += 1;
            removed.messages += lock(&topic).remove();
        }
    }
    removed
}

/// Removes a topic that a connection has created, if it has no consumer.
fn remove_if_unread(
    topics: &mut Topics,
    name: &TopicName,
    created: &Weak<Mutex<Topic>>,
) -> Removed {
    let is_same = |it: &Arc<Mutex<Topic>>| {
        created
            .upgrade()
            .is_some_and(|created| Arc::ptr_eq(it, &created))
    };
    let found = topics.get(name).filter(|it| is_same(it));
    let mut removed = Removed::default();
    if found.is_some_and(|topic| lock(topic).may_make_room())
        && let Some(topic) = topics.remove(name)
    {
        removed.topics = 1;
        removed.messages = lock(&topic).remove();
    }
    removed
}
