//! Lets much wait in a broker that keeps messages, and checks its memory and its time to start.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// The megabytes that wait, and the size of a message in bytes.
const LOADS: [(u32, u32); 3] = [(1000, 1000), (1000, 100_000), (10_000, 100_000)];

/// Runs the test of the capacity with large loads, in release mode. `cargo xtask test` runs it with a small
/// one.
pub(crate) fn run() -> io::Result<()> {
    for (megabytes, message) in LOADS {
        succeed(
            Command::new(cargo())
                .args(["test", "--locked", "--release", "--package", "dasf-broker"])
                .args(["--test", "broker", "--", "capacity", "--nocapture"])
                .env("DASF_CAPACITY_MB", megabytes.to_string())
                .env("DASF_CAPACITY_MESSAGE", message.to_string())
                .current_dir(root()),
        )?;
    }
    Ok(())
}
