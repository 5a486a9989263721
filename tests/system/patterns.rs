//! Patterns in modules: of arguments, of fields, and of the names of fields.

use dasf::{Context, Module, ModuleError};
use serde_json::{Value, json};

/// Functions with patterns.
#[dasf::module(main = false, topic = "patterns")]
#[allow(clippy::needless_pass_by_value)]
pub(crate) mod patterned {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    /// The patterns of the table. A request selects one by its number.
    fn table() -> Value {
        let table: Value =
            serde_json::from_str(include_str!("../fixtures/patterns.json")).unwrap_or_default();
        let cases = table.as_array().cloned().unwrap_or_default();
        let cases = cases.iter().enumerate().map(|(number, case)| {
            json!({
                "if": {"properties": {"number": {"const": number}}},
                "then": {"properties": {"text": {"pattern": case["pattern"]}}},
            })
        });
        json!({"allOf": cases.collect::<Vec<_>>()})
    }

    #[dasf::function(schema_extra = table())]
    fn check(number: usize, text: String) -> String {
        let _ = number;
        text
    }

    /// Where something is.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Place {
        #[schemars(regex(pattern = r"^\p{Lu}[\p{L} -]*$"))]
        name: String,
        #[schemars(extend("propertyNames" = {"pattern": r"^\w+$"}))]
        tags: BTreeMap<String, String>,
    }

    #[dasf::function(returns(pattern = r"^\w+\b$"))]
    fn describe(
        place: Place,
        #[dasf(pattern = r"^\d{4}$", example = "2026")] year: &str,
        #[dasf(pattern = r"^[^\s]*$", default = "")] note: String,
    ) -> String {
        format!("{}{year}{note}", place.name)
    }
}

async fn problems(module: &Module, request: Value) -> String {
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome.map_or_else(|failure| failure.message().to_owned(), |_| String::new())
}

#[tokio::test]
async fn a_module_reads_the_table_of_all_languages() {
    let module = patterned::module().unwrap();
    let table: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/patterns.json")).unwrap();
    for (number, case) in table.iter().enumerate() {
        for (verdict, texts) in [(true, &case["accepts"]), (false, &case["refuses"])] {
            for text in texts.as_array().unwrap() {
                let request = json!({"func_name": "check", "number": number, "text": text});
                let problems = problems(&module, request).await;
                assert_eq!(problems.is_empty(), verdict, "{case} {text}: {problems}");
            }
        }
    }
}

#[tokio::test]
async fn all_patterns_read_short_classes_as_ascii() {
    let module = patterned::module().unwrap();
    let request = |name: &str, tag: &str, year: &str, note: &str| {
        json!({"func_name": "describe", "place": {"name": name, "tags": {tag: ""}}, "year": year,
            "note": note})
    };
    assert_eq!(
        problems(&module, request("Rome", "a_1", "2026", "")).await,
        ""
    );
    let long = "é".repeat(100);
    for (request, problem) in [
        (
            request("rome", "a", "2026", ""),
            r#"describe: place.name: "rome" does not match "^\p{Lu}[\p{L} -]*$""#,
        ),
        (request("Rome", "é", "2026", ""), "describe: place.tags: "),
        (
            request("Rome", "a", "٢٠٢٦", ""),
            r#"describe: year: "٢٠٢٦" does not match "^\d{4}$""#,
        ),
        (
            request("Rome", "a", "2026\n", ""),
            r#"describe: year: "2026\n" does not match"#,
        ),
        (
            request("Rome", "a", &long, ""),
            r#"describe: year: the value does not match "^\d{4}$""#,
        ),
        (request("Rome", "a", "2026", "\u{feff}"), "describe: note: "),
        (
            request("Åre", "a", "2026", ""),
            r#"the result does not match its schema: describe: result: "Åre2026" does not match"#,
        ),
    ] {
        let found = problems(&module, request).await;
        assert!(found.starts_with(problem), "{found}");
    }
}

/// A type with an invalid pattern.
#[dasf::module(main = false, topic = "posix")]
#[allow(clippy::needless_pass_by_value)]
mod posix {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Word {
        #[schemars(regex(pattern = "^[[:alpha:]]+$"))]
        letters: String,
    }

    #[dasf::function]
    fn length(words: Vec<Word>) -> usize {
        words.iter().map(|word| word.letters.len()).sum()
    }
}

#[test]
fn an_invalid_pattern_of_a_type_is_an_error_of_the_module() {
    let ModuleError { member, reason, .. } = posix::module().err().unwrap();
    assert_eq!(member, "length");
    assert!(
        reason.starts_with(r#"the pattern "^[[:alpha:]]+$" of Word.letters is invalid"#)
            && reason.contains(r"write `[\p{L}]`"),
        "{reason}"
    );
}
