//! Addresses, tokens and features: from the handshake to plain HTTP.

use std::time::Duration;

use dasf_broker::{Broker, StartError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{PATIENCE, builder, connect, http, refusal, refusal_of, start, until};

#[tokio::test]
async fn both_styles_reach_one_topic_with_any_slashes() {
    let broker = start().await;
    let mut pulsar = connect(
        &broker,
        "/ws/v2/consumer//non-persistent/public/default/demo/p/",
    )
    .await;
    let mut dasf = connect(&broker, "/ws//demo/d%3Ae").await;
    let mut from_dasf = connect(&broker, "//ws///demo/").await;
    let mut from_pulsar = connect(&broker, "/ws//v2/producer/persistent/public/default/demo").await;
    let mut elsewhere = connect(&broker, "/ws/v2/producer/persistent/lab/default/demo").await;
    elsewhere.publish("elsewhere").await;
    from_dasf.publish("one").await;
    from_pulsar
        .send(json!({"payload": "two", "context": "2"}))
        .await;
    let receipt = from_pulsar.receive().await;
    let id = receipt["messageId"].as_str().unwrap();
    assert_eq!(
        receipt,
        json!({"messageId": id, "context": "2", "result": "ok", "errorCode": 0, "schemaVersion": 0})
    );
    for consumer in [&mut pulsar, &mut dasf] {
        consumer.read("one").await;
        assert_eq!(consumer.read("two").await, id);
    }
}

#[tokio::test]
async fn a_topic_may_be_called_v2() {
    let broker = start().await;
    let mut consumer = connect(&broker, "/ws/v2/producer").await;
    let mut producer = connect(&broker, "/ws/v2").await;
    producer.publish("one").await;
    consumer.read("one").await;
}

#[tokio::test]
async fn a_bad_address_is_an_error() {
    let broker = start().await;
    let (status, text) = refusal(&broker, "/ws/a.b").await;
    assert_eq!(status, 400);
    assert!(text.contains("the topic \"a.b\" contains '.'"), "{text}");
    let (status, text) = refusal(&broker, "/ws/demo/a%20b").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("the subscription \"a b\" contains a space"),
        "{text}"
    );
    let (status, text) = refusal(&broker, "/ws/demo/s?subscriptionType=Failover").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("Failover") && text.contains("Exclusive or Shared"),
        "{text}"
    );
    let (status, text) = refusal(&broker, "/ws/demo/s?negativeAckRedeliveryDelay=1s").await;
    assert_eq!(status, 400);
    assert!(
        text.contains("\"1s\"") && text.contains("milliseconds"),
        "{text}"
    );
    for (query, reasons) in [
        ("maxRedeliverCount=0", ["\"0\"", "at least 1"]),
        ("maxRedeliverCount=many", ["\"many\"", "at least 1"]),
        (
            "deadLetterTopic=lost",
            ["maxRedeliverCount", "leave both out"],
        ),
        (
            "maxRedeliverCount=1&deadLetterTopic=a.b",
            ["'.'", "deadLetterTopic=NAME"],
        ),
        (
            "maxRedeliverCount=1&deadLetterTopic=demo",
            ["own topic", "another topic"],
        ),
    ] {
        let (status, text) = refusal(&broker, &format!("/ws/demo/s?{query}")).await;
        assert_eq!(status, 400);
        assert!(
            reasons.iter().all(|reason| text.contains(reason)),
            "{query}: {text}"
        );
    }
    let (status, text) = refusal(&broker, "/ws/v2/producer/volatile/public/default/demo").await;
    assert_eq!(status, 400);
    assert!(text.contains("volatile"), "{text}");
    let (status, text) = refusal(&broker, "/elsewhere").await;
    assert_eq!(status, 404);
    assert!(
        text.contains("/ws/{topic}") && text.contains("/ws/v2/producer/"),
        "{text}"
    );
    assert_eq!(broker.statistics().topics, 0);
}

