//! What the guide says about the tests.

use std::fs;
use std::path::Path;

/// The tests that a page names: texts in backticks of the form `module::function`, in the last
/// column of a table that is headed "test" or "tests".
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
    let mut count = 0;
    for page in [
        "README.md",
        "src/guide/modules.md",
        "src/guide/modules/types.md",
    ] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for (module, function) in named_tests(&text) {
            let folders = [
                "tests/system",
                "tests/interop",
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
            assert!(exists, "{page} names {module}::{function}");
            count += 1;
        }
    }
    assert!(count > 30, "{count} tests are named");
}
