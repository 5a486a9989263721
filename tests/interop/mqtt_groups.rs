//! Modules that share a topic of Mosquitto, the requests of a module that crashes, and the list of
//! modules.

use std::collections::HashMap;
use std::fs;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use dasf::broker::{ConnectError, ListedModule, list_modules};
use dasf::host::StartError;
use dasf::{Acknowledge, Address, CallError, HostOptions};
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::soon;
use dasf_test_support::worker::Worker;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::brokers::mosquitto::{Mosquitto, free_port};

/// The longest time that a test waits on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The calls that have started: their keys, and the names of their workers.
static BEGUN: LazyLock<watch::Sender<Vec<(String, String)>>> =
    LazyLock::new(|| watch::Sender::new(Vec::new()));

/// The keys of the calls of [`work::hold`] that may end.
static RELEASED: LazyLock<watch::Sender<Vec<String>>> =
    LazyLock::new(|| watch::Sender::new(Vec::new()));

/// Records the start of a call. Returns the name of the worker and the number of earlier starts.
fn begin(key: String) -> (String, usize) {
    let thread = std::thread::current();
    let worker = thread.name().unwrap_or_default().to_owned();
    let mut before = 0;
    BEGUN.send_modify(|begun| {
        before = begun.iter().filter(|(other, _)| *other == key).count();
        begun.push((key, worker.clone()));
    });
    (worker, before)
}

/// Functions that return the name of their worker.
#[dasf::module(topic = "work", main = false)]
pub(crate) mod work {
    /// Returns the name of the worker.
    #[dasf::function]
    pub(crate) async fn run(key: String) -> String {
        super::begin(key).0
    }

    /// Returns the name of the worker, when the test releases the call.
    #[dasf::function]
    pub(crate) async fn hold(key: String) -> String {
        let (worker, _) = super::begin(key.clone());
        let mut released = super::RELEASED.subscribe();
        let _ = released.wait_for(|released| released.contains(&key)).await;
        worker
    }

    /// Returns a text of this many bytes.
    #[dasf::function]
    pub(crate) async fn fill(key: String, bytes: usize) -> String {
        super::begin(key);
        "-".repeat(bytes)
    }

    /// Never ends the first time; later returns the name of the worker.
    #[dasf::function]
    pub(crate) async fn hang_once(key: String) -> String {
        let (worker, before) = super::begin(key);
        if before == 0 {
            std::future::pending::<()>().await;
        }
        worker
    }
}

/// Starts a worker.
async fn start(name: &str, broker: &Mosquitto, topic: &str, options: HostOptions) -> Worker {
    start_at(name, broker.address(), topic, options).await
}

pub(crate) async fn start_at(
    name: &str,
    address: Address,
    topic: &str,
    options: HostOptions,
) -> Worker {
    try_start(name, address, topic, options).await.unwrap()
}

async fn try_start(
    name: &str,
    address: Address,
    topic: &str,
    options: HostOptions,
) -> Result<Worker, StartError> {
    let module = work::module().unwrap();
    Worker::start(name, module, topic, address, options).await
}

pub(crate) fn in_group(acknowledge: Acknowledge) -> HostOptions {
    HostOptions::default()
        .group("workers".parse().unwrap())
        .acknowledge(acknowledge)
}

async fn client(broker: &Mosquitto, topic: &str) -> work::Client {
    let builder = work::Client::builder().topic(topic);
    builder.mqtt(&broker.url()).connect().await.unwrap()
}

/// Waits until a call has started, and returns the name of its worker.
pub(crate) async fn begun(key: &str) -> String {
    let mut begun = BEGUN.subscribe();
    let found = begun.wait_for(|begun| begun.iter().any(|(other, _)| other == key));
    let begun = tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap()
        .unwrap();
    let (_, worker) = begun.iter().find(|(other, _)| other == key).unwrap();
    worker.clone()
}

/// Lets a call of [`work::hold`] end.
pub(crate) fn release(key: &str) {
    RELEASED.send_modify(|released| released.push(key.to_owned()));
}

/// Returns how often a call has started.
pub(crate) fn times_begun(key: &str) -> usize {
    let begun = BEGUN.borrow();
    begun.iter().filter(|(other, _)| other == key).count()
}

