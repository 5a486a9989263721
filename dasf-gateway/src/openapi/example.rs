//! Examples of arguments, for those who try a function.

use serde_json::{Map, Value, json};

/// The maximum depth of an example.
const MAX_DEPTH: usize = 6;
/// The maximum number of values of an example.
const MAX_VALUES: usize = 200;

/// Makes examples of values by their translated schemas.
#[derive(Debug)]
pub(super) struct Examples<'s> {
    /// The components of the document.
    schemas: &'s Map<String, Value>,
    left: usize,
}

impl<'s> Examples<'s> {
    pub(super) fn new(schemas: &'s Map<String, Value>) -> Self {
        Self {
            schemas,
            left: MAX_VALUES,
        }
    }

    /// Returns a value that a schema accepts: an example or the default that the module names, or the simplest
    /// value. `None` if a value cannot be found easily.
    pub(super) fn of(&mut self, schema: &Value) -> Option<Value> {
        self.value(schema, 0)
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let named = schema.get("examples").and_then(|examples| examples.get(0));
        let named = named
            .or_else(|| schema.get("example"))
            .or_else(|| schema.get("default"));
        if let Some(value) = named.or_else(|| schema.get("const")) {
            return Some(value.clone());
        }
        if let Some(values) = schema.get("enum") {
            return values.get(0).cloned();
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.strip_prefix("#/components/schemas/")?;
            return self.value(self.schemas.get(name)?, depth + 1);
        }
        if schema.get("allOf").or_else(|| schema.get("not")).is_some() {
            return None;
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(variants) = schema.get(keyword).and_then(Value::as_array) {
                let has_more = ["type", "properties", "required", "items"]
                    .into_iter()
                    .any(|keyword| schema.get(keyword).is_some());
                if has_more {
                    return None;
                }
                return variants.iter().find_map(|it| self.value(it, depth + 1));
            }
        }
        match type_of(schema)? {
            "null" => Some(Value::Null),
            "boolean" => Some(true.into()),
            "integer" => integer(schema).map(Value::from),
            "number" => number(schema),
            "string" => text(schema),
            "array" => self.array(schema, depth),
            "object" => self.object(schema, depth),
            _ => None,
        }
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
            return items
                .iter()
                .map(|item| self.value(item, depth + 1))
                .collect();
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let is_set = schema.get("uniqueItems") == Some(&Value::Bool(true));
        if least > 4 || (is_set && least > 1) || schema.get("contains").is_some() {
            return None;
        }
        let count = match schema.get("maxItems").and_then(Value::as_u64) {
            Some(0) => 0,
            _ => least.max(1),
        };
        let item = match schema.get("items") {
            Some(items) => self.value(items, depth + 1),
            None => Some(json!(1)),
        };
        match item {
            Some(item) => (0..count).map(|_| Some(item.clone())).collect(),
            None => (least == 0).then(|| json!([])),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if schema.get("minProperties").is_some() {
            return None;
        }
        let required = schema.get("required").and_then(Value::as_array);
        let required: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut object = Map::new();
        for (name, schema) in properties.into_iter().flatten() {
            match self.value(schema, depth + 1) {
                Some(value) => {
                    object.insert(name.clone(), value);
                }
                None if required.contains(&name.as_str()) => return None,
                None => {}
            }
        }
        let is_complete = required.iter().all(|name| object.contains_key(*name));
        is_complete.then_some(Value::Object(object))
    }
}

fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(types) => {
            let mut types = types.iter().filter_map(Value::as_str);
            types.find(|name| *name != "null")
        }
        only => only.as_str(),
    }
}

/// Returns the integer closest to 1 within the limits of a schema.
fn integer(schema: &Value) -> Option<i64> {
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    #[allow(clippy::cast_possible_truncation)] // larger limits are limited by the type
    let least = [
        limit("minimum").map(f64::ceil),
        limit("exclusiveMinimum").map(|it| it.floor() + 1.0),
    ]
    .into_iter()
    .flatten()
    .map(|it| it as i64)
    .max();
    #[allow(clippy::cast_possible_truncation)] // the same
    let most = [
        limit("maximum").map(f64::floor),
        limit("exclusiveMaximum").map(|it| it.ceil() - 1.0),
    ]
    .into_iter()
    .flatten()
    .map(|it| it as i64)
    .min();
    let step = schema.get("multipleOf");
    let step = match step {
        Some(step) => step.as_i64().filter(|step| *step > 0)?,
        None => 1,
    };
    let wanted = 1.max(least.unwrap_or(1)).min(most.unwrap_or(i64::MAX));
    let value = match wanted.rem_euclid(step) {
        0 => wanted,
        rest => wanted.checked_add(step - rest)?,
    };
    let is_within =
        least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most);
    is_within.then_some(value)
}

