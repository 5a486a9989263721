//! Messages for a module that is away, redeliveries, and a restart of the Django broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dasf::{Address, HostOptions};
use dasf_examples::reference;
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::peer::{Peer, text};
use dasf_test_support::{listen_at, soon};
use serde_json::json;

use crate::brokers::django::{Django, fresh_database};
use crate::brokers::{TestBroker, on_dasf_brokers};

// On a non-persistent topic, Pulsar drops messages without a consumer, and gives messages the same id;
// the tests in `pulsar` use persistent topics. An MQTT broker keeps nothing for a module that is away,
// and `Peer` does not speak MQTT.
on_dasf_brokers!(
    requests_from_before_the_start_of_the_module_are_answered,
    more_than_a_hundred_messages_at_once_are_answered,
    a_request_delivered_again_runs_once,
);

/// The time that a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

async fn connect(url: &str, topic: &str) -> reference::Client {
    let builder = reference::Client::builder().topic(topic).websocket(url);
    builder.timeout(PATIENCE).connect().await.unwrap()
}

/// Publishes requests while no module listens, and returns the responses of the module that starts
/// later.
async fn answers_after_absence(broker: &TestBroker, name: &str, count: u64) -> Vec<(u64, String)> {
    let topic = broker.topic(name).await;
    // The broker itself creates the response topic.
    let responses = format!("{topic}_responses");
    let mut peer = Peer::connect(&broker.caller_place(), topic.as_str(), &responses).await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    peer.request(1000, &json!({"func_name": "add", "a": 0}))
        .await;
    assert_eq!(peer.answer().await, ("success".to_owned(), "2".to_owned()));
    host.shutdown().await;

    for context in 0..count {
        // With the receipt, the broker has the message.
        let request = json!({"func_name": "add", "a": context});
        peer.request(context, &request).await;
    }
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let mut answers = Vec::new();
    for _ in 0..count {
        let answer = peer.receive().await;
        let context = answer["properties"]["requestContext"].as_str().unwrap();
        answers.push((context.parse().unwrap(), text(&answer)));
    }
    host.shutdown().await;
    answers.sort_unstable();
    answers
}

async fn requests_from_before_the_start_of_the_module_are_answered(broker: &TestBroker) {
    let answers = answers_after_absence(broker, "away", 1).await;
    assert_eq!(answers, [(0, "2".to_owned())]);
}

async fn more_than_a_hundred_messages_at_once_are_answered(broker: &TestBroker) {
    let answers = answers_after_absence(broker, "crowd", 150).await;
    let expected: Vec<_> = (0..150).map(|a| (a, (a + 2).to_string())).collect();
    assert_eq!(answers, expected);
}

/// Counts its calls.
#[dasf::module(main = false)]
mod counting {
    use super::{AtomicUsize, Ordering};

    static EMBEDDED: AtomicUsize = AtomicUsize::new(0);
    static DJANGO: AtomicUsize = AtomicUsize::new(0);

    #[dasf::function]
    fn count(is_embedded: bool) -> usize {
        let count = if is_embedded { &EMBEDDED } else { &DJANGO };
        count.fetch_add(1, Ordering::SeqCst) + 1
    }
}

async fn a_request_delivered_again_runs_once(broker: &TestBroker) {
    let is_embedded = matches!(broker, TestBroker::Embedded(_));
    let topic = broker.topic("again").await;
    // The acknowledgements of the module get lost with their connection.
    let line = Line::without_links(broker.socket()).await;
    let address = broker.module_address_at(&line.url());
    let module = counting::module().unwrap();
    let host = listen_at(address, topic.as_str(), module, HostOptions::default()).await;
    let client = counting::Client::builder()
        .topic(topic.as_str())
        .address(broker.address())
        .timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    assert_eq!(client.count(is_embedded).await.unwrap(), 1);
    let mut acknowledgements = line.passed(Kind::Acknowledgement);
    let acknowledged = acknowledgements.wait_for(|count| *count > 0);
    soon("an acknowledgement", acknowledged).await.unwrap();
    line.drop_frames(Kind::Acknowledgement);
    assert_eq!(client.count(is_embedded).await.unwrap(), 2);
    // The broker delivers that request again, before the next one.
    line.cut().await;
    line.mend();
    assert_eq!(client.count(is_embedded).await.unwrap(), 3);
    assert_eq!(
        line.count(Kind::Request),
        4,
        "one of three is delivered twice"
    );
    host.shutdown().await;
}

/// The Django broker restarts while a module listens and a client waits.
#[tokio::test(flavor = "multi_thread")]
async fn module_and_client_survive_a_restart_of_django() {
    let database = fresh_database("restarted");
    let start = {
        let database = database.clone();
        move |port| {
            let database = database.clone();
            tokio::task::spawn_blocking(move || Django::start(&database, port))
        }
    };
    let django = start(0).await.unwrap();
    let (port, url) = (django.port(), django.url());
    let django = tokio::task::spawn_blocking(move || {
        django.make_topic("restarted");
        django
    });
    let django = django.await.unwrap();
    let address = Address::websocket(&url).unwrap();
    let module = reference::module().unwrap();
    let host = listen_at(address, "restarted", module, HostOptions::default()).await;
    let client = connect(&url, "restarted").await;
    assert_eq!(client.add(1).await.unwrap(), 3);

    drop(django);
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.add(2).await })
    };
    let django = start(port).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 4);
    assert_eq!(client.add(3).await.unwrap(), 5);
    host.shutdown().await;
    drop(django);
}
