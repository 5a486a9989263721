//! Saves what can be read of a damaged store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::types::Null;
use rusqlite::{Connection, OpenFlags, Row, ToSql, params};

use super::database::{self, Database};
use super::directory::DirectoryLock;
use super::error::StoreError;

/// What [`recover`](crate::recover) has saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The messages that the new directory has.
    pub messages: u64,
    /// The messages that were found and whose content is damaged. There may be others that were not found.
    pub damaged_messages: u64,
    /// The subscriptions, and the topics with messages that no subscription has.
    pub queues: u64,
}

/// The number of columns of the table `queue`.
const QUEUE_COLUMNS: usize = 9;

/// Copies what can be read from one data directory to another, which must not have a database.
pub(crate) fn recover(from: &Path, to: &Path) -> Result<Recovered, StoreError> {
    let _from = DirectoryLock::new(from)?;
    let _to = DirectoryLock::new(to)?;
    if fs::exists(to.join(database::FILE)).unwrap_or(true) {
        return Err(StoreError::NotEmpty);
    }
    let old =
        Connection::open_with_flags(from.join(database::FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let run = old.query_row("SELECT run FROM broker", (), |row| row.get::<_, i64>(0));
    let new_run = run.map_or_else(
        |_| crate::message::MessageIds::new_run(),
        i64::cast_unsigned,
    );
    let (mut new, _) = Database::open(to, new_run)?;
    let new = new.transaction()?;
    let mut recovered = Recovered::default();
    // The next start counts on from here, so that no number is used again.
    if let Ok(starts) = old.query_row("SELECT starts FROM broker", (), |row| row.get::<_, i64>(0)) {
        new.execute("UPDATE broker SET starts = ?", [starts])?;
    }
    for_each_row(&old, "queue", "id", |row| {
        let mut values = values(row)?;
        // An earlier version has no column for what the topic is for.
        values.resize_with(QUEUE_COLUMNS, || Box::new(Null));
        recovered.queues += new.execute(
            "INSERT OR IGNORE INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rusqlite::params_from_iter(values),
        )? as u64;
        Ok(())
    })?;
    let unreadable = for_each_row(&old, "message", "sequence", |row| {
        let first: Vec<u8> = row.get("first")?;
        let payload: Option<Vec<u8>> = row.get("payload")?;
        if row.get::<_, u32>("checksum")? != database::checksum(&first, payload.as_deref()) {
            recovered.damaged_messages += 1;
            return Ok(());
        }
        let values = values(row)?;
        recovered.messages += new.execute(
            "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rusqlite::params_from_iter(values),
        )? as u64;
        Ok(())
    })?;
    recovered.damaged_messages += unreadable;
    // Without these, a subscription would not get a message that another one has, too.
    if let Ok(mut select) = old.prepare("SELECT sequence, queue FROM place")
        && let Ok(mut rows) = select.query(())
    {
        while let Ok(Some(row)) = rows.next() {
            let place: (i64, i64) = (row.get(0)?, row.get(1)?);
            new.execute(
                "INSERT OR IGNORE INTO place VALUES (?, ?)",
                params![place.0, place.1],
            )?;
        }
    }
    new.commit()?;
    Ok(recovered)
}

fn values(row: &Row<'_>) -> rusqlite::Result<Vec<Box<dyn ToSql>>> {
    let count = row.as_ref().column_count();
    (0..count)
        .map(|column| row.get::<_, rusqlite::types::Value>(column))
        .map(|value| value.map(|value| Box::new(value) as Box<dyn ToSql>))
        .collect()
}

/// Runs a function on the rows of a table that can be read. Returns the number of the others that were
/// found.
fn for_each_row(
    old: &Connection,
    table: &str,
    key: &str,
    mut save: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<u64> {
    let mut damaged = 0;
    let mut select = old.prepare(&format!("SELECT * FROM {table} WHERE {key} = ?"))?;
    for key in keys(old, table, key)? {
        let mut rows = select.query([key])?;
        match rows.next() {
            Ok(Some(row)) => save(row)?,
            Ok(None) => {}
            Err(_) => damaged += 1,
        }
    }
    Ok(damaged)
}

/// Returns the keys of a table: forwards to the first damage of the tree, and backwards to the last one.
fn keys(old: &Connection, table: &str, key: &str) -> rusqlite::Result<BTreeSet<i64>> {
    let mut keys = BTreeSet::new();
    for order in ["ASC", "DESC"] {
        let mut select =
            old.prepare(&format!("SELECT {key} FROM {table} ORDER BY {key} {order}"))?;
        let mut rows = select.query(())?;
        loop {
            match rows.next() {
                Ok(Some(row)) => keys.insert(row.get(0)?),
                // All keys are read.
                Ok(None) => return Ok(keys),
                Err(_) => break,
            };
        }
    }
    Ok(keys)
}
