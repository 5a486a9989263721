//! The programs of this package at brokers that are not the project's own. `cargo xtask pulsar` and
//! `cargo xtask mosquitto` provide them.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

// What other tests use of these is not used here.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../../tests/interop/brokers/mod.rs"]
mod brokers;
mod cluster;
mod module;
mod mqtt;
#[allow(dead_code)] // as above
#[path = "../../../tests/interop/python.rs"]
mod python;
