//! Checks requests and results against the published schemas, and reports each problem with its
//! place.
//!
//! A module uses this for every request. A caller can use it before it sends a request.
//!
//! ```
//! use dasf_runtime::module::validate::{Dialect, Validator, list_problems};
//! use serde_json::json;
//!
//! let schema = json!({"properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]});
//! let validator = Validator::of_peer(&schema, Dialect::JsonSchema).expect("a schema");
//! let problems = validator.problems(&json!({"a": 10}), "");
//! assert_eq!(list_problems("add", &problems), "add: a: 10 is greater than the maximum of 9");
//! ```

use dasf_schema::{Draft, Options, Schema};
use serde_json::Value;

pub(crate) use dasf_schema::check_json;
pub use dasf_schema::{Dialect, Problem, list_problems};

pub use super::fields::Fields;
pub use super::parameters::{Parameters, fit_a_query};
pub use super::unknown_arguments::{ArgumentNames, unknown_argument, unknown_member};

use super::{Failure, ModuleError, Output};

/// The maximum number of steps of a check by the schema of another module, which may be made to take
/// forever. They take less than a second.
const MAX_STEPS: u64 = 10_000_000;

/// A compiled schema.
#[derive(Debug)]
pub struct Validator(Schema);

impl Validator {
    pub(super) fn new(member: &str, schema: &Value) -> Result<Self, ModuleError> {
        // Draft 2019-09 has everything that this crate writes and peers read: keywords beside a
        // `$ref`, and tuples in `items`.
        Schema::new(schema, Options::default())
            .map(Self)
            .map_err(|error| ModuleError {
                member: member.to_owned(),
                reason: error.reason,
            })
    }

    /// Returns a validator for the schema of another module; `None` if the schema is invalid, or if
    /// it has a keyword that only the module can check.
    ///
    /// A check by it has a limit of about a second. The module itself checks a value that needs longer.
    ///
    /// It does not check formats, because pydantic accepts more than its schemas allow, for example
    /// times without an offset. The draft is found from the schema, because pydantic writes draft
    /// 2020-12.
    pub fn of_peer(schema: &Value, patterns: Dialect) -> Option<Self> {
        let draft = if has_tuple_by_items(schema) {
            Draft::Draft201909
        } else {
            Draft::Draft202012
        };
        let options = Options {
            draft,
            checks_formats: false,
            patterns,
            max_steps: Some(MAX_STEPS),
        };
        Schema::new(schema, options).ok().map(Self)
    }

    /// Returns whether a value is valid.
    pub fn accepts(&self, value: &Value) -> bool {
        self.0.accepts(value)
    }

    /// Returns the first problems of a value that is still text, like [`problems`](Self::problems). It
    /// needs at most a few times as much memory as the text has bytes.
    ///
    /// # Errors
    /// Fails if the text is not JSON.
    pub fn problems_of_text(&self, json: &str, prefix: &str) -> serde_json::Result<Vec<Problem>> {
        self.0.problems_of_text(json, prefix)
    }

    /// Returns the first problems of a value: as many as [`list_problems`] lists, and one more.
    /// Their paths begin with `prefix`.
    pub fn problems(&self, value: &Value, prefix: &str) -> Vec<Problem> {
        self.0.problems(value, prefix)
    }

    /// Returns a result unchanged if it matches the schema of its function.
    pub(super) fn check_result(&self, function: &str, output: Output) -> Result<Output, Failure> {
        let problems = self
            .problems_of_text(output.as_json(), "result")
            .map_err(|error| Failure::processing(format!("{function}: {error}")))?;
        if problems.is_empty() {
            Ok(output)
        } else {
            let problems = list_problems(function, &problems);
            Err(Failure::processing(format!(
                "the result does not match its schema: {problems}"
            )))
        }
    }
}

/// Returns whether tuples have the form of drafts before 2020-12: a list in `items`.
fn has_tuple_by_items(schema: &Value) -> bool {
    match schema {
        Value::Array(parts) => parts.iter().any(has_tuple_by_items),
        Value::Object(parts) => {
            let mut inner = parts.iter().filter(|(name, _)| !is_data(name));
            parts.get("items").is_some_and(Value::is_array)
                || inner.any(|(_, part)| has_tuple_by_items(part))
        }
        _ => false,
    }
}

