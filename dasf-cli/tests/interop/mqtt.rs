//! The command `dasf` against Mosquitto.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use dasf::{Host, HostOptions, Module};
use dasf_examples::{arithmetic, reference};
use dasf_test_support::brokers::mosquitto::{Mosquitto, free_port};
use dasf_test_support::listen_at;
use serde_json::{Value, json};

use crate::{dasf, text};

async fn serve(broker: &Mosquitto, module: Module, topic: &str, group: Option<&str>) -> Host {
    let mut options = HostOptions::default();
    options.group = group.map(|group| group.parse().unwrap());
    listen_at(broker.address(), topic, module, options).await
}

fn succeeded(output: &Output) -> &str {
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
    text(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_listen_are_listed() {
    let broker = Mosquitto::open().await;
    let url = broker.url();
    let list = ["list", "--mqtt-url", &url];
    assert_eq!(succeeded(&dasf(&list).await), "No module listens.\n");
    let json = [&list[..], &["--json"]].concat();
    assert_eq!(succeeded(&dasf(&json).await), "[]\n");

    let alone = serve(&broker, arithmetic::module().unwrap(), "sums", None).await;
    let module = || {
        arithmetic::module()
            .unwrap()
            .with_description("Shared\nwork.")
    };
    let mut group = Vec::new();
    for _ in 0..2 {
        group.push(serve(&broker, module(), "shared", Some("workers")).await);
    }
    let functions = "  add, sqrt, count, Greeter\n";
    let shared = format!("shared (2 modules of the group workers)\n  Shared work.\n{functions}");
    let sums = format!("sums\n  Simple arithmetic, served over a message broker.\n{functions}");
    assert_eq!(succeeded(&dasf(&list).await), shared.clone() + &sums);

    let listed: Value = serde_json::from_str(succeeded(&dasf(&json).await)).unwrap();
    assert_eq!(listed[0], listed[1]);
    let expected = json!({
        "topic": "sums",
        "name": "arithmetic",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Simple arithmetic, served over a message broker.",
        "functions": ["add", "sqrt", "count", "Greeter"],
    });
    assert_eq!(listed[2], expected);

    alone.shutdown().await;
    assert_eq!(succeeded(&dasf(&list).await), shared);
    for host in group {
        host.shutdown().await;
    }
    assert_eq!(succeeded(&dasf(&list).await), "No module listens.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_reports_that_no_module_listens() {
    let broker = Mosquitto::open().await;
    let url = broker.url();
    for command in [&["ping"][..], &["api"], &["call", "add", "a=1"]] {
        let arguments = [command, &["-t", "nobody", "--mqtt-url", &url]].concat();
        let output = dasf(&arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            text(&output.stderr),
            "error: no module listens on topic nobody; start one with 'listen' or check the topic\n"
        );
    }
}

/// Makes a self-signed certificate for this machine, and its key.
fn certificate(name: &str) -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [certificate, key] = ["pem", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_a_certificate_is_reached_by_those_who_trust_it() {
    let (port, secure) = (free_port(), free_port());
    let (certificate, key) = certificate(&format!("mosquitto-{secure}"));
    let lines = format!(
        "allow_anonymous true\nlistener {secure} 127.0.0.1\nprotocol websockets\ncertfile {}\nkeyfile {}\n",
        certificate.display(),
        key.display()
    );
    let broker = Mosquitto::start(port, lines).await;
    let host = serve(&broker, reference::module().unwrap(), "secure", None).await;
    let url = format!("wss://127.0.0.1:{secure}/mqtt");
    let call = ["call", "-t", "secure", "--mqtt-url", &url, "add", "a=1"];
    let authority = ["--ca-file", certificate.to_str().unwrap()];
    let trusting = [&call[..], &authority].concat();
    let output = dasf(&trusting).await;
    assert_eq!(succeeded(&output), "3\n");
    let output = dasf(&call).await;
    assert_eq!(output.status.code(), Some(1));
    let line = text(&output.stderr);
    assert!(line.contains(&url) && line.contains("--ca-file"), "{line}");
    host.shutdown().await;
}
