//! The packages that are published: that they can be packaged, and that their interfaces keep the promises
//! of their version.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::steps;
use crate::tools::{self, Tool};

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
/// The packages without a library that Rust programs use.
const WITHOUT_INTERFACE: [&str; 2] = ["dasf-macros", "dasf-cli"];

const SEMVER_CHECKS: Tool = Tool {
    package: "cargo-semver-checks",
    version: "0.51.0",
    // A build without optimizations takes a third of the time, and the check is hardly slower.
    options: &["--debug"],
};
/// The key in `Cargo.toml` of the commit whose interface the current version promises.
const BASELINE: &str = "semver-baseline = ";

/// Packages every crate as for the registry, and builds it from its package.
pub(crate) fn package() -> io::Result<()> {
    let mut package = Command::new(steps::cargo());
    package.args(["package", "--quiet", "--locked", "--allow-dirty"]);
    for name in PACKAGES {
        package.args(["--package", name]);
    }
    steps::succeed(package.current_dir(steps::root()))
}

/// Compares the interfaces with those of the baseline, and fails if the version does not allow the
/// changes.
pub(crate) fn check_versions(root: &Path) -> io::Result<()> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let baseline = baseline(&manifest)
        .ok_or_else(|| io::Error::other(format!("Cargo.toml has no line `{BASELINE}\"…\"`")))?;
    let tool = tools::provide(root, &SEMVER_CHECKS)?;
    let mut check = Command::new(tool);
    check
        .args(["semver-checks", "check-release", "--baseline-rev", baseline])
        .current_dir(root);
    for name in PACKAGES
        .iter()
        .filter(|name| !WITHOUT_INTERFACE.contains(name))
    {
        check.args(["--package", name]);
    }
    steps::succeed(&mut check)
}

/// The commit that the manifest names as the baseline.
fn baseline(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines();
    let value = lines.find_map(|line| line.strip_prefix(BASELINE))?;
    value.strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_baseline() {
        let manifest = fs::read_to_string(steps::root().join("Cargo.toml")).unwrap();
        assert_eq!(baseline(&manifest).map(str::len), Some(40));
        assert_eq!(baseline("name = \"dasf\""), None);
    }
}
