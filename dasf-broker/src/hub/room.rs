//! Messages make room in the memory of the broker.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::{Hub, lock};
use crate::clock::now;
use crate::topic::{AttachError, Effects, TopicName, Victims};

/// Makes room in the memory of the broker.
#[derive(Debug, Default)]
pub(super) struct RoomMaker {
    /// When a search for this topic found too little.
    failed: Option<(Instant, TopicName)>,
}

/// The time after which a search for room may find more than the last one, which found too little. A
/// search looks at all topics.
const ROOM_INTERVAL: Duration = Duration::from_millis(100);

impl Hub {
    /// Returns whether the memory of the broker has room. If it is full, requests that are put aside make
    /// room first, and then messages that nobody reads, those of the topic with the most of them before others. Then the topic with the most
    /// memory loses messages, unless it is the topic `name` itself, which asks for room.
    pub(super) fn has_room(&self, name: &TopicName) -> bool {
        let budget = &self.origin.budget;
        if !budget.is_exceeded() {
            return true;
        }
        let mut room = lock(&self.room);
        let now = now();
        let has_failed = room.failed.as_ref().is_some_and(|(failed, topic)| {
            topic == name && now.saturating_duration_since(*failed) < ROOM_INTERVAL
        });
        if !budget.is_exceeded() || has_failed {
            return !budget.is_exceeded();
        }
        // Some more room than needed, so that the next search is not due at once.
        let target = budget.max() - budget.max() / 16;
        self.shrink_dead(target);
        let mut effects = self.shrink(Victims::Unread, None, target);
        if budget.is_exceeded() {
            effects.extend(self.shrink(Victims::Read, Some(name), target));
        }
        let has_room = !budget.is_exceeded();
        room.failed = (!has_room).then(|| (now, name.clone()));
        drop(room);
        for (name, mut effects) in effects {
            self.apply_effects(&name, &mut effects);
        }
        has_room
    }

    /// Removes messages of the topic with the most memory, until all topics use no more than `target`, or
    /// until it is the topic `asking`. Returns the effects on the topics.
    fn shrink(
        &self,
        victims: Victims,
        asking: Option<&TopicName>,
        target: usize,
    ) -> Vec<(TopicName, Effects)> {
        let mut all_effects = Vec::new();
        let budget = &self.origin.budget;
        let all: Vec<_> = lock(&self.topics)
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        let costs = all.iter().map(|(_, topic)| lock(topic).cost(victims));
        let mut by_cost: BinaryHeap<_> = costs.enumerate().map(|(at, cost)| (cost, at)).collect();
        while budget.used() > target
            && let Some((cost, at)) = by_cost.pop()
            && cost > 0
        {
            let (name, topic) = &all[at];
            if asking == Some(name) {
                break;
            }
            let mut effects = Effects::default();
            let (rest, idle) = {
                let mut topic = lock(topic);
                let excess = budget.used().saturating_sub(target);
                topic.make_room(victims, excess.min(cost.div_ceil(2)), &mut effects);
                (topic.cost(victims), topic.is_idle())
            };
            all_effects.push((name.clone(), effects));
            if idle {
                self.remove_if_idle(name);
            }
            if rest < cost {
                by_cost.push((rest, at));
            }
        }
        all_effects
    }

    pub(super) fn full(&self) -> AttachError {
        let max = self.origin.budget.max();
        AttachError::BrokerFull { max }
    }
}
