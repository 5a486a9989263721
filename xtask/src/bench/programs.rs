//! Builds the programs of the measurements, and installs those of others.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::system::System;
use crate::steps::{cargo, root, succeed};
use crate::{debian, pulsar, python};

/// The folder of the programs with other libraries, which have a `Cargo.lock` of their own.
pub(super) const COMPARE: &str = "benches/compare";
/// The folder of their builds, below the target directory.
const COMPARE_TARGET: &str = "compare";
/// The programs that are always needed, as packages and their binaries. All others take longer to
/// build.
const MAIN: &[&str] = &[
    "--package",
    "dasf-broker",
    "--package",
    "dasf-examples",
    "--package",
    "dasf-bench-programs",
    "--bin",
    "dasf-broker",
    "--bin",
    "arithmetic",
    "--bin",
    "bench-dasf",
    "--bin",
    "bench-floor",
];
/// Other programs of the workspace.
const OTHER: &[&str] = &["--bin", "bench-idle", "--bin", "bench-module"];
/// The brokers of the tests.
const BROKERS: &[&str] = &[
    "--features",
    "dasf-bench-programs/brokers",
    "--bin",
    "bench-broker",
];

/// The profile of the figures, and one that builds in a shorter time. Each has a folder of this name.
const RELEASE: &str = "release";
const QUICK: &str = "quick";

/// The folders of the programs.
#[derive(Debug)]
pub(super) struct Programs {
    target: PathBuf,
    profile: &'static str,
}

impl Programs {
    /// Builds the programs of dasf and of the floor.
    pub(super) fn provide_main() -> io::Result<Self> {
        let target = own_target()?;
        let profile = QUICK;
        build(&root(), &target, profile, MAIN)?;
        Ok(Self { target, profile })
    }

    /// Builds and installs the programs of these systems.
    pub(super) fn provide(systems: &[System]) -> io::Result<Self> {
        let root = root();
        let target = own_target()?;
        let profile = RELEASE;
        let mut own = [MAIN, OTHER].concat();
        let has = |wanted: &[System]| systems.iter().any(|system| wanted.contains(system));
        if has(&[System::DjangoRust, System::DjangoPython]) {
            python::provide(&root)?;
        }
        if has(&[System::Pulsar]) {
            pulsar::provide(&root)?;
        }
        if systems
            .iter()
            .any(|system| system.has_a_broker_of_the_tests())
        {
            own.extend(BROKERS);
        }
        build(&root, &target, profile, &own)?;
        if has(&[System::Nats]) {
            let path = std::env::var_os("PATH").unwrap_or_default();
            debian::provide(&path, "nats-server", "nats-server")?;
        }
        if has(&[System::Nats, System::Jsonrpsee]) {
            let compared = target.join(COMPARE_TARGET);
            build(&root.join(COMPARE), &compared, profile, &["--bins"])?;
        }
        Ok(Self { target, profile })
    }

    /// Returns the path of a program of the workspace.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.target.join(self.profile).join(name)
    }

    /// Returns the path of a program with another library.
    pub(super) fn compared(&self, name: &str) -> PathBuf {
        self.file(self.profile).join(name)
    }

    /// Returns the path of a file that the measurements may write.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.target.join(COMPARE_TARGET).join(name)
    }
}

/// Returns the target directory of this program.
fn own_target() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent);
    target
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::other(format!("{} is not in a target directory", own.display())))
}

fn build(folder: &Path, target: &Path, profile: &str, arguments: &[&str]) -> io::Result<()> {
    succeed(
        Command::new(cargo())
            .args(["build", "--locked", "--profile", profile])
            .args(arguments)
            .env("CARGO_TARGET_DIR", target)
            .current_dir(folder),
    )
}
