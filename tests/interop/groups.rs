//! Modules that share the requests of a topic, and the requests of a module that crashes or stops.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use dasf::broker::{
    ConnectError, Feature, dead_letters, dead_request, drop_dead_letter, retry_dead_letter,
    retry_dead_request,
};
use dasf::client::ClientBuilder;
use dasf::host::StartError;
use dasf::protocol::{Topic, payload};
use dasf::{Acknowledge, Address, CallError, Caller, FailureKind, Host, HostOptions};
use dasf_test_support::line::{Kind, Line};
use dasf_test_support::peer::Socket;
use dasf_test_support::slow_module::{drop_running, noted, slow};
use dasf_test_support::worker::Worker;
use dasf_test_support::{listen_at, soon, until};
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::brokers::{Role, TestBroker, on_sharing_brokers};
use workers::Client;

on_sharing_brokers!(
    the_work_of_a_topic_is_shared,
    another_module_runs_the_unfinished_calls_of_a_killed_one,
    acknowledged_requests_are_lost_with_their_module,
    a_module_that_stops_returns_the_requests_that_it_did_not_begin,
    a_large_request_is_sent_to_the_module_that_asks_for_it,
    a_cancelled_call_ends_in_the_module_that_runs_it,
);

/// The time that a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const GROUP: &str = "workers";

/// The gates where calls of [`workers::hold`] wait, by their names.
static GATES: LazyLock<Mutex<HashMap<String, Arc<Gate>>>> = LazyLock::new(Mutex::default);

struct Gate {
    /// The workers that have reached the gate, in their order.
    arrived: watch::Sender<Vec<String>>,
    /// The test closes it to open the gate.
    barrier: Semaphore,
}

impl Gate {
    fn of(name: &str) -> Arc<Self> {
        let mut gates = GATES.lock().unwrap();
        let gate = gates.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Self {
                arrived: watch::Sender::default(),
                barrier: Semaphore::new(0),
            })
        });
        Arc::clone(gate)
    }

    fn open(&self) {
        self.barrier.close();
    }

    /// Waits until this number of workers has reached the gate, and returns their names.
    async fn arrivals(&self, count: usize) -> Vec<String> {
        let mut arrived = self.arrived.subscribe();
        let come = arrived.wait_for(|workers| workers.len() >= count);
        soon("a worker", come).await.unwrap().clone()
    }
}

#[dasf::module(main = false)]
mod workers {
    use super::Gate;

    /// Returns the name of the worker, when the gate is open.
    #[dasf::function]
    pub(super) async fn hold(gate: String) -> String {
        let gate = Gate::of(&gate);
        let name = std::thread::current().name().unwrap().to_owned();
        gate.arrived
            .send_modify(|workers| workers.push(name.clone()));
        let _ = gate.barrier.acquire().await;
        name
    }

    /// Returns the number of bytes in a string, when the gate is open.
    #[dasf::function]
    pub(super) async fn measure(gate: String, text: String) -> u64 {
        super::workers::hold(gate).await;
        text.len() as u64
    }
}

/// Starts a worker.
async fn start(name: &str, address: &Address, topic: &Topic, options: HostOptions) -> Worker {
    let module = workers::module().unwrap();
    Worker::start(name, module, topic.as_str(), address.clone(), options)
        .await
        .unwrap()
}

fn options(acknowledge: Acknowledge) -> HostOptions {
    HostOptions::default()
        .group(GROUP.parse().unwrap())
        .acknowledge(acknowledge)
        .max_workers(2)
}

/// Returns the options of a worker that receives more requests than it starts.
fn hoarding(acknowledge: Acknowledge) -> HostOptions {
    options(acknowledge).max_workers(1).receiver_queue_size(10)
}

/// Workers of one topic with the same options, and the gate of the topic.
struct Team {
    /// The address of the broker for the workers.
    address: Address,
    /// The address of the broker for clients.
    client_address: Address,
    topic: Topic,
    options: HostOptions,
    gate: Arc<Gate>,
}

impl Team {
    /// Chooses a topic without workers.
    async fn new(broker: &TestBroker, name: &str, options: HostOptions) -> Self {
        let topic = broker.topic(name).await;
        Self {
            address: broker.group_address(Role::Module),
            client_address: broker.group_address(Role::Caller),
            gate: Gate::of(topic.as_str()),
            topic,
            options,
        }
    }

