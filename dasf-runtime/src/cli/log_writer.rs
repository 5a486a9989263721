//! Writes the log on a thread of its own, so that nothing waits for its reader.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// The largest number of lines that wait until the reader takes them. Further ones are lost.
const MAX_WAITING_LINES: usize = 4096;

/// Keeps the log of a program. Drop it last: the drop writes the lines that still wait, for at most a
/// second.
#[derive(Debug)]
#[must_use = "the log ends with a drop"]
pub struct LogGuard {
    _worker: Option<WorkerGuard>,
}

impl LogGuard {
    /// Returns the guard of a program that has a log of its own.
    pub(super) fn of_another_log() -> Self {
        Self { _worker: None }
    }
}

/// Starts the thread. A line that finds no room is lost, and the number of lost lines is written as soon
/// as there is room.
pub(super) fn start(writer: impl Write + Send + 'static) -> (NonBlocking, LogGuard) {
    let lost = Arc::new(OnceLock::new());
    let counting = Counting {
        writer,
        lost: lost.clone(),
        reported: 0,
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING_LINES)
        .thread_name("dasf-log")
        .finish(counting);
    lost.get_or_init(|| writer.error_counter());
    let guard = LogGuard {
        _worker: Some(guard),
    };
    (writer, guard)
}

/// Writes the number of lost lines before the next line.
struct Counting<W> {
    writer: W,
    lost: Arc<OnceLock<ErrorCounter>>,
    reported: usize,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.get().map_or(0, ErrorCounter::dropped_lines);
        if lost > self.reported {
            let lines = lost - self.reported;
            self.reported = lost;
            let text = format!("lost {lines} lines of the log: nobody read it in time\n");
            self.writer.write_all(text.as_bytes())?;
        }
        self.writer.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes a line when the test lets it.
    struct Gated {
        gate: Receiver<()>,
        taken: Sender<String>,
    }

    impl Write for Gated {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
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
        let (open, gate) = channel();
        let (taken, lines) = channel();
        let (mut writer, guard) = start(Gated { gate, taken });
        let count = MAX_WAITING_LINES * 2;
        for number in 0..count {
            writer.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        for _ in 0..=count {
            open.send(()).unwrap();
        }
        drop(guard);
        let lines: Vec<_> = lines.into_iter().collect();
        let lost: Vec<_> = lines
            .iter()
            .filter_map(|it| it.strip_prefix("lost "))
            .collect();
        assert_eq!(lost.len(), 1, "{lost:?}");
        let lost: usize = lost[0].split_once(' ').unwrap().0.parse().unwrap();
        assert!(
            (MAX_WAITING_LINES - 1..=MAX_WAITING_LINES).contains(&lost),
            "{lost}"
        );
        assert_eq!(lines.len(), count - lost + 1);
    }
}
