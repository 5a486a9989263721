//! Compares the answers with those of the crate `jsonschema`: the same values are valid, and the same
//! problems are told in the same words.

#![allow(clippy::unwrap_used, clippy::panic)] // tests fail by panics

mod corpora;
mod formats;
mod oracle;
mod random;

use dasf_schema::{Draft, Options, Problem, Schema, list_problems};
use serde_json::Value;

use oracle::Oracle;

/// The maximum number of problems that are found.
const MAX_FOUND: usize = 11;

/// Compares the answers for values of one schema.
///
/// # Panics
/// Panics with the schema and the value if they differ.
#[track_caller]
fn compare<'v>(schema: &Value, options: Options, values: impl IntoIterator<Item = &'v Value>) {
    let oracle = Oracle::new(schema, options);
    let own = Schema::new(schema, options);
    let (oracle, own) = match (oracle, own) {
        (Ok(oracle), Ok(own)) => (oracle, own),
        (Err(_), Err(_)) => return,
        // Names in references need not be encoded.
        (Err(error), Ok(_)) if error.starts_with("Invalid URI reference") => return,
        (Ok(_), Err(error)) => panic!("only we refuse {schema}: {error}"),
        (Err(error), Ok(_)) => panic!("only jsonschema refuses {schema}: {error}"),
    };
    for value in values {
        let expected = oracle.accepts(value);
        assert_eq!(own.accepts(value), expected, "{value} in {schema}");
        let text = value.to_string();
        if serde_json::from_str::<Value>(&text).is_ok_and(|read| read == *value) {
            let found = own.accepts_text(&text);
            assert_eq!(found, expected, "{text} as text in {schema}");
        }
        if oracle::is_deeper(value, oracle::MAX_DEPTH) {
            continue;
        }
        let expected = oracle.problems(value, "x").into_iter();
        // Long texts are cut.
        let expected: Vec<_> = expected
            .map(|(path, message)| in_parts(&Problem::new(&path, message)))
            .collect();
        let found: Vec<_> = own.problems(value, "x").iter().map(in_parts).collect();
        // In a circle of references, the oracle finds the same problem once more.
        let (found, expected) = if found.len() == expected.len().min(MAX_FOUND) {
            (found, expected)
        } else {
            (distinct(found), distinct(expected))
        };
        assert_eq!(
            found.len(),
            expected.len().min(MAX_FOUND),
            "{value} in {schema}"
        );
        // The order may differ: the oracle checks some keywords together.
        let mut others = expected.clone();
        for problem in &found {
            let position = others.iter().position(|other| other == problem);
            let Some(position) = position else {
                panic!("{problem:?} is none of {others:?} for {value} in {schema}");
            };
            others.swap_remove(position);
        }
        let is_listed = list_problems("f", &own.problems(value, "")).contains(": ");
        assert_eq!(is_listed, !expected.is_empty());
    }
}

fn distinct(mut problems: Vec<(String, String)>) -> Vec<(String, String)> {
    problems.sort();
    problems.dedup();
    problems
}

fn in_parts(problem: &Problem) -> (String, String) {
    (problem.path().to_owned(), problem.message().to_owned())
}

fn options(draft: Draft) -> Options {
    Options {
        draft,
        ..Options::default()
    }
}
