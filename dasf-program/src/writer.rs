//! Writes the log on a thread of its own, so that nothing waits for its reader.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::file::{self, LogFile};
use crate::format::LogFormat;

/// The largest number of lines that wait until the reader takes them. Further ones are lost.
const MAX_WAITING_LINES: usize = 4096;

/// How long the end of a program waits for the reader of the log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often the end of a program looks whether there is room for its last message.
const CHECK: Duration = Duration::from_millis(5);

/// Passes lines to the thread that writes the log.
#[derive(Debug, Clone)]
pub struct LogWriter {
    queue: SyncSender<Item>,
    lost: Arc<AtomicUsize>,
}

/// Keeps the log of a program. Drop it last: the drop waits until the lines before it are written, for
/// at most a second.
#[derive(Debug)]
#[must_use = "the last lines of the log are written when this is dropped"]
pub struct LogGuard {
    queue: Option<SyncSender<Item>>,
    file: Option<LogFile>,
}

/// An item in the queue of the thread.
#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// Drop the sender when all earlier lines are written.
    End(Sender<()>),
}

/// Starts the thread that writes a log. A line that finds no room is lost. As soon as there is room, the
/// log tells how many lines were lost, in this format.
///
/// # Errors
/// Returns the error of the operating system if it starts no thread.
pub fn start_log(
    writer: impl Write + Send + 'static,
    format: LogFormat,
) -> io::Result<(LogWriter, LogGuard)> {
    let (queue, items) = sync_channel(MAX_WAITING_LINES);
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lost);
    thread::Builder::new()
        .name("dasf-log".to_owned())
        .spawn(move || write_all(&items, &counted, format, writer))?;
    let guard = LogGuard {
        queue: Some(queue.clone()),
        file: None,
    };
    Ok((LogWriter { queue, lost }, guard))
}

/// Starts the thread that appends a log to a file, as [`start_log`] does. [`LogGuard::file`] can open the file
/// again.
///
/// # Errors
/// Returns the error of the operating system if it does not open the file, or starts no thread.
pub fn start_log_file(path: PathBuf, format: LogFormat) -> io::Result<(LogWriter, LogGuard)> {
    let (file, appended) = file::open(path)?;
    let (writer, mut guard) = start_log(appended, format)?;
    guard.file = Some(file);
    Ok((writer, guard))
}

fn write_all(
    items: &Receiver<Item>,
    lost: &AtomicUsize,
    format: LogFormat,
    mut writer: impl Write,
) {
    for item in items {
        let line = match item {
            Item::Line(line) => line,
            Item::End(written) => {
                let _ = writer.flush();
                drop(written);
                continue;
            }
        };
        let lines = lost.swap(0, Ordering::Relaxed);
        // A log that cannot be written has nobody who could be told.
        if lines > 0 {
            let _ = writer.write_all(format.lost(lines).as_bytes());
        }
        let _ = writer.write_all(&line);
    }
}

impl LogGuard {
    /// Returns the guard of a program whose log is written in another way.
    pub fn of_another_log() -> Self {
        Self {
            queue: None,
            file: None,
        }
    }

    /// Returns the file of the log, if it has one.
    pub fn file(&self) -> Option<&LogFile> {
        self.file.as_ref()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else {
            return;
        };
        let deadline = Instant::now() + LAST_LINES;
        let (written, waits) = channel();
        let mut end = Item::End(written);
        while let Err(TrySendError::Full(returned)) = queue.try_send(end) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(CHECK);
            end = returned;
        }
        let _ = waits.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// Takes each buffer as one line.
impl Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Item::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes a line when the test lets it.
    struct Gated {
        reached: Sender<()>,
        gate: Receiver<()>,
        taken: Sender<String>,
    }

    impl Write for Gated {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.reached.send(());
            self.gate.recv().map_err(io::Error::other)?;
            let text = String::from_utf8_lossy(line).into_owned();
            self.taken.send(text).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_loses_lines_and_tells_it() {
        let (reached, waits) = channel();
        let (open, gate) = channel();
        let (taken, lines) = channel();
        let gated = Gated {
            reached,
            gate,
            taken,
        };
        let (writer, guard) = start_log(gated, LogFormat::Text).unwrap();
        // The thread holds the first line, so the queue is empty and takes no line out any more.
        (&writer).write_all(b"first\n").unwrap();
        waits.recv().unwrap();
        for number in 0..MAX_WAITING_LINES * 2 {
            (&writer)
                .write_all(format!("{number}\n").as_bytes())
                .unwrap();
        }
        for _ in 0..MAX_WAITING_LINES + 2 {
            open.send(()).unwrap();
        }
        drop((writer, guard));
        let lines: Vec<_> = lines.into_iter().collect();
        assert_eq!(lines.len(), MAX_WAITING_LINES + 2);
        assert_eq!(lines[0], "first\n");
        assert_eq!(
            lines[1],
            format!("lost {MAX_WAITING_LINES} lines of the log: nobody read it in time\n")
        );
        let expected: Vec<_> = (0..MAX_WAITING_LINES).map(|it| format!("{it}\n")).collect();
        assert_eq!(lines[2..], expected);
    }
}
