//! Recorded exchanges between Python programs, repeated with a Rust module in place of the Python one.

use dasf::HostOptions;
use dasf_examples::reference;
use dasf_test_support::peer::{Socket, text};
use dasf_test_support::{broker, listen};
use serde_json::Value;

use crate::schema::assert_same_meaning;

const TOPIC: &str = "test-topic";

fn fixtures() -> serde_json::Map<String, Value> {
    let text = include_str!("../fixtures/demessaging-0.6.4.json");
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_captured_exchange_gets_an_equal_answer() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 19);
    for (name, exchange) in fixtures {
        // The recorded Python module had this limit in the exchange with fragments.
        let max_payload_size = match name.as_str() {
            "fragmented_response" => 60,
            _ => HostOptions::DEFAULT_MAX_PAYLOAD_SIZE,
        };
        replay(
            &name,
            &exchange,
            HostOptions::default().max_payload_size(max_payload_size),
        )
        .await;
    }
}

async fn replay(name: &str, exchange: &Value, options: HostOptions) {
    let broker = broker().await;
    let host = listen(&broker, TOPIC, reference::module().unwrap(), options).await;
    let sent = &exchange["client_sends"];
    let response_topic = sent["properties"]["response_topic"].as_str().unwrap();
    let url = broker.url();
    let mut consumer = Socket::open(&format!("{url}/{response_topic}/replay")).await;
    let mut producer = Socket::open(&format!("{url}/{TOPIC}")).await;

    producer.send(sent).await;
    let receipt = producer.receive().await;
    for field in ["context", "result"] {
        assert_eq!(
            receipt[field], exchange["broker_acks"][field],
            "{name}: {field} of the receipt"
        );
    }
    for (index, expected) in exchange["client_receives"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let received = consumer.receive().await;
        assert_equal_answer(&format!("{name}[{index}]"), &received, expected);
    }
    // A broker that stops waits for connected peers.
    drop((producer, consumer));
    host.shutdown().await;
    broker.shutdown().await;
}

fn assert_equal_answer(name: &str, received: &Value, expected: &Value) {
    assert_eq!(received["context"], expected["context"], "{name}");
    for (key, value) in expected["properties"].as_object().unwrap() {
        let own = &received["properties"][key];
        if key == "info" || key == "api_info" {
            // JSON documents in strings.
            let parse = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
            assert_same_meaning(&parse(own), &parse(value));
        } else {
            assert_eq!(own, value, "{name}: {key}");
        }
    }
    let known = expected["properties"].as_object().unwrap();
    let own = received["properties"].as_object().unwrap();
    // Peers ignore the additional properties.
    let own = own.keys().filter(|key| !key.starts_with("x_dasf_"));
    assert_eq!(own.count(), known.len(), "{name}: {received}");

    if expected["properties"]["num_fragments"].is_number() {
        // The fragments are equal.
        assert_eq!(received["payload"], expected["payload"], "{name}");
        return;
    }
    let (own, python) = (text(received), text(expected));
    if expected["properties"]["status"] == "error" {
        let prefix = python.split(": ").next().unwrap();
        assert!(own.starts_with(&format!("{prefix}: ")), "{name}: {own}");
    } else if python.is_empty() {
        assert_eq!(own, "", "{name}");
    } else {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parse(&own), parse(&python), "{name}");
    }
}

#[test]
fn error_texts_name_the_function_and_the_mistake() {
    // The replay does not compare the text after the prefix.
    let module = reference::module().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (exchange, expected) in [
        ("error_execution", "error executing request: boom"),
        (
            "error_constraint",
            "error validating request: sqrt: a: -1 is less than or equal to the minimum of 0",
        ),
        (
            "error_wrong_type",
            r#"error validating request: add: a: "five" is not of type "integer""#,
        ),
        (
            "error_missing_argument",
            "error validating request: add: a: is required",
        ),
        (
            "error_not_json",
            "error validating request: the request is not JSON: expected ident at line 1 column 2",
        ),
        (
            "error_unknown_function",
            r#"error validating request: the module has no function "nope"; did you mean "none"?"#,
        ),
    ] {
        let payload = fixtures()[exchange]["client_sends"]["payload"]
            .as_str()
            .unwrap()
            .to_owned();
        let call = module.call(&payload, dasf::Context::local(), None);
        assert_eq!(
            runtime.block_on(call).unwrap_err().wire_text(),
            expected,
            "{exchange}"
        );
    }
}
