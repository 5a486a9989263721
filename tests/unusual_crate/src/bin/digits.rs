//! A module whose integers need more than 64 bits.

/// Numbers of many digits.
#[rpc::module(topic = "digits", crate = rpc)]
pub mod digits {
    use std::collections::BTreeMap;

    /// The product of all numbers up to this one.
    #[rpc::function]
    pub fn factorial(n: u32) -> u128 {
        (1..=u128::from(n)).product()
    }

    /// The sum of some numbers.
    #[rpc::function]
    pub fn sum(numbers: Vec<u128>, #[dasf(default = 0)] start: u128) -> u128 {
        numbers.into_iter().fold(start, u128::wrapping_add)
    }

    /// The factorial of each, below each other's name.
    #[rpc::function]
    pub fn factorials(numbers: Vec<u32>) -> BTreeMap<String, Option<(i128, Vec<u128>)>> {
        let entry = |n: u32| {
            let factorial = factorial(n);
            let negative = i128::try_from(factorial).ok()?.checked_neg()?;
            Some((negative, vec![factorial]))
        };
        numbers
            .into_iter()
            .map(|n| (n.to_string(), entry(n)))
            .collect()
    }
}
