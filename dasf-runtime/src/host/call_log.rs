//! The log of calls: a line for each call, and a sum where there are too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{Level, Span};

use crate::module::{Failure, Output};

/// The largest number of lines in an interval. Callers decide how many calls there are, and to write
/// a line takes longer than many calls.
const MAX_LINES: u64 = 100;

/// After this time, a line tells how many calls have no line of their own.
const INTERVAL: Duration = Duration::from_secs(1);

/// The target of the lines, by which a filter finds them.
pub(super) const TARGET: &str = module_path!();

/// Logs the ends of calls. Clones share the interval.
#[derive(Debug, Clone, Default)]
pub(super) struct CallLog(Arc<Interval>);

/// The calls that have ended in the current interval.
#[derive(Debug, Default)]
struct Interval {
    ended: AtomicU64,
    /// How many of those without a line have failed.
    failed: AtomicU64,
}

impl CallLog {
    /// Logs the end of a call. The first call of an interval starts a task on the runtime that ends
    /// the interval.
    pub(super) fn end(
        &self,
        runtime: &Handle,
        span: &Span,
        begun: Option<Instant>,
        outcome: Result<&Output, &Failure>,
    ) {
        if !tracing::enabled!(Level::INFO) {
            return;
        }
        let before = self.0.ended.fetch_add(1, Ordering::Relaxed);
        if before >= MAX_LINES {
            let failed = u64::from(outcome.is_err());
            self.0.failed.fetch_add(failed, Ordering::Relaxed);
            return;
        }
        if before == 0 {
            let log = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep(INTERVAL).await;
                log.sum_up();
            });
        }
        let milliseconds = begun.map(|begun| begun.elapsed().as_millis());
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
        let ended = self.0.ended.swap(0, Ordering::Relaxed);
        let failed = self.0.failed.swap(0, Ordering::Relaxed);
        if let Some(others @ 1..) = ended.checked_sub(MAX_LINES) {
            let answered = others.saturating_sub(failed);
            tracing::info!(answered, failed, "further calls in the last second");
        }
    }
}
