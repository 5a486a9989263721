//! Any bytes as an API description give an error, or code that parses.

use arbitrary::Unstructured;
use dasf_codegen::{Language, generate};
use serde_json::Value;

#[path = "../../dasf-codegen/tests/arbitrary/mod.rs"]
mod documents;

/// Takes the bytes as JSON, and as the source of an almost valid description.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(document) = serde_json::from_slice(bytes) {
        check_document(&document);
    }
    if let Ok(document) = documents::api_info(&mut Unstructured::new(bytes)) {
        check_document(&document);
    }
}

fn check_document(document: &Value) {
    for language in Language::ALL {
        let Ok(source) = generate(document, language, "fuzzing") else {
            return;
        };
        if language == Language::Rust {
            assert!(syn::parse_file(&source).is_ok(), "{document}\n{source}");
        }
    }
}
