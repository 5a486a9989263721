//! A Mosquitto as a process. `cargo xtask mosquitto` installs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use dasf::Address;

use super::{Process, shared};
use crate::process::{Guarded, free_ports};

/// A Mosquitto that runs until it is dropped or the process of the test ends.
#[derive(Debug)]
pub struct Mosquitto {
    _process: Guarded,
    port: u16,
}

impl Mosquitto {
    /// Starts a broker on a free port to which everybody may connect.
    pub async fn open() -> Self {
        Self::start(free_port(), "allow_anonymous true\n".to_owned()).await
    }

    /// Starts a broker on a free port that demands a user's name and password.
    pub async fn with_login(user: &str, password: &str) -> Self {
        let port = free_port();
        let passwords = crate::temporary_folder().join(format!("mosquitto-{port}"));
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&passwords)
            .args([user, password])
            .status();
        assert!(made.unwrap().success());
        let file = passwords.display();
        let lines = format!("allow_anonymous false\npassword_file {file}\n");
        Self::start(port, lines).await
    }

    /// Starts a broker with these lines of configuration for its WebSocket listener, and waits until
    /// it listens.
    pub async fn start(port: u16, lines: String) -> Self {
        let start = tokio::task::spawn_blocking(move || Self::spawn(port, &lines));
        start.await.unwrap()
    }

    fn spawn(port: u16, lines: &str) -> Self {
        let folder = crate::temporary_folder()
            .join("mosquitto")
            .join(port.to_string());
        // An earlier broker may have had the same port.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("mosquitto.conf");
        // Version 2.0.11, which Debian has, does not start with WebSocket listeners only.
        let socket = folder.join("socket");
        let other = format!("listener 0 {}\n", socket.display());
        let listener = format!("listener {port} 127.0.0.1\nprotocol websockets\n");
        // The user who runs the tests can read the files that the tests write.
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
        let mut logged = Vec::new();
        loop {
            match log.next() {
                Some(line) => logged.push(line.unwrap()),
                None => {
                    panic!("Mosquitto did not start: {logged:?}; run `cargo xtask mosquitto` first")
                }
            }
            if logged.last().is_some_and(|line| line.ends_with(" running")) {
                break;
            }
        }
        // The broker would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            _process: process,
            port,
        }
    }

    /// Returns the port of the WebSocket listener.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the socket of the WebSocket listener.
    pub fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Returns the URL of the broker.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    /// Returns the address of the broker.
    pub fn address(&self) -> Address {
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

/// Returns a port that was free a moment ago.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}
