//! The command line of a module over a Mosquitto: logging in, and processes of a group that are
//! killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use dasf::{Address, list_modules};
use dasf_examples::reference::Client;
use tokio::sync::mpsc;

use crate::brokers::mosquitto::{Mosquitto, free_port};

/// How long a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command line of the reference module.
fn reference(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reference"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
        command.env_remove(name);
    }
    command.args(options).stdin(Stdio::null());
    command
}

async fn run(options: &[&str]) -> Output {
    let mut command = reference(options);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

/// The process of a module, until this is dropped.
struct Module(Child);

impl Module {
    /// Starts one, and waits until it listens.
    async fn start(options: &[&str]) -> Self {
        let mut command = reference(options);
        command.arg("listen").stderr(Stdio::piped());
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let listens = |line: std::io::Result<String>| line.unwrap().contains("listening");
            assert!(lines.by_ref().any(listens), "the module ended");
            // Read on, so that it never waits for a reader of its log.
            std::thread::spawn(move || lines.for_each(drop));
            Self(child)
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }
}

impl Drop for Module {
    /// With `SIGKILL`.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_logs_in() {
    let port = free_port();
    let passwords = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mosquitto-{port}"));
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["ada", "secret"])
        .status();
    assert!(made.unwrap().success());
    let lines = format!(
        "allow_anonymous false\npassword_file {}\n",
        passwords.display()
    );
    let broker = Mosquitto::start(port, lines).await;
    let url = broker.url();
    let place = ["-t", "login", "--mqtt-url", &url];
    let login = [&place[..], &["--mqtt-user", "ada", "--token", "secret"]].concat();
    let _module = Module::start(&login).await;
    let request = ["send-request", "{func_name: add, a: 1}"];
    let output = run(&[&login[..], &request].concat()).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n", "{output:?}");

    let wrong = [&place[..], &["--mqtt-user", "ada", "--token", "other"]].concat();
    for command in [&["listen"][..], &request] {
        let output = run(&[&wrong[..], command].concat()).await;
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let expected = format!(
            "error: the broker refuses {url} with reason code 0x87: not authorized; \
             log in with --mqtt-user NAME and --token PASSWORD, or ask for the right to publish and subscribe below dasf/\n"
        );
        assert_eq!(line, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_survives_the_process_that_runs_it() {
    let broker = Mosquitto::open().await;
    let url = broker.url();
    let options = "-t killed --group workers --ack completed --mqtt-url".split(' ');
    let options: Vec<&str> = options.chain([&*url]).collect();
    let first = Module::start(&options).await;
    let builder = Client::builder().topic("killed").timeout(PATIENCE);
    let client = builder.mqtt(&url).connect().await.unwrap();
    let (sender, mut reports) = mpsc::unbounded_channel();
    let call = client.slow().n(20).on_progress(move |_| {
        let _ = sender.send(());
    });
    let call = tokio::spawn(async move { call.await });
    // It runs.
    reports.recv().await.unwrap();
    let second = Module::start(&options).await;
    drop(first);
    assert_eq!(call.await.unwrap().unwrap(), "done");
    let modules = list_modules(Address::mqtt(&url).unwrap()).await.unwrap();
    assert_eq!(modules.len(), 1, "{modules:?}");
    drop(second);
}
