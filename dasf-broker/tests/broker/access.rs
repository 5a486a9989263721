//! Users, their tokens and their rights.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dasf_broker::{Broker, Config, ConfigError, StartError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::link::Link;
use crate::support::{PATIENCE, Peer, builder, connect, http, refusal, refusal_of, start, until};

/// The rights of some users. The token of each is his name.
const USERS: &[(&str, &str)] = &[
    ("caller", r#"call = ["river"]"#),
    ("other-caller", r#"call = ["river"]"#),
    ("module", r#"serve = ["river"]"#),
    ("both", "call = [\"river\"]\nserve = [\"river\"]"),
    ("everything", "call = [\"*\"]\nserve = [\"*\"]"),
    ("watcher", r#"watch = ["*"]"#),
    ("admin", r#"admin = ["*"]"#),
    ("stranger", r#"call = ["lab"]"#),
    ("river-watcher", r#"watch = ["river"]"#),
    ("river-admin", r#"admin = ["river"]"#),
];

pub(crate) fn text_of(users: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, rights) in users {
        let hash = Sha256::digest(name.as_bytes());
        let digits = hash.iter().fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").unwrap();
            digits
        });
        writeln!(
            text,
            "[users.{name}]\n{rights}\ntokens = [{{ sha256 = \"{digits}\" }}]"
        )
        .unwrap();
    }
    text
}

pub(crate) fn config(users: &[(&str, &str)], more: &str) -> Config {
    (text_of(users) + more).parse().unwrap()
}

pub(crate) async fn start_with(users: &[(&str, &str)], more: &str) -> Broker {
    builder().config(config(users, more)).start().await.unwrap()
}

/// How a peer shows its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Header,
    Query,
    Subprotocol,
}

pub(crate) const WAYS: [Way; 3] = [Way::Header, Way::Query, Way::Subprotocol];

/// A successful handshake has this status.
pub(crate) const ACCEPTED: u16 = 101;

/// Returns the subprotocols that a page offers to show a token.
fn offered_with(token: &str) -> String {
    format!("dasf, dasf-token.{}", URL_SAFE_NO_PAD.encode(token))
}

/// Connects with a token. An empty one is not shown.
pub(crate) async fn open(
    broker: &Broker,
    path: &str,
    token: &str,
    way: Way,
    asks_for_link: bool,
) -> Result<(Peer, HeaderMap), (u16, String)> {
    let mut url = format!("ws://{}{path}", broker.local_addr());
    if way == Way::Query && !token.is_empty() {
        let separator = if path.contains('?') { '&' } else { '?' };
        write!(url, "{separator}token={token}").unwrap();
    }
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    if asks_for_link {
        headers.insert("dasf-link", "1".parse().unwrap());
    }
    match way {
        _ if token.is_empty() => {}
        Way::Header => {
            let value = format!("Token {token}").parse().unwrap();
            headers.insert("authorization", value);
        }
        Way::Subprotocol => {
            let offered = offered_with(token).parse().unwrap();
            headers.insert("sec-websocket-protocol", offered);
        }
        Way::Query => {}
    }
    match timeout(PATIENCE, connect_async(request)).await.unwrap() {
        Ok((socket, response)) => Ok((Peer(socket), response.into_parts().0.headers)),
        Err(Error::Http(response)) => Err(refusal_of(*response)),
        Err(error) => panic!("{path}: {error}"),
    }
}

pub(crate) async fn socket(broker: &Broker, path: &str, token: &str) -> Peer {
    match open(broker, path, token, Way::Header, false).await {
        Ok((peer, _)) => peer,
        Err(refusal) => panic!("{path} {token}: {refusal:?}"),
    }
}

pub(crate) async fn link(broker: &Broker, token: &str) -> Link {
    match open(broker, "/ws/any", token, Way::Header, true).await {
        Ok((peer, _)) => Link(peer),
        Err(refusal) => panic!("{token}: {refusal:?}"),
    }
}

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Reads the requests of `river`.
    ReadRequests,
    /// Sends a request to `river`.
    SendRequest,
    /// Asks who serves `river`.
    Ask,
    /// Reads a response topic of its own.
    ReadAnswers,
    /// Reads the response topic of somebody else.
    ReadAnswersOfOthers,
    /// Answers somebody else.
    Answer,
}

use Action::{Answer, Ask, ReadAnswers, ReadAnswersOfOthers, ReadRequests, SendRequest};

const ACTIONS: [Action; 6] = [
    ReadRequests,
    SendRequest,
    Ask,
    ReadAnswers,
    ReadAnswersOfOthers,
    Answer,
];

const OTHERS_ANSWERS: &str = "river_QY1vPqzJ0000";

impl Action {
    /// Returns the topic, and the type of the message that the peer sends.
    fn of(self) -> (String, Option<&'static str>) {
        match self {
            ReadRequests => ("river".to_owned(), None),
            SendRequest => ("river".to_owned(), Some("request")),
            Ask => ("river".to_owned(), Some("ping")),
            ReadAnswers => (format!("river_{:016x}", fastrand::u64(..)), None),
            ReadAnswersOfOthers => (OTHERS_ANSWERS.to_owned(), None),
            Answer => (OTHERS_ANSWERS.to_owned(), Some("response")),
        }
    }
}

/// Returns the status of an action on a socket of its topic.
async fn try_on_socket(broker: &Broker, token: &str, way: Way, action: Action) -> u16 {
    let (topic, message) = action.of();
    let path = match message {
        Some(_) => format!("/ws/{topic}"),
        None => format!("/ws/{topic}/{token}"),
    };
    let mut peer = match open(broker, &path, token, way, false).await {
        Ok((peer, _)) => peer,
        Err((status, _)) => return status,
    };
    let Some(message) = message else {
        return ACCEPTED;
    };
    let frame = json!({"payload": "", "context": 1, "properties": {"messageType": message}});
    peer.send(frame).await;
    status_of(&peer.receive().await["result"])
}

/// Returns the status of an action on a link.
async fn try_on_link(broker: &Broker, token: &str, way: Way, action: Action) -> u16 {
    let (topic, message) = action.of();
    let mut link = match open(broker, "/ws/any", token, way, true).await {
        Ok((peer, _)) => Link(peer),
        Err((status, _)) => return status,
    };
    let Some(message) = message else {
        let answer = link.subscribe(&topic, "").await;
        return match answer["type"].as_str() {
            Some("subscribed") => ACCEPTED,
            _ => answer["status"].as_u64().unwrap().try_into().unwrap(),
        };
    };
    let properties = json!({"messageType": message});
    let publish =
        json!({"type": "publish", "topic": topic, "context": 1, "properties": properties});
    link.send(&publish, b"").await;
    link.send(&json!({"type": "confirm"}), b"").await;
    let (answer, _) = link.next().await;
    match answer["type"].as_str() {
        Some("accepted") => ACCEPTED,
        Some("refused") => status_of(&answer["reason"]),
        _ => panic!("{answer}"),
    }
}

/// Returns the status that a receipt stands for.
fn status_of(result: &Value) -> u16 {
    match result.as_str().unwrap() {
        "ok" => ACCEPTED,
        reason if reason.contains("lacks the right") => 403,
        reason => panic!("{reason}"),
    }
}

/// What a person or a program sees of the broker, or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// The list of topics, with `river`.
    List,
    /// Who listens to `river`.
    Listeners,
    /// The status page of `river`.
    Status,
    /// The page that asks for the status of `river`.
    Ping,
    /// The numbers of the broker.
    Metrics,
    /// The broker reads its configuration again.
    Reload,
}

use Page::{List, Listeners, Metrics, Ping, Reload, Status};

const PAGES: [Page; 6] = [List, Listeners, Status, Ping, Metrics, Reload];

impl Page {
    /// Returns the method, the path and the status with which the broker shows the page.
    fn of(self) -> (&'static str, &'static str, u16) {
        match self {
            List => ("GET", LIST, 200),
            Listeners => ("GET", "/api/topics/river", 200),
            Status => ("GET", "/river/status/", 200),
            Ping => ("GET", "/river/ping/", 302),
            // The broker may lack the metrics; it checks the right in any case.
            Metrics if cfg!(not(feature = "metrics")) => ("GET", "/metrics", 404),
            Metrics => ("GET", "/metrics", 200),
            Reload => ("POST", "/api/reload", 200),
        }
    }
}

const LIST: &str = "/api/topics";

/// Everybody with a token may ask for the list, which contains the topics that he may watch.
fn status_of_list(page: &Value) -> u16 {
    let mut topics = page["topics"].as_array().unwrap().iter();
    match topics.any(|topic| topic["topic"] == "river") {
        true => 200,
        false => 403,
    }
}

/// Returns the status of a page.
async fn try_page(broker: &Broker, token: &str, way: Way, page: Page) -> u16 {
    let (method, path, _) = page.of();
    match ask(broker, method, path, token, way).await {
        (200, text) if page == List => status_of_list(&serde_json::from_str(&text).unwrap()),
        (status, _) => status,
    }
}

/// Returns the status of the list of topics on a WebSocket.
async fn try_list_on_socket(broker: &Broker, token: &str, way: Way) -> u16 {
    match open(broker, LIST, token, way, false).await {
        Ok((mut peer, _)) => status_of_list(&peer.receive().await),
        Err((status, _)) => status,
    }
}

#[tokio::test]
async fn every_role_may_do_what_its_rights_say_on_every_way_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    std::fs::write(&path, text_of(USERS)).unwrap();
    let broker = builder().config_file(&path).start().await.unwrap();
    let _listener = socket(&broker, "/ws/river/listener", "module").await;
    let _owner = socket(&broker, &format!("/ws/{OTHERS_ANSWERS}/s"), "other-caller").await;
    let of_river = &[List, Listeners, Status, Ping][..];
    for (token, allowed, shown) in [
        ("caller", &[SendRequest, Ask, ReadAnswers][..], &[][..]),
        ("module", &[ReadRequests, Ask, ReadAnswers, Answer], &[]),
        (
            "both",
            &[ReadRequests, SendRequest, Ask, ReadAnswers, Answer],
            &[],
        ),
        (
            "everything",
            &[ReadRequests, SendRequest, Ask, ReadAnswers, Answer],
            &[],
        ),
        ("watcher", &[], &[List, Listeners, Status, Ping, Metrics]),
        ("river-watcher", &[], of_river),
        ("admin", &[], &[Reload]),
        ("river-admin", &[], &[]),
        ("stranger", &[], &[]),
        ("", &[], &[]),
        ("wrong", &[], &[]),
    ] {
        let refused = match token {
            "" | "wrong" => 401,
            _ => 403,
        };
        for action in ACTIONS {
            let expected = match allowed.contains(&action) {
                true => ACCEPTED,
                false => refused,
            };
            for way in WAYS {
                let status = try_on_socket(&broker, token, way, action).await;
                assert_eq!(status, expected, "socket: {token} {action:?} {way:?}");
                let status = try_on_link(&broker, token, way, action).await;
                assert_eq!(status, expected, "link: {token} {action:?} {way:?}");
            }
        }
        for page in PAGES {
            let expected = match shown.contains(&page) {
                true => page.of().2,
                false => refused,
            };
            for way in WAYS {
                let status = try_page(&broker, token, way, page).await;
                assert_eq!(status, expected, "page: {token} {page:?} {way:?}");
                if page == List {
                    let status = try_list_on_socket(&broker, token, way).await;
                    assert_eq!(status, expected, "list on a socket: {token} {way:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_which_right_is_missing() {
    let broker = start_with(USERS, "").await;
    let refused =
        async |path: &str, token| match open(&broker, path, token, Way::Header, false).await {
            Ok(_) => panic!("{path} {token}"),
            Err(refusal) => refusal,
        };
    let (status, text) = refused("/ws/river/s", "caller").await;
    assert_eq!(status, 403);
    assert_eq!(
        text,
        "the user 'caller' lacks the right 'serve' for the topic 'river'\n"
    );
    let (_, text) = refused("/ws/river", "stranger").await;
    assert_eq!(
        text,
        "the user 'stranger' lacks the right 'call' for the topic 'river'\n"
    );
    let (_, text) = refused("/ws/river_0123456789/s", "stranger").await;
    assert_eq!(
        text,
        "the user 'stranger' lacks the right 'call' for the topic 'river'\n"
    );
    let (status, text) = refused("/ws/river", "").await;
    assert_eq!(status, 401);
    assert!(
        text.contains("dasf-token") && text.contains("authorization: Token"),
        "{text}"
    );
    let (status, text) = refused("/ws/river", "wrong").await;
    assert_eq!((status, &*text), (401, "the token is wrong\n"));
    assert_eq!(broker.statistics().topics, 0);
}

#[tokio::test]
async fn a_page_sends_its_token_as_a_subprotocol() {
    let broker = start_with(USERS, "").await;
    for (way, expected) in [(Way::Subprotocol, Some("dasf")), (Way::Header, None)] {
        let opened = open(&broker, "/ws/river", "caller", way, false).await;
        let (_, headers) = opened.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let chosen = headers.get("sec-websocket-protocol");
        assert_eq!(chosen.map(|it| it.to_str().unwrap()), expected);
        assert_eq!(
            headers["dasf-features"],
            concat!(
                "shared-subscriptions, begun-count, link, users, version=",
                env!("CARGO_PKG_VERSION")
            )
        );
    }
    let guarded = builder().token("secret").start().await.unwrap();
    for path in ["/ws/river", LIST] {
        let opened = open(&guarded, path, "secret", Way::Subprotocol, false).await;
        let (_, headers) = opened.unwrap_or_else(|refusal| panic!("{path} {refusal:?}"));
        // A browser closes a connection whose answer names no subprotocol.
        assert_eq!(headers["sec-websocket-protocol"], "dasf", "{path}");
    }
}

#[tokio::test]
async fn somebody_without_a_token_comes_in_where_the_file_names_him() {
    let broker = start_with(USERS, "[anonymous]\ncall = [\"demo\"]").await;
    let mut module = socket(&broker, "/ws/demo/s", "everything").await;
    let mut caller = connect(&broker, "/ws/demo").await;
    caller.publish("one").await;
    let delivery = module.receive().await;
    assert_eq!(delivery["properties"], json!({}));
    let (status, text) = refusal(&broker, "/ws/river").await;
    assert_eq!(status, 403);
    assert_eq!(
        text,
        "a peer without a token lacks the right 'call' for the topic 'river'\n"
    );
    // A wrong token is a mistake.
    let (status, _) = refusal(&broker, "/ws/demo?token=wrong").await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_broker_has_a_token_or_users() {
    let started = builder()
        .token("secret")
        .config(config(USERS, ""))
        .start()
        .await;
    assert!(matches!(started, Err(StartError::TokenAndUsers)));
    let started = builder().config_file("/no/such/file").start().await;
    assert!(matches!(started, Err(StartError::Config(_))));
}

fn response(payload: &str) -> Value {
    let properties = json!({"messageType": "response", "requestContext": "1"});
    json!({"payload": payload, "context": "1", "properties": properties})
}

/// An attack: somebody who may call the same module reads the answers of another caller.
#[tokio::test]
async fn nobody_reads_the_answers_of_somebody_else() {
    let broker = start_with(USERS, "").await;
    let topic = "river_QY1vPqzJ";
    let path = format!("/ws/{topic}/s");
    let mut answers = socket(&broker, &path, "caller").await;
    let mut module = socket(&broker, &format!("/ws/{topic}"), "module").await;
    let attack = async || {
        for token in ["other-caller", "module", "both", "everything"] {
            for path in [format!("/ws/{topic}/s"), format!("/ws/{topic}/other")] {
                let refused = open(&broker, &path, token, Way::Header, false).await;
                let (status, text) = refused.err().unwrap();
                assert_eq!(status, 403, "{token}");
                assert!(text.contains("belongs to somebody else"), "{text}");
            }
            let answer = link(&broker, token).await.subscribe(topic, "").await;
            assert_eq!(answer["status"], 403, "{token} {answer}");
        }
    };
    attack().await;
    module.send(response("one")).await;
    assert_eq!(module.receive().await["result"], "ok");
    answers.read("one").await;
    // Neither while the caller is away, though the topic is gone.
    answers.leave().await;
    module.leave().await;
    until(&broker, |it| it.topics == 0).await;
    attack().await;
    let mut module = socket(&broker, &format!("/ws/{topic}"), "module").await;
    module.send(response("two")).await;
    assert_eq!(module.receive().await["result"], "ok");
    attack().await;
    let mut answers = socket(&broker, &path, "caller").await;
    answers.read("two").await;
}

/// An attack: somebody sends a caller an answer in place of the module.
#[tokio::test]
async fn only_a_module_answers() {
    let broker = start_with(USERS, "").await;
    let topic = "river_QY1vPqzJ";
    let mut answers = link(&broker, "caller").await;
    assert_eq!(answers.subscribe(topic, "").await["type"], "subscribed");
    let path = format!("/ws/{topic}");
    for token in ["other-caller", "caller", "stranger", "watcher"] {
        let opened = open(&broker, &path, token, Way::Header, false).await;
        // The caller may send notes about its jobs to its own topic, but nothing else.
        let expected = (token != "caller").then_some(403);
        assert_eq!(opened.err().map(|it| it.0), expected, "{token}");
        let mut link = link(&broker, token).await;
        link.publish(topic, b"forged").await;
        let (answer, _) = link.next().await;
        assert_eq!(answer["type"], "refused", "{token}");
    }
    let mut forger = socket(&broker, &path, "caller").await;
    forger.send(response("forged")).await;
    assert_ne!(forger.receive().await["result"], "ok");
    let mut module = link(&broker, "module").await;
    module.publish(topic, b"true").await;
    let (header, payload) = answers.message().await;
    assert_eq!(payload, b"true");
    // The caller learns nothing of the user who runs the module.
    assert_eq!(header["properties"], json!({"messageType": "request"}));
}

/// An attack: somebody reads the requests of a module.
#[tokio::test]
async fn nobody_takes_the_requests_of_a_module() {
    let users = [
        ("caller", "call = [\"*\"]"),
        ("module", "serve = [\"*\"]"),
        ("named", "serve = [\"lake_Basin2026\"]"),
    ];
    let broker = start_with(&users, "").await;
    let refused = async |path: &str| {
        let opened = open(&broker, path, "caller", Way::Header, false).await;
        assert_eq!(opened.err().map(|it| it.0), Some(403), "{path}");
    };
    refused("/ws/river/s").await;
    // The name of the topic could be that of a response topic.
    let mut module = socket(&broker, "/ws/soil_moisture/s", "module").await;
    refused("/ws/soil_moisture/s").await;
    let mut caller = socket(&broker, "/ws/soil_moisture", "caller").await;
    caller.publish("one").await;
    module.read("one").await;
    // Requests that wait for the module are no answers.
    let mut caller = socket(&broker, "/ws/snow_coverage", "caller").await;
    caller.publish("two").await;
    refused("/ws/snow_coverage/s").await;
    socket(&broker, "/ws/snow_coverage/s", "module")
        .await
        .read("two")
        .await;
    // The configuration names the topic.
    refused("/ws/lake_Basin2026/s").await;
    socket(&broker, "/ws/lake_Basin2026/s", "named").await;
}

/// An attack: dead letters go where their consumer may not send.
#[tokio::test]
async fn dead_letters_go_to_topics_that_their_consumer_serves() {
    let users = [
        ("module", "serve = [\"river\", \"lost\"]"),
        ("caller", "call = [\"lab\"]"),
    ];
    let broker = start_with(&users, "").await;
    for (query, expected) in [
        ("maxRedeliverCount=1", ACCEPTED),
        ("maxRedeliverCount=1&deadLetterTopic=lost", ACCEPTED),
        ("maxRedeliverCount=1&deadLetterTopic=lab", 403),
    ] {
        let path = format!("/ws/river/s?{query}");
        let opened = open(&broker, &path, "module", Way::Header, false).await;
        assert_eq!(
            opened.map_or_else(|it| it.0, |_| ACCEPTED),
            expected,
            "{query}"
        );
        let answer = link(&broker, "module")
            .await
            .subscribe("river", query)
            .await;
        let status = answer["status"].as_u64().unwrap_or(u64::from(ACCEPTED));
        assert_eq!(status, u64::from(expected), "{query}");
    }
}

#[tokio::test]
async fn a_module_has_a_topic_of_its_own_for_callers() {
    let broker = start_with(USERS, "").await;
    for owner in ["module", "both"] {
        let topic = format!("river_{:016X}", fastrand::u64(..));
        let mut inbox = link(&broker, owner).await;
        assert_eq!(inbox.subscribe(&topic, "").await["type"], "subscribed");
        for (token, message, is_accepted) in [
            ("caller", "request", true),
            ("caller", "pong", true),
            ("caller", "response", false),
            ("caller", "fetch", false),
            ("caller", "ping", true),
            ("caller", "progress", false),
            ("stranger", "request", false),
            ("everything", "response", true),
        ] {
            let mut link = link(&broker, token).await;
            let properties = json!({"messageType": message});
            let publish =
                json!({"type": "publish", "topic": topic, "context": 1, "properties": properties});
            link.send(&publish, b"").await;
            link.send(&json!({"type": "confirm"}), b"").await;
            let expected = if is_accepted { "accepted" } else { "refused" };
            let (answer, _) = link.next().await;
            assert_eq!(answer["type"], expected, "{owner} {token} {message}");
            if is_accepted {
                let (header, _) = inbox.message().await;
                assert_eq!(header["properties"]["x_dasf_user"], token);
            }
        }
    }
}

#[tokio::test]
async fn a_request_tells_who_has_sent_it() {
    let groups = "[groups.a]\n[groups.b]\n";
    let users = [
        ("caller", "call = [\"river\"]"),
        ("member", "groups = [\"a\", \"b\"]\ncall = [\"river\"]"),
        ("module", "serve = [\"river\"]"),
    ];
    let broker = start_with(&users, groups).await;
    let mut module = socket(&broker, "/ws/river/s", "module").await;
    let mut stamps = Vec::new();
    for token in ["caller", "member"] {
        let mut producer = socket(&broker, "/ws/river", token).await;
        producer.publish("one").await;
        producer.send(json!({"payload": "two", "context": 1})).await;
        assert_eq!(producer.receive().await["result"], "ok");
        let mut link = link(&broker, token).await;
        link.publish("river", b"three").await;
        for _ in 0..3 {
            let delivery = module.receive().await;
            let properties = &delivery["properties"];
            stamps.push((
                properties["x_dasf_user"].clone(),
                properties["x_dasf_groups"].clone(),
            ));
            let id = delivery["messageId"].as_str().unwrap().to_owned();
            module.acknowledge(&id).await;
        }
    }
    let caller = (json!("caller"), Value::Null);
    let member = (json!("member"), json!("a,b"));
    assert_eq!(stamps[..3], [caller.clone(), caller.clone(), caller]);
    assert_eq!(stamps[3..], [member.clone(), member.clone(), member]);
}

/// An attack: somebody pretends to be a user.
#[tokio::test]
async fn nobody_writes_the_stamp_himself() {
    let with_users = start_with(USERS, "").await;
    let without = start().await;
    let forged = [
        r#"{"x_dasf_user":"admin"}"#,
        r#"{"x_dasf_groups":"operators"}"#,
        r#"{"x_dasf_\u0075ser":"admin"}"#,
        r#"{"a":1,"x_dasf_user":null,"x_dasf_user":"admin"}"#,
        r#"{"\ud800":1,"x_dasf_user":"admin"}"#,
    ];
    for broker in [&with_users, &without] {
        let mut producer = socket(broker, "/ws/river", "caller").await;
        let mut link = link(broker, "caller").await;
        for properties in forged {
            let frame = format!(r#"{{"payload":"","context":1,"properties":{properties}}}"#);
            producer.send(frame).await;
            let receipt = producer.receive().await;
            assert!(
                receipt["result"]
                    .as_str()
                    .unwrap()
                    .contains("the properties"),
                "{receipt}"
            );
            let header = format!(
                r#"{{"type":"publish","topic":"river","context":"1","properties":{properties}}}"#
            );
            assert!(link.try_send_text(&header, b"").await);
            // The broker may confirm earlier messages, refused ones included.
            let answer = loop {
                let (answer, _) = link.next().await;
                if answer["type"] != "accepted" {
                    break answer;
                }
            };
            assert_eq!(answer["type"], "refused", "{properties}");
        }
        producer.publish("good").await;
        link.publish("river", b"good").await;
    }
}

#[tokio::test]
async fn a_lost_right_ends_what_it_allowed() {
    let broker = start_with(USERS, "").await;
    let requests = socket(&broker, "/ws/river/s", "module").await;
    let sender = socket(&broker, "/ws/river", "caller").await;
    let mut kept = socket(&broker, "/ws/river/kept", "both").await;
    let mut on_link = link(&broker, "module").await;
    assert_eq!(on_link.subscribe("river", "").await["type"], "subscribed");
    let answers = on_link.subscribe("river_QY1vPqzJ", "").await;
    assert_eq!(answers["type"], "subscribed");
    let gone = link(&broker, "other-caller").await;

    let mut users = USERS.to_vec();
    users.retain(|(name, _)| *name != "other-caller");
    for user in &mut users {
        match user.0 {
            "module" => user.1 = "call = [\"river\"]",
            "caller" => user.1 = "call = [\"lab\"]",
            _ => {}
        }
    }
    let refused = broker.set_config("".parse().unwrap()).unwrap_err();
    assert!(matches!(refused, ConfigError::NoUsers), "{refused}");
    let changed = broker.set_config(config(&users, "")).unwrap();
    assert_eq!(changed, ["caller", "module", "other-caller"]);

    for (peer, right) in [(requests, "serve"), (sender, "call")] {
        // The broker pings a connection that stays.
        let closed = timeout(PATIENCE, peer.closed()).await.unwrap();
        assert_eq!(closed.code, CloseCode::Policy);
        assert!(closed.reason.contains(right), "{}", closed.reason);
    }
    let closed = timeout(PATIENCE, gone.closed()).await.unwrap();
    assert_eq!(closed.code, CloseCode::Policy);
    assert!(closed.reason.contains("other-caller"), "{}", closed.reason);
    let (header, _) = on_link.next().await;
    assert_eq!(header["type"], "unsubscribed");
    assert_eq!(
        (&header["topic"], &header["status"]),
        (&json!("river"), &json!(403))
    );
    // The link stays, with its other topics, and sends with its new rights.
    on_link.publish("river", b"one").await;
    let delivery = kept.receive().await;
    assert_eq!(delivery["properties"]["x_dasf_user"], "module");
}

/// Returns a time as TOML, in seconds since 1970.
fn toml_time(seconds: u64) -> String {
    let day = seconds / 86_400 + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let expires = format!("expires = {}", toml_time(now + 4));
    let text = text_of(&USERS[..1]).replace(" }]", &format!(", {expires} }}]"));
    let config: Config = text.parse().unwrap();
    let broker = builder().config(config).start().await.unwrap();
    let peer = socket(&broker, "/ws/river", "caller").await;
    let closed = timeout(PATIENCE, peer.closed()).await.unwrap();
    assert_eq!(closed.code, CloseCode::Policy);
    let opened = open(&broker, "/ws/river", "caller", Way::Header, false).await;
    let (status, text) = opened.err().unwrap();
    assert_eq!(status, 401);
    assert!(text.contains("the token has expired"), "{text}");
}

#[tokio::test]
async fn a_changed_file_has_an_effect_when_it_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    std::fs::write(&path, text_of(&USERS[..1])).unwrap();
    let broker = builder().config_file(&path).start().await.unwrap();
    let status = async |token| {
        let opened = open(&broker, "/ws/river", token, Way::Header, false).await;
        opened.map_or_else(|it| it.0, |_| ACCEPTED)
    };
    assert_eq!(
        (status("caller").await, status("both").await),
        (ACCEPTED, 401)
    );
    std::fs::write(&path, "[users.caller]\ncals = []").unwrap();
    let error = broker.reload().unwrap_err().to_string();
    assert!(
        error.contains("broker.toml: line 2") && error.contains("cals"),
        "{error}"
    );
    assert_eq!(
        (status("caller").await, status("both").await),
        (ACCEPTED, 401)
    );
    std::fs::write(&path, text_of(&USERS[3..4])).unwrap();
    assert_eq!(broker.reload().unwrap(), ["both", "caller"]);
    assert_eq!(
        (status("caller").await, status("both").await),
        (401, ACCEPTED)
    );
}

/// Returns the status and the text with which the broker answers a request without a WebSocket. An empty
/// token is not shown.
async fn ask(broker: &Broker, method: &str, path: &str, token: &str, way: Way) -> (u16, String) {
    let (query, header) = match way {
        _ if token.is_empty() => (String::new(), String::new()),
        Way::Header => (String::new(), format!("authorization: Token {token}\r\n")),
        Way::Query => (format!("?token={token}"), String::new()),
        Way::Subprotocol => {
            let offered = offered_with(token);
            (
                String::new(),
                format!("sec-websocket-protocol: {offered}\r\n"),
            )
        }
    };
    let request = format!(
        "{method} {path}{query} HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n"
    );
    let answer = http(broker, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) async fn reload(broker: &Broker, token: &str) -> (u16, String) {
    ask(broker, "POST", "/api/reload", token, Way::Header).await
}

#[tokio::test]
async fn an_admin_makes_the_broker_read_its_file_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    std::fs::write(&path, text_of(USERS)).unwrap();
    let broker = builder().config_file(&path).start().await.unwrap();
    std::fs::write(&path, text_of(&USERS[4..])).unwrap();
    for (token, expected) in [
        ("", 401),
        ("wrong", 401),
        ("watcher", 403),
        ("everything", 403),
    ] {
        assert_eq!(reload(&broker, token).await.0, expected, "{token}");
    }
    let (status, text) = reload(&broker, "admin").await;
    assert_eq!(
        (status, &*text),
        (200, "changed users: both, caller, module, other-caller\n")
    );
    std::fs::write(&path, "[users.admin]\nadmins = []").unwrap();
    let (status, text) = reload(&broker, "admin").await;
    assert!(status == 422 && text.contains("admins"), "{status} {text}");
    let without_file = start_with(USERS, "").await;
    assert_eq!(reload(&without_file, "admin").await.0, 409);
}

#[cfg(feature = "store")]
#[tokio::test]
async fn a_kept_answer_stays_with_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = builder()
            .data_dir(directory.path())
            .config(config(USERS, ""));
        builder.start().await.unwrap()
    };
    let topic = "river_QY1vPqzJ";
    let broker = start().await;
    let answers = socket(&broker, &format!("/ws/{topic}/s"), "caller").await;
    let requests = socket(&broker, "/ws/river/s", "module").await;
    let mut module = socket(&broker, &format!("/ws/{topic}"), "module").await;
    module.send(response("one")).await;
    assert_eq!(module.receive().await["result"], "ok");
    drop((answers, requests));
    broker.shutdown().await;

    let broker = start().await;
    let refused = open(
        &broker,
        &format!("/ws/{topic}/s"),
        "other-caller",
        Way::Header,
        false,
    )
    .await;
    assert_eq!(refused.err().unwrap().0, 403);
    let mut answers = socket(&broker, &format!("/ws/{topic}/s"), "caller").await;
    answers.read("one").await;
    socket(&broker, "/ws/river/s", "module").await;
    broker.shutdown().await;
}
