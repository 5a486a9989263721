//! The content of a message that a broker with a store keeps on the disk.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use super::content::Content;
use super::number::keep;
use super::{Loaded, Message};
use crate::budget::{Budget, Charge};
use crate::store::Store;

/// The store of a broker, and the memory for contents that are on the disk.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Budget>,
}

/// The content of a message, which leaves the memory when it is on the disk and the memory is full.
#[derive(Debug)]
pub(super) struct Kept {
    keeping: Arc<Keeping>,
    budget: Arc<Budget>,
    pub(super) size: usize,
    /// The wall-clock time at which the broker accepted the message.
    pub(super) time: SystemTime,
    /// See [`Message::keep`]. It is known before the content leaves the memory.
    keep: OnceLock<Duration>,
    /// The number of queues in the store that have the message.
    holders: AtomicU32,
    /// Whether the message is on the disk.
    is_stored: AtomicBool,
    /// Whether the message may have a history on the disk, or may have left a queue there.
    has_more_rows: AtomicBool,
    /// Whether the store could not write the message.
    is_refused: AtomicBool,
    /// Whether the content is gone.
    is_lost: AtomicBool,
    /// Whether the disk failed when the content was read, so that a later start may read it.
    is_unread: AtomicBool,
    content: Mutex<InMemory>,
}

#[derive(Debug, Default)]
struct InMemory {
    content: Option<Arc<Content>>,
    charges: Option<[Charge; 2]>,
    /// Whether the content was read from the disk, or is being read.
    is_read: bool,
}

impl Kept {
    /// Returns a new content.
    pub(super) fn new(
        keeping: &Arc<Keeping>,
        budget: &Arc<Budget>,
        time: SystemTime,
        content: Content,
    ) -> Self {
        let kept = Self::on_disk(keeping, budget, time, content.size(), OnceLock::new());
        kept.is_stored.store(false, Ordering::Relaxed);
        kept.put(content);
        kept
    }

