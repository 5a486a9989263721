//! An unmodified module in Python behind the gateway, at an embedded broker and at that of Django.

use std::time::Duration;

use dasf::protocol::Topic;
use dasf_gateway::Options;
use dasf_test_support::brokers::{Role, TestBroker};
use dasf_test_support::{python, soon};
use serde_json::json;

use crate::support::{Served, gateway_at};

/// Starts the module, and waits until it describes itself through the gateway.
async fn serve(broker: &TestBroker) -> (Served, Topic, python::Server) {
    let topic = broker.topic("py-gateway").await;
    let place = broker.options();
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let arguments = [&["-t", topic.as_str()], &place[..], &["listen"]].concat();
    let token = broker.token(Role::Module);
    let command = python::command_with_token(token, "reference_module.py", &arguments);
    let mut module = python::serve(command);
    let options = Options::default().description_timeout(Duration::from_secs(1));
    let served = gateway_at(broker.address(), options).await;
    let listening = async {
        while served.get(&format!("/api/{topic}")).await.status != 200 {
            module.check();
        }
    };
    soon("the module", listening).await;
    (served, topic, module)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_module_is_called_at_an_embedded_broker() {
    call_everything(&TestBroker::embedded().await, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_module_is_called_at_a_django_broker() {
    call_everything(&TestBroker::django().await, false).await;
}

async fn call_everything(broker: &TestBroker, is_listed_by_broker: bool) {
    let (served, topic, _module) = serve(broker).await;
    let path = |end: &str| format!("/api/{topic}/{end}");
    for (end, body, result) in [
        ("add", json!({"a": 1}), json!(3)),
        ("hello", json!({"name": "Grüße"}), json!("Hello Grüße")),
        (
            "area",
            json!({"points": [{"x": 1.0, "y": 2.0}]}),
            json!({"n": 1.0, "s": 1.0}),
        ),
        (
            "Greeter/twice",
            json!({"greeting": "Yo", "name": "Ada"}),
            json!(["Yo Ada", "Yo Ada"]),
        ),
        ("none", json!({}), json!(null)),
    ] {
        let answer = soon("the answer", served.json(&path(end), &body).send()).await;
        assert_eq!((answer.status, answer.json()), (200, result), "{end}");
    }
    let answer = served.post(&path("add"), &json!({"a": "x"})).await;
    answer.problem(400);
    assert_eq!(answer.json()["errors"][0]["path"], "/a");
    let answer = served.post(&path("fail"), &json!({"msg": "no data"})).await;
    answer.problem(502);
    assert_eq!(answer.json()["kind"], "execution");

    let slow = served.json(&path("slow"), &json!({"n": 3}));
    let open = slow.header("accept", "text/event-stream").open().await;
    let events = soon("the events", open.events()).await;
    assert!(
        events.iter().any(|(name, _)| name == "progress"),
        "{events:?}"
    );
    assert_eq!(
        events.last().unwrap(),
        &("result".to_owned(), json!("done"))
    );

    let job = served.json(&path("add"), &json!({"a": 5}));
    let job = soon("the job", job.header("prefer", "respond-async").send()).await;
    assert_eq!(job.status, 201, "{}", job.text());
    let result = format!("{}/result", job.header("location"));
    let result = served.request("GET", &result).header("prefer", "wait=20");
    let answer = soon("the result", result.send()).await;
    assert_eq!((answer.status, answer.json()), (200, json!(7)));

    let modules = served.get("/api").await.json();
    let modules = modules["modules"].as_array().unwrap();
    let module = modules
        .iter()
        .find(|it| it["topic"] == topic.as_str())
        .unwrap();
    // The broker of Django keeps no list, so the gateway asks the modules that it knows.
    assert_eq!(
        module["instances"].is_number(),
        is_listed_by_broker,
        "{module}"
    );
}
