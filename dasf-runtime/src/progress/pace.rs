//! How often the reports of a call are sent.

use std::time::Duration;

use tokio::time::Instant;

/// The number of reports of one call that may be sent without a pause.
pub(super) const BURST: u32 = 20;

/// The shortest average time between two reports. The changes in between are sent together. The
/// last state is always sent.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// The shortest time between two reports that all stay until somebody reads them.
const LEAST: Duration = Duration::from_secs(1);

/// The part of the time since the first report that passes between two reports that all stay. So a call that runs for
/// an hour leaves fewer than 200 reports, and one that runs for a week fewer than 400.
const PART: u32 = 30;

/// When the next report of a call may be sent.
#[derive(Debug)]
pub(super) enum Pace {
    /// Somebody reads each report.
    Live {
        /// The number of reports that may be sent without a pause now.
        allowance: u32,
        refilled: Instant,
    },
    /// The broker keeps all reports until somebody reads them, perhaps much later.
    Kept { begun: Instant, next: Instant },
}

impl Pace {
    pub(super) fn new(are_kept: bool) -> Self {
        let now = Instant::now();
        match are_kept {
            false => Self::Live {
                allowance: BURST,
                refilled: now,
            },
            true => Self::Kept {
                begun: now,
                next: now,
            },
        }
    }

    /// Returns whether a report may be sent now, and counts it.
    pub(super) fn take(&mut self) -> bool {
        match self {
            Self::Live {
                allowance,
                refilled,
            } => {
                let periods = refilled.elapsed().as_millis() / INTERVAL.as_millis();
                if let Some(periods) = u32::try_from(periods).ok().filter(|&periods| periods > 0) {
                    *allowance = allowance.saturating_add(periods).min(BURST);
                    *refilled += INTERVAL * periods;
                }
                let granted = *allowance > 0;
                *allowance -= u32::from(granted);
                granted
            }
            Self::Kept { begun, next } => {
                let now = Instant::now();
                if now < *next {
                    return false;
                }
                *next = now + LEAST.max(now.saturating_duration_since(*begun) / PART);
                true
            }
        }
    }

    /// Records that a report could not be sent.
    pub(super) fn failed(&mut self) {
        if let Self::Kept { next, .. } = self {
            *next = Instant::now() + LEAST;
        }
    }

    /// Returns how long to wait for the next report.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Live { .. } => INTERVAL,
            Self::Kept { next, .. } => INTERVAL.max(next.saturating_duration_since(Instant::now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of reports that a call sends which changes its report ten times a second.
    async fn reports_in(time: Duration) -> u32 {
        let mut pace = Pace::new(true);
        let end = Instant::now() + time;
        let mut count = 0;
        while Instant::now() < end {
            count += u32::from(pace.take());
            tokio::time::advance(INTERVAL).await;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn reports_that_stay_become_ever_fewer() {
        let hour = Duration::from_secs(3600);
        assert_eq!(reports_in(Duration::from_secs(10)).await, 10);
        let of_an_hour = reports_in(hour).await;
        assert!((100..200).contains(&of_an_hour), "{of_an_hour}");
        let of_a_day = reports_in(24 * hour).await;
        assert!((of_an_hour..300).contains(&of_a_day), "{of_a_day}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_that_was_not_sent_is_sent_soon() {
        let mut pace = Pace::new(true);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(pace.take());
        assert_eq!(pace.wait(), Duration::from_secs(120));
        pace.failed();
        assert_eq!(pace.wait(), LEAST);
    }
}
