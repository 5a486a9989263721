//! Requests with values of all kinds for arguments of all types: how a request is checked must not
//! change what a function receives.

use dasf::{Context, Module};
use proptest::prelude::*;
use serde_json::Value;

#[dasf::module(main = false, topic = "requests")]
#[allow(unreachable_pub)] // the constructor and the methods of a class must be `pub`
mod types {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    #[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
    pub(super) struct Point {
        x: f64,
        #[serde(default)]
        label: Option<String>,
    }

    #[dasf::function]
    pub(super) fn signed(a: i64) -> i64 {
        a
    }

    #[dasf::function]
    pub(super) fn small(a: u8) -> u8 {
        a
    }

    #[dasf::function]
    pub(super) fn wide(a: u128) -> String {
        a.to_string()
    }

    #[dasf::function]
    pub(super) fn float(a: f64) -> f64 {
        a
    }

    #[dasf::function]
    pub(super) fn short_float(a: f32) -> f32 {
        a
    }

    #[dasf::function]
    pub(super) fn switch(a: bool) -> bool {
        a
    }

    #[dasf::function]
    pub(super) fn text(a: String) -> String {
        a
    }

    #[dasf::function]
    pub(super) fn letter(a: char) -> char {
        a
    }

    #[dasf::function]
    pub(super) fn perhaps(a: Option<i64>) -> Option<i64> {
        a
    }

    #[dasf::function]
    pub(super) fn texts(a: Vec<Option<String>>) -> Vec<Option<String>> {
        a
    }

    #[dasf::function]
    pub(super) fn pair(a: (i64, String)) -> (i64, String) {
        a
    }

    #[dasf::function]
    pub(super) fn by_name(a: BTreeMap<String, u8>) -> BTreeMap<String, u8> {
        a
    }

    #[dasf::function]
    pub(super) fn points(a: Vec<Point>) -> Vec<Point> {
        a
    }

    #[dasf::function]
    pub(super) fn anything(a: Value) -> Value {
        a
    }

    #[dasf::function]
    pub(super) fn bounded(#[dasf(ge = 1, lt = 10)] a: i64) -> i64 {
        a
    }

    #[dasf::function]
    pub(super) fn few(#[dasf(min_items = 1, max_items = 2)] a: Vec<u8>) -> Vec<u8> {
        a
    }

    #[dasf::function]
    pub(super) fn named(#[dasf(min_length = 2, pattern = "^a")] a: String) -> String {
        a
    }

    pub(super) struct Holder {
        first: f64,
    }

    #[dasf::class]
    impl Holder {
        pub fn new(#[dasf(rename = "a")] first: f64) -> Self {
            Self { first }
        }

        pub fn both(&self, a: i64) -> (f64, i64) {
            (self.first, a)
        }
    }
}

/// Texts of values. Some are not JSON.
const VALUES: [&str; 48] = [
    "0",
    "2",
    "-2",
    "2.0",
    "2.5",
    "1e3",
    "1E2",
    "25.5e1",
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "-0.0",
    "255",
    "256",
    "255.0",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0.1",
    "16777217",
    "01",
    "\"5\"",
    "\"\"",
    "\"ab\"",
    "\"\u{fc}\"",
    r#""\ud83c\udf0d""#,
    r#""\ud800""#,
    r#""\n\"""#,
    "null",
    "true",
    "[]",
    "[1, 2]",
    "[1.0, \"a\"]",
    "[null, \"a\\u0062\", \"\"]",
    "[1, 2, 3]",
    "[1e400]",
    "{}",
    r#"{"x": 1, "y": 2.0}"#,
    r#"{"x": "a"}"#,
    r#"[{"x": 1}, {"x": 1.5, "label": "b", "more": [{}]}, {"label": null, "x": 0}]"#,
    r#"[{"x": 1}, {"label": 1}]"#,
    "[[[[",
];

fn run(module: &Module, request: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let outcome = runtime
        .unwrap()
        .block_on(module.call_text(request, Context::local(), None));
    match outcome {
        Ok(output) => output.as_json().to_owned(),
        Err(failure) => {
            // The column in errors of texts that are not JSON depends on the request.
            let text = failure.to_string();
            text.split(" at line ").next().unwrap().to_owned()
        }
    }
}

/// Calls each function with a value, in two forms of the request. In the second one the argument comes
/// twice, so that only a tree of the request shows that the value is valid.
///
/// # Panics
/// Panics if the outcomes differ.
fn compare(module: &Module, functions: &[String], value: &str) {
    /// A value that few types can hold.
    const WRONG: &str = r#"{"": [[{}]]}"#;
    for name in functions {
        let plain = format!(r#"{{"func_name": "{name}", "a": {value}}}"#);
        let twice = format!(r#"{{"a": {WRONG}, "func_name": "{name}", "a": {value}}}"#);
        assert_eq!(run(module, &plain), run(module, &twice), "{plain}");
    }
    for (outer, inner) in [("1", value), (value, "1")] {
        let rest = |before: &str| {
            format!(
                r#""class_name": "Holder", "function": {{{before} "func_name": "both", "a": {inner}}}"#
            )
        };
        let plain = format!(r#"{{"a": {outer}, {}}}"#, rest(""));
        let before = format!(r#""a": {WRONG},"#);
        let twice = format!(r#"{{"a": {WRONG}, "a": {outer}, {}}}"#, rest(&before));
        assert_eq!(run(module, &plain), run(module, &twice), "{plain}");
    }
}

fn module() -> (Module, Vec<String>) {
    let module = types::module().unwrap();
    let functions = module.api_info("requests").functions;
    let names = functions.into_iter().map(|function| function.name);
    (module, names.collect())
}

#[test]
fn a_value_means_the_same_however_it_is_checked() {
    let (module, functions) = module();
    for value in VALUES {
        compare(&module, &functions, value);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3..300_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..300_i16).prop_map(|whole| Value::from(f64::from(whole))),
        ".{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("(x|label|[a-z])", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn any_value_means_the_same_however_it_is_checked() {
    let (module, functions) = module();
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(value in any_value())| {
        compare(&module, &functions, &value.to_string());
    });
}

#[test]
fn a_text_that_is_not_json_is_told_so_whatever_it_names() {
    let (module, _) = module();
    for request in [
        r#"{"func_name": "unknown", "a": 1e400}"#,
        r#"{"func_name": 1, "a": "\ud800"}"#,
        r#"{"func_name": "signed", "a": "b", "more": [1e400]}"#,
        r#"{"func_name": "signed", "a": 1, "more": "\ud800"}"#,
        r#"{"class_name": "Holder", "function": {"func_name": "unknown", "a": 1e400}}"#,
        r#"{"func_name": "\ud800"}"#,
        r#"[1e400]"#,
        "{",
    ] {
        let answer = run(&module, request);
        let expected = "validating: the request is not JSON: ";
        assert!(answer.starts_with(expected), "{request}: {answer}");
    }
}
