//! The brokers on which modules and callers meet.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use dasf::protocol::Topic;
use dasf::{Address, Host, HostOptions, Module};
use dasf_broker::Broker;
use serde::Deserialize;
use serde_json::Value;

use crate::python;
use crate::standalone::Pulsar;

/// A broker that runs.
pub(crate) enum TestBroker {
    Embedded(Broker),
    Django(Arc<Django>),
    Pulsar(Arc<Pulsar>),
}

/// Makes a test of each function for each broker.
macro_rules! on_every_broker {
    ($($test:ident),+ $(,)?) => {
        crate::brokers::on_dasf_brokers!($($test),+);

        mod pulsar {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(&crate::brokers::TestBroker::pulsar().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_every_broker;

/// Makes a test of each function for each broker but Pulsar.
macro_rules! on_dasf_brokers {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(&crate::brokers::TestBroker::embedded().await).await;
                }
            )+
        }

        mod django {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(&crate::brokers::TestBroker::django().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_dasf_brokers;

impl TestBroker {
    /// The project's own, for this test alone.
    pub(crate) async fn embedded() -> Self {
        let broker = Broker::builder().bind(([127, 0, 0, 1], 0).into());
        Self::Embedded(broker.start().await.unwrap())
    }

    /// The Django broker, which all tests of this process share.
    pub(crate) async fn django() -> Self {
        static SHARED: OnceLock<Arc<Django>> = OnceLock::new();
        let start = || Arc::new(Django::start(&fresh_database("shared"), 0));
        let shared = tokio::task::spawn_blocking(move || SHARED.get_or_init(start).clone());
        Self::Django(shared.await.unwrap())
    }

    /// The Apache Pulsar, which all tests of this process share.
    pub(crate) async fn pulsar() -> Self {
        static SHARED: OnceLock<Arc<Pulsar>> = OnceLock::new();
        // What nobody uses is collected sooner than after a minute.
        let settings = [("brokerDeleteInactiveTopicsFrequencySeconds", "1")];
        let start = move || Arc::new(Pulsar::start("shared", &settings));
        let shared = tokio::task::spawn_blocking(move || SHARED.get_or_init(start).clone());
        Self::Pulsar(shared.await.unwrap())
    }

    /// Where it is, as the scripts of the tests read it: a URL, or for Pulsar a host with a port.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.url(),
            Self::Django(django) => django.url(),
            Self::Pulsar(pulsar) => format!("127.0.0.1:{}", pulsar.port()),
        }
    }

    /// Where it is, as options of a command line.
    pub(crate) fn options(&self) -> Vec<String> {
        let options = match self {
            Self::Embedded(_) | Self::Django(_) => format!("--websocket-url {}", self.place()),
            Self::Pulsar(pulsar) => format!("--host 127.0.0.1 --port {}", pulsar.port()),
        };
        options.split(' ').map(str::to_owned).collect()
    }

    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Embedded(_) | Self::Django(_) => Address::websocket(&self.place()).unwrap(),
            Self::Pulsar(pulsar) => Address::pulsar("127.0.0.1", pulsar.port()),
        }
    }

    /// Where messages of a topic are read.
    pub(crate) fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        let path = format!("{topic}/{subscription}");
        match self {
            Self::Embedded(_) | Self::Django(_) => format!("{}/{path}", self.place()),
            Self::Pulsar(pulsar) => pulsar.url("consumer", "non-persistent", &path),
        }
    }

    /// A topic that no other test uses, and everybody may.
    pub(crate) async fn topic(&self, name: &str) -> Topic {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let topic = format!("{name}-{count}");
        if let Self::Django(django) = self {
            let (django, topic) = (Arc::clone(django), topic.clone());
            let made = tokio::task::spawn_blocking(move || django.make_topic(&topic));
            made.await.unwrap();
        }
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

/// A `dasf-broker-django` that runs in a process of its own, until this is dropped or the test's
/// process ends.
pub(crate) struct Django {
    child: Child,
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    ready: Ready,
}

/// What the broker says when it listens.
#[derive(Debug, Deserialize)]
struct Ready {
    port: u16,
    tokens: Tokens,
}

/// The tokens of users with rights on the topic `private`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) producer: String,
    pub(crate) consumer: String,
    pub(crate) nobody: String,
}

/// The file of a database that is not there yet.
pub(crate) fn fresh_database(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("django");
    fs::create_dir_all(&folder).unwrap();
    let process = std::process::id();
    let file = folder.join(format!("{name}-{process}.sqlite3"));
    // A process of before may have had the same number.
    let _ = fs::remove_file(&file);
    file
}

impl Django {
    /// Starts the broker with a database, on this port or a free one for 0, and waits until it
    /// listens.
    pub(crate) fn start(database: &Path, port: u16) -> Self {
        let folder = python::root().join("tests/interop/django");
        // The broker tells there of every connection to a topic that is not there any more.
        let log = database.with_extension("log");
        let mut child = Command::new(python::interpreter())
            .arg("serve.py")
            .arg(database)
            .arg(port.to_string())
            .current_dir(folder)
            .env("PYTHONWARNINGS", "ignore")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the Django broker did not start: see {}", log.display()));
        Self {
            child,
            lines: Mutex::new((input, output)),
            ready,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.ready.port
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port())
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.ready.tokens
    }

    /// Makes a topic that everybody may use.
    pub(crate) fn make_topic(&self, name: &str) {
        assert_eq!(self.ask("topic", name), Value::Null);
    }

    /// What the broker's database says of the module that listens to a topic.
    pub(crate) fn api_info(&self, topic: &str) -> Value {
        self.ask("api_info", topic)
    }

    /// Has `serve.py` obey a command.
    fn ask(&self, command: &str, topic: &str) -> Value {
        let mut lines = self.lines.lock().unwrap();
        let (input, output) = &mut *lines;
        writeln!(input, "{command} {topic}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| {
            panic!("the Django broker did not {command}; its standard error says why")
        })
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // It fails where the process has ended, which a test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
