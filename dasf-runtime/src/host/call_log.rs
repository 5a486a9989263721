//! The log of calls: a line for each call, and a sum where there are too many. If somebody watches the module,
//! also the numbers of calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{Level, Span};

use super::counts::{self, Counts};
use crate::module::{Failure, Output};

/// The largest number of lines in an interval. Callers decide how many calls there are, and to write
/// a line takes longer than many calls.
const MAX_LINES: u64 = 100;

/// After this time, a line tells how many calls have no line of their own.
const INTERVAL: Duration = Duration::from_secs(1);

/// Logs and counts the ends of calls. Clones share the interval and the counts.
#[derive(Debug, Clone)]
pub(super) struct CallLog {
    interval: Arc<Interval>,
    totals: Arc<Totals>,
    /// `None` if nobody watches the module.
    counts: Option<Arc<Counts>>,
}

/// The calls that have ended in the current interval.
#[derive(Debug, Default)]
struct Interval {
    ended: AtomicU64,
    /// How many of those without a line have failed.
    failed: AtomicU64,
}

/// The calls that have ended since the start.
#[derive(Debug, Default)]
struct Totals {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl CallLog {
    pub(super) fn new(counts: Option<Arc<Counts>>) -> Self {
        Self {
            interval: Arc::default(),
            totals: Arc::default(),
            counts,
        }
    }

    /// Returns the numbers of calls, if somebody watches the module.
    #[cfg(feature = "status")]
    pub(super) fn counts(&self) -> Option<Arc<Counts>> {
        self.counts.clone()
    }

    /// Returns how many calls had a result, and how many failed.
    pub(super) fn ended(&self) -> (u64, u64) {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (get(&self.totals.answered), get(&self.totals.failed))
    }

    /// Returns whether the time of a call is of use.
    pub(super) fn needs_time(&self) -> bool {
        self.counts.is_some() || tracing::enabled!(Level::INFO)
    }

    /// Counts a request that is refused before it is known which function it calls.
    pub(super) fn refused(&self, failure: &Failure) {
        self.totals.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(counts) = &self.counts {
            counts.end(counts::UNKNOWN, None, Err(failure));
        }
    }

    /// Logs the end of a call of the function with this number. The first call of an interval starts a task on
    /// the runtime that ends the interval.
    pub(super) fn end(
        &self,
        runtime: &Handle,
        span: &Span,
        number: u16,
        begun: Option<Instant>,
        outcome: Result<&Output, &Failure>,
    ) {
        let total = match outcome {
            Ok(_) => &self.totals.answered,
            Err(_) => &self.totals.failed,
        };
        total.fetch_add(1, Ordering::Relaxed);
        let time = || begun.map(|begun| begun.elapsed());
        if let Some(counts) = &self.counts {
            counts.end(number, time(), outcome);
        }
        if !tracing::enabled!(Level::INFO) {
            return;
        }
        let before = self.interval.ended.fetch_add(1, Ordering::Relaxed);
        if before >= MAX_LINES {
            let failed = u64::from(outcome.is_err());
            self.interval.failed.fetch_add(failed, Ordering::Relaxed);
            return;
        }
        if before == 0 {
            let log = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep(INTERVAL).await;
                log.sum_up();
            });
        }
        let milliseconds = time().map(|time| time.as_millis());
        span.in_scope(|| match outcome {
            Ok(output) => {
                let bytes = output.0.len();
                tracing::info!(milliseconds, bytes, "request answered");
            }
            Err(failure) => tracing::info!(
                // The span has the function if it began.
                function = failure.function(),
                milliseconds,
                failure = failure.in_full(),
                "request failed"
            ),
        });
    }

    /// Ends the interval, and logs how many of its calls have no line.
    pub(super) fn sum_up(&self) {
        let ended = self.interval.ended.swap(0, Ordering::Relaxed);
        let failed = self.interval.failed.swap(0, Ordering::Relaxed);
        if let Some(others @ 1..) = ended.checked_sub(MAX_LINES) {
            let answered = others.saturating_sub(failed);
            tracing::info!(answered, failed, "further calls in the last second");
        }
    }
}
