//! Limits the lines of the log that peers can cause.
//!
//! A peer can repeat whatever makes the broker write a line. So the first lines of each kind in an interval
//! are written, and the others are counted. The count follows at the end of the interval.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::warn;

use crate::topic::EventKind;

/// The time after which the broker logs how many lines it has left out.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// The largest number of lines of a kind in an interval.
const MAX_LINES: usize = 10;

/// A kind of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    FrameRefused,
    HandshakeRefused,
    ConnectionEnded,
    FrameIgnored,
    DeadLetter,
    TopicsRemoved,
    PutAside,
    DeadDropped,
    Event(EventKind),
}

const OTHER_LINES: usize = 8;

impl Line {
    fn index(self) -> usize {
        match self {
            Self::FrameRefused => 0,
            Self::HandshakeRefused => 1,
            Self::ConnectionEnded => 2,
            Self::FrameIgnored => 3,
            Self::DeadLetter => 4,
            Self::TopicsRemoved => 5,
            Self::PutAside => 6,
            Self::DeadDropped => 7,
            Self::Event(kind) => OTHER_LINES + kind as usize,
        }
    }
}

/// The numbers of lines in the current interval, by kind.
#[derive(Debug, Default)]
pub(crate) struct Log([Counted; OTHER_LINES + EventKind::COUNT]);

#[derive(Debug, Default)]
struct Counted {
    lines: AtomicUsize,
}

impl Log {
    /// Counts a line. Returns whether it may be written.
    pub(crate) fn allows(&self, line: Line) -> bool {
        let Some(counted) = self.0.get(line.index()) else {
            return true;
        };
        counted.lines.fetch_add(1, Ordering::Relaxed) < MAX_LINES
    }

    /// Begins an interval, and logs how many lines the last one has left out.
    pub(crate) fn sum_up(&self) {
        const NAMES: [&str; OTHER_LINES] = [
            "refused a frame",
            "refused the handshake",
            "lost or closed the connection",
            "ignored a frame",
            "moved to the dead-letter topic",
            "removed topics without a consumer",
            "put a request aside",
            "dropped a request that was put aside",
        ];
        let names = NAMES.into_iter().chain(EventKind::ALL.map(EventKind::text));
        for (counted, line) in self.0.iter().zip(names) {
            let lines = counted.lines.swap(0, Ordering::Relaxed);
            if let Some(lines @ 1..) = lines.checked_sub(MAX_LINES) {
                let seconds = INTERVAL.as_secs();
                warn!(lines, seconds, "more lines like this: {line}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_limited_for_itself() {
        let log = Log::default();
        let allowed = |line| (0..100).filter(|_| log.allows(line)).count();
        assert_eq!(allowed(Line::FrameRefused), 10);
        assert_eq!(allowed(Line::FrameRefused), 0);
        for kind in EventKind::ALL {
            assert_eq!(allowed(Line::Event(kind)), 10, "{kind:?}");
        }
        log.sum_up();
        assert_eq!(allowed(Line::FrameRefused), 10);
        assert_eq!(allowed(Line::DeadLetter), 10);
    }
}
