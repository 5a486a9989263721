//! The numbers of a broker.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of messages since a broker started, and of topics and connections now.
///
/// The broker works while the numbers are read, so two numbers may belong to different moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages accepted from producers.
    pub published: u64,
    /// Deliveries to the sockets of consumers, with redeliveries.
    pub delivered: u64,
    /// Messages that a consumer acknowledged.
    pub acknowledged: u64,
    /// Redeliveries. They are part of `delivered`.
    pub redelivered: u64,
    /// Frames of producers that the broker refused. The receipt contains the reason.
    pub refused: u64,
    /// Messages that moved to a dead-letter topic after the last redelivery that their consumer
    /// allows. They do not count as acknowledged, and count as published only once.
    pub dead_lettered: u64,
    /// Messages that the broker put aside, because they ended those who worked on them. They do not count as
    /// acknowledged.
    pub put_aside: u64,
    /// Messages that the broker dropped without an acknowledgement: those that made room in its memory,
    /// the oldest messages of full subscriptions while others had room, the messages of topics and
    /// subscriptions that made room, were not durable or were removed by their consumer, requests
    /// whose callers are gone, and messages that a dead-letter topic refused.
    pub dropped: u64,
    /// Messages that nobody read within [`subscription_retention`](crate::Builder::subscription_retention),
    /// and requests whose callers no longer waited when it was their turn.
    pub expired: u64,
    /// The topics that exist now.
    pub topics: u64,
    /// The WebSockets that are open now.
    pub connections: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        // No other memory access depends on these numbers, so the cheapest ordering is enough.
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The growing numbers of [`Statistics`], and sizes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: Counter,
    pub(crate) delivered: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) redelivered: Counter,
    pub(crate) refused: Counter,
    pub(crate) dead_lettered: Counter,
    pub(crate) put_aside: Counter,
    pub(crate) dropped: Counter,
    pub(crate) expired: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) delivered_bytes: Counter,
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
            put_aside: self.put_aside.get(),
            dropped: self.dropped.get(),
            expired: self.expired.get(),
            topics: topics as u64,
            connections: connections as u64,
        }
    }
}
