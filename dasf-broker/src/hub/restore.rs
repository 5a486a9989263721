//! The topics that a store has kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;

use super::Hub;
use super::put_aside::of_requests;
use crate::budget::Budget;
use crate::clock::now;
use crate::limits::Limits;
use crate::message::{Keeping, Message, MessageIds, Origin};
use crate::store::{Counts, Home, QueueId, Restored, Store};
use crate::topic::{AttachError, Topic};

/// The contents of messages that are on the disk may use this part of the largest memory.
const CACHE_FRACTION: usize = 8;

impl Hub {
    /// Returns the topics that a store has kept.
    pub(crate) fn restored(limits: Limits, store: Arc<Store>, restored: Restored) -> Self {
        let last = restored.messages.last().map(|message| message.sequence);
        let keeping = Arc::new(Keeping {
            store,
            cache: Budget::new(limits.max_memory / CACHE_FRACTION),
        });
        let origin = Origin {
            ids: MessageIds::restored(restored.run, restored.starts, last),
            budget: Budget::new(limits.max_memory),
            keeping: Some(keeping.clone()),
        };
        let hub = Self::with_origin(limits, origin);
        let (now, time) = (now(), SystemTime::now());
        let mut messages: HashMap<QueueId, Vec<(Message, Option<Counts>)>> = HashMap::new();
        let mut histories = restored.histories;
        for restored in restored.messages {
            let age = time.duration_since(restored.published).unwrap_or_default();
            // On some systems no time is before the start of the machine.
            let published = now.checked_sub(age).unwrap_or(now);
            let message = Message::restored(&hub.origin, &keeping, published, &restored);
            for queue in restored.queues {
                let counts = histories.remove(&(message.sequence, queue));
                let queued = (message.clone(), counts);
                messages.entry(queue).or_default().push(queued);
            }
        }
        let mut queues = restored.queues;
        // All queues of a topic have its meaning, also those that were recorded before it was known.
        queues.sort_by_key(|queue| queue.tenure.is_none());
        for record in queues {
            let kept = messages.remove(&record.id).unwrap_or_default();
            let name = record.topic.clone();
            if let Some(text) = &record.dead {
                let tenure = of_requests();
                let home = Home::restored(&keeping.store, record.id, &name, &tenure);
                let kept = kept.into_iter().map(|(message, _)| message);
                hub.restore_dead(name, text, home, kept.collect());
                continue;
            }
            let restore = |topic: &mut Topic| -> Result<(), AttachError> {
                topic.restore(&keeping.store, record, kept, now);
                Ok(())
            };
            if let Err(error) = hub.with_topic(&name, None, None, restore) {
                warn!(topic = %name, "cannot restore the topic: {error}");
            }
        }
        hub
    }
}
