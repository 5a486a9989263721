//! Rust modules and clients on Mosquitto.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use dasf::broker::ConnectError;
use dasf::{Acknowledge, Address, CallError, ClientError, Host, HostOptions};
use dasf_examples::reference;
use dasf_test_support::line::Line;
use dasf_test_support::listen_at;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::brokers::mosquitto::{Mosquitto, free_port};

/// Starts the reference module.
async fn serve(broker: &Mosquitto, topic: &str) -> Host {
    serve_with(broker, topic, HostOptions::default()).await
}

async fn serve_with(broker: &Mosquitto, topic: &str, options: HostOptions) -> Host {
    let module = reference::module().unwrap();
    listen_at(broker.address(), topic, module, options).await
}

/// Returns a client of the reference module.
async fn connect(broker: &Mosquitto, topic: &str) -> reference::Client {
    let builder = reference::Client::builder().topic(topic);
    builder.mqtt(&broker.url()).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_module_fails_within_two_seconds() {
    let broker = Mosquitto::open().await;
    let client = connect(&broker, "nobody").await;
    let begun = Instant::now();
    let error = client.add(1).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NobodyListens { topic } if topic.as_str() == "nobody"),
        "{error}"
    );
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// Mosquitto delivers messages above 4 KiB slowly, in parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_come_in_pieces() {
    let broker = Mosquitto::open().await;
    let host = serve(&broker, "large").await;
    let client = connect(&broker, "large").await;
    // In one message, each of them would take eight minutes.
    let large = "0123456789".repeat(2_000_000);
    let echo = client.echo(&*large).await.unwrap();
    // `assert_eq` would print both.
    assert!(echo == large);
    let builder = reference::Client::builder().topic("large");
    // A part whose length is not a multiple of four is not base64 by itself.
    let builder = builder.mqtt(&broker.url()).max_payload_size(2799);
    let client = builder.connect().await.unwrap();
    let large = "0123456789".repeat(10_000);
    assert!(client.echo(&*large).await.unwrap() == large);
    host.shutdown().await;
}

/// Forwards messages of a broker at 2 MB per second, and messages to the broker at once. Returns the
/// port for clients.
async fn slow_line(broker: &Mosquitto) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = SocketAddr::from(([127, 0, 0, 1], broker.port()));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let far = TcpSocket::new_v4().unwrap();
                // Small buffers, so messages wait in the broker.
                far.set_recv_buffer_size(16 * 1024).unwrap();
                let (mut from_broker, mut to_broker) =
                    far.connect(target).await.unwrap().into_split();
                let (mut from_peer, mut to_peer) = near.into_split();
                let slowly = async {
                    let mut bytes = [0; 16 * 1024];
                    let mut pace = tokio::time::interval(Duration::from_millis(8));
                    loop {
                        pace.tick().await;
                        match from_broker.read(&mut bytes).await {
                            Ok(count @ 1..) => to_peer.write_all(&bytes[..count]).await?,
                            _ => return to_peer.shutdown().await,
                        }
                    }
                };
                // An error is the end of a connection.
                let _ = tokio::join!(slowly, tokio::io::copy(&mut from_peer, &mut to_broker));
            });
        }
    });
    port
}

/// Mosquitto drops messages above a number of waiting ones. Some megabytes more wait in sockets.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_for_a_slow_peer_is_dropped() {
    let lines = "allow_anonymous true\nmax_queued_messages 300\n".to_owned();
    let broker = Mosquitto::start(free_port(), lines).await;
    let line = slow_line(&broker).await;
    let address = || Address::mqtt(&format!("ws://127.0.0.1:{line}")).unwrap();
    let module = reference::module().unwrap();
    let host = listen_at(address(), "slow", module, HostOptions::default()).await;
    let builder = reference::Client::builder().topic("slow");
    let client = builder.address(address()).connect().await.unwrap();
    let large = "0123456789".repeat(600_000);
    assert!(client.echo(&*large).await.unwrap() == large);
    // The calls of a client share one limit for messages on the way.
    let large = "0123456789".repeat(75_000);
    let calls = (0..8).map(|_| client.echo(&*large).into_future());
    for echo in join_all(calls).await {
        assert!(echo.unwrap() == large);
    }
    host.shutdown().await;
}

/// How often each call of [`tasks::work`] has begun, by its number.
static BEGUN: LazyLock<Mutex<HashMap<u32, usize>>> = LazyLock::new(Mutex::default);

#[dasf::module(topic = "tasks", main = false)]
mod tasks {
    /// Takes 10 ms.
    #[dasf::function]
    pub(crate) async fn work(number: u32) -> u32 {
        *super::BEGUN.lock().unwrap().entry(number).or_default() += 1;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        number
    }
}

