//! The request contexts that the Django broker accepts.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::brokers::Process;
use crate::brokers::django::Django;

/// The Django broker stores contexts in an integer column. It has 64 bits in the database of this
/// test, and 32 bits in most others. So clients use contexts of 31 bits. The response topic contains
/// their 128 random bits.
#[tokio::test(flavor = "multi_thread")]
async fn the_django_broker_disconnects_a_peer_with_a_context_of_128_bits() {
    let django = Django::for_test().await;
    django.make_topic("contexts");
    for (context, is_taken) in [
        ("2147483647", true),
        ("340282366920938463463374607431768211455", false),
    ] {
        let url = format!("{}/contexts", django.url());
        let (mut socket, _) = connect_async(url).await.unwrap();
        let properties = json!({
            "messageType": "ping", "requestContext": context, "response_topic": "contexts_answers",
        });
        let frame = json!({"payload": "", "context": context, "properties": properties});
        socket.send(Message::text(frame.to_string())).await.unwrap();
        let answer = match socket.next().await {
            Some(Ok(Message::Text(receipt))) => serde_json::from_str(&receipt).unwrap(),
            _ => Value::Null,
        };
        assert_eq!(answer["result"] == "ok", is_taken, "{context}: {answer}");
    }
}
