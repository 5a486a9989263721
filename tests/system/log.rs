//! The lines that a module writes to its log.

use std::io;
use std::sync::{Arc, Mutex};

use dasf::HostOptions;
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_test_support::{broker, listen, soon, until};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The log of one test, whose host and client run on its thread and on threads that inherit its log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Log {
    pub(crate) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_max_level(LevelFilter::INFO)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines that contain a text.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        let log = self.0.lock().unwrap();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_call_has_one_line() {
    let (log, _guard) = Log::start();
    let broker = broker().await;
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, HostOptions::default()).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.add(1).b(5).await.unwrap(), 6);
    client
        .caller()
        .call(&json!({"func_name": "add", "a": "x"}))
        .await
        .unwrap_err();
    client
        .caller()
        .call(&json!({"func_name": "sqrt", "a": -1}))
        .await
        .unwrap_err();
    host.shutdown().await;

    let answered = log.lines("request answered");
    let [line] = &answered[..] else {
        panic!("{answered:?}");
    };
    for part in [" INFO ", r#"function="add""#, "milliseconds=", "bytes=1"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let failed = log.lines("request failed");
    assert_eq!(failed.len(), 2, "{failed:?}");
    for (line, function) in failed.iter().zip(["add", "sqrt"]) {
        for part in [
            &format!("function=\"{function}\""),
            "milliseconds=",
            "failure=\"validating: ",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

/// Callers decide how many calls there are, and must not fill a disk with the log of a module.
#[tokio::test]
async fn many_calls_at_once_are_summed_up() {
    const CALLS: usize = 1000;
    let (log, _guard) = Log::start();
    let broker = broker().await;
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, HostOptions::default()).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    futures_util::future::try_join_all((0..CALLS).map(|_| client.add(1).into_future()))
        .await
        .unwrap();
    host.shutdown().await;

    let lines = log.lines("request answered").len();
    let sums = log.lines("further calls in the last second");
    let others = sums.iter().map(|sum| {
        let (_, answered) = sum.split_once("answered=").unwrap();
        let (answered, failed) = answered.split_once(' ').unwrap();
        assert_eq!(failed, "failed=0");
        answered.parse::<usize>().unwrap()
    });
    assert_eq!(lines + others.sum::<usize>(), CALLS);
    assert!(lines < CALLS / 2, "{lines} lines");
}

#[tokio::test]
async fn a_connection_that_is_there_again_is_told() {
    let (log, _guard) = Log::start();
    let broker = broker().await;
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, HostOptions::default()).await;
    let address = broker.local_addr();
    broker.shutdown().await;
    soon(
        "the warning",
        until(|| !log.lines("link disconnected").is_empty()),
    )
    .await;
    let lost = &log.lines("link disconnected")[0];
    // A person reads the time.
    let wait = lost.split("retry_in=\"").nth(1).unwrap();
    assert!(wait.ends_with(" ms\""), "{lost}");
    let _broker = Broker::builder().bind(address).start().await.unwrap();
    soon(
        "the return",
        until(|| !log.lines("link connected again after").is_empty()),
    )
    .await;
    assert!(log.lines("connected again")[0].contains(" INFO "));
    host.shutdown().await;
}
