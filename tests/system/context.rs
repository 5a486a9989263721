//! The context of a call: its log lines, its deadline and its cancellation.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use dasf::HostOptions;
use dasf::protocol::payload;
use dasf_test_support::peer::Peer;
use dasf_test_support::{broker, listen, serve, soon};
use tokio::sync::watch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// Functions that log a text of the caller.
#[allow(unreachable_pub)] // public items of a class are callable
#[dasf::module(main = false)]
mod logging {
    use std::time::{Duration, Instant};

    use dasf::Context;

    #[dasf::function]
    fn on_a_thread(text: &str) {
        tracing::info!("on a thread: {text}");
    }

    #[dasf::function]
    async fn in_a_task(text: String) {
        tokio::task::yield_now().await;
        tracing::info!("in a task: {text}");
    }

    #[dasf::function(inline)]
    fn inline(text: &str) {
        tracing::info!("inline: {text}");
    }

    /// Logs from its own threads.
    #[dasf::function]
    fn beside(text: &str, context: &Context) {
        std::thread::scope(|scope| {
            scope.spawn(|| tracing::info!("outside: {text}"));
            scope.spawn(|| {
                context.span().in_scope(|| tracing::info!("inside: {text}"));
            });
        });
    }

    /// Logs from a method.
    pub(super) struct Logger;

    #[dasf::class]
    impl Logger {
        pub fn new() -> Self {
            Self
        }

        pub fn log(&self, text: &str) {
            tracing::info!("in a method: {text}");
        }
    }

    /// Returns the seconds that the caller still waits.
    #[dasf::function]
    fn seconds_left(context: &Context) -> Option<f64> {
        let deadline = context.deadline()?;
        Some(deadline.duration_since(Instant::now()).as_secs_f64())
    }

    /// Starts a task with only the token, which tells after how many seconds it learns that the caller
    /// does not wait any more.
    #[dasf::function]
    async fn outlast(context: Context) -> u8 {
        let begin = Instant::now();
        let token = context.cancellation_token().clone();
        let elsewhere = tokio::spawn(async move {
            let sleep = tokio::time::sleep(Duration::from_secs(60));
            token.run_until_cancelled(sleep).await;
            super::OUTLASTED.send_replace(Some(begin.elapsed().as_secs_f64()));
        });
        let _ = elsewhere.await;
        std::future::pending().await
    }
}

/// After how many seconds a task has learned that its caller does not wait any more.
static OUTLASTED: LazyLock<watch::Sender<Option<f64>>> = LazyLock::new(watch::Sender::default);

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    // The spans of the host and the events of this file.
    let filter = Targets::new()
        .with_target("dasf_runtime", LevelFilter::ERROR)
        .with_target(module_path!(), LevelFilter::INFO);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

/// Returns the only line of the log that ends with the text.
fn line(text: &str) -> String {
    let log = LOG.0.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    let mut lines = log.lines().filter(|line| line.ends_with(text));
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_owned(),
        (first, second) => panic!("{text}: {first:?} {second:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_belongs_to_the_call_of_its_function() {
    LazyLock::force(&LOG);
    let client = logging::Client::builder();
    let (_broker, host, client) = serve("logs", logging::module().unwrap(), client).await;
    // Other tests may have met the spans first, when nobody wanted them.
    client.on_a_thread("before").await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    // The calls run at the same time, and each log line belongs to its own call.
    let (first, second) = ("first", "second");
    tokio::try_join!(
        client.on_a_thread(first),
        client.on_a_thread(second),
        client.in_a_task(first),
        client.in_a_task(second),
        client.inline(first),
        client.beside(first),
        client.logger().log(first),
    )
    .unwrap();

    let mut messages = Vec::new();
    for (text, function) in [
        ("on a thread: first", "on_a_thread"),
        ("on a thread: second", "on_a_thread"),
        ("in a task: first", "in_a_task"),
        ("in a task: second", "in_a_task"),
        ("inline: first", "inline"),
        ("inside: first", "beside"),
        ("in a method: first", "Logger.log"),
    ] {
        let line = line(text);
        assert!(line.contains(" call{"), "{line}");
        assert!(line.contains(&format!("function={function:?}")), "{line}");
        assert!(line.contains("topic=\"logs\""), "{line}");
        let (_, id) = line.split_once("message_id=").unwrap();
        messages.push(id.split(' ').next().unwrap().to_owned());
        assert_eq!(line.matches("call{").count(), 1, "{line}");
    }
    let outside = line("outside: first");
    assert!(!outside.contains("call{"), "{outside}");
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages.len(), 7, "{messages:?}");

    // The same without a broker.
    let request = serde_json::json!({"func_name": "on_a_thread", "text": "local"});
    let module = logging::module().unwrap();
    let call = module.call_value(request, dasf::Context::local(), None);
    call.await.unwrap();
    let line = line("on a thread: local");
    assert!(line.contains(r#"call{function="on_a_thread"}"#), "{line}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_and_the_token_are_those_of_the_caller() {
    let broker = broker().await;
    let host = listen(
        &broker,
        "waits",
        logging::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let mut peer = Peer::connect(&broker.url(), "waits", "caller").await;
    let mut send = async |timeout, function| {
        let request = serde_json::json!({"func_name": function}).to_string();
        let request = payload::encode(request.as_bytes());
        let properties = serde_json::json!({"x_dasf_timeout_ms": timeout});
        peer.send("request", timeout, &request, properties).await;
    };
    // The function is dropped, and its task goes on.
    send(300, "outlast").await;
    let mut outlasted = OUTLASTED.subscribe();
    let seconds = soon("the end of the task", outlasted.wait_for(Option::is_some)).await;
    let seconds = seconds.unwrap().unwrap_or_default();
    assert!((0.2..=10.0).contains(&seconds), "{seconds}");
    // Nobody waits for its response, so that of the next call is the only one.
    send(30_000, "seconds_left").await;
    let (status, left) = peer.answer().await;
    assert_eq!(status, "success", "{left}");
    let left = left.parse::<f64>().unwrap();
    assert!((10.0..=30.0).contains(&left), "{left}");
    assert_eq!(dasf::Context::local().deadline(), None);
    host.shutdown().await;
}
