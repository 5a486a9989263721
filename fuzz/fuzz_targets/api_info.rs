//! Any bytes as an API description give an error, or code that parses.

#![no_main]

use arbitrary::Unstructured;
use dasf_codegen::{Language, generate};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../dasf-codegen/tests/arbitrary/mod.rs"]
mod documents;

fuzz_target!(|bytes: &[u8]| {
    // The bytes as JSON, and the bytes as the source of an almost valid description.
    if let Ok(document) = serde_json::from_slice(bytes) {
        check(&document);
    }
    if let Ok(document) = documents::api_info(&mut Unstructured::new(bytes)) {
        check(&document);
    }
});

fn check(document: &Value) {
    for language in Language::ALL {
        let Ok(source) = generate(document, language, "fuzzing") else {
            return;
        };
        if language == Language::Rust {
            assert!(syn::parse_file(&source).is_ok(), "{document}\n{source}");
        }
    }
}
