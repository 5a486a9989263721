//! The smallest module that shows every kind of member.

/// Simple arithmetic, served over a message broker.
#[dasf::module(topic = "arithmetic", main = false)]
pub mod arithmetic {
    use std::time::Duration;

    use dasf::ProgressReport;

    /// Add two numbers.
    ///
    /// # Arguments
    /// * `a` - The first number
    /// * `b` - The second number
    ///
    /// # Returns
    /// The sum
    #[dasf::function]
    pub fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
        a.saturating_add(b)
    }

    /// The square root of a positive number.
    #[dasf::function(returns(gt = 0.0))]
    pub fn sqrt(#[dasf(gt = 0.0)] a: f64) -> f64 {
        a.sqrt()
    }

    /// The reason why counting failed.
    #[derive(Debug, thiserror::Error)]
    pub enum CountError {
        /// The number is too large to count to.
        #[error("counting to {0} would take too long; {MAX_COUNT} is the most")]
        TooFar(u32),
    }

    /// The largest number that [`count`] counts to.
    const MAX_COUNT: u32 = 1000;

    /// Count slowly, and report the progress.
    ///
    /// # Arguments
    /// * `n` - The number to count to
    ///
    /// # Returns
    /// The number reached
    ///
    /// # Errors
    /// [`CountError`] for a number that is too large.
    #[dasf::function]
    pub async fn count(n: u32, mut reporter: ProgressReport) -> Result<u32, CountError> {
        if n > MAX_COUNT {
            return Err(CountError::TooFar(n));
        }
        reporter.set_steps(n as usize);
        for number in 1..=n {
            let _step = reporter.step(format!("at {number}"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(n)
    }

    /// Greets people.
    pub struct Greeter {
        greeting: String,
    }

    #[dasf::class]
    impl Greeter {
        /// A greeter with its greeting.
        ///
        /// # Arguments
        /// * `greeting` - How to greet
        pub fn new(#[dasf(default = "Hi")] greeting: String) -> Self {
            Self { greeting }
        }

        /// Greet someone.
        pub fn greet(&self, name: &str) -> String {
            format!("{} {name}", self.greeting)
        }
    }
}
