//! What the calls of a measurement took.

use std::time::Duration;

use crate::AnyError;

/// The calls of a phase.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In microseconds: a caller makes millions of calls, and its memory is measured, too.
    latencies: Vec<u32>,
    failed: usize,
    error: Option<AnyError>,
}

impl Outcome {
    /// Counts an answered call.
    pub fn answered(&mut self, latency: Duration) {
        self.latencies
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts a call that was not answered.
    pub fn failed(&mut self, error: AnyError) {
        self.failed += 1;
        self.error.get_or_insert(error);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.error = self.error.take().or(other.error);
    }

    pub(crate) fn error(&self) -> Option<&AnyError> {
        self.error.as_ref()
    }

    /// Returns the first error.
    pub(crate) fn check(&mut self) -> Result<(), AnyError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Returns the figures as an object of numbers.
    pub(crate) fn json(&mut self, elapsed: Duration) -> String {
        self.latencies.sort_unstable();
        let calls = self.latencies.len();
        let seconds = elapsed.as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // so many calls cannot be made
        let rate = calls as f64 / seconds;
        let [p50, p99] = [50, 99].map(|percent| self.percentile(percent));
        let failed = self.failed;
        format!(
            "{{\"calls\": {calls}, \"failed\": {failed}, \"seconds\": {seconds:.6}, \
             \"calls_per_second\": {rate:.1}, \"p50_us\": {p50}, \"p99_us\": {p99}}}"
        )
    }

    /// Returns the latency that this share of the sorted calls did not exceed.
    fn percentile(&self, percent: usize) -> u32 {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        let latency = self.latencies.get(rank.saturating_sub(1));
        latency.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let mut outcome = Outcome::default();
        for micros in (1..=100).rev() {
            outcome.answered(Duration::from_micros(micros));
        }
        assert_eq!(
            outcome.json(Duration::from_secs(2)),
            "{\"calls\": 100, \"failed\": 0, \"seconds\": 2.000000, \"calls_per_second\": 50.0, \
             \"p50_us\": 50, \"p99_us\": 99}"
        );
    }

    #[test]
    fn failures_are_counted_and_the_first_one_is_kept() {
        let mut outcome = Outcome::default();
        let mut other = Outcome::default();
        other.failed("first".into());
        other.failed("second".into());
        outcome.add(other);
        assert!(
            outcome
                .json(Duration::from_secs(1))
                .contains("\"calls\": 0, \"failed\": 2,")
        );
        assert_eq!(outcome.check().unwrap_err().to_string(), "first");
    }
}
