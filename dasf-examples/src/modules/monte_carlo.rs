//! Work that several processes share: see the chapter *From a laptop to a cluster* of the guide.

/// Estimates by random numbers. Start several of these in one group, and they share the work.
#[dasf::module(topic = "monte-carlo", main = false)]
pub mod monte_carlo {
    use std::time::Duration;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// An estimate, and the process that made it.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Estimate {
        /// The estimated number.
        pub value: f64,
        /// The process that ran the call.
        pub process: u32,
    }

    /// Estimate π from points thrown into a square.
    ///
    /// # Arguments
    /// * `samples` - The number of points
    /// * `seed` - The start of the random numbers; the same seed gives the same estimate
    #[dasf::function]
    pub fn pi(#[dasf(ge = 1)] samples: u32, #[dasf(default = 0)] seed: u64) -> Estimate {
        let mut random = fastrand::Rng::with_seed(seed);
        let inside = (0..samples)
            .filter(|_| {
                let (x, y) = (random.f64(), random.f64());
                x.mul_add(x, y * y) <= 1.0
            })
            .count();
        Estimate {
            value: 4.0 * inside as f64 / f64::from(samples),
            process: std::process::id(),
        }
    }

    /// Wait, as a call waits for an instrument.
    ///
    /// # Arguments
    /// * `milliseconds` - The time to wait
    ///
    /// # Returns
    /// The process that waited
    #[dasf::function]
    pub async fn wait(#[dasf(le = 60_000)] milliseconds: u64) -> u32 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        std::process::id()
    }
}
