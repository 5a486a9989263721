//! The packages that are published.

use std::io;
use std::process::Command;

use crate::steps;

/// The packages that are published, each after the packages that it depends on.
const PACKAGES: [&str; 9] = [
    "dasf-pattern",
    "dasf-protocol",
    "dasf-codegen",
    "dasf-macros",
    "dasf-types",
    "dasf-runtime",
    "dasf",
    "dasf-broker",
    "dasf-cli",
];

/// Packages every crate as for the registry, and builds it from its package.
pub(crate) fn package() -> io::Result<()> {
    let mut package = Command::new(steps::cargo());
    package.args(["package", "--quiet", "--locked", "--allow-dirty"]);
    for name in PACKAGES {
        package.args(["--package", name]);
    }
    steps::succeed(package.current_dir(steps::root()))
}
