//! Every test that a page names exists.
//!
//! Pages name tests in tables, or in comments: `<!-- test: … -->`.

// A test that fails panics.
#![allow(clippy::unwrap_used)]

use std::fs;

use dasf_guide::{pages, root};

/// The folders in which `file::test` is looked for.
const FOLDERS: [&str; 11] = [
    "tests",
    "tests/faults/tests/faults",
    "tests/system",
    "tests/interop",
    "dasf-broker/tests/broker",
    "dasf-cli/tests",
    "dasf-cli/tests/interop",
    "dasf-examples/tests",
    "dasf-examples/tests/interop",
    "dasf-gateway/tests",
    "dasf-runtime/src",
];

/// Returns the tests that the tables of a page name: code of the form `file::test` in the last column
/// of a table that is headed "test" or "tests".
fn in_tables(page: &str) -> Vec<&str> {
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
        tests.extend(codes.filter(|code| is_of_tests && code.contains("::")));
    }
    tests
}

/// Returns the tests that the comments of a page name.
fn in_comments(page: &str) -> Vec<&str> {
    let comments = page
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- test: "));
    let names = comments.filter_map(|comment| comment.strip_suffix(" -->"));
    names.flat_map(|names| names.split(", ")).collect()
}

/// Whether a test exists: a file of `tests`, or a function in a file of one of the [`FOLDERS`].
fn exists(name: &str) -> bool {
    let root = root();
    let Some((file, function)) = name.rsplit_once("::") else {
        return root.join("tests").join(name).is_file();
    };
    let file = file
        .strip_suffix("::tests")
        .unwrap_or(file)
        .replace("::", "/");
    let definition = format!("fn {function}(");
    FOLDERS.iter().any(|folder| {
        let path = root.join(folder).join(&file).with_extension("rs");
        fs::read_to_string(path).is_ok_and(|source| source.contains(&definition))
    })
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut missing = Vec::new();
    let mut count = 0;
    for path in pages().unwrap() {
        let page = fs::read_to_string(root().join(&path)).unwrap();
        let mut tests = in_comments(&page);
        tests.extend(in_tables(&page));
        count += tests.len();
        let unknown = tests.into_iter().filter(|test| !exists(test));
        missing.extend(unknown.map(|test| format!("{}: {test}", path.display())));
    }
    assert!(missing.is_empty(), "missing tests:\n{}", missing.join("\n"));
    assert!(count > 100, "{count} tests are named");
}
