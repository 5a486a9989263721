//! The project against peers that are not its own. `cargo xtask python` provides the Python ones.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod brokers;
mod python;
mod rust;
mod xarray;
