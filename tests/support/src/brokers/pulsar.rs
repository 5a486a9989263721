//! An Apache Pulsar as a process. `cargo xtask pulsar` installs it.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use dasf::Address;
use dasf::broker::{Persistence, PulsarAddress};
use serde_json::Value;

use super::{Process, shared};
use crate::process::{Guarded, free_ports};
use crate::{root, temporary_folder};

/// The time that Pulsar may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// The time between two checks whether Pulsar is ready, which it does not announce.
const INTERVAL: Duration = Duration::from_millis(250);

/// The files below the folder of a Pulsar: its settings, and the folder for what Java writes.
const CONFIGURATION: &str = "standalone.conf";
const TEMPORARY: &str = "temporary";

/// A Pulsar that runs until it is dropped or the process of the test ends.
#[derive(Debug)]
pub struct Pulsar {
    /// `None` while it starts again.
    process: Option<Guarded>,
    port: u16,
    folder: PathBuf,
    log: PathBuf,
    authorization: String,
}

/// Additions to the usual set-up of a Pulsar.
#[derive(Debug, Default)]
pub struct Setup<'a> {
    /// Settings; `{folder}` in a value stands for the folder of this Pulsar.
    pub settings: &'a [(&'a str, &'a str)],
    /// Files in that folder.
    pub files: &'a [(&'a str, &'a str)],
    /// The token of the tests for the admin API.
    pub token: Option<&'a str>,
}

/// Returns the folder of the Pulsar whose version the tests demand.
fn distribution() -> PathBuf {
    let root = root();
    let wanted = fs::read_to_string(root.join("tests/interop/pulsar-version.txt")).unwrap();
    // `cargo xtask pulsar` writes this file when everything is unpacked.
    let stamp = fs::read_to_string(root.join("target/pulsar/version.txt"));
    assert!(
        stamp.is_ok_and(|stamp| stamp == wanted),
        "Apache Pulsar {} is not installed; run `cargo xtask pulsar` first",
        wanted.trim()
    );
    let name = format!("apache-pulsar-{}", wanted.trim());
    root.join("target/pulsar").join(name)
}

impl Pulsar {
    /// Starts a Pulsar, and waits until it is ready.
    pub fn start(name: &str, setup: &Setup<'_>) -> Self {
        let Setup {
            settings,
            files,
            token,
        } = setup;
        let distribution = distribution();
        let process = std::process::id();
        let folder = temporary_folder().join(format!("pulsar-{name}-{process}"));
        // An earlier process may have had the same number.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let [port, broker_port] = free_ports();

        let usual = [
            ("bindAddress", "127.0.0.1"),
            ("listeningInterface", "lo"),
            ("webServicePort", &port.to_string()),
            ("brokerServicePort", &broker_port.to_string()),
            // Consumers that share a connection lose messages of topics that store nothing: while
            // one consumer receives a large message, the messages for the others are dropped.
            ("webSocketConnectionsPerBroker", "256"),
        ];
        let file = distribution.join("conf/standalone.conf");
        let mut configuration = fs::read_to_string(file).unwrap();
        for (name, value) in usual.iter().chain(*settings) {
            let value = value.replace("{folder}", folder.to_str().unwrap());
            // Pulsar uses the last of several lines.
            write!(configuration, "\n{name}={value}").unwrap();
        }
        for (name, text) in *files {
            fs::write(folder.join(name), text).unwrap();
        }
        fs::write(folder.join(CONFIGURATION), configuration + "\n").unwrap();

        // Java would leave its libraries in the folder of the machine when it is killed.
        fs::create_dir(folder.join(TEMPORARY)).unwrap();
        let log = temporary_folder().join(format!("pulsar-{name}.log"));
        // The log of an earlier one.
        let _ = fs::remove_file(&log);
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let mut pulsar = Self {
            process: None,
            port,
            folder,
            log,
            authorization: authorization.unwrap_or_default(),
        };
        pulsar.run();
        pulsar
    }

