//! Rust modules and clients over Mosquitto, which `cargo xtask mosquitto` provides.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dasf::protocol::Topic;
use dasf::{Address, CallError, ClientError, ConnectError, Host, HostOptions};
use dasf_examples::reference;

use crate::mosquitto::{Mosquitto, free_port};

impl Mosquitto {
    /// Serves the reference module here.
    async fn serve(&self, topic: &str) -> Host {
        self.serve_with(topic, HostOptions::default()).await
    }

    async fn serve_with(&self, topic: &str, options: HostOptions) -> Host {
        let topic: Topic = topic.parse().unwrap();
        let module = reference::module().unwrap();
        Host::start(module, &topic, self.address(), options)
            .await
            .unwrap()
    }

    /// A client of the reference module.
    async fn connect(&self, topic: &str) -> reference::Client {
        let builder = reference::Client::builder().topic(topic);
        builder.mqtt(&self.url()).connect().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_listens_to_fails_at_once() {
    let broker = Mosquitto::open().await;
    let client = broker.connect("nobody").await;
    let error = client.add(1).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NobodyListens { topic } if topic.as_str() == "nobody"),
        "{error}"
    );
}

/// Mosquitto hands out what is larger than 4 KiB slowly, in parts. Answers are cut by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_come_in_pieces() {
    let broker = Mosquitto::open().await;
    let host = broker.serve("large").await;
    let builder = reference::Client::builder().topic("large");
    // Pieces of a length that is no multiple of four are no base64 by themselves.
    let builder = builder.mqtt(&broker.url()).max_payload_size(2801);
    let client = builder.connect().await.unwrap();
    let large = "0123456789".repeat(100_000);
    let echo = client.echo(&*large).await.unwrap();
    // Not with `assert_eq`, which would print both.
    assert!(echo == large);
    host.shutdown().await;
}

/// Slowly, but as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_the_brokers_buffer_comes_through() {
    let broker = Mosquitto::open().await;
    let host = broker.serve("whole").await;
    let client = broker.connect("whole").await;
    let large = "0123456789".repeat(5_000);
    let echo = client.echo(&*large).await.unwrap();
    assert!(echo == large);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exceeds_the_brokers_packets_is_cut_or_refused() {
    let lines = "allow_anonymous true\nmax_packet_size 50000\n".to_owned();
    let broker = Mosquitto::start(free_port(), lines).await;
    let host = broker.serve("narrow").await;
    let client = broker.connect("narrow").await;
    let large = "0123456789".repeat(10_000);
    let error = client.echo(&*large).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the broker takes 50000 at most"), "{text}");
    assert!(text.ends_with("set max_payload_size below that"), "{text}");
    let builder = reference::Client::builder().topic("narrow");
    let builder = builder.mqtt(&broker.url()).max_payload_size(10_000);
    let client = builder.connect().await.unwrap();
    assert!(client.echo(&*large).await.unwrap() == large);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_after_the_broker_was_restarted() {
    let anyone = || "allow_anonymous true\n".to_owned();
    let broker = Mosquitto::open().await;
    let host = broker.serve("restart").await;
    let client = broker.connect("restart").await;
    assert_eq!(client.add(1).await.unwrap(), 3);
    let port = broker.port;
    drop(broker);
    let broker = Mosquitto::start(port, anyone()).await;
    let answered = async {
        // The broker answers at once, until the module is back.
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
    let port = free_port();
    let passwords = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mosquitto-{port}"));
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["ada", "secret"])
        .status();
    assert!(made.unwrap().success());
    let file = passwords.display();
    let login = format!("allow_anonymous false\npassword_file {file}\n");
    let broker = Mosquitto::start(port, login).await;
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
