//! Requests that the broker has put aside, because they ended the modules that ran them.
//!
//! This file holds them and their limits. `record` is what the broker knows of each, also after a restart.

mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::budget::{Budget, Charge};
use crate::message::Message;
use crate::store::{Held, Home};
use crate::topic::TopicName;
pub(crate) use record::DeadRecord;

/// The memory of a dead request besides its record and its messages.
const OVERHEAD: usize = 512;

/// A request that is put aside.
#[derive(Debug)]
pub(crate) struct DeadRequest {
    pub(crate) topic: TopicName,
    pub(crate) record: DeadRecord,
    /// Its messages: several, if the request came in fragments.
    messages: Vec<DeadMessage>,
    /// Its place in the store.
    home: Option<Arc<Home>>,
    /// The memory of the record.
    charge: Charge,
}

#[derive(Debug)]
struct DeadMessage {
    message: Message,
    _held: Option<Held>,
}

impl DeadRequest {
    pub(crate) fn new(
        topic: TopicName,
        record: DeadRecord,
        home: Option<Arc<Home>>,
        budget: &Arc<Budget>,
    ) -> Self {
        let charge = budget.charge(OVERHEAD + record.size());
        Self {
            topic,
            record,
            messages: Vec::new(),
            home,
            charge,
        }
    }

    /// Returns the messages in the order in which they came.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().map(|it| &it.message)
    }

    /// Returns the size of the messages in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.messages().map(Message::size).sum()
    }

    /// Returns the memory of the record in bytes, and the size of the messages.
    fn cost(&self) -> usize {
        OVERHEAD + self.record.size() + self.bytes()
    }

    /// Adds a message of the request. If the request has a place in the store, it is kept there.
    pub(crate) fn add(&mut self, message: Message) {
        let held = self.home.as_ref().map(|home| Held::new(home, &message));
        self.put(message, held);
    }

    /// Adds a message that the store has.
    pub(crate) fn restore(&mut self, message: Message) {
        let held = self
            .home
            .as_ref()
            .map(|home| Held::restored(home, &message));
        self.put(message, held);
    }

    fn put(&mut self, message: Message, held: Option<Held>) {
        self.messages
            .retain(|it| it.message.sequence != message.sequence);
        self.messages.push(DeadMessage {
            message,
            _held: held,
        });
        self.messages.sort_by_key(|it| it.message.sequence);
    }

    /// Keeps what the broker knows of the request.
    pub(crate) fn keep(&mut self) {
        self.charge.set(OVERHEAD + self.record.size());
        if let Some(home) = &self.home {
            home.record_dead(self.record.to_json());
        }
    }
}

/// The requests that are put aside, by the numbers of their first messages.
#[derive(Debug)]
pub(crate) struct DeadRequests {
    requests: BTreeMap<u64, DeadRequest>,
    by_topic: HashMap<TopicName, usize>,
    bytes: usize,
    max_requests: usize,
    max_bytes: usize,
}

impl DeadRequests {
    pub(crate) fn new(max_requests: usize, max_bytes: usize) -> Self {
        Self {
            requests: BTreeMap::new(),
            by_topic: HashMap::new(),
            bytes: 0,
            max_requests,
            max_bytes,
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns the size of all in bytes.
    #[cfg(feature = "metrics")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many requests of a topic are put aside.
    pub(crate) fn count_of(&self, topic: &TopicName) -> usize {
        self.by_topic.get(topic).copied().unwrap_or_default()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&DeadRequest> {
        self.requests.get(&id)
    }

    /// Returns the requests after this one, the oldest first.
    pub(crate) fn after(&self, id: Option<u64>) -> impl Iterator<Item = (u64, &DeadRequest)> {
        let first = id.map_or(0, |id| id.saturating_add(1));
        self.requests.range(first..).map(|(id, dead)| (*id, dead))
    }

    /// Adds a request, or a further message of one that is there. Returns the oldest ones for which there is
    /// no more room.
    pub(crate) fn insert(&mut self, mut dead: DeadRequest) -> Vec<(u64, DeadRequest)> {
        let other = dead.record.part.as_ref().and_then(|part| {
            let mut requests = self.requests.iter();
            let same = requests
                .find(|(_, it)| it.topic == dead.topic && it.record.part.as_ref() == Some(part));
            same.map(|(id, _)| *id)
        });
        if let Some(mut known) = other.and_then(|id| self.remove(id)) {
            let messages: Vec<_> = dead.messages().cloned().collect();
            for message in messages {
                known.add(message);
            }
            known.record.merge(dead.record);
            known.keep();
            dead = known;
        }
        let Some(id) = dead.messages.first().map(|it| it.message.sequence) else {
            return Vec::new();
        };
        // A crash of the broker may have left it in its subscription, too.
        self.remove(id);
        self.bytes += dead.cost();
        *self.by_topic.entry(dead.topic.clone()).or_default() += 1;
        self.requests.insert(id, dead);
        self.excess()
    }

    /// Removes the oldest requests until the limits hold. The latest one stays in any case.
    fn excess(&mut self) -> Vec<(u64, DeadRequest)> {
        let mut removed = Vec::new();
        while (self.requests.len() > self.max_requests || self.bytes > self.max_bytes)
            && self.requests.len() > 1
        {
            removed.extend(self.remove_oldest());
        }
        removed
    }

    pub(crate) fn remove_oldest(&mut self) -> Option<(u64, DeadRequest)> {
        let id = *self.requests.keys().next()?;
        self.remove(id).map(|dead| (id, dead))
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<DeadRequest> {
        let dead = self.requests.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(dead.cost());
        if let Some(count) = self.by_topic.get_mut(&dead.topic) {
            *count -= 1;
            if *count == 0 {
                self.by_topic.remove(&dead.topic);
            }
        }
        Some(dead)
    }
}