    /// Returns a content that is on the disk.
    pub(super) fn on_disk(
        keeping: &Arc<Keeping>,
        budget: &Arc<Budget>,
        time: SystemTime,
        size: usize,
        keep: OnceLock<Duration>,
    ) -> Self {
        Self {
            keeping: keeping.clone(),
            budget: budget.clone(),
            size,
            time,
            keep,
            holders: AtomicU32::new(0),
            is_stored: AtomicBool::new(true),
            has_more_rows: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            is_unread: AtomicBool::new(false),
            content: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, InMemory> {
        // No code under the lock panics.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn content(&self) -> Option<Arc<Content>> {
        self.lock().content.clone()
    }

    /// See [`Message::keep`].
    pub(super) fn keep(&self) -> Duration {
        // To read the properties of a large message takes long, so the thread of the store does it first.
        *self.keep.get_or_init(|| {
            let content = self.content();
            content.map_or(Duration::ZERO, |content| content.with_properties(keep))
        })
    }

    fn put(&self, content: Content) {
        let charge = |budget: &Arc<Budget>| budget.charge(self.size);
        let mut memory = self.lock();
        memory.charges = Some([charge(&self.budget), charge(&self.keeping.cache)]);
        memory.content = Some(Arc::new(content));
    }
}

impl Message {
    fn kept(&self) -> Option<&Kept> {
        match &self.body {
            super::Body::Fixed(_) => None,
            super::Body::Kept(kept) => Some(kept),
        }
    }

    /// Returns whether a queue in the store has the message.
    pub(crate) fn is_held(&self) -> bool {
        self.kept()
            .is_some_and(|kept| kept.holders.load(Ordering::Relaxed) > 0)
    }

    /// Counts one more queue in the store that has the message.
    pub(crate) fn add_holder(&self) {
        if let Some(kept) = self.kept() {
            kept.holders.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one queue less. Returns whether it was the last one.
    pub(crate) fn remove_holder(&self) -> bool {
        self.kept()
            .is_none_or(|kept| kept.holders.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    /// Returns whether the message is on the disk.
    pub(crate) fn is_stored(&self) -> bool {
        self.kept()
            .is_some_and(|kept| kept.is_stored.load(Ordering::Relaxed))
    }

    /// Records that the message is on the disk.
    pub(crate) fn set_stored(&self) {
        if let Some(kept) = self.kept() {
            kept.is_stored.store(true, Ordering::Relaxed);
            self.leave_full_memory();
        }
    }

    /// Records that the message has a history, or has left a queue.
    pub(crate) fn set_more_rows(&self) {
        if let Some(kept) = self.kept() {
            kept.has_more_rows.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the message may have a history on the disk, or may have left a queue there.
    pub(crate) fn has_more_rows(&self) -> bool {
        self.kept()
            .is_some_and(|kept| kept.has_more_rows.load(Ordering::Relaxed))
    }

    /// Records that the store could not write the message. Nobody needs its content.
    pub(crate) fn refuse(&self) {
        if let Some(kept) = self.kept() {
            kept.is_refused.store(true, Ordering::Relaxed);
            *kept.lock() = InMemory::default();
            kept.keeping.store.count_refused();
        }
    }

    /// Returns whether the store could not write the message. Its producer learns it, so nobody gets it.
    pub(crate) fn is_refused(&self) -> bool {
        self.kept()
            .is_some_and(|kept| kept.is_refused.load(Ordering::Relaxed))
    }

    /// Returns the content that the store has to write.
    pub(crate) fn unstored_content(&self) -> Option<Arc<Content>> {
        let kept = self.kept()?;
        let is_stored = kept.is_stored.load(Ordering::Relaxed);
        if is_stored { None } else { kept.content() }
    }

    /// Removes the content from the memory, if the content is on the disk, and the memory for such contents is
    /// full, or the publisher of the message uses more than half of its own.
    pub(crate) fn leave_full_memory(&self) {
        if let Some(kept) = self.kept()
            && (kept.keeping.cache.is_exceeded() || kept.budget.used() > kept.budget.max() / 2)
            && kept.is_stored.load(Ordering::Relaxed)
        {
            *kept.lock() = InMemory::default();
        }
    }

    /// Lets the store read the contents of messages that are not in memory, and wakes the task then.
    pub(crate) fn read<'a>(messages: impl Iterator<Item = &'a Self>, waker: &Waker) {
        let mut store = None;
        let mut missing = Vec::new();
        for message in messages {
            if let Some(kept) = message.kept() {
                let mut memory = kept.lock();
                if memory.content.is_none() && !memory.is_read && !message.is_refused() {
                    memory.is_read = true;
                    store = Some(&kept.keeping.store);
                    missing.push(message.clone());
                }
            }
        }
        if let Some(store) = store {
            store.read(missing, waker);
        }
    }

    /// Returns the message with its content. Reads the content from the disk if it is not in the memory,
    /// and returns `None` if that fails.
    pub(crate) fn load_now(&self) -> Option<Loaded> {
        if let Some(kept) = self.kept()
            && kept.content().is_none()
        {
            kept.keeping.store.read_now(self);
        }
        self.load()
    }

    /// Returns whether the content was read from the disk.
    pub(crate) fn is_read(&self) -> bool {
        self.kept().is_some_and(|kept| kept.lock().is_read)
    }

    /// Puts the content that was read into the memory.
    pub(crate) fn restore(&self, content: Content) {
        if let Some(kept) = self.kept() {
            kept.put(content);
        }
    }

    /// Records that the content cannot be read.
    pub(crate) fn lose(&self) {
        if let Some(kept) = self.kept() {
            kept.is_lost.store(true, Ordering::Relaxed);
        }
    }

    /// Records that the content cannot be read now, but perhaps at the next start of the broker.
    pub(crate) fn lose_until_restart(&self) {
        if let Some(kept) = self.kept() {
            kept.is_unread.store(true, Ordering::Relaxed);
        }
        self.lose();
    }

    /// Returns whether the next start of the broker may read the content.
    pub(crate) fn is_lost_until_restart(&self) -> bool {
        self.kept()
            .is_some_and(|kept| kept.is_unread.load(Ordering::Relaxed))
    }

    /// Returns whether the content cannot be read, or the store could not write it.
    pub(crate) fn is_gone(&self) -> bool {
        self.kept().is_some_and(|kept| {
            let flags = [&kept.is_lost, &kept.is_refused];
            flags.iter().any(|flag| flag.load(Ordering::Relaxed))
        })
    }

    /// Returns the wall-clock time at which the broker accepted the message, if the store needs it.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        self.kept().map(|kept| kept.time)
    }
}
