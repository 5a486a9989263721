//! Tells the store which messages a queue has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Change, Counts, QueueId, QueueRecord, Store, SubscriptionRecord};
use crate::message::Message;
use crate::topic::{SharedTenure, TopicName};

/// A queue in the store. A drop removes it there.
#[derive(Debug)]
pub(crate) struct Home {
    store: Arc<Store>,
    id: QueueId,
    topic: TopicName,
    tenure: SharedTenure,
    /// Whether the store has been told of the queue.
    is_recorded: AtomicBool,
    /// Whether a message stays in the queue of the store until the broker is started again.
    is_needed: AtomicBool,
}

impl Home {
    /// Returns a new queue for the messages of a topic without a subscription. The store learns of it
    /// with its first message.
    pub(crate) fn of_topic(
        store: &Arc<Store>,
        topic: &TopicName,
        tenure: &SharedTenure,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            id: store.new_queue(),
            topic: topic.clone(),
            tenure: tenure.clone(),
            is_recorded: AtomicBool::new(false),
            is_needed: AtomicBool::new(false),
        })
    }

    /// Returns a queue that the store has.
    pub(crate) fn restored(
        store: &Arc<Store>,
        id: QueueId,
        topic: &TopicName,
        tenure: &SharedTenure,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            id,
            topic: topic.clone(),
            tenure: tenure.clone(),
            is_recorded: AtomicBool::new(true),
            is_needed: AtomicBool::new(false),
        })
    }

    /// Records the subscription of the queue, which is new or has changed.
    pub(crate) fn record(&self, subscription: Option<SubscriptionRecord>) {
        self.record_as(subscription, None, None);
    }

    /// Records that the queue is the hold of its topic, which stays without a use for this time.
    pub(crate) fn record_hold(&self, retention: Duration) {
        self.record_as(None, Some(retention), None);
    }

    /// Records what the broker knows of a request that is put aside, whose messages are in the queue.
    pub(crate) fn record_dead(&self, dead: String) {
        self.record_as(None, None, Some(dead));
    }

    fn record_as(
        &self,
        subscription: Option<SubscriptionRecord>,
        hold: Option<Duration>,
        dead: Option<String>,
    ) {
        self.is_recorded.store(true, Ordering::Relaxed);
        self.store.record(Change::Queue(QueueRecord {
            id: self.id,
            topic: self.topic.clone(),
            tenure: self.tenure.get().cloned(),
            subscription,
            hold,
            dead,
        }));
    }

    /// Records the queue of a topic without a subscription again, if the store knows it. The meaning of the
    /// topic has changed.
    pub(crate) fn record_again(&self) {
        if self.is_recorded.load(Ordering::Relaxed) {
            self.record(None);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if *self.is_recorded.get_mut() && !*self.is_needed.get_mut() {
            self.store.record(Change::QueueEnded(self.id));
        }
    }
}

/// Keeps a message in a queue of the store, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    home: Arc<Home>,
    message: Message,
}

impl Held {
    /// Adds a message to a queue.
    pub(crate) fn new(home: &Arc<Home>, message: &Message) -> Self {
        if !home.is_recorded.load(Ordering::Relaxed) {
            home.record(None);
        }
        let held = Self::restored(home, message);
        home.store.record(Change::Held {
            message: message.clone(),
            queue: home.id,
        });
        held
    }

    /// Returns a message that the store has in a queue.
    pub(crate) fn restored(home: &Arc<Home>, message: &Message) -> Self {
        message.add_holder();
        Self {
            home: home.clone(),
            message: message.clone(),
        }
    }

    /// Lets a message whose content cannot be read now stay in the queue of the store, until the broker is
    /// started again.
    pub(crate) fn stay(self) {
        self.home.is_needed.store(true, Ordering::Relaxed);
    }

    /// Keeps the history of the message in the queue.
    pub(crate) fn keep_counts(&self, counts: Counts) {
        self.message.set_more_rows();
        self.home.store.record(Change::History {
            message: self.message.clone(),
            queue: self.home.id,
            counts,
        });
    }

    pub(crate) fn is_in(&self, home: &Arc<Home>) -> bool {
        Arc::ptr_eq(&self.home, home)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let is_needed = self.home.is_needed.load(Ordering::Relaxed);
        if is_needed && self.message.is_lost_until_restart() {
            return;
        }
        let message = self.message.clone();
        let change = if message.remove_holder() {
            Change::Removed { message }
        } else {
            let queue = self.home.id;
            message.set_more_rows();
            Change::Released { message, queue }
        };
        self.home.store.record(change);
    }
}
