//! The tables of the store, and what is read from them and written to them.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use dasf_protocol::Subscription as SubscriptionName;
use dasf_protocol::link::Frames;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};

use super::change::{Change, Counts, QueueId, QueueRecord, SubscriptionRecord};
use super::error::StoreError;
use super::restored::{Restored, RestoredMessage};
use crate::access::Tenure;
use crate::message::Content;
use crate::topic::{OnClose, SubscriptionType, TopicName};

/// The file in the data directory. The write-ahead log is beside it.
pub(super) const FILE: &str = "messages.sqlite";

/// Marks a database as one of a broker: `dasf` in ASCII.
const APPLICATION_ID: i32 = 0x6461_7366;

/// The version of the tables.
const VERSION: i32 = 3;

/// What the second version lacks.
const UPGRADE_OF_2: &str = "
ALTER TABLE queue ADD COLUMN hold INTEGER;
ALTER TABLE queue ADD COLUMN dead TEXT;
ALTER TABLE message ADD COLUMN keep INTEGER;
ALTER TABLE history ADD COLUMN attempts TEXT NOT NULL DEFAULT '[]';
";

/// A message is in the queue that its row names, unless the table `released` says that it has left it, and in
/// those of the table `place`. Nearly all messages are in one queue. The row of a message never changes,
/// because to write its content again may take long.
const TABLES: &str = "
CREATE TABLE broker (
    -- The part of all message ids that marks this store.
    run INTEGER NOT NULL,
    -- The number of starts.
    starts INTEGER NOT NULL
) STRICT;
CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    namespace TEXT NOT NULL,
    topic TEXT NOT NULL,
    -- NULL for the messages of a topic that no subscription has.
    subscription TEXT,
    exclusive INTEGER NOT NULL,
    on_close INTEGER NOT NULL,
    since INTEGER NOT NULL,
    -- Seconds. NULL if no consumer has asked for a time.
    retention INTEGER,
    -- What the topic is for, and to whom it belongs; NULL if it is not known.
    tenure TEXT,
    -- The seconds for which the topic holds the messages without a use; NULL if the queue is no hold.
    hold INTEGER,
    -- What is known of a request that is put aside, as JSON. NULL for all other queues.
    dead TEXT
) STRICT;
CREATE TABLE message (
    sequence INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    -- Microseconds since 1970.
    published INTEGER NOT NULL,
    -- The text of a delivery, or the frames of one on a link.
    is_text INTEGER NOT NULL,
    -- The CRC-32 of `first` and `payload`.
    checksum INTEGER NOT NULL,
    first BLOB NOT NULL,
    payload BLOB,
    -- The seconds for which the broker keeps the message while nobody reads its topic. NULL if that is the
    -- matter of the topic.
    keep INTEGER
) STRICT;
CREATE TABLE place (
    sequence INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    PRIMARY KEY (sequence, queue)
) STRICT, WITHOUT ROWID;
-- Messages that have left a queue, and not the others.
CREATE TABLE released (
    sequence INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    -- Whether a consumer of any queue had acknowledged the message.
    acknowledged INTEGER NOT NULL,
    PRIMARY KEY (sequence, queue)
) STRICT, WITHOUT ROWID;
-- Messages that have come back to their queues.
CREATE TABLE history (
    sequence INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    redeliveries INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    -- The runs of the consumers that were lost with the message, of eight bytes each, big endian.
    lost BLOB NOT NULL,
    -- Deliveries that no acknowledgement ended, as JSON.
    attempts TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (sequence, queue)
) STRICT, WITHOUT ROWID;
";

/// The database of a broker.
#[derive(Debug)]
pub(super) struct Database(Connection);

