//! Kills programs and breaks connections while calls run, for a long time.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// Runs the tests of faults with this number of calls, with a seed if one is given. `cargo xtask test` runs
/// them with fewer calls, and without a Pulsar.
pub(crate) fn run(calls: u32, seed: Option<u32>) -> io::Result<()> {
    let mut command = tests("faults::");
    command.env("DASF_FAULTS_CALLS", calls.to_string());
    if let Some(seed) = seed {
        command.env("DASF_FAULTS_SEED", seed.to_string());
    }
    succeed(&mut command)
}

/// Runs the test of the memory for this number of minutes.
pub(crate) fn soak(minutes: u32) -> io::Result<()> {
    let minutes = minutes.to_string();
    succeed(tests("soak::").env("DASF_SOAK_MINUTES", minutes))
}

fn tests(name: &str) -> Command {
    let mut command = Command::new(cargo());
    command
        .args(["test", "--locked", "--package", "dasf-test-faults"])
        .args(["--test", "faults", "--", name])
        .args(["--include-ignored", "--nocapture"])
        .current_dir(root());
    command
}
