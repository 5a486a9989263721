//! Jobs on Mosquitto: what modules and callers know of them.

use std::future::IntoFuture;

use dasf::client::Job;
use dasf::{Acknowledge, Address, HostOptions};
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::soon;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::brokers::mosquitto::Mosquitto;
use crate::mqtt_groups::{begun, connect_as, in_group, release, start_at, times_begun, work};

fn group() -> HostOptions {
    in_group(Acknowledge::Completed)
}

async fn client(address: Address, topic: &str) -> work::Client {
    let builder = work::Client::builder().topic(topic).address(address);
    builder.connect().await.unwrap()
}

/// Waits until a line has this number of connections.
async fn connected(line: &Line, number: usize) {
    let mut connections = line.connections();
    let connected = connections.wait_for(|now| *now == number);
    soon("the connections", connected).await.unwrap();
}

/// A module reads what it must know of a job in a session of its own. It does not end the session in which a caller
/// waits for the result.
#[tokio::test(flavor = "multi_thread")]
async fn modules_and_callers_leave_each_other_connected() {
    const JOBS: usize = 10;
    let broker = Mosquitto::open().await;
    // The broker keeps the requests for a group that had a module.
    start_at("crashing", broker.address(), "waiting", group())
        .await
        .kill();
    let submitter = client(broker.address(), "waiting").await;
    let keys: Vec<_> = (0..JOBS).map(|it| format!("waiting-{it}")).collect();
    let submitted = keys
        .iter()
        .map(|key| submitter.hold(key).submit().into_future());
    let submitted: Vec<_> = soon("the jobs", join_all(submitted)).await;

    let line = Line::start(broker.socket()).await;
    let watcher = client(line.mqtt_address(), "waiting").await;
    let before = *line.connections().borrow();
    let mut results = Vec::new();
    for job in submitted {
        let id = job.unwrap().id().clone();
        let job: Job<String> = watcher.attach(&id).unwrap();
        results.push(tokio::spawn(async move { job.result().await }));
    }
    connected(&line, before + JOBS).await;
    let mut connections = line.connections();
    connections.mark_unchanged();
    let worker = start_at("worker", broker.address(), "waiting", group()).await;
    for key in &keys {
        begun(key).await;
    }
    assert!(!connections.has_changed().unwrap());
    for key in &keys {
        release(key);
    }
    for result in results {
        assert_eq!(soon("the result", result).await.unwrap().unwrap(), "worker");
    }
    worker.stop().await;
}

/// The broker does not get the acknowledgement of a module that dies. The request goes to the next module.
#[tokio::test(flavor = "multi_thread")]
async fn an_answered_job_that_comes_again_does_not_run_again() {
    let broker = Mosquitto::open().await;
    let line = Line::start(broker.socket()).await;
    let first = start_at("first", line.mqtt_address(), "answered", group()).await;
    line.drop_frames(Kind::Acknowledgement);
    let mut dropped = line.dropped(Kind::Acknowledgement);
    let client = client(broker.address(), "answered").await;
    let job = client.run("answered").submit().await.unwrap();
    soon("the acknowledgement", dropped.changed())
        .await
        .unwrap();
    first.kill();

    let line = Line::start(broker.socket()).await;
    let mut acknowledged = line.passed(Kind::Acknowledgement);
    let second = start_at("second", line.mqtt_address(), "answered", group()).await;
    // It acknowledges the request of the first module, and the copy that the group gets.
    let both = acknowledged.wait_for(|count| *count >= 2);
    soon("the acknowledgements", both).await.unwrap();
    let result = soon("the result", job.result().into_future()).await;
    assert_eq!(result.unwrap(), "first");
    assert_eq!(times_begun("answered"), 1);
    second.stop().await;
}

