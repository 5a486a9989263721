//! A Mosquitto in a process of its own. `cargo xtask mosquitto` provides it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use dasf::Address;

use super::process::{Guarded, free_ports};
use super::{Process, shared};

/// A Mosquitto that runs until this is dropped or the test's process ends.
pub(crate) struct Mosquitto {
    _process: Guarded,
    pub(crate) port: u16,
}

impl Mosquitto {
    /// Starts one on a free port to which everybody may connect.
    pub(crate) async fn open() -> Self {
        let port = free_port();
        Self::start(port, "allow_anonymous true\n".to_owned()).await
    }

    /// Starts one with these lines about its listener for WebSockets, and waits until it listens.
    pub(crate) async fn start(port: u16, lines: String) -> Self {
        let start = tokio::task::spawn_blocking(move || Self::spawn(port, &lines));
        start.await.unwrap()
    }

    fn spawn(port: u16, lines: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("mosquitto")
            .join(port.to_string());
        // A broker of before may have had the same port.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("mosquitto.conf");
        // Version 2.0.11, Debian's, does not start with listeners for WebSockets alone.
        let socket = folder.join("socket");
        let other = format!("listener 0 {}\n", socket.display());
        let listener = format!("listener {port} 127.0.0.1\nprotocol websockets\n");
        // As the user who runs the tests, who can read what the tests write.
        fs::write(&file, format!("user root\n{other}{listener}{lines}")).unwrap();
        let mut shell = Guarded::command(&folder, "mosquitto")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(shell.stderr.take().unwrap()).lines();
        let process = Guarded::new(shell);
        let mut said = Vec::new();
        loop {
            match log.next() {
                Some(line) => said.push(line.unwrap()),
                None => panic!("{said:?}; `cargo xtask mosquitto` provides what starts"),
            }
            if said.last().is_some_and(|line| line.ends_with(" running")) {
                break;
            }
        }
        // Read on, so that it never waits for a reader of its log.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            _process: process,
            port,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    pub(crate) fn address(&self) -> Address {
        Address::mqtt(&self.url()).unwrap()
    }
}

impl Process for Mosquitto {
    async fn for_test() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Mosquitto>> = OnceLock::new();
        shared(&SHARED, || {
            Self::spawn(free_port(), "allow_anonymous true\n")
        })
        .await
    }

    fn place(&self) -> String {
        self.url()
    }

    fn options(&self) -> String {
        format!("--mqtt-url {}", self.url())
    }

    fn address(&self) -> Address {
        Self::address(self)
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let [port] = free_ports();
    port
}
