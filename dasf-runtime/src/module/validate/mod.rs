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

mod recursion;
mod variant;

use std::fmt::Write;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, ValidationError};
use serde_json::{Map, Value};

pub use super::patterns::Dialect;
use super::{Failure, ModuleError, Output, formats, patterns};
use recursion::{has_recursive_union, is_deeper};
use variant::Refusal;

/// The maximum number of problems in a list.
const MAX_PROBLEMS: usize = 10;
/// The maximum length of a value that a problem quotes.
pub(super) const MAX_QUOTED: usize = 80;

/// The maximum depth of a value whose problems are listed, if its schema has a recursive union.
const MAX_UNION_DEPTH: usize = 8;

/// A compiled schema.
#[derive(Debug)]
pub struct Validator {
    schema: jsonschema::Validator,
    has_recursive_union: bool,
}

/// A problem of a value, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    const MISSING: &str = "is required";

    /// Returns a problem at a path, without a dot at the end of the path.
    fn new(path: &str, message: String) -> Self {
        Self {
            path: path.trim_end_matches('.').to_owned(),
            message,
        }
    }

    /// Returns the problem of an object that lacks a property.
    fn missing(path: &str, property: &str) -> Self {
        let dot = if path.is_empty() || path.ends_with('.') {
            ""
        } else {
            "."
        };
        Self {
            path: format!("{path}{dot}{property}"),
            message: Self::MISSING.to_owned(),
        }
    }

    /// Returns the path of the value, for example `points[1].x`; empty for the whole value.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the description of the problem.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether the problem is a missing value.
    pub fn is_missing(&self) -> bool {
        self.message == Self::MISSING
    }
}

impl Validator {
    pub(super) fn new(member: &str, schema: &Value) -> Result<Self, ModuleError> {
        // Draft 2019-09 has everything that this crate writes and peers read: keywords beside a
        // `$ref`, and tuples in `items`.
        let options = formats::known_to(jsonschema::options())
            .with_draft(Draft::Draft201909)
            .should_validate_formats(true);
        patterns::build(options, &with_float_bounds(schema), Dialect::JsonSchema)
            .map(|compiled| Self::compiled(compiled, schema))
            .map_err(|reason| ModuleError {
                member: member.to_owned(),
                reason,
            })
    }

