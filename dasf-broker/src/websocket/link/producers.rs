//! The producers of a link.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::Topic;
use tokio::time::Instant;

use super::RefusedMessage;
use crate::access::Caller;
use crate::hub::{Hub, Producer, TopicQuota};
use crate::topic::TopicName;

/// The largest number of topics for which a link keeps a producer.
const MAX_PRODUCERS: usize = 1024;
/// How long a link keeps a producer without a message.
const PRODUCER_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The producers of a link, by topic.
#[derive(Default)]
pub(super) struct Producers {
    producers: HashMap<Topic, LinkProducer>,
    /// The topics that the link has created.
    pub(super) quota: TopicQuota,
    /// Whether the peer wants to know at once that nobody reads a request.
    pub(super) refuses_unread: bool,
    /// When unused producers were removed last.
    cleaned: Option<Instant>,
}

struct LinkProducer {
    producer: Producer,
    last_used: Instant,
}

impl Producers {
    /// Returns the producer of a topic, and connects it if it is not there.
    pub(super) fn get(
        &mut self,
        hub: &Arc<Hub>,
        caller: &Caller,
        base: &TopicName,
        topic: &str,
    ) -> Result<&mut Producer, RefusedMessage> {
        let now = Instant::now();
        self.make_room(now);
        // To copy a known topic is cheaper than to check its name.
        let topic = match self.producers.get_key_value(topic) {
            Some((known, _)) => known.clone(),
            None => topic.parse()?,
        };
        let found = match self.producers.entry(topic) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(vacant) => {
                let name = base.sibling(vacant.key().clone());
                let mut producer = hub.producer_of(caller, name, Some(&mut self.quota))?;
                if self.refuses_unread {
                    producer.refuse_unread();
                }
                let last_used = now;
                vacant.insert(LinkProducer {
                    producer,
                    last_used,
                })
            }
        };
        found.last_used = now;
        Ok(&mut found.producer)
    }

    /// Removes the producers that were not used for a while. If there are still too many, removes the
    /// one that was not used for the longest time.
    fn make_room(&mut self, now: Instant) {
        let cleaned = *self.cleaned.get_or_insert(now);
        let is_full = self.producers.len() >= MAX_PRODUCERS;
        if is_full || now - cleaned >= PRODUCER_KEEP_ALIVE {
            self.cleaned = Some(now);
            self.producers
                .retain(|_, producer| now - producer.last_used < PRODUCER_KEEP_ALIVE);
        }
        if self.producers.len() >= MAX_PRODUCERS {
            let oldest = self.producers.iter().min_by_key(|(_, it)| it.last_used);
            if let Some(oldest) = oldest.map(|(topic, _)| topic.clone()) {
                self.producers.remove(&oldest);
            }
        }
    }
}
