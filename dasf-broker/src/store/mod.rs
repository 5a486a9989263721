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

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tracing::{error, warn};

pub(crate) use change::{Change, Counts, QueueId, QueueRecord, SubscriptionRecord};
use database::Database;
use directory::DirectoryLock;
pub(crate) use error::StoreError;
pub(crate) use home::{Held, Home};
#[cfg(feature = "store")]
pub use recover::Recovered;
#[cfg(feature = "store")]
pub(crate) use recover::recover;
pub(crate) use restored::{Restored, RestoredMessage};

use crate::log;
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
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    directory: PathBuf,
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
    /// The number of commits.
    commits: AtomicU64,
    /// The tasks that wait for a commit.
    waiting: Mutex<Waiting>,
    /// The number of messages that could not be written.
    refused: AtomicU64,
    wanted: Mutex<Wanted>,
    /// Tells the reader that there are messages to read, or that the store closes.
    asked: Condvar,
    complaints: Mutex<Complaints>,
}

/// The lines about contents that cannot be read. A damaged disk may have many of them.
#[derive(Default)]
struct Complaints {
    logged: Option<Instant>,
    /// The number of lines that were left out since then.
    more: usize,
}

/// The wakers of tasks, each once.
#[derive(Debug, Default)]
struct Waiting(HashMap<[usize; 2], Waker>);

impl Waiting {
    fn add(&mut self, waker: &Waker) {
        // While the waker is in the table, no other task has its address.
        let task = [waker.data().addr(), ptr::from_ref(waker.vtable()).addr()];
        self.0.entry(task).or_insert_with(|| waker.clone());
    }

    fn wake(self) {
        self.0.into_values().for_each(Waker::wake);
    }
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
        let on_disk = restored.queues.iter().map(|queue| queue.id).collect();
        let writer = spawn("dasf-store-writer", &shared, move |shared| {
            let mut database = database;
            let write = |changes: &[Change]| {
                database.write(changes)?;
                shared.commits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            Writer::new(on_disk, write).run(shared);
        })?;
        let reader = spawn("dasf-store-reader", &shared, move |shared| {
            read(shared, &reader);
        })?;
        let store = Self {
            directory: directory.to_owned(),
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

    /// Returns the number of messages that could not be written.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Acquire)
    }

    /// Counts a message that could not be written.
    pub(crate) fn count_refused(&self) {
        self.shared.refused.fetch_add(1, Ordering::Release);
    }

    /// Returns whether all changes up to this one are on the disk, or could not be written. If not, the
    /// next commit wakes the task.
    pub(crate) fn is_written(&self, ticket: Ticket, waker: &Waker) -> bool {
        let is_written = || self.shared.written.load(Ordering::Acquire) >= ticket.0;
        if is_written() {
            return true;
        }
        lock(&self.shared.waiting).add(waker);
        // The commit may have been before the task was there.
        is_written()
    }

    /// Returns the number of commits since the start.
    #[cfg(feature = "metrics")]
    pub(crate) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Returns the size of the files in bytes.
    #[cfg(feature = "metrics")]
    pub(crate) fn size(&self) -> u64 {
        let files = self.directory.read_dir().into_iter().flatten().flatten();
        let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.sum()
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
        let read = read_content(&lock(&self.database), message);
        if let Err(reason) = read {
            self.shared.complain(message, &reason);
        }
    }

    /// Returns whether the store takes changes. One whose writer has ended does not.
    pub(crate) fn is_open(&self) -> bool {
        !lock(&self.shared.recorded).is_closed
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
    /// Logs that the content of a message cannot be read.
    fn complain(&self, message: &Message, reason: &str) {
        let is_recent = |logged: Instant| logged.elapsed() <= log::INTERVAL;
        let mut complaints = lock(&self.complaints);
        if complaints.logged.is_some_and(is_recent) {
            complaints.more += 1;
            return;
        }
        let before = std::mem::take(&mut complaints.more);
        complaints.logged = Some(Instant::now());
        drop(complaints);
        let message_id = message.id();
        warn!(%message_id, left_out_before = before, "cannot read the content of a message: {reason}");
    }

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

    /// Records that all changes to this one are on the disk, or could not be written.
    fn settle(&self, last: u64) {
        self.written.store(last, Ordering::Release);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.wake();
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

/// What the thread that writes has.
struct Writer<W> {
    write: W,
    /// The queues on the disk.
    on_disk: HashSet<QueueId>,
    /// What could not be written, without new messages.
    unwritten: Vec<Change>,
    /// When the last failure was logged. A full disk may make many.
    logged: Option<Instant>,
}

impl<W: FnMut(&[Change]) -> Result<(), StoreError>> Writer<W> {
    fn new(on_disk: HashSet<QueueId>, write: W) -> Self {
        Self {
            write,
            on_disk,
            unwritten: Vec::new(),
            logged: None,
        }
    }

    /// Writes all changes until the store closes.
    fn run(mut self, shared: &Shared) {
        let _ending = WriterEnding(shared);
        while let Some((changes, last)) = shared.next_changes() {
            self.write(changes);
            shared.settle(last);
        }
    }

    /// Writes changes. New messages that cannot be written are refused.
    fn write(&mut self, changes: Vec<Change>) {
        let mut changes = Unsettled(changes);
        changes.0.retain(Change::is_needed);
        let is_new = !changes.0.is_empty();
        changes.0.splice(..0, std::mem::take(&mut self.unwritten));
        if self.try_write(&mut changes) || !is_new {
            return;
        }
        // Without the new messages, it may make the room that they need.
        let unwritten = std::mem::take(&mut self.unwritten);
        self.try_write(&mut Unsettled(unwritten));
    }

    /// Returns whether the changes are written.
    fn try_write(&mut self, changes: &mut Unsettled) -> bool {
        if changes.0.is_empty() {
            return true;
        }
        let written = (self.write)(&changes.0);
        let changes = std::mem::take(&mut changes.0);
        match written {
            Ok(()) => {
                for change in &changes {
                    change.written();
                    match change {
                        Change::Queue(queue) => self.on_disk.insert(queue.id),
                        Change::QueueEnded(id) => self.on_disk.remove(id),
                        _ => true,
                    };
                }
                true
            }
            Err(error) => {
                if self
                    .logged
                    .is_none_or(|logged| logged.elapsed() > log::INTERVAL)
                {
                    self.logged = Some(Instant::now());
                    warn!("the store could not write: {error}");
                }
                self.unwritten = changes.into_iter().filter_map(Change::failed).collect();
                Change::compact(&mut self.unwritten, &self.on_disk);
                false
            }
        }
    }
}

/// Changes about which nobody knows whether they are on the disk. A drop refuses the new messages.
struct Unsettled(Vec<Change>);

impl Drop for Unsettled {
    fn drop(&mut self) {
        for change in std::mem::take(&mut self.0) {
            // No one writes the others later.
            let _ = change.failed();
        }
    }
}

/// A drop ends the writing: the store takes no more changes, and nobody waits for one.
struct WriterEnding<'a>(&'a Shared);

impl Drop for WriterEnding<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            error!(
                "the thread that writes the store has panicked; \
                 the broker refuses messages until it is started again"
            );
        }
        let changes = {
            let mut recorded = lock(&self.0.recorded);
            recorded.is_closed = true;
            std::mem::take(&mut recorded.changes)
        };
        drop(Unsettled(changes));
        self.0.settle(u64::MAX);
    }
}

