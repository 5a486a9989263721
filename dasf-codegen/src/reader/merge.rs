//! Merges several schemas into one: `allOf`, and keywords beside a `$ref` or a union.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value, json};

use super::definitions::Root;

/// The maximum depth of references and `allOf`. This ends cycles.
const MAX_DEPTH: usize = 32;
/// The maximum number of references and `allOf` in one document. This ends schemas that branch at
/// each step.
const MAX_STEPS: usize = 10_000;

/// The remaining number of steps for one document.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_STEPS)
    }
}

/// Replaces the `$ref` and the `allOf` at the root of a schema by their content.
///
/// # Errors
/// The reason why this is not possible, as a sentence without a full stop.
pub(super) fn expand(
    root: &Root<'_>,
    schema: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<Map<String, Value>, String> {
    expand_at(root, schema, budget, 0)
}

fn expand_at(
    root: &Root<'_>,
    schema: &Map<String, Value>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Map<String, Value>, String> {
    if depth > MAX_DEPTH || budget.0 == 0 {
        return Err("the schema refers to itself, or has too many references".to_owned());
    }
    budget.0 -= 1;
    let mut own = schema.clone();
    let mut whole = Map::new();
    if let Some(reference) = own.shift_remove("$ref") {
        let target = reference.as_str().and_then(|target| root.resolve(target));
        match target {
            Some((_, Value::Object(target))) => whole = expand_at(root, target, budget, depth + 1)?,
            Some((_, Value::Bool(true))) => {}
            _ => {
                return Err(format!(
                    "the reference {reference} has no target in the document"
                ));
            }
        }
    }
    if let Some(parts) = own.shift_remove("allOf") {
        for part in parts.as_array().into_iter().flatten() {
            match part {
                Value::Object(part) => {
                    whole = merge(whole, expand_at(root, part, budget, depth + 1)?)?;
                }
                Value::Bool(true) => {}
                _ => return Err("the schema accepts no value".to_owned()),
            }
        }
    }
    merge(whole, own)
}

/// Returns a schema for the values that both schemas accept, with the annotations of the second.
///
/// # Errors
/// The reason why the schemas cannot be merged, as a sentence without a full stop.
pub(super) fn merge(
    mut whole: Map<String, Value>,
    other: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    for (keyword, value) in other {
        let both = match whole.get(&keyword) {
            None => value,
            Some(present) if *present == value => continue,
            Some(present) => both(&keyword, present, value)?,
        };
        whole.insert(keyword, both);
    }
    Ok(whole)
}

/// Merges two different values of a keyword.
fn both(keyword: &str, one: &Value, other: Value) -> Result<Value, String> {
    let contradiction = || {
        Err(format!(
            "the parts of the schema contradict each other in `{keyword}`"
        ))
    };
    match keyword {
        "properties" | "patternProperties" | "$defs" | "definitions" => {
            let (Some(one), Value::Object(other)) = (one.as_object(), other) else {
                return contradiction();
            };
            let mut all = one.clone();
            for (name, schema) in other {
                let schema = match all.get(&name) {
                    Some(present) if *present != schema => json!({"allOf": [present, schema]}),
                    _ => schema,
                };
                all.insert(name, schema);
            }
            Ok(Value::Object(all))
        }
        "required" => {
            let mut all = list(one);
            for name in list(&other) {
                if !all.contains(&name) {
                    all.push(name);
                }
            }
            Ok(all.into())
        }
        "type" => {
            let other = list(&other);
            let mut common = list(one);
            // An integer is a number.
            for name in &mut common {
                if name == "number" && !other.contains(name) && other.contains(&json!("integer")) {
                    *name = json!("integer");
                }
            }
            common.retain(|name| {
                other.contains(name) || (name == "integer" && other.contains(&json!("number")))
            });
            match common.as_slice() {
                [] => contradiction(),
                [name] => Ok(name.clone()),
                _ => Ok(common.into()),
            }
        }
        "enum" => {
            let other = list(&other);
            let mut common = list(one);
            common.retain(|value| other.contains(value));
            Ok(common.into())
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            Ok(if order(one, &other) == Some(Ordering::Greater) {
                one.clone()
            } else {
                other
            })
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            Ok(if order(one, &other) == Some(Ordering::Less) {
                one.clone()
            } else {
                other
            })
        }
        "items" | "additionalProperties" | "unevaluatedProperties"
            if one != &json!(false) && other != json!(false) =>
        {
            Ok(json!({"allOf": [one, other]}))
        }
        "items" | "additionalProperties" | "unevaluatedProperties" => Ok(json!(false)),
        "not" => Ok(json!({"anyOf": [one, other]})),
        "const" | "anyOf" | "oneOf" | "prefixItems" => contradiction(),
        _ => Ok(other),
    }
}

/// Compares two numbers. It compares integers exactly, because a float cannot represent all their
/// digits.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let integer = |value: &Value| value.as_number().and_then(Number::as_i128);
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// Returns the values of a list, or a single value as a list.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        other => vec![other.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(document: &Value) -> Result<Value, String> {
        let document = document.as_object().unwrap();
        let root = Root::new(document, document);
        let mut schema = document.clone();
        schema.shift_remove("$defs");
        expand(&root, &schema, &mut Budget::default()).map(Value::Object)
    }

    #[test]
    fn a_merged_schema_has_the_constraints_of_all_parts() {
        let schema = json!({
            "$defs": {"Base": {
                "type": "object", "title": "Base", "required": ["a"],
                "properties": {"a": {"type": "number"}, "b": {"type": "string"}},
            }},
            "allOf": [
                {"$ref": "#/$defs/Base"},
                {"required": ["c", "a"], "properties": {"c": {"type": "null"}, "a": {"minimum": 0}}},
                true,
            ],
            "title": "Derived",
        });
        assert_eq!(
            expanded(&schema).unwrap(),
            json!({
                "type": "object", "title": "Derived", "required": ["a", "c"],
                "properties": {
                    "a": {"allOf": [{"type": "number"}, {"minimum": 0}]},
                    "b": {"type": "string"},
                    "c": {"type": "null"},
                },
            })
        );
    }

    #[test]
    fn the_stricter_of_two_limits_counts() {
        let schema = json!({"allOf": [
            {"type": "number", "minimum": 1, "maximum": 8, "enum": [1, 2, 3], "items": {"minimum": 1}},
            {"type": ["integer", "null"], "minimum": 0, "maximum": 9, "enum": [3, 2], "items": false},
        ]});
        assert_eq!(
            expanded(&schema).unwrap(),
            json!({"type": "integer", "minimum": 1, "maximum": 8, "enum": [2, 3], "items": false})
        );
        // As floats, these numbers would be equal.
        let schema = json!({"allOf": [
            {"minimum": 9_007_199_254_740_993_i64, "maximum": u64::MAX - 1},
            {"minimum": 9_007_199_254_740_992_i64, "maximum": u64::MAX},
        ]});
        assert_eq!(
            expanded(&schema).unwrap(),
            json!({"minimum": 9_007_199_254_740_993_i64, "maximum": u64::MAX - 1})
        );
    }

    #[test]
    fn impossible_merges_are_errors() {
        for (schema, reason) in [
            (
                json!({"allOf": [{"type": "string"}, {"type": "integer"}]}),
                "the parts of the schema contradict each other in `type`",
            ),
            (
                json!({"allOf": [{"anyOf": [{}]}, {"anyOf": [true]}]}),
                "the parts of the schema contradict each other in `anyOf`",
            ),
            (json!({"allOf": [false]}), "the schema accepts no value"),
            (
                json!({"$ref": "#/$defs/Nothing"}),
                "the reference \"#/$defs/Nothing\" has no target in the document",
            ),
            (
                json!({"$ref": "#/$defs/A", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}}),
                "the schema refers to itself, or has too many references",
            ),
        ] {
            assert_eq!(expanded(&schema).unwrap_err(), reason);
        }
    }
}
