//! Sending single messages to callers.

use std::sync::Arc;

use bytes::Bytes;
use dasf_protocol::properties::{key, repeats};
use dasf_protocol::{JobState, MessageType, Properties, Status, Topic};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::answer::{Answer, response};
use super::executor::Standing;
use super::options::{Acknowledge, HostOptions};
use super::publisher_pool::PublisherPool;
use super::reply_to::ReplyTo;
use crate::deadline::Deadline;
use crate::duration::milliseconds;
use crate::load::ModuleLoad;
use crate::module::Failure;
use crate::transport::{Outgoing, Parts, PublishError, SendWindow, Transport};

/// The number of responses that wait while the queues of their topics are full. No broker delivers
/// so many messages without acknowledgements.
const DEFERRED_CAPACITY: usize = 4096;

/// Sends single messages to the topics of callers.
pub(super) struct Outbox {
    transport: Arc<dyn Transport>,
    /// The topic of the module, which is a property of every response.
    source_topic: Topic,
    max_payload_size: usize,
    /// When callers should publish requests again that the broker has accepted.
    repeats: Option<&'static str>,
    pool: PublisherPool,
    deferred: mpsc::Sender<Deferred>,
    /// The deferred responses that are not sent yet.
    deferring: TaskTracker,
}

/// A response that waits because the queue of its topic is full.
struct Deferred {
    reply: ReplyTo,
    properties: Properties,
    payload: Bytes,
    /// Dropped when the response is sent.
    _pending: TaskTrackerToken,
}

