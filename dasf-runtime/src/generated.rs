//! What generated clients are made of.
//!
//! A file that `dasf generate --lang rust` wrote, and what [`dasf::client!`] expands to, need the
//! crate `dasf` and nothing besides: all that they refer to is here. Nobody else needs this module.
//! A file works with the version of `dasf` that it was generated for, and those compatible with it.
//!
//! [`dasf::client!`]: https://docs.rs/dasf/latest/dasf/macro.client.html

pub use crate::client::{Async, Blocking, Call, Instance, Mode};
pub use crate::{__call as call, __client as client, __instance as instance};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::Value;
