//! Keeps messages and durable subscriptions on the disk.
//!
//! The topics record each change in the order in which they make it, and do not wait. A thread
//! writes all changes that have come since its last commit in one transaction. A producer gets the
//! receipt of a message after the commit. A message that all its readers have acknowledged before is
//! not written at all.

mod change;
#[cfg(feature = "store")]
mod database;
#[cfg(not(feature = "store"))]
#[path = "no_database.rs"]
mod database;
mod directory;
mod error;
mod home;
#[cfg(feature = "store")]
mod recover;
mod restored;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};

use tracing::warn;

pub(crate) use change::{Change, QueueId, QueueRecord, SubscriptionRecord};
use database::Database;
use directory::DirectoryLock;
pub(crate) use error::StoreError;
pub(crate) use home::{Held, Home};
#[cfg(feature = "store")]
pub use recover::Recovered;
#[cfg(feature = "store")]
pub(crate) use recover::recover;
pub(crate) use restored::{Restored, RestoredMessage};

use crate::message::Message;

/// The reason for a message that the store cannot write.
pub(crate) const UNWRITTEN: &str =
    "the broker cannot write the message to its disk; its log says why";

/// The place of a change among all changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The store of a broker. A drop writes all changes.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    next_queue: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
    reader: Mutex<Option<JoinHandle<()>>>,
    /// For what cannot wait for the reader.
    database: Mutex<Database>,
    lock: Mutex<Option<DirectoryLock>>,
}

/// What the threads share with the topics.
#[derive(Default)]
struct Shared {
    recorded: Mutex<Recorded>,
    /// Tells the writer that there are changes, or that the store closes.
    changed: Condvar,
    /// The number of changes that are on the disk, or could not be written.
    written: AtomicU64,
    /// The tasks that wait for a commit.
    waiting: Mutex<Vec<Waker>>,
    wanted: Mutex<Wanted>,
    /// Tells the reader that there are messages to read, or that the store closes.
    asked: Condvar,
}

/// The changes that the writer has not taken.
#[derive(Debug, Default)]
struct Recorded {
    changes: Vec<Change>,
    /// The number of all changes so far.
    count: u64,
    is_closed: bool,
}

/// The messages whose content a task needs.
#[derive(Default)]
struct Wanted {
    messages: VecDeque<(Vec<Message>, Waker)>,
    is_closed: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Locks a mutex. No code under it panics, so its content is never half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the store in a directory. A new one has this number in all message ids.
    pub(crate) fn open(
        directory: &Path,
        new_run: u64,
    ) -> Result<(Arc<Self>, Restored), StoreError> {
        let lock = DirectoryLock::new(directory)?;
        let (database, restored) = Database::open(directory, new_run)?;
        let reader = Database::open_reader(directory)?;
        let last_queue = restored.queues.iter().map(|queue| queue.id.0).max();
        let shared = Arc::new(Shared::default());
        let writer = spawn("dasf-store-writer", &shared, move |shared| {
            write(shared, database);
        })?;
        let reader = spawn("dasf-store-reader", &shared, move |shared| {
            read(shared, &reader);
        })?;
        let store = Self {
            shared,
            next_queue: AtomicU64::new(last_queue.map_or(0, |last| last + 1)),
            writer: Mutex::new(Some(writer)),
            reader: Mutex::new(Some(reader)),
            database: Mutex::new(Database::open_reader(directory)?),
            lock: Mutex::new(Some(lock)),
        };
        Ok((Arc::new(store), restored))
    }

    pub(crate) fn new_queue(&self) -> QueueId {
        QueueId(self.next_queue.fetch_add(1, Ordering::Relaxed))
    }

    /// Records a change. After [`close`](Self::close), it has no effect, but that new messages are refused.
    pub(crate) fn record(&self, change: Change) {
        let mut recorded = lock(&self.shared.recorded);
        if recorded.is_closed {
            drop(recorded);
            // It is not written, and comes to nothing else.
            let _ = change.failed();
            return;
        }
        let was_empty = recorded.changes.is_empty();
        recorded.changes.push(change);
        recorded.count += 1;
        drop(recorded);
        if was_empty {
            self.shared.changed.notify_one();
        }
    }

