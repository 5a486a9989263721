//! Submits jobs.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{JobId, JobState, MessageType, Properties, Topic, TraceContext};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout, timeout_at};

use super::Job;
use super::record::Record;
use crate::client::call::Call;
use crate::client::cancel;
use crate::client::whereabouts::{Stage, Whereabouts};
use crate::client::{Async, Blocking, CallError, Mode, Shared, with_timeout};
use crate::random;
use crate::transport::{Keeping, KeptEvent, Outgoing, PublisherOptions};

/// How long a job is kept by default, after its last use.
const DEFAULT_KEEP: Duration = Duration::from_secs(7 * 86_400);

/// How long another caller with the same key may take between its note and its request. After that, or after
/// half of the timeout of the client, it counts as gone.
const SUBMITTER_PATIENCE: Duration = Duration::from_secs(10);

/// A job that is not submitted yet. Submit it with `.await`, or with [`send`](Submit::send) of a blocking
/// client.
#[must_use = "a job is submitted when this is awaited, or with send() by a blocking client"]
pub struct Submit<R, M = Async> {
    call: Call<R, M>,
    id: Result<JobId, CallError>,
    has_key: bool,
    keep: Duration,
}

impl<R, M: Mode> Submit<R, M> {
    pub(in crate::client) fn new(call: Call<R, M>) -> Self {
        let id = call.caller().shared.job_id(random::bits());
        Self {
            call,
            id,
            has_key: false,
            keep: DEFAULT_KEEP,
        }
    }

    /// Names the job: as long as it is kept, a further submission with the same key on the same topic is the
    /// same job, by any program on any machine, so its function does not run twice. The arguments do not count:
    /// the first submission decides them.
    ///
    /// Whoever knows the key can find the job. At a broker with users, the job belongs to the user who
    /// submitted it first, and others are refused.
    pub fn key(mut self, key: &str) -> Self {
        let topic = self.call.caller().topic();
        // The length keeps the end of the topic and the begin of the key apart.
        let hash = Sha256::new()
            .chain_update(
                u64::try_from(topic.as_str().len())
                    .unwrap_or(u64::MAX)
                    .to_be_bytes(),
            )
            .chain_update(topic.as_str())
            .chain_update(key)
            .finalize();
        let bits = hash
            .iter()
            .take(16)
            .fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        self.id = self.call.caller().shared.job_id(bits);
        self.has_key = true;
        self
    }

    /// Sets how long the broker keeps the job after its last use; default seven days. Each message of the job
    /// and each look at it is a use. The broker may grant less: see [`Job::kept_for`].
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// Returns the id that the job will have. A program can write it down before it submits the job, and so
    /// find the job again even if the program ends in between.
    ///
    /// # Errors
    /// [`CallError::Topic`] if the name of the module's topic is too long for the topic of an answer.
    pub fn id(&self) -> Result<&JobId, CallError> {
        self.id.as_ref().map_err(CallError::clone)
    }
}

impl<R, M: Mode> Submit<R, M> {
    async fn submit(self) -> Result<Job<R, M>, CallError> {
        let Self {
            call,
            id,
            has_key,
            keep,
        } = self;
        let id = id?;
        let trace = call.trace_context();
        let (caller, json, job_timeout, schema) = call.into_request()?;
        let shared = &caller.shared;
        shared.check(&json)?;
        let keeping = shared.transport.keep(id.response_topic(), keep).await?;
        let submission = Submission {
            shared,
            id: &id,
            keeping,
            keep,
            timeout: job_timeout,
            trace,
        };
        let limit = shared.options.timeout;
        let submitted = timeout(limit, submission.run(Bytes::from(json), has_key)).await;
        let Failure { error, is_unsent } = match submitted {
            Ok(Ok(is_new)) => {
                return Ok(Job::new(caller, id, schema).submitted(keeping.retention, is_new));
            }
            Ok(Err(failure)) => failure,
            Err(_) => shared.not_submitted(limit).into(),
        };
        // Otherwise the broker would keep an empty topic. With a key, another caller may need the topic.
        if is_unsent && !has_key && keeping.takes_notes {
            let _ = timeout(limit, shared.transport.forget(id.response_topic())).await;
        }
        Err(error)
    }
}

