//! The start and the end of a broker, and of peers that do not answer.

use std::time::Duration;

use dasf_broker::{Broker, Lacks, StartError};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{PATIENCE, builder, connect, start, until};

#[tokio::test]
async fn an_impossible_start_is_an_error() {
    let broker = start().await;
    let error = Broker::builder()
        .bind(broker.local_addr())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Bind { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&broker.local_addr().to_string()) && text.contains("port 0"),
        "{text}"
    );
    let error = builder().max_topics(0).start().await.unwrap_err();
    assert!(
        matches!(error, StartError::ZeroLimit { name: "max_topics" }),
        "{error}"
    );
    let error = builder().token("").start().await.unwrap_err();
    assert!(matches!(error, StartError::EmptyToken), "{error}");
}

#[tokio::test]
async fn a_broker_that_other_machines_reach_is_not_open_by_accident() {
    let everywhere = || Broker::builder().bind(([0, 0, 0, 0], 0).into());
    let error = everywhere().start().await.unwrap_err();
    let text = error.to_string();
    let StartError::Insecure { lacks, .. } = error else {
        panic!("{text}");
    };
    assert_eq!(lacks, Lacks::TlsAndToken);
    for part in ["0.0.0.0:0", "--tls-cert", "DASF_BROKER_TOKEN", "--insecure"] {
        assert!(text.contains(part), "{text}");
    }
    let error = everywhere().token("secret").start().await.unwrap_err();
    let lacks = Lacks::Tls;
    assert!(
        matches!(error, StartError::Insecure { lacks: it, .. } if it == lacks),
        "{error}"
    );
    // An address of documentation, which no machine has.
    let elsewhere = || Broker::builder().bind(([192, 0, 2, 1], 0).into());
    let error = elsewhere().start().await.unwrap_err();
    assert!(matches!(error, StartError::Insecure { .. }), "{error}");
    let error = elsewhere().insecure(true).start().await.unwrap_err();
    assert!(matches!(error, StartError::Bind { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_peer_is_dropped_and_a_living_one_is_not() {
    let broker = builder()
        .ping_interval(Duration::from_millis(40))
        .start()
        .await
        .unwrap();
    let mut living = connect(&broker, "/ws/demo/s").await;
    let _silent = connect(&broker, "/ws/demo/s").await;
    let mut producer = connect(&broker, "/ws/demo").await;
    let statistics = timeout(PATIENCE, async {
        // A peer that reads answers the pings.
        tokio::select! {
            statistics = until(&broker, |it| it.connections == 2) => statistics,
            message = living.next() => panic!("{message:?}"),
            message = producer.next() => panic!("{message:?}"),
        }
    });
    assert_eq!(statistics.await.unwrap().connections, 2);
    producer.publish("a").await;
    living.read("a").await;
}

#[tokio::test]
async fn a_shutdown_closes_connections_with_a_close_frame() {
    let broker = start().await;
    let address = broker.local_addr();
    let mut producer = connect(&broker, "/ws/demo").await;
    producer.publish("a").await;
    let mut consumer = connect(&broker, "/ws/demo/s").await;
    consumer.expect("a").await;
    let ((), producer, consumer) =
        tokio::join!(broker.shutdown(), producer.closed(), consumer.closed());
    assert_eq!(
        (producer.code, consumer.code),
        (CloseCode::Away, CloseCode::Away)
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_dropped_handle_stops_the_broker() {
    let broker = start().await;
    let producer = connect(&broker, "/ws/demo").await;
    drop(broker);
    assert_eq!(producer.closed().await.code, CloseCode::Away);
}
