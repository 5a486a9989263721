//! A Rust client and a Rust module.

use std::sync::Arc;
use std::time::Duration;

use dasf::protocol::Status;
use dasf_examples::reference;

use crate::brokers::django::{Django, fresh_database};
use crate::brokers::{TestBroker, on_every_broker};
use crate::support::{call_everything, connect};

on_every_broker!(every_kind_of_call_is_answered, many_calls_run_at_once);

async fn every_kind_of_call_is_answered(broker: &TestBroker) {
    let topic = broker.topic("rust-calls").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let client = connect(broker, &topic).await;
    call_everything(&client).await;
    // A failure of each kind, and progress reports.
    for (error, text) in [
        (client.fail("nö 世").await.unwrap_err(), "executing: nö 世"),
        (
            client.sqrt(-1.0).await.unwrap_err(),
            "validating: sqrt: a: -1.0 is less than or equal to the minimum of 0",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
    let mut last = None;
    let slow = client.slow().n(3);
    let slow = slow.on_progress(|report| last = Some((report.status, report.children.len())));
    assert_eq!(slow.await.unwrap(), "done");
    assert_eq!(last, Some((Status::Success, 3)));
    host.shutdown().await;
}

async fn many_calls_run_at_once(broker: &TestBroker) {
    let topic = broker.topic("many-calls").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let client = connect(broker, &topic).await;
    let calls = (0..200).map(|a| {
        let client = client.clone();
        async move { client.add(a).b(1).timeout(Duration::from_secs(120)).await }
    });
    let sums = futures_util::future::join_all(calls).await;
    for (a, sum) in (0..200).zip(sums) {
        assert_eq!(sum.unwrap(), a + 1);
    }
    host.shutdown().await;
}

/// The size of a request and of its result, 94 fragments each. The Django broker drops messages when
/// a hundred wait for one consumer. `mqtt` and `guarded` contain the tests of the other brokers.
const LARGE: usize = 50_000_000;

async fn large_request_and_result(broker: &TestBroker) {
    let topic = broker.topic("large-calls").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let client = connect(broker, &topic).await;
    let large = "0123456789".repeat(LARGE / 10);
    let echo = client.echo(&*large).timeout(Duration::from_secs(300)).await;
    // `assert_eq` would print both.
    assert!(echo.unwrap() == large);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_go_over_the_embedded_broker() {
    large_request_and_result(&TestBroker::embedded().await).await;
}

/// On its own Django broker, whose database of some 40 MB is removed afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_go_over_the_django_broker() {
    let database = fresh_database("large");
    let file = database.clone();
    let start = tokio::task::spawn_blocking(move || Django::start(&file, 0));
    let broker = TestBroker::Django(Arc::new(start.await.unwrap()), None);
    large_request_and_result(&broker).await;
    drop(broker);
    std::fs::remove_file(database).unwrap();
}
