//! The OpenAPI documents of real modules, read by programs of other projects.

// A test and its helpers panic when they fail.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::future::pending;
use std::path::Path;
use std::process::Command;

use dasf::protocol::Topic;
use dasf::protocol::api_info::ApiInfo;
use dasf::{Address, Host, HostOptions, Module};
use dasf_broker::Broker;
use dasf_gateway::{Gateway, Options, openapi};
use dasf_test_support::{broker, listen, python, root, temporary_folder};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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

/// The gateway in front of a broker. A drop ends both.
struct Served {
    broker: Broker,
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn gateway() -> Served {
    let broker = broker().await;
    let address = Address::websocket(&broker.url()).unwrap();
    let gateway = Gateway::new(address, Options::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = async move { gateway.serve(listener, pending()).await.unwrap() };
    Served {
        broker,
        url,
        serving: tokio::spawn(serving),
    }
}

async fn reference(served: &Served) -> Host {
    let module = dasf_examples::reference::module().unwrap();
    listen(&served.broker, "reference", module, HostOptions::default()).await
}

/// Returns a command that runs a program of the Python packages.
fn program(name: &str) -> Command {
    let python = python::interpreter();
    let mut command = Command::new(&python);
    let folder = python.parent().unwrap();
    // The generator starts a formatter, which is in the same folder.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .arg(folder.join(name))
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_calls_functions() {
    let served = gateway().await;
    let _module = reference(&served).await;
    let folder = temporary_folder().join("openapi_client");
    let document = format!("{}/api/reference/openapi.json", served.url);
    let mut generate = program("openapi-python-client");
    generate
        .args([
            "generate",
            "--meta",
            "none",
            "--overwrite",
            "--fail-on-warning",
        ])
        .args(["--url", &document])
        .arg("--output-path")
        .arg(folder.join("generated"));
    python::output_beside(generate).await;
    let folder = folder.display().to_string();
    let printed = python::run_beside("openapi_client.py", &[&folder, &served.url]).await;
    assert_eq!(printed, "all calls returned\n");
}

/// Lets schemathesis send what a document allows, and what it forbids, except to the paths that a pattern skips.
async fn attack(served: &Served, topic: &str, skipped: &str) {
    let mut attack = program("schemathesis");
    attack
        .arg("run")
        .arg(format!("{}/api/{topic}/openapi.json", served.url))
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "10", "--seed", "1"])
        .args(["--checks", "all", "--exclude-checks"])
        // The first three are for APIs without functions that fail. The last one asks for the methods of a path, but
        // only the module knows whether a function can be called with GET.
        .arg(
            "not_a_server_error,positive_data_acceptance,negative_data_rejection,\
             allow_header_conformance",
        )
        .args(["--exclude-path-regex", skipped])
        .args(["--continue-on-failure", "--no-shrink", "--warnings", "off"])
        .args(["--generation-database", "none", "--request-timeout", "20"])
        .env("SCHEMATHESIS_HOOKS", "openapi_checks")
        .env("PYTHONPATH", root().join("tests/interop/python"))
        .current_dir(temporary_folder());
    python::output_beside(attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_failure_of_the_gateway_with_a_module_in_rust() {
    let served = gateway().await;
    let _module = reference(&served).await;
    // Its time is that of an argument.
    attack(&served, "reference", "/slow$").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_failure_of_the_gateway_with_a_module_in_python() {
    let served = gateway().await;
    let broker = served.broker.url();
    let options = ["-t", "python", "--websocket-url", &broker, "listen"];
    let mut module = python::serve(python::command("reference_module.py", &options));
    let client = dasf_examples::reference::Client::builder();
    let client = client
        .topic("python")
        .websocket(&broker)
        .connect()
        .await
        .unwrap();
    python::until_it_listens(&mut module, client.caller()).await;
    // Pydantic also takes numbers for times, which the schema forbids.
    attack(&served, "python", "/(slow|when)$").await;
}
