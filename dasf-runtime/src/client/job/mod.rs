//! Jobs: calls that outlive their callers. The broker keeps the answers.

mod record;
mod submit;
mod wait;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use dasf_protocol::progress::Report;
use dasf_protocol::{JobId, JobState};

use super::{Async, Blocking, CallError, Caller, Mode, ModuleFailure, Shared};
use crate::read::SchemaOf;
use crate::transport::{KeptEvent, KeptMessages};
use record::Record;
pub use submit::Submit;
pub use wait::JobResult;

/// A call that outlives its caller: the broker keeps its answer, until [`forget`](Job::forget) or until nobody
/// has used the job for the time of [`Submit::keep`].
///
/// `submit` of a [`Call`](super::Call) makes a job, and [`attach`](Caller::attach) finds it again by its
/// [id](Job::id): in another program, on another machine, on another day. To read the result does not end the
/// job, so it can be read again. A job that is dropped continues.
///
/// `R` is the type of the result, and `M` the kind of the client.
///
/// ```no_run
/// # use dasf_runtime::client::{CallError, Caller, JobId};
/// # async fn run(caller: Caller) -> Result<(), CallError> {
/// let request = serde_json::json!({"func_name": "count", "n": 1000});
/// let job = caller.call(&request).submit().await?;
/// println!("{}", job.id());
///
/// // Later, perhaps elsewhere:
/// let job = caller.attach::<u32>(job.id())?;
/// println!("{}", job.status().await?);
/// let result = job.result().await?;
/// job.forget().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Job<R, M = Async> {
    caller: Caller<M>,
    id: JobId,
    schema: Option<SchemaOf>,
    kept_for: Option<Duration>,
    is_new: bool,
    result: PhantomData<fn() -> R>,
}

/// What is known of a job. Its `Display` text is a part of a sentence, such as `running, 30 %`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// No module has the request yet, as far as the broker knows. A module in Python says only by a report or by
    /// the answer that it has the request.
    Waiting,
    /// A module has the request, and its function has not begun.
    Accepted,
    /// The function runs.
    #[non_exhaustive]
    Running {
        /// The latest report, if the function reports its progress.
        report: Option<Report>,
    },
    /// The result is there.
    Done,
    /// The module answered with an error.
    Failed(ModuleFailure),
    /// The job was cancelled before its answer came.
    Cancelled,
}

impl JobStatus {
    /// Returns whether the job has a result, has failed or is cancelled. Then its status does not change any more.
    ///
    /// ```
    /// use dasf_runtime::client::JobStatus;
    ///
    /// assert!(JobStatus::Done.is_over());
    /// assert!(!JobStatus::Waiting.is_over());
    /// ```
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_) | Self::Cancelled)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting"),
            Self::Accepted => f.write_str("accepted"),
            Self::Running { report: None } => f.write_str("running"),
            Self::Running {
                report: Some(report),
            } => write!(f, "running, {} %", percent(report)),
            Self::Done => f.write_str("done"),
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

fn percent(report: &Report) -> u8 {
    super::in_flight::in_percent(report)
}

impl<M: Mode> Caller<M> {
    /// Returns the job with an id that [`Job::id`] gave. It does not ask the broker: [`status`](Job::status) and
    /// [`result`](Job::result) fail with [`CallError::NoJob`] if there is none.
    ///
    /// `R` is the type of the result, as it was in the call. [`serde_json::Value`] fits all.
    ///
    /// # Errors
    /// [`CallError::OtherTopic`] if the job belongs to a module on another topic than that of this client.
    pub fn attach<R>(&self, id: &JobId) -> Result<Job<R, M>, CallError> {
        if id.topic() != self.topic() {
            return Err(CallError::OtherTopic {
                topic: self.topic().clone(),
                job: id.clone(),
            });
        }
        Ok(Job::new(self.clone(), id.clone(), None))
    }
}

impl<R, M> Job<R, M> {
    fn new(caller: Caller<M>, id: JobId, schema: Option<SchemaOf>) -> Self {
        Self {
            caller,
            id,
            schema,
            kept_for: None,
            is_new: false,
            result: PhantomData,
        }
    }

    fn submitted(self, kept_for: Option<Duration>, is_new: bool) -> Self {
        Self {
            kept_for,
            is_new,
            ..self
        }
    }

    /// Returns the id. It is a text for files, mails and command lines; see [`JobId`].
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns how long the broker keeps the job after its last use, as it said when this program submitted
    /// the job. `None` if the operator of the broker decides that, or if another program submitted the job.
    pub fn kept_for(&self) -> Option<Duration> {
        self.kept_for
    }

    /// Returns whether this program has sent the request. It has not if the job was there already, with the same
    /// [key](Submit::key), and if the job comes from [`attach`](Caller::attach).
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns a future of the result. It waits as long as the job takes: see [`JobResult`].
    pub fn result(&self) -> JobResult<'_, R, M> {
        JobResult::new(self)
    }
}

