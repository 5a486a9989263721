//! The tests that `tests/README.md` names.

use std::fs;
use std::path::Path;

/// Returns the tests that a page names: code of the form `module::function` in the last column of a
/// table that is headed "test" or "tests".
fn named_tests(page: &str) -> Vec<(&str, &str)> {
    let last_cell = |row| str::rsplit(str::trim_end_matches(row, '|'), '|').next();
    let mut is_of_tests = false;
    let mut tests = Vec::new();
    for line in page.lines() {
        let cell = last_cell(line).filter(|_| line.starts_with('|'));
        let Some(cell) = cell.map(str::trim) else {
            is_of_tests = false;
            continue;
        };
        is_of_tests |= matches!(cell, "test" | "tests");
        let codes = cell.split('`').skip(1).step_by(2);
        let named = codes.filter_map(|code| code.rsplit_once("::"));
        tests.extend(named.filter(|_| is_of_tests));
    }
    tests
}

#[test]
fn every_test_that_the_guide_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let named = named_tests(&page);
    for (module, function) in &named {
        let folders = [
            "tests/system",
            "tests/interop",
            "dasf-broker/tests/broker",
            "dasf-cli/tests",
            "dasf-cli/tests/interop",
            "dasf-examples/tests/interop",
        ];
        let exists = folders.iter().any(|folder| {
            let file = root
                .join(folder)
                .join(module.replace("::", "/"))
                .with_extension("rs");
            let definition = format!("fn {function}(");
            fs::read_to_string(file).is_ok_and(|source| source.contains(&definition))
        });
        assert!(exists, "tests/README.md names {module}::{function}");
    }
    let count = named.len();
    assert!(count > 30, "{count} tests are named");
}