impl<R: Send + 'static> IntoFuture for Submit<R, Async> {
    type Output = Result<Job<R, Async>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.submit())
    }
}

impl<R> Submit<R, Blocking> {
    /// Submits the job.
    ///
    /// # Errors
    /// The same as `.await` of a [`Submit`] of an asynchronous client, and [`CallError::InsideRuntime`].
    pub fn send(self) -> Result<Job<R, Blocking>, CallError> {
        let mode = self.call.caller().mode.clone();
        mode.block_on(self.submit())?
    }
}

/// A job that is about to be submitted. The broker keeps the topic of its answer.
struct Submission<'s> {
    shared: &'s Shared,
    id: &'s JobId,
    keeping: Keeping,
    keep: Duration,
    timeout: Option<Duration>,
    trace: Option<Arc<TraceContext>>,
}

impl Submission<'_> {
    /// Returns whether this program has sent the request.
    async fn run(&self, json: Bytes, has_key: bool) -> Result<bool, Failure> {
        let repeats = if has_key && self.keeping.takes_notes {
            match self.turn().await? {
                Turn::Ours => false,
                Turn::LeftByAnother => true,
                Turn::Done => return Ok(false),
            }
        } else {
            false
        };
        if !self.keeping.takes_notes {
            self.create_topic().await?;
        }
        let way = self.shared.way_of_job(json.len()).await;
        let way = way.map_err(Failure::unsent)?;
        let properties = self.properties(repeats);
        let published = self.shared.publish_job(self.id, properties, json, way);
        published.await.map_err(Failure::of_request)?;
        if self.keeping.takes_notes {
            self.note(JobState::Sent, "").await?;
        }
        Ok(true)
    }

    /// Finds out whether another program has submitted a job with the same key.
    async fn turn(&self) -> Result<Turn, CallError> {
        let name = random::name();
        self.note(JobState::Submitting, &name).await?;
        let transport = &self.shared.transport;
        let mut messages = transport.kept(self.id.response_topic()).await?;
        let mut record = Record::new(self.id.clone(), self.shared.options.max_response_size);
        // Otherwise a client with a short timeout could never take over.
        let patience = SUBMITTER_PATIENCE.min(self.shared.options.timeout / 2);
        let deadline = Instant::now() + patience;
        let mut has_caught_up = false;
        loop {
            let event = match timeout_at(deadline, messages.next()).await {
                Ok(Some(event)) => event,
                Ok(None) => return Err(CallError::Closed),
                Err(_) => return Ok(Turn::LeftByAnother),
            };
            match event {
                KeptEvent::Message(delivery) => drop(record.add(delivery)),
                // Over MQTT, another reader may have taken the own note away.
                KeptEvent::CaughtUp => has_caught_up = true,
                KeptEvent::Unreadable(error) => return Err(error.into()),
            }
            // Messages before the own note may belong to a job that was given up.
            if !has_caught_up && !record.has_submitter(&name) {
                continue;
            }
            if record.is_sent() {
                return Ok(Turn::Done);
            }
            if record.first_submitter() == Some(&name) {
                return Ok(Turn::Ours);
            }
        }
    }

    /// Makes a Django broker create the topic of the answer, as one that this caller may read. It does so for a
    /// message that names the topic.
    async fn create_topic(&self) -> Result<(), CallError> {
        let properties = Properties::new()
            .with_message_type(MessageType::Ping)
            .with(key::REQUEST_CONTEXT, self.id.context())
            .with(key::RESPONSE_TOPIC, self.id.response_topic().as_str());
        let message = outgoing(self.id, properties);
        self.shared
            .publish_and_wait(&self.shared.publisher, message)
            .await
    }

    fn properties(&self, repeats: bool) -> Properties {
        let mut properties = Properties::new()
            .with_message_type(MessageType::Request)
            .with(key::REQUEST_CONTEXT, self.id.context())
            .with(key::RESPONSE_TOPIC, self.id.response_topic().as_str())
            .with(key::JOB, "1")
            .with(key::KEEP, self.keep.as_secs());
        if let Some(timeout) = self.timeout {
            properties = with_timeout(properties, timeout);
        }
        if let Some(trace) = &self.trace {
            properties = properties.with(key::TRACE, trace.to_string());
        }
        match repeats {
            true => properties.with(key::REPEATED, "1"),
            false => properties,
        }
    }

    async fn note(&self, state: JobState, reader: &str) -> Result<(), CallError> {
        self.shared.note(self.id, state, reader).await
    }
}

