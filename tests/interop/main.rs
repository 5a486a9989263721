//! Modules and clients against programs of other projects. `tests/README.md` shows what these tests
//! need and how to install it.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod access;
mod cancel;
mod corpus;
mod deadlines;
mod delivery;
mod descriptions;
mod differential;
mod fixtures;
mod generated_jobs;
mod generated_python;
mod generated_rust;
mod generated_typescript;
mod groups;
mod guarded;
mod identity;
mod jobs;
mod listen_options;
mod mqtt;
mod mqtt_groups;
mod mqtt_jobs;
mod mqtt_losses;
mod page;
mod patterns;
mod present;
mod pulsar;
mod python_caller;
mod python_module;
mod rust;
mod secured;
mod seeing;
mod shell;
mod support;
mod trace;
mod variants;
mod web;
mod xarray;

use dasf_test_support::{brokers, dialog, python};
