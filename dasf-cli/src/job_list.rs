//! The list of the jobs that the user has submitted: a file with one JSON object on each line.

use std::io::{self, Write};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use dasf::cli::{Error, UserFolder, create_folder_of};
use dasf::client::JobId;
use serde::{Deserialize, Serialize};

use crate::user_files;

/// The largest number of lines. A further job takes the place of the oldest one.
const MAX_LINES: usize = 10_000;
/// The largest size of the file, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// A job that the user has submitted, or was about to submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: JobId,
    /// The function, or the method as CLASS.METHOD.
    pub(crate) function: String,
    /// The address of the broker, without secrets.
    pub(crate) address: String,
    /// When the job was submitted.
    pub(crate) time: DateTime<Utc>,
}

/// The file of the list. Several programs may use it at once, and only its user can read it: at a broker
/// without users, whoever knows the id of a job can read its result.
#[derive(Debug, Clone)]
pub(crate) struct JobList {
    path: PathBuf,
}

impl JobList {
    /// Returns the list of the user: `dasf/jobs.jsonl` in the folder for the data of programs.
    ///
    /// # Errors
    /// [`Error::Failed`] when the environment names no such folder.
    pub(crate) fn of_user() -> Result<Self, Error> {
        let folder = UserFolder::Data.path().ok_or_else(|| {
            Error::Failed(
                "there is no folder for the list of jobs, because the user has no home directory; set XDG_DATA_HOME"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            path: folder.join("dasf").join("jobs.jsonl"),
        })
    }

    /// Returns the jobs, the oldest first. Skips lines that cannot be read.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be read.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let bytes = self.read().map_err(|error| self.failed("read", &error))?;
        Ok(lines(&bytes).filter_map(entry).collect())
    }

    /// Adds a job, if the list does not have it. Returns whether it was added.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be written.
    pub(crate) fn add(&self, entry: &Entry) -> Result<bool, Error> {
        self.try_add(entry)
            .map_err(|error| self.failed("written", &error))
    }

    /// Removes a job, if the list has it.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be written.
    pub(crate) fn remove(&self, id: &JobId) -> Result<(), Error> {
        self.try_remove(id)
            .map_err(|error| self.failed("written", &error))
    }

    fn try_add(&self, new: &Entry) -> io::Result<bool> {
        create_folder_of(&self.path)?;
        let _lock = user_files::lock(&self.path)?;
        let before = self.read()?;
        if lines(&before).filter_map(entry).any(|old| old.id == new.id) {
            return Ok(false);
        }
        let line = serde_json::to_string(new)? + "\n";
        let count = lines(&before).count();
        if count >= MAX_LINES {
            let kept = lines(&before).skip(count + 1 - MAX_LINES);
            self.replace(kept.chain([line.trim_end().as_bytes()]))?;
            return Ok(true);
        }
        let mut file = user_files::private().append(true).open(&self.path)?;
        // A program that was killed may have left a line without its end.
        let is_cut = before.last().is_some_and(|last| *last != b'\n');
        let text = if is_cut { format!("\n{line}") } else { line };
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        Ok(true)
    }

    fn try_remove(&self, id: &JobId) -> io::Result<()> {
        let is_it = |line: &&[u8]| entry(line).is_some_and(|entry| entry.id == *id);
        if !lines(&self.read()?).any(|line| is_it(&line)) {
            return Ok(());
        }
        let _lock = user_files::lock(&self.path)?;
        // Another program may have changed the list before this one had the lock.
        let before = self.read()?;
        self.replace(lines(&before).filter(|line| !is_it(line)))
    }

    /// Writes the whole list.
    fn replace<'l>(&self, lines: impl Iterator<Item = &'l [u8]>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        user_files::replace(&self.path, &text)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        user_files::read(&self.path, MAX_SIZE)
    }

    fn failed(&self, action: &str, error: &io::Error) -> Error {
        let path = self.path.display();
        Error::Failed(format!(
            "the list of jobs {path} cannot be {action}: {error}"
        ))
    }
}

/// Returns the lines that are not empty.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.trim_ascii().is_empty())
}

fn entry(line: &[u8]) -> Option<Entry> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::thread;

    use super::*;

    fn list(folder: &tempfile::TempDir) -> JobList {
        JobList {
            path: folder.path().join("data/dasf/jobs.jsonl"),
        }
    }

    fn job(number: usize) -> Entry {
        Entry {
            id: format!("t.t_{number}.{number}").parse().unwrap(),
            function: "add".to_owned(),
            address: "ws://localhost:8080".to_owned(),
            time: DateTime::UNIX_EPOCH,
        }
    }

    fn numbers(list: &JobList) -> Vec<String> {
        let entries = list.entries().unwrap().into_iter();
        entries.map(|it| it.id.context().to_owned()).collect()
    }

    #[test]
    fn jobs_are_added_once_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        assert_eq!(list.entries().unwrap(), []);
        list.remove(&job(1).id).unwrap();
        for number in 1..=3 {
            assert!(list.add(&job(number)).unwrap());
        }
        assert!(!list.add(&job(2)).unwrap());
        list.remove(&job(2).id).unwrap();
        assert_eq!(list.entries().unwrap(), [job(1), job(3)]);
    }

    #[test]
    fn a_damaged_line_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        list.add(&job(1)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&list.path).unwrap();
        file.write_all(b"\xff\n[]\n{\"id\": \"t\"}\n\n{\"id\": \"t.t_2.2\", \"func")
            .unwrap();
        list.add(&job(3)).unwrap();
        assert_eq!(numbers(&list), ["1", "3"]);
        list.remove(&job(1).id).unwrap();
        assert_eq!(numbers(&list), ["3"]);
        // A newer version may know what the line means.
        let text = fs::read(&list.path).unwrap();
        assert!(text.starts_with(b"\xff\n"), "{text:?}");
    }

    #[test]
    fn programs_that_write_at_once_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        thread::scope(|scope| {
            for writer in 0..4 {
                let list = &list;
                scope.spawn(move || {
                    for number in 0..20 {
                        let number = writer * 20 + number;
                        list.add(&job(number)).unwrap();
                        if number % 2 == 1 {
                            list.remove(&job(number).id).unwrap();
                        }
                    }
                });
            }
        });
        let mut found = numbers(&list);
        found.sort_by_key(|number| number.parse::<usize>().unwrap());
        let expected: Vec<String> = (0..80).step_by(2).map(|it| it.to_string()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_full_list_drops_its_oldest_job() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        list.add(&job(0)).unwrap();
        let lines = (0..MAX_LINES).map(|number| serde_json::to_string(&job(number)).unwrap());
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        fs::write(&list.path, text).unwrap();
        assert!(list.add(&job(MAX_LINES)).unwrap());
        let found = numbers(&list);
        assert_eq!(found.len(), MAX_LINES);
        assert_eq!(found[0], "1");
        assert_eq!(found[MAX_LINES - 1], MAX_LINES.to_string());
    }

    #[test]
    fn a_list_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        list.add(&job(0)).unwrap();
        let file = OpenOptions::new().write(true).open(&list.path).unwrap();
        file.set_len(MAX_SIZE + 1).unwrap();
        let error = list.entries().unwrap_err().to_string();
        assert!(
            error.ends_with("it has more than 67108864 bytes; remove lines from it"),
            "{error}"
        );
    }
}