/// Repeats a call until a worker answers, and returns the name of the worker.
async fn answered(client: &work::Client, key: &str) -> String {
    let answered = async {
        // The broker reports at once that no module listens, until a module has subscribed.
        loop {
            match client.run(key).timeout(Duration::from_secs(2)).await {
                Ok(worker) => return worker,
                Err(CallError::NobodyListens { .. } | CallError::Timeout { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap()
}

/// Waits until the list contains exactly the modules of these topics.
async fn listed(broker: &Mosquitto, topics: &[&str]) -> Vec<ListedModule> {
    let listed = async {
        loop {
            let modules = list_modules(broker.address()).await.unwrap();
            if modules
                .iter()
                .map(|module| &*module.topic)
                .eq(topics.iter().copied())
            {
                return modules;
            }
        }
    };
    tokio::time::timeout(PATIENCE, listed).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_of_a_group_share_the_calls() {
    let broker = Mosquitto::open().await;
    for (topic, acknowledge) in [
        ("received", Acknowledge::Received),
        ("completed", Acknowledge::Completed),
    ] {
        let mut workers = Vec::new();
        for name in ["first", "second", "third"] {
            workers.push(start(name, &broker, topic, in_group(acknowledge)).await);
        }
        let client = client(&broker, topic).await;
        let keys: Vec<String> = (0..60).map(|number| format!("{topic}-{number}")).collect();
        let calls = keys
            .iter()
            .map(|key| async { client.run(key.as_str()).await.unwrap() });
        let mut shares: HashMap<String, usize> = HashMap::new();
        for worker in futures_util::future::join_all(calls).await {
            *shares.entry(worker).or_default() += 1;
        }
        assert_eq!(shares.len(), 3, "{shares:?}");
        let begun = BEGUN.borrow().clone();
        for key in &keys {
            let times = begun.iter().filter(|(other, _)| other == key).count();
            assert_eq!(times, 1, "{key}");
        }
        for worker in workers {
            worker.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_module_runs_the_unfinished_calls_of_a_crashed_one() {
    let broker = Mosquitto::open().await;
    let options = || in_group(Acknowledge::Completed);
    let mut workers = HashMap::new();
    for name in ["a", "b", "c"] {
        let worker = start(name, &broker, "death", options()).await;
        workers.insert(name.to_owned(), worker);
    }
    let client = client(&broker, "death").await;
    let call = tokio::spawn(async move { client.hang_once("death").await });
    let dead = begun("death").await;
    workers.remove(&dead).unwrap().kill();
    let heir = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert!(workers.contains_key(&heir.unwrap()));
    for worker in workers.into_values() {
        worker.stop().await;
    }
    // Crashed and stopped modules left nothing in the list.
    listed(&broker, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_module_takes_over_the_requests_of_the_last_one() {
    let broker = Mosquitto::open().await;
    let options = || in_group(Acknowledge::Completed);
    let worker = start("early", &broker, "later", options()).await;
    let client = client(&broker, "later").await;
    let call = tokio::spawn(async move { client.hang_once("later").await });
    assert_eq!(begun("later").await, "early");
    worker.kill();
    // The broker has noticed the end of the module.
    listed(&broker, &[]).await;
    let worker = start("late", &broker, "later", options()).await;
    let heir = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(heir.unwrap(), "late");
    worker.stop().await;
}

/// Otherwise the session of the dead module would get its share of the requests meanwhile, which nobody runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_could_not_take_over_tries_again_soon() {
    let broker = Mosquitto::open().await;
    let line = Line::start(broker.socket()).await;
    let options = || in_group(Acknowledge::Completed);
    let early = start("early", &broker, "again", options()).await;
    let client = client(&broker, "again").await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.hang_once("again").await }
    });
    assert_eq!(begun("again").await, "early");
    let heir = start_at("heir", line.mqtt_address(), "again", options()).await;
    let mut refused = line.refuse();
    early.kill();
    let tried = tokio::time::timeout(PATIENCE, refused.wait_for(|count| *count > 0));
    tried.await.unwrap().unwrap();
    line.mend();
    let answer = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(answer.unwrap(), "heir");
    let calls = (0..10).map(|key| client.run(format!("again-{key}")).into_future());
    for answer in soon("the answers", join_all(calls)).await {
        assert_eq!(answer.unwrap(), "heir");
    }
    heir.stop().await;
}

/// Publishes messages, given as packets with the numbers from 1, and waits until the broker has
/// acknowledged them.
async fn publish_packets(broker: &Mosquitto, packets: &[Vec<u8>]) {
    let mut socket = connect_as(broker, "x").await;
    for packet in packets {
        socket.send(Message::binary(packet.clone())).await.unwrap();
    }
    let mut answers = Vec::new();
    let last = u8::try_from(packets.len()).unwrap();
    while !answers.ends_with(&[0x40, 2, 0, last]) {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        answers.extend_from_slice(&frame.unwrap().unwrap().into_data());
    }
}

/// Opens a session of a client that ends with its connection, and waits until the broker has ended the earlier session
/// of the client.
pub(crate) async fn connect_as(
    broker: &Mosquitto,
    client_id: &str,
) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let mut request = broker.url().into_client_request().unwrap();
    let protocol = HeaderValue::from_static("mqtt");
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let length = u8::try_from(client_id.len()).unwrap();
    let head = [0x10, 13 + length];
    let body = b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00";
    let connect = [&head[..], body, &[length], client_id.as_bytes()].concat();
    socket.send(Message::binary(connect)).await.unwrap();
    let frame = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    assert_eq!(frame.unwrap().unwrap().into_data().first(), Some(&0x20));
    socket
}

/// Returns packets with errors that Mosquitto accepts and delivers: a payload that is not UTF-8
/// although the packet declares it, and a Response Topic with a wildcard.
fn unreadable_packets(topic: &str) -> [Vec<u8>; 2] {
    let properties = [&b"\x02\x01\x01\xff"[..], &b"\x06\x08\x00\x03a/#"[..]];
    [1, 2].map(|number: u8| {
        let rest = properties[usize::from(number) - 1];
        publish_packet(topic, number, rest)
    })
}

/// Returns a packet that publishes a payload with properties.
fn publish_packet(topic: &str, number: u8, rest: &[u8]) -> Vec<u8> {
    let topic = format!("dasf/{topic}");
    let mut body = vec![0, u8::try_from(topic.len()).unwrap()];
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(&[0, number]);
    body.extend_from_slice(rest);
    let [high, low] = [body.len() >> 7, body.len() & 0x7f].map(|part| u8::try_from(part).unwrap());
    let mut packet = match high {
        0 => vec![0x32, low],
        high => vec![0x32, 0x80 | low, high],
    };
    packet.extend_from_slice(&body);
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_too_large_to_return_does_not_block_the_others() {
    let lines = "allow_anonymous true\nmax_packet_size 2000\n".to_owned();
    let broker = Mosquitto::start(free_port(), lines).await;
    let options = || in_group(Acknowledge::Completed);
    let worker = start("early", &broker, "full", options()).await;
    let client = client(&broker, "full").await;
    let call = tokio::spawn(async move { client.hang_once("full").await });
    assert_eq!(begun("full").await, "early");
    worker.kill();
    listed(&broker, &[]).await;
    let overhead = publish_packet("full", 1, &[]).len();
    let large = publish_packet("full", 1, &vec![0; 1999 - overhead]);
    publish_packets(&broker, &[large]).await;
    let worker = start("late", &broker, "full", options()).await;
    let heir = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(heir.unwrap(), "late");
    worker.stop().await;
    // No session is left for another worker.
    listed(&broker, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_can_read_does_not_disturb() {
    let broker = Mosquitto::open().await;
    let options = || in_group(Acknowledge::Completed);
    let worker = start("early", &broker, "unreadable", options()).await;
    let client = client(&broker, "unreadable").await;
    publish_packets(&broker, &unreadable_packets("unreadable")).await;
    assert_eq!(client.run("unreadable").await.unwrap(), "early");
    // Now the unreadable messages wait in a session that the next worker takes over.
    let call = tokio::spawn(async move { client.hang_once("unreadable-left").await });
    assert_eq!(begun("unreadable-left").await, "early");
    worker.kill();
    listed(&broker, &[]).await;
    publish_packets(&broker, &unreadable_packets("unreadable")).await;
    let worker = start("late", &broker, "unreadable", options()).await;
    let heir = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(heir.unwrap(), "late");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_comes_back_soon_keeps_its_session() {
    let broker = Mosquitto::open().await;
    let options = || in_group(Acknowledge::Completed);
    let line = Line::start(broker.socket()).await;
    let far = start_at("far", line.mqtt_address(), "back", options()).await;
    let client = client(&broker, "back").await;
    let call = tokio::spawn(async move { client.hold("back").await });
    assert_eq!(begun("back").await, "far");
    let near = start("near", &broker, "back", options()).await;
    let mut open = line.connections();
    let connections = *open.borrow();
    line.cut().await;
    let back = open.wait_for(|open| *open >= connections);
    tokio::time::timeout(PATIENCE, back).await.unwrap().unwrap();
    release("back");
    let worker = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(worker.unwrap(), "far");
    far.stop().await;
    near.stop().await;
    // The request was delivered twice. It was acknowledged, so no worker ran it again.
    assert_eq!(times_begun("back"), 1);
    listed(&broker, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_a_stopping_module_go_to_another() {
    let broker = Mosquitto::open().await;
    let options = || {
        in_group(Acknowledge::Completed)
            .max_workers(1)
            .receiver_queue_size(1)
            .drain_timeout(Duration::from_millis(100))
    };
    let busy = start("busy", &broker, "end", options()).await;
    let client = client(&broker, "end").await;
    let hanging = client.clone();
    let hanging = tokio::spawn(async move { hanging.hang_once("end").await });
    assert_eq!(begun("end").await, "busy");
    let idle = start("idle", &broker, "end", options()).await;
    let waiting: Vec<_> = (0..6)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.run(format!("end-{number}")).await })
        })
        .collect();
    // The broker delivers to the two modules in turn.
    let mut begun = BEGUN.subscribe();
    let half = begun.wait_for(|begun| {
        let run = begun.iter().filter(|(key, _)| key.starts_with("end-"));
        run.count() >= 3
    });
    drop(tokio::time::timeout(PATIENCE, half).await.unwrap());
    busy.stop().await;
    for call in waiting {
        let worker = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        assert_eq!(worker.unwrap(), "idle");
    }
    hanging.abort();
    idle.stop().await;
}

/// If a module may not publish the requests that it returns, they stay in its session.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_the_broker_does_not_take_back_are_not_lost() {
    let port = free_port();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let rules = folder.join(format!("mosquitto-{port}.acl"));
    let both = "topic readwrite dasf/+\ntopic readwrite dasf/+/modules/+\n";
    let limited = format!("user limited\n{both}topic read dasf/+/groups/+\n");
    let full = format!("user full\n{both}topic readwrite dasf/+/groups/+\n");
    fs::write(&rules, format!("{both}{limited}{full}")).unwrap();
    let lines = format!("allow_anonymous true\nacl_file {}\n", rules.display());
    let broker = Mosquitto::start(port, lines).await;
    let start = async |user: &'static str| {
        let address = Address::mqtt_with_login(&broker.url(), Some(user), None).unwrap();
        let options = in_group(Acknowledge::Completed)
            .max_workers(1)
            .receiver_queue_size(4)
            .drain_timeout(Duration::from_millis(100));
        let started = try_start(user, address, "refused", options).await;
        started.unwrap()
    };
    let limited = start("limited").await;
    let client = client(&broker, "refused").await;
    let hanging = client.clone();
    let hanging = tokio::spawn(async move { hanging.hang_once("refused").await });
    assert_eq!(begun("refused").await, "limited");
    let waiting = ["refused-1", "refused-2"].map(|key| client.run(key).into_future());
    let waiting = join_all(waiting);
    tokio::pin!(waiting);
    // The response to the ping comes after the earlier messages.
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("the only worker is busy"),
        answered = client.caller().ping() => answered.unwrap(),
    }
    limited.stop().await;
    let full = start("full").await;
    for worker in tokio::time::timeout(PATIENCE, waiting).await.unwrap() {
        assert_eq!(worker.unwrap(), "full");
    }
    hanging.abort();
    full.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_running_modules_are_listed() {
    let broker = Mosquitto::open().await;
    assert_eq!(list_modules(broker.address()).await.unwrap(), []);
    let alone = start("alone", &broker, "b-alone", HostOptions::default()).await;
    let grouped = in_group(Acknowledge::Received);
    let grouped = start("grouped", &broker, "a-group", grouped).await;
    let completed = in_group(Acknowledge::Completed);
    let completed = start("completed", &broker, "c-completed", completed).await;
    let modules = listed(&broker, &["a-group", "b-alone", "c-completed"]).await;
    for (module, group) in modules.iter().zip([Some("workers"), None, Some("workers")]) {
        assert_eq!(module.name, "work");
        assert_eq!(
            module.description,
            "Functions that return the name of their worker."
        );
        assert_eq!(module.functions, ["run", "hold", "fill", "hang_once"]);
        assert_eq!(module.group.as_deref(), group);
    }
    alone.stop().await;
    let modules = list_modules(broker.address()).await.unwrap();
    assert_eq!(modules.len(), 2, "{modules:?}");
    grouped.kill();
    listed(&broker, &["c-completed"]).await;
    completed.kill();
    listed(&broker, &[]).await;
}

/// A module without the right to publish its entry in the list of modules.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_without_the_right_to_announce_itself_serves() {
    let port = free_port();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let rules = folder.join(format!("mosquitto-{port}.acl"));
    // The rights cover only one level of topics, so there are no notices.
    fs::write(
        &rules,
        "topic readwrite dasf/+\ntopic readwrite dasf/+/groups/+\n",
    )
    .unwrap();
    let lines = format!("allow_anonymous true\nacl_file {}\n", rules.display());
    let broker = Mosquitto::start(port, lines).await;
    let client = client(&broker, "rules").await;
    let received = in_group(Acknowledge::Received);
    for (name, options) in [("alone", HostOptions::default()), ("grouped", received)] {
        let worker = start(name, &broker, "rules", options).await;
        assert_eq!(client.run("rules").await.unwrap(), name);
        worker.stop().await;
    }
    let completed = in_group(Acknowledge::Completed);
    let refused = try_start("refused", broker.address(), "rules", completed).await;
    let Err(StartError::Connect(ConnectError::Rejected { code, .. })) = refused else {
        panic!("it started")
    };
    assert_eq!(code, 0x87);
    assert_eq!(list_modules(broker.address()).await.unwrap(), []);
}

/// A Mosquitto without persistence loses its sessions and its retained messages in a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_works_on_after_the_broker_was_restarted() {
    let broker = Mosquitto::open().await;
    let options = in_group(Acknowledge::Completed);
    let worker = start("worker", &broker, "restart", options).await;
    let client = client(&broker, "restart").await;
    assert_eq!(client.run("restart").await.unwrap(), "worker");
    let port = broker.port();
    drop(broker);
    let broker = Mosquitto::start(port, "allow_anonymous true\n".to_owned()).await;
    listed(&broker, &["restart"]).await;
    assert_eq!(answered(&client, "restart").await, "worker");
    worker.stop().await;
    drop(broker);
}

/// A Mosquitto with persistence, which saves its state at each change.
struct Persistent {
    folder: PathBuf,
    port: u16,
    broker: Option<Mosquitto>,
}

impl Persistent {
    async fn open() -> Self {
        let port = free_port();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("persistent-{port}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut persistent = Self {
            folder,
            port,
            broker: None,
        };
        persistent.start().await;
        persistent
    }

    async fn start(&mut self) {
        let folder = self.folder.display();
        let lines = format!(
            "allow_anonymous true\npid_file {folder}/pid\npersistence true\npersistence_location {folder}/\n\
             autosave_interval 1\nautosave_on_changes true\n"
        );
        self.broker = Some(Mosquitto::start(self.port, lines).await);
    }

    /// Stops the broker in order, and starts it again.
    async fn restart(&mut self) {
        self.end("TERM").await;
        self.start().await;
    }

    /// Ends the broker by a signal.
    async fn end(&mut self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap();
        let pid = pid.trim();
        let stop = Command::new("kill").args(["-s", signal, pid]).status();
        assert!(stop.unwrap().success());
        let stopped = async {
            // A process that has ended has an empty command line until its parent waits for it.
            let line = format!("/proc/{pid}/cmdline");
            while fs::read(&line).is_ok_and(|line| !line.is_empty()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stopped).await.unwrap();
        self.broker = None;
    }

    fn broker(&self) -> &Mosquitto {
        self.broker.as_ref().unwrap()
    }
}

impl Drop for Persistent {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_saved_by_the_broker_run_after_its_restart() {
    let mut persistent = Persistent::open().await;
    let options = || in_group(Acknowledge::Completed);
    let worker = start("early", persistent.broker(), "written", options()).await;
    let client = client(persistent.broker(), "written").await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.hang_once("written").await });
    assert_eq!(begun("written").await, "early");
    worker.kill();
    listed(persistent.broker(), &[]).await;
    persistent.restart().await;
    // The caller reconnects before the response.
    let alone = HostOptions::default();
    let alone = start("alone", persistent.broker(), "written", alone).await;
    assert_eq!(answered(&client, "written-alone").await, "alone");
    let worker = start("late", persistent.broker(), "written", options()).await;
    let heir = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    assert_eq!(heir.unwrap(), "late");
    alone.stop().await;
    worker.stop().await;
}

/// A broker that is killed does not report the modules that die with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_died_with_its_broker_leaves_its_requests_to_its_group() {
    let mut persistent = Persistent::open().await;
    let options = || in_group(Acknowledge::Completed);
    let dying = start("dying", persistent.broker(), "unnoticed", options()).await;
    let client = client(persistent.broker(), "unnoticed").await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.hang_once("unnoticed").await });
    assert_eq!(begun("unnoticed").await, "dying");
    let surviving = start("surviving", persistent.broker(), "unnoticed", options()).await;
    persistent.end("KILL").await;
    dying.kill();
    persistent.start().await;
    let successor = tokio::time::timeout(2 * PATIENCE, call).await.unwrap();
    assert_eq!(successor.unwrap().unwrap(), "surviving");
    surviving.stop().await;
}

/// Mosquitto saves the sessions of a group, but not its shared subscriptions.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_requests_after_a_restart_when_a_module_is_back() {
    let mut persistent = Persistent::open().await;
    let line = Line::start(persistent.broker().socket()).await;
    let caller_line = Line::start(persistent.broker().socket()).await;
    let options = in_group(Acknowledge::Completed);
    let worker = start_at("worker", line.mqtt_address(), "absent", options).await;
    let builder = work::Client::builder().topic("absent");
    let client = builder.address(caller_line.mqtt_address()).connect().await;
    let client = client.unwrap();
    assert_eq!(client.run("absent").await.unwrap(), "worker");
    line.close().await;
    persistent.restart().await;
    let mut unread = caller_line.passed(Kind::Unread);
    let later = client.run("absent-after").into_future();
    let reported = async { unread.changed().await.unwrap() };
    let (later, ()) = tokio::join!(later, soon("the broker's report", reported));
    assert!(
        matches!(later, Err(CallError::NobodyListens { .. })),
        "{later:?}"
    );
    line.mend();
    assert_eq!(answered(&client, "absent-back").await, "worker");
    worker.stop().await;
}

