//! A broker with modules, and the program `dasf` that calls them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use dasf::{HostOptions, Module};
use dasf_broker::Broker;
use dasf_test_support::{broker_builder, listen, program};
use tokio::runtime::Runtime;

/// A broker and a folder for files. A drop stops the broker and removes the folder.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    broker: Broker,
    folder: PathBuf,
}

impl Stage {
    pub(crate) fn new(token: Option<&str>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dasf-cli-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let runtime = Runtime::new().unwrap();
        let builder = match token {
            Some(token) => broker_builder().token(token),
            // The tests of proxies call the broker by this name.
            None => broker_builder().allow_origin("http://broker.test"),
        };
        let broker = runtime.block_on(builder.start()).unwrap();
        Self {
            runtime,
            broker,
            folder,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.broker.url()
    }

    /// Serves a module until the stage is dropped.
    pub(crate) fn serve(&self, module: Module, topic: &str) {
        let start = listen(&self.broker, topic, module, HostOptions::default());
        let host = self.runtime.block_on(start);
        // The task owns the host, and ends with the runtime.
        self.runtime.spawn(async move {
            let mut host = host;
            host.ended().await;
        });
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns a command of the program, with the broker of this stage as its broker.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::command(env!("CARGO_BIN_EXE_dasf"));
        command.args(arguments);
        command.env("DE_BACKEND_WEBSOCKET_URL", self.url());
        command.env("XDG_DATA_HOME", &self.folder);
        command.env("XDG_CONFIG_HOME", &self.folder);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run(self.command(arguments).output().unwrap())
    }

    /// Runs a command with the URLs of a Pulsar.
    pub(crate) fn run_by_pulsar(&self, arguments: &[&str]) -> Run {
        let address = self.broker.local_addr();
        let port = address.port().to_string();
        let mut command = self.command(arguments);
        command.env_remove("DE_BACKEND_WEBSOCKET_URL");
        command.args(["--host", &address.ip().to_string(), "--port", &port]);
        Run(command.output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that fails does not read its input.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Run(child.wait_with_output().unwrap())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A folder that remains does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The output of the program.
pub(crate) struct Run(pub(crate) Output);

impl Run {
    /// Returns the standard output. The standard error must be empty.
    pub(crate) fn succeeds(self) -> String {
        let Self(output) = self;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(told, "");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the one line of the standard error, without `error: `. The standard output must be
    /// empty.
    pub(crate) fn fails(self, code: i32) -> String {
        let Self(output) = self;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        let line = told.trim_end();
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    }
}
