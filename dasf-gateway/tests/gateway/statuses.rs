//! Each status of the table in the documentation.

use std::time::Duration;

use dasf_broker::Broker;
use dasf_examples::{arithmetic, reference};
use dasf_gateway::{Gateway, Options};
use dasf_runtime::Address;
use dasf_test_support::slow_module::{noted, slow};
use dasf_test_support::{broker_builder, listen_at, soon};
use serde_json::json;

use crate::http::Request;
use crate::support::{Served, gateway, gateway_at, gateway_with};

async fn with_reference() -> (Served, dasf::Host) {
    let served = gateway().await;
    let host = served
        .listen("reference", reference::module().unwrap())
        .await;
    (served, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_are_not_valid_have_status_400() {
    let (served, _host) = with_reference().await;
    for (path, body, errors) in [
        (
            "/api/reference/add",
            json!({"a": "x", "b": 0.5}),
            json!([
                {"path": "/a", "detail": "\"x\" is not of type \"integer\""},
                {"path": "/b", "detail": "0.5 is not of type \"integer\""},
            ]),
        ),
        (
            "/api/reference/add",
            json!({}),
            json!([{"path": "/a", "detail": "is required"}]),
        ),
        (
            "/api/reference/area",
            json!({"points": [{"x": 1, "y": 2}, {"y": 1}], "scale": "big"}),
            json!([
                {"path": "/points/1/x", "detail": "is required"},
                {"path": "/scale", "detail": "\"big\" is not of type \"number\""},
            ]),
        ),
        (
            "/api/reference/sqrt",
            json!({"a": 4, "bb": 1}),
            json!([{"path": "/bb", "detail": "sqrt has no argument \"bb\"; its argument is a"}]),
        ),
        (
            "/api/reference/Greeter/twice",
            json!({"greeting": 5, "times": "x"}),
            json!([
                {"path": "/greeting", "detail": "5 is not of type \"string\""},
                {"path": "/name", "detail": "is required"},
                {"path": "/times", "detail": "\"x\" is not of type \"integer\""},
            ]),
        ),
    ] {
        let answer = served.post(path, &body).await;
        answer.problem(400);
        assert_eq!(answer.json()["errors"], errors, "{path}");
    }
    for body in ["{", "[1]", "5", r#"{"a": 1, "a": 2}"#] {
        let request = served.request("POST", "/api/reference/add").body(body);
        request.send().await.problem(400);
    }
    for header in [
        ("prefer", "wait=soon"),
        ("keep", "x"),
        ("idempotency-key", ""),
    ] {
        let request = served.json("/api/reference/add", &json!({"a": 1}));
        request.header(header.0, header.1).send().await.problem(400);
    }
}

/// The tokens are `secret` and `secret2`.
const CONFIG: &str = r#"
    [users.station]
    serve = ["guarded", "arithmetic"]
    tokens = [{ sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" }]
    [users.ada]
    call = ["arithmetic"]
    tokens = [{ sha256 = "35224d0d3465d74e855f8d69a136e79c744ea35a675d3393360a327cbf6359a2" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_keeps_his_identity() {
    let broker = broker_builder().config(CONFIG.parse().unwrap());
    let broker = broker.start().await.unwrap();
    let address = Address::websocket(&broker.url()).unwrap();
    let of_station = address.clone().with_token("secret").unwrap();
    let module = arithmetic::module().unwrap();
    let _host = listen_at(
        of_station,
        "arithmetic",
        module,
        dasf::HostOptions::default(),
    )
    .await;
    let served = gateway_at(address, Options::default()).await;

    let add = || served.json("/api/arithmetic/add", &json!({"a": 1}));
    let answer = add().send().await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    add()
        .header("authorization", "Bearer wrong")
        .send()
        .await
        .problem(401);
    let answer = add().header("authorization", "Bearer secret2").send().await;
    assert_eq!((answer.status, answer.json()), (200, json!(3)));
    let answer = served.get("/api/arithmetic/add?a=1&token=secret2").await;
    assert_eq!((answer.status, answer.json()), (200, json!(3)));
    // Ada may not watch, but she sees the modules that she has called.
    let listed = served.get("/api?token=secret2").await.json();
    assert_eq!(listed["modules"][0]["topic"], "arithmetic", "{listed}");
    assert_eq!(listed["modules"].as_array().unwrap().len(), 1, "{listed}");
    // The station may not call, and Ada may not call another module.
    let answer = add().header("authorization", "Bearer secret").send().await;
    answer.problem(403);
    let other = served.json("/api/guarded/echo", &json!({}));
    other
        .header("authorization", "Bearer secret2")
        .send()
        .await
        .problem(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_have_status_404_and_a_suggestion() {
    let (served, _host) = with_reference().await;
    for (path, suggestion) in [
        ("/api/reference/hallo", "did you mean \"hello\"?"),
        ("/api/reference/Greter/greet", "did you mean \"Greeter\"?"),
        ("/api/reference/Greeter/great", "did you mean \"greet\"?"),
        ("/api/reference/Greeter", "call a method of it"),
        ("/api/a%20topic/add", "topic"),
        ("/api/jobs/nothing", "copy the whole id"),
    ] {
        let method = if path.contains("jobs") { "GET" } else { "POST" };
        let answer = served.request(method, path).send().await;
        let detail = answer.problem(404);
        assert!(detail.contains(suggestion), "{detail}");
    }
    served.get("/somewhere").await.problem(404);
    let id = "reference.reference_4q1XBbT0aXeYpNTrkqUxvs.8316293";
    let detail = served.get(&format!("/api/jobs/{id}")).await.problem(404);
    assert!(detail.contains("keeps no job"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_cannot_stand_for_lists() {
    let (served, _host) = with_reference().await;
    let detail = served
        .get("/api/reference/area?points=1")
        .await
        .problem(405);
    assert!(detail.contains("needs the method POST"), "{detail}");
    served
        .request("PUT", "/api/reference/add")
        .send()
        .await
        .problem(405);
    served.request("POST", "/api").send().await.problem(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_do_not_fit_have_status_406_and_415() {
    let (served, _host) = with_reference().await;
    let request = served.json("/api/reference/add", &json!({"a": 1}));
    request
        .header("accept", "image/x-nothing")
        .send()
        .await
        .problem(406);
    let request = served.request("POST", "/api/reference/add").body("<a/>");
    request
        .header("content-type", "application/xml")
        .send()
        .await
        .problem(415);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_has_status_408() {
    let served = gateway_with(Options::default().body_timeout(Duration::from_millis(50))).await;
    let _host = served
        .listen("reference", reference::module().unwrap())
        .await;
    let request = served.request("POST", "/api/reference/add");
    soon("the refusal", request.announce(10).send())
        .await
        .problem(408);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_and_headers_are_refused() {
    let options = Options::default().max_body_size(1000).max_header_size(2000);
    let served = gateway_with(options).await;
    let _host = served
        .listen("reference", reference::module().unwrap())
        .await;
    let large = json!({"data": "x".repeat(1000)});
    let detail = served
        .post("/api/reference/echo", &large)
        .await
        .problem(413);
    assert!(detail.contains("max_body_size"), "{detail}");
    let fitting = json!({"data": "x".repeat(900)});
    assert_eq!(
        served.post("/api/reference/echo", &fitting).await.status,
        200
    );
    let request = served.json("/api/reference/echo", &fitting);
    let request = request.header("x-large", &"x".repeat(2000));
    let detail = request.send().await.problem(431);
    assert!(detail.contains("max_header_size"), "{detail}");
    let path = format!("/api/reference/echo?data={}", "x".repeat(2000));
    served.get(&path).await.problem(431);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_a_module_have_their_kind() {
    let (served, _host) = with_reference().await;
    let answer = served
        .post("/api/reference/fail", &json!({"msg": "no data"}))
        .await;
    assert_eq!(answer.problem(502), "executing: no data");
    let document = answer.json();
    assert_eq!(document["kind"], "execution");
    assert_eq!(document["message"], "no data");
    // Only the module checks formats.
    let answer = served
        .post("/api/reference/when", &json!({"t": "yesterday"}))
        .await;
    answer.problem(422);
    assert_eq!(answer.json()["kind"], "validation");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_user_have_a_limit() {
    let served = gateway_with(
        Options::default()
            .max_calls_per_user(1)
            .max_event_streams(1),
    )
    .await;
    let _host = served.listen("slow", slow::module().unwrap()).await;
    let wait = |name: &str| served.json("/api/slow/wait", &json!({"name": name}));
    let events = |name: &str| wait(name).header("accept", "text/event-stream");
    let running = events("limited").open().await;
    assert_eq!(running.status, 200);
    let answer = wait("second").send().await;
    let detail = answer.problem(429);
    assert!(detail.contains("max_calls_per_user"), "{detail}");
    assert_eq!(answer.header("retry-after"), "1");
    // Another user has his own limit, but not his own event streams.
    let other = events("third").header("authorization", "Bearer other");
    let detail = other.send().await.problem(429);
    assert!(detail.contains("max_event_streams"), "{detail}");
    drop(running);
    noted("limited dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_a_late_module_are_told_apart() {
    let (served, _host) = with_reference().await;
    let detail = served
        .post("/api/nobody/add", &json!({}))
        .await
        .problem(503);
    assert!(detail.contains("nobody"), "{detail}");
    let late = served.json("/api/reference/slow", &json!({"n": 1000}));
    let answer = late.header("prefer", "wait=0.3").send().await;
    let detail = answer.problem(504);
    assert!(detail.contains("no response"), "{detail}");

    let unreachable = Address::websocket("ws://127.0.0.1:9/ws").unwrap();
    let options = Options::default().timeout(Duration::from_secs(1));
    let served = gateway_at(unreachable, options).await;
    let detail = served.get("/api/reference").await.problem(503);
    assert!(!detail.contains("127.0.0.1"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_and_names_are_refused() {
    let served = gateway_with(Options::default().allow_origin("https://lab.example.org")).await;
    let _host = served
        .listen("arithmetic", arithmetic::module().unwrap())
        .await;
    let add = || served.request("GET", "/api/arithmetic/add?a=1");
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("host", "evil.example"),
    ] {
        add().header(name, value).send().await.problem(403);
    }
    let answer = add()
        .header("origin", "https://lab.example.org")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, "https://lab.example.org");
    let preflight = served.request("OPTIONS", "/api/arithmetic/add");
    let preflight = preflight
        .header("origin", "https://lab.example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,prefer");
    let answer = preflight.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "content-type,prefer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_serves_its_modules_itself() {
    let builder = broker_builder().http(|url| {
        let address = Address::websocket(url).unwrap();
        Gateway::new(address, Options::default()).unwrap().router()
    });
    let broker: Broker = builder.start().await.unwrap();
    let module = arithmetic::module().unwrap();
    let _host =
        dasf_test_support::listen(&broker, "arithmetic", module, dasf::HostOptions::default())
            .await;
    let get = |path: &str| Request::new(broker.local_addr(), "GET", path);
    let answer = get("/api/arithmetic/add?a=1").send().await;
    assert_eq!((answer.status, answer.json()), (200, json!(3)));
    // What is the broker's stays so.
    let topics = get("/api/topics").send().await.json();
    assert_eq!(topics["topics"][0]["topic"], "arithmetic");
    assert_eq!(get("/health").send().await.text(), "ok");
    assert_eq!(
        get("/api").send().await.json()["modules"][0]["topic"],
        "arithmetic"
    );
    // A page whose name leads here may not use the broker.
    let foreign = get("/api/arithmetic/add?a=1").header("host", "evil.example");
    assert_eq!(foreign.send().await.status, 403);
    soon("the end of the broker", broker.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed() {
    let (served, _host) = with_reference().await;
    let get = |path| {
        served
            .request("GET", path)
            .header("accept-encoding", "gzip")
    };
    let answer = get("/api/reference").send().await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.body[..2], [0x1f, 0x8b]);
    let answer = get("/api/reference/add?a=1").send().await;
    assert_eq!(answer.header("content-encoding"), "");
}
