//! Cancelled calls on every broker.

use std::time::Duration;

use dasf::{CallError, HostOptions};
use dasf_test_support::listen_at;
use dasf_test_support::slow_module::{drop_running, noted, slow};

use crate::brokers::{Role, TestBroker, on_every_broker};

on_every_broker!(a_cancelled_call_ends_in_the_module);

async fn a_cancelled_call_ends_in_the_module(broker: &TestBroker) {
    let topic = broker.topic("cancel").await;
    let module = slow::module().unwrap();
    let address = broker.address_for(Role::Module);
    let host = listen_at(address, topic.as_str(), module, HostOptions::default()).await;
    let client = slow::Client::builder().topic(topic.as_str());
    let client = client.address(broker.address_for(Role::Caller));
    let client = client.connect().await.unwrap();
    let name = |number: usize| format!("{topic}{number}");
    let [first, second, late] = [1, 2, 3].map(name);
    drop_running(&first, client.wait(&first)).await;
    noted(&format!("{first} dropped")).await;
    drop_running(&second, client.work(&second)).await;
    noted(&format!("{second} cancelled")).await;
    let call = client.wait(&late).timeout(Duration::from_secs(1)).await;
    assert!(matches!(call, Err(CallError::Timeout { .. })), "{call:?}");
    noted(&format!("{late} dropped")).await;
    let size = client.size(&late, "four").await;
    assert_eq!(size, Ok(4));
    host.shutdown().await;
}
