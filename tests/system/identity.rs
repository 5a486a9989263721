//! How clients recognize their responses.

use std::collections::HashMap;
use std::future::IntoFuture;

use dasf::Caller;
use dasf::protocol::payload;
use dasf_test_support::peer::Socket;
use dasf_test_support::{broker, soon};
use serde_json::{Value, json};

/// Returns a client of the topic `demo`, in a program that seeds its random numbers.
async fn seeded(url: &str) -> Caller {
    fastrand::seed(42);
    let builder = Caller::builder("demo").websocket(url);
    builder.connect().await.unwrap()
}

/// A request that the test reads in place of a module.
struct Request {
    context: String,
    response_topic: String,
}

/// Returns the received requests, by the names of the functions.
async fn requests(module: &mut Socket, count: usize) -> HashMap<String, Request> {
    let mut requests = HashMap::new();
    while requests.len() < count {
        let message = module.receive().await;
        module
            .send(&json!({"messageId": message["messageId"]}))
            .await;
        let json = payload::decode(message["payload"].as_str().unwrap()).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        let property = |name: &str| message["properties"][name].as_str().unwrap().to_owned();
        let request = Request {
            context: property("requestContext"),
            response_topic: property("response_topic"),
        };
        requests.insert(json["func_name"].as_str().unwrap().to_owned(), request);
    }
    requests
}

/// Publishes a response, and waits for the receipt.
async fn answer(url: &str, topic: &str, context: &str, source_topic: &str, result: &str) {
    let mut producer = Socket::open(&format!("{url}/{topic}")).await;
    let properties = json!({
        "messageType": "response", "status": "success", "requestContext": context,
        "source_topic": source_topic,
    });
    let payload = payload::encode(result.as_bytes());
    let frame = json!({"payload": payload, "context": context, "properties": properties});
    producer.send(&frame).await;
    assert_eq!(producer.receive().await["result"], "ok");
}

/// Two clients with the same seed. Each gets the responses to both.
#[tokio::test]
async fn a_client_ignores_the_responses_of_another() {
    let broker = broker().await;
    let url = broker.url();
    let mut module = Socket::open(&format!("{url}/demo/module")).await;
    let (first, second) = (seeded(&url).await, seeded(&url).await);
    let calls = ["a", "b"].map(|name| json!({"func_name": name}));
    let mut first_call = first.call(&calls[0]).into_future();
    let mut second_call = second.call(&calls[1]).into_future();
    // A call starts when it is awaited.
    let requests = tokio::select! {
        requests = requests(&mut module, 2) => requests,
        _ = &mut first_call => panic!("answered already"),
        _ = &mut second_call => panic!("answered already"),
    };
    let (a, b) = (&requests["a"], &requests["b"]);
    assert_ne!(a.response_topic, b.response_topic);
    assert_ne!(a.context, b.context);
    for request in [a, b] {
        // 128 bits in the topic, and a number that fits the databases of all brokers.
        assert_eq!(request.response_topic.len(), "demo_".len() + 22);
        assert!(request.context.parse::<u64>().unwrap() < 1 << 31);
    }

    for (own, other) in [(a, b), (b, a)] {
        let topic = &own.response_topic;
        answer(&url, topic, &other.context, "demo", "\"of another call\"").await;
        answer(&url, topic, &own.context, "other", "\"of another module\"").await;
        answer(&url, topic, "0", "demo", "\"to no call\"").await;
    }
    answer(&url, &a.response_topic, &a.context, "demo", "1").await;
    answer(&url, &b.response_topic, &b.context, "demo", "2").await;
    assert_eq!(soon("an answer", first_call).await.unwrap(), json!(1));
    assert_eq!(soon("an answer", second_call).await.unwrap(), json!(2));
}
