//! The replacement of the keys of issuers in programs without the feature `jwt`.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use super::jws::Jws;

/// Keys that cannot be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keys(Infallible);

#[derive(Debug)]
pub(super) struct Key(Infallible);

/// Why a key does not prove that a token is right.
#[derive(Debug)]
#[allow(dead_code)] // the errors name these reasons, and no key here gives one
pub(super) enum BadKey<'a> {
    Unknown { kid: &'a str },
    Unnamed,
    Algorithm,
    Signature,
}

impl Keys {
    pub(super) fn load(_path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Err("this program is built without the feature \"jwt\"".into())
    }

    pub(super) fn verify<'a>(&self, _jws: &'a Jws<'_>) -> Result<Arc<Key>, BadKey<'a>> {
        match self.0 {}
    }

    pub(super) fn contain(&self, _key: &Key) -> bool {
        match self.0 {}
    }
}

impl Key {
    pub(super) fn id(&self) -> Option<&str> {
        match self.0 {}
    }
}
