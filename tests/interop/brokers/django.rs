//! The Django broker in a process of its own. `cargo xtask python` provides it.

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

    /// Nobody else may make one there.
    fn make_topic(&self, name: &str) {
        Self::make_topic(self, name);
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // It fails where the process has ended, which a test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
