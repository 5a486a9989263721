//! Floats of 32 bits in a schema, with the digits that a person would write.
//!
//! `schemars` converts a default of type `f32` to 64 bits, so 0.1 becomes 0.10000000149011612. This
//! number is longer than anyone would write, and it exceeds a limit of 0.1.

use dasf_protocol::reference::definition;
use serde_json::{Map, Number, Value};

use super::schema::DEFINITIONS;

/// The maximum number of schemas in a chain of references, because some chains are cycles.
const MAX_DEPTH: usize = 64;
const OF_NUMBERS: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// Shortens the floats of 32 bits in a schema: its limits, defaults, examples and fixed values.
pub(super) fn shorten_in(schema: &mut Value, definitions: &Map<String, Value>) {
    if let Value::Object(fields) = schema {
        shorten_fields(fields, definitions);
    }
}

/// Does the same as [`shorten_in`] for the fields of a schema.
pub(super) fn shorten_fields(fields: &mut Map<String, Value>, definitions: &Map<String, Value>) {
    if is_float(fields) {
        for keyword in OF_NUMBERS {
            if let Some(limit) = fields.get_mut(keyword) {
                shorten_number(limit);
            }
        }
    }
    for keyword in ["default", "const", "enum", "examples"] {
        let Some(mut values) = fields.get(keyword).cloned() else {
            continue;
        };
        match &mut values {
            Value::Array(values) if matches!(keyword, "enum" | "examples") => {
                for value in values {
                    shorten(value, fields, definitions, 0);
                }
            }
            value => shorten(value, fields, definitions, 0),
        }
        fields.insert(keyword.to_owned(), values);
    }
    for (keyword, part) in fields {
        match (keyword.as_str(), part) {
            ("default" | "const" | "enum" | "examples", _) => {}
            ("properties" | "patternProperties" | DEFINITIONS, Value::Object(schemas)) => {
                for schema in schemas.values_mut() {
                    shorten_in(schema, definitions);
                }
            }
            (_, Value::Array(schemas)) => {
                for schema in schemas {
                    shorten_in(schema, definitions);
                }
            }
            (_, part) => shorten_in(part, definitions),
        }
    }
}

