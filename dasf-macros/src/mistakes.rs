//! All mistakes in one expansion, each with its place.

use darling::{Error, Result};

/// Collects mistakes to report them together.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Returns the value of a success, and collects the mistake of a failure.
    pub(crate) fn handle<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns all mistakes as one error, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::multiple(self.0))
        }
    }
}
