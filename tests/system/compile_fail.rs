//! Mistakes in modules, and the errors of the compiler about them.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_mistake_is_reported_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// A crate with a feature, as an error recommends it for `Cargo.toml`.
fn recommended() -> Vec<(String, String, String)> {
    let source = include_str!("../../dasf-runtime/src/missing.rs");
    let source = source.replace("\\\"", "\"");
    let lines = source
        .split('`')
        .filter_map(|code| code.split_once(" = {{ version = \""));
    let parts = lines.map(|(name, rest)| {
        let mut rest = rest.split('"');
        let version = rest.next().unwrap().to_owned();
        let feature = rest.nth(1).unwrap().to_owned();
        (name.to_owned(), version, feature)
    });
    parts.collect()
}

#[test]
fn errors_recommend_features_that_exist() {
    let recommended = recommended();
    assert!(recommended.contains(&("schemars".into(), "1".into(), "chrono04".into())));
    assert!(recommended.contains(&("chrono".into(), "0.4".into(), "serde".into())));

    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut found = 0;
    for (name, version, feature) in &recommended {
        for package in metadata["packages"].as_array().unwrap() {
            let has_version = package["version"].as_str().unwrap().starts_with(version);
            if package["name"] == **name && has_version {
                let features = &package["features"];
                assert!(features[feature].is_array(), "{name} {version}: {feature}");
                found += 1;
            }
        }
    }
    // Not all of these crates are dependencies of this workspace.
    assert!(found >= recommended.len() / 2, "{found} of {recommended:?}");
}
