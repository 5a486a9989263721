//! What a broker needs of its store.

use std::error::Error;
use std::path::Path;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A message: its number, and its content.
pub(crate) type Message = (u64, Vec<u8>);

pub(crate) trait Store: Sized {
    fn open(folder: &Path) -> Result<Self>;

    /// Adds messages and removes others. Returns when all of it is on the disk.
    fn commit(&mut self, added: &[Message], removed: &[u64]) -> Result<()>;

    /// Returns the messages from this number on, at most `max`.
    fn read(&mut self, from: u64, max: usize) -> Result<Vec<Message>>;
}
