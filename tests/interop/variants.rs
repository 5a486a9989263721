//! Generated clients in Python and TypeScript for types with several JSON forms: tags, properties of any
//! name, and variants that only a newer module has.

use std::path::Path;

use serde_json::{Value, json};

use crate::brokers::TestBroker;
use crate::{generated_python, generated_typescript, python};

/// A module that returns its argument, for clients of the module `forms`.
#[dasf::module(topic = "forms", main = false)]
// The test needs functions that return their argument.
#[allow(clippy::needless_pass_by_value)]
mod repeating {
    use serde_json::{Value, json};

    #[dasf::function]
    fn job(job: Value) -> Value {
        job
    }

    #[dasf::function]
    fn others(color: Value, event: Value, adjacent: Value, outside: Value) -> Value {
        json!([color, event, adjacent, outside])
    }

    #[dasf::function]
    fn series(series: Value, bag: Value) -> Value {
        json!([series, bag])
    }

    #[dasf::function]
    fn closed(closed: Value) -> Value {
        closed
    }
}

/// Returns an API description from which the tests generate clients.
pub(crate) fn description(name: &str) -> Value {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("dasf-codegen/tests/schemas");
    let file = schemas.join(name).with_extension("api.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_reads_values_of_a_newer_module() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("variants").await;
    let host = broker.serve(repeating::module().unwrap(), &topic).await;
    let wanted = json!({"url": broker.caller_place(), "topic": topic.as_str()});
    let seen = generated_typescript::run("variants.js", wanted).await;
    let (adjacent, outside) = (json!({"t": "Hail", "c": {"size": 1}}), "Hail");
    assert_eq!(
        seen["read"],
        json!([
            {"name": "a"},
            {"name": "a", "kind": "Sum"},
            {"name": "a", "kind": "Mean", "window": 3},
            ["Red", {"event": "Rain", "amount": 1}, adjacent, outside],
            ["Violet", {"event": "Hail", "size": [1, 2]}, adjacent, outside],
            {"name": "a", "2001": 0.5, "unit": "m"},
        ])
    );
    let refused = |path: &str, value: &str| {
        let reason = "has none of the declared types";
        json!([
            "ResultError",
            format!("cannot read {path}: {value} {reason}")
        ])
    };
    assert_eq!(
        seen["wrong"],
        json!([
            refused("result[1]", r#"{"event":"Rain","amount":"much"}"#),
            refused("result", r#"{"Oval":{}}"#),
            refused("result", "{}"),
        ])
    );
    host.shutdown().await;
}

#[test]
fn python_reads_values_of_a_newer_module() {
    for name in ["forms", "unusual"] {
        let file = format!("generated_{name}.py");
        generated_python::save("variants", &file, &description(name));
    }
    let folder = generated_python::folder("variants");
    let folder = folder.to_str().unwrap();
    assert_eq!(python::run("generated_variants.py", &[folder], ""), "");
}
