//! The reference module in Rust and in Python, for tests of several peers.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::DateTime;
use dasf::protocol::Topic;
use dasf_examples::reference::{self, Lang, Point};
use dasf_test_support::peer::Socket;

use crate::brokers::{Role, TestBroker};
use crate::python;

/// Returns a client of the reference module.
pub(crate) async fn connect(broker: &TestBroker, topic: &Topic) -> reference::Client {
    reference::Client::builder()
        .topic(topic.as_str())
        .address(broker.address())
        .connect()
        .await
        .unwrap()
}

/// Calls every function and method, and checks the results.
pub(crate) async fn call_everything(client: &reference::Client) {
    assert_eq!(client.add(3).await.unwrap(), 5);
    assert_eq!(client.add(3).b(-4).await.unwrap(), -1);
    assert_eq!(client.hello("Ada").await.unwrap(), "Hello Ada");
    let hallo = client.hello("Ada").lang(Lang::De).await.unwrap();
    assert_eq!(hallo, "Hallo Ada");
    assert!((client.sqrt(2.25).await.unwrap() - 1.5).abs() < 1e-12);

    let points = [Point { x: 1.0, y: 2.5 }, Point { x: -1.0, y: 0.0 }];
    let area = |n: f64, s: f64| BTreeMap::from([("n".to_owned(), n), ("s".to_owned(), s)]);
    assert_eq!(client.area(&points).await.unwrap(), area(2.0, 1.0));
    let scaled = client.area(&points).scale(0.5).await.unwrap();
    assert_eq!(scaled, area(2.0, 0.5));
    let null = client.area(&[]).scale(None).await.unwrap();
    assert_eq!(null, area(0.0, 1.0));

    for text in [
        "",
        "Grüße, ä 世 🌍 \u{0} \"\\",
        "\u{7f}\u{80}\u{2028}\u{10ffff}",
    ] {
        assert_eq!(client.echo(text).await.unwrap(), text);
    }
    let time = |text| DateTime::parse_from_rfc3339(text).unwrap();
    for (before, after) in [
        ("2020-02-28T12:30:00+02:00", "2020-02-29T12:30:00+02:00"),
        ("2019-12-31T23:59:59.123456Z", "2020-01-01T23:59:59.123456Z"),
    ] {
        let next = client.when(time(before)).await.unwrap();
        // The text contains the offset. The comparison of two times ignores it.
        assert_eq!(next.to_rfc3339(), time(after).to_rfc3339());
    }
    client.none().await.unwrap();

    let greeter = client.greeter().greeting("Yo");
    assert_eq!(greeter.greet("世").await.unwrap(), "Yo 世");
    assert_eq!(greeter.twice("Bob").await.unwrap(), ["Yo Bob", "Yo Bob"]);
    assert_eq!(greeter.twice("Bob").times(1).await.unwrap(), ["Yo Bob"]);
    assert_eq!(client.greeter().greet("Ada").await.unwrap(), "Hi Ada");

    let calls = (0..50).map(|a| client.add(a).b(a).into_future());
    let sums = futures_util::future::join_all(calls).await;
    for (a, sum) in (0..50).zip(sums) {
        assert_eq!(sum.unwrap(), 2 * a);
    }
}

/// Starts the Python reference module on a topic. A drop ends it.
pub(crate) fn reference_module(
    broker: &TestBroker,
    topic: &Topic,
    options: &[&str],
) -> python::Server {
    serve(broker, topic, options, |token, arguments| {
        python::command_with_token(token, "reference_module.py", arguments)
    })
}

/// Starts the backend of the Python package `dasf-exb-reference` on a topic. A drop ends it.
pub(crate) fn exb_backend(broker: &TestBroker, topic: &Topic) -> python::Server {
    serve(broker, topic, &[], |token, arguments| {
        python::module_command(token, "dasf_exb.backend", arguments)
    })
}

fn serve(
    broker: &TestBroker,
    topic: &Topic,
    options: &[&str],
    command: impl Fn(Option<&str>, &[&str]) -> Command,
) -> python::Server {
    let place = broker.options();
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let arguments = [&["-t", topic.as_str()], &place[..], options, &["listen"]].concat();
    python::serve(command(broker.token(Role::Module), &arguments))
}

/// Builds the program of the module `reference`, and returns its path.
pub(crate) fn reference_program() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet"])
        .args(["-p", "dasf-examples", "--bin", "reference"])
        // The tests of the program run the same file, and need these features.
        .args(["--features", "generate,shell,status"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "cargo build: {built}");
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("debug/reference")
}

/// Plays a module that answers nothing, and expects requests that are cancelled, each before the next one.
pub(crate) async fn expect_cancelled_requests(module: &mut Socket, count: usize) {
    for _ in 0..count {
        let mut next = async |message_type| {
            loop {
                let properties = module.receive().await["properties"].take();
                if properties["messageType"] == message_type {
                    return [&properties["requestContext"], &properties["response_topic"]]
                        .map(ToString::to_string);
                }
            }
        };
        assert_eq!(next("request").await, next("cancel").await);
    }
}
