//! The memory of all messages and subscriptions of a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget of a broker in bytes. Each [`Charge`] uses a part of it.
///
/// A charge always succeeds, so the use may exceed the budget for a moment. Whoever charges checks
/// [`is_exceeded`](Self::is_exceeded) afterwards.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            used: AtomicUsize::new(0),
        })
    }

    /// Uses this number of bytes until the charge is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        // No other memory access depends on the number, so the cheapest ordering is enough.
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge {
            budget: self.clone(),
            bytes,
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.max
    }
}

/// A used part of a budget. A drop frees it.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// See [`Budget::is_exceeded`].
    pub(crate) fn is_exceeded(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// Changes the number of bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget
                .used
                .fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.budget
                .used
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_ends_with_its_drop() {
        let budget = Budget::new(10);
        let mut first = budget.charge(4);
        let second = budget.charge(6);
        assert_eq!((budget.used(), budget.is_exceeded()), (10, false));
        first.set(5);
        assert_eq!((budget.used(), budget.is_exceeded()), (11, true));
        drop(second);
        first.set(1);
        assert_eq!(budget.used(), 1);
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
