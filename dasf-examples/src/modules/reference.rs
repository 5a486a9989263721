//! A mirror of the Python module on which the protocol was measured: the same names, arguments,
//! defaults, documentation, constraints and results.

// The documentation of some functions is missing or short, as in the Python module.
#![allow(missing_docs)]

/// A test module for DASF.
///
/// With a long description.
// Python publishes this sentence for every module, in place of its documentation.
#[dasf::module(
    topic = "test-topic",
    description = "The member to call.",
    main = false
)]
pub mod reference {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use chrono::{DateTime, Datelike, FixedOffset, TimeDelta};
    use dasf::ProgressReport;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A point.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Point {
        pub x: f64,
        #[serde(default)]
        pub y: f64,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[schemars(inline)]
    pub enum Lang {
        En,
        De,
    }

    /// Add two numbers.
    ///
    /// # Arguments
    /// * `a` - The first number
    /// * `b` - The second number
    ///
    /// # Returns
    /// The sum
    ///
    /// # Errors
    /// When the sum does not fit 64 bits.
    #[dasf::function]
    pub fn add(a: i64, #[dasf(default = 2)] b: i64) -> Result<i64, String> {
        a.checked_add(b)
            .ok_or_else(|| format!("{a} + {b} does not fit 64 bits"))
    }

    /// Say hello.
    #[dasf::function]
    pub fn hello(name: &str, #[dasf(default = Lang::En)] lang: Lang) -> String {
        let hello = match lang {
            Lang::En => "Hello",
            Lang::De => "Hallo",
        };
        format!("{hello} {name}")
    }

    /// Root.
    #[dasf::function(returns(gt = 0))]
    pub fn sqrt(#[dasf(gt = 0)] a: f64) -> f64 {
        a.sqrt()
    }

    /// A greeter.
    ///
    /// # Arguments
    /// * `greeting` - Which greeting
    pub struct Greeter {
        greeting: String,
    }

    #[dasf::class]
    impl Greeter {
        pub fn new(#[dasf(default = "Hi")] greeting: String) -> Self {
            Self { greeting }
        }

        /// Greet someone.
        ///
        /// # Arguments
        /// * `name` - Who
        pub fn greet(&self, name: &str) -> String {
            format!("{} {name}", self.greeting)
        }

        /// Twice
        pub fn twice(&self, name: &str, #[dasf(default = 2)] times: i64) -> Vec<String> {
            let times = usize::try_from(times).unwrap_or(0);
            vec![self.greet(name); times]
        }
    }

    /// Slow.
    #[dasf::function]
    pub async fn slow(
        #[dasf(default = 3)] n: i64,
        #[dasf(default = ProgressReport::new("working").with_steps(3))]
        mut reporter: ProgressReport,
    ) -> String {
        for i in 0..n {
            let _sub = reporter.step(format!("step {i}"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        "done".to_owned()
    }

    /// Area of points
    #[dasf::function]
    pub fn area(points: &[Point], scale: Option<f64>) -> BTreeMap<String, f64> {
        #[allow(clippy::cast_precision_loss)] // a number of points that fits a message
        let count = points.len() as f64;
        // As in Python's `scale or 1`, zero counts as missing.
        let scale = scale.filter(|&scale| scale != 0.0).unwrap_or(1.0);
        BTreeMap::from([("n".to_owned(), count), ("s".to_owned(), scale)])
    }

    /// Raises.
    ///
    /// # Errors
    /// Always, with the message.
    #[dasf::function]
    pub fn fail(msg: String) -> Result<(), String> {
        Err(msg)
    }

    /// Echo
    #[dasf::function]
    pub fn echo(data: String) -> String {
        data
    }

    /// # Errors
    /// When there is no day after.
    #[dasf::function]
    pub fn when(t: DateTime<FixedOffset>) -> Result<DateTime<FixedOffset>, String> {
        // Callers cannot read a year of more than four digits.
        t.checked_add_signed(TimeDelta::days(1))
            .filter(|day| day.year() <= 9999)
            .ok_or_else(|| format!("there is no day after {t}"))
    }

    /// Returns nothing.
    #[dasf::function]
    pub fn none() {}
}
