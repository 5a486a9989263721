//! The forms that an argument can have in a request.

use serde_json::Value;

use crate::definitions::{Definitions, Root};

/// The media type of bytes without another one.
pub(crate) const BYTES: &str = "application/octet-stream";

/// The form that an argument can have, besides JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// A single value, which a query parameter can hold.
    Scalar,
    /// A list of single values: a query parameter that is repeated.
    List,
    /// Bytes, which are a text in base64 in JSON, with their media type.
    Bytes(String),
    /// JSON alone.
    Json,
}

impl Form {
    /// Returns the form of values with this schema.
    pub(crate) fn of(definitions: &Definitions<'_>, root: Root, schema: &Value) -> Self {
        if let Some(media_type) = bytes(definitions, root, schema) {
            return Self::Bytes(media_type);
        }
        if is_scalar(definitions, root, schema, 0) {
            return Self::Scalar;
        }
        let (root, schema) = without_null(definitions, root, schema);
        let items = schema.get("items").filter(|_| has_type(schema, "array"));
        match items {
            Some(items) if is_scalar(definitions, root, items, 0) => Self::List,
            _ => Self::Json,
        }
    }
}

/// Returns the media type of the values of a schema if they are bytes in base64. Then a caller can also send or
/// receive the bytes themselves.
pub(crate) fn bytes(definitions: &Definitions<'_>, root: Root, schema: &Value) -> Option<String> {
    let (_, schema) = without_null(definitions, root, schema);
    let is = |keyword: &str| schema.get(keyword).and_then(Value::as_str) == Some("base64");
    if !is("format") && !is("contentEncoding") {
        return None;
    }
    let media_type = schema.get("contentMediaType").and_then(Value::as_str);
    // What does not look like a media type would make a header invalid.
    let media_type = media_type.filter(|name| is_media_type(name));
    Some(media_type.unwrap_or(BYTES).to_ascii_lowercase())
}

/// Returns whether a text is a media type without parameters.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        !part.is_empty() && part.chars().all(allowed)
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Returns the schema of the values that are not null.
pub(crate) fn without_null<'a>(
    definitions: &Definitions<'a>,
    root: Root,
    schema: &'a Value,
) -> (Root, &'a Value) {
    let (root, schema) = definitions.follow(root, schema);
    for keyword in ["anyOf", "oneOf"] {
        let variants = schema.get(keyword).and_then(Value::as_array);
        let mut others = variants
            .into_iter()
            .flatten()
            .filter(|it| !has_type(it, "null"));
        if let (Some(only), None) = (others.next(), others.next()) {
            return definitions.follow(root, only);
        }
    }
    (root, schema)
}

/// Returns whether a schema names a type, alone or in a list with null.
pub(crate) fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(types)) => {
            types.iter().any(|it| it == name) && types.iter().all(|it| it == name || it == "null")
        }
        _ => false,
    }
}

/// Returns whether all values of a schema are numbers, texts, truth values or null.
pub(crate) fn is_scalar(
    definitions: &Definitions<'_>,
    root: Root,
    schema: &Value,
    depth: usize,
) -> bool {
    const MAX_DEPTH: usize = 4;
    let is_scalar_type = |name: &Value| {
        matches!(
            name.as_str(),
            Some("boolean" | "integer" | "null" | "number" | "string")
        )
    };
    let is_scalar_value = |value: &Value| !value.is_array() && !value.is_object();
    let (root, schema) = definitions.follow(root, schema);
    if depth > MAX_DEPTH {
        return false;
    }
    if let Some(value) = schema.get("const") {
        return is_scalar_value(value);
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().all(is_scalar_value);
    }
    match schema.get("type") {
        Some(Value::Array(types)) => return types.iter().all(is_scalar_type),
        Some(name) => return is_scalar_type(name),
        None => {}
    }
    ["anyOf", "oneOf", "allOf"].into_iter().any(|keyword| {
        let variants = schema.get(keyword).and_then(Value::as_array);
        variants.is_some_and(|variants| {
            let mut variants = variants.iter();
            variants.all(|variant| is_scalar(definitions, root, variant, depth + 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(schema: &Value) -> Form {
        let document = json!({"$defs": {
            "Color": {"type": "string", "enum": ["red", "green"]},
            "Bytes": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
            "Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}]},
            "Point": {"type": "object"},
        }});
        let mut definitions = Definitions::default();
        let root = definitions.add(&document, None);
        Form::of(&definitions, root, schema)
    }

    #[test]
    fn single_values_are_scalars() {
        for schema in [
            json!({"type": "integer"}),
            json!({"type": ["number", "null"]}),
            json!({"enum": ["a", 1, null]}),
            json!({"const": true}),
            json!({"$ref": "#/$defs/Color"}),
            json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
            json!({"allOf": [{"$ref": "#/$defs/Color"}]}),
            json!({"oneOf": [{"const": "x"}, {"const": "y"}]}),
        ] {
            assert_eq!(form(&schema), Form::Scalar, "{schema}");
        }
    }

    #[test]
    fn lists_of_single_values_are_lists() {
        for schema in [
            json!({"type": "array", "items": {"type": "number"}}),
            json!({"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Color"}}, {"type": "null"}]}),
        ] {
            assert_eq!(form(&schema), Form::List, "{schema}");
        }
    }

    #[test]
    fn base64_is_bytes() {
        let bytes = |name: &str| Form::Bytes(name.to_owned());
        assert_eq!(
            form(&json!({"type": "string", "format": "base64"})),
            bytes(BYTES)
        );
        assert_eq!(form(&json!({"$ref": "#/$defs/Bytes"})), bytes("image/png"));
        assert_eq!(
            form(&json!({"anyOf": [{"$ref": "#/$defs/Bytes"}, {"type": "null"}], "default": null})),
            bytes("image/png")
        );
        let strange = json!({"format": "base64", "contentMediaType": "a\r\nb: c"});
        assert_eq!(form(&strange), bytes(BYTES));
    }

    #[test]
    fn everything_else_is_json() {
        for schema in [
            json!({}),
            json!(true),
            json!({"type": "object"}),
            json!({"$ref": "#/$defs/Point"}),
            json!({"$ref": "#/$defs/Loop"}),
            json!({"$ref": "#/$defs/Lost"}),
            json!({"type": "array"}),
            json!({"type": "array", "items": [{"type": "number"}]}),
            json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
        ] {
            assert_eq!(form(&schema), Form::Json, "{schema}");
        }
    }
}
