//! The time at which a caller stops waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::duration::milliseconds;

/// When a caller stops waiting. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    first: Instant,
    /// Nearly no deadline has this, so it is in a box.
    restarts: Option<Arc<Restarts>>,
}

/// A timeout that restarts with each report of the progress.
#[derive(Debug)]
struct Restarts {
    timeout: Duration,
    /// How many milliseconds after the first one the deadline is now.
    later: AtomicU64,
}

impl Deadline {
    /// Returns a deadline that does not move.
    pub(crate) fn fixed(at: Instant) -> Self {
        Self {
            first: at,
            restarts: None,
        }
    }

    /// Returns a deadline that each report of the progress moves to the end of this time.
    pub(crate) fn restarting(first: Instant, timeout: Duration) -> Self {
        let restarts = Restarts {
            timeout,
            later: AtomicU64::new(0),
        };
        Self {
            first,
            restarts: Some(Arc::new(restarts)),
        }
    }

    /// Returns when the caller stops waiting, as far as it is known now.
    pub(crate) fn at(&self) -> Instant {
        match &self.restarts {
            None => self.first,
            Some(restarts) => {
                self.first + Duration::from_millis(restarts.later.load(Ordering::Relaxed))
            }
        }
    }

    /// Waits until the caller stops waiting.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn over(&self) {
        // It may move meanwhile.
        while self.at() > Instant::now() {
            tokio::time::sleep_until(self.at()).await;
        }
    }

    /// Records that a report of the progress is on its way to the caller.
    pub(crate) fn restart(&self) {
        if let Some(restarts) = &self.restarts {
            let at = Instant::now() + restarts.timeout;
            let later = milliseconds(at.saturating_duration_since(self.first));
            restarts.later.fetch_max(later, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_with_each_report_if_its_timeout_restarts() {
        const SECOND: Duration = Duration::from_secs(1);
        let begun = Instant::now();
        let fixed = Deadline::fixed(begun + SECOND);
        let restarting = Deadline::restarting(begun + SECOND, 2 * SECOND);
        let other = restarting.clone();
        tokio::time::advance(SECOND / 2).await;
        for deadline in [&fixed, &restarting] {
            assert_eq!(deadline.at(), begun + SECOND);
            deadline.restart();
        }
        assert_eq!(fixed.at(), begun + SECOND);
        assert_eq!(restarting.at(), begun + 5 * SECOND / 2);
        assert_eq!(other.at(), restarting.at());
    }
}
