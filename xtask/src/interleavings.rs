//! Runs code under every order of the steps of several threads.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// Runs the tests with the crate `loom`. The code of dependencies needs another folder, because the compiler
/// gets another flag.
pub(crate) fn test() -> io::Result<()> {
    succeed(
        Command::new(cargo())
            .args(["test", "--locked", "--package", "dasf-runtime", "--lib"])
            .args(["--target-dir", "target/interleavings"])
            .args(["--", "interleavings::"])
            .env("RUSTFLAGS", "--cfg interleavings")
            .current_dir(root()),
    )
}
