//! All mistakes in one expansion, each with its place.

use std::fmt::Display;

use darling::{Error, Result};
use syn::spanned::Spanned;

/// Collects mistakes to report them together.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    /// Adds a mistake at a place.
    pub(crate) fn report(&mut self, mistake: impl Display, place: &impl Spanned) {
        self.0.push(Error::custom(mistake).with_span(place));
    }

    /// Returns the value of a success, and collects the mistake of a failure.
    pub(crate) fn handle<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// Adds mistakes that were collected elsewhere.
    pub(crate) fn add(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
