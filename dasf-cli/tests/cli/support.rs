//! A broker with modules, and the program that calls them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use dasf::{Address, Host, HostOptions, Module};
use dasf_broker::Broker;
use tokio::runtime::Runtime;

/// A broker, with a folder for files; both are gone when this is dropped.
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
        let mut builder = Broker::builder().bind(([127, 0, 0, 1], 0).into());
        if let Some(token) = token {
            builder = builder.token(token);
        }
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

    /// Serves a module as long as this stage is there.
    pub(crate) fn serve(&self, module: Module, topic: &str) {
        let address = Address::websocket(&self.url()).unwrap();
        let topic = topic.parse().unwrap();
        let start = Host::start(module, &topic, address, HostOptions::default());
        let host = self.runtime.block_on(start).unwrap();
        // Its task owns it, and ends with the runtime.
        self.runtime.spawn(async move {
            let mut host = host;
            host.ended().await;
        });
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// The path of a new file.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, for which this stage's broker is the one to use.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dasf"));
        command.args(arguments).stdin(Stdio::null());
        // What the tests' own surroundings say must not count.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
            command.env_remove(name);
        }
        command.env("DE_BACKEND_WEBSOCKET_URL", self.url());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that fails does not read.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Run(child.wait_with_output().unwrap())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What the program did.
pub(crate) struct Run(pub(crate) Output);

impl Run {
    /// What it printed; nothing else was told.
    pub(crate) fn succeeds(self) -> String {
        let Self(output) = self;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(told, "");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line in which a failure is told; nothing was printed.
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
