//! What a store contains when a broker starts.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::change::{Counts, QueueId, QueueRecord};

/// What a database contains when a broker starts.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// The part of all message ids that marks this store.
    pub(crate) run: u64,
    /// The number of starts, this one included.
    pub(crate) starts: u64,
    pub(crate) queues: Vec<QueueRecord>,
    /// The messages in the order of their numbers.
    pub(crate) messages: Vec<RestoredMessage>,
    /// The histories of messages in their queues.
    pub(crate) histories: HashMap<(u64, QueueId), Counts>,
}

/// A message without its content.
#[derive(Debug)]
pub(crate) struct RestoredMessage {
    pub(crate) sequence: u64,
    pub(crate) published: SystemTime,
    pub(crate) is_acknowledged: bool,
    /// The size of the content in bytes.
    pub(crate) size: usize,
    /// See [`Message::keep`](crate::message::Message::keep).
    pub(crate) keep: Duration,
    pub(crate) queues: Vec<QueueId>,
    /// Whether it has a history, or has left a queue.
    pub(crate) has_more_rows: bool,
}
