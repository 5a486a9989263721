//! The packages that are published.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// The packages that are published, each after the packages that it depends on.
const PACKAGES: [&str; 12] = [
    "dasf-pattern",
    "dasf-protocol",
    "dasf-program",
    "dasf-schema",
    "dasf-codegen",
    "dasf-macros",
    "dasf-types",
    "dasf-runtime",
    "dasf",
    "dasf-gateway",
    "dasf-broker",
    "dasf-cli",
];

/// The version of all packages.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Packages every crate as for the registry, and checks that the compiler accepts what is in the packages.
///
/// `cargo package` itself would build each package with all packages below it, and takes five minutes for
/// that. Here the packages are the members of one workspace, and each is checked by itself.
pub(crate) fn package() -> io::Result<()> {
    let target = root().join("target");
    let folder = target.join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut package = Command::new(cargo());
    package.args([
        "package",
        "--quiet",
        "--locked",
        "--allow-dirty",
        "--no-verify",
    ]);
    for name in PACKAGES {
        package.args(["--package", name]);
    }
    succeed(package.current_dir(root()).env("CARGO_TARGET_DIR", &target))?;
    let workspace = folder.join("workspace");
    unpack(&folder, &workspace)?;
    for name in PACKAGES {
        // The lock file is that of this workspace. Offline, it only loses what the packages do not need.
        succeed(
            Command::new(cargo())
                .args(["check", "--quiet", "--offline", "--package", name])
                .current_dir(&workspace)
                .env("CARGO_TARGET_DIR", &target),
        )?;
    }
    Ok(())
}

/// Makes a workspace of the packages in a folder. They find each other there, not in a registry.
fn unpack(packages: &Path, workspace: &Path) -> io::Result<()> {
    fs::create_dir_all(workspace)?;
    let mut members = String::new();
    let mut patches = String::new();
    for name in PACKAGES {
        let folder = format!("{name}-{VERSION}");
        succeed(
            Command::new("tar")
                .arg("--extract")
                .arg("--file")
                .arg(packages.join(format!("{folder}.crate")))
                .arg("--directory")
                .arg(workspace),
        )?;
        members += &format!("    {folder:?},\n");
        patches += &format!("{name} = {{ path = {folder:?} }}\n");
    }
    fs::write(
        workspace.join("Cargo.toml"),
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[patch.crates-io]\n{patches}"
        ),
    )?;
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    Ok(())
}
