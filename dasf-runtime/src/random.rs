//! Random bits from the operating system, for names that no other program may have or guess.
//!
//! A generator with a seed is not enough: two programs with the same seed would receive each
//! other's responses.

use dasf_protocol::topic;

/// Returns 128 random bits.
pub(crate) fn bits() -> u128 {
    let mut bytes = [0; 16];
    #[allow(clippy::expect_used)] // the message explains why it cannot happen
    getrandom::fill(&mut bytes)
        .expect("the system has random bytes; without them the program's first hash map would have panicked");
    u128::from_le_bytes(bytes)
}

/// Returns a unique name of 22 letters and digits.
pub(crate) fn name() -> String {
    topic::random_name(bits())
}

/// Returns the name of a reader that no other program has.
pub(crate) fn reader() -> dasf_protocol::Subscription {
    #[allow(clippy::expect_used)] // the message proves that it cannot happen
    name()
        .parse()
        .expect("letters and digits make a subscription")
}

/// Returns a name of `count` letters and digits, at most 21. Each character has almost six random
/// bits.
pub(crate) fn letters(count: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = bits();
    let letter = |_| {
        let letter = LETTERS[(left % 62) as usize];
        left /= 62;
        char::from(letter)
    };
    (0..count.min(21)).map(letter).collect()
}

/// Returns the first context of a caller: a number below 2³¹, because dasf-broker-django stores
/// contexts in columns of that size.
pub(crate) fn first_context() -> u64 {
    (bits() & u128::from(LAST_CONTEXT)) as u64
}

/// The largest context.
pub(crate) const LAST_CONTEXT: u64 = (1 << 31) - 1;

/// Returns the id of a span that no other one has.
#[cfg(feature = "module")]
pub(crate) fn span_id() -> dasf_protocol::SpanId {
    loop {
        if let Some(id) = dasf_protocol::SpanId::new((bits() >> 64) as u64) {
            return id;
        }
    }
}

/// Returns a number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    (bits() >> 64) as u64 as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_and_hold_what_brokers_take() {
        let mut names = HashSet::new();
        for _ in 0..1000 {
            let name = name();
            assert_eq!(name.len(), 22);
            assert!(name.parse::<dasf_protocol::Topic>().is_ok(), "{name}");
            assert!(names.insert(name));
            let name = letters(19);
            assert_eq!(name.len(), 19);
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{name}"
            );
            assert!(names.insert(name));
            assert!(first_context() <= LAST_CONTEXT);
            assert!((0.0..=1.0).contains(&fraction()));
        }
    }
}
