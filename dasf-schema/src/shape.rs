//! The form that the value of each keyword must have.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::types::Types;
use crate::{Draft, Tuples};

/// The form of the value of a keyword.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Boolean,
    List,
    Number,
    Positive,
    Size,
    Type,
    /// A list of different strings.
    Names,
    /// An object whose values are such lists.
    NamesByName,
    Object,
    Schema,
    Schemas,
    SchemasByName,
    /// A schema, or a list of schemas.
    Items,
    /// An object whose values are schemas or lists of strings.
    Dependencies,
}

impl Shape {
    fn of(keyword: &str, draft: Draft) -> Option<Self> {
        Some(match keyword {
            "$id" | "$schema" | "$anchor" | "$ref" | "$comment" | "title" | "description"
            | "contentMediaType" | "contentEncoding" | "format" | "pattern" => Self::Text,
            "deprecated" | "readOnly" | "writeOnly" | "uniqueItems" => Self::Boolean,
            "enum" | "examples" => Self::List,
            "maximum" | "minimum" | "exclusiveMaximum" | "exclusiveMinimum" => Self::Number,
            "multipleOf" => Self::Positive,
            "maxLength" | "minLength" | "maxItems" | "minItems" | "maxContains" | "minContains"
            | "maxProperties" | "minProperties" => Self::Size,
            "type" => Self::Type,
            "required" => Self::Names,
            "dependentRequired" => Self::NamesByName,
            "$vocabulary" => Self::Object,
            "not"
            | "if"
            | "then"
            | "else"
            | "additionalProperties"
            | "propertyNames"
            | "contains"
            | "contentSchema"
            | "unevaluatedItems"
            | "unevaluatedProperties" => Self::Schema,
            "allOf" | "anyOf" | "oneOf" => Self::Schemas,
            "$defs" | "definitions" | "properties" | "patternProperties" | "dependentSchemas" => {
                Self::SchemasByName
            }
            "dependencies" => Self::Dependencies,
            "items" => match draft.tuples() {
                Tuples::InItems => Self::Items,
                Tuples::InPrefixItems => Self::Schema,
            },
            "prefixItems" if draft.tuples() == Tuples::InPrefixItems => Self::Schemas,
            "additionalItems" if draft.tuples() == Tuples::InItems => Self::Schema,
            _ => return None,
        })
    }

    /// Returns what the value must be.
    fn description(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Number => "a number",
            Self::Positive => "a number greater than 0",
            Self::Size => "an integer that is not negative",
            Self::Type => "a type of JSON, or a list of different types",
            Self::Names => "a list of different strings",
            Self::NamesByName => "an object with lists of different strings",
            Self::Object => "an object",
            Self::Schema => "a schema: an object, true or false",
            Self::Schemas => "a list of schemas that is not empty",
            Self::SchemasByName => "an object with schemas",
            Self::Items => "a schema, or a list of schemas that is not empty",
            Self::Dependencies => "an object with schemas or lists of different strings",
        }
    }

    fn accepts(self, value: &Value) -> bool {
        let all_by_name = |accepts: fn(&Value) -> bool| {
            let fields = value.as_object();
            fields.is_some_and(|fields| fields.values().all(accepts))
        };
        match self {
            Self::Text => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Number => value.is_number(),
            Self::Positive => value.as_f64().is_some_and(|number| number > 0.0),
            Self::Size => size(value).is_some(),
            Self::Type => types(value).is_some(),
            Self::Names => is_names(value),
            Self::NamesByName => all_by_name(is_names),
            Self::Object => value.is_object(),
            Self::Schema => is_schema(value),
            Self::Schemas => is_schemas(value),
            Self::SchemasByName => all_by_name(is_schema),
            Self::Items => is_schema(value) || is_schemas(value),
            Self::Dependencies => all_by_name(|value| is_schema(value) || is_names(value)),
        }
    }
}

/// Checks the form of all keywords of one schema.
///
/// # Errors
/// Returns the first mistake.
pub(crate) fn check(schema: &Map<String, Value>, draft: Draft) -> Result<(), String> {
    for (keyword, value) in schema {
        if let Some(shape) = Shape::of(keyword, draft).filter(|shape| !shape.accepts(value)) {
            let must = shape.description();
            return Err(format!("{keyword} must be {must}, not {value}"));
        }
    }
    Ok(())
}

/// Returns the types that `type` names.
pub(crate) fn types(value: &Value) -> Option<Types> {
    let mut types = Types::NONE;
    let known = match value {
        Value::String(name) => types.add(name),
        Value::Array(names) => {
            let mut add = |name: &Value| name.as_str().is_some_and(|name| types.add(name));
            !names.is_empty() && is_names(value) && names.iter().all(&mut add)
        }
        _ => false,
    };
    known.then_some(types)
}

/// Returns a number that limits a length. A greater number than 64 bits hold limits nothing.
pub(crate) fn size(value: &Value) -> Option<u64> {
    let of_float = || {
        let float = value.as_f64()?;
        // The conversion saturates.
        (float >= 0.0 && float.fract() == 0.0).then_some(float as u64)
    };
    value.as_u64().or_else(of_float)
}

fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

fn is_schemas(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|schemas| !schemas.is_empty() && schemas.iter().all(is_schema))
}

fn is_names(value: &Value) -> bool {
    let mut seen = HashSet::new();
    let mut is_new = |name: &'_ Value| {
        name.as_str()
            .is_some_and(|name| seen.insert(name.to_owned()))
    };
    value
        .as_array()
        .is_some_and(|names| names.iter().all(&mut is_new))
}
