//! What is published again after a lost connection, and what is not.

use std::future::IntoFuture;

use dasf_broker::Broker;
use dasf_test_support::{broker, listen, soon};
use futures_util::future::join_all;
use futures_util::poll;

use crate::gated_module::gated;
use crate::line::Line;
use dasf::HostOptions;

async fn connect(url: &str) -> gated::Client {
    let builder = gated::Client::builder().topic("demo").websocket(url);
    builder.connect().await.unwrap()
}

/// Starts a broker with the gated module.
async fn serve() -> (Broker, dasf::Host) {
    let broker = broker().await;
    let module = gated::module().unwrap();
    let host = listen(&broker, "demo", module, HostOptions::default()).await;
    (broker, host)
}

/// More calls than a module remembers.
const MANY: usize = 4_200;

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_is_not_published_again() {
    for (name, links) in [
        ("answered over a link", true),
        ("answered over sockets", false),
    ] {
        let (broker, host) = serve().await;
        let line = Line::start(broker.local_addr(), links).await;
        let client = connect(&line.url()).await;
        assert_eq!(client.count(name).await.unwrap(), 1);
        line.drop_receipts();
        let calls = (0..50).map(|_| client.count(name).into_future());
        for count in soon("the answers", join_all(calls)).await {
            count.unwrap();
        }
        let other = connect(&broker.url()).await;
        let calls = (0..MANY).map(|_| other.count("others").into_future());
        for count in soon("the other answers", join_all(calls)).await {
            count.unwrap();
        }
        line.cut().await;
        line.mend();
        // What is published again comes first.
        let last = soon("the last answer", client.count(name).into_future());
        assert_eq!(last.await.unwrap(), 52, "{name}");
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_that_waits_for_a_connection_is_not_published() {
    for (name, links) in [
        ("dropped over a link", true),
        ("dropped over sockets", false),
    ] {
        let (broker, host) = serve().await;
        let line = Line::start(broker.local_addr(), links).await;
        let client = connect(&line.url()).await;
        assert_eq!(client.count(name).await.unwrap(), 1);
        line.cut().await;
        for _ in 0..20 {
            let mut call = client.count(name).into_future();
            assert!(poll!(&mut call).is_pending());
        }
        line.mend();
        let last = soon("the last answer", client.count(name).into_future());
        assert_eq!(last.await.unwrap(), 2, "{name}");
        host.shutdown().await;
    }
}
