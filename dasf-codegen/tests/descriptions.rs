//! Any JSON as a description: an error, or code that parses. The other languages' parsers judge in
//! `tests/interop`; `cargo xtask fuzz` looks further than these documents.

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
    // Most are close enough to be understood.
    assert!(accepted > 250, "{accepted}");
}

#[test]
fn documents_of_hostile_size_end_soon() {
    // A chain, a fan and a circle of many definitions, and a deep schema.
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