#[tokio::test]
async fn the_handshake_lists_the_abilities_of_the_broker() {
    let broker = start().await;
    for path in [
        "/ws/demo",
        "/ws/demo/s",
        "/ws/v2/producer/persistent/public/default/demo",
        "/ws/v2/consumer/persistent/public/default/demo/t",
    ] {
        let url = format!("ws://{}{path}", broker.local_addr());
        let (_, response) = connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(
            response.headers()["dasf-features"],
            concat!(
                "shared-subscriptions, begun-count, link, version=",
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}

#[tokio::test]
async fn plain_http_gets_answers() {
    let broker = builder().token("secret").start().await.unwrap();
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let health = http(&broker, &get("/health")).await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok"),
        "{health}"
    );
    let topic = http(&broker, &get("/ws/demo?token=secret")).await;
    assert!(
        topic.starts_with("HTTP/1.1 400 ") && topic.contains("WebSocket"),
        "{topic}"
    );
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let broker = builder().token("a+b=").start().await.unwrap();
    let (status, text) = refusal(&broker, "/ws/demo").await;
    assert_eq!(status, 401);
    assert!(text.contains("authorization: Token"), "{text}");
    let (status, text) = refusal(&broker, "/ws/demo/s?token=wrong").await;
    assert_eq!(status, 401);
    assert!(text.contains("the token is wrong"), "{text}");
    connect(&broker, "/ws/demo?token=a%2Bb%3D")
        .await
        .publish("a")
        .await;
    connect(&broker, "/ws/demo/s?subscriptionType=Shared&token=a+b=")
        .await
        .read("a")
        .await;
    for (value, accepted) in [
        ("Token a+b=", true),
        ("Bearer a+b=", true),
        ("bearer  a+b=", true),
        ("Basic a+b=", false),
        ("Token a+b", false),
    ] {
        let url = format!("ws://{}/ws/demo", broker.local_addr());
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => assert!(accepted, "{value}"),
            Err(Error::Http(response)) => {
                assert!(!accepted, "{value}");
                assert_eq!(refusal_of(*response).0, 401);
            }
            Err(error) => panic!("{value}: {error}"),
        }
    }
}

/// Sockets that send nothing, and requests whose responses nobody reads, keep no others waiting.
#[tokio::test]
async fn silent_sockets_do_not_delay_a_handshake() {
    let broker = builder().max_handshakes(16).start().await.unwrap();
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut socket = TcpStream::connect(broker.local_addr()).await.unwrap();
        if number % 2 == 0 {
            let requests = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
            socket.write_all(requests.as_bytes()).await.unwrap();
        }
        silent.push(socket);
    }
    let connecting = timeout(Duration::from_secs(5), connect(&broker, "/ws/demo"));
    connecting.await.unwrap().publish("a").await;
    // The oldest have made room.
    let mut first = silent.swap_remove(1);
    let end = timeout(PATIENCE, first.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn one_address_has_a_share_of_the_connections() {
    let broker = builder()
        .max_connections_per_address(2)
        .start()
        .await
        .unwrap();
    let first = connect(&broker, "/ws/demo").await;
    let _second = connect(&broker, "/ws/demo/s").await;
    let (status, text) = refusal(&broker, "/ws/demo").await;
    assert_eq!(status, 503);
    assert!(text.contains("max_connections_per_address"), "{text}");
    first.leave().await;
    until(&broker, |it| it.connections == 1).await;
    connect(&broker, "/ws/demo").await;
}

/// Returns the status with which the broker answers a page of this origin, which uses this name of the
/// broker.
async fn status_for_page(broker: &Broker, origin: &str, name: &str) -> u16 {
    status_of_page(broker, "/ws/demo", origin, name).await
}

async fn status_of_page(broker: &Broker, path: &str, origin: &str, name: &str) -> u16 {
    let url = format!("ws://{}{path}", broker.local_addr());
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("origin", origin.parse().unwrap());
    headers.insert("host", name.parse().unwrap());
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_web_page_of_another_origin_needs_a_permission() {
    let page = "http://localhost:5173";
    let broker = start().await;
    let own = broker.local_addr().to_string();
    assert_eq!(
        status_for_page(&broker, &format!("http://{own}"), &own).await,
        101
    );
    assert_eq!(status_for_page(&broker, page, &own).await, 403);
    // The name of the page leads to this machine now.
    let rebound = "evil.example:8080";
    let origin = format!("http://{rebound}");
    assert_eq!(status_for_page(&broker, &origin, rebound).await, 403);

    let allowing = builder().allow_origin(page).start().await.unwrap();
    assert_eq!(status_for_page(&allowing, page, &own).await, 101);
    assert_eq!(
        status_for_page(&allowing, "http://localhost:1", &own).await,
        403
    );
    // A page may know the token: somebody has typed it into another page of the same browser.
    let guarded = builder().token("secret").allow_origin(page);
    let guarded = guarded.start().await.unwrap();
    let with_token = async |origin: &str| {
        let path = "/ws/demo?token=secret";
        status_of_page(&guarded, path, origin, &guarded.local_addr().to_string()).await
    };
    assert_eq!(with_token("http://evil.example").await, 403);
    assert_eq!(with_token("null").await, 403);
    assert_eq!(with_token(page).await, 101);
    let own = format!("http://{}", guarded.local_addr());
    assert_eq!(with_token(&own).await, 101);
    // The name leads to this machine, and its owner knows the token.
    assert_eq!(
        status_of_page(&guarded, "/ws/demo?token=secret", &origin, rebound).await,
        101
    );
    assert_eq!(status_for_page(&guarded, page, rebound).await, 401);
    let wrong = builder().allow_origin("localhost:5173").start().await;
    assert!(matches!(wrong, Err(StartError::Origin { .. })));
}
