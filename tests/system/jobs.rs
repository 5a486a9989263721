//! Jobs at the embedded broker: calls whose answers it keeps.

use std::future::IntoFuture;
use std::time::Duration;

use dasf::broker::{Persistence, PulsarAddress};
use dasf::client::{Job, JobId, JobStatus};
use dasf::protocol::payload;
use dasf::{Address, CallError, Host, HostOptions};
use dasf_broker::Broker;
use dasf_test_support::peer::Socket;
use dasf_test_support::{both_styles, broker, broker_builder, listen, soon, temporary_folder};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::gated_module::gated;

async fn connect(url: &str) -> gated::Client {
    let builder = gated::Client::builder().topic("demo").websocket(url);
    builder.connect().await.unwrap()
}

async fn start_module(broker: &Broker) -> Host {
    listen(
        broker,
        "demo",
        gated::module().unwrap(),
        HostOptions::default(),
    )
    .await
}

async fn status(job: &Job<String>) -> JobStatus {
    soon("the status", job.status()).await.unwrap()
}

async fn result(job: &Job<String>) -> Result<String, CallError> {
    soon("the result", async { job.result().await }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_without_its_caller() {
    for (number, broker) in [broker().await, broker().await].into_iter().enumerate() {
        let name = format!("goes on without its caller {number}");
        let address = both_styles(&broker)[number].clone();
        let connect = async || {
            let builder = gated::Client::builder()
                .topic("demo")
                .address(address.clone());
            builder.connect().await.unwrap()
        };
        let host = start_module(&broker).await;
        let client = connect().await;
        let job = client.wait(&name).submit().await.unwrap();
        let id = job.id().to_string();
        gated::entered(&name).await;
        drop(job);
        client.caller().clone().close().await;
        drop(client);

        let client = connect().await;
        let id: JobId = id.parse().unwrap();
        let job = client.attach::<String>(&id).unwrap();
        // The note that the function runs may come after its begin.
        let runs = async {
            loop {
                match status(&job).await {
                    JobStatus::Running { report: None, .. } => return,
                    earlier => {
                        assert!(matches!(earlier, JobStatus::Accepted), "{earlier:?}");
                    }
                }
            }
        };
        soon("the running job", runs).await;
        gated::open(&name);
        assert_eq!(result(&job).await.unwrap(), name);
        // To read it does not end it.
        assert_eq!(result(&job).await.unwrap(), name);
        assert_eq!(status(&job).await, JobStatus::Done);

        job.forget().await.unwrap();
        let job = client.attach::<String>(&id).unwrap();
        let expected = CallError::NoJob { job: id };
        assert_eq!(job.status().await, Err(expected.clone()));
        assert_eq!(result(&job).await, Err(expected));
        soon("the stop of the module", host.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_module() {
    let broker = broker().await;
    let client = connect(&broker.url()).await;
    let job = client.wait("waits for a module").submit().await.unwrap();
    assert_eq!(job.kept_for(), Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(status(&job).await, JobStatus::Waiting);
    gated::open("waits for a module");
    let host = start_module(&broker).await;
    assert_eq!(result(&job).await.unwrap(), "waits for a module");
    soon("the stop of the module", host.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_its_broker() {
    let folder = temporary_folder().join(format!("jobs-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let start = || broker_builder().data_dir(&folder).start();
    let broker = start().await.unwrap();
    let client = connect(&broker.url()).await;
    // One job has its answer when the broker stops, one waits for a module.
    let host = start_module(&broker).await;
    let done = client.wait("outlives its broker 1").submit().await.unwrap();
    gated::open("outlives its broker 1");
    result(&done).await.unwrap();
    soon("the stop of the module", host.shutdown()).await;
    let waiting = client.wait("outlives its broker 2").submit().await.unwrap();
    let ids = [done.id().clone(), waiting.id().clone()];
    drop((done, waiting));
    client.caller().clone().close().await;
    drop(client);
    broker.shutdown().await;

    let broker = start().await.unwrap();
    let client = connect(&broker.url()).await;
    let [done, waiting] = ids.map(|id| client.attach::<String>(&id).unwrap());
    assert_eq!(status(&done).await, JobStatus::Done);
    assert_eq!(result(&done).await.unwrap(), "outlives its broker 1");
    assert_eq!(status(&waiting).await, JobStatus::Waiting);
    let host = start_module(&broker).await;
    gated::open("outlives its broker 2");
    assert_eq!(result(&waiting).await.unwrap(), "outlives its broker 2");
    soon("the stop of the module", host.shutdown()).await;
    drop((done, waiting, client));
    broker.shutdown().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_one_job() {
    let broker = broker().await;
    let host = start_module(&broker).await;
    let client = connect(&broker.url()).await;
    let name = "a key names one job";
    let submit = || client.count(name).submit().key("run-1");
    let id = submit().id().unwrap().clone();
    let (first, second) = tokio::join!(submit().into_future(), submit().into_future());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.id(), second.id()), (&id, &id));
    assert_ne!(first.is_new(), second.is_new());
    let other = connect(&broker.url()).await;
    let third = other.count(name).submit().key("run-1").await.unwrap();
    for job in [&first, &second, &third] {
        assert_eq!(
            soon("the result", async { job.result().await }).await,
            Ok(1)
        );
    }
    // Another key is another job.
    let other = client.count(name).submit().key("run-2").await.unwrap();
    assert_ne!(other.id(), &id);
    assert_eq!(
        soon("the result", async { other.result().await }).await,
        Ok(2)
    );
    // A job that was given up can be submitted again.
    first.forget().await.unwrap();
    let again = submit().await.unwrap();
    assert_eq!(
        soon("the result", async { again.result().await }).await,
        Ok(3)
    );
    soon("the stop of the module", host.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_dies_while_it_submits_is_replaced() {
    let broker = broker().await;
    let host = start_module(&broker).await;
    // The other caller counts as gone before this timeout.
    let builder = gated::Client::builder()
        .topic("demo")
        .websocket(&broker.url())
        .timeout(Duration::from_secs(4));
    let client = builder.connect().await.unwrap();
    let submit = || client.count("dies while it submits").submit().key("run");
    let id = submit().id().unwrap().clone();
    // The note of a caller that sends no request.
    let mut reader = Socket::open(&format!(
        "{}/{}/r?hold=60",
        broker.url(),
        id.response_topic()
    ))
    .await;
    let mut notes = Socket::open(&format!("{}/{}", broker.url(), id.response_topic())).await;
    notes
        .send(&json!({"payload": "", "context": "1", "properties": {
            "messageType": "job",
            "requestContext": id.context(),
            "x_dasf_job_state": "submitting",
            "x_dasf_reader": "dead",
        }}))
        .await;
    reader.receive().await;
    let job = soon("the job", submit().into_future()).await.unwrap();
    assert_eq!(
        soon("the result", async { job.result().await }).await,
        Ok(1)
    );
    soon("the stop of the module", host.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_broker_refuses_leaves_nothing_there() {
    for style in 0..2 {
        let full = broker_builder().max_backlog_messages(1);
        let broker = full.start().await.unwrap();
        let builder = gated::Client::builder().topic("demo");
        let address = both_styles(&broker)[style].clone();
        let client = builder.address(address).connect().await.unwrap();
        let submit = || client.count("is refused").submit();
        let first = submit().await.unwrap();
        // With a key, the topic of the answer may belong to another caller.
        for (refused, is_left) in [(submit(), false), (submit().key("run"), true)] {
            let id = refused.id().unwrap().clone();
            let error = refused.await.unwrap_err();
            assert!(
                matches!(&error, CallError::Refused { reason, .. } if reason.contains("topic 'demo' is full")),
                "{error:?}"
            );
            let expected = match is_left {
                true => Ok(JobStatus::Waiting),
                false => Err(CallError::NoJob { job: id.clone() }),
            };
            let job = client.attach::<u32>(&id).unwrap();
            assert_eq!(soon("the status", job.status()).await, expected);
        }
        assert_eq!(first.status().await, Ok(JobStatus::Waiting));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_topic_is_refused() {
    let broker = broker().await;
    let client = connect(&broker.url()).await;
    let id: JobId = "other.other_a1b2c3d4.7".parse().unwrap();
    let expected = CallError::OtherTopic {
        topic: "demo".parse().unwrap(),
        job: id.clone(),
    };
    assert_eq!(client.attach::<u32>(&id).unwrap_err(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_program_gets_the_reports_of_a_job() {
    let broker = broker().await;
    let host = start_module(&broker).await;
    let client = connect(&broker.url()).await;
    let job = client.report_from_a_thread().submit().await.unwrap();
    // Before its end, or after it: at least the latest report is there.
    let mut steps = Vec::new();
    let waiting = job
        .result()
        .on_progress(|report| steps.push(report.to_string()));
    assert_eq!(soon("the result", waiting.into_future()).await, Ok(2));
    assert!(steps.last().unwrap().starts_with("100 %"), "{steps:?}");
    soon("the stop of the module", host.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_has_a_timeout_of_its_own() {
    let broker = broker().await;
    let client = connect(&broker.url()).await;
    let job = client
        .wait("has a timeout of its own")
        .submit()
        .await
        .unwrap();
    let after = Duration::from_millis(20);
    let expected = CallError::NotDone {
        job: job.id().clone(),
        after,
        status: Box::new(JobStatus::Waiting),
    };
    assert_eq!(job.result().timeout(after).await, Err(expected));
}

#[test]
fn a_blocking_client_has_jobs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (broker, host) = runtime.block_on(async {
        let broker = broker().await;
        let host = start_module(&broker).await;
        (broker, host)
    });
    let builder = gated::blocking::Client::builder().topic("demo");
    let client = builder.websocket(&broker.url()).connect().unwrap();
    let job = client.count("a blocking client").submit().send().unwrap();
    let job = client.attach::<u32>(job.id()).unwrap();
    assert_eq!(job.result().wait(), Ok(1));
    assert_eq!(job.status(), Ok(JobStatus::Done));
    job.forget().unwrap();
    runtime.block_on(host.shutdown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_broker_has_forgotten_is_unknown() {
    let broker = broker().await;
    let address = broker.local_addr();
    let client = connect(&broker.url()).await;
    let job = client
        .wait("its broker has forgotten")
        .submit()
        .await
        .unwrap();
    let (sender, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let (id, response_topic) = (job.id().clone(), job.id().response_topic().clone());
    let waiting = tokio::spawn(async move {
        let result = job.result();
        result.on_progress(move |_| sender.send(()).unwrap()).await
    });
    // A report shows that the reader is connected.
    let mut module = Socket::open(&format!("{}/{response_topic}", broker.url())).await;
    let report = json!({"report_type": "tree", "report_id": "root", "step_message": "", "status": "running",
        "steps": 1, "children": []});
    module
        .send(&json!({"payload": payload::encode(report.to_string().as_bytes()), "context": "1", "properties": {
            "messageType": "progress",
            "requestContext": id.context(),
        }}))
        .await;
    soon("the report", reported.recv()).await.unwrap();
    drop(module);
    broker.shutdown().await;
    let broker = Broker::builder().bind(address).start().await.unwrap();
    let expected = Err(CallError::NoJob { job: id });
    assert_eq!(soon("the error", waiting).await.unwrap(), expected);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_stops_keeps_the_last_checkpoint() {
    let broker = broker().await;
    let client = connect(&broker.url()).await;
    for name in ["stops in a task", "stops on a thread"] {
        let module = gated::module().unwrap();
        let options = HostOptions::default().drain_timeout(Duration::ZERO);
        let first = listen(&broker, "demo", module, options).await;
        let job = match name {
            "stops in a task" => client.climb(name).submit().await,
            _ => client.climb_on_a_thread(name).submit().await,
        };
        let job = job.unwrap();
        gated::entered(name).await;
        soon("the stop of the module", first.shutdown()).await;
        let second = start_module(&broker).await;
        gated::entered(name).await;
        // The function of the first module may wait at the gate, too.
        gated::open(name);
        gated::open(name);
        let begin = soon("the result", async { job.result().await }).await;
        assert_eq!(begin.unwrap(), 2, "{name}");
        soon("the stop of the module", second.shutdown()).await;
    }
}

/// How a Pulsar treats the notes of a reader without the right to publish.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Connection,
    Note,
}

/// Serves a connection to a Pulsar that has one message of a job for each consumer, and refuses notes to its topic.
async fn serve_reader(connection: TcpStream, refusal: Refusal) {
    let mut path = String::new();
    #[allow(clippy::result_large_err)] // the signature of the callback
    let read_path = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        let is_refused = path.ends_with("/demo_x1") && matches!(refusal, Refusal::Connection);
        match is_refused && path.contains("/producer/") {
            true => Err(ErrorResponse::new(Some("not authorized".to_owned()))),
            false => Ok(response),
        }
    };
    let Ok(mut socket) = accept_hdr_async(connection, read_path).await else {
        return;
    };
    if path.contains("/consumer/") {
        let properties = json!({
            "messageType": "progress", "requestContext": "7", "x_dasf_job_state": "accepted",
        });
        let frame = json!({"messageId": "a", "payload": "", "properties": properties});
        let _ = socket.send(Message::text(frame.to_string())).await;
    }
    while let Some(Ok(frame)) = socket.next().await {
        let Ok(frame) = serde_json::from_slice::<Value>(&frame.into_data()) else {
            continue;
        };
        if path.contains("/producer/") {
            let context = &frame["context"];
            let refused =
                json!({"result": "send-error:3", "errorMsg": "not authorized", "context": context});
            let _ = socket.send(Message::text(refused.to_string())).await;
        }
    }
}

/// A reader finds the end of what a Pulsar keeps with a note of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_may_not_publish_learns_the_state_of_a_job() {
    for refusal in [Refusal::Connection, Refusal::Note] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pulsar = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve_reader(connection, refusal));
            }
        });
        let address = PulsarAddress::default()
            .host("127.0.0.1")
            .port(port)
            .persistence(Persistence::Persistent);
        let builder = gated::Client::builder().topic("demo");
        let builder = builder.address(Address::try_from(address).unwrap());
        let client = soon("the client", builder.connect()).await.unwrap();
        let id = "demo.demo_x1.7".parse().unwrap();
        let job = client.attach::<String>(&id).unwrap();
        assert_eq!(status(&job).await, JobStatus::Accepted, "{refusal:?}");
        pulsar.abort();
    }
}
