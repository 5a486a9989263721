//! Brokers of four kinds behind one interface, and macros that make a test of each function for
//! each kind.

pub mod django;
pub mod embedded;
pub mod mosquitto;
pub mod pulsar;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use dasf::protocol::Topic;
use dasf::{Address, Host, HostOptions, Module};
use tokio::sync::{Semaphore, SemaphorePermit};

use django::Django;
use embedded::Embedded;
use mosquitto::Mosquitto;
use pulsar::Pulsar;

pub use crate::{on_dasf_brokers, on_every_broker, on_json_brokers, on_sharing_brokers};

/// What a peer of a test does. At a broker with users, its token allows nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Calls modules.
    Caller,
    /// Serves topics.
    Module,
    /// Looks at who listens, and how much waits.
    Watcher,
}

/// A kind of broker.
pub trait Process: Send + Sync {
    /// Returns the broker of a test: its own, or one that all tests of the process share.
    fn for_test() -> impl Future<Output = Arc<Self>> + Send
    where
        Self: Sized;

    /// Returns the place of the broker as the scripts of the tests read it: a URL, or host and port
    /// of a Pulsar.
    fn place(&self) -> String;

    /// Returns the place of the broker as options of a command line, separated by spaces.
    fn options(&self) -> String;

    /// Returns the address of the broker, without a token.
    fn address(&self) -> Address;

    /// Returns the token of a peer, if the broker knows users.
    fn token(&self, _role: Role) -> Option<&'static str> {
        None
    }

    /// Returns the address of the broker for a peer.
    fn address_for(&self, role: Role) -> Address {
        self.with_token(self.address(), role)
    }

    /// Adds the token of a peer to an address that leads to this broker, such as that of a proxy.
    fn with_token(&self, address: Address, role: Role) -> Address {
        match self.token(role) {
            Some(token) => address.with_token(token).unwrap(),
            None => address,
        }
    }

    /// Adds the token of a peer to a URL of this broker.
    fn url_with_token(&self, url: String, role: Role) -> String {
        match self.token(role) {
            Some(token) => format!("{url}?token={token}"),
            None => url,
        }
    }

    /// Returns the place of the broker as the scripts of callers read it, with their token.
    fn caller_place(&self) -> String {
        self.url_with_token(self.place(), Role::Caller)
    }

    /// Returns the URL from which a module reads the messages of a topic, at a broker whose topics have
    /// URLs.
    fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        let url = format!("{}/{topic}/{subscription}", self.place());
        self.url_with_token(url, Role::Module)
    }

    /// Creates a topic that everybody may use. Most brokers create a topic at its first use.
    fn make_topic(&self, _name: &str) {}
}

/// Makes the tests of one broker, unless the peers of the tests cannot speak with it.
///
/// The arguments: the needs of the tests, the protocol of the broker (`dasf` is JSON with all topics
/// below one URL, `pulsar` the same JSON at other URLs, `mqtt` is not JSON), whether the broker
/// `shares` the messages of a topic between the modules of a group or `copies` them for each module,
/// the name of the broker, and the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_where_spoken {
    (dasf, pulsar, $shares:ident, $names:tt $tests:tt) => {};
    (dasf, mqtt, $shares:ident, $names:tt $tests:tt) => {};
    (json, mqtt, $shares:ident, $names:tt $tests:tt) => {};
    (groups, $spoken:ident, copies, $names:tt $tests:tt) => {};
    ($tested:ident, $spoken:ident, $shares:ident, ($broker:ident) ($($test:ident)+)) => {
        mod $broker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(&$crate::brokers::TestBroker::$broker().await).await;
                }
            )+
        }
    };
}

/// Makes the tests of all brokers.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_on_brokers {
    ($tested:ident: $tests:tt) => {
        $crate::tests_where_spoken!($tested, dasf, shares, (embedded) $tests);
        $crate::tests_where_spoken!($tested, dasf, copies, (django) $tests);
        $crate::tests_where_spoken!($tested, pulsar, shares, (pulsar) $tests);
        $crate::tests_where_spoken!($tested, mqtt, shares, (mosquitto) $tests);
    };
}

/// Makes a test of each function for each broker. All peers of the tests must be in Rust.
#[macro_export]
macro_rules! on_every_broker {
    ($($test:ident),+ $(,)?) => { $crate::tests_on_brokers!(any: ($($test)+)); };
}

/// Makes a test of each function for each broker whose protocol is JSON. Peers in Python and
/// TypeScript do not speak MQTT.
#[macro_export]
macro_rules! on_json_brokers {
    ($($test:ident),+ $(,)?) => { $crate::tests_on_brokers!(json: ($($test)+)); };
}

/// Makes a test of each function for each broker with all topics below one URL.
#[macro_export]
macro_rules! on_dasf_brokers {
    ($($test:ident),+ $(,)?) => { $crate::tests_on_brokers!(dasf: ($($test)+)); };
}