/// Returns whether the value of a keyword is data, not a schema.
fn is_data(keyword: &str) -> bool {
    matches!(keyword, "const" | "default" | "enum" | "examples")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(schema: &Value, value: &Value) -> String {
        let validator = Validator::new("f", schema).unwrap();
        list_problems("f", &validator.problems(value, ""))
    }

    fn schema() -> Value {
        json!({
            "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
            "type": "object",
            "properties": {
                "a": {"type": "integer", "exclusiveMinimum": 0},
                "points": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
                "scale": {"anyOf": [{"type": "number", "maximum": 9}, {"type": "null"}]},
                "mixed": {"anyOf": [{"type": "number"}, {"type": "string"}]},
                "near": {"$ref": "#/$defs/Point", "minProperties": 2},
            },
            "required": ["a"],
        })
    }

    #[test]
    fn every_problem_has_its_path() {
        let value = json!({"points": [{"x": 1}, {"x": "b"}, {}], "scale": 10});
        let text = text(&schema(), &value);
        for part in [
            "a: is required",
            r#"points[1].x: "b" is not of type "number""#,
            "points[2].x: is required",
            "scale: 10 is greater than the maximum of 9",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.starts_with("f: "), "{text}");
    }

    #[test]
    fn constraints_beside_a_reference_count() {
        let text = text(&schema(), &json!({"a": 1, "near": {"x": 1}}));
        assert!(text.starts_with("f: near: "), "{text}");
    }

    #[test]
    fn a_choice_says_that_none_fits() {
        assert_eq!(
            text(&schema(), &json!({"a": 1, "mixed": []})),
            "f: mixed: matches none of the 2 forms allowed"
        );
    }

    #[test]
    fn whole_floats_are_integers_and_digits_are_not() {
        assert_eq!(text(&schema(), &json!({"a": 1.0})), "f");
        assert_eq!(
            text(&schema(), &json!({"a": "5"})),
            r#"f: a: "5" is not of type "integer""#
        );
    }

    #[test]
    fn a_number_that_32_bits_do_not_hold_is_refused() {
        let schema = json!({"properties": {"x": {
            "anyOf": [{"type": "number", "format": "float"}, {"type": "null"}],
        }}});
        for x in ["3.4028235e38", "-3.4028234663852886e38", "0", "null"] {
            let value = serde_json::from_str(&format!("{{\"x\": {x}}}")).unwrap();
            assert_eq!(text(&schema, &value), "f");
        }
        let data = json!({"type": "number", "format": "float"});
        let of_data = Validator::new("f", &json!({"const": data})).unwrap();
        assert!(of_data.accepts(&data));
        assert_eq!(
            text(&schema, &json!({"x": 1e39})),
            "f: x: 1e+39 is greater than or equal to the maximum of 3.4028235677973366e+38"
        );
        assert_eq!(
            text(&schema, &json!({"x": -1e39})),
            "f: x: -1e+39 is less than or equal to the minimum of -3.4028235677973366e+38"
        );
    }

    /// Checks the problems of enum values, with schemas that serde and schemars make for enums.
    #[track_caller]
    fn of_enum(schema: &Value, problems: &[(Value, &str)]) {
        let schema = json!({"properties": {"a": schema}});
        for (value, problem) in problems {
            let text = text(&schema, &json!({"a": value}));
            assert_eq!(text, format!("f: {problem}"), "{value}");
        }
    }

    #[test]
    fn the_tag_selects_the_variant_whose_problems_are_told() {
        let point =
            json!({"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]});
        let inside = json!({"oneOf": [
            {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "const": "Mean"},
                    "window": {"type": "integer", "minimum": 1},
                    "points": {"type": "array", "items": point},
                },
                "required": ["kind", "window"],
            },
            {"type": "object", "properties": {"kind": {"type": "string", "const": "Sum"}}, "required": ["kind"]},
            {"type": "object", "properties": {"kind": {"enum": ["Max"]}, "n": {"type": "integer"}}, "required": ["kind", "n"]},
        ]});
        of_enum(
            &inside,
            &[
                (
                    json!({"kind": "Mean", "window": 0}),
                    "a.window: 0 is less than the minimum of 1",
                ),
                (json!({"kind": "Mean"}), "a.window: is required"),
                (
                    json!({"kind": "Mean", "window": 1, "points": [{"x": 1}, {}]}),
                    "a.points[1].x: is required",
                ),
                (json!({"kind": "Max"}), "a.n: is required"),
                (
                    json!({"kind": "Min"}),
                    r#"a.kind: "Min" is not one of "Mean", "Sum" or "Max""#,
                ),
                (
                    json!({"kind": 5}),
                    r#"a.kind: 5 is not one of "Mean", "Sum" or "Max""#,
                ),
                (json!({"window": 1}), "a.kind: is required"),
                (json!("Sum"), "a: matches none of the 3 forms allowed"),
            ],
        );
        let beside = json!({"oneOf": [
            {
                "type": "object",
                "properties": {"t": {"type": "string", "const": "A"}, "c": point},
                "required": ["t", "c"],
            },
            {
                "type": "object",
                "properties": {"t": {"type": "string", "const": "B"}, "c": {"type": "string"}},
                "required": ["t", "c"],
            },
        ]});
        of_enum(
            &beside,
            &[
                (
                    json!({"t": "A", "c": {"x": "1"}}),
                    r#"a.c.x: "1" is not of type "number""#,
                ),
                (
                    json!({"t": "B", "c": 1}),
                    r#"a.c: 1 is not of type "string""#,
                ),
                (json!({"t": "B"}), "a.c: is required"),
                (json!({"c": 1}), "a.t: is required"),
            ],
        );
        let outside = json!({"oneOf": [
            {"type": "string", "enum": ["None", "All"]},
            {"type": "object", "properties": {"At": point}, "required": ["At"], "additionalProperties": false},
            {"type": "object", "properties": {"In": {"type": "array"}}, "required": ["In"], "additionalProperties": false},
        ]});
        of_enum(
            &outside,
            &[
                (
                    json!({"At": {"x": null}}),
                    r#"a.At.x: null is not of type "number""#,
                ),
                (json!({"In": 1}), r#"a.In: 1 is not of type "array""#),
                (json!({"On": 1}), r#"a: "On" is not one of "At" or "In""#),
                (json!({}), "a: matches none of the 3 forms allowed"),
                (json!("Some"), r#"a: "Some" is not one of "None" or "All""#),
                (json!(null), "a: matches none of the 3 forms allowed"),
            ],
        );
        let units =
            json!({"oneOf": [{"type": "string", "const": "A"}, {"type": "string", "const": "B"}]});
        of_enum(
            &units,
            &[(json!("C"), r#"a: "C" is not one of "A" or "B""#)],
        );
    }

    #[test]
    fn a_deep_value_of_a_recursive_union_has_its_problem_told() {
        let operation = |name: &str| {
            let side = json!({"$ref": "#/$defs/Tree"});
            json!({
                "type": "object",
                "properties": {"op": {"const": name}, "a": side, "b": side},
                "required": ["op", "a", "b"],
            })
        };
        let schema = json!({
            "$defs": {"Tree": {"oneOf": [
                {"type": "number"}, operation("add"), operation("sub"), operation("mul"), operation("div"),
            ]}},
            "properties": {"tree": {"$ref": "#/$defs/Tree"}},
        });
        let tree =
            |depth| (0..depth).fold(json!("wrong"), |a, _| json!({"op": "div", "a": a, "b": 1}));
        assert_eq!(
            text(&schema, &json!({"tree": tree(2)})),
            "f: tree.a.a: matches none of the 5 forms allowed"
        );
        // All errors of all variants would be 4^100.
        assert_eq!(
            text(&schema, &json!({"tree": tree(100)})),
            format!(
                "f: tree{}: matches none of the 5 forms allowed",
                ".a".repeat(100)
            )
        );
    }

    #[test]
    fn without_a_tag_the_type_selects_the_variant() {
        let untagged = json!({"anyOf": [
            {"type": "string", "minLength": 2},
            {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
            {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]},
            {"type": "null"},
        ]});
        of_enum(
            &untagged,
            &[
                (json!("b"), r#"a: "b" is shorter than 2 characters"#),
                (json!({"y": 1}), "a.x: is required"),
                (json!({"x": "1"}), "a: matches none of the 4 forms allowed"),
                (json!(1), "a: matches none of the 4 forms allowed"),
            ],
        );
    }

    #[test]
    fn long_values_and_long_lists_are_cut() {
        let long = "x".repeat(1000);
        assert_eq!(
            text(&schema(), &json!({"a": long})),
            r#"f: a: the value is not of type "integer""#
        );
        let points: Vec<Value> = (0..1000).map(|_| json!({})).collect();
        let text = text(&schema(), &json!({"a": 1, "points": points}));
        assert!(
            text.ends_with("points[9].x: is required; and more"),
            "{text}"
        );
    }

    #[test]
    fn a_schema_that_is_none_is_reported() {
        let error = Validator::new("f", &json!({"properties": {"a": {"pattern": "("}}}))
            .err()
            .unwrap();
        assert_eq!(error.member, "f");
    }
}
