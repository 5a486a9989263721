//! The command line of a module on Mosquitto: login, and a group of which a process is killed.

use std::process::{Command, Output};
use std::time::Duration;

use dasf::Address;
use dasf::broker::list_modules;
use dasf_examples::reference::Client;
use dasf_test_support::brokers::mosquitto::Mosquitto;
use dasf_test_support::program;
use tokio::sync::mpsc;

use crate::listen;

/// The time that a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command of the reference module.
fn reference(options: &[&str]) -> Command {
    let mut command = program::command(env!("CARGO_BIN_EXE_reference"));
    command.args(options);
    command
}

async fn run(options: &[&str]) -> Output {
    program::output(reference(options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_logs_in() {
    let broker = Mosquitto::with_login("ada", "secret").await;
    let url = broker.url();
    let place = ["-t", "login", "--mqtt-url", &url];
    let login = [&place[..], &["--mqtt-user", "ada", "--token", "secret"]].concat();
    let _module = listen(reference(&login)).await;
    let request = ["send-request", "{func_name: add, a: 1}"];
    let output = run(&[&login[..], &request].concat()).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n", "{output:?}");

    let wrong = [&place[..], &["--mqtt-user", "ada", "--token", "other"]].concat();
    for command in [&["listen"][..], &request] {
        let output = run(&[&wrong[..], command].concat()).await;
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let expected = format!(
            "error: the broker at {url} refuses with reason code 0x87: not authorized; \
             log in with --mqtt-user NAME and --token PASSWORD, or ask for the right to publish and subscribe to topics below dasf/\n"
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
    let first = listen(reference(&options)).await;
    let builder = Client::builder().topic("killed").timeout(PATIENCE);
    let client = builder.mqtt(&url).connect().await.unwrap();
    let (sender, mut reports) = mpsc::unbounded_channel();
    let call = client.slow().n(20).on_progress(move |_| {
        let _ = sender.send(());
    });
    let call = tokio::spawn(async move { call.await });
    // The call runs.
    reports.recv().await.unwrap();
    let second = listen(reference(&options)).await;
    drop(first);
    assert_eq!(call.await.unwrap().unwrap(), "done");
    let modules = list_modules(Address::mqtt(&url).unwrap()).await.unwrap();
    assert_eq!(modules.len(), 1, "{modules:?}");
    drop(second);
}