fn number(schema: &Value) -> Option<Value> {
    if let Some(integer) = integer(schema) {
        return Some(integer.into());
    }
    if schema.get("multipleOf").is_some() {
        return None;
    }
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let least = limit("minimum").or_else(|| limit("exclusiveMinimum"))?;
    let most = limit("maximum").or_else(|| limit("exclusiveMaximum"))?;
    let between = least + (most - least) / 2.0;
    (least < between && between < most).then(|| between.into())
}

fn text(schema: &Value) -> Option<Value> {
    if schema.get("pattern").is_some() {
        return None;
    }
    let format = schema.get("format").and_then(Value::as_str);
    let text = match format {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "12:00:00Z",
        Some("partial-time") => "12:00:00",
        Some("partial-date-time") => "2026-01-01T00:00:00",
        Some("email") => "ada@example.org",
        Some("uri" | "url") => "https://example.org/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        // The bytes of the text.
        Some("base64") => "dGV4dA==",
        Some("duration" | "ipv4" | "ipv6" | "hostname" | "regex" | "json-pointer") => return None,
        _ => "text",
    };
    let length = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let (least, most) = (
        length("minLength").unwrap_or(0),
        length("maxLength").unwrap_or(u64::MAX),
    );
    if format.is_none() && least <= 100 && least > 4 {
        return Some(
            "text"
                .repeat(26)
                .chars()
                .take(usize::try_from(least).ok()?)
                .collect::<String>()
                .into(),
        );
    }
    let count = text.len() as u64;
    if count > most && format.is_none() {
        return Some(
            text.chars()
                .take(usize::try_from(most).ok()?)
                .collect::<String>()
                .into(),
        );
    }
    (least..=most).contains(&count).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use dasf_schema::{Draft, Options, Schema};

    use super::*;

    #[test]
    fn examples_are_valid() {
        let components = json!({
            "Point": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "next": {"$ref": "#/components/schemas/Point"}},
                "required": ["x"],
            },
            "Tree": {
                "type": "object",
                "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
                "required": ["children"],
            },
        });
        let components = components.as_object().unwrap();
        for schema in [
            json!({"type": "integer"}),
            json!({"type": "integer", "minimum": 5, "multipleOf": 4}),
            json!({"type": "integer", "maximum": -3}),
            json!({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3}),
            json!({"type": "integer", "minimum": -9e99, "maximum": 9e99}),
            json!({"type": "number", "exclusiveMinimum": 0.0, "maximum": 0.5}),
            json!({"type": "number", "exclusiveMinimum": 0}),
            json!({"type": ["null", "boolean"]}),
            json!({"type": "string", "minLength": 50}),
            json!({"type": "string", "maxLength": 2}),
            json!({"type": "string", "format": "date-time"}),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 3}),
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 0}),
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"const": 7}]}),
            json!({"type": "array", "items": {"type": "string", "pattern": "^a+$"}}),
            json!({"anyOf": [{"type": "string", "pattern": "x"}, {"type": "null"}]}),
            json!({"enum": ["b"]}),
            json!({"type": "object", "properties": {"a": {"default": 3}, "b": {"type": "string", "pattern": "x"}}}),
        ] {
            let example = Examples::new(components).of(&schema).unwrap();
            let options = Options {
                draft: Draft::Draft202012,
                ..Options::default()
            };
            let checked = Schema::new(&schema, options).unwrap();
            assert!(checked.accepts(&example), "{schema}: {example}");
        }
        let mut examples = Examples::new(components);
        let point = examples
            .of(&json!({"$ref": "#/components/schemas/Point"}))
            .unwrap();
        assert_eq!(point["x"], 1);
    }

    #[test]
    fn there_is_no_example_of_a_value_that_is_hard_to_find() {
        for schema in [
            json!({}),
            json!({"type": "string", "pattern": "^[a-f]{7}$"}),
            json!({"type": "integer", "minimum": 5, "maximum": 4}),
            json!({"type": "number", "multipleOf": 0.1, "maximum": 0.5}),
            json!({"not": {"type": "null"}, "type": "string"}),
            json!({"type": "object", "required": ["a"]}),
            json!({"properties": {"a": {}}, "oneOf": [{"type": "object"}]}),
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": true}),
            json!({"$ref": "#/components/schemas/Lost"}),
        ] {
            assert_eq!(Examples::new(&Map::new()).of(&schema), None, "{schema}");
        }
    }

    #[test]
    fn the_size_of_an_example_has_a_limit() {
        let components = json!({"Wide": {
            "type": "object",
            "properties": {
                "a": {"$ref": "#/components/schemas/Wide"},
                "b": {"$ref": "#/components/schemas/Wide"},
                "c": {"$ref": "#/components/schemas/Wide"},
            },
        }});
        let mut examples = Examples::new(components.as_object().unwrap());
        let example = examples
            .of(&json!({"$ref": "#/components/schemas/Wide"}))
            .unwrap();
        assert!(example.to_string().len() < 10_000);
    }
}
