//! Compiles a module, a client and the broker with some of the features of `dasf`.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// A package, and the features with which it must compile without a warning.
const COMBINATIONS: [(&str, &str); 9] = [
    ("dasf-test-features", "client"),
    ("dasf-test-features", "client,tls"),
    ("dasf-test-features", "module"),
    ("dasf-test-features", "client,module"),
    ("dasf", "cli"),
    ("dasf", "status"),
    ("dasf", "module,opentelemetry"),
    ("dasf-broker", ""),
    ("dasf-broker", "jwt"),
];

/// Checks every combination. All others add to one of these without a choice between two pieces of code.
pub(crate) fn check() -> io::Result<()> {
    for (package, features) in COMBINATIONS {
        succeed(Command::new(cargo()).current_dir(root()).args([
            "clippy",
            "--locked",
            "--package",
            package,
            "--no-default-features",
            "--features",
            features,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    Ok(())
}
