//! The path and the query of a handshake.

mod path;

pub(crate) use path::*;
