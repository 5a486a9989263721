//! The packages that are published.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use crate::steps;

/// The packages that are published, each after the packages that it depends on.
const PACKAGES: [&str; 11] = [
    "dasf-pattern",
    "dasf-protocol",
    "dasf-program",
    "dasf-schema",
    "dasf-codegen",
    "dasf-macros",
    "dasf-types",
    "dasf-runtime",
    "dasf",
    "dasf-broker",
    "dasf-cli",
];

/// Packages every crate as for the registry, and builds it from its package.
///
/// The packages find each other in a registry that Cargo makes in the build folder. Cargo remembers the
/// packages of a registry by its path, as if they never changed. So each run has a folder of its own. A
/// link in it shares the compiled dependencies.
pub(crate) fn package() -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos();
    let target = steps::root().join("target");
    let own = target.join(format!("package-{now}"));
    let packaged = package_in(&own, &target.join("debug"));
    // Without this, every run would leave a folder behind. The link goes, and what it shares stays.
    fs::remove_dir_all(&own)?;
    packaged
}

fn package_in(own: &Path, compiled: &Path) -> io::Result<()> {
    fs::create_dir_all(own)?;
    fs::create_dir_all(compiled)?;
    symlink(fs::canonicalize(compiled)?, own.join("debug"))?;
    let mut package = Command::new(steps::cargo());
    package.args(["package", "--quiet", "--locked", "--allow-dirty"]);
    for name in PACKAGES {
        package.args(["--package", name]);
    }
    package
        .current_dir(steps::root())
        .env("CARGO_TARGET_DIR", own);
    steps::succeed(&mut package)
}
