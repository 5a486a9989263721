//! The health and the numbers of a module over HTTP.

use dasf::HostOptions;
use dasf::host::StartError;
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_test_support::page::get;
use dasf_test_support::{broker, broker_builder, listen, soon};

fn options() -> HostOptions {
    HostOptions::default().status_addr(([127, 0, 0, 1], 0).into())
}

/// Waits until the health of a module has a status.
async fn healthy_with(port: u16, status: u16) -> String {
    soon("the status", async {
        loop {
            let (now, text) = get(port, "/health").await;
            if now == status {
                return text;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_a_module_is_that_of_its_connection() {
    let broker = broker().await;
    let address = broker.local_addr();
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, options()).await;
    let port = host.status_addr().unwrap().port();
    assert_eq!(get(port, "/health").await, (200, "ok\n".to_owned()));
    assert_eq!(get(port, "/").await.0, 404);
    broker.shutdown().await;
    let text = healthy_with(port, 503).await;
    assert_eq!(text, "the module has no connection to the broker\n");
    let page = get(port, "/metrics").await.1;
    assert!(page.contains("\ndasf_module_connected 0\n"), "{page}");
    let broker: Broker = broker_builder().bind(address).start().await.unwrap();
    healthy_with(port, 200).await;
    let page = get(port, "/metrics").await.1;
    assert!(
        page.contains("\ndasf_module_disconnections_total 1\n"),
        "{page}"
    );
    host.shutdown().await;
    broker.shutdown().await;
    // The port is free again.
    std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_calls() {
    let broker = broker().await;
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, options()).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    for _ in 0..3 {
        client.add(1).await.unwrap();
    }
    client.greeter().greet("Ada").await.unwrap();
    client.sqrt(-1.0).await.unwrap_err();
    let page = get(host.status_addr().unwrap().port(), "/metrics").await.1;
    for line in [
        r#"dasf_module_calls_total{function="add",outcome="answered"} 3"#,
        r#"dasf_module_calls_total{function="count",outcome="answered"} 0"#,
        r#"dasf_module_calls_total{function="Greeter.greet",outcome="answered"} 1"#,
        r#"dasf_module_calls_total{function="",outcome="validation"} 1"#,
        r#"dasf_module_call_seconds_count{function="add"} 3"#,
        r#"dasf_module_call_seconds_bucket{le="+Inf",function="add"} 3"#,
        "dasf_module_calls_waiting 0",
        "dasf_module_calls_running 0",
        "dasf_module_held_bytes 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}: {page}");
    }
    host.shutdown().await;
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named() {
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = used.local_addr().unwrap();
    let broker = broker().await;
    let error = dasf::Host::start(
        arithmetic::module().unwrap(),
        &"arithmetic".parse().unwrap(),
        dasf::Address::websocket(&broker.url()).unwrap(),
        HostOptions::default().status_addr(address),
    )
    .await
    .unwrap_err();
    assert!(matches!(&error, StartError::Status { address: named, .. } if *named == address));
    assert!(error.to_string().contains("choose another port"), "{error}");
}
