//! The data directory, which one broker at a time uses.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::error::StoreError;

/// The lock of a data directory. A drop, and the end of the process, free it.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl DirectoryLock {
    /// Creates the directory if it is missing, and locks it.
    pub(super) fn new(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        let open = || -> io::Result<File> {
            fs::create_dir_all(directory)?;
            File::create(&path)
        };
        let failed = |source| StoreError::File {
            path: path.clone(),
            source,
        };
        let file = open().map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // A process that another thread starts just now has the open file, too, until it runs its program.
        let _ = self.0.unlock();
    }
}
