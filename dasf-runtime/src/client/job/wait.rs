//! Waits for the result of a job.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use dasf_protocol::progress::Report;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::record::Change;
use super::{Job, Reader};
use crate::client::call::{OnProgress, read_result};
use crate::client::{Async, Blocking, CallError, Mode, deadline};

/// A future of the result of a job. Get the result with `.await`, or with [`wait`](JobResult::wait) of a
/// blocking client.
///
/// It waits as long as the job takes, unless it has a [`timeout`](Self::timeout). After a lost connection it
/// connects again. Dropping it does not end the job.
#[must_use = "the result comes when this is awaited, or with wait() of a blocking client"]
pub struct JobResult<'j, R, M = Async, H = OnProgress<'static>> {
    job: &'j Job<R, M>,
    timeout: Option<Duration>,
    on_progress: Option<H>,
}

impl<'j, R, M> JobResult<'j, R, M> {
    pub(super) fn new(job: &'j Job<R, M>) -> Self {
        Self {
            job,
            timeout: None,
            on_progress: None,
        }
    }
}

impl<'j, R, M, H> JobResult<'j, R, M, H> {
    /// Waits at most for this time, and then fails with [`CallError::NotDone`]. The job continues.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Calls `handler` with the latest report of the job, and with each later one. See
    /// [`Call::on_progress`](crate::client::Call::on_progress).
    pub fn on_progress<'h>(
        self,
        handler: impl FnMut(&Report) + Send + 'h,
    ) -> JobResult<'j, R, M, OnProgress<'h>> {
        let Self { job, timeout, .. } = self;
        JobResult {
            job,
            timeout,
            on_progress: Some(OnProgress(Box::new(handler))),
        }
    }
}

impl<R: DeserializeOwned, M: Mode> JobResult<'_, R, M, OnProgress<'_>> {
    async fn run(self) -> Result<R, CallError> {
        let Self {
            job,
            timeout,
            mut on_progress,
        } = self;
        let shared = &job.caller.shared;
        let deadline = timeout.map(|timeout| deadline(Instant::now(), timeout));
        let mut reader = Reader::open(shared, &job.id).await?;
        loop {
            let change = match deadline {
                None => reader.next().await?,
                Some(deadline) => match timeout_at(deadline, reader.next()).await {
                    Ok(change) => change?,
                    Err(_) => {
                        return Err(CallError::NotDone {
                            job: job.id.clone(),
                            after: timeout.unwrap_or_default(),
                            status: Box::new(reader.record.status()),
                        });
                    }
                },
            };
            if reader.has_caught_up && reader.record.is_cancelled() {
                let answer = reader.record.take_answer();
                return match answer {
                    Some(Ok(json)) => read_result(&json, job.schema),
                    _ => Err(CallError::Cancelled {
                        job: job.id.clone(),
                    }),
                };
            }
            if let (Change::Report, Some(handler)) = (change, &mut on_progress)
                && let Some(report) = reader.record.report()
            {
                (handler.0)(report);
            }
            // A later note may give up what has come before.
            if reader.has_caught_up
                && let Some(answer) = reader.record.take_answer()
            {
                return read_result(&answer?, job.schema);
            }
        }
    }
}

impl<R: DeserializeOwned> JobResult<'_, R, Blocking, OnProgress<'_>> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`CallError`], as for a call; [`CallError::NoJob`] if the broker keeps no job with this id.
    pub fn wait(self) -> Result<R, CallError> {
        let mode = self.job.caller.mode.clone();
        mode.block_on(self.run())?
    }
}

impl<'j, R: DeserializeOwned + 'j> IntoFuture for JobResult<'j, R, Async, OnProgress<'j>> {
    type Output = Result<R, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'j>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<R, M, H> fmt::Debug for JobResult<'_, R, M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobResult")
            .field("job", &self.job)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
