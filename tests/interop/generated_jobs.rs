//! Jobs of generated clients, which clients in other languages collect.

use std::future::IntoFuture;
use std::process::Command;

use dasf::client::{Job, JobId};
use dasf::protocol::Topic;
use dasf_test_support::{broker_builder, soon, until};
use serde_json::{Value, json};

use crate::brokers::{TestBroker, on_json_brokers};
use crate::dialog::Dialog;
use crate::generated_python::save;
use crate::generated_typescript::compiled;
use crate::jobs::{connect, gate, serve, work};
use crate::python;
use crate::web::packages;

on_json_brokers!(
    python_has_all_functions_of_jobs,
    python_and_rust_collect_the_jobs_of_each_other,
    typescript_has_all_functions_of_jobs,
    typescript_and_rust_collect_the_jobs_of_each_other,
);

/// Returns the API description of the module that these tests call.
pub(crate) fn work_api() -> Value {
    let api_info = work::module().unwrap().api_info("work");
    serde_json::to_value(api_info).unwrap()
}

/// Returns the command of the script in Python.
fn in_python(broker: &TestBroker, topic: &Topic, action: &str, value: &str) -> Command {
    python_at(&broker.caller_place(), topic.as_str(), action, value)
}

/// Returns the command of the script in Python, for a broker at a place.
fn python_at(place: &str, topic: &str, action: &str, value: &str) -> Command {
    let digits: String = place.chars().filter(char::is_ascii_digit).collect();
    let folder = save(
        &format!("jobs-{topic}-{digits}"),
        "generated_work.py",
        &work_api(),
    );
    let arguments = [&folder, place, topic, action, value];
    python::command("generated_jobs.py", &arguments)
}

/// Returns the command of the compiled script in TypeScript.
fn in_typescript(broker: &TestBroker, topic: &Topic, action: &str, value: &str) -> Command {
    let mut wanted =
        json!({"topic": topic.as_str(), "action": action, "value": value, "kind": kind(broker)});
    match broker {
        TestBroker::Pulsar(pulsar) => {
            let persistence = "persistent";
            let place =
                json!({"host": "127.0.0.1", "port": pulsar.port(), "persistence": persistence});
            wanted["pulsar"] = place;
        }
        _ => wanted["url"] = json!(broker.caller_place()),
    }
    typescript(&wanted)
}

/// Returns the command of the compiled script in TypeScript with an input.
fn typescript(wanted: &Value) -> Command {
    let mut command = Command::new("node");
    command
        .arg(packages().join("typescript/jobs.js"))
        .arg(wanted.to_string());
    command
}

/// Returns how the scripts name a broker.
fn kind(broker: &TestBroker) -> &'static str {
    match broker {
        TestBroker::Django(..) => "django",
        TestBroker::Embedded(_) => "embedded",
        TestBroker::Pulsar(_) => "pulsar",
        TestBroker::Mosquitto(_) => "mosquitto",
    }
}

async fn ask(command: Command) -> String {
    python::output_beside(command).await.trim_end().to_owned()
}

async fn length(job: &Job<String>) -> usize {
    let result = job.result().into_future();
    soon("the result", result).await.unwrap().len()
}

async fn python_has_all_functions_of_jobs(broker: &TestBroker) {
    let topic = broker.topic("py-jobs").await;
    let host = serve(broker, &topic).await;
    let gates = format!("{topic} {}", kind(broker));
    assert_eq!(ask(in_python(broker, &topic, "try", &gates)).await, "");
    // The calls that still wait end, so that the module can stop.
    gate(&format!("{gates} 1 never")).add_permits(1000);
    host.shutdown().await;
}

