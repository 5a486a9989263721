//! The recorded schemas of this repository, with values made from them and changed at random.

use std::path::Path;

use dasf_schema::{Draft, Options};
use serde_json::{Value, json};

use crate::compare;

/// The folders with recorded schemas and descriptions.
const FOLDERS: [&str; 2] = ["../tests/fixtures", "../dasf-codegen/tests/schemas"];
/// The number of values for each schema.
const VALUES: usize = 60;

#[test]
fn recorded_schemas_have_the_same_answers() {
    let mut count = 0;
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let document = std::fs::read(file.unwrap().path()).unwrap();
            // Some files are in encodings that JSON does not have.
            let document = String::from_utf8_lossy(&document);
            let Ok(document) = serde_json::from_str(document.trim_start_matches('\u{feff}')) else {
                continue;
            };
            let mut schemas = Vec::new();
            find(document, &mut schemas);
            for schema in schemas {
                count += 1;
                check(&schema);
            }
        }
    }
    assert!(count > 100, "{count}");
}

/// Finds the schemas in a document: those that are in no other. A document may contain others as texts.
fn find(value: Value, schemas: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            let is_schema = ["$defs", "properties", "type", "anyOf", "oneOf"]
                .iter()
                .any(|keyword| fields.contains_key(*keyword));
            if is_schema {
                schemas.push(fields.into());
            } else {
                fields
                    .into_iter()
                    .for_each(|(_, inner)| find(inner, schemas));
            }
        }
        Value::Array(items) => items.into_iter().for_each(|inner| find(inner, schemas)),
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(&text) {
                find(inner, schemas);
            }
        }
        _ => {}
    }
}

fn check(schema: &Value) {
    let mut random = Random(schema.to_string().len() as u64);
    let values: Vec<Value> = (0..VALUES)
        .map(|number| {
            let mut value = example(schema, schema, &mut random, 6);
            for _ in 0..number % 4 {
                change(&mut value, &mut random);
            }
            value
        })
        .collect();
    for (draft, checks_formats) in [(Draft::Draft201909, true), (Draft::Draft202012, false)] {
        let options = Options {
            draft,
            checks_formats,
            ..Options::default()
        };
        compare(schema, options, &values);
    }
}

/// A generator of numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's generator, of which the upper bits are good enough here.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn choose<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        let index = self.below(items.len());
        items.get(index)
    }
}

/// Makes a value that a schema may accept.
fn example(schema: &Value, document: &Value, random: &mut Random, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.trim_start_matches('#'));
        return target.map_or(Value::Null, |target| {
            example(target, document, random, depth)
        });
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    for keyword in ["enum", "examples"] {
        let values = schema.get(keyword).and_then(Value::as_array);
        if let Some(value) = values.and_then(|values| random.choose(values)) {
            return value.clone();
        }
    }
    let mut value = of_type(schema, document, random, depth);
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let variants = schema.get(keyword).and_then(Value::as_array);
        let Some(variant) = variants.and_then(|variants| random.choose(variants)) else {
            continue;
        };
        let inner = example(variant, document, random, depth);
        match (&mut value, inner) {
            (Value::Object(fields), Value::Object(inner)) => fields.extend(inner),
            (value, inner) => *value = inner,
        }
    }
    value
}

fn of_type(schema: &Value, document: &Value, random: &mut Random, depth: usize) -> Value {
    let kind = match &schema["type"] {
        Value::Array(kinds) => random.choose(kinds).unwrap_or(&Value::Null),
        kind => kind,
    };
    match kind.as_str() {
        Some("integer") => random.below(300).into(),
        Some("number") => (random.below(1000) as f64 / 8.0).into(),
        Some("boolean") => (random.below(2) == 0).into(),
        Some("string") => {
            let texts = [
                "",
                "a",
                "2026-11-22T10:00:00Z",
                "2026-11-22",
                "aGk=",
                "https://a.b/c",
                "é",
            ];
            texts[random.below(texts.len())].into()
        }
        Some("array") => match schema.get("items").or(schema.get("prefixItems")) {
            Some(Value::Array(items)) => {
                let items = items.iter();
                items
                    .map(|item| example(item, document, random, depth))
                    .collect()
            }
            item => {
                let item = item.unwrap_or(&Value::Bool(true));
                let count = random.below(4);
                (0..count)
                    .map(|_| example(item, document, random, depth))
                    .collect()
            }
        },
        Some("null") => Value::Null,
        _ => {
            let mut object = json!({});
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let required = schema.get("required").and_then(Value::as_array);
                let is_required =
                    required.is_some_and(|it| it.contains(&Value::from(name.as_str())));
                if is_required || random.below(2) == 0 {
                    object[name] = example(property, document, random, depth);
                }
            }
            if let Some(rest) = schema
                .get("additionalProperties")
                .filter(|it| it.is_object())
            {
                for name in ["a", "12"] {
                    object[name] = example(rest, document, random, depth);
                }
            }
            object
        }
    }
}

/// Changes one place in a value.
fn change(value: &mut Value, random: &mut Random) {
    let stays = random.below(4) != 0;
    match value {
        Value::Array(items) if stays && !items.is_empty() => {
            let index = random.below(items.len());
            change(&mut items[index], random);
        }
        Value::Object(fields) if stays && !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = &names[random.below(names.len())];
            match random.below(6) {
                0 => {
                    fields.shift_remove(name);
                }
                1 => {
                    fields.insert("unknown".to_owned(), Value::Null);
                }
                _ => change(&mut fields[name], random),
            }
        }
        value => {
            let others = [
                json!(null),
                json!(true),
                json!(-1),
                json!(2.0),
                json!(2.5),
                json!(1e300),
                json!("x"),
                json!("x".repeat(90)),
                json!([]),
                json!([1, "a"]),
                json!({}),
                json!({"a": 1}),
            ];
            *value = others[random.below(others.len())].clone();
        }
    }
}
