//! Topics that hold their messages for later readers.

use dasf_broker::Broker;
use serde_json::json;
#[cfg(feature = "store")]
use tempfile::TempDir;
use tokio_tungstenite::connect_async;

use crate::access::start_with;
#[cfg(feature = "store")]
use crate::support::builder;
use crate::support::{Peer, connect, refusal, start, until};

const HOLD: &str = "subscriptionMode=NonDurable&hold=3600";
const LOOK_BACK: &str = "subscriptionMode=NonDurable&subscriptionInitialPosition=Earliest";

/// Returns the headers about the hold in the response to a handshake: the time, and the number of messages.
async fn told(broker: &Broker, path: &str) -> [Option<String>; 2] {
    let url = format!("ws://{}{path}", broker.local_addr());
    let (_peer, response) = connect_async(url).await.unwrap();
    ["dasf-hold", "dasf-held"].map(|name| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    })
}

fn texts(hold: &str, held: &str) -> [Option<String>; 2] {
    [hold, held].map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

async fn read_all(reader: &mut Peer, payloads: &[&str]) {
    for payload in payloads {
        reader.read(payload).await;
    }
}

#[tokio::test]
async fn a_topic_holds_its_messages_for_later_readers() {
    let broker = start().await;
    assert_eq!(
        told(&broker, &format!("/ws/demo/first?{HOLD}")).await,
        texts("3600", "")
    );
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    producer.publish("b").await;
    for name in ["second", "third"] {
        let mut reader = connect(&broker, &format!("/ws/demo/{name}?{LOOK_BACK}")).await;
        read_all(&mut reader, &["a", "b"]).await;
    }
    let path = format!("/ws/demo/fourth?{LOOK_BACK}");
    assert_eq!(told(&broker, &path).await, texts("3600", "2"));
    // Who reads meanwhile gets later messages, too.
    let mut reader = connect(&broker, &path).await;
    read_all(&mut reader, &["a", "b"]).await;
    producer.publish("c").await;
    reader.read("c").await;

    let end = "/ws/demo/last?hold=0";
    assert_eq!(told(&broker, end).await, texts("0", "3"));
    assert_eq!(told(&broker, &path).await, texts("0", ""));
    broker.shutdown().await;
}

#[tokio::test]
async fn the_broker_grants_a_hold_of_a_week() {
    let broker = start().await;
    let told = told(&broker, &format!("/ws/demo/s?hold={}", u64::MAX)).await;
    assert_eq!(told, texts("604800", ""));
    for (value, status) in [
        ("hold=-1", 400),
        ("subscriptionInitialPosition=Middle", 400),
    ] {
        let (found, reason) = refusal(&broker, &format!("/ws/demo/s?{value}")).await;
        assert_eq!(found, status);
        let name = value.split_once('=').unwrap().0;
        assert!(reason.contains(name), "{reason}");
    }
    broker.shutdown().await;
}

#[cfg(feature = "store")]
#[tokio::test]
async fn a_hold_survives_the_broker() {
    let directory = TempDir::new().unwrap();
    let start = || builder().data_dir(directory.path()).start();
    let broker = start().await.unwrap();
    drop(connect(&broker, &format!("/ws/demo/first?{HOLD}")).await);
    let mut producer = connect(&broker, "/ws/demo").await;
    for payload in ["a", "b"] {
        producer.publish(payload).await;
    }
    let mut requests = connect(&broker, "/ws/module").await;
    requests
        .send(json!({"payload": "c", "context": "1", "properties": {"x_dasf_keep_s": 86400}}))
        .await;
    requests.receive().await;
    drop((producer, requests));
    broker.shutdown().await;

    let broker = start().await.unwrap();
    let path = format!("/ws/demo/second?{LOOK_BACK}");
    assert_eq!(told(&broker, &path).await, texts("3600", "2"));
    let mut reader = connect(&broker, &path).await;
    read_all(&mut reader, &["a", "b"]).await;
    drop(reader);
    told(&broker, "/ws/demo/third?hold=0").await;
    broker.shutdown().await;

    let broker = start().await.unwrap();
    assert_eq!(told(&broker, &path).await, texts("0", ""));
    let mut module = connect(&broker, "/ws/module/s").await;
    module.read("c").await;
    until(&broker, |statistics| statistics.acknowledged == 1).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn only_the_owner_of_a_response_topic_lets_it_hold_messages() {
    let users = [
        ("ada", "call = [\"river\"]"),
        ("bob", "call = [\"river\"]"),
        ("module", "serve = [\"river\"]"),
    ];
    let broker = start_with(&users, "").await;
    let topic = "/ws/river_a1b2c3d4";
    let of = |path: &str, user: &str| {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}token={user}")
    };
    let hold = format!("{topic}/r?{HOLD}");
    drop(connect(&broker, &of(&hold, "ada")).await);
    // Only modules answer, and only the owner makes notes.
    let mut module = connect(&broker, &of(topic, "module")).await;
    module.publish("answer").await;
    let note = json!({"payload": "n", "context": "1", "properties": {"messageType": "job"}});
    let mut owner = connect(&broker, &of(topic, "ada")).await;
    owner.send(&note).await;
    assert_eq!(owner.receive().await["result"], "ok");
    let answer = json!({"payload": "x", "context": "1", "properties": {"messageType": "response"}});
    owner.send(&answer).await;
    assert_ne!(owner.receive().await["result"], "ok");
    assert_eq!(refusal(&broker, &of(topic, "bob")).await.0, 403);
    for query in [HOLD, LOOK_BACK, "hold=0"] {
        let path = of(&format!("{topic}/r?{query}"), "bob");
        assert_eq!(refusal(&broker, &path).await.0, 403, "{query}");
    }
    // A module that runs a job again looks at what is there.
    let look_back = format!("{topic}/m?{LOOK_BACK}");
    let mut reader = connect(&broker, &of(&look_back, "module")).await;
    read_all(&mut reader, &["answer", "n"]).await;
    for query in [HOLD, "hold=0", "subscriptionMode=NonDurable"] {
        let path = of(&format!("{topic}/m2?{query}"), "module");
        assert_eq!(refusal(&broker, &path).await.0, 403, "{query}");
    }
    // Nobody lets a topic of requests hold messages.
    let path = of(&format!("/ws/river/m?{HOLD}"), "module");
    assert_eq!(refusal(&broker, &path).await.0, 403);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_hold_counts_for_its_user() {
    let users = [(
        "ada",
        "call = [\"river\"]\nlimits = { max_subscriptions = 2 }",
    )];
    let broker = start_with(&users, "").await;
    let hold = |number: u8| format!("/ws/river_a1b2c3d{number}/r?{HOLD}&token=ada");
    drop(connect(&broker, &hold(1)).await);
    until(&broker, |statistics| statistics.connections == 0).await;
    assert_eq!(refusal(&broker, &hold(2)).await.0, 429);
    drop(connect(&broker, &hold(1).replace("3600", "0")).await);
    until(&broker, |statistics| statistics.connections == 0).await;
    drop(connect(&broker, &hold(2)).await);
    broker.shutdown().await;
}
