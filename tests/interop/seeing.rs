//! What one may see of brokers: the embedded broker answers as Prometheus and the Django broker do.

use dasf::HostOptions;
use dasf_examples::reference;
use dasf_test_support::page::get;
use dasf_test_support::{listen_at, soon};
use serde_json::{Value, json};

use crate::brokers::django::Django;
use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role, TestBroker};
use crate::python;

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_read_by_prometheus() {
    let broker = Embedded::start().await;
    let path = broker.url_with_token("/metrics".to_owned(), Role::Watcher);
    let (status, page) = get(broker.port(), &path).await;
    assert_eq!(status, 200);
    let families: Value = serde_json::from_str(&python::run("metrics.py", &[], &page)).unwrap();
    for (name, kind, unit) in [
        ("messages_published", "counter", ""),
        ("messages_dead_lettered", "counter", ""),
        ("published_bytes", "counter", "bytes"),
        ("connections", "gauge", ""),
        ("memory_bytes", "gauge", "bytes"),
        ("build", "info", ""),
    ] {
        let family = &families[format!("dasf_broker_{name}")];
        assert_eq!(
            (&family["type"], &family["unit"]),
            (&json!(kind), &json!(unit)),
            "{name}: {families}"
        );
    }
    let published = &families["dasf_broker_messages_published"]["samples"];
    assert_eq!(
        *published,
        json!([["dasf_broker_messages_published_total", {}, 0]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_a_module_are_read_by_prometheus() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("seen").await;
    let topic = topic.as_str();
    let options = HostOptions::default().status_addr(([127, 0, 0, 1], 0).into());
    let address = broker.address_for(Role::Module);
    let host = listen_at(address, topic, reference::module().unwrap(), options).await;
    let builder = dasf::Caller::builder(topic).address(broker.address_for(Role::Caller));
    let client = builder.connect().await.unwrap();
    for (request, is_answered) in [
        (json!({"func_name": "add", "a": 1}), true),
        (json!({"func_name": "add", "a": "x"}), false),
        (json!({"func_name": "fail", "msg": "no"}), false),
    ] {
        assert_eq!(client.call(&request).await.is_ok(), is_answered);
    }
    let port = host.status_addr().unwrap().port();
    let (status, page) = get(port, "/metrics").await;
    assert_eq!(status, 200, "{page}");
    let families: Value = serde_json::from_str(&python::run("metrics.py", &[], &page)).unwrap();
    let family = |name: &str| &families[format!("dasf_module_{name}")];
    let samples = |name| family(name)["samples"].as_array().unwrap();
    assert_eq!(family("calls")["type"], "counter");
    for (function, outcome) in [
        ("add", "answered"),
        ("", "validation"),
        ("fail", "execution"),
    ] {
        let labels = json!({"function": function, "outcome": outcome});
        let sample = json!(["dasf_module_calls_total", labels, 1]);
        assert!(samples("calls").contains(&sample), "{sample}: {families}");
    }
    assert_eq!(family("call_seconds")["type"], "histogram");
    let labels = json!({"function": "add"});
    let count = json!(["dasf_module_call_seconds_count", labels, 1]);
    assert!(samples("call_seconds").contains(&count), "{families}");
    assert_eq!(family("results_bytes")["unit"], "bytes");
    assert_eq!(
        *family("connected"),
        json!({
            "type": "gauge", "unit": "", "samples": [["dasf_module_connected", {}, 1]],
        })
    );
    let build = &samples("build")[0];
    assert_eq!(
        (&build[0], &build[1]["topic"]),
        (&json!("dasf_module_build_info"), &json!(topic))
    );
    host.shutdown().await;
}

/// The status page of a broker: the answers to a request for the status, and to a ping.
struct StatusPage<'a> {
    broker: &'a dyn Process,
    port: u16,
    base: &'static str,
}

impl StatusPage<'_> {
    async fn get(&self, path: String) -> (u16, String) {
        let path = self.broker.url_with_token(path, Role::Watcher);
        get(self.port, &path).await
    }

    async fn status(&self, topic: &str) -> (u16, String) {
        let (status, body) = self.get(format!("{}/{topic}/status/", self.base)).await;
        // The page of Django for an unknown topic has a long text.
        let body = if status == 404 { String::new() } else { body };
        (status, body)
    }

    async fn ping(&self, topic: &str) -> u16 {
        self.get(format!("{}/{topic}/ping/", self.base)).await.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_pages_answer_alike() {
    let django = Django::for_test().await;
    let embedded = Embedded::start().await;
    let pages = [
        StatusPage {
            broker: django.as_ref(),
            port: django.port(),
            base: "/broker",
        },
        StatusPage {
            broker: &embedded,
            port: embedded.port(),
            base: "",
        },
    ];
    let topic = "status-pages";
    for page in pages {
        page.broker.make_topic(topic);
        assert_eq!(page.ping("no-such-topic").await, 404);
        assert_eq!(page.status("no-such-topic").await, (404, String::new()));
        let builder = reference::Client::builder().topic(topic);
        let address = page.broker.address_for(Role::Caller);
        let client = builder.address(address).connect().await.unwrap();
        // The topic exists, and no module reads it.
        let unread = client.add(1).timeout(std::time::Duration::from_millis(100));
        unread.await.unwrap_err();
        assert_eq!(page.ping(topic).await, 302);
        assert_eq!(
            page.status(topic).await,
            (503, "Consumer could not be reached".to_owned())
        );
        let module = reference::module().unwrap();
        let address = page.broker.address_for(Role::Module);
        let host = listen_at(address, topic, module, HostOptions::default()).await;
        let connected = async {
            loop {
                assert_eq!(page.ping(topic).await, 302);
                let (status, text) = page.status(topic).await;
                if status == 200 {
                    return text;
                }
            }
        };
        assert_eq!(soon("the module", connected).await, "Consumer connected");
        host.shutdown().await;
    }
}
