//! The work that a check may take.

use std::cell::Cell;

/// The steps that are left: about one for each schema that is applied to a value.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    pub(crate) const fn new(steps: u64) -> Self {
        Self(Cell::new(steps))
    }

    /// Takes some steps. Returns whether there were enough.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        let left = self.0.get().checked_sub(steps as u64);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Returns whether no step is left, so that the result of the check has no meaning.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
