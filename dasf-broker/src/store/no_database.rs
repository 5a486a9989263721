//! The replacement of the database in programs without the feature `store`.

use std::path::Path;

use super::change::Change;
use super::error::StoreError;
use super::restored::Restored;
use crate::message::Content;

/// A database that cannot be opened.
#[derive(Debug)]
pub(super) enum Database {}

impl Database {
    pub(super) fn open(_directory: &Path, _new_run: u64) -> Result<(Self, Restored), StoreError> {
        Err(StoreError::NotBuilt)
    }

    pub(super) fn open_reader(_directory: &Path) -> Result<Self, StoreError> {
        Err(StoreError::NotBuilt)
    }

    pub(super) fn write(&mut self, _changes: &[Change]) -> Result<(), StoreError> {
        match *self {}
    }

    pub(super) fn content(&self, _sequence: u64) -> Result<Option<Content>, StoreError> {
        match *self {}
    }
}
