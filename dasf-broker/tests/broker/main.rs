//! The broker and its program, tested over real sockets.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod access;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod capacity;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod crash;
mod dead;
mod delivery;
mod frames;
mod handshake;
mod jobs;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "store")]
mod keeping;
mod lifecycle;
mod limits;
mod link;
#[cfg(feature = "cli")]
mod program;
mod quotas;
mod redelivery;
mod seeing;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod storms;
mod subscriptions;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod topic_settings;
