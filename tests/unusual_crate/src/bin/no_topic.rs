//! A module whose attribute contains no topic.

/// Calculations.
#[rpc::module(crate = rpc)]
pub mod no_topic {
    /// Add two numbers.
    #[rpc::function]
    pub fn add(a: i64, b: i64) -> i64 {
        a + b
    }
}