/// A Mosquitto in its default limits keeps 1000 messages for a reader, and drops others.
#[tokio::test(flavor = "multi_thread")]
async fn no_small_call_of_many_at_once_is_dropped() {
    const CALLS: u32 = 1000;
    let broker = Mosquitto::open().await;
    let line = Line::start(broker.socket()).await;
    let options = || {
        HostOptions::default()
            .group("workers".parse().unwrap())
            .acknowledge(Acknowledge::Completed)
            .max_workers(4)
    };
    let serve = async |address| {
        let module = tasks::module().unwrap();
        listen_at(address, "tasks", module, options()).await
    };
    let steady = serve(broker.address()).await;
    let cut_off = serve(line.mqtt_address()).await;
    let clients = (0..3).map(async |client| {
        let builder = tasks::Client::builder().mqtt(&broker.url());
        let connected = builder.connect().await.unwrap();
        let numbers = client * CALLS..(client + 1) * CALLS;
        let calls = numbers.map(async |number| {
            assert_eq!(connected.work(number).await.unwrap(), number);
            // One of the modules loses its connections meanwhile.
            if number == CALLS / 2 {
                line.cut().await;
            }
        });
        join_all(calls).await;
    });
    join_all(clients).await;
    let begun = BEGUN.lock().unwrap().clone();
    assert_eq!(begun.len(), 3000);
    assert!(begun.values().all(|times| *times == 1));
    steady.shutdown().await;
    cut_off.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_the_brokers_buffer_comes_through() {
    let broker = Mosquitto::open().await;
    let host = serve(&broker, "whole").await;
    let client = connect(&broker, "whole").await;
    // An API description is not sent in parts.
    let description = client.caller().api_info_text().await.unwrap();
    assert!(description.len() > 5_000, "{}", description.len());
    assert_eq!(client.caller().api_info().await.unwrap().functions.len(), 9);
    host.shutdown().await;
}

/// A short description.
#[dasf::module(topic = "copying", main = false)]
mod copying {
    /// The text twice.
    #[dasf::function]
    pub(crate) fn twice(text: String) -> String {
        let copy = text.clone();
        text + &copy
    }
}

/// Fragments and their envelopes fit into the limit, in requests and in responses.
#[tokio::test(flavor = "multi_thread")]
async fn fragments_fit_the_limit_of_the_broker() {
    let lines = "allow_anonymous true\nmax_packet_size 3000\n".to_owned();
    let broker = Mosquitto::start(free_port(), lines).await;
    let shared = HostOptions::default().group("copiers".parse().unwrap());
    for (topic, options) in [("alone", HostOptions::default()), ("shared", shared)] {
        let module = copying::module().unwrap();
        let host = listen_at(broker.address(), topic, module, options).await;
        let builder = copying::Client::builder().topic(topic);
        let client = builder.mqtt(&broker.url()).connect().await.unwrap();
        for length in [1, 1500, 2000, 2999, 1_000_000] {
            let text = "a".repeat(length);
            let copies = client.twice(&text).await.unwrap();
            assert!(copies == text.repeat(2), "{topic}, {length}");
        }
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_without_fragments_is_refused() {
    let lines = "allow_anonymous true\nmax_packet_size 10000\n".to_owned();
    let broker = Mosquitto::start(free_port(), lines).await;
    let host = serve(&broker, "narrow").await;
    let client = connect(&broker, "narrow").await;
    let error = client.caller().api_info().await.unwrap_err();
    let CallError::Module(failure) = &error else {
        panic!("{error}")
    };
    let text = failure.to_string();
    assert!(
        text.contains("the broker accepts 8800 in one message"),
        "{text}"
    );
    // The client does not know whether the module accepts fragments.
    let small = "0123456789".repeat(800);
    assert!(client.echo(&*small).await.unwrap() == small);
    let large = "0123456789".repeat(900);
    let error = client.echo(&*large).await.unwrap_err();
    assert!(error.to_string().contains("Maximum Packet Size"), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_after_the_broker_was_restarted() {
    let anyone = || "allow_anonymous true\n".to_owned();
    let broker = Mosquitto::open().await;
    let host = serve(&broker, "restart").await;
    let client = connect(&broker, "restart").await;
    assert_eq!(client.add(1).await.unwrap(), 3);
    let port = broker.port();
    drop(broker);
    let broker = Mosquitto::start(port, anyone()).await;
    let answered = async {
        // The broker reports that no module listens, until the module is back.
        loop {
            match client.add(1).timeout(Duration::from_secs(2)).await {
                Ok(sum) => return sum,
                Err(CallError::NobodyListens { .. } | CallError::Timeout { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let sum = tokio::time::timeout(Duration::from_secs(60), answered).await;
    assert_eq!(sum.unwrap(), 3);
    host.shutdown().await;
    drop(broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_checked_and_its_refusal_is_typed() {
    let broker = Mosquitto::with_login("ada", "secret").await;
    let connect = async |user, password| {
        let address = Address::mqtt_with_login(&broker.url(), user, password).unwrap();
        let builder = reference::Client::builder().topic("login").address(address);
        builder.connect().await
    };
    connect(Some("ada"), Some("secret")).await.unwrap();
    for (user, password) in [
        (None, None),
        (Some("ada"), Some("wrong")),
        (Some("ada"), None),
    ] {
        let error = connect(user, password).await.unwrap_err();
        let ClientError::Connect(ConnectError::Rejected { code, reason, .. }) = &error else {
            panic!("{error}");
        };
        assert_eq!((*code, &**reason), (0x87, "not authorized"), "{error}");
        assert!(!error.to_string().contains("wrong"));
    }
}