    async fn start(&self, name: &str) -> Worker {
        start(name, &self.address, &self.topic, self.options.clone()).await
    }

    /// Starts the worker bob, which gets the request that ada had started, and opens the gate.
    async fn start_successor(&self) -> Worker {
        let bob = self.start("bob").await;
        assert_eq!(self.gate.arrivals(2).await, ["ada", "bob"]);
        self.gate.open();
        bob
    }

    /// Returns the builder of a client.
    fn client(&self) -> ClientBuilder<Client> {
        let builder = Client::builder().topic(self.topic.as_str());
        builder
            .timeout(PATIENCE)
            .address(self.client_address.clone())
    }

    async fn connect(&self) -> Client {
        self.client().connect().await.unwrap()
    }
}

async fn the_work_of_a_topic_is_shared(broker: &TestBroker) {
    const CALLS: usize = 60;
    let team = Team::new(broker, "shared", options(Acknowledge::Received)).await;
    let mut workers = Vec::new();
    for name in ["ada", "bob", "cyd"] {
        workers.push(team.start(name).await);
    }
    let client = team.connect().await;
    let open = async {
        // Each worker runs two calls, and cannot take more before one of them ends. How many it runs after
        // that depends on how quick it is.
        let mut first = team.gate.arrivals(6).await;
        team.gate.open();
        first.sort_unstable();
        assert_eq!(first, ["ada", "ada", "bob", "bob", "cyd", "cyd"]);
    };
    let topic = team.topic.as_str();
    let calls = join_all((0..CALLS).map(|_| client.hold(topic).into_future()));
    let (answers, ()) = tokio::join!(calls, open);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        *shares.entry(answer.unwrap()).or_default() += 1;
    }
    assert_eq!(shares.len(), 3, "{shares:?}");
    let arrived = team.gate.arrived.borrow().len();
    assert_eq!(arrived, CALLS, "each ran once");
    for worker in workers {
        worker.stop().await;
    }
}

async fn another_module_runs_the_unfinished_calls_of_a_killed_one(broker: &TestBroker) {
    let team = Team::new(broker, "killed", options(Acknowledge::Completed)).await;
    let ada = team.start("ada").await;
    let client = team.connect().await;
    let call = client.hold(team.topic.as_str()).into_future();
    let rescue = async {
        assert_eq!(team.gate.arrivals(1).await, ["ada"]);
        ada.kill();
        team.start_successor().await
    };
    let (answer, bob) = tokio::join!(call, rescue);
    assert_eq!(answer.unwrap(), "bob");
    bob.stop().await;
}

async fn acknowledged_requests_are_lost_with_their_module(broker: &TestBroker) {
    let team = Team::new(broker, "lost", options(Acknowledge::Received)).await;
    let ada = team.start("ada").await;
    let client = team.connect().await;
    let call = client.hold(team.topic.as_str());
    let lost = call.timeout(Duration::from_secs(3)).into_future();
    let succession = async {
        team.gate.arrivals(1).await;
        ada.kill();
        team.gate.open();
        team.start("bob").await
    };
    let (answer, bob) = tokio::join!(lost, succession);
    let error = answer.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    assert_eq!(*team.gate.arrived.borrow(), ["ada"]);
    let next = client.hold(team.topic.as_str()).await;
    assert_eq!(next.unwrap(), "bob");
    bob.stop().await;
}

