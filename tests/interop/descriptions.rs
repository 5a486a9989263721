//! Arbitrary JSON as an API description: the parsers of Python and TypeScript accept the generated
//! clients. The tests of `dasf-codegen` do the same for Rust.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use dasf_codegen::{Language, generate};

use crate::python;
use crate::web::packages;

#[path = "../../dasf-codegen/tests/arbitrary/mod.rs"]
mod arbitrary;

/// Writes the clients of many documents into a folder, and returns their number.
fn write_clients(folder: &Path, language: Language) -> usize {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let seeds = 0..150;
    let clients = seeds.filter_map(|seed| {
        let source = generate(&arbitrary::of_seed(seed), language, "a test").ok()?;
        let file = folder.join(format!("client{seed}"));
        fs::write(file.with_extension(language.extension()), source).unwrap();
        Some(())
    });
    clients.count()
}

#[test]
fn any_description_is_an_error_or_python_that_compiles() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("descriptions-python");
    let count = write_clients(&folder, Language::Python);
    let compiled = python::run("compile_files.py", &[folder.to_str().unwrap()], "");
    assert_eq!(compiled.trim(), count.to_string());
    assert!(count > 80, "{count}");
}

#[test]
fn any_description_is_an_error_or_typescript_that_parses() {
    // The script finds the packages only from this folder.
    let folder = packages().join("descriptions");
    let count = write_clients(&folder, Language::TypeScript);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/web/parse_files.mjs");
    let mut parser = Command::new("node");
    let output = parser
        .arg(script)
        .arg(&folder)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    assert_eq!(printed.trim(), count.to_string());
    assert!(count > 80, "{count}");
}
