//! Clients of five modules in three languages, compared with files. The crate `tests/generated`
//! compiles those in Rust; `tests/interop` runs mypy and tsc on the others. The files do not contain
//! the part that is the same in every client.
//!
//! `UPDATE_GOLDENS=1 cargo test -p dasf-codegen --test goldens` writes the files again.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use dasf_codegen::{Language, generate};

/// Returns a client without the part that is the same in every client of the language.
fn own_part(source: &str, language: Language) -> String {
    let runtime = match language {
        Language::Rust => return source.to_owned(),
        // The file contains the imports of the runtime and others.
        Language::Python => {
            let runtime = include_str!("../src/python/runtime.py");
            runtime.split_once("\n_log = ").unwrap().1
        }
        Language::TypeScript => include_str!("../src/typescript/runtime.ts"),
    };
    let (before, after) = source.split_once(runtime.trim_end()).unwrap();
    format!("{before}[… runtime.{} …]{after}", language.extension())
}

/// Compares the clients of a module with the files of this name.
fn check(name: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let file = format!("{name}.api.json");
    let schema = std::fs::read_to_string(tests.join("schemas").join(&file)).unwrap();
    let api_info = serde_json::from_str(&schema).unwrap();
    for language in Language::ALL {
        let source = generate(&api_info, language, &file).unwrap();
        let source = own_part(&source, language);
        let golden = tests
            .join("goldens")
            .join(name)
            .with_extension(language.extension());
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &source).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        let mut lines = source.lines().zip(expected.lines()).enumerate();
        if let Some((number, (line, golden_line))) = lines.find(|(_, (one, other))| one != other) {
            panic!(
                "{} differs in line {}:\n  golden: {golden_line}\n  now:    {line}",
                golden.display(),
                number + 1
            );
        }
        assert_eq!(source.len(), expected.len(), "{}", golden.display());
    }
}

#[test]
fn the_reference_module_of_python() {
    check("reference");
}

#[test]
fn a_rust_module_with_every_type() {
    check("types");
}

#[test]
fn a_rust_module_whose_types_have_several_forms() {
    check("forms");
}

#[test]
fn a_rust_module_with_arrays_and_series() {
    check("arrays");
}

#[test]
fn a_module_with_unusual_names_types_and_texts() {
    check("unusual");
}