    /// Returns the place of the last change.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(lock(&self.shared.recorded).count)
    }

    /// Returns whether all changes up to this one are on the disk, or could not be written. If not, the
    /// next commit wakes the task.
    pub(crate) fn is_written(&self, ticket: Ticket, waker: &Waker) -> bool {
        let is_written = || self.shared.written.load(Ordering::Acquire) >= ticket.0;
        if is_written() {
            return true;
        }
        lock(&self.shared.waiting).push(waker.clone());
        // The commit may have been before the task was there.
        is_written()
    }

    /// Reads the content of messages, and wakes the task then.
    pub(crate) fn read(&self, messages: Vec<Message>, waker: &Waker) {
        let mut wanted = lock(&self.shared.wanted);
        wanted.messages.push_back((messages, waker.clone()));
        drop(wanted);
        self.shared.asked.notify_one();
    }

    /// Reads the content of a message. It blocks the thread.
    pub(crate) fn read_now(&self, message: &Message) {
        read_content(&lock(&self.database), message);
    }

    /// Writes all changes, takes no more, and frees the directory.
    pub(crate) fn close(&self) {
        lock(&self.shared.recorded).is_closed = true;
        lock(&self.shared.wanted).is_closed = true;
        self.shared.changed.notify_one();
        self.shared.asked.notify_one();
        for thread in [&self.writer, &self.reader] {
            if let Some(thread) = lock(thread).take()
                && thread.join().is_err()
            {
                warn!("a thread of the store has panicked");
            }
        }
        lock(&self.lock).take();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let shared = Arc::clone(shared);
    let thread = thread::Builder::new().name(name.to_owned());
    thread
        .spawn(move || run(&shared))
        .map_err(StoreError::Thread)
}

impl Shared {
    /// Waits for changes. Returns them with the place of the last one, or `None` if the store is closed
    /// and there are no more.
    fn next_changes(&self) -> Option<(Vec<Change>, u64)> {
        let mut recorded = lock(&self.recorded);
        loop {
            if !recorded.changes.is_empty() {
                return Some((std::mem::take(&mut recorded.changes), recorded.count));
            }
            if recorded.is_closed {
                return None;
            }
            let waited = self.changed.wait(recorded);
            recorded = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for messages to read. Returns `None` if the store is closed.
    fn next_wanted(&self) -> Option<(Vec<Message>, Waker)> {
        let mut wanted = lock(&self.wanted);
        loop {
            if wanted.is_closed {
                return None;
            }
            if let Some(next) = wanted.messages.pop_front() {
                return Some(next);
            }
            let waited = self.asked.wait(wanted);
            wanted = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread that writes.
fn write(shared: &Shared, mut database: Database) {
    // What could not be written, without new messages.
    let mut unwritten = Vec::new();
    while let Some((changes, last)) = shared.next_changes() {
        let mut batch = std::mem::take(&mut unwritten);
        batch.extend(changes.into_iter().filter(Change::is_needed));
        if !batch.is_empty() {
            match database.write(&batch) {
                Ok(()) => batch.iter().for_each(Change::written),
                Err(error) => {
                    warn!("the store could not write: {error}");
                    unwritten.extend(batch.into_iter().filter_map(Change::failed));
                }
            }
        }
        shared.written.store(last, Ordering::Release);
        let waiting = std::mem::take(&mut *lock(&shared.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The thread that reads.
fn read(shared: &Shared, database: &Database) {
    while let Some((messages, waker)) = shared.next_wanted() {
        for message in messages {
            read_content(database, &message);
        }
        waker.wake();
    }
}

fn read_content(database: &Database, message: &Message) {
    let reason = match database.content(message.sequence) {
        Ok(Some(content)) => return message.restore(content),
        Ok(None) => "the store does not have it".to_owned(),
        Err(error) => error.to_string(),
    };
    warn!(message_id = %message.id(), "cannot read the content of a message: {reason}");
    message.lose();
}
