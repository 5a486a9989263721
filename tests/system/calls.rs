//! Every kind of call of the reference module, over both styles of address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use chrono::DateTime;
use dasf::protocol::Status;
use dasf::protocol::progress::Report;
use dasf::{Address, CallError, ClientError, FailureKind, Host, HostOptions};
use dasf_broker::Broker;
use dasf_examples::reference::{self, Lang, Point};
use dasf_test_support::{both_styles, broker, broker_builder, listen_at, soon, until};
use serde_json::json;

async fn start(address: Address) -> (Host, reference::Client) {
    let module = reference::module().unwrap();
    let host = listen_at(address.clone(), "demo", module, HostOptions::default()).await;
    let client = reference::Client::builder()
        .topic("demo")
        .address(address)
        .connect()
        .await
        .unwrap();
    (host, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_call_is_answered_over_both_styles() {
    let broker = broker().await;
    for address in both_styles(&broker) {
        let (host, client) = start(address).await;
        call_everything(&client).await;
        host.shutdown().await;
    }
}

async fn call_everything(client: &reference::Client) {
    assert_eq!(client.add(3).await.unwrap(), 5);
    assert_eq!(client.add(3).b(4).await.unwrap(), 7);
    assert_eq!(client.hello("Ada").await.unwrap(), "Hello Ada");
    assert_eq!(
        client.hello("Ada").lang(Lang::De).await.unwrap(),
        "Hallo Ada"
    );
    assert!((client.sqrt(2.25).await.unwrap() - 1.5).abs() < 1e-12);
    let points = [Point { x: 1.0, y: 2.5 }, Point { x: -1.0, y: 0.0 }];
    let area = |n: f64, s: f64| BTreeMap::from([("n".to_owned(), n), ("s".to_owned(), s)]);
    assert_eq!(client.area(&points).await.unwrap(), area(2.0, 1.0));
    assert_eq!(
        client.area(&points).scale(0.5).await.unwrap(),
        area(2.0, 0.5)
    );
    assert_eq!(
        client.area(&points).scale(None).await.unwrap(),
        area(2.0, 1.0)
    );
    let unicode = "Grüße, 世界 🌍 \u{0} \"\\";
    assert_eq!(client.echo(unicode).await.unwrap(), unicode);
    let day = |text| DateTime::parse_from_rfc3339(text).unwrap();
    let next = client.when(day("2020-01-01T00:00:00+02:00")).await.unwrap();
    assert_eq!(next, day("2020-01-02T00:00:00+02:00"));
    client.none().await.unwrap();

    let greeter = client.greeter().greeting("Yo");
    assert_eq!(greeter.greet("Ada").await.unwrap(), "Yo Ada");
    assert_eq!(greeter.twice("Bob").await.unwrap(), ["Yo Bob", "Yo Bob"]);
    assert_eq!(greeter.twice("Bob").times(1).await.unwrap(), ["Yo Bob"]);
    assert_eq!(client.greeter().greet("Ada").await.unwrap(), "Hi Ada");

    assert_failure(client.fail("boom").await, FailureKind::Execution, "boom");
    let minimum = "sqrt: a: -1.0 is less than or equal to the minimum of 0";
    assert_failure(client.sqrt(-1.0).await, FailureKind::Validation, minimum);

    let mut reports: Vec<Report> = Vec::new();
    let slow = client
        .slow()
        .on_progress(|report| reports.push(report.clone()))
        .n(2);
    assert_eq!(slow.await.unwrap(), "done");
    let shares: Vec<(usize, Status)> = reports
        .iter()
        .map(|report| (report.children.len(), report.status))
        .collect();
    let running = Status::Running;
    let expected = [
        (0, running),
        (1, running),
        (1, running),
        (2, running),
        (2, running),
        (2, Status::Success),
    ];
    assert_eq!(shares, expected);
    assert_eq!(
        (reports[0].step_message.as_str(), reports[0].steps),
        ("working", 3)
    );
}

fn assert_failure<T: std::fmt::Debug>(
    result: Result<T, CallError>,
    kind: FailureKind,
    message: &str,
) {
    match result {
        Err(CallError::Module(failure)) => {
            assert_eq!(failure.kind(), Some(kind));
            assert_eq!(failure.message(), message);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_and_a_client_of_different_styles_meet() {
    let broker = broker().await;
    let [websocket, pulsar] = both_styles(&broker);
    let module = reference::module().unwrap();
    let host = listen_at(pulsar, "demo", module, HostOptions::default()).await;
    let client = reference::Client::builder()
        .topic("demo")
        .address(websocket)
        .connect()
        .await
        .unwrap();
    assert_eq!(client.add(1).await.unwrap(), 3);
    host.shutdown().await;
}

/// Returns the number of connections of a module and a client during many calls.
async fn connections_of_many_calls(broker: Broker) -> u64 {
    let [address, _] = both_styles(&broker);
    let (host, client) = start(address).await;
    client.add(0).await.unwrap();
    let connections = broker.statistics().connections;
    let calls = (0..200).map(|number| tokio::spawn(client.add(number).b(number).into_future()));
    for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(
            call.await.unwrap().unwrap(),
            2 * i64::try_from(number).unwrap()
        );
    }
    assert_eq!(broker.statistics().connections, connections);
    assert_eq!(client.caller().in_flight(), 0);
    host.shutdown().await;
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_go_over_one_link() {
    assert_eq!(connections_of_many_calls(broker().await).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_go_over_one_pair_of_connections_without_links() {
    let broker = broker_builder().links(false).start().await.unwrap();
    assert_eq!(connections_of_many_calls(broker).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_with_clones_of_one_address_share_a_link() {
    let broker = broker().await;
    let [address, _] = both_styles(&broker);
    let (host, first) = start(address.clone()).await;
    let connect = async |address: Address| {
        let builder = reference::Client::builder().topic("demo");
        builder.address(address).connect().await.unwrap()
    };
    let others = [
        connect(address.clone()).await,
        connect(address.clone()).await,
    ];
    // That of the module, and that of the clients.
    assert_eq!(broker.statistics().connections, 2);
    let stranger = connect(address.with_header("x-name", "other").unwrap()).await;
    assert_eq!(broker.statistics().connections, 3);
    let calls =
        [&first, &others[0], &others[1], &stranger].map(|client| client.add(1).into_future());
    for call in calls {
        assert_eq!(call.await.unwrap(), 3);
    }
    // A client that closes does not disturb the others.
    drop(first);
    assert_eq!(others[0].add(2).await.unwrap(), 4);
    drop(others);
    soon(
        "the end of the link",
        until(|| broker.statistics().connections == 2),
    )
    .await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_and_results_travel_in_fragments() {
    let broker = broker().await;
    let [address, _] = both_styles(&broker);
    let (host, client) = start(address).await;
    let large = "0123456789".repeat(500_000);
    assert_eq!(client.echo(&*large).await.unwrap(), large);
    host.shutdown().await;
}

/// The name of the thread on which a blocking client must fail.
const IN_ASYNCHRONOUS_CODE: &str = "in asynchronous code";

#[test]
fn a_blocking_client_calls_without_asynchronous_code() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(broker());
    let [address, _] = both_styles(&broker);
    let (host, _client) = runtime.block_on(start(address.clone()));
    let client = reference::blocking::Client::builder()
        .topic("demo")
        .address(address.clone())
        .connect()
        .unwrap();
    assert_eq!(client.add(1).send().unwrap(), 3);
    assert_eq!(client.add(1).b(5).send().unwrap(), 6);
    assert_eq!(
        client.greeter().greeting("Yo").greet("Ada").send().unwrap(),
        "Yo Ada"
    );
    assert_failure(client.fail("boom").send(), FailureKind::Execution, "boom");
    let mut reports = 0;
    let slow = client.slow().n(1).on_progress(|_| reports += 1);
    assert_eq!(slow.send().unwrap(), "done");
    assert_eq!(reports, 4);
    client.caller().ping().unwrap();
    // An error, not a panic, where asynchronous code runs. Allowed on a thread that may block.
    let panics = Arc::new(AtomicUsize::new(0));
    let hook = std::panic::take_hook();
    let count = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |panic| {
        // Panics of other tests are reported as usual.
        if thread::current()
            .name()
            .is_none_or(|name| name != IN_ASYNCHRONOUS_CODE)
        {
            return hook(panic);
        }
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let inside = client.clone();
    let asynchronous = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let refuse = move || {
        let made = || {
            let builder = reference::blocking::Client::builder().topic("demo");
            builder.address(address).connect().err()
        };
        asynchronous.block_on(async { (inside.add(1).send(), made()) })
    };
    let thread = thread::Builder::new().name(IN_ASYNCHRONOUS_CODE.to_owned());
    let (called, made) = thread.spawn(refuse).unwrap().join().unwrap();
    assert_eq!(called, Err(CallError::InsideRuntime));
    assert!(matches!(made, Some(ClientError::InsideRuntime)), "{made:?}");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
    for error in [called.unwrap_err().to_string(), made.unwrap().to_string()] {
        assert!(error.ends_with("use the module's Client there"), "{error}");
    }
    let blocking = runtime.spawn_blocking(move || client.add(1).send());
    assert_eq!(runtime.block_on(blocking).unwrap().unwrap(), 3);
    runtime.block_on(host.shutdown());
}

/// The web page sends the default of the schema of reports: a report without steps.
#[tokio::test]
async fn a_report_without_steps_has_the_steps_of_the_function() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let steps = Arc::clone(&steps);
        dasf::host::ReportSink::new(10_000, move |_, json| {
            let report: Report = serde_json::from_slice(&json).unwrap();
            steps
                .lock()
                .unwrap()
                .push((report.steps, report.children.len()));
            true
        })
    };
    let request =
        json!({"func_name": "slow", "n": 4, "reporter": {"step_message": "x", "steps": 0}});
    let module = reference::module().unwrap();
    let outcome = module
        .call_value(request, dasf::Context::local(), Some(sink))
        .await;
    assert_eq!(outcome.unwrap().as_json(), r#""done""#);
    let steps = steps.lock().unwrap();
    assert_eq!(steps.first(), Some(&(3, 0)));
    // With more steps than announced, the number of steps grows.
    assert_eq!(steps.last(), Some(&(4, 4)));
}
