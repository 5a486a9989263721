//! What one may see of a broker: its numbers, who listens, how much waits, and that nobody listens.

use std::time::Duration;

use dasf_broker::Broker;
use serde_json::{Value, json};

use crate::link::Link;
use crate::support::{Peer, builder, connect, http, start, until};

/// Sends a request without a body. Returns the status, the headers and the body.
async fn request(broker: &Broker, method: &str, path: &str, header: &str) -> (u16, String, String) {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n");
    let answer = http(broker, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

async fn get(broker: &Broker, path: &str) -> (u16, String) {
    let (status, _, body) = request(broker, "GET", path, "").await;
    (status, body)
}

async fn get_json(broker: &Broker, path: &str) -> Value {
    let (status, body) = get(broker, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Returns the names of the topics of a page.
fn names(page: &Value) -> Vec<&str> {
    let topics = page["topics"].as_array().unwrap();
    topics
        .iter()
        .map(|it| it["topic"].as_str().unwrap())
        .collect()
}

const RIVER: &str = "module=river&version=1.2&host=lab%203&process=7";

#[tokio::test]
async fn listeners_introduce_themselves_on_sockets_and_on_links() {
    let broker = start().await;
    let path = format!("/ws/river/run-1?onClose=HandOver&{RIVER}");
    let _alone = connect(&broker, &path).await;
    let _python = connect(&broker, "/ws/river/backend-module-1").await;
    let mut link = Link::open(&broker, "/ws/other").await;
    let subscribed = link.subscribe("climate", RIVER).await;
    assert_eq!(subscribed["type"], "subscribed");

    let page = get_json(&broker, "/api/topics").await;
    assert_eq!(names(&page), ["climate", "river"]);
    assert_eq!(page["next"], Value::Null);
    let [climate, river] = [&page["topics"][0], &page["topics"][1]];
    assert_eq!(river, &get_json(&broker, "/api/topics/river").await);
    let path = "/api/topics/public/default/river";
    assert_eq!(river, &get_json(&broker, path).await);

    let listeners = river["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 2);
    let (python, alone) = (&listeners[0], &listeners[1]);
    for (key, expected) in [
        ("module", json!("river")),
        ("version", json!("1.2")),
        ("host", json!("lab 3")),
        ("process", json!(7)),
        ("group", Value::Null),
        ("user", Value::Null),
        ("subscription", json!("run-1")),
    ] {
        assert_eq!(alone[key], expected, "{key}");
    }
    for key in ["module", "version", "host", "process", "group"] {
        assert_eq!(python[key], Value::Null, "{key}");
    }
    assert_eq!(python["subscription"], "backend-module-1");
    for listener in [python, alone] {
        let address = listener["address"].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        let since = listener["connected_since"].as_str().unwrap();
        assert!(
            since.starts_with("20") && since.ends_with("+00:00"),
            "{since}"
        );
    }
    // The subscription of a group stays when its module goes.
    assert_eq!(climate["listeners"][0]["group"], "s");
    assert_eq!(climate["listeners"][0]["host"], "lab 3");
}

#[tokio::test]
async fn a_long_introduction_is_cut() {
    let broker = start().await;
    let long = "%C3%A4".repeat(2000);
    let path = format!("/ws/demo/s?module={long}&version=%0a1%1b&host=&process=x");
    let _listener = connect(&broker, &path).await;
    let topic = get_json(&broker, "/api/topics/demo").await;
    let listener = &topic["listeners"][0];
    assert_eq!(listener["module"], "ä".repeat(255));
    assert_eq!(listener["version"], "1");
    assert_eq!(listener["host"], Value::Null);
    assert_eq!(listener["process"], Value::Null);
}

#[tokio::test]
async fn a_topic_shows_how_much_waits() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    let topic = get_json(&broker, "/api/topics/demo").await;
    assert_eq!(topic["waiting_messages"], 1);
    assert_eq!(topic["listeners"], json!([]));
    assert_eq!(topic["publishers"], 1);

    let mut listener = connect(&broker, "/ws/demo/s?receiverQueueSize=2").await;
    listener.read("a").await;
    until(&broker, |it| it.acknowledged == 1).await;
    for payload in ["b", "c", "d"] {
        producer.publish(payload).await;
    }
    listener.expect("b").await;
    listener.expect("c").await;
    let topic = get_json(&broker, "/api/topics/demo").await;
    for (key, expected) in [
        ("waiting_messages", 1),
        ("unacknowledged_messages", 2),
        ("published", 4),
        ("delivered", 3),
        ("acknowledged", 1),
    ] {
        assert_eq!(topic[key], expected, "{key}");
    }
    assert!(topic["bytes"].as_u64().unwrap() > 3, "{topic}");
    assert!(topic["oldest_message_seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(
        topic["subscriptions"],
        json!([{
            "name": "s", "type": "Shared", "durable": true, "listeners": 1, "waiting_messages": 1,
            "unacknowledged_messages": 2, "bytes": topic["bytes"], "unread_seconds": null,
        }])
    );
    listener.leave().await;
    let topic = get_json(&broker, "/api/topics/demo").await;
    assert_eq!(topic["waiting_messages"], 3);
    let unread = &topic["subscriptions"][0]["unread_seconds"];
    assert!(unread.as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn the_topics_of_callers_are_left_out_unless_asked_for() {
    let broker = start().await;
    let _module = connect(&broker, "/ws/river/m").await;
    // Each of these peers names its response topic in its own way.
    let _rust = connect(&broker, "/ws/climate_x/c?onClose=Discard").await;
    let _python = connect(&broker, "/ws/river_AbCdEfGh/c").await;
    // These are no response topics.
    let path = format!("/ws/river_forecasts/m?{RIVER}");
    let _introduced = connect(&broker, &path).await;
    let _no_base = connect(&broker, "/ws/lake_AbCdEfGh/m").await;
    let page = get_json(&broker, "/api/topics").await;
    assert_eq!(names(&page), ["lake_AbCdEfGh", "river", "river_forecasts"]);
    let page = get_json(&broker, "/api/topics?responseTopics=true").await;
    assert_eq!(names(&page).len(), 5);
    for (query, reason) in [("limit=0", "limit"), ("responseTopics=7", "true or false")] {
        let (status, text) = get(&broker, &format!("/api/topics?{query}")).await;
        assert_eq!(status, 400);
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn many_topics_come_in_parts() {
    let broker = start().await;
    let mut link = Link::open(&broker, "/ws/other").await;
    for number in 0..25 {
        link.subscribe(&format!("t{number:02}"), "").await;
    }
    let page = get_json(&broker, "/api/topics?limit=10").await;
    assert_eq!(names(&page).len(), 10);
    assert_eq!(page["next"], "t09");
    let page = get_json(&broker, "/api/topics?limit=10&after=t19").await;
    assert_eq!(names(&page), ["t20", "t21", "t22", "t23", "t24"]);
    assert_eq!(page["next"], Value::Null);

    // A program that speaks only WebSockets gets the parts one after the other.
    let mut list = connect(&broker, "/api/topics?limit=10").await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let page = list.receive().await;
        all.extend(names(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(all.len(), 25);
    assert!(all.is_sorted());
    list.leave().await;
}

#[tokio::test]
async fn everything_but_health_needs_the_token() {
    let broker = builder().token("secret").start().await.unwrap();
    let _listener = connect(&broker, "/ws/demo/s?token=secret").await;
    assert_eq!(get(&broker, "/health").await.0, 200);
    for path in [
        "/metrics",
        "/api/topics",
        "/api/topics/demo",
        "/api/topics/nobody",
        "/demo/status/",
    ] {
        let (status, text) = get(&broker, path).await;
        assert_eq!(status, 401, "{path}: {text}");
        assert!(!text.contains("nobody uses"), "{text}");
        let bearer = "authorization: Bearer secret\r\n";
        let (status, _, _) = request(&broker, "GET", path, bearer).await;
        let expected = if path.ends_with("nobody") { 404 } else { 200 };
        assert_eq!(status, expected, "{path}");
    }
    // A web page of another origin sees nothing without a token.
    let broker = start().await;
    let foreign = "origin: http://evil.example\r\n";
    let (status, _, _) = request(&broker, "GET", "/api/topics", foreign).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn status_pages_answer_as_those_of_a_django_broker() {
    let broker = start().await;
    assert_eq!(get(&broker, "/demo/status/").await.0, 404);
    assert_eq!(get(&broker, "/demo/ping/").await.0, 404);
    let _producer = connect(&broker, "/ws/demo").await;
    assert_eq!(
        get(&broker, "/demo/status/").await,
        (503, "Consumer could not be reached".to_owned())
    );
    let _listener = connect(&broker, "/ws/demo/s").await;
    let (status, head, body) = request(&broker, "GET", "/demo/status", "").await;
    assert_eq!((status, &*body), (200, "Consumer connected"));
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    for method in ["GET", "POST"] {
        let (status, head, _) = request(&broker, method, "/demo/ping/", "").await;
        assert_eq!(status, 302);
        assert!(head.contains("location: /demo/status/"), "{head}");
    }
    for (method, path) in [("POST", "/demo/status/"), ("DELETE", "/api/topics/demo")] {
        assert_eq!(request(&broker, method, path, "").await.0, 405);
    }
}

#[tokio::test]
async fn a_topic_may_be_called_like_a_page() {
    let broker = start().await;
    for topic in ["api", "metrics", "health", "status", "topics"] {
        let mut listener = connect(&broker, &format!("/ws/{topic}/s")).await;
        let mut producer = connect(&broker, &format!("/ws/{topic}")).await;
        producer.publish("a").await;
        listener.read("a").await;
        assert_eq!(get(&broker, &format!("/{topic}/status/")).await.0, 200);
        let seen = get_json(&broker, &format!("/api/topics/{topic}")).await;
        assert_eq!(seen["topic"], topic);
    }
}

/// Returns the value of a metric without labels.
#[cfg(feature = "metrics")]
async fn metric(broker: &Broker, name: &str) -> u64 {
    let (status, page) = get(broker, "/metrics").await;
    assert_eq!(status, 200);
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    let value = value.unwrap_or_else(|| panic!("no {name} in {page}"));
    value.parse().unwrap()
}

// `interop::seeing` reads the page with a parser of Prometheus.
#[cfg(feature = "metrics")]
#[tokio::test]
async fn the_metrics_count_messages() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let mut listener = connect(&broker, "/ws/demo/s?receiverQueueSize=2").await;
    for payload in ["a", "b", "c"] {
        producer.publish(payload).await;
    }
    listener.read("a").await;
    until(&broker, |it| it.acknowledged == 1).await;
    listener.expect("b").await;
    listener.expect("c").await;
    producer.send("no JSON").await;
    producer.receive().await;
    for (name, expected) in [
        ("connections", 2),
        ("connections_max", 4096),
        ("topics", 1),
        ("subscriptions", 1),
        ("listeners", 1),
        ("messages_waiting", 0),
        ("messages_unacknowledged", 2),
        ("messages_published_total", 3),
        ("messages_delivered_total", 3),
        ("messages_acknowledged_total", 1),
        ("messages_redelivered_total", 0),
        ("messages_refused_total", 1),
        ("messages_dropped_total", 0),
        ("messages_expired_total", 0),
        ("messages_dead_lettered_total", 0),
        ("memory_max_bytes", 512 << 20),
    ] {
        let name = format!("dasf_broker_{name}");
        assert_eq!(metric(&broker, &name).await, expected, "{name}");
    }
    for name in [
        "memory_bytes",
        "published_bytes_total",
        "delivered_bytes_total",
    ] {
        let name = format!("dasf_broker_{name}");
        assert!(metric(&broker, &name).await > 100, "{name}");
    }
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn topics_add_no_lines_to_the_metrics() {
    let broker = start().await;
    let lines = async || {
        let (_, page) = get(&broker, "/metrics").await;
        assert!(page.ends_with("# EOF\n"), "{page}");
        assert!(!page.contains("t07"), "{page}");
        page.lines().count()
    };
    let before = lines().await;
    let mut link = Link::open(&broker, "/ws/other").await;
    for number in 0..25 {
        link.subscribe(&format!("t{number:02}"), RIVER).await;
    }
    assert_eq!(lines().await, before);
    assert_eq!(metric(&broker, "dasf_broker_topics").await, 25);
}

#[cfg(all(feature = "metrics", feature = "store"))]
#[tokio::test]
async fn the_metrics_show_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let broker = builder().data_dir(directory.path()).start().await.unwrap();
    connect(&broker, "/ws/demo").await.publish("a").await;
    assert!(metric(&broker, "dasf_broker_store_commits_total").await >= 1);
    assert!(metric(&broker, "dasf_broker_store_bytes").await > 1000);
    let memory = start().await;
    let (_, page) = get(&memory, "/metrics").await;
    assert!(!page.contains("store"), "{page}");
}

/// A frame that expects an answer.
fn asking(properties: &Value) -> Value {
    let mut all = json!({
        "messageType": "request", "response_topic": "demo_answers", "requestContext": "1",
    });
    for (key, value) in properties.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({"payload": "", "context": "1", "properties": all})
}

async fn receipt(producer: &mut Peer, properties: &Value) -> Value {
    producer.send(asking(properties)).await;
    producer.receive().await
}

#[tokio::test]
async fn a_receipt_tells_that_nobody_listens() {
    let broker = start().await;
    let mut producer = connect(&broker, "/ws/demo?nobodyListens=Refuse").await;
    let refused = receipt(&mut producer, &json!({})).await;
    assert_eq!(
        refused,
        json!({
            "context": "1", "status": 404,
            "result": "nobody listens on topic 'demo'; start a module there, or check the topic",
        })
    );
    let mut pulsar = connect(
        &broker,
        "/ws/v2/producer/persistent/public/default/demo?nobodyListens=Refuse",
    )
    .await;
    let refused = receipt(&mut pulsar, &json!({})).await;
    assert_eq!(
        (&refused["result"], &refused["status"]),
        (&json!("send-error:8"), &json!(404))
    );
    // A job may wait for a module that starts later, and nobody waits for the answer to an answer.
    let accepted = receipt(&mut producer, &json!({"x_dasf_job": "1"})).await;
    assert_eq!(accepted["result"], "ok");
    producer.publish("answer").await;
    // Other peers ask for nothing. Their requests wait.
    let mut other = connect(&broker, "/ws/demo").await;
    assert_eq!(receipt(&mut other, &json!({})).await["result"], "ok");
    assert_eq!(broker.statistics().refused, 2);
    assert_eq!(broker.statistics().published, 3);

    let mut link = Link::open(&broker, "/ws/other?nobodyListens=Refuse").await;
    let header = json!({
        "type": "publish", "topic": "nobody", "context": 1,
        "properties": {"messageType": "request", "response_topic": "nobody_answers"},
    });
    link.send(&header, b"").await;
    let (refused, _) = link.next().await;
    assert_eq!(
        (&refused["type"], &refused["count"], &refused["status"]),
        (&json!("refused"), &json!(1), &json!(404))
    );
}

#[tokio::test]
async fn a_request_waits_for_a_module_that_comes_back() {
    for query in ["", "?onClose=HandOver", "?subscriptionType=Exclusive"] {
        let broker = builder()
            .subscription_retention(Duration::from_secs(600))
            .start()
            .await
            .unwrap();
        let mut producer = connect(&broker, "/ws/demo?nobodyListens=Refuse").await;
        assert_eq!(receipt(&mut producer, &json!({})).await["status"], 404);
        let module = connect(&broker, &format!("/ws/demo/run-1{query}")).await;
        module.leave().await;
        let accepted = receipt(&mut producer, &json!({})).await;
        assert_eq!(accepted["result"], "ok", "{query}");
        let mut again = connect(&broker, &format!("/ws/demo/run-2{query}")).await;
        let delivered = again.receive().await;
        assert_eq!(delivered["messageId"], accepted["messageId"]);
    }
}

#[tokio::test]
async fn a_topic_that_nobody_has_read_for_long_has_no_reader() {
    let broker = builder()
        .subscription_retention(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let mut producer = connect(&broker, "/ws/demo?nobodyListens=Refuse").await;
    connect(&broker, "/ws/demo/s").await.leave().await;
    loop {
        let receipt = receipt(&mut producer, &json!({})).await;
        if receipt["status"] == 404 {
            break;
        }
    }
}
