//! Any bytes as what a module answers to `api_info`: an error, or code that parses.

#![no_main]

use arbitrary::Unstructured;
use dasf_codegen::{Language, generate};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../dasf-codegen/tests/arbitrary/mod.rs"]
mod documents;

fuzz_target!(|bytes: &[u8]| {
    // As it would come, and as one that is nearly right.
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