impl Database {
    /// Opens the database in a directory, and creates it if there is none.
    pub(super) fn open(directory: &Path, new_run: u64) -> Result<(Self, Restored), StoreError> {
        let mut connection = Connection::open(directory.join(FILE))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit returns when the write-ahead log is on the disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction()?;
        if table_count(&transaction)? == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.execute("INSERT INTO broker VALUES (?, 0)", [signed(new_run)])?;
        }
        check_origin(&transaction)?;
        upgrade(&transaction)?;
        transaction.execute("UPDATE broker SET starts = starts + 1", ())?;
        let restored = restore(&transaction)?;
        transaction.commit()?;
        Ok((Self(connection), restored))
    }

    /// Opens the database in a directory for reading messages.
    pub(super) fn open_reader(directory: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self(Connection::open_with_flags(
            directory.join(FILE),
            flags,
        )?))
    }

    pub(super) fn transaction(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.0.transaction()
    }

    /// Makes changes, all or none. Returns when they are on the disk.
    pub(super) fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let transaction = self.0.transaction()?;
        let mut inserted = HashSet::new();
        for change in changes {
            write_change(&transaction, change, &mut inserted)?;
        }
        Ok(transaction.commit()?)
    }

    /// Returns the content of a message, if the message is there.
    pub(super) fn content(&self, sequence: u64) -> Result<Option<Content>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT published, is_text, checksum, first, payload FROM message WHERE sequence = ?",
        )?;
        let found = select.query_row([signed(sequence)], |row| {
            let first: Vec<u8> = row.get(3)?;
            let payload: Option<Vec<u8>> = row.get(4)?;
            let head = (
                time(row.get(0)?),
                row.get::<_, bool>(1)?,
                row.get::<_, u32>(2)?,
            );
            Ok((head, first, payload))
        });
        let Some(((published, is_text, sum), first, payload)) = found.optional()? else {
            return Ok(None);
        };
        if sum != checksum(&first, payload.as_deref()) {
            let what = "the content of a message is not what the broker wrote".to_owned();
            return Err(StoreError::Damaged { what });
        }
        if !is_text {
            let frames = Frames {
                first: first.into(),
                payload: payload.map(Bytes::from),
            };
            return Ok(Some(Content::of_frames(published, frames)));
        }
        let text = String::from_utf8(first).map_err(|_| StoreError::Damaged {
            what: "the text of a message is not UTF-8".to_owned(),
        })?;
        Ok(Some(Content::Text(text.into())))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged {
                what: error.to_string(),
            },
            _ => Self::Database(Box::new(error)),
        }
    }
}

fn table_count(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
}

fn check_origin(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign);
    }
    match pragma("user_version")? {
        2..=VERSION => Ok(()),
        found => Err(StoreError::Version {
            found,
            known: VERSION,
        }),
    }
}

/// Brings the tables of an earlier version to this one.
fn upgrade(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 2 {
        transaction.execute_batch(UPGRADE_OF_2)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}

fn restore(transaction: &Transaction<'_>) -> Result<Restored, StoreError> {
    let (run, starts) = transaction.query_row("SELECT run, starts FROM broker", (), |row| {
        Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
    })?;
    let mut places: HashMap<u64, Vec<QueueId>> = HashMap::new();
    let mut select = transaction.prepare("SELECT sequence, queue FROM place")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let queue = QueueId(unsigned(row.get(1)?));
        places.entry(unsigned(row.get(0)?)).or_default().push(queue);
    }
    let (histories, released) = (histories(transaction)?, released(transaction)?);
    let with_history: HashSet<_> = histories.keys().map(|(sequence, _)| *sequence).collect();
    let mut queues = Vec::new();
    let mut select = transaction.prepare("SELECT * FROM queue")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        queues.push(queue(row)?);
    }
    let mut messages = Vec::new();
    let mut select = transaction.prepare(
        "SELECT sequence, queue, published, length(first) + ifnull(length(payload), 0), keep
        FROM message ORDER BY sequence",
    )?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let sequence = unsigned(row.get(0)?);
        let mut queues = places.remove(&sequence).unwrap_or_default();
        let first = QueueId(unsigned(row.get(1)?));
        let released = released.get(&sequence);
        if released.is_none_or(|released| !released.queues.contains(&first)) {
            queues.push(first);
        }
        messages.push(RestoredMessage {
            sequence,
            published: time(row.get(2)?),
            is_acknowledged: released.is_some_and(|released| released.is_acknowledged),
            size: usize::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
            keep: Duration::from_secs(unsigned(row.get::<_, Option<i64>>(4)?.unwrap_or_default())),
            queues,
            has_more_rows: released.is_some() || with_history.contains(&sequence),
        });
    }
    Ok(Restored {
        run,
        starts,
        queues,
        messages,
        histories,
    })
}