/// The broker forgets the session of a job when its time is over, perhaps before it forgets what it retains of the
/// job.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_time_is_over_runs_again() {
    let broker = Mosquitto::open().await;
    let worker = start_at("worker", broker.address(), "over", group()).await;
    let client = client(broker.address(), "over").await;
    for times in 1..=2 {
        let job = client.run("over").submit().key("over").await.unwrap();
        assert!(job.is_new());
        let result = soon("the result", job.result().into_future()).await;
        assert_eq!(result.unwrap(), "worker");
        assert_eq!(times_begun("over"), times);
        let topic = job.id().response_topic().as_str();
        let letters: String = topic.chars().filter(char::is_ascii_alphanumeric).collect();
        let client_id = format!("dasf{}", &letters[letters.len() - 19..]);
        drop(connect_as(&broker, &client_id).await);
    }
    worker.stop().await;
}

/// Callers with the same key still find a job after its answer was read, which does not fit into the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_one_job_after_its_large_result_was_read() {
    let broker = Mosquitto::open().await;
    let worker = start_at("worker", broker.address(), "large", group()).await;
    let client = client(broker.address(), "large").await;
    let submit = || {
        soon(
            "the job",
            client
                .fill("large", 200_000)
                .submit()
                .key("large")
                .into_future(),
        )
    };
    let job = submit().await.unwrap();
    let result = soon("the result", job.result().into_future()).await;
    assert_eq!(result.unwrap().len(), 200_000);
    assert!(!submit().await.unwrap().is_new());
    assert_eq!(times_begun("large"), 1);
    worker.stop().await;
}

/// Returns whether the broker retains a message whose topic matches a filter.
async fn is_retained(broker: &Mosquitto, filter: &str) -> bool {
    let mut socket = connect_as(broker, "filter").await;
    let length = u8::try_from(filter.len()).unwrap();
    let head = [0x82, length + 6, 0, 1, 0, 0, length];
    let subscribe = [&head[..], filter.as_bytes(), &[0]].concat();
    socket.send(Message::binary(subscribe)).await.unwrap();
    let mut is_retained = false;
    soon("the answers", async {
        for answer in [0x90, 0xd0] {
            loop {
                let packet = socket.next().await.unwrap().unwrap().into_data();
                if packet.first() == Some(&answer) {
                    break;
                }
                is_retained = true;
            }
            socket
                .send(Message::binary(&b"\xc0\x00"[..]))
                .await
                .unwrap();
        }
    })
    .await;
    is_retained
}

/// A session keeps about a thousand messages, so the result is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_that_nobody_waits_for_is_read_again_and_again() {
    const SIZE: usize = 12_000_000;
    let broker = Mosquitto::open().await;
    let worker = start_at("worker", broker.address(), "huge", group()).await;
    let submitter = client(broker.address(), "huge").await;
    let job = submitter.fill("huge", SIZE).submit().await.unwrap();
    let id = job.id().clone();
    begun("huge").await;
    // It stops when the broker has the answers to its requests.
    worker.stop().await;
    for _ in 0..2 {
        let reader = client(broker.address(), "huge").await;
        let job: Job<String> = reader.attach(&id).unwrap();
        let text = soon("the result", job.result().into_future())
            .await
            .unwrap();
        assert!(text.len() == SIZE);
    }
    let parts = format!("dasf/{}/parts/#", id.response_topic());
    assert!(is_retained(&broker, &parts).await);
    job.forget().await.unwrap();
    assert!(!is_retained(&broker, &parts).await);
}

/// Each of them takes over the session of the job.
#[tokio::test(flavor = "multi_thread")]
async fn callers_with_the_same_key_submit_one_job_at_once() {
    let broker = Mosquitto::open().await;
    let worker = start_at("worker", broker.address(), "race", group()).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(client(broker.address(), "race").await);
    }
    let submitting = clients
        .iter()
        .map(|client| client.run("race").submit().key("race").into_future());
    let submitted = soon("the jobs", join_all(submitting)).await;
    let jobs: Vec<_> = submitted.into_iter().map(Result::unwrap).collect();
    assert_eq!(jobs.iter().filter(|job| job.is_new()).count(), 1);
    for job in jobs {
        let result = soon("the result", job.result().into_future()).await;
        assert_eq!(result.unwrap(), "worker");
    }
    assert_eq!(times_begun("race"), 1);
    worker.stop().await;
}
