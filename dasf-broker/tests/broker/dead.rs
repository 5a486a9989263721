//! Requests that ended the modules that ran them: they are put aside, can be seen, sent again and dropped.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dasf_broker::{Broker, TopicSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::access::{Way, config, open};
use crate::link::Link;
use crate::support::{Peer, builder, connect, http, refusal, start, until};

const ANSWERS: &str = "river_a1B2c3D4";
const MODULE: &str = "module=river&version=1.2&host=lab&process=7&begunBy=1&maxDeaths=2";

/// Sends a request without a body, with a token. Returns the status and the body.
async fn request(broker: &Broker, method: &str, path: &str, token: &str) -> (u16, String) {
    let login = match token {
        "" => String::new(),
        token => format!("authorization: Token {token}\r\n"),
    };
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{login}connection: close\r\n\r\n");
    let answer = http(broker, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

async fn get(broker: &Broker, path: &str) -> Value {
    let (status, body) = request(broker, "GET", path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Returns the requests that are put aside.
async fn listed(broker: &Broker) -> Vec<Value> {
    let page = get(broker, "/api/dead").await;
    assert_eq!(page["next"], Value::Null);
    page["dead"].as_array().unwrap().clone()
}

fn frame(context: u32, more: &Value) -> Value {
    let request = json!({"func_name": "flood", "level": context}).to_string();
    let mut properties = json!({
        "messageType": "request", "requestContext": context, "response_topic": ANSWERS,
    });
    for (key, value) in more.as_object().unwrap() {
        properties[key] = value.clone();
    }
    json!({"payload": STANDARD.encode(request), "context": context, "properties": properties})
}

/// Returns a message three times. As a module, the consumer does not report that it begins a first delivery.
/// Returns the id.
async fn end_with(consumer: &mut Peer) -> String {
    let mut id = String::new();
    for count in 0..3 {
        let delivery = consumer.receive().await;
        assert_eq!(
            delivery.get("redeliveryCount"),
            (count > 0).then(|| json!(count)).as_ref()
        );
        id = delivery["messageId"].as_str().unwrap().to_owned();
        if count > 0 {
            let begun = json!({"type": "begun", "messageId": id});
            consumer.send(begun).await;
        }
        consumer.give_back(&id).await;
    }
    id
}

/// Sends a request, and ends with it. Returns its id.
async fn put_aside(broker: &Broker, frame: &Value, token: &str) -> String {
    let mut module = open_as(broker, &format!("/ws/river/team?{MODULE}"), token).await;
    let mut producer = open_as(
        broker,
        "/ws/river",
        if token.is_empty() { "" } else { "ada" },
    )
    .await;
    producer.send(frame).await;
    assert_eq!(producer.receive().await["result"], "ok");
    let before = broker.statistics().put_aside;
    let id = end_with(&mut module).await;
    until(broker, |it| it.put_aside == before + 1).await;
    id
}

async fn open_as(broker: &Broker, path: &str, token: &str) -> Peer {
    open(broker, path, token, Way::Header, false)
        .await
        .unwrap()
        .0
}

fn text(message: &Value) -> String {
    let payload = message["payload"].as_str().unwrap();
    String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn the_caller_of_a_request_that_is_put_aside_learns_it() {
    let broker = start().await;
    let mut caller = connect(&broker, &format!("/ws/{ANSWERS}/caller")).await;
    let id = put_aside(&broker, &frame(7, &json!({})), "").await;
    let answer = caller.receive().await;
    let properties = &answer["properties"];
    assert_eq!(answer["context"], "7");
    for (key, expected) in [
        ("messageType", "response"),
        ("status", "error"),
        ("requestContext", "7"),
        ("source_topic", "river"),
    ] {
        assert_eq!(properties[key], expected, "{key}");
    }
    let error: Value = serde_json::from_str(properties["x_dasf_error"].as_str().unwrap()).unwrap();
    assert_eq!(
        error,
        json!({"code": "put_aside", "details": {"deaths": 2, "id": id}})
    );
    let told = text(&answer);
    assert!(told.starts_with("request put aside: "), "{told}");
    assert!(told.contains("2 times"), "{told}");

    // A link gets the same.
    let mut link = Link::open(&broker, "/ws/other").await;
    link.subscribe(ANSWERS, "").await;
    caller.leave().await;
    put_aside(&broker, &frame(8, &json!({})), "").await;
    let (header, payload) = link.message().await;
    assert_eq!(header["properties"]["requestContext"], "8");
    assert!(payload.starts_with(b"request put aside: "));
}

#[tokio::test]
async fn what_is_put_aside_is_listed_shown_sent_again_and_dropped() {
    let broker = start().await;
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
    let more = json!({"x_dasf_timeout_ms": 60_000, "x_dasf_repeated": 1, "own": "kept"});
    let id = put_aside(&broker, &frame(7, &more), "").await;
    let [dead] = &listed(&broker).await[..] else {
        panic!("not one")
    };
    for (key, expected) in [
        ("id", json!(id)),
        ("topic", json!("river")),
        ("subscription", json!("team")),
        ("function", json!("flood")),
        ("user", Value::Null),
        ("deaths", json!(2)),
        ("messages", json!(1)),
        ("age_seconds", json!(0)),
        ("response_topic", json!(ANSWERS)),
    ] {
        assert_eq!(dead[key], expected, "{key}");
    }
    let details = get(&broker, &format!("/api/dead/{id}")).await;
    assert_eq!(details["request"], r#"{"func_name":"flood","level":7}"#);
    assert_eq!(details["is_whole"], true);
    let attempts = details["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3);
    for attempt in attempts {
        let consumer = &attempt["consumer"];
        assert_eq!(
            (&consumer["module"], &consumer["host"]),
            (&json!("river"), &json!("lab"))
        );
        assert_eq!(
            (&consumer["process"], &attempt["end"]),
            (&json!(7), &json!("returned"))
        );
        assert!(attempt["ended"].is_string());
    }
    let begun = attempts.iter().map(|it| it["begun"].is_string());
    assert!(begun.eq([false, true, true]));
    let numbers = request(&broker, "GET", "/metrics", "").await.1;
    assert!(
        numbers.contains("dasf_broker_dead_requests 1\n"),
        "{numbers}"
    );
    assert!(
        numbers.contains("dasf_broker_messages_put_aside_total 1\n"),
        "{numbers}"
    );
    let reader = connect(&broker, "/ws/river/other").await;
    let topic = get(&broker, "/api/topics/river").await;
    assert_eq!(
        (&topic["dead_requests"], &topic["waiting_messages"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        get(&broker, "/api/topics").await["topics"][0]["dead_requests"],
        1
    );

    reader.leave().await;
    until(&broker, |it| it.connections == 0).await;

    let retry = format!("/api/dead/{id}/retry");
    assert_eq!(request(&broker, "GET", &retry, "").await.0, 405);
    let (status, body) = request(&broker, "POST", &retry, "").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
    let mut module = connect(&broker, &format!("/ws/river/team?{MODULE}")).await;
    let again = module.receive().await;
    assert_ne!(again["messageId"], json!(id));
    assert_eq!(again.get("redeliveryCount"), None, "it counts anew");
    assert_eq!(again["payload"], frame(7, &more)["payload"]);
    let expected = frame(7, &json!({"own": "kept"}));
    assert_eq!(again["properties"], expected["properties"]);
    let new_id = again["messageId"].as_str().unwrap();
    module.leave().await;
    let mut module = connect(&broker, &format!("/ws/river/team?{MODULE}")).await;
    for _ in 0..2 {
        let delivery = module.receive().await;
        assert_eq!(delivery["messageId"], new_id);
        module
            .send(json!({"type": "begun", "messageId": new_id}))
            .await;
        module.give_back(new_id).await;
    }
    until(&broker, |it| it.put_aside == 2).await;
    let drop = format!("/api/dead/{new_id}/drop");
    assert_eq!(request(&broker, "POST", &drop, "").await.0, 200);
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
    for gone in [retry, drop, format!("/api/dead/{id}")] {
        let method = if gone.ends_with(&id) { "GET" } else { "POST" };
        let (status, reason) = request(&broker, method, &gone, "").await;
        assert_eq!(status, 410, "{gone}: {reason}");
    }
}

/// Programs that speak only WebSockets use the same paths.
#[tokio::test]
async fn a_websocket_sees_and_changes_what_is_put_aside() {
    let broker = start().await;
    let ids = [
        put_aside(&broker, &frame(1, &json!({})), "").await,
        put_aside(&broker, &frame(2, &json!({})), "").await,
    ];
    let mut list = connect(&broker, "/api/dead").await;
    let page = list.receive().await;
    let found = page["dead"].as_array().unwrap().iter().map(|it| &it["id"]);
    assert!(found.eq(&ids));
    let page = get(&broker, "/api/dead?limit=1").await;
    assert_eq!(page["next"], ids[0]);
    let page = get(&broker, &format!("/api/dead?after={}", ids[0])).await;
    assert_eq!(page["dead"][0]["id"], ids[1]);
    let page = get(&broker, "/api/dead?topic=other").await;
    assert_eq!(page["dead"], json!([]));
    let mut one = connect(&broker, &format!("/api/dead/{}", ids[0])).await;
    assert_eq!(one.receive().await["deaths"], 2);
    for (id, action) in [(&ids[0], "retry"), (&ids[1], "drop")] {
        let path = format!("/api/dead/{id}/{action}");
        let done = connect(&broker, &path).await.receive().await;
        assert_eq!(done["id"], *id);
        assert_eq!(refusal(&broker, &path).await.0, 410);
    }
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
}

#[tokio::test]
async fn only_those_with_rights_see_and_change_what_is_put_aside() {
    let directory = TempDir::new().unwrap();
    let audit = directory.path().join("audit");
    let users = [
        ("ada", "call = [\"river\"]"),
        ("station", "serve = [\"river\"]"),
        ("watcher", "watch = [\"*\"]"),
        ("operator", "watch = [\"*\"]\nadmin = [\"*\"]"),
        ("admin", "admin = [\"*\"]"),
        (
            "other",
            "call = [\"lab\"]\nserve = [\"lab\"]\nwatch = [\"lab\"]",
        ),
    ];
    let broker = builder().config(config(&users, "")).audit_log(&audit);
    let broker = broker.start().await.unwrap();
    let ids = [
        put_aside(&broker, &frame(1, &json!({})), "station").await,
        put_aside(&broker, &frame(2, &json!({})), "station").await,
    ];
    let path = format!("/api/dead/{}", ids[0]);
    for (user, sees, reads) in [
        ("station", true, true),
        ("watcher", true, false),
        ("operator", true, true),
        ("ada", false, false),
        ("admin", false, false),
        ("other", false, false),
    ] {
        let (status, body) = request(&broker, "GET", "/api/dead", user).await;
        assert_eq!(status, 200, "{user}");
        let page: Value = serde_json::from_str(&body).unwrap();
        let count = page["dead"].as_array().unwrap().len();
        assert_eq!(count, if sees { 2 } else { 0 }, "{user}");
        let (status, body) = request(&broker, "GET", &path, user).await;
        assert_eq!(status, if sees { 200 } else { 410 }, "{user}");
        if sees {
            let details: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(details["user"], "ada");
            assert_eq!(details["request"].is_string(), reads, "{user}");
            assert_eq!(details["attempts"][0]["consumer"]["user"], "station");
        }
        if !reads {
            for action in ["retry", "drop"] {
                let (status, _) = request(&broker, "POST", &format!("{path}/{action}"), user).await;
                assert_eq!(status, if sees { 403 } else { 410 }, "{user}");
            }
        }
    }
    assert_eq!(request(&broker, "GET", "/api/dead", "wrong").await.0, 401);
    for (id, action, user) in [(&ids[0], "retry", "station"), (&ids[1], "drop", "operator")] {
        let path = format!("/api/dead/{id}/{action}");
        assert_eq!(request(&broker, "POST", &path, user).await.0, 200);
    }
    // The broker names the user of the request, not the one who sends it again.
    let mut module = open_as(&broker, "/ws/river/team", "station").await;
    let again = module.receive().await;
    assert_eq!(again["properties"]["x_dasf_user"], "ada");
    broker.shutdown().await;
    let log = fs::read_to_string(audit).unwrap();
    for (id, event, user) in [
        (&ids[0], "retried", "station"),
        (&ids[1], "dropped", "operator"),
    ] {
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut lines = lines.filter(|line| line["event"] == event);
        let line = lines.next().unwrap();
        assert_eq!(line["user"], user);
        assert_eq!(
            (&line["message_id"], &line["topic"]),
            (&json!(id), &json!("river"))
        );
        assert_eq!(lines.next(), None);
    }
}

#[tokio::test]
async fn the_oldest_requests_make_room_for_further_ones() {
    let broker = builder().max_dead_requests(2).start().await.unwrap();
    let mut ids = Vec::new();
    for context in 0..3 {
        ids.push(put_aside(&broker, &frame(context, &json!({})), "").await);
    }
    let left = async |broker: &Broker| -> Vec<Value> {
        let listed = listed(broker).await.into_iter();
        listed.map(|dead| dead["id"].clone()).collect()
    };
    assert_eq!(left(&broker).await, ids[1..]);
    assert_eq!(broker.statistics().dropped, 1);

    let broker = builder().max_dead_bytes(20_000).start().await.unwrap();
    let padding = json!({"padding": "x".repeat(12_000)});
    let mut ids = Vec::new();
    for context in 0..2 {
        ids.push(put_aside(&broker, &frame(context, &padding), "").await);
    }
    assert_eq!(left(&broker).await, ids[1..]);

    // All messages together have too much memory.
    let broker = builder().max_memory(600_000).start().await.unwrap();
    put_aside(
        &broker,
        &frame(0, &json!({"padding": "x".repeat(200_000)})),
        "",
    )
    .await;
    let _reader = connect(&broker, "/ws/lab/s").await;
    let mut producer = connect(&broker, "/ws/lab").await;
    for _ in 0..3 {
        producer.publish(&"x".repeat(100_000)).await;
        producer.publish(&"y".repeat(100_000)).await;
        if listed(&broker).await.is_empty() {
            break;
        }
    }
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_fragments_of_a_request_are_put_aside_together() {
    let broker = start().await;
    let mut caller = connect(&broker, &format!("/ws/{ANSWERS}/caller")).await;
    let request = json!({"func_name": "flood"}).to_string();
    let (first, second) = request.split_at(9);
    for (index, part) in [first, second].into_iter().enumerate() {
        let more = json!({"fragment": index, "num_fragments": 2, "x_dasf_request": "r"});
        let mut part_frame = frame(7, &more);
        part_frame["payload"] = json!(STANDARD.encode(part));
        put_aside(&broker, &part_frame, "").await;
    }
    let [dead] = &listed(&broker).await[..] else {
        panic!("not one")
    };
    assert_eq!((&dead["messages"], &dead["deaths"]), (&json!(2), &json!(2)));
    let id = dead["id"].as_str().unwrap();
    let details = get(&broker, &format!("/api/dead/{id}")).await;
    assert_eq!(details["request"], request);
    assert!(text(&caller.receive().await).starts_with("request put aside: "));
    let (status, _) = self::request(&broker, "POST", &format!("/api/dead/{id}/retry"), "").await;
    assert_eq!(status, 200);
    let mut module = connect(&broker, "/ws/river/team").await;
    for index in 0..2 {
        assert_eq!(module.receive().await["properties"]["fragment"], index);
    }
    // It has learned it once.
    connect(&broker, &format!("/ws/{ANSWERS}"))
        .await
        .publish("last")
        .await;
    caller.acknowledge("").await;
    caller.expect("last").await;
}

#[tokio::test]
async fn a_topic_without_dead_letters_keeps_nothing_and_tells_the_caller() {
    let settings = TopicSettings::default().dead_letters(false);
    let broker = builder()
        .topic_settings("river*", settings)
        .start()
        .await
        .unwrap();
    let mut caller = connect(&broker, &format!("/ws/{ANSWERS}/caller")).await;
    put_aside(&broker, &frame(7, &json!({})), "").await;
    assert!(text(&caller.receive().await).starts_with("request put aside: "));
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
    assert_eq!(broker.statistics().dropped, 1);
}

#[cfg(feature = "store")]
#[tokio::test]
async fn a_broker_that_is_started_again_keeps_what_is_put_aside() {
    let directory = TempDir::new().unwrap();
    let start = async || builder().data_dir(directory.path()).start().await.unwrap();
    let broker = start().await;
    let ids = [
        put_aside(&broker, &frame(1, &json!({})), "").await,
        put_aside(&broker, &frame(2, &json!({})), "").await,
    ];
    let before = get(&broker, &format!("/api/dead/{}", ids[0])).await;
    broker.shutdown().await;
    let broker = start().await;
    let mut after = get(&broker, &format!("/api/dead/{}", ids[0])).await;
    after["age_seconds"] = before["age_seconds"].clone();
    assert_eq!(after, before);
    assert_eq!(listed(&broker).await.len(), 2);
    let mut module = connect(&broker, "/ws/river/new").await;
    connect(&broker, "/ws/river").await.publish("only").await;
    module.read("only").await;
    for (id, action) in [(&ids[0], "retry"), (&ids[1], "drop")] {
        let path = format!("/api/dead/{id}/{action}");
        assert_eq!(request(&broker, "POST", &path, "").await.0, 200);
    }
    until(&broker, |it| it.acknowledged == 1).await;
    let again = module.receive().await;
    module
        .acknowledge(again["messageId"].as_str().unwrap())
        .await;
    until(&broker, |it| it.acknowledged == 2).await;
    drop(module);
    broker.shutdown().await;

    let broker = start().await;
    assert_eq!(listed(&broker).await, [] as [Value; 0]);
    let mut module = connect(&broker, "/ws/river/next").await;
    connect(&broker, "/ws/river").await.publish("last").await;
    module.read("last").await;
    broker.shutdown().await;
}

/// The second version of the tables has no columns for it.
#[cfg(feature = "store")]
#[tokio::test]
async fn a_data_directory_of_the_version_before_is_upgraded() {
    let directory = TempDir::new().unwrap();
    let start = async || builder().data_dir(directory.path()).start().await.unwrap();
    let broker = start().await;
    connect(&broker, "/ws/river").await.publish("waits").await;
    broker.shutdown().await;
    let database = rusqlite::Connection::open(directory.path().join("messages.sqlite")).unwrap();
    database
        .execute_batch(
            "ALTER TABLE queue DROP COLUMN dead; ALTER TABLE queue DROP COLUMN hold;
            ALTER TABLE message DROP COLUMN keep; ALTER TABLE history DROP COLUMN attempts;
            PRAGMA user_version = 2;",
        )
        .unwrap();
    drop(database);
    let broker = start().await;
    let mut module = connect(&broker, "/ws/river/team").await;
    module.read("waits").await;
    until(&broker, |it| it.acknowledged == 1).await;
    drop(module);
    put_aside(&broker, &frame(1, &json!({})), "").await;
    broker.shutdown().await;
    assert_eq!(listed(&start().await).await.len(), 1);
}
