//! Running asynchronous work until it ends or the user interrupts it.

use std::io;
use std::time::Duration;

use dasf_program::{HangUp, HangUps, LogFile, StopSignals};

use super::Error;
use crate::client::{self, Caller};

/// How long the program waits for running threads after everything else is closed.
const THREAD_PATIENCE: Duration = Duration::from_millis(200);
/// How long closing the connections may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the work of a command on its own runtime, until the work ends or the user stops it with
/// Ctrl-C, SIGTERM or SIGHUP. Stopped work removes its progress bars, and cancels its calls.
///
/// # Errors
/// Returns the error of the work, or [`Error::Interrupted`].
pub fn run_until_interrupted<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    on_runtime(async {
        let mut signals = stop_signals()?;
        let result = tokio::select! {
            result = work => result,
            () = signals.next() => Err(Error::Interrupted),
        };
        // The work is dropped, and the modules learn that nobody waits for their results.
        tokio::select! {
            _ = tokio::time::timeout(CLOSE_TIMEOUT, client::all_sent()) => {}
            () = signals.next() => {}
        }
        result
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

/// Receives the signals that ask the program to stop.
fn stop_signals() -> Result<StopSignals, Error> {
    StopSignals::new().map_err(|error| no_signals(&error))
}

fn no_signals(error: &io::Error) -> Error {
    Error::Failed(format!("signals cannot be received: {error}"))
}

/// The signals of a module that listens. With a log file, SIGHUP opens the file again, unless the terminal of
/// the program has closed.
pub(super) struct ServiceSignals<'l> {
    stop: StopSignals,
    hang_ups: Option<(HangUps, &'l LogFile)>,
}

impl<'l> ServiceSignals<'l> {
    pub(super) fn new(log_file: Option<&'l LogFile>) -> Result<Self, Error> {
        let Some(log_file) = log_file else {
            return Ok(Self {
                stop: stop_signals()?,
                hang_ups: None,
            });
        };
        let stop = StopSignals::without_hang_up().map_err(|error| no_signals(&error))?;
        let hang_ups = HangUps::new().map_err(|error| no_signals(&error))?;
        Ok(Self {
            stop,
            hang_ups: Some((hang_ups, log_file)),
        })
    }

    /// Waits for the next signal to stop, and opens the log file again as often as it is asked to.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    pub(super) async fn next(&mut self) {
        while let Some((hang_ups, log_file)) = &mut self.hang_ups {
            tokio::select! {
                () = self.stop.next() => return,
                hang_up = hang_ups.next() => match hang_up {
                    HangUp::Reload => log_file.reopen(),
                    // The kernel and the shell may both tell it. Only the first one counts.
                    HangUp::TerminalClosed => {
                        self.hang_ups = None;
                        return;
                    }
                },
            }
        }
        self.stop.next().await;
    }
}
