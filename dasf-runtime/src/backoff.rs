//! How long to wait before the next connection attempt.

use std::time::Duration;

use crate::random;

/// Waits that double from [`Backoff::FIRST`] to [`Backoff::LONGEST`]. Each wait is random, between
/// half of this time and all of it. Otherwise, all programs that lost the same broker would
/// reconnect at the same instant.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The upper bound of the first wait.
    pub(crate) const FIRST: Duration = Duration::from_millis(100);
    /// The upper bound of every wait.
    pub(crate) const LONGEST: Duration = Duration::from_secs(5);

    /// How long a connection must last to count as a success.
    const SUCCESS: Duration = Duration::from_secs(5);

    /// Returns the wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = Self::FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled
            .min(Self::LONGEST)
            .mul_f64(0.5 + random::fraction() / 2.0)
    }

    /// Starts again from the first wait if the connection was of use or lasted long enough, and returns
    /// whether it did. A connection that the broker accepts and drops at once does not count.
    pub(crate) fn is_reset_by(&mut self, was_useful: bool, lasted: Duration) -> bool {
        let is_success = was_useful || lasted >= Self::SUCCESS;
        if is_success {
            self.failures = 0;
        }
        is_success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let mut bound = Backoff::FIRST;
        for _ in 0..100 {
            let wait = backoff.next();
            assert!(wait <= bound && wait >= bound / 2, "{wait:?} of {bound:?}");
            bound = (bound * 2).min(Backoff::LONGEST);
        }
        assert!(!backoff.is_reset_by(false, Duration::from_secs(1)));
        assert!(backoff.next() > Backoff::FIRST);
        for (was_useful, lasted) in [(false, Duration::from_secs(5)), (true, Duration::ZERO)] {
            assert!(backoff.is_reset_by(was_useful, lasted));
            assert!(backoff.next() <= Backoff::FIRST);
            assert!(backoff.next() > Backoff::FIRST / 2);
        }
    }
}
