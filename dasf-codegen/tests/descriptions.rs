//! Any JSON as a description gives an error, or code that parses. `tests/interop` checks the other
//! languages with their parsers. `cargo xtask fuzz` tests many more documents.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod arbitrary;

use dasf_codegen::{Language, generate};
use serde_json::{Value, json};

#[test]
fn any_json_is_an_error_or_code_that_parses() {
    let mut accepted = 0;
    for seed in 0..400 {
        let document = arbitrary::of_seed(seed);
        for language in Language::ALL {
            let Ok(source) = generate(&document, language, "a test") else {
                continue;
            };
            assert_eq!(
                generate(&document, language, "a test").as_ref(),
                Ok(&source)
            );
            if language == Language::Rust {
                accepted += 1;
                if let Err(error) = syn::parse_file(&source) {
                    panic!("{error}, for seed {seed}: {document}\n{source}");
                }
            }
        }
    }
    // Most documents are valid.
    assert!(accepted > 250, "{accepted}");
}

/// A module that rejects unknown arguments has `additionalProperties: false` in its schemas.
#[test]
fn clients_do_not_depend_on_how_a_module_treats_unknown_arguments() {
    let api_info = |is_closed: bool| {
        let schema = |keys: Value| {
            let mut schema = json!({"properties": keys, "required": ["a"]});
            if is_closed {
                schema["additionalProperties"] = false.into();
            }
            schema
        };
        let function = |name: &str| {
            json!({
                "name": name,
                "rpc_schema": schema(json!({
                    "func_name": {"const": name},
                    "a": {"type": "integer"},
                    "b": {"type": "integer", "default": 2},
                })),
                "return_schema": {"type": "integer"},
            })
        };
        json!({
            "functions": [function("add")],
            "classes": [{
                "name": "Sum",
                "rpc_schema": schema(json!({
                    "class_name": {"const": "Sum"},
                    "function": {},
                    "a": {"type": "integer"},
                })),
                "methods": [function("more")],
            }],
            "rpc_schema": {"title": "arithmetic"},
        })
    };
    for language in Language::ALL {
        let written = |is_closed| {
            let source = generate(&api_info(is_closed), language, "a test").unwrap();
            // The description and its hash differ.
            let is_equal = |line: &&str| !line.contains("SHA-256") && !line.contains("API_INFO:");
            let lines: Vec<String> = source.lines().filter(is_equal).map(str::to_owned).collect();
            lines
        };
        assert_eq!(written(true), written(false), "{language}");
    }
}

#[test]
fn documents_of_hostile_size_end_soon() {
    // A chain, a fan and a cycle of many definitions, and a deep schema.
    let count = 2000;
    let definition = |index: usize| {
        json!({"properties": {
            "next": {"$ref": format!("#/$defs/D{}", (index + 1) % count)},
            "same": {"title": "Same", "properties": {"index": {"const": index.to_string()}}},
        }})
    };
    let definitions: serde_json::Map<String, Value> = (0..count)
        .map(|index| (format!("D{index}"), definition(index)))
        .collect();
    let mut deep = json!({"type": "null"});
    for _ in 0..120 {
        deep = json!({"anyOf": [{"items": deep}, {"type": "null"}]});
    }
    let document = json!({
        "functions": [{
            "name": "f",
            "rpc_schema": {
                "properties": {"first": {"$ref": "#/$defs/D0"}, "deep": deep},
                "$defs": definitions,
            },
            "return_schema": {},
        }],
        "classes": [],
        "rpc_schema": {},
    });
    for language in Language::ALL {
        generate(&document, language, "a test").unwrap();
    }
}
