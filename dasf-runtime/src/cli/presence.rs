//! Commands that wait for a module, and report when no module answers.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;

use super::output::{ProgressHandler, print_warning};
use super::waiting_line::WaitingLine;
use super::{CallTimeout, Error, REMEDY};
use crate::client::{CallError, Caller, Whereabouts};
use crate::duration::shown;

/// The time without any message from a module, after which a command prints a warning.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time without a response, after which a command pings the module. Most calls end earlier.
const PING_AFTER: Duration = Duration::from_millis(500);

/// Waits for the answers of a module, and warns once if no module answers for two seconds.
///
/// A request may wait in the broker for a module that starts later, so a command goes on waiting
/// until its timeout is over.
#[derive(Debug)]
pub struct Presence<'c> {
    caller: &'c Caller,
    timeout: Duration,
    /// Whether any message came from a module.
    is_heard: Arc<AtomicBool>,
    is_warned: AtomicBool,
}

impl<'c> Presence<'c> {
    /// Creates the state for one command. The timeout applies to each question and each call.
    pub fn new(caller: &'c Caller, timeout: Duration) -> Self {
        Self {
            caller,
            timeout,
            is_heard: Arc::default(),
            is_warned: AtomicBool::new(false),
        }
    }

    /// Waits for the answer to a question that every module answers at once, such as
    /// [`ping`](Caller::ping).
    ///
    /// # Errors
    /// Returns the error of the question.
    pub async fn wait<T>(
        &self,
        question: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let answer = self.attend(question).await;
        self.is_heard.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer
    }

    /// The same as [`wait`](Self::wait), but returns the error of a command.
    ///
    /// # Errors
    /// [`Error::Failed`] when the question fails, with advice if no module answered.
    pub async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Error> {
        self.wait(question)
            .await
            .map_err(|error| self.explain(error))
    }

    /// Sends a request, and waits for its result, with the timeout of the command. If no response comes
    /// soon, it also pings the topic.
    ///
    /// # Errors
    /// [`Error::Failed`] when the call fails, with advice if no module answered.
    pub async fn call(
        &self,
        request: &RawValue,
        timeout: CallTimeout,
        mut on_progress: ProgressHandler,
    ) -> Result<Box<RawValue>, Error> {
        let call = self.caller.call_raw(request).without_warning();
        let call = match timeout.restarts() {
            true => call.timeout_without_progress(self.timeout),
            false => call.timeout(self.timeout),
        };
        let line = Arc::new(WaitingLine::new(std::io::stderr().is_terminal()));
        let (is_heard, shown) = (Arc::clone(&self.is_heard), Arc::clone(&line));
        let call = call.on_whereabouts(move |whereabouts| {
            let is_answered = whereabouts != Whereabouts::Unanswered;
            is_heard.fetch_or(is_answered, Ordering::Relaxed);
            shown.show(whereabouts);
        });
        let call = call.on_progress(|report| {
            self.is_heard.store(true, Ordering::Relaxed);
            line.clear();
            on_progress(report);
        });
        let ping = Box::pin(async {
            tokio::time::sleep(PING_AFTER).await;
            if !self.is_heard() && self.caller.ping().await.is_ok() {
                self.is_heard.store(true, Ordering::Relaxed);
            }
            // The call decides the outcome.
            std::future::pending().await
        });
        let call = async {
            tokio::select! {
                biased;
                result = call.into_future() => result,
                never = ping => never,
            }
        };
        let result = self.attend(call).await;
        line.clear();
        result.map_err(|error| self.explain(error))
    }

    fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Waits for a future, and warns once if no module answers meanwhile.
    async fn attend<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let is_late = !self.is_heard() && self.timeout > PATIENCE;
        if is_late && !self.is_warned.swap(true, Ordering::Relaxed) {
            let topic = self.caller.topic();
            match self.timeout {
                Duration::MAX => print_warning(format_args!(
                    "no module answers on topic {topic}; waiting for one"
                )),
                timeout => print_warning(format_args!(
                    "no module answers on topic {topic}; waiting up to {} for one",
                    shown(timeout)
                )),
            }
        }
        work.await
    }

    /// Returns the error of a command for the error of a call, with advice if no module answered.
    pub fn explain(&self, error: CallError) -> Error {
        match error {
            CallError::Timeout {
                known:
                    Whereabouts::Running { .. }
                    | Whereabouts::Begun { .. }
                    | Whereabouts::Waiting { .. },
                ..
            } => Error::Failed(format!("{error}; wait longer with --timeout")),
            CallError::Timeout { topic, after, .. } if self.is_heard() => Error::Failed(format!(
                "no response from topic {topic} within {}; a module there has answered, so the call \
                 waits or runs; wait longer with --timeout",
                shown(after)
            )),
            CallError::Timeout { topic, after, .. } => {
                let answers = if after > PATIENCE {
                    "answered"
                } else {
                    "answers"
                };
                let after = shown(after);
                Error::Failed(format!(
                    "no module {answers} on topic {topic} within {after}; {REMEDY}"
                ))
            }
            CallError::NobodyListens { .. } => Error::Failed(format!("{error}; {REMEDY}")),
            error => Error::failed(error),
        }
    }
}
