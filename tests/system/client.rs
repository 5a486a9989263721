//! The client: timeouts, dropped calls, refusals, limits and bad responses.

use std::error::Error;
use std::time::Duration;

use dasf::broker::{ConnectError, TlsFault};
use dasf::client::Whereabouts;
use dasf::protocol::payload;
use dasf::{CallError, Caller, ClientError, FailureKind, HostOptions};
use dasf_broker::Broker;
use dasf_examples::{arithmetic, reference};
use dasf_test_support::peer::Socket;
use dasf_test_support::{both_styles, broker, broker_builder, listen, soon};
use serde_json::json;

#[tokio::test]
async fn a_call_that_nobody_answers_ends_in_time() {
    let broker = broker().await;
    let _silent = Socket::open(&format!("{}/arithmetic/reader", broker.url())).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    let timeout = Duration::from_millis(50);
    let late = client.add(1).timeout(timeout).await.unwrap_err();
    assert_eq!(
        late,
        CallError::Timeout {
            topic: "arithmetic".parse().unwrap(),
            after: timeout,
            known: Whereabouts::Unknown,
        }
    );
    assert_eq!(client.caller().in_flight(), 0);
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let broker = broker().await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    let mut module = Socket::open(&format!("{}/arithmetic/reader", broker.url())).await;
    let call = tokio::spawn(client.add(1).into_future());
    soon("the request", module.receive()).await;
    assert_eq!(client.caller().in_flight(), 1);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(client.caller().in_flight(), 0);
}

