//! Running asynchronous work until it ends or the user interrupts it.

use std::time::Duration;

use super::Error;
use crate::client::Caller;

/// How long the program waits for running threads after everything else is closed.
const THREAD_PATIENCE: Duration = Duration::from_millis(200);
/// How long closing the connections may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the work of a command on its own runtime, until the work ends or the user stops it with
/// Ctrl-C or SIGTERM. Stopped work removes its progress bars.
///
/// # Errors
/// Returns the error of the work, or [`Error::Interrupted`].
pub fn run_until_interrupted<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    on_runtime(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            result = work => result,
            () = signals.next() => Err(Error::Interrupted),
        }
    })
}

/// Runs work that handles signals itself.
pub(super) fn on_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Failed(format!("threads cannot be started: {error}")))?;
    let result = runtime.block_on(work);
    // A running function cannot be stopped. The process ends without waiting for it.
    runtime.shutdown_timeout(THREAD_PATIENCE);
    result
}

/// Closes the connections of a client, and waits for at most two seconds.
pub async fn close(caller: Caller) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, caller.close()).await;
}

/// The signals that ask a program to end.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let watch = |kind| {
            signal(kind)
                .map_err(|error| Error::Failed(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C or SIGTERM.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for Ctrl-C.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        // If signals cannot be received, the program runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
