//! Kills a broker again and again, and checks that it has kept what it confirmed.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// Runs the tests of crashes with this number of kills. `cargo xtask test` runs them with fewer.
pub(crate) fn run(kills: u32) -> io::Result<()> {
    succeed(
        Command::new(cargo())
            .args(["test", "--locked", "--package", "dasf-broker"])
            .args(["--test", "broker", "--", "crash", "--nocapture"])
            .env("DASF_CRASH_KILLS", kills.to_string())
            .current_dir(root()),
    )
}
