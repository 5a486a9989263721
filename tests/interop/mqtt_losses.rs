//! Messages that Mosquitto drops, because their reader is not connected.

use std::future::IntoFuture;
use std::time::Duration;

use dasf::{Acknowledge, Address, HostOptions};
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::soon;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::brokers::mosquitto::Mosquitto;
use crate::mqtt_groups::{begun, in_group, release, start_at, times_begun, work};

async fn client(address: Address, topic: &str) -> work::Client {
    let builder = work::Client::builder().topic(topic).address(address);
    builder.connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_module_that_connects_again() {
    let broker = Mosquitto::open().await;
    let (line, other_line) = (
        Line::start(broker.socket()).await,
        Line::start(broker.socket()).await,
    );
    let worker = start_at("a", line.mqtt_address(), "return", HostOptions::default()).await;
    let client = client(other_line.mqtt_address(), "return").await;
    assert_eq!(client.run("return").await.unwrap(), "a");
    line.close().await;
    let mut unread = other_line.passed(Kind::Unread);
    // As long as the broker has the old connection of the module, it loses requests with it.
    let first_report = async {
        let mut lost = JoinSet::new();
        loop {
            lost.spawn(client.run("return").into_future());
            if timeout(Duration::from_millis(50), unread.changed())
                .await
                .is_ok()
            {
                return;
            }
        }
    };
    soon("the broker's report", first_report).await;
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(client.run("return").into_future()))
        .collect();
    soon("the broker's report", unread.changed()).await.unwrap();
    line.mend();
    for call in calls {
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), "a");
    }
    worker.stop().await;
}

/// A client publishes no request to a group again. So the response itself must come through.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_waits_for_a_client_that_connects_again() {
    let broker = Mosquitto::open().await;
    for (topic, acknowledge) in [
        ("waits", Acknowledge::Received),
        ("waits-completed", Acknowledge::Completed),
    ] {
        let (line, other_line) = (
            Line::start(broker.socket()).await,
            Line::start(broker.socket()).await,
        );
        let options = in_group(acknowledge);
        let worker = start_at("a", line.mqtt_address(), topic, options).await;
        let client = client(other_line.mqtt_address(), topic).await;
        let call = tokio::spawn(client.hold(topic).into_future());
        begun(topic).await;
        other_line.close().await;
        let mut unread = line.passed(Kind::Unread);
        release(topic);
        soon("the broker's report", unread.changed()).await.unwrap();
        other_line.mend();
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), "a");
        assert_eq!(times_begun(topic), 1);
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_the_broker_dropped_comes_from_the_memory_of_the_module() {
    let broker = Mosquitto::open().await;
    let line = Line::start(broker.socket()).await;
    let worker = start_at("a", broker.address(), "memory", HostOptions::default()).await;
    let client = client(line.mqtt_address(), "memory").await;
    let call = tokio::spawn(client.hold("memory").into_future());
    begun("memory").await;
    line.drop_frames(Kind::Message);
    let mut dropped = line.dropped(Kind::Message);
    release("memory");
    soon("the response", dropped.changed()).await.unwrap();
    line.close().await;
    line.mend();
    assert_eq!(soon("the answer", call).await.unwrap().unwrap(), "a");
    assert_eq!(times_begun("memory"), 1);
    worker.stop().await;
}