async fn a_module_that_stops_returns_the_requests_that_it_did_not_begin(broker: &TestBroker) {
    let team = Team::new(broker, "stops", options(Acknowledge::Completed)).await;
    let topic = &team.topic;
    let hoarding = hoarding(Acknowledge::Completed);
    let ada = start("ada", &team.address, topic, hoarding).await;
    let client = team.connect().await;
    let begun = Gate::of(&format!("{topic}-begun"));
    let waiting = Gate::of(&format!("{topic}-waiting"));
    waiting.open();
    let first = client.hold(format!("{topic}-begun")).into_future();
    let others = async {
        begun.arrivals(1).await;
        join_all((0..5).map(|_| client.hold(format!("{topic}-waiting")).into_future())).await
    };
    let stop = async {
        begun.arrivals(1).await;
        let bob = team.start("bob").await;
        let stopping = tokio::spawn(ada.stop());
        assert_eq!(waiting.arrivals(5).await, ["bob"; 5]);
        begun.open();
        soon("the end of the first", stopping).await.unwrap();
        bob
    };
    let (first, others, bob) = tokio::join!(first, others, stop);
    assert_eq!(first.unwrap(), "ada");
    for other in others {
        assert_eq!(other.unwrap(), "bob");
    }
    assert_eq!(*begun.arrived.borrow(), ["ada"], "each ran once");
    assert_eq!(waiting.arrived.borrow().len(), 5, "each ran once");
    bob.stop().await;
}

async fn a_large_request_is_sent_to_the_module_that_asks_for_it(broker: &TestBroker) {
    let team = Team::new(broker, "large", options(Acknowledge::Completed)).await;
    let ada = team.start("ada").await;
    let client = team.client().max_payload_size(10_000);
    let client = client.connect().await.unwrap();
    let topic = team.topic.as_str();
    let text = "x".repeat(1_000_000);
    let call = client.measure(topic, text.as_str()).into_future();
    let rescue = async {
        team.gate.arrivals(1).await;
        // The next worker must request it again.
        ada.kill();
        team.start_successor().await
    };
    let (answer, bob) = tokio::join!(call, rescue);
    assert_eq!(answer.unwrap(), 1_000_000);
    let mut others = Vec::new();
    for name in ["cyd", "dan"] {
        let options = options(Acknowledge::Received);
        others.push(start(name, &team.address, &team.topic, options).await);
    }
    let measure = |length: usize| {
        let call = client.measure(topic, "x".repeat(length));
        async move { call.await.unwrap() }
    };
    let lengths = [100_000, 9_000, 200_000, 50_000, 10_001, 300_000];
    let measured = join_all(lengths.map(measure)).await;
    assert_eq!(measured, lengths.map(|length| length as u64));
    for worker in others.into_iter().chain([bob]) {
        worker.stop().await;
    }
}

