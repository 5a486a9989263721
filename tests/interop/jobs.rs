//! Jobs on the real brokers: calls whose answers the broker keeps.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use dasf::client::{Job, JobStatus};
use dasf::protocol::Topic;
use dasf::{Address, CallError, Host, HostOptions};
use dasf_test_support::line::Line;
use dasf_test_support::worker::Worker;
use dasf_test_support::{listen_at, soon};
use tokio::sync::Semaphore;

use crate::brokers::{Role, TestBroker, on_every_broker};
use work::Client;

on_every_broker!(
    a_result_is_collected_by_another_program,
    a_large_result_is_collected,
    a_job_that_nobody_submitted_is_unknown,
    a_job_that_reports_all_the_time_leaves_few_messages,
    a_module_that_is_started_again_gets_its_job,
);

mod groups {
    use super::{
        a_job_that_was_given_up_is_submitted_again, a_job_waits_for_a_group,
        a_killed_job_goes_on_from_its_checkpoint, those_who_wait_learn_that_a_job_was_given_up,
    };
    use crate::brokers::on_sharing_brokers;

    on_sharing_brokers!(
        a_job_waits_for_a_group,
        a_killed_job_goes_on_from_its_checkpoint,
        a_job_that_was_given_up_is_submitted_again,
        those_who_wait_learn_that_a_job_was_given_up,
    );
}

static GATES: LazyLock<Mutex<HashMap<String, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// Returns the gate where the jobs of a topic wait.
pub(crate) fn gate(topic: &str) -> Arc<Semaphore> {
    let mut gates = GATES.lock().unwrap();
    let gate = gates.entry(topic.to_owned());
    gate.or_insert_with(|| Arc::new(Semaphore::new(0))).clone()
}

#[dasf::module(main = false)]
pub(crate) mod work {
    use std::time::Duration;

    use dasf::{Context, ProgressReport};

    /// Reports a step, and waits until the gate is open.
    #[dasf::function]
    pub(crate) async fn wait(gate: String, mut report: ProgressReport) -> String {
        report.step("at the gate");
        super::gate(&gate).acquire().await.unwrap().forget();
        gate
    }

    /// Climbs to the next camp, and waits there until the gate is open. Returns the camps in their order.
    #[dasf::function]
    pub(crate) async fn climb(
        gate: String,
        context: Context,
        mut report: ProgressReport,
    ) -> Vec<usize> {
        let mut camps: Vec<usize> = context.resume().unwrap_or_default();
        camps.push(camps.len());
        context.checkpoint(&camps).unwrap();
        report.step(format!("at camp {}", camps.len()));
        super::gate(&gate).acquire().await.unwrap().forget();
        camps
    }

