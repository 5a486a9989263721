//! Patterns have the same meaning in a module and in its clients in all languages. The tests share a
//! table of patterns, strings and expected results.

use std::fs;
use std::path::Path;

use dasf::validate::{Dialect, Validator};
use dasf_codegen::{Language, generate};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::python;
use crate::web::node;

/// A line of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    pattern: String,
    accepts: Vec<String>,
    refuses: Vec<String>,
}

impl Case {
    fn texts(&self) -> Vec<&str> {
        let texts = self.accepts.iter().chain(&self.refuses);
        texts.map(String::as_str).collect()
    }

    fn verdicts(&self) -> Vec<bool> {
        let accepted = self.accepts.iter().map(|_| true);
        accepted.chain(self.refuses.iter().map(|_| false)).collect()
    }
}

fn table() -> Vec<Case> {
    serde_json::from_str(include_str!("../fixtures/patterns.json")).unwrap()
}

/// The table as a module with a function for each pattern.
fn api_info(patterns: &[&str], is_of_dasf: bool) -> Value {
    let functions = patterns.iter().enumerate().map(|(number, pattern)| {
        let name = format!("check_{number}");
        json!({
            "name": name,
            "rpc_schema": {
                "type": "object",
                "properties": {
                    "func_name": {"const": name},
                    "text": {"type": "string", "pattern": pattern},
                },
                "required": ["func_name", "text"],
            },
            "return_schema": {"type": "null"},
        })
    });
    let functions: Vec<Value> = functions.collect();
    let mut api_info = json!({"classes": [], "functions": functions, "rpc_schema": {}});
    if is_of_dasf {
        api_info["x_dasf"] = json!({"version": 1});
    }
    api_info
}

/// Returns the strings that the generated Python client sends.
fn sent_by_python(name: &str, api_info: &Value, texts: &[Vec<&str>]) -> Vec<Vec<bool>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("patterns");
    fs::create_dir_all(&folder).unwrap();
    let source = generate(api_info, Language::Python, name).unwrap();
    fs::write(folder.join(name).with_extension("py"), source).unwrap();
    let arguments = [folder.to_str().unwrap(), name];
    let input = serde_json::to_string(texts).unwrap();
    serde_json::from_str(&python::run("patterns.py", &arguments, &input)).unwrap()
}

#[tokio::test]
async fn javascript_agrees_with_the_table() {
    let table = table();
    let cases = table
        .iter()
        .map(|case| json!({"pattern": case.pattern, "texts": case.texts()}));
    let found = node("patterns.mjs", cases.collect()).await;
    for (case, found) in table.iter().zip(found["found"].as_array().unwrap()) {
        assert_eq!(
            *found,
            json!(case.verdicts()),
            "{}: {:?}",
            case.pattern,
            case.texts()
        );
    }
}

#[test]
fn generated_python_sends_what_the_table_accepts() {
    let table = table();
    let patterns: Vec<&str> = table.iter().map(|case| case.pattern.as_str()).collect();
    let texts: Vec<Vec<&str>> = table.iter().map(Case::texts).collect();
    let sent = sent_by_python("patterns_of_dasf", &api_info(&patterns, true), &texts);
    for (case, sent) in table.iter().zip(sent) {
        assert_eq!(
            sent,
            case.verdicts(),
            "{}: {:?}",
            case.pattern,
            case.texts()
        );
    }
}

#[test]
fn a_caller_in_rust_sends_what_the_table_accepts() {
    for case in table() {
        let schema = json!({"pattern": case.pattern});
        let validator = Validator::of_peer(&schema, Dialect::JsonSchema).unwrap();
        for (text, verdict) in case.texts().into_iter().zip(case.verdicts()) {
            assert_eq!(
                validator.accepts(&json!(text)),
                verdict,
                "{}: {text:?}",
                case.pattern
            );
        }
    }
}

/// The results of pydantic itself for the patterns of a Python module.
#[test]
fn callers_read_the_patterns_of_a_pydantic_module_as_pydantic_does() {
    let cases: Vec<(&str, Vec<&str>)> = vec![
        (r"^\d$", vec!["3", "٣", "3\n"]),
        (r"^\w$", vec!["a", "é"]),
        (r"^\s$", vec!["\u{feff}", "\u{85}"]),
        (r"\bé", vec!["é", "aé"]),
        ("^.$", vec!["\r", "\n"]),
        ("[[:alpha:]]", vec!["a", ":"]),
        ("^[a-z&&[^b]]$", vec!["a", "b", "&"]),
        ("(?i)^a$", vec!["A", "b"]),
        (r"\Aa\z", vec!["a", "a\n"]),
        ("^(?!x)", vec!["x", "y"]),
        (r"^(a|b)\1$", vec!["aa", "ab"]),
    ];
    let expected = python::run(
        "pydantic_patterns.py",
        &[],
        &serde_json::to_string(&cases).unwrap(),
    );
    let expected: Vec<Vec<bool>> = serde_json::from_str(&expected).unwrap();
    let patterns: Vec<&str> = cases.iter().map(|(pattern, _)| *pattern).collect();
    let texts: Vec<Vec<&str>> = cases.iter().map(|(_, texts)| texts.clone()).collect();
    let sent = sent_by_python("patterns_of_pydantic", &api_info(&patterns, false), &texts);
    assert_eq!(sent, expected, "{cases:?}");
    for ((pattern, texts), expected) in cases.iter().zip(&expected) {
        let validator =
            Validator::of_peer(&json!({"pattern": pattern}), Dialect::Pydantic).unwrap();
        for (text, expected) in texts.iter().zip(expected) {
            // The Rust engine cannot read the pattern, so only the module checks it.
            let is_readable = !pattern.contains("(?!") && !pattern.contains("\\1");
            let expected = *expected || !is_readable;
            assert_eq!(
                validator.accepts(&json!(text)),
                expected,
                "{pattern}: {text:?}"
            );
        }
    }
}