/// Why a job was not submitted.
struct Failure {
    error: CallError,
    /// Whether no module can have the request. After a lost connection, that is not known.
    is_unsent: bool,
}

impl Failure {
    fn unsent(error: CallError) -> Self {
        Self {
            error,
            is_unsent: true,
        }
    }

    /// The failure to publish a request.
    fn of_request(error: CallError) -> Self {
        let is_unsent = matches!(
            error,
            CallError::Refused { .. } | CallError::NobodyListens { .. }
        );
        Self { error, is_unsent }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self {
            error,
            is_unsent: false,
        }
    }
}

/// Who sends the request of a job with a key.
enum Turn {
    /// This program.
    Ours,
    /// This program, because another one has left it undone, perhaps after it had sent the request.
    LeftByAnother,
    /// Another program has sent it.
    Done,
}

fn outgoing(id: &JobId, properties: Properties) -> Outgoing {
    Outgoing {
        payload: Bytes::new(),
        context: id.context().into(),
        properties,
        expires: None,
        awaited_until: None,
    }
}

impl Shared {
    fn job_id(&self, bits: u128) -> Result<JobId, CallError> {
        let response_topic: Topic = self.topic.response_topic_of(bits)?;
        // A Django broker stores contexts in columns of 31 bits. The topic is the secret.
        let context = (bits >> 64) & u128::from(random::LAST_CONTEXT);
        #[allow(clippy::expect_used)] // the message proves that it cannot happen
        let id = JobId::new(self.topic.clone(), response_topic, &context.to_string())
            .expect("a number of 31 bits is a context");
        Ok(id)
    }

    /// Returns the error of a job that could not be submitted in time.
    fn not_submitted(&self, after: Duration) -> CallError {
        self.timed_out(after, &Stage::from(0), Whereabouts::Unknown)
    }

    /// Tells the module that runs a job to stop.
    pub(super) async fn tell_module_to_stop(&self, id: &JobId) -> Result<(), CallError> {
        let properties = cancel::properties(id.response_topic(), id.context());
        self.publish_and_wait(&self.publisher, outgoing(id, properties))
            .await
    }

    /// Publishes a note on the topic of the answer to a job.
    pub(super) async fn note(
        &self,
        id: &JobId,
        state: JobState,
        reader: &str,
    ) -> Result<(), CallError> {
        let mut properties = Properties::new()
            .with_message_type(MessageType::Job)
            .with(key::REQUEST_CONTEXT, id.context())
            .with(key::SOURCE_TOPIC, id.topic().as_str())
            .with(key::JOB_STATE, state.as_str());
        if !reader.is_empty() {
            properties = properties.with(key::READER, reader);
        }
        let publisher = self
            .transport
            .publisher(id.response_topic(), PublisherOptions::default());
        let published = self
            .publish_and_wait(&publisher, outgoing(id, properties))
            .await;
        publisher.finish().await;
        published
    }
}

impl<R, M> std::fmt::Debug for Submit<R, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submit")
            .field("id", &self.id)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
