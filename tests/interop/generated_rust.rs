//! A Rust client, generated from the API description of the Python reference module, with that
//! module.

use std::collections::BTreeMap;

use dasf::protocol::Status;
use dasf::{CallError, FailureKind};
use dasf_test_generated::reference::{Client, HelloLang, Point};
use serde_json::Value;

use crate::brokers::{TestBroker, on_json_brokers};
use crate::python;
use crate::support::reference_module;

on_json_brokers!(every_kind_of_call_is_answered);

async fn every_kind_of_call_is_answered(broker: &TestBroker) {
    let topic = broker.topic("generated-rust").await;
    let mut module = reference_module(broker, &topic, &[]);
    let client = Client::builder()
        .topic(topic.as_str())
        .address(broker.address())
        .connect()
        .await
        .unwrap();
    python::until_it_listens(&mut module, client.caller()).await;

    // The running module has the API description of the client.
    let generated = include_str!("../../dasf-codegen/tests/schemas/reference.api.json");
    let generated: Value = serde_json::from_str(generated).unwrap();
    let live = client.caller().api_info().await.unwrap();
    let live = serde_json::to_value(live).unwrap();
    assert_eq!(live["functions"], generated["functions"]);
    assert_eq!(live["classes"], generated["classes"]);

    assert_eq!(client.add(3).await.unwrap(), 5);
    assert_eq!(client.add(3).b(-4).await.unwrap(), -1);
    let hallo = client.hello("Ada").lang(HelloLang::De);
    assert_eq!(hallo.await.unwrap(), "Hallo Ada");
    let points = [Point::new(1.0), Point { x: -1.0, y: 2.5 }];
    let area = client.area(&points).scale(0.5).await.unwrap();
    let expected = [("n".to_owned(), 2.0), ("s".to_owned(), 0.5)];
    assert_eq!(area, BTreeMap::from(expected));
    let text = "Grüße, ä 世 🌍 \"\\";
    assert_eq!(client.echo(text).await.unwrap(), text);
    let next = client.when("2020-02-28T12:30:00").await.unwrap();
    assert_eq!(next, "2020-02-29T12:30:00");
    assert_eq!(client.none().await.unwrap(), Value::Null);
    let greeter = client.greeter().greeting("Yo");
    assert_eq!(greeter.greet("世").await.unwrap(), "Yo 世");
    let twice = greeter.twice("Bob").times(3).await.unwrap();
    assert_eq!(twice, ["Yo Bob", "Yo Bob", "Yo Bob"]);

    let mut last = None;
    let slow = client.slow().n(2);
    let slow = slow.on_progress(|report| last = Some((report.children.len(), report.status)));
    assert_eq!(slow.await.unwrap(), "done");
    assert_eq!(last, Some((2, Status::Success)));

    let Err(CallError::Module(failure)) = client.fail("ä").await else {
        panic!("it did not fail");
    };
    assert_eq!(failure.kind(), Some(FailureKind::Execution));
    assert_eq!(failure.message(), "ä");
    let error = client.sqrt(0.0).await.unwrap_err();
    let problems = "sqrt: a: 0.0 is less than or equal to the minimum of 0".to_owned();
    assert_eq!(error, CallError::Invalid { problems });
}