impl Outbox {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        source_topic: Topic,
        options: &HostOptions,
    ) -> Arc<Self> {
        let (deferred, mut waiting) = mpsc::channel::<Deferred>(DEFERRED_CAPACITY);
        let outbox = Arc::new(Self {
            pool: PublisherPool::new(Arc::clone(&transport), options),
            transport,
            source_topic,
            max_payload_size: options.max_payload_size,
            // In a group, another module may have run a request that is published again.
            repeats: match options.acknowledge {
                _ if options.group.is_none() => Some(repeats::ALWAYS),
                Acknowledge::Completed => Some(repeats::AFTER_LOSS),
                Acknowledge::Received => None,
            },
            deferred,
            deferring: TaskTracker::new(),
        });
        // The reference is weak, so that the task ends together with the outbox.
        let weak = Arc::downgrade(&outbox);
        let runtime = outbox.transport.runtime().clone();
        runtime.spawn(async move {
            while let Some(answer) = waiting.recv().await {
                let Some(outbox) = weak.upgrade() else {
                    return;
                };
                let Deferred {
                    reply,
                    properties,
                    payload,
                    ..
                } = answer;
                outbox.send(&reply, properties, payload).await;
            }
        });
        outbox
    }

    /// Returns the largest payload in one frame. It is also the limit for progress reports, which
    /// cannot be cut into fragments.
    pub(super) fn max_payload_size(&self) -> usize {
        let of_broker = self.transport.max_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size.min(of_broker)
    }

    /// Sends the last progress report of a call.
    pub(super) async fn send_progress(&self, reply: &ReplyTo, status: Status, json: Bytes) {
        self.send(reply, progress(status), json).await;
    }

    /// Sends a progress report, if the connection accepts it at once.
    pub(super) fn try_send_progress(&self, reply: &ReplyTo, status: Status, json: Bytes) -> bool {
        self.send_at_once(reply, progress(status), json)
    }

    /// Tells the readers of a job what becomes of it, now or deferred.
    pub(super) fn try_send_job_state(&self, reply: &ReplyTo, state: JobState) {
        let properties = progress(Status::Running).with(key::JOB_STATE, state.as_str());
        self.try_send(reply, properties);
    }

    /// Notes that the broker has the answer to a job, and waits until the broker has the note.
    pub(super) async fn note_answer(
        &self,
        reply: &ReplyTo,
        parts: Option<&Parts>,
    ) -> Result<(), PublishError> {
        let note = Properties::new()
            .with_message_type(MessageType::Job)
            .with(key::JOB_STATE, JobState::Answered.as_str());
        // A caller that gives the job up must know what else to give up.
        let note = match parts {
            Some(parts) => parts.told_in(note),
            None => note,
        };
        self.publish_and_wait(reply, note).await
    }

    /// Sends a checkpoint of a job, if the connection accepts it at once.
    pub(super) fn try_send_checkpoint(&self, reply: &ReplyTo, json: &str) -> bool {
        self.send_at_once(reply, checkpoint(json), Bytes::new())
    }

    /// Sends a checkpoint of a job, and waits until the broker has it.
    pub(super) async fn send_checkpoint(
        &self,
        reply: &ReplyTo,
        json: &str,
    ) -> Result<(), PublishError> {
        self.publish_and_wait(reply, checkpoint(json)).await
    }

    /// Sends a message without a payload, and waits until the broker has it.
    pub(super) async fn publish_and_wait(
        &self,
        reply: &ReplyTo,
        properties: Properties,
    ) -> Result<(), PublishError> {
        let receipt = self.publish(reply, properties, Bytes::new()).await?;
        receipt.await.unwrap_or(Err(PublishError::Closed))
    }

    /// Passes a message to the connection to its topic, if the connection accepts it at once.
    pub(super) fn send_at_once(
        &self,
        reply: &ReplyTo,
        properties: Properties,
        payload: Bytes,
    ) -> bool {
        let message = self.message(reply, properties, payload);
        self.pool.try_send(&reply.response_topic, message)
    }

    /// Sends a response without a payload, now or deferred. The dispatcher must not wait for one
    /// slow caller.
    fn try_send(&self, reply: &ReplyTo, properties: Properties) {
        self.try_send_payload(reply, properties, Bytes::new());
    }

    /// Answers a ping, now or deferred, with what the host knows of the call for which it asks, and how much the
    /// module has to do.
    pub(super) fn try_send_pong(
        &self,
        reply: &ReplyTo,
        standing: Option<Standing>,
        load: Option<ModuleLoad>,
    ) {
        let pong = Properties::new().with_message_type(MessageType::Pong);
        let pong = match standing {
            None => pong,
            Some(Standing::Waits { before }) => pong.with(key::POSITION, before),
            Some(Standing::Runs { so_far }) => pong.with(key::RUNS_MS, milliseconds(so_far)),
        };
        let pong = match load {
            Some(load) => pong.with(key::LOAD, load.to_json()),
            None => pong,
        };
        self.try_send(
            reply,
            match self.repeats {
                Some(repeats) => pong.with(key::REPEATS, repeats),
                None => pong,
            },
        );
    }

    /// Sends a document of the module, now or deferred. It is a property, which cannot be cut into
    /// fragments.
    pub(super) fn try_send_document(&self, reply: &ReplyTo, key: &str, document: &str) {
        match self.transport.max_payload_size() {
            Some(limit) if document.len() > limit => {
                let size = document.len();
                let failure = Failure::processing(format!(
                    "{key} has {size} bytes and cannot be cut into fragments, but the broker accepts {limit} in one \
                     message; raise its Maximum Packet Size"
                ));
                self.try_send_failure(reply, &failure);
            }
            _ => self.try_send(reply, response().with(key, document)),
        }
    }

    /// Sends an error, now or deferred.
    pub(super) fn try_send_failure(&self, reply: &ReplyTo, failure: &Failure) {
        let answer = Answer::failure(failure);
        self.try_send_payload(reply, answer.properties(), answer.payload);
    }

    fn try_send_payload(&self, reply: &ReplyTo, properties: Properties, payload: Bytes) {
        if self.send_at_once(reply, properties.clone(), payload.clone()) {
            return;
        }
        let deferred = Deferred {
            reply: reply.clone(),
            properties,
            payload,
            _pending: self.deferring.token(),
        };
        if self.deferred.try_send(deferred).is_err() {
            let ReplyTo {
                response_topic,
                context,
                ..
            } = reply;
            tracing::error!(
                response_topic = response_topic.as_str(),
                context = &**context,
                limit = DEFERRED_CAPACITY,
                "response dropped: too many responses wait to be sent"
            );
        }
    }

    /// Passes a message to the connection to its topic. Errors are only logged.
    pub(super) async fn send(&self, reply: &ReplyTo, properties: Properties, payload: Bytes) {
        let mut message = self.message(reply, properties, payload);
        // The keep-alive of a connection may end just now. Then the second attempt has a new one.
        for _ in 0..2 {
            let Some(publisher) = self.pool.get(&reply.response_topic) else {
                break;
            };
            match publisher.send(message).await {
                Ok(()) => return,
                Err(returned) => message = *returned,
            }
        }
        let ReplyTo {
            response_topic,
            context,
            ..
        } = reply;
        tracing::error!(
            response_topic = response_topic.as_str(),
            context = &**context,
            max_response_topics = self.pool.capacity(),
            "response dropped: no connection to its topic, or too many connections to other topics"
        );
    }

    /// Sends a question to a caller. Returns a future of the receipt.
    pub(super) async fn ask(
        &self,
        reply: &ReplyTo,
        properties: Properties,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        self.publish(reply, properties, Bytes::new()).await
    }

    /// Passes a message to the connection to its topic. Returns a future of the receipt.
    pub(super) async fn publish(
        &self,
        reply: &ReplyTo,
        properties: Properties,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        // The keep-alive of a connection may end just now. Then the second attempt has a new one.
        for _ in 0..2 {
            let Some(publisher) = self.pool.get(&reply.response_topic) else {
                break;
            };
            let message = self.message(reply, properties.clone(), payload.clone());
            match publisher.publish(message).await {
                Err(PublishError::Closed) => {}
                receipt => return receipt,
            }
        }
        Err(PublishError::Closed)
    }

    fn message(&self, reply: &ReplyTo, properties: Properties, payload: Bytes) -> Outgoing {
        let is_too_large = self.transport.max_payload_size().is_some_and(|limit| {
            let details = properties.text(key::ERROR).unwrap_or_default();
            !details.is_empty() && details.len() + payload.len() > limit
        });
        // The text of an error is enough without its details.
        let properties = if is_too_large {
            properties.without(key::ERROR)
        } else {
            properties
        };
        let properties = properties
            .with(key::REQUEST_CONTEXT, &*reply.context)
            .with(key::SOURCE_TOPIC, self.source_topic.as_str());
        Outgoing {
            payload,
            context: reply.context.clone(),
            properties,
            expires: None,
            awaited_until: reply.deadline.as_ref().map(Deadline::at),
        }
    }

    /// Returns the limit of unread messages on a response topic.
    pub(super) fn window(&self, topic: &Topic) -> Arc<SendWindow> {
        self.pool.window(topic)
    }

    /// Waits until all messages are sent, and closes all connections.
    pub(super) async fn finish(&self) {
        self.deferring.close();
        self.deferring.wait().await;
        self.pool.finish().await;
    }
}

fn checkpoint(json: &str) -> Properties {
    progress(Status::Running)
        .with(key::JOB_STATE, JobState::Running.as_str())
        .with(key::CHECKPOINT, json)
}

fn progress(status: Status) -> Properties {
    Properties::new()
        .with_message_type(MessageType::Progress)
        .with_status(status)
}
