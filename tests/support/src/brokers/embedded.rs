//! The embedded broker, in the process of the test.
//!
//! With `DASF_TEST_BROKER=kept` in the environment, it keeps its messages on the disk and knows users: each peer
//! has the rights that it needs, and no others.

use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf::Address;
use dasf_broker::{Broker, Config};
use tempfile::TempDir;

use super::{Process, Role};

/// The environment variable that chooses how the embedded brokers of tests start.
const KIND: &str = "DASF_TEST_BROKER";

/// An embedded broker for one test.
#[derive(Debug)]
pub struct Embedded {
    broker: Broker,
    kept: Option<Kept>,
}

/// An embedded broker that a test has stopped.
#[derive(Debug)]
pub struct Stopped {
    address: SocketAddr,
    kept: Option<Kept>,
}

/// What a broker keeps, and who may use it.
#[derive(Debug)]
struct Kept {
    folder: TempDir,
    topics: Mutex<Topics>,
}

/// The topics of a test, by those who may use them.
#[derive(Debug, Default)]
struct Topics {
    /// Modules serve these topics, and callers call them.
    used: Vec<String>,
    /// Modules alone use these topics.
    of_modules: Vec<String>,
    /// Pages, which have no token, call these topics.
    of_pages: Vec<String>,
}

impl Topics {
    /// Returns the users with these rights.
    fn config(&self) -> Config {
        let Self {
            used,
            of_modules,
            of_pages,
        } = self;
        let served = [&used[..], of_modules].concat();
        // The hashes are those of the tokens in `token`. A list of names has the same form in TOML.
        let mut text = format!(
            r#"
            [users.caller]
            call = {used:?}
            tokens = [{{ sha256 = "42759dabeaa13003b4a08844d414105fbbe66726b223dccb182613678f2c0d1a" }}]
            [users.module]
            serve = {served:?}
            tokens = [{{ sha256 = "a5d804e7b36df9b6d428d806ad27e359f5aad0f09f49a96d2a32b9084caa814d" }}]
            [users.watcher]
            watch = ["*"]
            tokens = [{{ sha256 = "cb95dc24cd05898207987f109bd8f41a6fed32c48194f4e17cc362a752d1027e" }}]
            "#
        );
        if !of_pages.is_empty() {
            text += &format!("[anonymous]\ncall = {of_pages:?}\n");
        }
        text.parse().unwrap()
    }
}

impl Kept {
    /// Returns what a new broker keeps, if the tests want one that keeps something.
    fn wanted() -> Option<Self> {
        let kind = env::var_os(KIND)?;
        assert_eq!(kind, "kept", "{KIND} is `kept` or not set");
        let folder = tempfile::tempdir_in(crate::temporary_folder()).unwrap();
        Some(Self {
            folder,
            topics: Mutex::default(),
        })
    }

    fn config(&self) -> Config {
        let topics = self.topics.lock();
        topics.unwrap_or_else(PoisonError::into_inner).config()
    }
}

impl Embedded {
    /// Starts a broker on a free port.
    pub async fn start() -> Self {
        Self::open(([127, 0, 0, 1], 0).into(), Kept::wanted()).await
    }

    async fn open(address: SocketAddr, kept: Option<Kept>) -> Self {
        // The pages of the tests come from another port.
        let mut builder = Broker::builder().bind(address).allow_origin("*");
        if let Some(kept) = &kept {
            let folder = kept.folder.path();
            builder = builder.data_dir(folder).config(kept.config());
        }
        let broker = builder.start().await.unwrap();
        Self { broker, kept }
    }

    /// Returns how many messages were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.broker.statistics().acknowledged
    }

    /// Stops the broker.
    pub async fn stop(self) -> Stopped {
        let address = self.broker.local_addr();
        self.broker.shutdown().await;
        Stopped {
            address,
            kept: self.kept,
        }
    }

    /// Returns the port of the broker.
    pub fn port(&self) -> u16 {
        self.broker.local_addr().port()
    }

    /// Waits until the broker has this many connections or fewer.
    pub async fn has_at_most(&self, connections: u64) {
        // The broker does not announce the end of a connection.
        while self.broker.statistics().connections > connections {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets modules read and write a topic that no caller uses, such as that of dead letters.
    pub fn let_modules_use(&self, topic: &str) {
        self.change(|topics| topics.of_modules.push(topic.to_owned()));
    }

    /// Lets pages that cannot send a token call the modules of a topic.
    pub fn let_pages_call(&self, topic: &str) {
        self.change(|topics| topics.of_pages.push(topic.to_owned()));
    }

    /// Changes what the users may do.
    fn change(&self, change: impl FnOnce(&mut Topics)) {
        if let Some(kept) = &self.kept {
            let mut topics = kept.topics.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut topics);
            // The lock keeps the order of two changes.
            self.broker.set_config(topics.config()).unwrap();
        }
    }
}

impl Stopped {
    /// Starts the broker again at its address, with its users and with what it has kept.
    pub async fn start(self) -> Embedded {
        Embedded::open(self.address, self.kept).await
    }
}

impl Process for Embedded {
    async fn for_test() -> Arc<Self> {
        Arc::new(Self::start().await)
    }

    fn place(&self) -> String {
        self.broker.url()
    }

    fn options(&self) -> String {
        format!("--websocket-url {}", self.place())
    }

    fn address(&self) -> Address {
        Address::websocket(&self.place()).unwrap()
    }

    fn token(&self, role: Role) -> Option<&'static str> {
        self.kept.as_ref()?;
        Some(match role {
            Role::Caller => "caller-token",
            Role::Module => "module-token",
            Role::Watcher => "watcher-token",
        })
    }

    /// Modules may serve the topic, and callers may call them.
    fn make_topic(&self, name: &str) {
        self.change(|topics| topics.used.push(name.to_owned()));
    }
}
