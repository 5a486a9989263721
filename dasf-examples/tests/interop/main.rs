//! The programs of this package on Pulsar and on Mosquitto. `cargo xtask pulsar` and `cargo xtask
//! mosquitto` install these brokers.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cluster;
mod mqtt;

use std::process::Command;

use dasf_test_support::program::Listening;

/// Starts a module, and waits until it listens.
async fn listen(mut command: Command) -> Listening {
    command.arg("listen");
    let start = move || Listening::start(command);
    tokio::task::spawn_blocking(start).await.unwrap()
}
