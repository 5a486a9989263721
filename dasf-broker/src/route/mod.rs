//! The path and the query of a handshake.

mod decode;
mod error;
mod path;
mod query;

pub(crate) use error::RouteError;
pub(crate) use path::{Dead, Route, Seen, Style};
pub(crate) use query::Query;
