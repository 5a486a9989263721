//! The durations of calls.

use std::time::Duration;

/// The durations of many calls, and of the measurement as a whole.
#[derive(Debug)]
pub(crate) struct Latencies {
    sorted: Vec<Duration>,
    elapsed: Duration,
}

impl Latencies {
    pub(crate) fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self {
            sorted: latencies,
            elapsed,
        }
    }

    pub(crate) fn per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // so many calls cannot be made
        let count = self.sorted.len() as f64;
        count / self.elapsed.as_secs_f64()
    }

    /// The duration that this share of the calls did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )] // an index, rounded up
        let rank = (self.sorted.len() as f64 * share).ceil() as usize;
        self.sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let hundred = (1..=100).rev().map(Duration::from_micros).collect();
        let latencies = Latencies::new(hundred, Duration::from_secs(2));
        assert_eq!(latencies.quantile(0.5), Duration::from_micros(50));
        assert_eq!(latencies.quantile(0.99), Duration::from_micros(99));
        assert_eq!(latencies.quantile(1.0), Duration::from_micros(100));
        assert!((latencies.per_second() - 50.0).abs() < 1e-9);
        assert_eq!(
            Latencies::new(Vec::new(), Duration::from_secs(1)).quantile(0.5),
            Duration::ZERO
        );
    }
}
