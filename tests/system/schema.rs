//! The schema of the reference module, compared with that of its Python original.

use dasf_examples::reference;
use serde_json::Value;

/// Keys that the schema of a Rust type has in addition.
const ADDED_BY_RUST: [&str; 3] = ["format", "minimum", "maximum"];
/// The definitions of the progress report, whose descriptions differ from the Python ones.
const REPORT_DEFINITIONS: [&str; 4] = [
    "ProgressReport",
    "ReportSettings",
    "ShowReportMethod",
    "Status",
];

/// Panics unless two schemas have the same meaning.
pub(crate) fn assert_same_meaning(own: &Value, python: &Value) {
    let mut differences = Vec::new();
    compare(own, python, "", &mut differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn compare(own: &Value, python: &Value, path: &str, differences: &mut Vec<String>) {
    match (own, python) {
        (Value::Object(own), Value::Object(python)) => {
            for (key, expected) in python {
                match own.get(key) {
                    Some(value) => compare(value, expected, &format!("{path}/{key}"), differences),
                    None => differences.push(format!("{path}/{key} is missing")),
                }
            }
            for (key, value) in own {
                // Extensions of dasf, and the ranges of number types.
                let is_added = ADDED_BY_RUST.contains(&key.as_str())
                    || ["x_dasf", "x_dasf_type"].contains(&key.as_str());
                if !python.contains_key(key) && !is_added {
                    differences.push(format!("{path}/{key} is new: {value}"));
                }
            }
        }
        (Value::Array(own), Value::Array(python)) if own.len() == python.len() => {
            for (index, (own, python)) in own.iter().zip(python).enumerate() {
                compare(own, python, &format!("{path}[{index}]"), differences);
            }
        }
        (Value::Number(own), Value::Number(python)) if own.as_f64() == python.as_f64() => {}
        (Value::String(_), Value::String(_)) if is_report_description(path) => {}
        (own, python) if own == python => {}
        (own, python) => differences.push(format!("{path}: {own} instead of {python}")),
    }
}

fn is_report_description(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let definition = parts
        .iter()
        .position(|part| *part == "$defs")
        .and_then(|at| parts.get(at + 1));
    path.ends_with("/description")
        && definition.is_some_and(|name| REPORT_DEFINITIONS.contains(name))
}

#[test]
fn the_schema_equals_python_s() {
    let python = serde_json::from_str(include_str!("../fixtures/schema.json")).unwrap();
    assert_same_meaning(&reference::module().unwrap().schema("test-topic"), &python);
}

#[test]
fn the_description_equals_python_s() {
    let fixtures: Value =
        serde_json::from_str(include_str!("../fixtures/demessaging-0.6.4.json")).unwrap();
    let answer = &fixtures["api_info"]["client_receives"][0]["properties"]["api_info"];
    let python = serde_json::from_str(answer.as_str().unwrap()).unwrap();
    let own = serde_json::to_value(reference::module().unwrap().api_info("test-topic")).unwrap();
    assert_same_meaning(&own, &python);
    // Forms show names and fields in the order of the source.
    let names = |document: &Value| {
        let functions = document["functions"].as_array().unwrap();
        functions
            .iter()
            .map(|function| function["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&own), names(&python));
}

#[test]
fn a_comparison_finds_differences() {
    let python = serde_json::json!({"type": "integer", "title": "A", "required": ["a"]});
    for own in [
        serde_json::json!({"type": "integer", "title": "B", "required": ["a"]}),
        serde_json::json!({"type": "integer", "title": "A", "required": ["a", "b"]}),
        serde_json::json!({"type": "integer", "required": ["a"]}),
        serde_json::json!({"type": "integer", "title": "A", "required": ["a"], "pattern": "x"}),
    ] {
        let mut differences = Vec::new();
        compare(&own, &python, "", &mut differences);
        assert_eq!(differences.len(), 1, "{own}: {differences:?}");
    }
}
