//! The brokers on which modules and callers meet.

pub(crate) mod django;
mod embedded;
pub(crate) mod mosquitto;
mod process;
pub(crate) mod pulsar;

pub(crate) use process::free_ports;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use dasf::protocol::Topic;
use dasf::{Address, Host, HostOptions, Module};

use django::Django;
use embedded::Embedded;
use mosquitto::Mosquitto;
use pulsar::Pulsar;

/// A kind of broker, with one that runs.
pub(crate) trait Process: Send + Sync {
    /// The one on which a test meets its peers: its own, or one that all tests share.
    fn for_test() -> impl Future<Output = Arc<Self>> + Send
    where
        Self: Sized;

    /// Where it is, as the scripts of the tests read it: a URL, or for Pulsar a host with a port.
    fn place(&self) -> String;

    /// Where it is, as options of a command line.
    fn options(&self) -> String;

    fn address(&self) -> Address;

    /// Where messages of a topic are read, at a broker whose topics have URLs.
    fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        format!("{}/{topic}/{subscription}", self.place())
    }

    /// Makes a topic that everybody may use. Most brokers do so when somebody uses it.
    fn make_topic(&self, _name: &str) {}
}

/// The tests of one broker, if their peers can speak with it.
macro_rules! tests_where_spoken {
    // What the tests need, what the broker speaks, whether it shares, and its name; the tests.
    (dasf, pulsar, $shares:ident, $names:tt $tests:tt) => {};
    (dasf, mqtt, $shares:ident, $names:tt $tests:tt) => {};
    (json, mqtt, $shares:ident, $names:tt $tests:tt) => {};
    (groups, $spoken:ident, copies, $names:tt $tests:tt) => {};
    ($tested:ident, $spoken:ident, $shares:ident, ($broker:ident) ($($test:ident)+)) => {
        mod $broker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(&crate::brokers::TestBroker::$broker().await).await;
                }
            )+
        }
    };
}
pub(crate) use tests_where_spoken;

/// Makes the tests and the types of a table of brokers.
macro_rules! brokers {
    ($dollar:tt $($broker:ident: $process:ident speaks $spoken:ident and $shares:ident,)+) => {
        /// A broker that runs.
        pub(crate) enum TestBroker {
            $($process(Arc<$process>),)+
        }

        impl TestBroker {
            $(
                pub(crate) async fn $broker() -> Self {
                    Self::$process($process::for_test().await)
                }
            )+

            fn process(&self) -> &dyn Process {
                match self {
                    $(Self::$process(process) => process.as_ref(),)+
                }
            }
        }

        macro_rules! tests_on_brokers {
            ($dollar tested:ident: $dollar tests:tt) => {
                $(
                    crate::brokers::tests_where_spoken!(
                        $dollar tested, $spoken, $shares, ($broker) $dollar tests
                    );
                )+
            };
        }
        pub(crate) use tests_on_brokers;
    };
}

// Each broker, by the name of its tests, with what it speaks: `dasf` is JSON with topics below one
// URL, `pulsar` the same JSON with topics elsewhere, and `mqtt` no JSON. It either `shares` the
// messages of a topic between modules of a group, or `copies` them for each.
brokers! { $
    embedded: Embedded speaks dasf and shares,
    django: Django speaks dasf and copies,
    pulsar: Pulsar speaks pulsar and shares,
    mosquitto: Mosquitto speaks mqtt and shares,
}

/// Makes a test of each function for each broker. All peers must be in Rust.
macro_rules! on_every_broker {
    ($($test:ident),+ $(,)?) => { crate::brokers::tests_on_brokers!(any: ($($test)+)); };
}
pub(crate) use on_every_broker;

/// Makes a test of each function for each broker that peers in Python and TypeScript speak with,
/// which do not know MQTT.
macro_rules! on_json_brokers {
    ($($test:ident),+ $(,)?) => { crate::brokers::tests_on_brokers!(json: ($($test)+)); };
}
pub(crate) use on_json_brokers;

/// Makes a test of each function for each broker with topics below one URL.
macro_rules! on_dasf_brokers {
    ($($test:ident),+ $(,)?) => { crate::brokers::tests_on_brokers!(dasf: ($($test)+)); };
}
pub(crate) use on_dasf_brokers;

/// Makes a test of each function for each broker that shares a topic's messages in a group.
macro_rules! on_sharing_brokers {
    ($($test:ident),+ $(,)?) => { crate::brokers::tests_on_brokers!(groups: ($($test)+)); };
}
pub(crate) use on_sharing_brokers;

/// The broker that all tests of this process share, which the first of them starts.
pub(crate) async fn shared<T: Send + Sync>(
    place: &'static OnceLock<Arc<T>>,
    start: fn() -> T,
) -> Arc<T> {
    let start = move || place.get_or_init(|| Arc::new(start())).clone();
    tokio::task::spawn_blocking(start).await.unwrap()
}

impl TestBroker {
    /// Where it is, as the scripts of the tests read it.
    pub(crate) fn place(&self) -> String {
        self.process().place()
    }

    /// Where it is, as options of a command line.
    pub(crate) fn options(&self) -> Vec<String> {
        let options = self.process().options();
        options.split(' ').map(str::to_owned).collect()
    }

    pub(crate) fn address(&self) -> Address {
        self.process().address()
    }

    /// Where it keeps what it has for a group.
    pub(crate) fn group_address(&self) -> Address {
        match self {
            // What it keeps is persistent.
            Self::Pulsar(pulsar) => pulsar.persistent_address(),
            _ => self.address(),
        }
    }

    /// Where messages of a topic are read.
    pub(crate) fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        self.process().consumer_url(topic, subscription)
    }

    /// A topic that no other test uses, and everybody may.
    pub(crate) async fn topic(&self, name: &str) -> Topic {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let topic = format!("{name}-{count}");
        tokio::task::block_in_place(|| self.process().make_topic(&topic));
        topic.parse().unwrap()
    }

    /// Serves a module here.
    pub(crate) async fn serve(&self, module: Module, topic: &Topic) -> Host {
        let options = HostOptions::default();
        Host::start(module, topic, self.address(), options)
            .await
            .unwrap()
    }
}
