//! A map with numbers as keys.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with numbers as keys that no peer chooses. So its hash may be cheap.
pub(crate) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<CheapHasher>>;

/// Multiplies a number with 2^64 divided by the golden ratio. So numbers in succession have hashes
/// that differ in their first bits, too.
#[derive(Debug, Default)]
pub(crate) struct CheapHasher(u64);

impl Hasher for CheapHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
