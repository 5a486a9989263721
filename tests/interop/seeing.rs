//! What one may see of brokers: the embedded broker answers as Prometheus and the Django broker do.

use dasf_examples::reference;
use dasf_test_support::{broker, soon};
use serde_json::{Value, json};

use crate::brokers::Process;
use crate::brokers::django::Django;
use crate::python;
use crate::web::get;

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_read_by_prometheus() {
    let broker = broker().await;
    let (status, page) = get(broker.local_addr().port(), "/metrics").await;
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
        published["dasf_broker_messages_published_total"],
        json!([{}, 0])
    );
}

/// The status page of a broker: the answers to a request for the status, and to a ping.
struct StatusPage {
    port: u16,
    base: &'static str,
}

impl StatusPage {
    async fn status(&self, topic: &str) -> (u16, String) {
        let (status, body) = get(self.port, &format!("{}/{topic}/status/", self.base)).await;
        // The page of Django for an unknown topic has a long text.
        let body = if status == 404 { String::new() } else { body };
        (status, body)
    }

    async fn ping(&self, topic: &str) -> u16 {
        get(self.port, &format!("{}/{topic}/ping/", self.base))
            .await
            .0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_pages_answer_alike() {
    let django = Django::for_test().await;
    let embedded = broker().await;
    let pages = [
        (
            StatusPage {
                port: django.port(),
                base: "/broker",
            },
            django.address(),
        ),
        (
            StatusPage {
                port: embedded.local_addr().port(),
                base: "",
            },
            dasf::Address::websocket(&embedded.url()).unwrap(),
        ),
    ];
    let topic = "status-pages";
    django.make_topic(topic);
    for (page, address) in pages {
        assert_eq!(page.ping("no-such-topic").await, 404);
        assert_eq!(page.status("no-such-topic").await, (404, String::new()));
        let builder = reference::Client::builder().topic(topic);
        let client = builder.address(address.clone()).connect().await.unwrap();
        // The topic exists, and no module reads it.
        let unread = client.add(1).timeout(std::time::Duration::from_millis(100));
        unread.await.unwrap_err();
        assert_eq!(page.ping(topic).await, 302);
        assert_eq!(
            page.status(topic).await,
            (503, "Consumer could not be reached".to_owned())
        );
        let module = reference::module().unwrap();
        let host =
            dasf_test_support::listen_at(address, topic, module, dasf::HostOptions::default())
                .await;
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
