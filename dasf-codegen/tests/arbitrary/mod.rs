//! API descriptions from random bytes. Most are almost valid, because the generator rejects others
//! at once.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

/// Names with a meaning in a language, in a generated client, or for a parser.
const NAMES: &[&str] = &[
    "",
    "a",
    "A",
    "a_b",
    "aB",
    "a-b",
    "a b",
    "2m",
    "_",
    "__",
    "_x",
    "größe",
    "世",
    "é",
    "type",
    "self",
    "Self",
    "super",
    "crate",
    "match",
    "async",
    "await",
    "class",
    "None",
    "True",
    "def",
    "lambda",
    "function",
    "constructor",
    "__proto__",
    "prototype",
    "toString",
    "null",
    "undefined",
    "let",
    "yield",
    "Client",
    "AsyncClient",
    "Option",
    "Vec",
    "String",
    "Value",
    "Box",
    "Any",
    "Optional",
    "BaseModel",
    "Promise",
    "Error",
    "Record",
    "Array",
    "Map",
    "connect",
    "builder",
    "caller",
    "close",
    "ping",
    "api_info",
    "timeout",
    "send",
    "on_progress",
    "with_options",
    "call",
    "instance",
    "new",
    "default",
    "func_name",
    "class_name",
    "model_config",
    "schema",
    "\"",
    "'''",
    "*/",
    "/*",
    "\\",
    "\n",
    "\u{2028}",
    "${x}",
    "#{x}",
    "r#a",
    "A::B",
    "Vec<T>",
    "x\u{0}y",
    "\u{202e}",
];
/// The names of definitions, so that many references have a target.
const DEFINITIONS: &[&str] = &["A", "B", "C", "Client", "a/b~c", "Box[int]", ""];
const TYPES: &[&str] = &[
    "null", "boolean", "integer", "number", "string", "array", "object", "blob",
];
const FORMATS: &[&str] = &[
    "int8",
    "uint64",
    "uint128",
    "double",
    "date-time",
    "date",
    "time",
    "duration",
    "uuid",
    "base64",
    "binary",
    "*/",
    "\"\"\"",
];
/// The maximum depth of nested schemas.
const MAX_DEPTH: u32 = 5;

/// Returns the document for a number. Its bytes come from a linear congruential generator.
#[allow(dead_code)] // The fuzz target has its own bytes.
pub(crate) fn of_seed(seed: u64) -> Value {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..4000).map(|_| next()).collect();
    // After the last byte, the generator uses zeros.
    api_info(&mut Unstructured::new(&bytes)).unwrap_or_default()
}

/// Returns a document.
pub(crate) fn api_info(bytes: &mut Unstructured<'_>) -> Result<Value> {
    if bytes.ratio(1, 20)? {
        return value(bytes, MAX_DEPTH);
    }
    let mut document = json!({
        "functions": several(bytes, 5, callable)?,
        "classes": several(bytes, 3, class)?,
        "rpc_schema": {"title": name(bytes)?, "description": name(bytes)?},
    });
    if bytes.ratio(1, 10)? {
        let key = *bytes.choose(&["functions", "classes", "rpc_schema"])?;
        document[key] = value(bytes, 2)?;
    }
    Ok(document)
}

fn callable(bytes: &mut Unstructured<'_>) -> Result<Value> {
    Ok(json!({
        "name": name(bytes)?,
        "rpc_schema": root(bytes)?,
        "return_schema": schema(bytes, MAX_DEPTH)?,
    }))
}

fn class(bytes: &mut Unstructured<'_>) -> Result<Value> {
    Ok(json!({
        "name": name(bytes)?,
        "rpc_schema": root(bytes)?,
        "methods": several(bytes, 3, callable)?,
    }))
}

/// Returns the schema of the arguments of a function or a constructor.
fn root(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let mut schema = json!({"type": "object", "properties": properties(bytes, MAX_DEPTH)?});
    schema["required"] = several(bytes, 3, |bytes| Ok(name(bytes)?.into()))?;
    schema["description"] = name(bytes)?.into();
    schema["deprecated"] = bytes.ratio(1, 10)?.into();
    let mut definitions = Map::new();
    for name in DEFINITIONS {
        if bytes.ratio(1, 2)? {
            definitions.insert((*name).to_owned(), self::schema(bytes, MAX_DEPTH)?);
        }
    }
    schema["$defs"] = definitions.into();
    Ok(schema)
}

