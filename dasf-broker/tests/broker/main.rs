//! The broker and its program, tested over real sockets.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod delivery;
mod frames;
mod handshake;
mod lifecycle;
mod limits;
mod link;
#[cfg(feature = "cli")]
mod program;
mod redelivery;
mod subscriptions;
mod support;