    /// Kills Pulsar, and starts it again with what it has kept.
    pub fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.run();
    }

    /// Starts the process, and waits until it is ready.
    fn run(&mut self) {
        let folder = &self.folder;
        let mut output = fs::File::options();
        let output = output.create(true).append(true).open(&self.log).unwrap();
        let temporary = folder.join(TEMPORARY);
        let temporary = temporary.display();
        let shell = Guarded::command(folder, distribution().join("bin/pulsar"))
            .args(["standalone", "--no-functions-worker", "--no-stream-storage"])
            .args(["--advertised-address", "127.0.0.1"])
            .arg("--metadata-dir")
            .arg(folder.join("metadata"))
            .arg("--bookkeeper-dir")
            .arg(folder.join("bookkeeper"))
            .env("PULSAR_STANDALONE_CONF", folder.join(CONFIGURATION))
            .env("PULSAR_LOG_DIR", folder.join("logs"))
            .env("PULSAR_MEM", "-Xms256m -Xmx1g -XX:MaxDirectMemorySize=1g")
            // These start quickly on a machine with few processors.
            .env("PULSAR_GC", "-XX:+UseSerialGC")
            .env(
                "PULSAR_EXTRA_OPTS",
                format!("-XX:TieredStopAtLevel=1 -Djava.io.tmpdir={temporary}"),
            )
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        self.process = Some(Guarded::new(shell));
        let started = Instant::now();
        while !self.is_ready() {
            assert!(
                started.elapsed() < PATIENCE,
                "Pulsar did not start; see {}",
                self.log.display()
            );
            thread::sleep(INTERVAL);
        }
    }

    /// Returns whether the default namespace exists.
    fn is_ready(&self) -> bool {
        // A Pulsar that starts may accept a request and never answer it.
        let patience = Duration::from_secs(5);
        let namespaces = self.ask("GET", "namespaces/public", "", patience);
        namespaces.is_ok_and(|(_, names)| names.contains("\"public/default\""))
    }

    /// Returns the HTTP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address of the persistent topics.
    pub fn persistent_address(&self) -> Address {
        Address::try_from(
            PulsarAddress::default()
                .host("127.0.0.1")
                .port(self.port)
                .persistence(Persistence::Persistent),
        )
        .unwrap()
    }

    /// Returns the folder of this Pulsar.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the URL of a WebSocket. The path is a topic, or a topic with a subscription.
    pub fn url(&self, role: &str, persistence: &str, path: &str) -> String {
        let port = self.port;
        format!("ws://127.0.0.1:{port}/ws/v2/{role}/{persistence}/public/default/{path}")
    }

    /// Sends a request to the admin API, and returns status and text of the response.
    fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
        patience: Duration,
    ) -> std::io::Result<(String, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(patience))?;
        // A response to HTTP/1.0 has no chunks, and the connection ends with it.
        write!(
            stream,
            "{method} /admin/v2/{path} HTTP/1.0\r\nhost: 127.0.0.1\r\n{}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.authorization,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).unwrap_or_default();
        Ok((status.to_owned(), body.to_owned()))
    }

    /// Returns a document of the admin API.
    pub fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask("GET", path, "", PATIENCE).unwrap();
        assert_eq!(status, "200", "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a request to the admin API that changes something.
    pub fn administrate(&self, method: &str, path: &str, body: &str) {
        let (status, text) = self.ask(method, path, body, PATIENCE).unwrap();
        assert!(status.starts_with('2'), "{path}: {status} {text}");
    }
}

impl Process for Pulsar {
    async fn for_test() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Pulsar>> = OnceLock::new();
        // Unused topics are deleted after a second, by default after a minute.
        let start = || {
            let setup = Setup {
                settings: &[("brokerDeleteInactiveTopicsFrequencySeconds", "1")],
                ..Setup::default()
            };
            Self::start("shared", &setup)
        };
        shared(&SHARED, start).await
    }

    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn options(&self) -> String {
        format!("--host 127.0.0.1 --port {}", self.port)
    }

    fn address(&self) -> Address {
        Address::pulsar("127.0.0.1", self.port).unwrap()
    }

    fn consumer_url(&self, topic: &str, subscription: &str) -> String {
        self.url(
            "consumer",
            "non-persistent",
            &format!("{topic}/{subscription}"),
        )
    }
}