fn properties(bytes: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    let mut properties = Map::new();
    for _ in 0..bytes.int_in_range(0..=4)? {
        properties.insert(name(bytes)?, schema(bytes, depth)?);
    }
    Ok(properties.into())
}

fn schema(bytes: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    if depth == 0 || bytes.is_empty() {
        return Ok(json!({}));
    }
    let mut schema = Map::new();
    for _ in 0..bytes.int_in_range(1..=3)? {
        let keyword = *bytes.choose(&[
            "type",
            "type",
            "type",
            "properties",
            "items",
            "items",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "$ref",
            "enum",
            "const",
            "additionalProperties",
            "patternProperties",
            "prefixItems",
            "uniqueItems",
            "required",
            "default",
            "description",
            "title",
            "format",
            "minimum",
            "maximum",
            "minLength",
            "maxItems",
            "pattern",
            "is_reporter",
            "x_dasf_type",
            "not",
            "contentEncoding",
            "contentMediaType",
            "discriminator",
            "deprecated",
        ])?;
        let depth = depth - 1;
        let part = if bytes.ratio(1, 30)? {
            value(bytes, 2)?
        } else {
            match keyword {
                "type" => (*bytes.choose(TYPES)?).into(),
                "properties" | "patternProperties" => properties(bytes, depth)?,
                "items" | "additionalProperties" | "not" => self::schema(bytes, depth)?,
                "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                    several(bytes, 3, |bytes| self::schema(bytes, depth))?
                }
                "$ref" => {
                    let target = bytes.choose(DEFINITIONS)?;
                    format!("#/$defs/{}", target.replace('~', "~0").replace('/', "~1")).into()
                }
                "enum" => several(bytes, 4, |bytes| value(bytes, 1))?,
                "const" | "default" => value(bytes, 2)?,
                "required" => several(bytes, 3, |bytes| Ok(name(bytes)?.into()))?,
                "format" => (*bytes.choose(FORMATS)?).into(),
                "minimum" | "maximum" => number(bytes)?,
                "minLength" | "maxItems" => bytes.int_in_range(0..=3)?.into(),
                "uniqueItems" | "is_reporter" | "deprecated" => true.into(),
                "contentEncoding" => "base64".into(),
                "contentMediaType" => "application/x-netcdf".into(),
                _ => name(bytes)?.into(),
            }
        };
        schema.insert(keyword.to_owned(), part);
    }
    Ok(schema.into())
}

fn several(
    bytes: &mut Unstructured<'_>,
    most: usize,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<Value>,
) -> Result<Value> {
    let count = bytes.int_in_range(0..=most)?;
    let all: Result<Vec<Value>> = (0..count).map(|_| one(bytes)).collect();
    Ok(all?.into())
}

fn name(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(1, 10)? {
        return Ok(bytes.arbitrary::<&str>()?.chars().take(20).collect());
    }
    Ok((*bytes.choose(NAMES)?).to_owned())
}

fn number(bytes: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=4)? {
        0 => bytes.arbitrary::<i64>()?.into(),
        1 => bytes.arbitrary::<u64>()?.into(),
        2 => bytes.arbitrary::<f64>()?.into(),
        _ => bytes.int_in_range(-2..=300)?.into(),
    })
}

/// Returns any JSON value.
fn value(bytes: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    let kinds = if depth == 0 { 3 } else { 5 };
    Ok(match bytes.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => bytes.arbitrary::<bool>()?.into(),
        2 => number(bytes)?,
        3 => name(bytes)?.into(),
        4 => several(bytes, 3, |bytes| value(bytes, depth - 1))?,
        _ => {
            let mut fields = Map::new();
            for _ in 0..bytes.int_in_range(0..=3)? {
                fields.insert(name(bytes)?, value(bytes, depth - 1)?);
            }
            fields.into()
        }
    })
}
