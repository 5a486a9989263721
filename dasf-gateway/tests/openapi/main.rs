//! The OpenAPI documents of real modules, read by programs of other projects.

// A test and its helpers panic when they fail.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use dasf::Module;
use dasf::protocol::Topic;
use dasf::protocol::api_info::ApiInfo;
use dasf_gateway::openapi;
use dasf_test_support::{python, root};
use serde_json::Value;

/// Returns the descriptions of the modules of the examples.
fn examples() -> Vec<(Topic, ApiInfo)> {
    let modules = [
        ("arithmetic", dasf_examples::arithmetic::module()),
        ("campaign", campaign::percolation::module()),
        ("climate", climate::climate::module()),
        ("monte-carlo", dasf_examples::monte_carlo::module()),
        ("reference", dasf_examples::reference::module()),
        ("river", river::river::module()),
    ];
    let description = |(topic, module): (&str, Result<Module, _>)| {
        (topic.parse().unwrap(), module.unwrap().api_info(topic))
    };
    modules.map(description).into()
}

/// Returns the description that a module in Python sent.
fn python_module() -> (Topic, ApiInfo) {
    let file = root().join("tests/fixtures/demessaging-0.6.4.json");
    let recorded: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut texts = Vec::new();
    find_texts(&recorded["api_info"], &mut texts);
    let description = texts
        .into_iter()
        .find_map(|text| serde_json::from_str(text).ok());
    ("python".parse().unwrap(), description.unwrap())
}

fn find_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| find_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|item| find_texts(item, texts)),
        _ => {}
    }
}

/// Returns the descriptions of modules whose schemas and names are unusual.
fn unusual() -> Vec<(Topic, ApiInfo)> {
    let folder: &Path = &root().join("dasf-codegen/tests/schemas");
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join(format!("{name}.api.json"))).unwrap();
        (name.parse().unwrap(), serde_json::from_str(&text).unwrap())
    };
    let mut modules: Vec<(Topic, ApiInfo)> =
        ["awkward", "forms", "types", "unusual"].map(read).into();
    for (_, api) in &mut modules {
        // Their defaults break their own schemas, and the validator looks at them.
        let is_broken = |name: &str| name == "defaults" || name.starts_with("hidden");
        api.functions.retain(|function| !is_broken(&function.name));
    }
    modules
}

#[test]
fn a_foreign_validator_accepts_every_document() {
    let mut modules = examples();
    modules.push(python_module());
    modules.extend(unusual());
    let mut documents: Vec<Value> = modules
        .iter()
        .map(|(topic, api)| openapi::of_topic(topic, api))
        .collect();
    documents.push(openapi::of_topics(
        modules.iter().map(|(topic, api)| (topic, api)),
    ));
    let lines = documents.iter().map(|document| format!("{document}\n"));
    let mistakes = python::run("openapi_documents.py", &[], &lines.collect::<String>());
    assert_eq!(mistakes, "");
}
