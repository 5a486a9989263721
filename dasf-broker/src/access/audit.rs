//! The audit log: who came in, who was refused, whose rights have changed, and who changed what is put aside.
//!
//! A thread writes the lines, so that nothing waits for the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use serde::Serialize;
use tracing::warn;

use crate::message::rfc3339;

/// The largest number of lines that wait for the disk. Further ones are lost, and counted.
const MAX_WAITING: usize = 4096;

/// An event in the audit log.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) right: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
    /// The number of lines that are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<usize>,
}

/// Writes the audit log. A drop waits until all lines are written.
#[derive(Debug)]
pub(crate) struct AuditLog {
    /// `None` only during the drop.
    queue: Option<SyncSender<Item>>,
    lost: Arc<AtomicUsize>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// Opens the file again, because another program may have renamed it.
    Reopen,
}

/// A line with its time.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

impl AuditLog {
    /// Opens the file, or creates it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let (queue, items) = sync_channel(MAX_WAITING);
        let lost = Arc::new(AtomicUsize::new(0));
        let (counted, path) = (lost.clone(), path.to_owned());
        let writer = thread::Builder::new()
            .name("dasf-audit".to_owned())
            .spawn(move || write(&items, &counted, file, &path))?;
        Ok(Self {
            queue: Some(queue),
            lost,
            writer: Mutex::new(Some(writer)),
        })
    }

    pub(crate) fn record(&self, event: &Event<'_>) {
        let is_sent = self
            .queue
            .as_ref()
            .zip(line(event))
            .is_some_and(|(queue, line)| queue.try_send(Item::Line(line)).is_ok());
        if !is_sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes later lines to the file that has the path then.
    pub(crate) fn reopen(&self) {
        if let Some(queue) = &self.queue {
            // The queue moves on while the disk works.
            let _ = queue.send(Item::Reopen);
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue = None;
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take()
            && writer.join().is_err()
        {
            warn!("the thread of the audit log has panicked");
        }
    }
}

fn line(event: &Event<'_>) -> Option<Vec<u8>> {
    let time = rfc3339(SystemTime::now());
    let mut line = serde_json::to_vec(&Line { time, event }).ok()?;
    line.push(b'\n');
    Some(line)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // It tells who uses the broker, and from where.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write(items: &Receiver<Item>, lost: &AtomicUsize, mut file: File, path: &Path) {
    let mut failed = false;
    for item in items {
        let Item::Line(text) = item else {
            match open(path) {
                Ok(reopened) => file = reopened,
                Err(error) => warn!("cannot open the audit log {}: {error}", path.display()),
            }
            continue;
        };
        let lines = lost.swap(0, Ordering::Relaxed);
        let loss = (lines > 0).then(|| {
            line(&Event {
                event: "lost",
                lines: Some(lines),
                ..Event::default()
            })
        });
        let text = [loss.flatten().unwrap_or_default(), text].concat();
        match file.write_all(&text) {
            Ok(()) => failed = false,
            Err(error) => {
                lost.fetch_add(lines + 1, Ordering::Relaxed);
                // The disk may be full for long.
                if !std::mem::replace(&mut failed, true) {
                    warn!("cannot write the audit log {}: {error}", path.display());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn each_event_is_a_line_with_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (
            directory.path().join("audit"),
            directory.path().join("moved"),
        );
        let log = AuditLog::open(&path).unwrap();
        log.record(&Event {
            event: "refused",
            user: Some("ada"),
            reason: Some("a \"line\"\nbreak"),
            status: Some(403),
            ..Event::default()
        });
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        // The thread must not count the lost lines before it writes the first event.
        while std::fs::metadata(&moved).unwrap().len() == 0 {
            std::thread::yield_now();
        }
        log.lost.fetch_add(7, Ordering::Relaxed);
        log.record(&Event {
            event: "login",
            ..Event::default()
        });
        drop(log);
        let mut first = read(&moved);
        let time = first[0].as_object_mut().unwrap().remove("time").unwrap();
        assert_eq!(
            time.as_str().unwrap().len(),
            "2026-11-22T10:52:08.353669+00:00".len()
        );
        let refused = json!({"event": "refused", "user": "ada", "status": 403, "reason": "a \"line\"\nbreak"});
        assert_eq!(first, [refused]);
        let later = read(&path);
        let events: Vec<_> = later
            .iter()
            .map(|it| (it["event"].as_str().unwrap(), &it["lines"]))
            .collect();
        assert_eq!(events, [("lost", &json!(7)), ("login", &Value::Null)]);
    }
}
