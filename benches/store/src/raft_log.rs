//! `raft-engine`, the log of TiKV: files of entries, with an index in memory. It removes entries only from
//! the beginning of a log. A broker would have to keep the numbers of those that are acknowledged out of
//! order beside it.

use std::path::Path;

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt};

use crate::store::{Message, Result, Store};

const LOG: u64 = 1;

/// How many commits pass between two searches for files that are not needed any more.
const PURGE_INTERVAL: u32 = 1024;

pub(crate) struct RaftLog {
    engine: Engine,
    commits: u32,
}

#[derive(Clone)]
struct Entry;

impl MessageExt for Entry {
    type Entry = BytesValue;

    /// The number of a message is in the first bytes of its entry.
    fn index(entry: &BytesValue) -> u64 {
        entry
            .value
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

fn entry((sequence, content): &Message) -> BytesValue {
    let mut value = sequence.to_be_bytes().to_vec();
    value.extend_from_slice(content);
    BytesValue {
        value,
        ..BytesValue::default()
    }
}

impl Store for RaftLog {
    fn open(folder: &Path) -> Result<Self> {
        let config = Config {
            dir: folder.join("log").to_string_lossy().into_owned(),
            ..Config::default()
        };
        let engine = Engine::open(config)?;
        Ok(Self { engine, commits: 0 })
    }

    fn commit(&mut self, added: &[Message], removed: &[u64]) -> Result<()> {
        let mut batch = LogBatch::default();
        let entries: Vec<_> = added.iter().map(entry).collect();
        batch.add_entries::<Entry>(LOG, &entries)?;
        if let Some(last) = removed.last() {
            batch.add_command(LOG, raft_engine::Command::Compact { index: last + 1 });
        }
        self.engine.write(&mut batch, true)?;
        self.commits += 1;
        if self.commits.is_multiple_of(PURGE_INTERVAL) {
            self.engine.purge_expired_files()?;
        }
        Ok(())
    }

    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Message>> {
        let (Some(first), Some(last)) = (self.engine.first_index(LOG), self.engine.last_index(LOG))
        else {
            return Ok(Vec::new());
        };
        let from = from.max(first);
        if from > last {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        let to = (last + 1).min(from + max as u64);
        self.engine
            .fetch_entries_to::<Entry>(LOG, from, to, None, &mut entries)?;
        Ok(entries
            .into_iter()
            .map(|entry| (Entry::index(&entry), entry.value[8..].to_vec()))
            .collect())
    }
}
