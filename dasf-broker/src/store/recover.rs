//! Saves what can be read of a damaged store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row};

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
        recovered.queues += copy(row, &new, "queue")?;
        Ok(())
    })?;
    let unreadable = for_each_row(&old, "message", "sequence", |row| {
        let first: Vec<u8> = row.get("first")?;
        let payload: Option<Vec<u8>> = row.get("payload")?;
        if row.get::<_, u32>("checksum")? != database::checksum(&first, payload.as_deref()) {
            recovered.damaged_messages += 1;
            return Ok(());
        }
        recovered.messages += copy(row, &new, "message")?;
        Ok(())
    })?;
    recovered.damaged_messages += unreadable;
    // Without these, a subscription would not get a message that another one has, too.
    for table in ["place", "released", "history"] {
        copy_readable(&old, &new, table)?;
    }
    new.commit()?;
    Ok(recovered)
}

/// Copies the rows of a table to the first one that cannot be read.
fn copy_readable(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<()> {
    if let Ok(mut select) = old.prepare(&format!("SELECT * FROM {table}"))
        && let Ok(mut rows) = select.query(())
    {
        while let Ok(Some(row)) = rows.next() {
            copy(row, new, table)?;
        }
    }
    Ok(())
}

/// Copies a row. Returns the number of new rows.
fn copy(row: &Row<'_>, new: &Connection, table: &str) -> rusqlite::Result<u64> {
    let columns: Vec<_> = row.as_ref().column_names().collect();
    let places = vec!["?"; columns.len()].join(", ");
    let values: Vec<Value> = (0..columns.len())
        .map(|column| row.get(column))
        .collect::<Result<_, _>>()?;
    let insert = format!(
        "INSERT OR IGNORE INTO {table} ({}) VALUES ({places})",
        columns.join(", ")
    );
    let mut insert = new.prepare_cached(&insert)?;
    Ok(insert.execute(rusqlite::params_from_iter(values))? as u64)
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
