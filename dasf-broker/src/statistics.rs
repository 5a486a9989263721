//! What a broker did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a broker did since it started, and what it holds.
///
/// The numbers are read one after the other while the broker works, so two of them need not belong
/// to the very same moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages accepted from producers.
    pub published: u64,
    /// Messages handed to a consumer's socket, each redelivery counted again.
    pub delivered: u64,
    /// Messages that a consumer acknowledged.
    pub acknowledged: u64,
    /// Those of `delivered` that had been handed to a consumer in vain before.
    pub redelivered: u64,
    /// Frames of producers that were refused, with a reason in the receipt.
    pub refused: u64,
    /// Messages moved to a dead letter topic, as they had been delivered again as often as their
    /// consumer allows. They count neither as acknowledged nor as published once more.
    pub dead_lettered: u64,
    /// Messages given up without an acknowledgement: the oldest of a full subscription without a
    /// consumer, what was left in a subscription that was not durable, or was unsubscribed, and
    /// what a dead letter topic could not take.
    pub dropped: u64,
    /// Messages given up because nobody read them within the retention.
    pub expired: u64,
    /// Topics that exist now.
    pub topics: u64,
    /// WebSockets that are open now.
    pub connections: u64,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        // Nothing is ordered by these numbers, so the cheapest ordering will do.
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The growing numbers of [`Statistics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: Counter,
    pub(crate) delivered: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) redelivered: Counter,
    pub(crate) refused: Counter,
    pub(crate) dead_lettered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) expired: Counter,
}

impl Counters {
    pub(crate) fn read(&self, topics: usize, connections: usize) -> Statistics {
        Statistics {
            published: self.published.get(),
            delivered: self.delivered.get(),
            acknowledged: self.acknowledged.get(),
            redelivered: self.redelivered.get(),
            refused: self.refused.get(),
            dead_lettered: self.dead_lettered.get(),
            dropped: self.dropped.get(),
            expired: self.expired.get(),
            topics: topics as u64,
            connections: connections as u64,
        }
    }
}
