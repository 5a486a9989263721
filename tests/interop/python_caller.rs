//! A Python caller and a Rust module.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dasf_examples::reference;
use serde_json::{Value, json};

use crate::brokers::{Role, TestBroker, on_json_brokers};
use crate::python;

on_json_brokers!(
    the_model_of_a_module_calls_it,
    the_generated_stub_of_a_module_calls_it,
);

/// Calls through the model that demessaging builds from the reference module, and with requests that
/// the model does not check.
async fn the_model_of_a_module_calls_it(broker: &TestBroker) {
    let topic = broker.topic("py-model").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let said = call(broker, &[&broker.place(), topic.as_str()]).await;
    check_calls_by_the_model(&said, topic.as_str());
    host.shutdown().await;
}

/// Runs `reference_client.py`, and returns its output.
async fn call(broker: &TestBroker, arguments: &[&str]) -> String {
    let token = broker.token(Role::Caller);
    let command = python::command_with_token(token, "reference_client.py", arguments);
    python::output_beside(command).await
}

/// Checks what `reference_client.py` prints without a stub.
pub(crate) fn check_calls_by_the_model(said: &str, topic: &str) {
    let mut said = Said::parse(said);
    said.check_calls();
    said.check_requests(topic);
    said.check_end();
}

async fn the_generated_stub_of_a_module_calls_it(broker: &TestBroker) {
    let topic = broker.topic("py-stub").await;
    let place = broker.options();
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let arguments = [&["--topic", topic.as_str()], &place[..], &["generate"]].concat();
    let stub = python::run_beside("reference_stub.py", &arguments).await;
    let folder = save_stub(topic.as_str(), &broker.place(), &stub);
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let arguments = [&broker.place(), topic.as_str(), folder.to_str().unwrap()];
    let said = call(broker, &arguments).await;
    let mut said = Said::parse(&said);
    said.check_calls();
    said.check_end();
    host.shutdown().await;
}

/// Writes a stub into its own folder, as `stub.py`.
fn save_stub(topic: &str, place: &str, stub: &str) -> PathBuf {
    // Together, the topic of this process and the port of the broker are unique.
    let port: String = place.chars().filter(char::is_ascii_digit).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stubs/{topic}-{port}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("stub.py"), stub).unwrap();
    folder
}

/// The reason for the additions in `reference_stub.py`: the annotations of these members contain names
/// that the generated code neither imports nor defines.
#[test]
fn a_stub_of_some_members_is_generated_but_cannot_be_imported() {
    for (member, missing) in [
        ("slow", "deprogressapi"),
        ("area", "Point"),
        ("when", "datetime"),
    ] {
        let arguments = ["--members", member, "--topic", "nowhere", "generate"];
        let stub = python::run("reference_module.py", &arguments, "");
        let folder = save_stub(member, "", &stub);
        let said = python::run("import_stub.py", &[folder.to_str().unwrap()], "");
        assert_eq!(said, format!("name '{missing}' is not defined\n"));
    }
}

/// The output of a script of calls: each case and its result.
struct Said(BTreeMap<String, Value>);

