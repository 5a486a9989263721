//! Requests that wait in the broker until a module starts.

use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use dasf::{CallError, Caller, HostOptions};
use dasf_test_support::worker::Worker;
use dasf_test_support::{soon, until};
use serde_json::{Value, json};

use crate::brokers::{Role, TestBroker, on_every_broker};

on_every_broker!(time_in_the_broker_counts);

/// The keys of the calls that have begun.
static BEGUN: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);

#[dasf::module(main = false)]
mod waiting {
    use dasf::Context;

    /// Records that the call has begun, and returns the seconds that its caller still waits.
    #[dasf::function]
    fn seconds_left(key: String, context: &Context) -> Option<f64> {
        super::BEGUN.lock().unwrap().push(key);
        Some(context.time_left()?.as_secs_f64())
    }
}

fn has_begun(key: &str) -> bool {
    BEGUN.lock().unwrap().iter().any(|begun| begun == key)
}

async fn serve(broker: &TestBroker, topic: &str) -> Worker {
    let address = broker.group_address(Role::Module);
    let options = match broker {
        // It has no groups, and keeps the requests without them.
        TestBroker::Django(..) => HostOptions::default(),
        _ => HostOptions::default().group("workers".parse().unwrap()),
    };
    let module = waiting::module().unwrap();
    let worker = Worker::start("worker", module, topic, address, options);
    worker.await.unwrap()
}

async fn time_in_the_broker_counts(broker: &TestBroker) {
    const SHORT: Duration = Duration::from_secs(2);
    const LONG: Duration = Duration::from_secs(100);
    let topic = broker.topic("deadlines").await;
    let topic = topic.as_str();
    let builder = Caller::builder(topic).address(broker.group_address(Role::Caller));
    let client = builder.connect().await.unwrap();
    let call = |key: String, timeout| {
        let request = json!({"func_name": "seconds_left", "key": key});
        client.call(&request).timeout(timeout)
    };
    let worker = serve(broker, topic).await;
    let first = call(format!("{topic} first"), LONG).await.unwrap();
    let margin = 1.0;
    let left = first.as_f64().unwrap();
    assert!(
        (LONG.as_secs_f64() - margin..=LONG.as_secs_f64()).contains(&left),
        "{left}"
    );
    // An MQTT broker keeps the requests of a group only if its last module did not say goodbye.
    worker.kill();

    // The requests wait, the short one first.
    let sent = Instant::now();
    let short = tokio::spawn(std::future::IntoFuture::into_future(call(
        format!("{topic} short"),
        SHORT,
    )));
    soon("the short call", until(|| client.in_flight() == 1)).await;
    let long = tokio::spawn(std::future::IntoFuture::into_future(call(
        format!("{topic} long"),
        LONG,
    )));
    // Some brokers tell the time only in seconds.
    let pause = call(
        format!("{topic} pause"),
        SHORT + Duration::from_millis(1500),
    )
    .await;
    for ended in [short.await.unwrap(), pause] {
        let error = ended.unwrap_err();
        assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    }
    let waited = sent.elapsed().as_secs_f64();
    let worker = serve(broker, topic).await;
    let left: Value = soon("the long call", long).await.unwrap().unwrap();
    let most = LONG.as_secs_f64() - waited + margin;
    let least = LONG.as_secs_f64() - sent.elapsed().as_secs_f64() - margin;
    let left = left.as_f64().unwrap();
    assert!(
        (least..=most).contains(&left),
        "{left} is not in {least}..={most}"
    );
    worker.stop().await;
    assert!(has_begun(&format!("{topic} long")));
    assert!(!has_begun(&format!("{topic} short")));
}
