//! The clock of a broker, as far as its readers know it.
//!
//! A module must know how long a request has waited in the broker. The embedded broker tells it, and so does
//! an MQTT broker. Others write the time into each message at which they accepted it, by their own clock.
//! That clock, and the one of this machine, may both be wrong, so they are never compared. Instead, each
//! message shows that the clock of the broker has reached a time, and so does the answer to a handshake with
//! its date. A steady clock of this machine tells how much later it is now. The broker's clock may be ahead
//! of the time that is known of it, never behind. So a message counts as younger than it is, or as old as it
//! is, but never as older.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How much the clocks of two machines differ at most after a time, as a part of it: one second after 83
/// minutes.
const DRIFT: u32 = 5000;

/// If the clock of the broker seems to be so far ahead of the date in its answer to a handshake, it was set
/// back. The date has no fractions of a second, and a handshake takes a while.
const DATE_TOLERANCE: Duration = Duration::from_secs(5);

/// What the readers of a broker know of its clock.
#[derive(Debug, Default)]
pub(crate) struct BrokerClock(Mutex<Option<Known>>);

/// At this instant, the clock had reached this time.
#[derive(Debug, Clone, Copy)]
struct Known {
    time: SystemTime,
    at: Instant,
}

impl Known {
    /// Returns a time that the clock has reached at another instant.
    fn time_at(self, at: Instant) -> SystemTime {
        let elapsed = at.saturating_duration_since(self.at);
        let since = self.time.checked_add(elapsed - elapsed / DRIFT);
        since.unwrap_or(self.time)
    }
}

impl BrokerClock {
    fn with<T>(&self, access: impl FnOnce(&mut Option<Known>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether anything is known of the clock.
    pub(crate) fn is_known(&self) -> bool {
        self.with(|known| known.is_some())
    }

    /// Returns how long ago the broker accepted a message that came at this instant.
    pub(crate) fn waited(&self, published: SystemTime, at: Instant) -> Duration {
        self.with(|known| {
            let now = known.map(|known| known.time_at(at));
            match now.map(|now| now.duration_since(published)) {
                Some(Ok(waited)) => waited,
                _ => {
                    let time = published;
                    *known = Some(Known { time, at });
                    Duration::ZERO
                }
            }
        })
    }

    /// Records the date in the answer to a handshake that came at this instant.
    pub(crate) fn shows(&self, date: SystemTime, at: Instant) {
        self.with(|known| {
            let ahead = known.and_then(|known| known.time_at(at).duration_since(date).ok());
            if ahead.is_none_or(|ahead| ahead > DATE_TOLERANCE) {
                *known = Some(Known { time: date, at });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The clock of a broker that is a year behind, and the instant at which it is that time.
    fn times() -> (SystemTime, Instant) {
        let now = SystemTime::now() - 365 * 24 * 3600 * SECOND;
        (now, Instant::now())
    }

    /// Asserts that a time is as expected, except for the drift of the clocks.
    #[track_caller]
    fn assert_near(waited: Duration, expected: Duration) {
        assert!(waited <= expected, "{waited:?} is more than {expected:?}");
        assert!(
            waited >= expected - expected / 100,
            "{waited:?} is less than {expected:?}"
        );
    }

    #[test]
    fn the_youngest_message_shows_how_old_the_others_are() {
        let clock = BrokerClock::default();
        let (time, at) = times();
        assert!(!clock.is_known());
        assert_eq!(clock.waited(time, at), Duration::ZERO);
        assert!(clock.is_known());
        // It has waited for ten seconds, while the first one came at once.
        assert_near(
            clock.waited(time + 5 * SECOND, at + 15 * SECOND),
            10 * SECOND,
        );
        assert_eq!(
            clock.waited(time + 20 * SECOND, at + 20 * SECOND),
            Duration::ZERO
        );
        assert_near(clock.waited(time, at + 30 * SECOND), 30 * SECOND);
    }

    #[test]
    fn clocks_that_differ_make_no_message_older() {
        // The clock of the broker is slower by one part in ten thousand.
        let clock = BrokerClock::default();
        let (time, at) = times();
        for hour in 0..100 {
            let by_broker = hour * 3600 * SECOND;
            let here = by_broker + by_broker / 10_000;
            assert_eq!(
                clock.waited(time + by_broker, at + here),
                Duration::ZERO,
                "{hour}"
            );
        }
    }

    #[test]
    fn the_date_of_a_handshake_shows_how_old_the_first_messages_are() {
        let clock = BrokerClock::default();
        let (time, at) = times();
        clock.shows(time, at);
        assert_near(
            clock.waited(time - 60 * SECOND, at + 2 * SECOND),
            62 * SECOND,
        );
        // A date has no fractions of a second, and a message shows more.
        let fresh = time + SECOND / 2;
        assert_eq!(clock.waited(fresh, at), Duration::ZERO);
        clock.shows(time, at);
        assert_near(clock.waited(time, at), SECOND / 2);
    }

    #[test]
    fn a_clock_that_was_set_back_is_noticed_with_the_next_handshake() {
        let clock = BrokerClock::default();
        let (time, at) = times();
        clock.shows(time, at);
        let back = time - 3600 * SECOND;
        assert_near(clock.waited(back, at), 3600 * SECOND);
        clock.shows(back, at);
        assert_eq!(clock.waited(back, at), Duration::ZERO);
    }
}