    /// Returns a validator for the schema of another module; `None` if the schema is invalid.
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
        let options = jsonschema::options().with_draft(draft);
        let options = options.should_validate_formats(false);
        patterns::build(options, &with_float_bounds(schema), patterns)
            .ok()
            .map(|compiled| Self::compiled(compiled, schema))
    }

    fn compiled(compiled: jsonschema::Validator, schema: &Value) -> Self {
        Self {
            schema: compiled,
            has_recursive_union: has_recursive_union(schema),
        }
    }

    /// Returns whether a value is valid.
    pub fn accepts(&self, value: &Value) -> bool {
        self.schema.is_valid(value)
    }

    /// Returns the problems of a value. Their paths begin with `prefix`.
    pub fn problems(&self, value: &Value, prefix: &str) -> Vec<Problem> {
        if self.accepts(value) {
            return Vec::new();
        }
        if self.has_recursive_union && is_deeper(value, MAX_UNION_DEPTH) {
            // The validator would collect so many errors that a short request uses all memory.
            let message = format!(
                "does not match the schema; details are available only for values of at most \
                 {MAX_UNION_DEPTH} levels"
            );
            return vec![Problem::new(prefix, message)];
        }
        let mut problems = Vec::new();
        for error in self.schema.iter_errors(value).take(MAX_PROBLEMS + 1) {
            collect(&error, prefix, &mut problems);
        }
        problems
    }

    /// Returns a result unchanged if it matches the schema of its function.
    pub(super) fn check_result(&self, function: &str, output: Output) -> Result<Output, Failure> {
        let value = serde_json::from_slice(&output.0)
            .map_err(|error| Failure::processing(format!("{function}: {error}")))?;
        let problems = self.problems(&value, "result");
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

/// Adds bounds to the floats of 32 bits in a schema. Without them, a number beyond the bounds would
/// become infinite.
fn with_float_bounds(schema: &Value) -> Value {
    /// Half a step above `f32::MAX`: from here on, numbers are rounded to infinity.
    const LIMIT: f64 = 3.402_823_567_797_336_6e38;
    match schema {
        Value::Array(parts) => parts.iter().map(with_float_bounds).collect(),
        Value::Object(parts) => {
            let bounded = |(name, part): (&String, &Value)| {
                let part = if is_data(name) {
                    part.clone()
                } else {
                    with_float_bounds(part)
                };
                (name.clone(), part)
            };
            let mut parts: Map<String, Value> = parts.iter().map(bounded).collect();
            if parts.get("type").is_some_and(|it| it == "number")
                && parts.get("format").is_some_and(|it| it == "float")
            {
                parts.entry("exclusiveMinimum").or_insert((-LIMIT).into());
                parts.entry("exclusiveMaximum").or_insert(LIMIT.into());
            }
            Value::Object(parts)
        }
        part => part.clone(),
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

/// Joins problems into one line: `function: path: problem; path: problem`.
pub fn list_problems(function: &str, problems: &[Problem]) -> String {
    let mut text = function.to_owned();
    for (index, Problem { path, message }) in problems.iter().take(MAX_PROBLEMS).enumerate() {
        text.push_str(if index == 0 { ": " } else { "; " });
        if !path.is_empty() {
            text.push_str(path);
            text.push_str(": ");
        }
        text.push_str(message);
    }
    if problems.len() > MAX_PROBLEMS {
        text.push_str("; and more");
    }
    text
}

fn collect(error: &ValidationError<'_>, prefix: &str, problems: &mut Vec<Problem>) {
    let path = dotted(error.instance_path(), prefix);
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            problems.push(Problem::missing(&path, property));
            return;
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match variant::judge(context, error.instance_path()) {
                Refusal::Variant(errors) => {
                    for error in errors {
                        collect(error, prefix, problems);
                    }
                    return;
                }
                Refusal::Missing(property) => {
                    problems.push(Problem::missing(&path, &property));
                    return;
                }
                Refusal::UnknownTag { error, known } => {
                    let tag = dotted(error.instance_path(), prefix);
                    let found = shown(error.instance().as_ref());
                    problems.push(Problem::new(&tag, none_of(&found, known)));
                    return;
                }
                Refusal::UnknownKey { known } => {
                    let key = error.instance().as_object().and_then(|it| it.keys().next());
                    let key = Value::from(key.map(String::as_str).unwrap_or_default());
                    none_of(&shown(&key), known)
                }
                Refusal::Unclear => format!("matches none of the {} forms allowed", context.len()),
            }
        }
        _ => quote(error),
    };
    problems.push(Problem::new(&path, message));
}

/// Returns the message for a value that is not one of the known values.
fn none_of(found: &str, known: Vec<String>) -> String {
    match <[String; 1]>::try_from(known) {
        Ok([only]) => format!("{found} is not {only}"),
        Err(mut known) => {
            let last = known.pop().unwrap_or_default();
            format!("{found} is not one of {} or {last}", known.join(", "))
        }
    }
}

/// Returns a value as a problem shows it.
fn shown(value: &Value) -> String {
    if value_is_long(value) {
        "the value".to_owned()
    } else {
        value.to_string()
    }
}

/// Returns the message of the validator, without a value that is too long to read.
fn quote(error: &ValidationError<'_>) -> String {
    let long = match error.instance().as_ref() {
        Value::String(text) => text.len() > MAX_QUOTED,
        Value::Array(items) => items.len() > MAX_QUOTED / 4 || value_is_long(error.instance()),
        Value::Object(_) => value_is_long(error.instance()),
        _ => false,
    };
    if long {
        error.masked_with("the value").to_string()
    } else {
        error.to_string()
    }
}

fn value_is_long(value: &Value) -> bool {
    /// Counts written bytes and stops at the limit, so that a huge value costs no more than a small
    /// one.
    struct Limited(usize);
    impl Write for Limited {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    write!(Limited(MAX_QUOTED), "{value}").is_err()
}

/// Converts the JSON pointer `/points/0/x` to `points[0].x`.
fn dotted(location: &Location, prefix: &str) -> String {
    let mut path = prefix.to_owned();
    for segment in location {
        match segment {
            LocationSegment::Index(index) => {
                let _ = write!(path, "[{index}]"); // writing to a string cannot fail
            }
            LocationSegment::Property(name) => {
                if !path.is_empty() && !path.ends_with('.') {
                    path.push('.');
                }
                path.push_str(&name);
            }
        }
    }
    path
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
        let data = json!({"const": {"type": "number", "format": "float"}});
        assert_eq!(with_float_bounds(&data), data);
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
    fn a_deep_value_of_a_recursive_union_is_refused_at_once() {
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
            "f: does not match the schema; details are available only for values of at most 8 levels"
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