/// The queues that a message has left.
#[derive(Default)]
struct Released {
    queues: Vec<QueueId>,
    is_acknowledged: bool,
}

fn released(transaction: &Transaction<'_>) -> rusqlite::Result<HashMap<u64, Released>> {
    let mut all: HashMap<_, Released> = HashMap::new();
    let mut select = transaction.prepare("SELECT sequence, queue, acknowledged FROM released")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let released = all.entry(unsigned(row.get(0)?)).or_default();
        released.queues.push(QueueId(unsigned(row.get(1)?)));
        released.is_acknowledged |= row.get::<_, bool>(2)?;
    }
    Ok(all)
}

fn histories(transaction: &Transaction<'_>) -> Result<HashMap<(u64, QueueId), Counts>, StoreError> {
    let mut histories = HashMap::new();
    let mut select = transaction.prepare("SELECT * FROM history")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let place = (unsigned(row.get(0)?), QueueId(unsigned(row.get(1)?)));
        let lost: Vec<u8> = row.get("lost")?;
        let attempts: String = row.get("attempts")?;
        let (runs, _) = lost.as_chunks();
        let counts = Counts {
            redeliveries: row.get(2)?,
            returned: row.get(3)?,
            lost: runs.iter().copied().map(u64::from_be_bytes).collect(),
            // They are only shown, so nothing depends on them.
            attempts: serde_json::from_str(&attempts).unwrap_or_default(),
        };
        histories.insert(place, counts);
    }
    Ok(histories)
}

fn queue(row: &rusqlite::Row<'_>) -> Result<QueueRecord, StoreError> {
    let damaged = |what: &str| StoreError::Damaged {
        what: what.to_owned(),
    };
    let topic: String = row.get(3)?;
    let topic = topic
        .parse()
        .map_err(|_| damaged("a topic has no valid name"))?;
    let topic = TopicName::new(row.get(1)?, row.get(2)?, topic);
    let name: Option<String> = row.get(4)?;
    let subscription = match name {
        None => None,
        Some(name) => Some(SubscriptionRecord {
            name: name
                .parse::<SubscriptionName>()
                .map_err(|_| damaged("a subscription has no valid name"))?,
            kind: match row.get(5)? {
                true => SubscriptionType::Exclusive,
                false => SubscriptionType::Shared,
            },
            on_close: match row.get::<_, i64>(6)? {
                0 => OnClose::Keep,
                1 => OnClose::HandOver,
                _ => OnClose::Discard,
            },
            since: unsigned(row.get(7)?),
            retention: row
                .get::<_, Option<i64>>("retention")?
                .map(|seconds| Duration::from_secs(unsigned(seconds))),
        }),
    };
    let tenure: Option<String> = row.get("tenure")?;
    Ok(QueueRecord {
        id: QueueId(unsigned(row.get(0)?)),
        topic,
        tenure: tenure.and_then(|text| Tenure::from_text(&text)),
        subscription,
        hold: row
            .get::<_, Option<i64>>("hold")?
            .map(|seconds| Duration::from_secs(unsigned(seconds))),
        dead: row.get("dead")?,
    })
}