impl<R> Job<R> {
    /// Asks the broker how far the job is.
    ///
    /// # Errors
    /// [`CallError::NoJob`] if the broker keeps no job with this id, and [`CallError::Connect`] if the broker
    /// cannot be reached.
    pub async fn status(&self) -> Result<JobStatus, CallError> {
        self.caller.shared.status(&self.id).await
    }

    /// Cancels the job. A module that runs it is told, and a module that gets it later does not run it.
    ///
    /// The answer may come nevertheless: the job may be done already, and modules in Python cannot stop.
    ///
    /// # Errors
    /// [`CallError`] if the broker does not accept the messages that tell it.
    pub async fn cancel(&self) -> Result<(), CallError> {
        self.caller.shared.cancel(&self.id).await
    }

    /// Gives the job up: the broker keeps nothing of it any more. A function that runs is not told; use
    /// [`cancel`](Self::cancel) before.
    ///
    /// # Errors
    /// [`CallError::Connect`] if the broker cannot be reached.
    pub async fn forget(self) -> Result<(), CallError> {
        self.caller.shared.forget(&self.id).await
    }
}

impl<R> Job<R, Blocking> {
    /// Asks the broker how far the job is, as [`status`](Job::status) of an asynchronous client does.
    ///
    /// # Errors
    /// The same, and [`CallError::InsideRuntime`].
    pub fn status(&self) -> Result<JobStatus, CallError> {
        let status = self.caller.shared.status(&self.id);
        self.caller.mode.block_on(status)?
    }

    /// Cancels the job, as [`cancel`](Job::cancel) of an asynchronous client does.
    ///
    /// # Errors
    /// The same, and [`CallError::InsideRuntime`].
    pub fn cancel(&self) -> Result<(), CallError> {
        let cancelling = self.caller.shared.cancel(&self.id);
        self.caller.mode.block_on(cancelling)?
    }

    /// Gives the job up, as [`forget`](Job::forget) of an asynchronous client does.
    ///
    /// # Errors
    /// The same, and [`CallError::InsideRuntime`].
    pub fn forget(self) -> Result<(), CallError> {
        let forgetting = self.caller.shared.forget(&self.id);
        self.caller.mode.block_on(forgetting)?
    }
}

impl Shared {
    async fn status(&self, id: &JobId) -> Result<JobStatus, CallError> {
        let mut reader = Reader::open(self, id).await?;
        while !reader.has_caught_up {
            reader.next().await?;
        }
        Ok(reader.record.status())
    }

    async fn cancel(&self, id: &JobId) -> Result<(), CallError> {
        // The note comes first: it is what a module sees that gets the request later.
        let noted = self.note(id, JobState::Cancelled, "").await;
        let told = self.tell_module_to_stop(id).await;
        // A Django broker takes no notes from callers.
        told.or(noted)
    }

    async fn forget(&self, id: &JobId) -> Result<(), CallError> {
        // It tells those who wait for the job.
        let noted = self.note(id, JobState::Forgotten, "").await;
        if self.transport.removes_late() {
            noted?;
        }
        Ok(self.transport.forget(id.response_topic()).await?)
    }
}

/// Reads what the broker keeps of a job, and then what comes.
struct Reader {
    id: JobId,
    messages: KeptMessages,
    record: Record,
    /// Whether all messages have come that were kept before.
    has_caught_up: bool,
}

impl Reader {
    async fn open(shared: &Shared, id: &JobId) -> Result<Self, CallError> {
        let messages = shared.transport.kept(id.response_topic()).await?;
        let record = Record::new(id.clone(), shared.options.max_response_size);
        let reader = Self {
            id: id.clone(),
            messages,
            record,
            has_caught_up: false,
        };
        match reader.messages.exists() {
            Some(false) => Err(reader.no_job()),
            _ => Ok(reader),
        }
    }

    fn no_job(&self) -> CallError {
        CallError::NoJob {
            job: self.id.clone(),
        }
    }

    /// Reads the next message.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    async fn next(&mut self) -> Result<record::Change, CallError> {
        match self.messages.next().await {
            None => Err(CallError::Closed),
            Some(KeptEvent::Message(delivery)) => {
                let change = self.record.add(delivery);
                match self.has_caught_up && !self.record.is_known() {
                    true => Err(self.no_job()),
                    false => Ok(change),
                }
            }
            Some(KeptEvent::Unreadable(error)) => Err(error.into()),
            Some(KeptEvent::CaughtUp) => {
                self.has_caught_up = true;
                let is_known = self.messages.exists().unwrap_or(self.record.is_known());
                match is_known {
                    true => Ok(record::Change::Nothing),
                    false => Err(self.no_job()),
                }
            }
        }
    }
}

impl<R, M> fmt::Debug for Job<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
