//! Brokers, modules, peers and programs for the tests of dasf.
//!
//! | module | contents |
//! | --- | --- |
//! | this one | the embedded broker, a module that listens on it, and waiting |
//! | [`peer`] | a caller that sends and receives single frames |
//! | [`mod@line`] | a line to a broker on which a test makes faults |
//! | [`worker`] | a module that a test can kill |
//! | [`slow_module`] | a module whose calls end only when nobody waits for them |
//! | [`program`] | programs of this workspace, as processes |
//! | [`process`] | foreign brokers as processes, and free ports |
//! | [`terminal`] | a terminal, in tmux |
//! | [`brokers`] | the embedded broker, Mosquitto, Pulsar and Django behind one interface |
//! | [`python`], [`dialog`] | Python scripts |

// A test and its helpers panic when they fail.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod brokers;
pub mod dialog;
pub mod line;
pub mod page;
pub mod peer;
pub mod process;
pub mod program;
pub mod python;
pub mod slow_module;
pub mod terminal;
pub mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use dasf::client::ClientBuilder;
use dasf::{Address, Caller, Host, HostOptions, Module};
use dasf_broker::{Broker, Builder};

/// The time after which [`soon`] gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the settings of an embedded broker on a free port.
pub fn broker_builder() -> Builder {
    Broker::builder().bind(([127, 0, 0, 1], 0).into())
}

/// Starts an embedded broker on a free port.
pub async fn broker() -> Broker {
    broker_builder().start().await.unwrap()
}

/// Returns the addresses of a broker in the styles of DASF and of Pulsar.
pub fn both_styles(broker: &Broker) -> [Address; 2] {
    let socket = broker.local_addr();
    [
        Address::websocket(&broker.url()).unwrap(),
        Address::pulsar(socket.ip().to_string(), socket.port()).unwrap(),
    ]
}

/// Starts a module on a topic of an embedded broker.
pub async fn listen(broker: &Broker, topic: &str, module: Module, options: HostOptions) -> Host {
    let address = Address::websocket(&broker.url()).unwrap();
    listen_at(address, topic, module, options).await
}

/// Starts a module on a topic of the broker at an address.
pub async fn listen_at(
    address: Address,
    topic: &str,
    module: Module,
    options: HostOptions,
) -> Host {
    Host::start(module, &topic.parse().unwrap(), address, options)
        .await
        .unwrap()
}

/// Starts an embedded broker with a module on a topic, and connects a client. The settings of the
/// client need no topic and no broker.
pub async fn serve<C: From<Caller>>(
    topic: &str,
    module: Module,
    client: ClientBuilder<C>,
) -> (Broker, Host, C) {
    let broker = broker().await;
    let host = listen(&broker, topic, module, HostOptions::default()).await;
    let client = client.topic(topic).websocket(&broker.url());
    let client = client.connect().await.unwrap();
    (broker, host, client)
}

/// Waits for a future, and panics after [`PATIENCE`]; `what` names the result.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// Waits until a condition is true that no event announces.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap().to_owned()
}

/// Returns the folder for files of tests, `target/tmp`. Cargo gives the same folder to integration
/// tests as `CARGO_TARGET_TMPDIR`.
pub fn temporary_folder() -> PathBuf {
    let folder = root().join("target/tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
