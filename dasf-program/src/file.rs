//! The file of a log, which another program may move away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The file of a log.
///
/// A program that rotates logs renames the file, and asks for a new one with SIGHUP:
///
/// ```
/// use dasf_program::{LogFormat, start_log_file};
///
/// # let directory = std::env::temp_dir().join(format!("dasf-log-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("module.log");
/// let (writer, guard) = start_log_file(path.clone(), LogFormat::Text)?;
/// std::fs::rename(&path, path.with_extension("1"))?;
/// if let Some(file) = guard.file() {
///     file.reopen();
/// }
/// assert!(path.exists());
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogFile {
    path: PathBuf,
    next: Arc<Mutex<Option<File>>>,
}

impl LogFile {
    /// Opens the file again, and creates it if it is not there. The lines that wait, and all later ones, go to
    /// this file. The log tells whether this succeeded. If not, it goes on in the old file.
    pub fn reopen(&self) {
        match append(&self.path) {
            Ok(file) => {
                *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
                tracing::info!("the log file is opened again");
            }
            Err(error) => {
                let file = self.path.display();
                tracing::warn!(%file, %error, "the log goes on in the old file: the new one cannot be written");
            }
        }
    }
}

/// Appends to the file that was opened last.
pub(crate) struct Appended {
    current: File,
    next: Arc<Mutex<Option<File>>>,
}

/// Opens a file for appending.
pub(crate) fn open(path: PathBuf) -> io::Result<(LogFile, Appended)> {
    let current = append(&path)?;
    let next = Arc::default();
    let file = LogFile {
        path,
        next: Arc::clone(&next),
    };
    Ok((file, Appended { current, next }))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for Appended {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let next = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(next) = next {
            self.current = next;
        }
        self.current.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_moved_away_gets_no_further_lines() {
        let directory = std::env::temp_dir().join(format!("dasf-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("log");
        let moved = directory.join("log.1");
        let (file, mut appended) = open(path.clone()).unwrap();
        appended.write_all(b"first\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        appended.write_all(b"second\n").unwrap();
        file.reopen();
        appended.write_all(b"third\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "first\nsecond\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
        // A file that cannot be opened leaves the old one.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        file.reopen();
        appended.write_all(b"fourth\n").unwrap();
        fs::remove_dir_all(&directory).unwrap();
    }
}