/// The thread that reads.
fn read(shared: &Shared, database: &Database) {
    while let Some((messages, waker)) = shared.next_wanted() {
        for message in messages {
            let read = AssertUnwindSafe(|| read_content(database, &message));
            match panic::catch_unwind(read) {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => shared.complain(&message, &reason),
                Err(_) => message.lose(),
            }
        }
        waker.wake();
    }
}

fn read_content(database: &Database, message: &Message) -> Result<(), String> {
    let reason = match database.content(message.sequence) {
        Ok(Some(content)) => {
            message.restore(content);
            return Ok(());
        }
        Ok(None) => "the store does not have it".to_owned(),
        Err(error @ StoreError::Damaged { .. }) => error.to_string(),
        Err(error) => {
            message.lose_until_restart();
            format!(
                "{error}; it stays on the disk, and the broker reads it when it is started again"
            )
        }
    };
    message.lose();
    Err(reason)
}

#[cfg(feature = "store")]
#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::task::Wake;
    use std::time::Duration;

    use dasf_protocol::Topic;
    use tempfile::TempDir;

    use super::*;
    use crate::budget::Budget;
    use crate::hub::Hub;
    use crate::limits::Limits;
    use crate::message::{Keeping, MessageIds, Origin};
    use crate::topic::{
        ConsumerOptions, HoldOption, OnClose, SharedTenure, SubscriptionType, TopicName,
    };

    /// A store whose writer the test is, or runs.
    struct TestStore {
        store: Arc<Store>,
        origin: Origin,
        topic: TopicName,
        _directory: TempDir,
    }

    impl TestStore {
        fn new() -> Self {
            let directory = TempDir::new().unwrap();
            let (store, _) = Store::open(directory.path(), MessageIds::new_run()).unwrap();
            let keeping = Keeping {
                store: store.clone(),
                cache: Budget::new(usize::MAX),
            };
            Self {
                store,
                origin: Origin {
                    ids: MessageIds::new(),
                    budget: Budget::new(usize::MAX),
                    keeping: Some(Arc::new(keeping)),
                },
                topic: "demo".parse::<Topic>().unwrap().into(),
                _directory: directory,
            }
        }

        fn message(&self, size: usize) -> Message {
            let fields = format!(r#""payload":"{}"}}"#, "x".repeat(size));
            Message::from_text(&self.origin, &self.origin.budget, Instant::now(), &fields)
        }

        fn queue(&self, id: u64) -> Change {
            Change::Queue(QueueRecord {
                id: QueueId(id),
                topic: self.topic.clone(),
                subscription: None,
                tenure: None,
                hold: None,
                dead: None,
            })
        }
    }

    fn held(message: &Message, queue: u64) -> Change {
        message.add_holder();
        let (message, queue) = (message.clone(), QueueId(queue));
        Change::Held { message, queue }
    }

    /// Reads the database in a directory.
    fn restored(directory: &TempDir) -> Restored {
        Database::open(directory.path(), 0).unwrap().1
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_waits_once_for_a_commit() {
        let (wakes, others) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        let mut waiting = Waiting::default();
        for _ in 0..1000 {
            waiting.add(&wakes.clone().into());
        }
        waiting.add(&others.clone().into());
        assert_eq!(waiting.0.len(), 2);
        waiting.wake();
        let count = |wakes: &Wakes| wakes.0.load(Ordering::Relaxed);
        assert_eq!((count(&wakes), count(&others)), (1, 1));
    }

    /// A queue that is done with a message before the commit does not get it after a restart, although
    /// another queue still has it.
    #[test]
    fn a_message_leaves_a_queue_before_its_first_commit() {
        let test = TestStore::new();
        let directory = TempDir::new().unwrap();
        let (mut database, _) = Database::open(directory.path(), 1).unwrap();
        let message = test.message(10);
        let mut changes = vec![test.queue(1), test.queue(2)];
        changes.extend([held(&message, 1), held(&message, 2)]);
        assert!(!message.remove_holder());
        message.acknowledge();
        changes.push(Change::Released {
            message: message.clone(),
            queue: QueueId(1),
        });
        let write = |changes: &[Change]| database.write(changes);
        Writer::new(HashSet::new(), write).write(changes);
        drop(database);
        let restored = restored(&directory);
        assert_eq!(restored.messages[0].queues, [QueueId(2)]);
        assert!(restored.messages[0].is_acknowledged);
    }

    /// Otherwise a module that starts would wait until all messages are written again.
    #[test]
    fn a_new_subscription_takes_over_the_place_of_waiting_messages() {
        let directory = TempDir::new().unwrap();
        let open = || {
            let (store, restored) = Store::open(directory.path(), 1).unwrap();
            let hub = Hub::restored(Limits::default(), store.clone(), restored);
            (store, Arc::new(hub))
        };
        let topic: TopicName = "demo".parse::<Topic>().unwrap().into();
        let (_, hub) = open();
        let mut producer = hub.producer(topic.clone(), None).unwrap();
        for _ in 0..100 {
            producer.publish("}").1.unwrap();
        }
        hub.close_store();
        drop((producer, hub));

        let (store, hub) = open();
        let options = ConsumerOptions {
            kind: SubscriptionType::Shared,
            durable: true,
            on_close: OnClose::HandOver,
            retention: None,
            receiver_queue_size: None,
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
            max_deaths: None,
            run: None,
            hold: HoldOption::None,
        };
        for name in ["first", "second"] {
            let name = name.parse().unwrap();
            let mut consumer = hub.consumer(topic.clone(), name, &options).unwrap();
            consumer.leave();
        }
        assert!(store.ticket() < Ticket(20), "{:?}", store.ticket());
        store.close();
        drop(hub);
        let restored = restored(&directory);
        assert_eq!(restored.queues.len(), 1);
        let is_there = |message: &RestoredMessage| message.queues == [restored.queues[0].id];
        assert_eq!(
            restored.messages.iter().filter(|it| is_there(it)).count(),
            100
        );
    }

    /// The messages that wait for the disk are refused, and nobody waits for them.
    #[test]
    fn a_writer_that_panics_refuses_what_waits() {
        let test = TestStore::new();
        let shared = Arc::new(Shared::default());
        let (first, second) = (test.message(10), test.message(10));
        let changes = vec![held(&first, 1)];
        lock(&shared.recorded).changes = changes;
        lock(&shared.recorded).count = 1;
        let (begins, begun) = mpsc::channel();
        let (sender, receiver) = mpsc::channel::<()>();
        let writer = spawn("writer", &shared, move |shared| {
            let write = |_: &[Change]| -> Result<(), StoreError> {
                begins.send(()).unwrap();
                receiver.recv().unwrap();
                panic!("the disk is on fire");
            };
            Writer::new(HashSet::new(), write).run(shared);
        });
        begun.recv().unwrap();
        // Meanwhile another message comes.
        {
            let mut recorded = lock(&shared.recorded);
            recorded.changes.push(held(&second, 1));
            recorded.count = 2;
        }
        let wakes = Arc::new(Wakes::default());
        lock(&shared.waiting).add(&wakes.clone().into());
        sender.send(()).unwrap();
        writer.unwrap().join().unwrap_err();
        assert!(first.is_refused() && second.is_refused());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(shared.written.load(Ordering::Relaxed) >= 2);
        assert!(lock(&shared.recorded).is_closed);
        assert_eq!(test.store.refused(), 2);
    }

    #[test]
    fn a_closed_store_refuses_messages_at_once() {
        let test = TestStore::new();
        test.store.close();
        let home = Home::of_topic(&test.store, &test.topic, &SharedTenure::default());
        let message = test.message(10);
        let _held = Held::new(&home, &message);
        assert!(message.is_refused());
        assert!(message.load().is_none(), "its content is gone");
        let ticket = test.store.ticket();
        assert!(test.store.is_written(ticket, Waker::noop()));
    }

    /// While the disk is full, the writer remembers no more than what exists.
    #[test]
    fn a_full_disk_lets_nothing_gather() {
        let test = TestStore::new();
        let directory = TempDir::new().unwrap();
        let (mut database, _) = Database::open(directory.path(), 1).unwrap();
        let kept = test.message(50_000);
        let write = |changes: &[Change]| {
            let is_full = changes.iter().any(|change| {
                matches!(change, Change::Queue(queue) if queue.id.0 > 1)
                    || matches!(change, Change::Held { message, .. } if !message.is_stored() && message.size() < 1000)
            });
            match is_full {
                true => Err(StoreError::InUse),
                false => database.write(changes),
            }
        };
        let mut writer = Writer::new(HashSet::new(), write);
        writer.write(vec![test.queue(0), test.queue(1), held(&kept, 0)]);
        assert!(kept.is_stored());
        for number in 2..2000 {
            let refused = test.message(10);
            let back = |redeliveries| Change::History {
                message: kept.clone(),
                queue: QueueId(0),
                counts: Counts {
                    redeliveries,
                    ..Counts::default()
                },
            };
            writer.write(vec![
                test.queue(number),
                held(&refused, number),
                Change::QueueEnded(QueueId(number)),
                back(u32::try_from(number).unwrap()),
                test.queue(1),
            ]);
            assert!(refused.is_refused());
            assert!(writer.unwritten.len() <= 2, "{:?}", writer.unwritten);
        }
        // What needs no room is written meanwhile.
        assert!(writer.unwritten.is_empty());
        let counts = restored(&directory).histories;
        assert_eq!(counts[&(kept.sequence, QueueId(0))].redeliveries, 1999);
    }

    #[test]
    fn the_last_change_of_a_subject_stays() {
        let test = TestStore::new();
        let (kept, removed) = (test.message(1), test.message(1));
        let released = |message: &Message, queue| Change::Released {
            message: message.clone(),
            queue: QueueId(queue),
        };
        let mut changes = vec![
            held(&kept, 1),
            released(&kept, 1),
            held(&kept, 2),
            held(&kept, 1),
            held(&removed, 1),
            released(&removed, 1),
            Change::Removed {
                message: removed.clone(),
            },
            test.queue(1),
            Change::QueueEnded(QueueId(1)),
            test.queue(2),
            Change::QueueEnded(QueueId(2)),
        ];
        Change::compact(&mut changes, &HashSet::from([QueueId(2)]));
        let [
            Change::Held { queue: a, .. },
            Change::Held { queue: b, .. },
            Change::Removed { .. },
            Change::QueueEnded(QueueId(2)),
        ] = &changes[..]
        else {
            panic!("{changes:?}");
        };
        assert_eq!([*a, *b], [QueueId(2), QueueId(1)]);
    }
}
