//! The timeouts of calls: without end, and those that restart with each progress report.

use std::time::{Duration, Instant};

use dasf::CallError;
use dasf::client::Whereabouts;
use dasf_test_support::serve;

/// How long a call waits for the next report. The reports come much faster.
const PATIENCE: Duration = Duration::from_secs(2);

#[dasf::module(main = false)]
mod reporting {
    use std::time::{Duration, Instant};

    use dasf::{Context, ProgressReport};

    /// Reports its progress for so many milliseconds. Returns how long the caller waits at least, in
    /// seconds, and how long it waits at the end.
    #[dasf::function]
    async fn report_for(
        milliseconds: u64,
        mut report: ProgressReport,
        context: Context,
    ) -> Option<(f64, f64)> {
        let begun = Instant::now();
        let mut least = context.time_left()?;
        while begun.elapsed() < Duration::from_millis(milliseconds) {
            drop(report.step("working"));
            tokio::time::sleep(Duration::from_millis(100)).await;
            least = least.min(context.time_left()?);
        }
        Some((least.as_secs_f64(), context.time_left()?.as_secs_f64()))
    }

    /// Reports its progress for so many milliseconds, and hangs until the call is cancelled.
    #[dasf::function]
    async fn hang_after(milliseconds: u64, mut report: ProgressReport) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(milliseconds) {
            drop(report.step("working"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let _hanging = super::Hanging(Instant::now());
        std::future::pending::<()>().await;
    }

    /// Returns whether the caller told how long it waits.
    #[dasf::function]
    fn has_timeout(context: &Context) -> bool {
        context.time_left().is_some()
    }
}

/// How long the last call hung until it was cancelled.
static HUNG: std::sync::LazyLock<tokio::sync::watch::Sender<Option<Duration>>> =
    std::sync::LazyLock::new(|| tokio::sync::watch::Sender::new(None));

/// A call that hangs since this time. When it is cancelled, its function is dropped.
struct Hanging(Instant);

impl Drop for Hanging {
    fn drop(&mut self) {
        HUNG.send_replace(Some(self.0.elapsed()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_restarts_with_each_progress_report() {
    let client = reporting::Client::builder();
    let (_broker, host, client) = serve("reports", reporting::module().unwrap(), client).await;
    let call = client.report_for(3000).timeout_without_progress(PATIENCE);
    let (least, last) = call.await.unwrap().unwrap();
    // The function sees the time of the caller.
    let patience = PATIENCE.as_secs_f64();
    assert!(
        0.0 < least && least <= last && last <= patience,
        "{least} {last}"
    );
    // An ordinary timeout does not restart, and the last one counts.
    let call = client.report_for(3000).timeout_without_progress(PATIENCE);
    let error = call.timeout(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_further_progress_ends() {
    let client = reporting::Client::builder();
    let (_broker, host, client) = serve("stalls", reporting::module().unwrap(), client).await;
    let begun = Instant::now();
    let call = client.hang_after(1000).timeout_without_progress(PATIENCE);
    match call.await.unwrap_err() {
        CallError::Timeout { after, known, .. } => {
            assert_eq!(after, PATIENCE);
            assert!(matches!(known, Whereabouts::Running { .. }), "{known:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() >= PATIENCE + Duration::from_millis(900));
    let mut hung = HUNG.subscribe();
    let hung = hung.wait_for(Option::is_some).await.unwrap().unwrap();
    assert!(hung >= PATIENCE - Duration::from_millis(500), "{hung:?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_wait_without_end() {
    let builder = reporting::Client::builder().without_timeout();
    let (_broker, host, client) = serve("patient", reporting::module().unwrap(), builder).await;
    assert!(!client.has_timeout().await.unwrap());
    assert!(client.has_timeout().timeout(PATIENCE).await.unwrap());
    let call = client.has_timeout().timeout(PATIENCE).without_timeout();
    assert!(!call.await.unwrap());
    host.shutdown().await;
}

#[test]
fn a_blocking_call_has_the_same_timeouts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = reporting::Client::builder();
    let module = reporting::module().unwrap();
    let (broker, host, _client) = runtime.block_on(serve("blocking", module, builder));
    let builder = reporting::blocking::Client::builder().topic("blocking");
    let client = builder
        .websocket(&broker.url())
        .without_timeout()
        .connect()
        .unwrap();
    assert!(!client.has_timeout().send().unwrap());
    let call = client.report_for(3000).timeout_without_progress(PATIENCE);
    assert!(call.send().unwrap().is_some());
    runtime.block_on(host.shutdown());
}