/// Makes a test of each function for each broker that shares the messages of a topic in a group.
#[macro_export]
macro_rules! on_sharing_brokers {
    ($($test:ident),+ $(,)?) => { $crate::tests_on_brokers!(groups: ($($test)+)); };
}

/// Returns the broker that all tests of this process share. The first test starts it.
pub async fn shared<T: Send + Sync>(place: &'static OnceLock<Arc<T>>, start: fn() -> T) -> Arc<T> {
    let start = move || place.get_or_init(|| Arc::new(start())).clone();
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// The turn of a test at the Django broker. It takes about 40 ms of processor time for a message, so timeouts would be
/// over beside the messages of another test.
static DJANGO_TURN: Semaphore = Semaphore::const_new(1);

/// A broker that runs.
#[derive(Debug)]
pub enum TestBroker {
    /// The embedded broker of one test.
    Embedded(Arc<Embedded>),
    /// A Django broker that all tests share, and the turn of this test.
    Django(Arc<Django>, Option<SemaphorePermit<'static>>),
    /// A Pulsar that all tests share.
    Pulsar(Arc<Pulsar>),
    /// A Mosquitto that all tests share.
    Mosquitto(Arc<Mosquitto>),
}

impl TestBroker {
    /// Starts an embedded broker.
    pub async fn embedded() -> Self {
        Self::Embedded(Embedded::for_test().await)
    }

    /// Returns the shared Django broker, when it is the turn of this test.
    pub async fn django() -> Self {
        let turn = DJANGO_TURN.acquire().await.unwrap();
        Self::Django(Django::for_test().await, Some(turn))
    }

    /// Returns the shared Pulsar.
    pub async fn pulsar() -> Self {
        Self::Pulsar(Pulsar::for_test().await)
    }

    /// Returns the shared Mosquitto.
    pub async fn mosquitto() -> Self {
        Self::Mosquitto(Mosquitto::for_test().await)
    }

    fn process(&self) -> &dyn Process {
        match self {
            Self::Embedded(process) => process.as_ref(),
            Self::Django(process, _) => process.as_ref(),
            Self::Pulsar(process) => process.as_ref(),
            Self::Mosquitto(process) => process.as_ref(),
        }
    }

    /// Returns the place of the broker as the scripts of the tests read it, without a token.
    pub fn place(&self) -> String {
        self.process().place()
    }

    /// Returns the socket of a broker whose place is a URL.
    pub fn socket(&self) -> SocketAddr {
        let place = self.place();
        let host = place.trim_start_matches("ws://").split('/').next();
        host.unwrap_or_default().parse().unwrap()
    }

    /// Returns the place of the broker as the scripts of callers read it, with their token.
    pub fn caller_place(&self) -> String {
        self.process().caller_place()
    }

    /// Returns the token of a peer, if the broker knows users.
    pub fn token(&self, role: Role) -> Option<&'static str> {
        self.process().token(role)
    }

    /// Returns the place of the broker as options of a command line, without a token.
    pub fn options(&self) -> Vec<String> {
        let options = self.process().options();
        options.split(' ').map(str::to_owned).collect()
    }

    /// Returns the options of a command line in Rust that connects as a peer.
    pub fn options_for(&self, role: Role) -> Vec<String> {
        let mut options = self.options();
        if let Some(token) = self.token(role) {
            options.extend(["--token", token].map(str::to_owned));
        }
        options
    }

    /// Returns the address of the broker for a caller.
    pub fn address(&self) -> Address {
        self.address_for(Role::Caller)
    }

    /// Returns the address of the broker for a peer.
    pub fn address_for(&self, role: Role) -> Address {
        self.process().address_for(role)
    }

    /// Returns the address of a module that connects to a proxy of this broker.
    pub fn module_address_at(&self, proxy_url: &str) -> Address {
        let address = Address::websocket(proxy_url).unwrap();
        self.process().with_token(address, Role::Module)
    }

    /// Returns the address at which the broker keeps the messages of a group, for a peer.
    pub fn group_address(&self, role: Role) -> Address {
        match self {
            // Pulsar keeps messages of persistent topics only.
            Self::Pulsar(pulsar) => pulsar.persistent_address(),
            _ => self.address_for(role),
        }
    }

    /// Returns the URL from which a module reads the messages of a topic.
    pub fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        self.process().consumer_url(topic, subscription)
    }

    /// Returns a topic that no other test uses and everybody may use.
    pub async fn topic(&self, name: &str) -> Topic {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let topic = format!("{name}-{count}");
        tokio::task::block_in_place(|| self.process().make_topic(&topic));
        topic.parse().unwrap()
    }

    /// Starts a module on a topic of this broker.
    pub async fn serve(&self, module: Module, topic: &Topic) -> Host {
        let options = HostOptions::default();
        crate::listen_at(
            self.address_for(Role::Module),
            topic.as_str(),
            module,
            options,
        )
        .await
    }
}
