//! The fixtures of `dasf_broker.tests`, with which users of the Django broker test their modules.

use std::path::Path;
use std::process::Command;

use crate::brokers::django::fresh_database;
use crate::python;
use crate::support::reference_program;

#[test]
fn a_rust_module_passes_under_the_broker_s_own_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/django");
    let output = Command::new(python::interpreter())
        .args([
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--ds=settings",
        ])
        .arg("test_fixtures.py")
        .current_dir(folder)
        .env("DASF_TEST_DATABASE", fresh_database("fixtures"))
        .env("DASF_TEST_MODULE", reference_program())
        .env("PYTHONPATH", ".")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    assert!(printed.contains("3 passed"), "{printed}");
}
