//! Behaviour of Apache Pulsar that differs from the brokers of DASF.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dasf::broker::{ConnectError, Persistence, PulsarAddress};
use dasf::host::StartError;
use dasf::protocol::Topic;
use dasf::{Address, CallError, ClientError, Host, HostOptions};
use dasf_examples::reference;
use dasf_test_support::peer::{Peer, Socket};
use dasf_test_support::soon;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use crate::brokers::pulsar::Pulsar;
use crate::brokers::{Process, TestBroker};
use crate::jobs;
use crate::support::call_everything;

/// The time in which Pulsar must delete unused topics, and the time between two checks.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(100);

/// Returns the address of persistent or of non-persistent topics.
fn address(pulsar: &Pulsar, persistence: Persistence) -> Address {
    Address::try_from(
        PulsarAddress::default()
            .host("127.0.0.1")
            .port(pulsar.port())
            .persistence(persistence),
    )
    .unwrap()
}

async fn serve(topic: &Topic, address: Address) -> Result<Host, StartError> {
    let module = reference::module().unwrap();
    Host::start(module, topic, address, HostOptions::default()).await
}

async fn connect(topic: &Topic, address: Address) -> Result<reference::Client, ClientError> {
    let builder = reference::Client::builder().topic(topic.as_str());
    builder.address(address).connect().await
}