#[tokio::test]
async fn a_wrong_address_or_a_refusal_is_an_error_at_once() {
    let broker = broker_builder().token("secret").start().await.unwrap();
    let url = broker.url();
    match arithmetic::Client::connect(&url).await {
        Err(ClientError::Connect(ConnectError::Refused {
            status: 401,
            reason,
            ..
        })) => {
            assert!(reason.contains("token"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    for style in both_styles(&broker) {
        arithmetic::Client::builder()
            .address(style)
            .token("secret")
            .connect()
            .await
            .unwrap();
    }
    broker.shutdown().await;
    let refused = arithmetic::Client::connect(&url).await.unwrap_err();
    let source = refused.source().unwrap();
    let source = source.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    match refused {
        ClientError::Connect(ConnectError::Unreachable { reason, .. }) => {
            assert_eq!(reason, "connection refused");
        }
        other => panic!("{other:?}"),
    }
    // TLS is compiled in, and the error shows that the broker does not use it.
    let plain = dasf_test_support::broker().await;
    let tls_url = plain.url().replace("ws://", "wss://");
    let no_tls = arithmetic::Client::connect(&tls_url).await;
    match no_tls {
        Err(ClientError::Connect(ConnectError::Tls { fault, .. })) => {
            assert_eq!(fault, TlsFault::NotTls);
        }
        other => panic!("{other:?}"),
    }
    let no_url = arithmetic::Client::connect("http://localhost").await;
    assert!(matches!(no_url, Err(ClientError::Address(_))), "{no_url:?}");
    let no_topic = Caller::builder("a b").connect().await;
    assert!(
        matches!(no_topic, Err(ClientError::Topic(_))),
        "{no_topic:?}"
    );
}

#[tokio::test]
async fn a_broker_is_reached_by_ipv6() {
    let any_port = (std::net::Ipv6Addr::LOCALHOST, 0).into();
    let broker = Broker::builder().bind(any_port).start().await.unwrap();
    let port = broker.local_addr().port();
    assert_eq!(broker.url(), format!("ws://[::1]:{port}/ws"));
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "by-ipv6", module, HostOptions::default()).await;
    let builder = || arithmetic::Client::builder().topic("by-ipv6");
    for client in [
        builder().websocket(&broker.url()),
        builder().pulsar("::1", port),
        builder().pulsar("[::1]", port),
    ] {
        let client = client.connect().await.unwrap();
        assert_eq!(client.add(2).await.unwrap(), 4);
    }
    host.shutdown().await;
    for (given, reason) in [
        ("localhost:8080", "it contains a port"),
        ("", "it is empty"),
    ] {
        match builder().pulsar(given, port).connect().await {
            Err(ClientError::Address(error)) => {
                assert!(error.to_string().contains(reason), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_that_the_broker_refuses_is_an_error_at_once() {
    // A backlog of one message, and a consumer that acknowledges none.
    let broker = broker_builder().max_backlog_messages(1).start();
    let broker = broker.await.unwrap();
    let _silent = Socket::open(&format!("{}/arithmetic/reader", broker.url())).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    let _waiting = tokio::spawn(client.add(1).into_future());
    let refused = soon("the refusal", async {
        loop {
            match client.add(1).timeout(Duration::from_millis(200)).await {
                Err(CallError::Timeout { .. }) => {}
                other => return other,
            }
        }
    });
    match refused.await {
        Err(CallError::Refused { topic, reason }) => {
            assert_eq!(topic.as_str(), "arithmetic");
            assert!(reason.contains("arithmetic"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

/// Starts a module that answers every request with the same frames.
async fn answering(broker: &Broker, topic: &str, answers: Vec<serde_json::Value>) {
    let url = broker.url();
    let mut consumer = Socket::open(&format!("{url}/{topic}/by-hand")).await;
    tokio::spawn(async move {
        loop {
            let request = consumer.receive().await;
            consumer
                .send(&json!({"messageId": request["messageId"]}))
                .await;
            let response_topic = request["properties"]["response_topic"].as_str().unwrap();
            let mut producer = Socket::open(&format!("{url}/{response_topic}")).await;
            for answer in &answers {
                let context = &request["properties"]["requestContext"];
                let mut answer = answer.clone();
                answer["context"] = context.clone();
                answer["properties"]["requestContext"] = context.clone();
                producer.send(&answer).await;
                producer.receive().await;
            }
        }
    });
}

fn response(payload: &str, properties: &serde_json::Value) -> serde_json::Value {
    let mut frame = json!({"payload": payload, "properties": properties});
    frame["properties"]["messageType"] = "response".into();
    frame
}

#[tokio::test]
async fn an_unexpected_result_names_its_place() {
    let broker = broker().await;
    let text = payload::encode(br#"["a", "b", 3]"#);
    answering(
        &broker,
        "test-topic",
        vec![response(&text, &json!({"status": "success"}))],
    )
    .await;
    let client = reference::Client::connect(&broker.url()).await.unwrap();
    match client.greeter().twice("x").await {
        Err(CallError::Decode { path, .. }) => assert_eq!(path, "[2]"),
        other => panic!("{other:?}"),
    }
    let no_base64 = response("!", &json!({"status": "success"}));
    answering(&broker, "other", vec![no_base64]).await;
    let client = reference::Client::builder()
        .topic("other")
        .websocket(&broker.url())
        .connect()
        .await
        .unwrap();
    let error = client.echo("x").await.unwrap_err();
    assert!(matches!(error, CallError::Payload(_)), "{error}");
}

#[tokio::test]
async fn fragments_may_come_in_any_order_and_twice() {
    let broker = broker().await;
    let text = payload::encode(br#""0123456789""#);
    let piece = |index: usize, range: std::ops::Range<usize>| {
        // Pulsar delivers numbers as strings.
        let position = json!({"fragment": index.to_string(), "num_fragments": "3"});
        response(&text[range], &position)
    };
    let pieces = vec![
        piece(2, 10..16),
        piece(0, 0..5),
        piece(0, 0..5),
        piece(1, 5..10),
    ];
    answering(&broker, "test-topic", pieces).await;
    let client = reference::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.echo("x").await.unwrap(), "0123456789");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_beyond_the_limit_is_refused() {
    let broker = broker().await;
    let options = HostOptions::default().max_payload_size(1000);
    let host = listen(&broker, "test-topic", reference::module().unwrap(), options).await;
    let builder = reference::Client::builder()
        .websocket(&broker.url())
        .max_response_size(10_000);
    let client = builder.connect().await.unwrap();
    let error = client.echo("x".repeat(20_000)).await.unwrap_err();
    assert_eq!(error, CallError::ResponseTooLarge { limit: 10_000 });
    assert!(
        error
            .to_string()
            .contains("max_response_size, which is 10000 bytes")
    );
    assert_eq!(client.echo("small").await.unwrap(), "small");
    host.shutdown().await;
}

#[tokio::test]
async fn a_foreign_module_gets_no_fragments() {
    let broker = broker().await;
    let api_info = r#"{"classes": [], "functions": [], "rpc_schema": {}}"#;
    answering(
        &broker,
        "test-topic",
        vec![response("", &json!({"api_info": api_info}))],
    )
    .await;
    let builder = reference::Client::builder()
        .websocket(&broker.url())
        .max_payload_size(100);
    let client = builder.connect().await.unwrap();
    match client.echo("x".repeat(200)).await {
        Err(CallError::RequestTooLarge { size, limit }) => assert!(size > 200 && limit == 100),
        other => panic!("{other:?}"),
    }
}

/// The client asks a module once how it accepts large requests, and again when the module refuses one.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_learns_that_a_group_took_over() {
    let broker = broker().await;
    let module = || reference::module().unwrap();
    let host = listen(&broker, "test-topic", module(), HostOptions::default()).await;
    let builder = reference::Client::builder()
        .websocket(&broker.url())
        .max_payload_size(100);
    let client = builder.connect().await.unwrap();
    let large = "x".repeat(200);
    assert_eq!(client.echo(&*large).await.unwrap(), large);
    host.shutdown().await;
    let options = HostOptions::default().group("workers".parse().unwrap());
    let host = listen(&broker, "test-topic", module(), options).await;
    let error = client.echo(&*large).await.unwrap_err();
    let CallError::Module(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!(failure.kind(), Some(FailureKind::Validation), "{failure}");
    assert_eq!(client.echo(&*large).await.unwrap(), large);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_limit_wait_for_their_turn() {
    let broker = broker().await;
    let host = listen(
        &broker,
        "arithmetic",
        arithmetic::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let builder = arithmetic::Client::builder()
        .websocket(&broker.url())
        .max_in_flight(2);
    let client = builder.connect().await.unwrap();
    let calls = (0..20).map(|number| tokio::spawn(client.add(number).into_future()));
    let mut most = 0;
    for call in calls.collect::<Vec<_>>() {
        most = most.max(client.caller().in_flight());
        call.await.unwrap().unwrap();
    }
    assert!(most <= 2, "{most}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_types_asks_and_calls() {
    let broker = broker().await;
    let host = listen(
        &broker,
        "demo",
        reference::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let caller: Caller = Caller::builder("demo")
        .websocket(&broker.url())
        .connect()
        .await
        .unwrap();
    caller.ping().await.unwrap();
    caller
        .call(&json!({"func_name": "fail", "msg": "x"}))
        .await
        .unwrap_err();
    // The module counts a call after it has answered.
    let counted = async {
        loop {
            let load = caller.load().await.unwrap().unwrap();
            if (load.running, load.failed) == (0, 1) {
                return load;
            }
        }
    };
    let load = soon("the count", counted).await;
    assert_eq!((load.waiting, load.answered), (0, 0));
    let info: serde_json::Value = serde_json::from_str(&caller.info().await.unwrap()).unwrap();
    assert_eq!(info["title"], "demo");
    let api_info = caller.api_info().await.unwrap();
    assert!(
        api_info
            .functions
            .iter()
            .any(|function| function.name == "add")
    );
    let request = json!({"func_name": "add", "a": 1, "b": 41});
    assert_eq!(caller.call(&request).await.unwrap(), json!(42));
    host.shutdown().await;
}

#[tokio::test]
async fn unknown_arguments_are_rejected_before_they_are_sent() {
    let broker = broker().await;
    let api_info = reference::module().unwrap().api_info("test-topic");
    let builder = Caller::builder("test-topic").websocket(&broker.url());
    // No module listens, so a request that is sent would time out.
    let caller: Caller = builder.check_against(&api_info).connect().await.unwrap();
    for (request, problem) in [
        (
            json!({"func_name": "add", "a": 1, "bb": 5}),
            r#"add has no argument "bb"; did you mean "b"?"#,
        ),
        (
            json!({"class_name": "Greeter", "name": "A", "function": {"func_name": "greet"}}),
            r#"Greeter has no argument "name"; Greeter.greet has it; write it inside "function""#,
        ),
    ] {
        let error = caller.call(&request).await.unwrap_err();
        let expected = format!("the request is not valid and was not sent: {problem}");
        assert_eq!(error.to_string(), expected);
    }
}