/// Shortens the floats of a value that have 32 bits according to its schema.
fn shorten(
    value: &mut Value,
    schema: &Map<String, Value>,
    definitions: &Map<String, Value>,
    depth: usize,
) {
    if depth > MAX_DEPTH {
        return;
    }
    let within = |value: &mut Value, schema: Option<&Value>| {
        if let Some(Value::Object(schema)) = schema {
            shorten(value, schema, definitions, depth + 1);
        }
    };
    within(value, target(schema, definitions));
    for keyword in ["anyOf", "oneOf"] {
        let variants = schema.get(keyword).and_then(Value::as_array);
        let mut variants = variants.into_iter().flatten();
        // If several schemas fit, the first one counts, as in serde.
        let variant = variants.find(|variant| fits(value, variant, definitions, 0));
        within(value, variant);
    }
    for part in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        within(value, Some(part));
    }
    match value {
        Value::Number(_) if is_float(schema) => shorten_number(value),
        Value::Array(items) => {
            let schemas = schema.get("items");
            for (index, item) in items.iter_mut().enumerate() {
                let of_tuple = schemas.and_then(Value::as_array);
                within(item, of_tuple.map_or(schemas, |schemas| schemas.get(index)));
            }
        }
        Value::Object(fields) => {
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            for (name, field) in fields {
                match schema.get("properties").and_then(|it| it.get(name)) {
                    Some(property) => within(field, Some(property)),
                    None => {
                        within(field, schema.get("additionalProperties"));
                        for schema in patterns.into_iter().flat_map(Map::values) {
                            within(field, Some(schema));
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

/// Returns the target of a reference in a schema.
fn target<'d>(
    schema: &Map<String, Value>,
    definitions: &'d Map<String, Value>,
) -> Option<&'d Value> {
    let (_, name) = definition(schema.get("$ref")?.as_str()?)?;
    definitions.get(&*name)
}

/// Returns whether a value can be of a variant: it has the variant's type, fixed values and fields.
fn fits(value: &Value, variant: &Value, definitions: &Map<String, Value>, depth: usize) -> bool {
    let Value::Object(schema) = variant else {
        return true;
    };
    if depth > MAX_DEPTH {
        return false;
    }
    let is_of_type = match schema.get("type").and_then(Value::as_str) {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    let is_fixed = |schema: &Map<String, Value>, value: &Value| {
        schema.get("const").is_none_or(|fixed| fixed == value)
    };
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    let mut has_fields = || required.all(|name| value.get(name).is_some());
    let properties = schema.get("properties").and_then(Value::as_object);
    let has_fixed = || {
        let mut properties = properties.into_iter().flatten();
        properties.all(|(name, schema)| match (schema, value.get(name)) {
            (Value::Object(schema), Some(value)) => is_fixed(schema, value),
            _ => true,
        })
    };
    is_of_type
        && is_fixed(schema, value)
        && (!value.is_object() || (has_fields() && has_fixed()))
        && target(schema, definitions)
            .is_none_or(|target| fits(value, target, definitions, depth + 1))
}

fn is_float(schema: &Map<String, Value>) -> bool {
    schema.get("format").is_some_and(|format| format == "float")
}

/// Gives a number the fewest digits that distinguish it from other floats of 32 bits. Other values
/// are unchanged.
fn shorten_number(value: &mut Value) {
    let Some(wide) = value.as_f64().filter(|_| value.is_f64()) else {
        return;
    };
    let narrow = wide as f32;
    if f64::from(narrow) != wide {
        return;
    }
    let short = narrow.to_string().parse().ok();
    if let Some(short) = short.and_then(Number::from_f64) {
        *value = Value::Number(short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_of_32_bits_get_their_own_digits_wherever_they_stand() {
        let wide = f64::from(0.1_f32);
        let float = json!({"type": "number", "format": "float"});
        let double = json!({"type": "number", "format": "double"});
        let definitions = json!({
            "Point": {"type": "object", "properties": {"x": float, "exact": double}},
            "Maybe": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Point"}]},
            "Circle": {"anyOf": [{"$ref": "#/$defs/Circle"}]},
            "Shape": {"oneOf": [
                {"properties": {"t": {"const": "Wide"}, "c": double}, "required": ["t", "c"]},
                {"properties": {"t": {"const": "Narrow"}, "c": float}, "required": ["t", "c"]},
            ]},
        });
        let definitions = definitions.as_object().unwrap();
        for (schema, value, expected) in [
            (float.clone(), json!(wide), json!(0.1)),
            (double.clone(), json!(wide), json!(wide)),
            // A number with more digits than 32 bits can hold is not a float of 32 bits.
            (
                float.clone(),
                json!(0.123_456_789_f64),
                json!(0.123_456_789_f64),
            ),
            (
                float.clone(),
                json!(f64::from(f32::MAX)),
                json!(3.402_823_5e38),
            ),
            (float.clone(), json!(f64::from(1e-45_f32)), json!(1e-45)),
            (float.clone(), json!(-0.0), json!(-0.0)),
            (float.clone(), json!(16_777_216), json!(16_777_216)),
            (json!({"items": float}), json!([wide, 1]), json!([0.1, 1])),
            (
                json!({"items": [double, float]}),
                json!([wide, wide]),
                json!([wide, 0.1]),
            ),
            (
                json!({"additionalProperties": float}),
                json!({"a": wide}),
                json!({"a": 0.1}),
            ),
            (
                json!({"patternProperties": {"a": float}}),
                json!({"a": wide}),
                json!({"a": 0.1}),
            ),
            (
                json!({"anyOf": [float, {"type": "null"}]}),
                json!(wide),
                json!(0.1),
            ),
            (json!({"anyOf": [double, float]}), json!(wide), json!(wide)),
            (
                json!({"$ref": "#/$defs/Point"}),
                json!({"x": wide, "exact": wide}),
                json!({"x": 0.1, "exact": wide}),
            ),
            (
                json!({"$ref": "#/$defs/Maybe"}),
                json!({"x": wide}),
                json!({"x": 0.1}),
            ),
            (
                json!({"$ref": "#/$defs/Circle"}),
                json!({"x": wide}),
                json!({"x": wide}),
            ),
            (
                json!({"$ref": "#/$defs/Shape"}),
                json!({"t": "Narrow", "c": wide}),
                json!({"t": "Narrow", "c": 0.1}),
            ),
            (
                json!({"$ref": "#/$defs/Shape"}),
                json!({"t": "Wide", "c": wide}),
                json!({"t": "Wide", "c": wide}),
            ),
        ] {
            for keyword in ["default", "const"] {
                let mut whole = schema.clone();
                whole[keyword] = value.clone();
                shorten_in(&mut whole, definitions);
                assert_eq!(whole[keyword].to_string(), expected.to_string(), "{whole}");
            }
            let mut whole = json!({"properties": {"default": schema}});
            whole["properties"]["default"]["examples"] = json!([value]);
            shorten_in(&mut whole, definitions);
            assert_eq!(
                whole["properties"]["default"]["examples"],
                json!([expected])
            );
        }
        let mut limited = json!({"items": {"format": "float", "maximum": wide, "minimum": 0}});
        shorten_in(&mut limited, definitions);
        assert_eq!(
            limited,
            json!({"items": {"format": "float", "maximum": 0.1, "minimum": 0}})
        );
    }
}
