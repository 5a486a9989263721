//! The Django broker as a process. `cargo xtask python` installs it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use dasf::Address;
use serde::Deserialize;
use serde_json::Value;

use super::{Process, shared};
use crate::python;

/// A `dasf-broker-django` that runs until it is dropped or the process of the test ends.
#[derive(Debug)]
pub struct Django {
    child: Child,
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    ready: Ready,
}

/// The line that the broker prints when it listens.
#[derive(Debug, Deserialize)]
struct Ready {
    port: u16,
    tokens: Tokens,
}

/// The tokens of users with and without rights on the topic `private`.
#[derive(Debug, Clone, Deserialize)]
pub struct Tokens {
    /// The token of a user who may publish.
    pub producer: String,
    /// The token of a user who may read.
    pub consumer: String,
    /// The token of a user without rights.
    pub nobody: String,
}

/// Returns the path of a database that does not exist yet.
pub fn fresh_database(name: &str) -> PathBuf {
    let folder = crate::temporary_folder().join("django");
    fs::create_dir_all(&folder).unwrap();
    let process = std::process::id();
    let file = folder.join(format!("{name}-{process}.sqlite3"));
    // An earlier process may have had the same number.
    let _ = fs::remove_file(&file);
    file
}

impl Django {
    /// Starts the broker with a database, and waits until it listens. Port 0 stands for a free port.
    pub fn start(database: &Path, port: u16) -> Self {
        let folder = crate::root().join("tests/interop/django");
        // The broker logs every connection to a topic that was deleted.
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

    /// Returns the port of the broker.
    pub fn port(&self) -> u16 {
        self.ready.port
    }

    /// Returns the URL of the broker.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port())
    }

    /// Returns the tokens of the users.
    pub fn tokens(&self) -> &Tokens {
        &self.ready.tokens
    }

    /// Creates a topic that everybody may use.
    pub fn make_topic(&self, name: &str) {
        assert_eq!(self.ask("topic", name), Value::Null);
    }

    /// Returns the API description that the database of the broker has for a topic.
    pub fn api_info(&self, topic: &str) -> Value {
        self.ask("api_info", topic)
    }

    /// Sends a command to `serve.py`, and returns the answer.
    fn ask(&self, command: &str, topic: &str) -> Value {
        let mut lines = self.lines.lock().unwrap();
        let (input, output) = &mut *lines;
        writeln!(input, "{command} {topic}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("the Django broker did not {command}; its log shows why"))
    }
}

impl Process for Django {
    async fn for_test() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Django>> = OnceLock::new();
        shared(&SHARED, || Self::start(&fresh_database("shared"), 0)).await
    }

    fn place(&self) -> String {
        self.url()
    }

    fn options(&self) -> String {
        format!("--websocket-url {}", self.url())
    }

    fn address(&self) -> Address {
        Address::websocket(&self.url()).unwrap()
    }

    /// A topic that a client creates is not for everybody.
    fn make_topic(&self, name: &str) {
        Self::make_topic(self, name);
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // Both fail where the process has ended; a test has noticed that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
