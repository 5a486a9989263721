//! The whole system: modules, clients and brokers that talk to each other over real sockets.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
mod client;
mod compile_fail;
mod host;
mod odd;
mod reconnect;
mod replay;
mod schema;
mod support;
