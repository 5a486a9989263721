//! A Rust client and a Rust module.

use std::time::Duration;

use dasf_examples::reference;

use crate::brokers::{TestBroker, on_every_broker};

on_every_broker!(many_calls_at_once, large_requests_and_results);

async fn many_calls_at_once(broker: &TestBroker) {
    let topic = broker.topic("many-calls").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let client = reference::Client::builder()
        .topic(topic.as_str())
        .websocket(&broker.url())
        .connect()
        .await
        .unwrap();
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

async fn large_requests_and_results(broker: &TestBroker) {
    let _ = broker;
}
