//! Starts a module again when its program has been built again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::Error;

/// How often the file of the program is looked at. It counts as complete if two looks see the same.
const LOOK: Duration = Duration::from_millis(250);

/// The program of this process.
pub(super) struct Program {
    path: PathBuf,
    first: Option<FileState>,
}

/// What changes when a file is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    modified: SystemTime,
    size: u64,
}

impl Program {
    /// Notes the state of the file of this process.
    ///
    /// # Errors
    /// [`Error::Failed`] if the operating system does not tell which file that is, and [`Error::Usage`] where a
    /// process cannot become another program.
    pub(super) fn of_process() -> Result<Self, Error> {
        if !cfg!(unix) {
            return Err(Error::usage("--reload needs Unix"));
        }
        let path = std::env::current_exe().map_err(|error| {
            Error::Failed(format!("the file of this program is not known: {error}"))
        })?;
        let program = Self { path, first: None };
        Ok(Self {
            first: program.state(),
            ..program
        })
    }

    fn state(&self) -> Option<FileState> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some(FileState {
            modified: metadata.modified().ok()?,
            size: metadata.len(),
        })
    }

    /// Waits until the file has another state than at the start, and keeps it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn built_again(&self) {
        let mut last = self.first;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.state();
            if now.is_some() && now == last && now != self.first {
                return;
            }
            last = now;
        }
    }

    /// Lets this process become the new program, with the same command line. Returns only the error.
    pub(super) fn start_again(&self) -> Error {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let error = become_program(Command::new(&self.path).args(arguments), name);
        let path = self.path.display();
        Error::Failed(format!("the new program {path} does not start: {error}"))
    }
}

#[cfg(unix)]
fn become_program(command: &mut Command, name: OsString) -> std::io::Error {
    use std::os::unix::process::CommandExt;

    command.arg0(name).exec()
}

#[cfg(not(unix))]
fn become_program(_: &mut Command, _: OsString) -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}