/// Returns the request and the properties of the next dead letter.
async fn put_aside(aside: &mut Socket) -> (serde_json::Value, serde_json::Value) {
    let letter = aside.receive().await;
    let request = payload::decode(letter["payload"].as_str().unwrap()).unwrap();
    let request = serde_json::from_slice(&request).unwrap();
    (request, letter["properties"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_kills_modules_is_put_aside_by_the_embedded_broker() {
    let broker = TestBroker::embedded().await;
    let options = options(Acknowledge::Completed).max_deaths(1);
    let team = Team::new(&broker, "aside", options).await;
    let client = team.connect().await;
    let call = client.hold(team.topic.as_str()).into_future();
    let call = tokio::spawn(call);
    for (count, name) in ["ada", "bob"].into_iter().enumerate() {
        let worker = team.start(name).await;
        team.gate.arrivals(count + 1).await;
        worker.kill();
    }
    // Another module does not get it.
    let cyd = team.start("cyd").await;
    let error = soon("the error", call).await.unwrap().unwrap_err();
    let CallError::Module(failure) = error else {
        panic!("{error}")
    };
    assert_eq!(failure.kind(), Some(FailureKind::PutAside));
    assert_eq!(failure.details().unwrap()["deaths"], 1);
    assert_eq!(*team.gate.arrived.borrow(), ["ada", "bob"]);
    let id = failure.details().unwrap()["id"].as_str().unwrap();
    let dead = dead_request(team.address.clone(), id).await.unwrap();
    assert_eq!(dead.dead.topic, team.topic.as_str());
    assert_eq!(dead.dead.subscription.as_deref(), Some(GROUP));
    assert_eq!(dead.dead.function.as_deref(), Some("hold"));
    assert!(
        dead.request
            .is_some_and(|request| request.contains("\"hold\""))
    );
    // It is not its fault any more.
    team.gate.open();
    retry_dead_request(team.address.clone(), id).await.unwrap();
    assert_eq!(team.gate.arrivals(3).await, ["ada", "bob", "cyd"]);
    cyd.stop().await;
}

/// It runs for the last time, so one more would end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_lost_only_its_connection_has_not_ended_with_its_request() {
    let broker = TestBroker::embedded().await;
    let TestBroker::Embedded(embedded) = &broker else {
        panic!("not embedded")
    };
    let options = options(Acknowledge::Completed).max_deaths(1);
    let team = Team::new(&broker, "flaps", options).await;
    let topic = &team.topic;
    for links in [true, false] {
        let gate = Gate::of(&format!("{topic}-{links}"));
        let line = match links {
            true => Line::start(broker.socket()).await,
            false => Line::without_links(broker.socket()).await,
        };
        let through_line = broker.module_address_at(&line.url());
        let ada = team.start("ada").await;
        let client = team.connect().await;
        let call = client.hold(format!("{topic}-{links}")).into_future();
        let cut = async {
            gate.arrivals(1).await;
            ada.kill();
            let bob = start("bob", &through_line, topic, team.options.clone()).await;
            gate.arrivals(2).await;
            // Bob has reported that it runs the request. When the broker has read bob's acknowledgement of
            // the ping, and the client's of the pong, it has read the report.
            let before = embedded.acknowledged();
            client.caller().ping().await.unwrap();
            soon("both", until(|| embedded.acknowledged() >= before + 2)).await;
            for cuts in 1..=3 {
                line.cut().await;
                let comes_again = until(|| line.count(Kind::Request) > cuts);
                soon("the request", comes_again).await;
            }
            // Another module gets the request while the connection is lost.
            let cyd = team.start("cyd").await;
            line.cut().await;
            soon("the request", until(|| line.count(Kind::Request) > 4)).await;
            gate.open();
            (bob, cyd)
        };
        let (answer, (bob, cyd)) = tokio::join!(call, cut);
        assert_eq!(answer.unwrap(), "bob");
        assert_eq!(*gate.arrived.borrow(), ["ada", "bob"]);
        bob.stop().await;
        cyd.stop().await;
    }
}

/// Pulsar counts redeliveries of returned messages, but not those of a module that crashed.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_answered_becomes_a_dead_letter_of_pulsar() {
    let broker = TestBroker::pulsar().await;
    let TestBroker::Pulsar(pulsar) = &broker else {
        panic!("no Pulsar")
    };
    let options = options(Acknowledge::Completed)
        .max_deaths(1)
        .producer_connection_timeout(Duration::ZERO);
    let team = Team::new(&broker, "aside", options).await;
    let topic = &team.topic;
    let group = GROUP.parse().unwrap();
    let address = || team.address.clone();
    // A Pulsar keeps letters for subscriptions that exist.
    assert_eq!(dead_letters(address(), topic, &group).await.unwrap(), []);
    let aside = format!("{topic}-{GROUP}-DLQ/reader");
    let aside = pulsar.url("consumer", "persistent", &aside);
    let mut aside = Socket::open(&aside).await;
    let ada = team.start("ada").await;
    // Nobody can publish to a terminated topic. With a reader, Pulsar does not delete it.
    let closed = format!("{topic}_closed");
    let reader = pulsar.url("consumer", "persistent", &format!("{closed}/reader"));
    let _reader = Socket::open(&reader).await;
    let admin = format!("persistent/public/default/{closed}");
    pulsar.administrate("POST", &format!("{admin}/terminate"), "");
    team.gate.open();
    let call = format!(r#"{{"func_name": "hold", "gate": "{topic}"}}"#);
    let request = json!({
        "payload": payload::encode(call.as_bytes()),
        "context": "1",
        "properties": {"messageType": "request", "requestContext": "1", "response_topic": closed},
    });
    let producer = pulsar.url("producer", "persistent", topic.as_str());
    let mut producer = Socket::open(&producer).await;
    producer.send(&request).await;
    assert_eq!(producer.receive().await["result"], "ok");
    let (request, properties) = put_aside(&mut aside).await;
    assert_eq!(request["func_name"], "hold");
    assert_eq!(properties["requestContext"], "1");
    let arrived = team.gate.arrived.borrow().len();
    assert_eq!(arrived, 1, "the answer was remembered");
    ada.stop().await;

    let letters = dead_letters(address(), topic, &group).await.unwrap();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.dead.function.as_deref(), Some("hold"));
    assert_eq!(letter.dead.topic, topic.as_str());
    assert_eq!(letter.context.as_deref(), Some("1"));
    assert!(
        letter
            .request
            .as_ref()
            .is_some_and(|it| it.contains("\"hold\""))
    );
    let id = &letter.dead.id;
    let unknown = retry_dead_letter(address(), topic, &group, "CAAQAA==").await;
    assert_eq!(unknown, Ok(false));
    let retried = retry_dead_letter(address(), topic, &group, id).await;
    assert_eq!(retried, Ok(true));
    assert_eq!(dead_letters(address(), topic, &group).await.unwrap(), []);
    // It runs again, and cannot be answered again.
    let bob = team.start("bob").await;
    assert_eq!(team.gate.arrivals(2).await, ["ada", "bob"]);
    put_aside(&mut aside).await;
    bob.stop().await;
    let letters = dead_letters(address(), topic, &group).await.unwrap();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    let dropped = drop_dead_letter(address(), topic, &group, &letter.dead.id).await;
    assert_eq!(dropped, Ok(true));
    assert_eq!(dead_letters(address(), topic, &group).await.unwrap(), []);
}

/// The client in the WebSocket proxy of Pulsar holds the same number of messages in addition.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_waits_in_a_busy_module_while_another_is_idle() {
    let broker = TestBroker::embedded().await;
    let team = Team::new(&broker, "idle", options(Acknowledge::Completed)).await;
    let ada = team.start("ada").await;
    let client = team.connect().await;
    let (held, open) = (team.topic.as_str(), format!("{}-open", team.topic));
    Gate::of(&open).open();
    let busy = join_all((0..2).map(|_| client.hold(held).into_future()));
    let others = async {
        team.gate.arrivals(2).await;
        let bob = team.start("bob").await;
        let calls = (0..6).map(|_| client.hold(open.as_str()).into_future());
        for answer in join_all(calls).await {
            assert_eq!(answer.unwrap(), "bob");
        }
        team.gate.open();
        bob
    };
    let (answers, bob) = tokio::join!(busy, others);
    for answer in answers {
        assert_eq!(answer.unwrap(), "ada");
    }
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_reads_a_topic_of_several_partitions_of_a_pulsar() {
    let broker = TestBroker::pulsar().await;
    let team = Team::new(&broker, "parts", options(Acknowledge::Completed)).await;
    let topic = team.topic.as_str();
    let TestBroker::Pulsar(pulsar) = &broker else {
        panic!("no Pulsar")
    };
    let admin = format!("persistent/public/default/{topic}/partitions");
    pulsar.administrate("PUT", &admin, "3");
    let ada = team.start("ada").await;
    let client = team.connect().await;
    team.gate.open();
    for answer in join_all((0..6).map(|_| client.hold(topic).into_future())).await {
        assert_eq!(answer.unwrap(), "ada");
    }
    ada.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_while_it_runs_runs_once() {
    let broker = TestBroker::embedded().await;
    let team = Team::new(&broker, "again", options(Acknowledge::Completed)).await;
    let topic = &team.topic;
    let line = Line::start(broker.socket()).await;
    let through_line = broker.module_address_at(&line.url());
    let ada = start("ada", &through_line, topic, team.options.clone()).await;
    let client = team.connect().await;
    let call = client.hold(topic.as_str()).into_future();
    let cut = async {
        team.gate.arrivals(1).await;
        line.cut().await;
        // It is younger, so the redelivery of the first one came before it.
        let other = format!("{topic}-other");
        Gate::of(&other).open();
        assert_eq!(client.hold(other).await.unwrap(), "ada");
        assert_eq!(line.count(Kind::Request), 3);
        team.gate.open();
    };
    let (answer, ()) = tokio::join!(call, cut);
    assert_eq!(answer.unwrap(), "ada");
    ada.stop().await;
    // No request is left for the next worker.
    let bob = team.start("bob").await;
    let next = format!("{topic}-next");
    Gate::of(&next).open();
    assert_eq!(client.hold(next).await.unwrap(), "bob");
    assert_eq!(*team.gate.arrived.borrow(), ["ada"]);
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_requests_go_to_another_module_after_a_lost_connection() {
    let broker = TestBroker::embedded().await;
    let team = Team::new(&broker, "waits", options(Acknowledge::Received)).await;
    let topic = &team.topic;
    let line = Line::start(broker.socket()).await;
    let through_line = broker.module_address_at(&line.url());
    let hoarding = hoarding(Acknowledge::Received);
    let ada = start("ada", &through_line, topic, hoarding).await;
    let client = team.connect().await;
    let caller = Caller::builder(topic.as_str()).address(broker.address());
    let caller = caller.connect().await.unwrap();
    let open = format!("{topic}-open");
    Gate::of(&open).open();
    let first = client.hold(topic.as_str()).into_future();
    let second = async {
        team.gate.arrivals(1).await;
        client.hold(open.as_str()).await
    };
    let cut = async {
        team.gate.arrivals(1).await;
        // Messages come in order, so this request came after the ones that wait.
        while line.count(Kind::Request) < 2 {
            caller.ping().await.unwrap();
        }
        line.cut().await;
        caller.ping().await.unwrap();
        assert_eq!(line.count(Kind::Request), 3, "the waiting request again");
        let bob = team.start("bob").await;
        let stopping = tokio::spawn(ada.stop());
        assert_eq!(Gate::of(&open).arrivals(1).await, ["bob"]);
        team.gate.open();
        soon("the end of the first", stopping).await.unwrap();
        bob
    };
    let (first, second, bob) = tokio::join!(first, second, cut);
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        ("ada".to_owned(), "bob".to_owned())
    );
    assert_eq!(team.gate.arrived.borrow().len(), 1);
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_django_broker_shares_nothing() {
    let broker = TestBroker::django().await;
    let topic = broker.topic("refused").await;
    let options = options(Acknowledge::Received);
    let module = workers::module().unwrap();
    let error = Host::start(module, &topic, broker.address(), options).await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Connect(ConnectError::Unsupported {
                feature: Feature::Groups,
                ..
            })
        ),
        "{error:?}"
    );
    let reason = "it sends every message to every module that listens";
    assert!(error.to_string().contains(reason), "{error}");
}

/// Without a group, the next module on the topic takes over.
async fn the_next_module_runs_the_unfinished_requests_of_the_last_one(broker: &TestBroker) {
    let mut options = options(Acknowledge::Completed);
    options.group = None;
    let team = Team::new(broker, "next", options).await;
    let ada = team.start("ada").await;
    let client = team.connect().await;
    let call = client.hold(team.topic.as_str()).into_future();
    let rescue = async {
        team.gate.arrivals(1).await;
        ada.kill();
        if let TestBroker::Embedded(embedded) = broker {
            // While the broker counts ada as connected, bob would be an additional module. Then only the
            // link of the client is left.
            soon("the end of ada", embedded.has_at_most(1)).await;
        }
        team.start_successor().await
    };
    let (answer, bob) = tokio::join!(call, rescue);
    assert_eq!(answer.unwrap(), "bob");
    bob.stop().await;
}

mod without_a_group {
    crate::brokers::on_dasf_brokers!(the_next_module_runs_the_unfinished_requests_of_the_last_one);
    use super::the_next_module_runs_the_unfinished_requests_of_the_last_one;
}

async fn a_cancelled_call_ends_in_the_module_that_runs_it(broker: &TestBroker) {
    for acknowledge in [Acknowledge::Received, Acknowledge::Completed] {
        let topic = broker.topic("cancel-group").await;
        let options = HostOptions::default()
            .group("workers".parse().unwrap())
            .acknowledge(acknowledge)
            .max_workers(4);
        let mut hosts = Vec::new();
        for _ in 0..3 {
            let (module, address) = (slow::module().unwrap(), broker.group_address(Role::Module));
            let host = listen_at(address, topic.as_str(), module, options.clone());
            hosts.push(host.await);
        }
        let client = slow::Client::builder().topic(topic.as_str());
        let client = client.address(broker.group_address(Role::Caller));
        let client = client.connect().await.unwrap();
        for number in 0..9 {
            let name = format!("{topic}{number}");
            drop_running(&name, client.wait(&name)).await;
            noted(&format!("{name} dropped")).await;
        }
        for host in hosts {
            soon("the end of a module", host.shutdown()).await;
        }
    }
}
