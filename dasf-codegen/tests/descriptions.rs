//! Any JSON as a description: an error, or code that parses. The other languages' parsers judge in
//! `tests/interop`; `cargo xtask fuzz` looks further than these documents.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod arbitrary;

use ::arbitrary::Unstructured;
use dasf_codegen::{Language, generate};
use serde_json::{Value, json};

/// Bytes that look random and are always the same: a linear congruential generator.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn any_json_is_an_error_or_code_that_parses() {
    let mut accepted = 0;
    for seed in 0..400 {
        let bytes = bytes(seed, 4000);
        let document = arbitrary::api_info(&mut Unstructured::new(&bytes)).unwrap();
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
