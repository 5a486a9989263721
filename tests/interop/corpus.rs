//! Generated clients of Python modules with types of all kinds. The compilers and checkers of each
//! language accept the clients, and the clients call the modules.

mod rust;
mod typescript;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use dasf_codegen::{Language, generate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role};
use crate::dialog::Dialog;
use crate::python;

/// A module of `corpus.py`.
#[derive(Serialize)]
struct Sample {
    name: String,
    api_info: Value,
    calls: Vec<Call>,
}

/// A call, and the response of demessaging.
#[derive(Serialize, Deserialize)]
struct Call {
    function: String,
    class: Option<String>,
    constructor: Option<Map<String, Value>>,
    arguments: Map<String, Value>,
    result: Value,
    /// Properties of the result that are not in its schema.
    undeclared: Vec<String>,
}

/// A function or a class. Generated code has the members of a module in the order of the API
/// description, under other names.
struct Member<'a> {
    name: &'a str,
    required: Vec<&'a str>,
    optional: Vec<&'a str>,
}

impl<'a> Member<'a> {
    fn new(member: &'a Value) -> Self {
        let schema = &member["rpc_schema"];
        let is_required = |name: &str| {
            let required = schema["required"].as_array().unwrap();
            required.iter().any(|required| required == name)
        };
        let arguments = schema["properties"].as_object().unwrap().iter();
        let (required, optional) = arguments
            .filter(|(name, value)| {
                !["func_name", "class_name"].contains(&name.as_str())
                    && value["is_reporter"] != true
            })
            .map(|(name, _)| name.as_str())
            .partition(|name| is_required(name));
        Self {
            name: member["name"].as_str().unwrap(),
            required,
            optional,
        }
    }
}

impl Sample {
    fn functions(&self) -> Vec<Member<'_>> {
        members(&self.api_info["functions"])
    }

    fn classes(&self) -> Vec<Member<'_>> {
        members(&self.api_info["classes"])
    }

    /// Returns the methods of the class at this position.
    fn methods(&self, class: usize) -> Vec<Member<'_>> {
        members(&self.api_info["classes"][class]["methods"])
    }

    fn source(&self, language: Language) -> String {
        generate(&self.api_info, language, "corpus.py").unwrap()
    }
}

fn members(members: &Value) -> Vec<Member<'_>> {
    let members = members.as_array().unwrap();
    members.iter().map(Member::new).collect()
}

fn position(members: &[Member<'_>], name: &str) -> usize {
    let position = members.iter().position(|member| member.name == name);
    position.unwrap()
}

/// Returns the modules. Python describes them once.
fn corpus() -> &'static [Sample] {
    static CORPUS: OnceLock<Vec<Sample>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let printed = |command| python::run("corpus.py", &[command], "");
        let documents: Map<String, Value> = serde_json::from_str(&printed("api-info")).unwrap();
        let mut examples: Map<String, Value> = serde_json::from_str(&printed("examples")).unwrap();
        let samples = documents.into_iter().map(|(name, api_info)| Sample {
            calls: serde_json::from_value(examples.remove(&name).unwrap()).unwrap(),
            name,
            api_info,
        });
        samples.collect()
    })
}

/// Returns a folder that stays for the next run of the tests, so compilers have less to do.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes a file if its content changes, because compilers look at its date.
fn write(file: &Path, content: &str) {
    if fs::read_to_string(file).is_ok_and(|before| before == content) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

/// Runs a program that must succeed, and returns its output.
async fn succeed(mut command: Command) -> String {
    let shown = format!("{command:?}");
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = output.await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{shown}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Serves all modules for a program that calls them and prints a list of errors.
async fn call_everything(program: impl FnOnce(&str) -> Command) {
    let broker = Embedded::start().await;
    // Each module is on the topic of its name.
    for sample in corpus() {
        broker.make_topic(&sample.name);
    }
    let arguments = ["serve", "--websocket-url", &broker.place()];
    let token = broker.token(Role::Module);
    let modules = python::command_with_token(token, "corpus.py", &arguments);
    let mut modules = Dialog::start(modules);
    assert_eq!(modules.hear().await, "all modules listen");
    let program = program(&broker.caller_place());
    let failures: Vec<String> = serde_json::from_str(&succeed(program).await).unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Writes the clients in a language, and their calls.
fn write_clients(folder: &Path, language: Language) -> PathBuf {
    for sample in corpus() {
        let file = folder.join(&sample.name);
        write(
            &file.with_extension(language.extension()),
            &sample.source(language),
        );
    }
    let samples = folder.join("samples.json");
    write(&samples, &serde_json::to_string(corpus()).unwrap());
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_python() {
    let folder = folder("corpus-python");
    let samples = write_clients(&folder, Language::Python);
    let mut mypy = Command::new(python::interpreter());
    mypy.args(["-m", "mypy", "--strict", "--cache-dir", "cache"])
        .args(corpus().iter().map(|sample| sample.name.clone() + ".py"))
        .current_dir(&folder);
    succeed(mypy).await;
    call_everything(|url| {
        let [folder, samples] = [&folder, &samples].map(|path| path.to_str().unwrap());
        python::command("corpus_client.py", &[url, folder, samples])
    })
    .await;
}

#[test]
fn few_types_are_inexpressible() {
    let names = corpus().iter().filter_map(|sample| {
        let description = format!("{:?}", dasf_codegen::read(&sample.api_info).unwrap());
        let is_partial = description.contains("Inexpressible");
        is_partial.then_some(sample.name.as_str())
    });
    // Literal values with a fraction, schemas that a user wrote for pydantic, and named tuples with
    // optional fields.
    let expected = ["enums", "schemas", "named_tuples"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}