/// Makes a change. `inserted` has the messages that this transaction has inserted.
fn write_change(
    transaction: &Transaction<'_>,
    change: &Change,
    inserted: &mut HashSet<u64>,
) -> rusqlite::Result<()> {
    let execute = |sql, params: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(params).map(drop)
    };
    match change {
        Change::Queue(QueueRecord {
            id,
            topic,
            tenure,
            subscription,
            hold,
            dead,
        }) => {
            let it = subscription.as_ref();
            execute(
                "INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    signed(id.0),
                    topic.tenant(),
                    topic.namespace(),
                    topic.topic().as_str(),
                    it.map(|it| it.name.as_str()),
                    it.is_some_and(|it| it.kind == SubscriptionType::Exclusive),
                    match it.map(|it| it.on_close) {
                        None | Some(OnClose::Keep) => 0,
                        Some(OnClose::HandOver) => 1,
                        Some(OnClose::Discard) => 2,
                    },
                    signed(it.map_or(0, |it| it.since)),
                    it.and_then(|it| it.retention)
                        .map(|retention| signed(retention.as_secs())),
                    tenure.as_ref().map(Tenure::to_text),
                    hold.map(|retention| signed(retention.as_secs())),
                    dead,
                ],
            )
        }
        Change::QueueEnded(id) => execute("DELETE FROM queue WHERE id = ?", &[&signed(id.0)]),
        Change::Held { message, queue } => {
            let content = message.unstored_content();
            let Some(content) = content.filter(|_| inserted.insert(message.sequence)) else {
                return execute(
                    "INSERT OR IGNORE INTO place VALUES (?, ?)",
                    params![signed(message.sequence), signed(queue.0)],
                );
            };
            let (is_text, first, payload) = match &*content {
                Content::Text(text) => (true, text.as_bytes(), None),
                Content::Link(link) => {
                    let frames = &link.frames;
                    (false, &frames.first[..], frames.payload.as_deref())
                }
            };
            execute(
                "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    signed(message.sequence),
                    signed(queue.0),
                    message.time().map(micros),
                    is_text,
                    checksum(first, payload),
                    first,
                    payload,
                    Some(message.keep().as_secs())
                        .filter(|seconds| *seconds > 0)
                        .map(signed),
                ],
            )
        }
        Change::History {
            message,
            queue,
            counts,
        } => {
            let lost = counts.lost.iter().flat_map(|run| run.to_be_bytes());
            let attempts = serde_json::to_string(&counts.attempts);
            let attempts = attempts.unwrap_or_else(|_| "[]".to_owned());
            execute(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    signed(message.sequence),
                    signed(queue.0),
                    counts.redeliveries,
                    counts.returned,
                    lost.collect::<Vec<_>>(),
                    attempts,
                ],
            )
        }
        Change::Released { message, queue } => {
            let (sequence, queue) = (signed(message.sequence), signed(queue.0));
            let place = params![sequence, queue];
            execute("DELETE FROM place WHERE sequence = ? AND queue = ?", place)?;
            execute(
                "DELETE FROM history WHERE sequence = ? AND queue = ?",
                place,
            )?;
            execute(
                "INSERT OR REPLACE INTO released VALUES (?, ?, ?)",
                params![sequence, queue, message.is_acknowledged()],
            )
        }
        Change::Removed { message } => {
            let sequence = signed(message.sequence);
            execute("DELETE FROM message WHERE sequence = ?", &[&sequence])?;
            if message.has_more_rows() {
                execute("DELETE FROM history WHERE sequence = ?", &[&sequence])?;
                execute("DELETE FROM released WHERE sequence = ?", &[&sequence])?;
            }
            execute("DELETE FROM place WHERE sequence = ?", &[&sequence])
        }
    }
}

pub(super) fn checksum(first: &[u8], payload: Option<&[u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(first);
    hasher.update(payload.unwrap_or_default());
    hasher.finalize()
}

/// The database has signed numbers. The order of numbers below 2^63 stays.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

fn micros(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros.try_into().unwrap_or_default())
}
