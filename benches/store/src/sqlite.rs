//! SQLite with a write-ahead log that is synchronized at each commit.

use std::path::Path;

use rusqlite::Connection;

use crate::store::{Message, Result, Store};

pub(crate) struct Sqlite(Connection);

impl Store for Sqlite {
    fn open(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("messages.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute(
            "CREATE TABLE IF NOT EXISTS message (sequence INTEGER PRIMARY KEY, content BLOB NOT NULL)",
            (),
        )?;
        Ok(Self(connection))
    }

    fn commit(&mut self, added: &[Message], removed: &[u64]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut add = transaction.prepare_cached("INSERT INTO message VALUES (?, ?)")?;
            for (sequence, content) in added {
                add.execute((*sequence as i64, content))?;
            }
            let mut remove =
                transaction.prepare_cached("DELETE FROM message WHERE sequence = ?")?;
            for sequence in removed {
                remove.execute([*sequence as i64])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Message>> {
        let mut select = self.0.prepare_cached(
            "SELECT * FROM message WHERE sequence >= ? ORDER BY sequence LIMIT ?",
        )?;
        let rows = select.query_map((from as i64, max as i64), |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
