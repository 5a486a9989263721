//! The broker's ids of messages.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};

/// A broker's id of a message. It is a text that only the broker understands.
///
/// Most ids are short, and a short one needs no memory of its own. To copy an id is cheap.
///
/// ```
/// use dasf_protocol::MessageId;
///
/// let id = MessageId::from(7);
/// assert_eq!(id, MessageId::from("7"));
/// assert_eq!(&*id, "7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(SmolStr);

impl Deref for MessageId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl From<&str> for MessageId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for MessageId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<u64> for MessageId {
    fn from(number: u64) -> Self {
        Self(number.to_smolstr())
    }
}
