//! Event streams of calls.

use dasf_examples::arithmetic;
use dasf_gateway::Options;
use dasf_test_support::slow_module::{noted, slow};
use dasf_test_support::soon;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{gateway, gateway_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_the_progress_and_the_result() {
    let served = gateway().await;
    let _host = served
        .listen("arithmetic", arithmetic::module().unwrap())
        .await;
    let count = |n: u32| {
        let request = served.json("/api/arithmetic/count", &json!({"n": n}));
        request.header("accept", "text/event-stream")
    };
    let open = count(10).open().await;
    assert_eq!(open.status, 200);
    assert_eq!(open.headers["content-type"], "text/event-stream");
    let events = soon("the result", open.events()).await;
    let (last, reports) = events.split_last().unwrap();
    assert_eq!(last, &("result".to_owned(), json!(10)));
    assert!(reports.len() > 3, "{reports:?}");
    let mut percents = Vec::new();
    for (name, report) in reports {
        assert_eq!(name, "progress");
        assert_eq!(report["report_id"], "root");
        percents.push(report["percent"].as_u64().unwrap());
    }
    assert!(
        percents.is_sorted() && percents[percents.len() - 1] > 50,
        "{percents:?}"
    );

    let events = soon("the problem", count(5000).open().await.events()).await;
    let (name, problem) = events.last().unwrap();
    assert_eq!(name, "problem");
    assert_eq!(problem["status"], 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_where_a_long_call_is() {
    let served = gateway().await;
    let _host = served.listen("slow", slow::module().unwrap()).await;
    let request = served.json("/api/slow/wait", &json!({"name": "placed"}));
    let mut open = request.header("accept", "text/event-stream").open().await;
    let (name, place) = soon("the place", open.event()).await.unwrap();
    assert_eq!(name, "place");
    assert_eq!(place["state"], "running", "{place}");
    assert!(place["seconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_cancels_its_call() {
    let served = gateway().await;
    let _host = served.listen("slow", slow::module().unwrap()).await;
    let wait = |name: &str| served.json("/api/slow/wait", &json!({"name": name}));
    let open = wait("streamed")
        .header("accept", "text/event-stream")
        .open()
        .await;
    noted("streamed begun").await;
    drop(open);
    noted("streamed dropped").await;
    let request = wait("plain");
    let plain = tokio::spawn(async move { request.send().await });
    noted("plain begun").await;
    plain.abort();
    noted("plain dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_hold() {
    let served = gateway_with(Options::default()).await;
    let _host = served.listen("slow", slow::module().unwrap()).await;
    let opening = (0..1000).map(|number| {
        let request = served.json("/api/slow/wait", &json!({"name": format!("many {number}")}));
        let request = request.header("accept", "text/event-stream");
        async move { request.open().await }
    });
    let mut streams = soon("the streams", join_all(opening)).await;
    assert!(streams.iter().all(|stream| stream.status == 200));
    // All of them run, and each tells it.
    let places = streams
        .iter_mut()
        .map(async |stream| stream.event().await.unwrap());
    for (name, _) in soon("the places", join_all(places)).await {
        assert_eq!(name, "place");
    }
    drop(streams);
    noted("many 0 dropped").await;
    noted("many 999 dropped").await;
}
