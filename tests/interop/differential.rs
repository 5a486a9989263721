//! The same requests to the reference module in Python and to the same module in Rust.
//!
//! `requests.json` contains the requests, `differences.json` the reason for each difference, and the
//! guide a row for each reason.

use std::collections::{BTreeMap, BTreeSet};

use dasf::protocol::payload;
use dasf::{Context, Module};
use dasf_examples::reference;
use jsonschema::Draft;
use serde::Deserialize;
use serde_json::Value;

use crate::python;

/// A line of `requests.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    name: String,
    body: String,
    #[serde(default)]
    encoding: Encoding,
    /// Placeholders, each with the string that replaces it and the number of its repetitions.
    #[serde(default)]
    repeat: BTreeMap<String, (String, usize)>,
}

/// The encoding of the body in the payload.
#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Utf8,
    /// Each character is a byte. The TypeScript client does this.
    Latin1,
    /// The body is the payload.
    Payload,
}

impl Request {
    fn payload(&self) -> String {
        let mut body = self.body.clone();
        for (mark, (text, times)) in &self.repeat {
            assert!(body.contains(mark), "{}", self.name);
            body = body.replace(mark, &text.repeat(*times));
        }
        match self.encoding {
            Encoding::Utf8 => payload::encode(body.as_bytes()),
            Encoding::Latin1 => {
                let bytes: Result<Vec<u8>, _> = body.chars().map(u8::try_from).collect();
                payload::encode(&bytes.unwrap())
            }
            Encoding::Payload => body,
        }
    }
}

fn requests() -> Vec<Request> {
    let requests: Vec<Request> = serde_json::from_str(include_str!("requests.json")).unwrap();
    let mut names = BTreeSet::new();
    for request in &requests {
        // A name identifies a difference.
        assert!(names.insert(&request.name), "{} twice", request.name);
    }
    requests
}

/// The reasons, by the names of the requests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    /// The reason for a response that differs from that of Python.
    python: BTreeMap<String, String>,
    /// The reason for a request or a result that does not follow the published schema.
    schema: BTreeMap<String, String>,
}

fn differences() -> Differences {
    serde_json::from_str(include_str!("differences.json")).unwrap()
}

/// The response to a caller.
#[derive(Debug)]
enum Answer {
    /// The result, as JSON.
    Success(String),
    Error(String),
    Nothing,
}

/// The prefixes of error texts.
const PREFIXES: [&str; 3] = [
    "error validating request",
    "error executing request",
    "error processing request",
];

impl Answer {
    /// The prefix of the error text.
    fn prefix(&self) -> Option<&'static str> {
        let Self::Error(text) = self else { return None };
        let prefix = PREFIXES.iter().find(|prefix| text.starts_with(**prefix));
        Some(prefix.unwrap_or_else(|| panic!("{text}")))
    }

    /// Returns whether the module accepted the request as valid.
    fn is_valid(&self) -> bool {
        self.prefix() != Some(PREFIXES[0])
    }

    /// Returns whether two responses are equal, apart from the text of an error.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Success(one), Self::Success(other)) => {
                let [one, other] = [one, other].map(|text| serde_json::from_str(text).unwrap());
                are_equal(&one, &other)
            }
            (Self::Error(_), Self::Error(_)) => self.prefix() == other.prefix(),
            (Self::Nothing, Self::Nothing) => true,
            _ => false,
        }
    }
}

/// Returns whether two values are equal. `1` equals `1.0`.
fn are_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| are_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has_equal = |(key, one)| other.get(key).is_some_and(|other| are_equal(one, other));
            one.len() == other.len() && one.iter().all(has_equal)
        }
        _ => one == other,
    }
}

