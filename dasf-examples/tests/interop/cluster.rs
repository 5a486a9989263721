//! Several processes of one module on Apache Pulsar. They share the work, take over the work of a
//! process that crashes, and together do more calls per second than one.
//!
//! The measured rates are written to `target/interop/group-rate.txt`. With `--release`, these are the
//! numbers of the guide.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dasf_examples::monte_carlo::Client;
use dasf_test_support::brokers::pulsar::{Pulsar, Setup};
use dasf_test_support::program::{self, Listening};
use futures_util::future::join_all;
use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};

use crate::listen;

/// The time that a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const CLIENTS: usize = 20;
const MODULES: usize = 3;

/// Returns the Pulsar that the tests of this file share.
async fn pulsar() -> Arc<Pulsar> {
    static SHARED: OnceCell<Arc<Pulsar>> = OnceCell::const_new();
    let start = || async {
        let start = || Arc::new(Pulsar::start("cluster", &Setup::default()));
        tokio::task::spawn_blocking(start).await.unwrap()
    };
    SHARED.get_or_init(start).await.clone()
}

/// Makes the other tests of this file wait, because they would disturb the measurement.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Starts a module with options.
async fn start(topic: &str, options: &[String]) -> Listening {
    let mut command = program::command(env!("CARGO_BIN_EXE_monte-carlo"));
    command.args(["-t", topic]).args(options);
    listen(command).await
}

/// Returns the options of a module in a group on Pulsar that runs one call at a time.
fn grouped(pulsar: &Pulsar) -> Vec<String> {
    let port = pulsar.port();
    let options = format!(
        "--host 127.0.0.1 --port {port} --persistent persistent --group estimators --ack completed --max-workers 1"
    );
    options.split(' ').map(str::to_owned).collect()
}

async fn team(topic: &str, options: &[String], size: usize) -> Vec<Listening> {
    join_all((0..size).map(|_| start(topic, options))).await
}

/// Connects clients that share no connection.
async fn clients(pulsar: &Pulsar, topic: &str) -> Vec<Client> {
    let connect = || async {
        let builder = Client::builder().topic(topic).timeout(PATIENCE);
        let builder = builder.address(pulsar.persistent_address());
        builder.connect().await.unwrap()
    };
    join_all((0..CLIENTS).map(|_| connect())).await
}

/// Lets each client make calls, one after the other. Returns the number of calls of each process, and
/// the calls per second.
async fn work<'a, F: Future<Output = u32>>(
    clients: &'a [Client],
    calls: usize,
    call: impl Fn(&'a Client, usize) -> F,
) -> (BTreeMap<u32, usize>, f64) {
    let started = Instant::now();
    let call = &call;
    let ran = clients
        .iter()
        .enumerate()
        .map(|(number, client)| async move {
            let mut ran = Vec::with_capacity(calls);
            for index in 0..calls {
                ran.push(call(client, number * calls + index).await);
            }
            ran
        });
    let ran = join_all(ran).await.into_iter().flatten();
    let mut shares = BTreeMap::new();
    for process in ran {
        *shares.entry(process).or_default() += 1;
    }
    let rate = (clients.len() * calls) as f64 / started.elapsed().as_secs_f64();
    (shares, rate)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_modules_share_the_work_of_twenty_clients_and_one_that_dies_is_replaced() {
    const CALLS: usize = 30;
    let _alone = alone().await;
    let pulsar = pulsar().await;
    let topic = "shared-work";
    let mut team = team(topic, &grouped(&pulsar), MODULES).await;
    let clients = clients(&pulsar, topic).await;
    let wait = async |client: &Client| client.wait(5).await.unwrap();
    let (shares, _) = work(&clients, CALLS, |client, _| wait(client)).await;
    let processes: Vec<u32> = team.iter().map(Listening::id).collect();
    let fair = CLIENTS * CALLS / MODULES;
    for process in &processes {
        let share = shares.get(process).copied().unwrap_or_default();
        assert!(share >= fair / 2, "{share} of {shares:?}, fair is {fair}");
    }

    // One module is killed while it works and has further requests.
    let dead = team.remove(0);
    let answered = AtomicUsize::new(0);
    let (progress, mut made) = watch::channel(0);
    let count = async |client: &Client| {
        let process = wait(client).await;
        progress.send_replace(answered.fetch_add(1, Ordering::Relaxed) + 1);
        process
    };
    let kill = async {
        let third = CLIENTS * CALLS / 3;
        made.wait_for(|&made| made >= third).await.unwrap();
        let id = dead.id();
        drop(dead);
        id
    };
    let calls = work(&clients, CALLS, |client, _| count(client));
    let ((shares, _), dead) = tokio::join!(calls, kill);
    let total: usize = shares.values().sum();
    assert_eq!(total, CLIENTS * CALLS, "every call is answered");
    let lost = shares.get(&dead).copied().unwrap_or_default();
    for process in team.iter().map(Listening::id) {
        assert!(shares[&process] > lost, "{shares:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_modules_do_more() {
    /// About 20 ms of one processor, when optimized.
    const SAMPLES: u32 = if cfg!(debug_assertions) {
        200_000
    } else {
        10_000_000
    };
    let _alone = alone().await;
    let pulsar = pulsar().await;
    let mut figures = format!(
        "{CLIENTS} clients, calls a second\n\n{:>8} {:>14} {:>14}\n",
        "modules", "20 ms waiting", "20 ms working"
    );
    let mut waited = Vec::new();
    for size in 1..=MODULES {
        let topic = format!("rate-{size}");
        let team = team(&topic, &grouped(&pulsar), size).await;
        let clients = clients(&pulsar, &topic).await;
        let wait = async |client: &Client| client.wait(20).await.unwrap();
        let compute = async |client: &Client, seed: usize| {
            let estimate = client.pi(SAMPLES).seed(seed as u64).await.unwrap();
            assert!((estimate.value - std::f64::consts::PI).abs() < 0.1);
            estimate.process
        };
        // The first calls open the connections for the responses.
        work(&clients, 1, |client, _| wait(client)).await;
        let (_, waiting) = work(&clients, 5 * size, |client, _| wait(client)).await;
        let (_, working) = work(&clients, 5 * size, compute).await;
        writeln!(figures, "{size:>8} {waiting:>14.1} {working:>14.1}").unwrap();
        waited.push(waiting);
        drop(team);
    }
    let folder = dasf_test_support::root().join("target/interop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("group-rate.txt"), &figures).unwrap();
    // Waiting calls need no processor, so this holds on a busy machine.
    assert!(waited[2] > 1.8 * waited[0], "{figures}");
}

/// The same program runs on a laptop and on a cluster, with other options only.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_program_moves_from_a_laptop_to_a_cluster_by_its_options() {
    let _alone = alone().await;
    let broker = dasf_test_support::broker().await;
    let laptop = ["--websocket-url".to_owned(), broker.url()];
    let topic = "moving";
    let module = start(topic, &laptop).await;
    let client = Client::builder().topic(topic).websocket(&broker.url());
    let client = client.connect().await.unwrap();
    let on_laptop = client.pi(10_000).seed(7).await.unwrap();
    assert_eq!(on_laptop.process, module.id());

    let pulsar = pulsar().await;
    let team = team(topic, &grouped(&pulsar), 2).await;
    let clients = clients(&pulsar, topic).await;
    let in_cluster = clients[0].pi(10_000).seed(7).await.unwrap();
    assert_eq!(in_cluster.value.to_bits(), on_laptop.value.to_bits());
    assert!(team.iter().any(|module| module.id() == in_cluster.process));
    broker.shutdown().await;
}
