//! The memory of all messages and subscriptions of a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget of a broker in bytes. Each [`Charge`] uses a part of it.
///
/// A charge always succeeds, so the use may exceed the budget for a moment. Whoever charges checks
/// [`is_exceeded`](Self::is_exceeded) afterwards.
#[derive(Debug)]
pub(crate) struct Budget {
    max: AtomicUsize,
    used: AtomicUsize,
    /// The budget of which this one is a part.
    whole: Option<Arc<Self>>,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: AtomicUsize::new(max),
            used: AtomicUsize::new(0),
            whole: None,
        })
    }

    /// Returns a budget without a limit whose charges also use another one.
    pub(crate) fn part_of(whole: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            max: AtomicUsize::new(usize::MAX),
            used: AtomicUsize::new(0),
            whole: Some(whole.clone()),
        })
    }

    /// Uses this number of bytes until the charge is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.add(bytes);
        Charge {
            budget: self.clone(),
            bytes,
        }
    }

    // No other memory access depends on the numbers, so the cheapest ordering is enough.
    fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.add(bytes);
        }
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.subtract(bytes);
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.max()
    }
}

/// A used part of a budget. A drop frees it.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// See [`Budget::is_exceeded`].
    pub(crate) fn is_exceeded(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// Changes the number of bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.add(bytes - self.bytes);
        } else if bytes < self.bytes {
            self.budget.subtract(self.bytes - bytes);
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
