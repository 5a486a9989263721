//! `redb`, a B-tree that is written copy on write, with checksums.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

use crate::store::{Message, Result, Store};

const MESSAGES: TableDefinition<u64, &[u8]> = TableDefinition::new("messages");

pub(crate) struct Redb(Database);

impl Store for Redb {
    fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(64 * 1024 * 1024)
            .create(folder.join("messages.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(MESSAGES)?;
        transaction.commit()?;
        Ok(Self(database))
    }

    fn commit(&mut self, added: &[Message], removed: &[u64]) -> Result<()> {
        let mut transaction = self.0.begin_write()?;
        // Otherwise a restart after a crash reads the whole file.
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(MESSAGES)?;
            for (sequence, content) in added {
                table.insert(sequence, content.as_slice())?;
            }
            for sequence in removed {
                table.remove(sequence)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Message>> {
        let transaction = self.0.begin_read()?;
        let table = transaction.open_table(MESSAGES)?;
        let mut messages = Vec::new();
        for entry in table.range(from..)?.take(max) {
            let (sequence, content) = entry?;
            messages.push((sequence.value(), content.value().to_vec()));
        }
        Ok(messages)
    }
}