/// When Mosquitto stops, it publishes the wills of all modules, as if they had crashed.
#[tokio::test(flavor = "multi_thread")]
async fn modules_that_come_back_after_a_restart_keep_their_sessions() {
    let mut persistent = Persistent::open().await;
    let options = || in_group(Acknowledge::Completed);
    let mut workers = Vec::new();
    for name in ["first", "second", "third"] {
        workers.push(start(name, persistent.broker(), "alive", options()).await);
    }
    let client = client(persistent.broker(), "alive").await;
    let keys = ["alive-1", "alive-2", "alive-3"];
    let mut calls = Vec::new();
    for key in keys {
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.hold(key).await });
        calls.push((key, begun(key).await, call));
    }
    persistent.restart().await;
    listed(persistent.broker(), &["alive"; 3]).await;
    answered(&client, "alive-back").await;
    RELEASED.send_modify(|released| released.extend(keys.map(str::to_owned)));
    for (key, worker, call) in calls {
        let answer = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        assert_eq!(answer.unwrap(), worker);
        let begun = BEGUN.borrow().clone();
        assert_eq!(begun.iter().filter(|(other, _)| other == key).count(), 1);
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_options_of_mqtt_are_refused() {
    let address = Address::mqtt("ws://127.0.0.1:1").unwrap();
    let alone = HostOptions::default().acknowledge(Acknowledge::Completed);
    for (options, remedy) in [
        (alone, "--group NAME"),
        (
            in_group(Acknowledge::Completed).max_deaths(3),
            "remove --max-deaths",
        ),
    ] {
        let refused = try_start("refused", address.clone(), "refused", options).await;
        let Err(StartError::Connect(error)) = refused else {
            panic!("it started")
        };
        assert!(matches!(error, ConnectError::Unsupported { .. }), "{error}");
        assert!(!error.to_string().contains("--"), "{error}");
        assert!(error.advice().unwrap().ends_with(remedy), "{error}");
    }
}