    /// Reports a thousand times a second, and then opens the gate.
    #[dasf::function]
    pub(crate) async fn report(gate: String, times: usize, mut report: ProgressReport) {
        for time in 1..=times {
            report.set_message(format!("{time}"));
            if time % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        super::gate(&gate).add_permits(1);
    }

    /// A text of this many bytes.
    #[dasf::function]
    pub(crate) fn fill(bytes: usize) -> String {
        "0123456789".chars().cycle().take(bytes).collect()
    }

    /// Opens a gate, for all who wait there or come later.
    #[dasf::function]
    pub(crate) fn open(gate: &str) {
        super::gate(gate).add_permits(1000);
    }

    /// Fails.
    #[dasf::function]
    pub(crate) fn refuse(text: String) -> Result<(), String> {
        Err(text)
    }
}

/// Returns the address of a broker whose topics keep messages.
fn address(broker: &TestBroker, role: Role) -> Address {
    match broker {
        TestBroker::Django(..) => broker.address_for(role),
        _ => broker.group_address(role),
    }
}

pub(crate) async fn connect(broker: &TestBroker, topic: &Topic) -> Client {
    let builder = Client::builder().topic(topic.as_str());
    let builder = builder.address(address(broker, Role::Caller));
    builder.connect().await.unwrap()
}

pub(crate) async fn serve(broker: &TestBroker, topic: &Topic) -> Host {
    let module = work::module().unwrap();
    let address = address(broker, Role::Module);
    listen_at(address, topic.as_str(), module, HostOptions::default()).await
}

async fn result(job: &Job<String>) -> Result<String, CallError> {
    soon("the result", job.result().into_future()).await
}

/// Waits for the report that shows that the function of a job runs.
pub(crate) async fn runs(job: &Job<String>) {
    let (sender, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let watching = job.result().on_progress(move |_| sender.send(()).unwrap());
    let watching = watching.into_future();
    tokio::select! {
        ended = watching => panic!("{ended:?}"),
        report = soon("the report", reported.recv()) => report.unwrap(),
    }
}

/// Starts a module without a group that can be killed.
pub(crate) async fn start(broker: &TestBroker, topic: &Topic) -> Worker {
    start_at(address(broker, Role::Module), topic).await
}

async fn start_at(place: Address, topic: &Topic) -> Worker {
    let module = work::module().unwrap();
    let started = Worker::start(
        "alone",
        module,
        topic.as_str(),
        place,
        HostOptions::default(),
    );
    started.await.unwrap()
}

async fn a_result_is_collected_by_another_program(broker: &TestBroker) {
    let topic = broker.topic("collected").await;
    let host = serve(broker, &topic).await;
    let client = connect(broker, &topic).await;
    let job = client.wait(topic.as_str()).submit().await.unwrap();
    let id = job.id().clone();
    runs(&job).await;
    let status = soon("the status", job.status()).await;
    assert!(
        matches!(
            status,
            Ok(JobStatus::Running {
                report: Some(_),
                ..
            })
        ),
        "{status:?}"
    );
    drop(job);
    client.caller().clone().close().await;
    drop(client);

    gate(topic.as_str()).add_permits(1);
    let client = connect(broker, &topic).await;
    let job = client.attach::<String>(&id).unwrap();
    for _ in 0..2 {
        assert_eq!(result(&job).await.unwrap(), topic.as_str());
    }
    assert_eq!(soon("the status", job.status()).await, Ok(JobStatus::Done));
    job.forget().await.unwrap();
    if !matches!(broker, TestBroker::Django(..)) {
        let job = client.attach::<String>(&id).unwrap();
        assert_eq!(result(&job).await, Err(CallError::NoJob { job: id }));
    }
    soon("the end of the module", host.shutdown()).await;
}

async fn a_large_result_is_collected(broker: &TestBroker) {
    const SIZE: usize = 3_000_000;
    let topic = broker.topic("large").await;
    let host = serve(broker, &topic).await;
    let client = connect(broker, &topic).await;
    let job = client.fill(SIZE).submit().await.unwrap();
    let id = job.id().clone();
    drop(job);
    let job = client.attach::<String>(&id).unwrap();
    assert_eq!(result(&job).await.unwrap().len(), SIZE);
    job.forget().await.unwrap();
    soon("the end of the module", host.shutdown()).await;
}

async fn a_job_that_nobody_submitted_is_unknown(broker: &TestBroker) {
    let topic = broker.topic("unknown").await;
    let client = connect(broker, &topic).await;
    let response_topic = topic.response_topic("a1b2c3d4e5f6").unwrap();
    let id = format!("{topic}.{response_topic}.7").parse().unwrap();
    let job = client.attach::<String>(&id).unwrap();
    let expected = Err(CallError::NoJob { job: id.clone() });
    assert_eq!(soon("the status", job.status()).await, expected);
}

async fn a_job_that_was_given_up_is_submitted_again(broker: &TestBroker) {
    let topic = broker.topic("again").await;
    let host = serve(broker, &topic).await;
    let client = connect(broker, &topic).await;
    let submit = || soon("the job", client.fill(3).submit().key("one").into_future());
    for _ in 0..2 {
        let job = submit().await.unwrap();
        assert!(job.is_new());
        assert_eq!(result(&job).await.unwrap(), "012");
        assert!(!submit().await.unwrap().is_new());
        job.forget().await.unwrap();
    }
    soon("the end of the module", host.shutdown()).await;
}

async fn those_who_wait_learn_that_a_job_was_given_up(broker: &TestBroker) {
    let topic = broker.topic("given-up").await;
    let host = serve(broker, &topic).await;
    let client = connect(broker, &topic).await;
    let job = client.wait(topic.as_str()).submit().await.unwrap();
    let (sender, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let waiting = job.clone();
    let waiting = tokio::spawn(async move {
        let result = waiting.result();
        result.on_progress(move |_| sender.send(()).unwrap()).await
    });
    soon("the report", reported.recv()).await.unwrap();
    let id = job.id().clone();
    job.forget().await.unwrap();
    let expected = Err(CallError::NoJob { job: id });
    assert_eq!(soon("the error", waiting).await.unwrap(), expected);
    gate(topic.as_str()).add_permits(1);
    soon("the end of the module", host.shutdown()).await;
}

async fn a_module_that_is_started_again_gets_its_job(broker: &TestBroker) {
    let topic = broker.topic("again").await;
    let start = async || start(broker, &topic).await;
    goes_on_in_the_next_module(broker, &topic, start).await;
}

/// The copy is cleared on a later connection than that of the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_done_leaves_no_copy_over_mqtt() {
    let broker = TestBroker::mosquitto().await;
    let topic = broker.topic("cleared").await;
    let line = Line::start(broker.socket()).await;
    let first = start_at(line.mqtt_address(), &topic).await;
    let client = connect(&broker, &topic).await;
    let job = client.wait(topic.as_str()).submit().await.unwrap();
    runs(&job).await;
    line.cut().await;
    // The answer shows that the module reads again.
    let second = Duration::from_secs(1);
    soon("an answer", async {
        while client.fill(1).timeout(second).await.is_err() {}
    })
    .await;
    gate(topic.as_str()).add_permits(2);
    assert_eq!(result(&job).await.unwrap(), topic.as_str());
    job.forget().await.unwrap();
    soon("the end of the module", first.stop()).await;
    // Otherwise it would run the job, of which nothing is known any more.
    let next = start(&broker, &topic).await;
    let job = client.fill(3).submit().await.unwrap();
    assert_eq!(result(&job).await.unwrap(), "012");
    assert_eq!(gate(topic.as_str()).available_permits(), 1);
    soon("the end of the module", next.stop()).await;
}

async fn a_job_that_reports_all_the_time_leaves_few_messages(broker: &TestBroker) {
    const REPORTS: usize = 3000;
    let topic = broker.topic("reports").await;
    let host = serve(broker, &topic).await;
    let client = connect(broker, &topic).await;
    let job = client.report(topic.as_str(), REPORTS).submit();
    let job = job.await.unwrap();
    let is_done = gate(topic.as_str());
    soon("the end of the job", is_done.acquire())
        .await
        .unwrap()
        .forget();
    let mut reports = Vec::new();
    let read = job
        .result()
        .on_progress(|report| reports.push(report.step_message.clone()));
    soon("the result", read.into_future()).await.unwrap();
    assert!(reports.len() < 10, "{reports:?}");
    assert_eq!(reports.last().unwrap(), &REPORTS.to_string());
    if let TestBroker::Pulsar(pulsar) = broker {
        let topic = job.id().response_topic();
        let path = format!("persistent/public/default/{topic}/stats");
        let stats = tokio::task::block_in_place(|| pulsar.get(&path));
        let kept = stats["subscriptions"]["dasf-job"]["msgBacklog"].as_u64();
        assert!(kept.unwrap() < 16, "{stats}");
    }
    job.forget().await.unwrap();
    soon("the end of the module", host.shutdown()).await;
}

async fn a_job_waits_for_a_group(broker: &TestBroker) {
    let topic = broker.topic("waits").await;
    // A Pulsar and an MQTT broker keep requests for a group that they know, after its modules have crashed.
    let options = || HostOptions::default().group("workers".parse().unwrap());
    let module = work::module().unwrap();
    let place = address(broker, Role::Module);
    let crashing = Worker::start("crashing", module, topic.as_str(), place, options());
    crashing.await.unwrap().kill();
    let client = connect(broker, &topic).await;
    let job = client.fill(10).submit().await.unwrap();
    assert_eq!(
        soon("the status", job.status()).await,
        Ok(JobStatus::Waiting)
    );
    let module = work::module().unwrap();
    let place = address(broker, Role::Module);
    let host = listen_at(place, topic.as_str(), module, options()).await;
    assert_eq!(result(&job).await.unwrap(), "0123456789");
    soon("the end of the module", host.shutdown()).await;
}

/// Waits until a job reports a step with this message.
async fn reported<T>(job: &Job<T>, message: &str)
where
    T: serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let (sender, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let watching = job.result().on_progress(move |report| {
        let _ = sender.send(report.clone());
    });
    let comes = async {
        while let Some(report) = reports.recv().await {
            if report.children.iter().any(|it| it.step_message == message) {
                return;
            }
        }
    };
    tokio::select! {
        ended = watching.into_future() => panic!("{ended:?}"),
        () = soon("the report", comes) => {}
    }
}

/// Kills the module that runs a job. The next one has the state of the first one, and ends the job.
async fn goes_on_in_the_next_module(
    broker: &TestBroker,
    topic: &Topic,
    start: impl AsyncFn() -> Worker,
) {
    let first = start().await;
    let client = connect(broker, topic).await;
    let job = client.climb(topic.as_str()).submit().await.unwrap();
    // The report comes after the checkpoint.
    reported(&job, "at camp 1").await;
    first.kill();
    let second = start().await;
    // A Django broker does not tell that it has delivered the request before.
    let (camp, expected) = match broker {
        TestBroker::Django(..) => ("at camp 1", vec![0]),
        _ => ("at camp 2", vec![0, 1]),
    };
    reported(&job, camp).await;
    gate(topic.as_str()).add_permits(1);
    let camps = soon("the result", job.result().into_future()).await;
    assert_eq!(camps.unwrap(), expected);
    soon("the end of the module", second.stop()).await;
}

async fn a_killed_job_goes_on_from_its_checkpoint(broker: &TestBroker) {
    let topic = broker.topic("climb").await;
    let start = async || {
        let options = HostOptions::default().group("climbers".parse().unwrap());
        let place = address(broker, Role::Module);
        let module = work::module().unwrap();
        let worker = Worker::start("climber", module, topic.as_str(), place, options);
        worker.await.unwrap()
    };
    goes_on_in_the_next_module(broker, &topic, start).await;
}
