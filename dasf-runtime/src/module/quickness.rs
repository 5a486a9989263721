//! Learns which functions take microseconds, from how long their calls took.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// A call is quick if it takes less than this. To wake a thread takes about as long.
const LIMIT: Duration = Duration::from_micros(50);
/// A function is quick after so many quick calls in succession.
const ENOUGH: u8 = 8;

/// How long the latest calls of a function took.
#[derive(Debug)]
pub(super) struct Quickness {
    /// How many quick calls the function still needs in succession; 0 if it is quick. Then the next
    /// call may still take longer.
    pub(super) lacks: AtomicU8,
}

impl Default for Quickness {
    fn default() -> Self {
        Self {
            lacks: AtomicU8::new(ENOUGH),
        }
    }
}

impl Quickness {
    /// Records how long a call took.
    pub(super) fn record(&self, time: Duration) {
        // Calls that end at the same time may lose a count, which delays the result by a call.
        let next = match self.lacks.load(Ordering::Relaxed) {
            _ if time >= LIMIT => ENOUGH,
            0 => return,
            lacks => lacks - 1,
        };
        self.lacks.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_quick_after_some_calls_until_one_takes_long() {
        let quickness = Quickness::default();
        let is_quick = || quickness.lacks.load(Ordering::Relaxed) == 0;
        for _ in 0..ENOUGH {
            assert!(!is_quick());
            quickness.record(Duration::from_micros(1));
        }
        assert!(is_quick());
        quickness.record(Duration::from_micros(1));
        assert!(is_quick());
        quickness.record(LIMIT);
        assert!(!is_quick());
    }
}