impl Said {
    fn parse(lines: &str) -> Self {
        let parse = |line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let case = line["case"].take().as_str().unwrap().to_owned();
            line.as_object_mut().unwrap().remove("case");
            (case, line)
        };
        Self(lines.lines().map(parse).collect())
    }

    fn take(&mut self, case: &str) -> Value {
        let found = self.0.remove(case);
        found.unwrap_or_else(|| panic!("nothing was printed of {case:?}"))
    }

    fn value(&mut self, case: &str, expected: impl Into<Value>) {
        let expected: Value = expected.into();
        assert_eq!(self.take(case), json!({ "value": expected }), "{case}");
    }

    /// An error of the module. demessaging raises it with its text.
    fn error(&mut self, case: &str, text: &str) {
        let expected = json!({"error": "ValueError", "text": text});
        assert_eq!(self.take(case), expected, "{case}");
    }

    /// An error of demessaging itself, whose text contains this.
    fn validation_error(&mut self, case: &str, part: &str) {
        let found = self.take(case);
        assert_eq!(found["error"], "ValidationError", "{case}: {found}");
        let text = found["text"].as_str().unwrap();
        assert!(text.contains(part), "{case}: {text}");
    }

    fn check_end(&self) {
        assert!(self.0.is_empty(), "{:?} are not expected", self.0.keys());
    }

    /// Checks the cases of `cases`.
    fn check_calls(&mut self) {
        self.value("add", 5);
        self.value("add both", -1);
        let too_much = "error executing request: 4611686018427387904 + 4611686018427387904 does \
                        not fit 64 bits";
        self.error("add too much", too_much);
        self.value("hello", "Hello Ada");
        self.value("hello in German", "Hallo Ada");
        self.value("sqrt", 1.5);
        self.value("area", json!({"n": 2.0, "s": 1.0}));
        self.value("area with a scale", json!({"n": 2.0, "s": 0.5}));
        self.value("area with null", json!({"n": 0.0, "s": 1.0}));
        self.error("fail", "error executing request: boom");
        self.error("fail beyond ASCII", "error executing request: ä 世 🌍");
        self.value("none", Value::Null);
        self.value("echo", "Grüße, ä 世 🌍 \0 \"\\");
        self.value("echo of nothing", "");
        self.value("large echo", true);
        self.value("when", "2020-02-29T12:30:00+02:00");
        self.value("when in UTC", "2020-02-29T10:30:00+00:00");
        // A `datetime` of Python may have no offset, but the type of the Rust module has one.
        let no_offset =
            "error validating request: when: t: \"2020-02-28T12:30:00\" is not a \"date-time\"";
        self.error("when without an offset", no_offset);
        self.value("greet", "Hi Ada");
        self.value("greet otherwise", "Yo Ada");
        self.value("twice", json!(["Yo Bob", "Yo Bob"]));
        self.value("thrice", json!(["Hi Bob", "Hi Bob", "Hi Bob"]));
        let step = |number, status| node(&format!("step {number}"), status, 0, "AUTO", &[]);
        let root = |status, steps: &[Value]| node("working", status, 3, "PRINT", steps);
        let first = step(0, "success");
        let second = step(1, "success");
        let reports = json!([
            root("running", &[]),
            root("running", &[step(0, "running")]),
            root("running", std::slice::from_ref(&first)),
            root("running", &[first.clone(), step(1, "running")]),
            root("running", &[first.clone(), second.clone()]),
            root("success", &[first, second]),
        ]);
        self.value("slow", json!(["done", reports]));
        self.value("one after the other", 49 * 50 / 2);
        self.value("threads", true);
        self.value("in a running loop", 42);

        // demessaging refuses these requests before it sends them.
        let language = "FuncHello.lang\n  Input should be 'en' or 'de'";
        self.validation_error("hello in French", language);
        let root = "FuncSqrt.a\n  Input should be greater than 0";
        self.validation_error("sqrt of nothing", root);
        // demessaging takes this response as complete after the first fragment.
        let cut = "Invalid JSON: EOF while parsing a string";
        self.validation_error("fragments", cut);
    }

    /// Checks the cases of `requests`.
    fn check_requests(&mut self, topic: &str) {
        self.value("raw add", "3");
        self.value("raw add with more", "3");
        self.value("raw none", "null");
        self.value("raw greet", r#""Hi \u00e4""#);
        self.value("raw twice", r#"["Hi Bob","Hi Bob"]"#);
        for (case, text) in [
            (
                "raw sqrt",
                "error validating request: sqrt: a: -1 is less than or equal to the minimum of 0",
            ),
            (
                "raw hello",
                "error validating request: hello: lang: \"fr\" is not one of \"en\" or \"de\"",
            ),
            (
                "raw add without",
                "error validating request: add: a: is required",
            ),
            (
                "raw stranger",
                "error validating request: the module has no function \"stranger\"; it has add, \
                 area, echo, fail, hello, none, slow, sqrt, when",
            ),
            (
                "raw method",
                "error validating request: Greeter has no method \"stranger\"; it has greet, twice",
            ),
            ("raw fail", "error executing request: boom"),
            (
                "raw text",
                "error validating request: the request is not JSON: expected ident at line 1 \
                 column 2",
            ),
        ] {
            self.value(case, json!({ "error": text }));
        }
        let root = |status| node("working", status, 3, "AUTO", &[]);
        let reports = json!([root("running"), root("success")]);
        self.value("raw slow", json!(["\"done\"", reports]));
        self.value("raw info", topic);
        let members = [
            "add", "hello", "sqrt", "slow", "area", "fail", "echo", "when", "none", "Greeter",
        ];
        self.value("raw api_info", members);
        self.value("raw gather", (2..22).collect::<Vec<_>>());
    }
}

/// Returns a report as demessaging prints it.
fn node(message: &str, status: &str, steps: u64, show_method: &str, children: &[Value]) -> Value {
    json!({
        "settings": {"show_method": show_method, "use_curses": true},
        "report_id": "root",
        "status": status,
        "step_message": message,
        "steps": steps,
        "children": children,
        "report_type": "tree",
    })
}