/// Reads a document of the admin API until it is as expected.
async fn until(pulsar: &Arc<Pulsar>, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let (pulsar, asked) = (Arc::clone(pulsar), path.to_owned());
        let answer = tokio::task::spawn_blocking(move || pulsar.get(&asked));
        let answer = answer.await.unwrap();
        if expected(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{path}: {answer}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Returns the topic of a list that starts with a prefix.
fn find<'a>(topics: &'a Value, start: &str) -> Option<&'a str> {
    let topics = topics.as_array().unwrap().iter();
    let mut names = topics.map(|topic| topic.as_str().unwrap().rsplit('/').next().unwrap());
    names.find(|name| name.starts_with(start))
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_topics_of_both_kinds_are_deleted() {
    let pulsar = Pulsar::for_test().await;
    for persistence in [Persistence::Persistent, Persistence::NonPersistent] {
        let name = format!("left-{persistence}");
        let topic = name.parse().unwrap();
        let host = serve(&topic, address(&pulsar, persistence)).await.unwrap();
        let client = connect(&topic, address(&pulsar, persistence)).await;
        let client = client.unwrap();
        call_everything(&client).await;
        let topics = format!("{persistence}/public/default");
        let answers = format!("{name}_");
        let found = until(&pulsar, &topics, |topics| find(topics, &answers).is_some()).await;
        let answers = find(&found, &answers).unwrap();
        let subscriptions = format!("{topics}/{answers}/subscriptions");
        until(&pulsar, &subscriptions, |names| *names != json!([])).await;
        drop(client);
        until(&pulsar, &subscriptions, |names| *names == json!([])).await;
        // Pulsar deletes topics without subscriptions and producers.
        host.shutdown().await;
        until(&pulsar, &topics, |topics| find(topics, &name).is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_with_the_same_id_are_not_duplicates() {
    let pulsar = Pulsar::for_test().await;
    let topic: Topic = "one-id".parse().unwrap();
    let address = address(&pulsar, Persistence::NonPersistent);
    let url = pulsar.url("consumer", "non-persistent", "one-id/witness");
    let mut witness = Socket::open(&url).await;
    let host = serve(&topic, address.clone()).await.unwrap();
    let client = connect(&topic, address).await.unwrap();
    let calls = (0..50).map(|a| client.add(a).b(a).into_future());
    let sums = futures_util::future::join_all(calls).await;
    for (a, sum) in (0..50).zip(sums) {
        assert_eq!(sum.unwrap(), 2 * a);
    }
    let mut ids = BTreeSet::new();
    for _ in 0..50 {
        let message = witness.receive().await;
        ids.insert(message["messageId"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_booleans_arrive_as_strings() {
    let pulsar = Pulsar::for_test().await;
    let topic = "texts".parse().unwrap();
    let url = pulsar.url("consumer", "non-persistent", "texts/witness");
    let mut witness = Socket::open(&url).await;
    let host = serve(&topic, address(&pulsar, Persistence::NonPersistent)).await;
    let host = host.unwrap();
    let producer = pulsar.url("producer", "non-persistent", "texts");
    let consumer = pulsar.url("consumer", "non-persistent", "texts_answers/reader");
    let mut peer = Peer::connect_to(&producer, &consumer, "texts_answers").await;
    // The second half of a request comes before the first, and its properties are numbers.
    let request = dasf::protocol::payload::encode(br#"{"func_name":"add","a":40}"#);
    let (first, second) = request.split_at(12);
    for (fragment, payload) in [(1, second), (0, first)] {
        let more = json!({"fragment": fragment, "num_fragments": 2, "odd": true});
        peer.send("request", 7, payload, more).await;
        let properties = witness.receive().await["properties"].take();
        assert_eq!(properties["requestContext"], "7");
        assert_eq!(properties["fragment"], fragment.to_string());
        assert_eq!(properties["num_fragments"], "2");
        assert_eq!(properties["odd"], "true");
    }
    let answer = peer.receive().await;
    assert_eq!(answer["properties"]["requestContext"], "7");
    assert_eq!(dasf_test_support::peer::text(&answer), "42");
    host.shutdown().await;
}

/// Returns the status and the reason of a refusal.
fn refusal(error: &ConnectError) -> (u16, &str) {
    match error {
        ConnectError::Refused { status, reason, .. } => (*status, reason),
        other => panic!("{other}"),
    }
}

/// Returns the errors of a module and of a client that Pulsar refuses.
async fn refused(topic: &str, address: Address, status: u16, reason: &str) {
    let topic = topic.parse().unwrap();
    match connect(&topic, address.clone()).await {
        Err(ClientError::Connect(error)) => assert_eq!(refusal(&error), (status, reason)),
        other => panic!("{:?}", other.map(drop)),
    }
    match serve(&topic, address).await {
        Err(StartError::Connect(error)) => assert_eq!(refusal(&error), (status, reason)),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_a_missing_namespace() {
    let pulsar = Pulsar::for_test().await;
    let nowhere = Address::try_from(
        PulsarAddress::default()
            .host("127.0.0.1")
            .port(pulsar.port())
            .namespace("nowhere"),
    )
    .unwrap();
    refused("anything", nowhere, 404, "Namespace not found").await;
}

/// For this reason, each module and each client has its own subscription.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_has_one_reader() {
    let pulsar = Pulsar::for_test().await;
    let url = pulsar.url("consumer", "non-persistent", "readers/reader");
    let reader = Socket::open(&url).await;
    match connect_async(url).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 409),
        other => panic!("{:?}", other.map(drop)),
    }
    drop(reader);
}

/// Without a group, the modules of persistent topics have one subscription, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_module_takes_over_what_the_first_one_leaves() {
    let broker = TestBroker::pulsar().await;
    let TestBroker::Pulsar(pulsar) = &broker else {
        unreachable!()
    };
    let topic = broker.topic("successors").await;
    let names = format!("persistent/public/default/{topic}/subscriptions");
    let standing = json!(["dasf-module"]);
    let first = jobs::start(&broker, &topic).await;
    let client = jobs::connect(&broker, &topic).await;
    let job = client.wait(topic.as_str()).submit().await.unwrap();
    jobs::runs(&job).await;
    let second = jobs::start(&broker, &topic).await;
    until(pulsar, &names, |names| names.as_array().unwrap().len() == 2).await;
    first.kill();
    until(pulsar, &names, |names| *names == standing).await;
    jobs::gate(topic.as_str()).add_permits(1000);
    let result = soon("the result", job.result().into_future());
    assert_eq!(result.await.unwrap(), topic.as_str());

    // There may be more jobs, so the subscription stays for the next module.
    soon("the end of the module", second.stop()).await;
    let job = client.fill(3).submit().await.unwrap();
    until(pulsar, &names, |names| *names == standing).await;
    let third = jobs::start(&broker, &topic).await;
    let result = soon("the result", job.result().into_future());
    assert_eq!(result.await.unwrap(), "012");
    soon("the end of the module", third.stop()).await;
}

/// The size of a request that is too large for one message of Pulsar, which closes the connection.
const TOO_LARGE: usize = 1_100_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_a_message_that_is_too_large() {
    let pulsar = Pulsar::for_test().await;
    let builder = reference::Client::builder().topic("too-large");
    let builder = builder.address(address(&pulsar, Persistence::NonPersistent));
    let client = builder
        .max_payload_size(2 * TOO_LARGE)
        .connect()
        .await
        .unwrap();
    let error = client.echo("0".repeat(TOO_LARGE)).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { .. }), "{error}");
    let told = "code 1009, the message is larger than the broker accepts (lower max_payload_size";
    assert!(error.to_string().contains(told), "{error}");
}