/// Submits a job in one language, and collects it in the other.
async fn are_collected(
    broker: &TestBroker,
    topic: &Topic,
    command: fn(&TestBroker, &Topic, &str, &str) -> Command,
) {
    let host = serve(broker, topic).await;
    let client = connect(broker, topic).await;

    // A script that is killed while its job runs.
    let mut script = Dialog::start(command(broker, topic, "submit", topic.as_str()));
    let id = script.hear().await;
    drop(script);
    let state = ask(command(broker, topic, "status", &id)).await;
    assert!(
        ["waiting", "accepted", "running"]
            .iter()
            .any(|it| state.starts_with(it)),
        "{state}"
    );
    gate(topic.as_str()).add_permits(1);
    let expected = topic.as_str().len();
    let collected = ask(command(broker, topic, "collect", &id)).await;
    assert_eq!(collected, expected.to_string());
    let job: Job<String> = client.attach(&id.parse::<JobId>().unwrap()).unwrap();
    assert_eq!(length(&job).await, expected);
    assert_eq!(ask(command(broker, topic, "status", &id)).await, "done");

    let job = client.fill(2_000_000).submit().await.unwrap();
    let collected = ask(command(broker, topic, "collect", &job.id().to_string())).await;
    assert_eq!(collected, "2000000");

    let submit = || client.fill(3).submit().key("one");
    let id = submit().id().unwrap().to_string();
    let has_keys = !matches!(broker, TestBroker::Django(..));
    let said = ask(command(broker, topic, "key", "one")).await;
    assert_eq!(said.to_lowercase(), format!("{id} true").to_lowercase());
    if has_keys {
        let job = submit().await.unwrap();
        assert!(!job.is_new());
        // The first submission decides the arguments.
        assert_eq!(length(&job).await, 5);
        let again = ask(command(broker, topic, "key", "one")).await;
        assert_eq!(again.to_lowercase(), format!("{id} false").to_lowercase());
    }
    host.shutdown().await;
}

async fn python_and_rust_collect_the_jobs_of_each_other(broker: &TestBroker) {
    let topic = broker.topic("py-collects").await;
    are_collected(broker, &topic, in_python).await;
}

async fn typescript_has_all_functions_of_jobs(broker: &TestBroker) {
    compiled().await;
    let topic = broker.topic("ts-jobs").await;
    let host = serve(broker, &topic).await;
    let command = in_typescript(broker, &topic, "try", topic.as_str());
    assert_eq!(ask(command).await, "");
    // The calls that still wait end, so that the module can stop.
    gate(&format!("{topic} never")).add_permits(1000);
    host.shutdown().await;
}

async fn typescript_and_rust_collect_the_jobs_of_each_other(broker: &TestBroker) {
    compiled().await;
    let topic = broker.topic("ts-collects").await;
    are_collected(broker, &topic, in_typescript).await;
}

/// With a key, the topic of the answer may belong to another caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_leaves_no_topic_at_the_broker() {
    compiled().await;
    for language in ["python", "typescript"] {
        let full = broker_builder().max_backlog_messages(1);
        let broker = full.start().await.unwrap();
        let builder = work::Client::builder().topic("full");
        let client = builder.websocket(&broker.url()).connect().await.unwrap();
        client.fill(5).submit().await.unwrap();
        let topics = broker.statistics().topics;
        for (key, left) in [("", 0), ("one", 1)] {
            let script = match language {
                "python" => python_at(&broker.url(), "full", "refused", key),
                _ => typescript(
                    &json!({"url": broker.url(), "topic": "full", "action": "refused", "value": key}),
                ),
            };
            let refusal = ask(script).await;
            assert!(refusal.contains("topic 'full' is full"), "{refusal}");
            let is_given_up = until(|| broker.statistics().topics == topics + left);
            soon("the end of the topic", is_given_up).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_50_mb_is_collected() {
    compiled().await;
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("large").await;
    let host = serve(&broker, &topic).await;
    let client = connect(&broker, &topic).await;
    let job = client.fill(50_000_000).submit().await.unwrap();
    let id = job.id().to_string();
    for command in [in_python, in_typescript] {
        let said = ask(command(&broker, &topic, "collect", &id)).await;
        assert_eq!(said, "50000000");
    }
    host.shutdown().await;
}
