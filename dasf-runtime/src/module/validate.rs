//! Checking requests and results against the published schemas, and saying what is wrong where: by
//! the module itself, and in the same words by a caller that wants to know before it sends.
//!
//! ```
//! use dasf_runtime::module::validate::{Validator, list_problems};
//! use serde_json::json;
//!
//! let schema = json!({"properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]});
//! let validator = Validator::of_peer(&schema).expect("a schema");
//! let problems = validator.problems(&json!({"a": 10}), "");
//! assert_eq!(list_problems("add", &problems), "add: a: 10 is greater than the maximum of 9");
//! ```

use std::fmt::Write;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, JsonType, ValidationError};
use serde_json::Value;

use super::{Failure, ModuleError, Output};

/// How many problems of one request are listed.
const MAX_PROBLEMS: usize = 10;
/// How long a value may be to be quoted in a problem.
const MAX_QUOTED: usize = 80;

/// A compiled schema.
#[derive(Debug)]
pub struct Validator(jsonschema::Validator);

/// One thing that is wrong: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    const MISSING: &str = "is required";

    /// Whether it is that a value is missing.
    pub fn is_missing(&self) -> bool {
        self.message == Self::MISSING
    }
}

impl Validator {
    pub(super) fn new(member: &str, schema: &Value) -> Result<Self, ModuleError> {
        // 2019-09 has both what we write and what peers read: keywords beside a `$ref`, and tuples
        // by `items`.
        jsonschema::options()
            .with_draft(Draft::Draft201909)
            .should_validate_formats(true)
            .build(schema)
            .map(Self)
            .map_err(|error| ModuleError {
                member: member.to_owned(),
                reason: error.to_string(),
            })
    }

    /// A validator of another module's schema; `None` where that is none.
    ///
    /// It does not check formats: pydantic takes a time without an offset, and much else, where its
    /// schema has a format that demands more. Nor does it know the draft: pydantic writes 2020-12.
    pub fn of_peer(schema: &Value) -> Option<Self> {
        let draft = if has_tuple_by_items(schema) {
            Draft::Draft201909
        } else {
            Draft::Draft202012
        };
        let options = jsonschema::options().with_draft(draft);
        options
            .should_validate_formats(false)
            .build(schema)
            .ok()
            .map(Self)
    }

    /// Whether nothing is wrong with a value.
    pub fn accepts(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// What is wrong with a value; paths begin with `prefix`.
    pub fn problems(&self, value: &Value, prefix: &str) -> Vec<Problem> {
        if self.accepts(value) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for error in self.0.iter_errors(value).take(MAX_PROBLEMS + 1) {
            collect(&error, prefix, &mut problems);
        }
        problems
    }

    /// Passes a result on if it keeps the contract of its function.
    pub(super) fn check_result(&self, function: &str, output: Output) -> Result<Output, Failure> {
        let value = serde_json::from_slice(&output.0)
            .map_err(|error| Failure::processing(format!("{function}: {error}")))?;
        let problems = self.problems(&value, "result");
        if problems.is_empty() {
            Ok(output)
        } else {
            let problems = list_problems(function, &problems);
            Err(Failure::processing(format!(
                "the result breaks its own contract: {problems}"
            )))
        }
    }
}

/// Whether a tuple is written as before 2020-12: as a list in `items`.
fn has_tuple_by_items(schema: &Value) -> bool {
    match schema {
        Value::Array(parts) => parts.iter().any(has_tuple_by_items),
        Value::Object(parts) => {
            parts.get("items").is_some_and(Value::is_array)
                || parts.values().any(has_tuple_by_items)
        }
        _ => false,
    }
}

/// What a module answers: `function: path: problem; path: problem`.
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
            let path = if path.is_empty() || path.ends_with('.') {
                format!("{path}{property}")
            } else {
                format!("{path}.{property}")
            };
            problems.push(Problem {
                path,
                message: Problem::MISSING.to_owned(),
            });
            return;
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            // Of an optional value, what is wrong with the value; not that it is no null either.
            let mut branches = context.iter().filter(|errors| !only_lacks_null(errors));
            if let (Some(branch), None) = (branches.next(), branches.next()) {
                for error in branch {
                    collect(error, prefix, problems);
                }
                return;
            }
            format!("matches none of the {} forms allowed", context.len())
        }
        _ => quote(error),
    };
    problems.push(Problem {
        path: path.trim_end_matches('.').to_owned(),
        message,
    });
}

/// Whether the errors of a branch say no more than that the value is not null.
fn only_lacks_null(errors: &[ValidationError<'_>]) -> bool {
    let [error] = errors else { return false };
    matches!(
        error.kind(),
        ValidationErrorKind::Type {
            kind: TypeKind::Single(JsonType::Null)
        }
    )
}

/// What the validator says, without a value too long to read.
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
    /// Counts what is written, and stops at the limit, so that a huge value costs no more than a
    /// small one.
    struct Limited(usize);
    impl Write for Limited {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    write!(Limited(MAX_QUOTED), "{value}").is_err()
}

/// `points[0].x` for the JSON pointer `/points/0/x`.
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