/// Returns the responses of the Python module.
fn ask_python(payloads: &[String]) -> Vec<Answer> {
    let input = payloads
        .iter()
        .map(|payload| Value::from(payload.as_str()).to_string() + "\n");
    let output = python::run("reference_answers.py", &[], &input.collect::<String>());
    let answers = output.lines().map(|line| {
        let frame: Value = serde_json::from_str(line).unwrap();
        if frame.is_null() {
            return Answer::Nothing;
        }
        let bytes = payload::decode(frame["payload"].as_str().unwrap()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        match frame["properties"]["status"].as_str() {
            Some("success") => Answer::Success(text),
            Some("error") => Answer::Error(text),
            _ => panic!("{frame}"),
        }
    });
    answers.collect()
}

async fn ask(module: &Module, payload: &str) -> Answer {
    match module.call(payload, Context::local(), None).await {
        Ok(output) => Answer::Success(output.as_json().to_owned()),
        Err(failure) => Answer::Error(failure.wire_text()),
    }
}

/// Asserts that the differences are those of the list.
fn assert_listed(found: &BTreeMap<String, String>, listed: &BTreeMap<String, String>) {
    let unlisted = found.iter().filter(|(name, _)| !listed.contains_key(*name));
    let unlisted: Vec<_> = unlisted
        .map(|(name, what)| format!("{name}\n{what}\n"))
        .collect();
    let equal = listed.keys().filter(|name| !found.contains_key(*name));
    let equal: Vec<_> = equal.collect();
    assert!(
        unlisted.is_empty() && equal.is_empty(),
        "{} differ and are not listed:\n{}\nlisted and do not differ: {equal:#?}",
        unlisted.len(),
        unlisted.concat(),
    );
}

#[tokio::test]
async fn different_responses_of_python_are_listed() {
    let requests = requests();
    let payloads: Vec<String> = requests.iter().map(Request::payload).collect();
    let of_python = ask_python(&payloads);
    assert_eq!(of_python.len(), requests.len());
    let module = reference::module().unwrap();
    let mut found = BTreeMap::new();
    for ((request, payload), of_python) in requests.iter().zip(&payloads).zip(&of_python) {
        let own = ask(&module, payload).await;
        if !own.is_like(of_python) {
            let [python, own] = [of_python, &own].map(|answer| {
                let text = format!("{answer:?}");
                text.chars().take(200).collect::<String>()
            });
            found.insert(
                request.name.clone(),
                format!(
                    "  {:.100}\n  Python: {python}\n  Rust:   {own}",
                    request.body
                ),
            );
        }
    }
    assert_listed(&found, &differences().python);
}

/// Returns a validator of the published schema that is independent of the module.
fn compile(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(Draft::Draft201909)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// Returns the published schema of the result of a request.
fn return_schema<'a>(api: &'a Value, request: &Value) -> &'a Value {
    let find = |list: &'a Value, name: &Value| {
        let mut members = list.as_array().unwrap().iter();
        members.find(|member| member["name"] == *name).unwrap()
    };
    let is_method = request["function"].is_object();
    let function = match request.get("class_name").filter(|_| is_method) {
        Some(class) => {
            let class = find(&api["classes"], class);
            find(&class["methods"], &request["function"]["func_name"])
        }
        None => find(&api["functions"], &request["func_name"]),
    };
    &function["return_schema"]
}

#[tokio::test]
async fn the_published_schema_decides() {
    let module = reference::module().unwrap();
    let api = serde_json::to_value(module.api_info("test-topic")).unwrap();
    let schema = compile(&api["rpc_schema"]);
    let mut found = BTreeMap::new();
    for request in requests() {
        let payload = request.payload();
        let own = ask(&module, &payload).await;
        let body = payload::decode(&payload).unwrap_or_default();
        let value = serde_json::from_str(&payload::to_text(&body));
        let value = value.ok().filter(|value| schema.is_valid(value));
        let keeps_result = match (&value, &own) {
            (Some(value), Answer::Success(result)) => {
                compile(return_schema(&api, value)).is_valid(&serde_json::from_str(result).unwrap())
            }
            _ => true,
        };
        if value.is_some() != own.is_valid() || !keeps_result {
            let text: String = format!("{own:?}").chars().take(200).collect();
            found.insert(request.name, format!("  {text}"));
        }
    }
    assert_listed(&found, &differences().schema);
}

#[test]
fn the_guide_gives_the_reasons() {
    let guide = include_str!("../../guide/chapters/protocol.md");
    let (_, section) = guide
        .split_once("\n## Differences from modules in Python\n")
        .unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let given: BTreeSet<&str> = rows
        .filter_map(|row| row.split(" | ").next())
        .filter(|&cell| cell != "request")
        .collect();
    let differences = differences();
    let reasons = differences
        .python
        .values()
        .chain(differences.schema.values());
    let reasons: BTreeSet<&str> = reasons.map(String::as_str).collect();
    assert_eq!(given, reasons);
}
