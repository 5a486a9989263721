//! Modules and clients on the embedded broker, over real sockets. `tests/README.md` shows where a
//! test is.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
mod cancel;
mod client;
mod collisions;
mod compile_fail;
mod context;
mod defaults;
mod errors;
mod features;
mod forms;
mod fuzzed;
mod gated_module;
mod generated;
mod host;
mod hygiene;
mod identity;
mod jobs;
mod limits;
mod log;
mod members;
mod naming;
mod patterns;
mod public_interface;
mod reading;
mod reconnect;
mod repeats;
mod replay;
mod requests;
mod rights;
mod schema;
mod status;
mod telemetry;
mod timeouts;
mod trace;
mod types;
mod unknown_arguments;
mod unusual_crate;
mod users;
mod whereabouts;
