//! Sending answers: one pooled connection for each response topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Status, Topic, fragment, payload};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::HostOptions;
use super::inbox::Inbox;
use crate::module::{Failure, Outcome};
use crate::random;
use crate::transport::{Outgoing, Pace, PublishError, Publisher, PublisherOptions, Transport};

/// Where the answer to one call goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) response_topic: Topic,
    pub(super) context: String,
    /// Whether the caller answers pings on that topic.
    pub(super) answers_pings: bool,
}

impl Reply {
    /// Where the answer to a message with these properties goes; `None` where they do not say.
    pub(super) fn to(properties: &Properties) -> Option<Self> {
        Some(Self {
            response_topic: properties.response_topic()?,
            context: properties.request_context()?,
            answers_pings: properties.get(key::ANSWERS_PINGS).is_some(),
        })
    }

    /// What tells the call from others, however much its messages say of it.
    pub(super) fn call(&self) -> (Topic, String) {
        (self.response_topic.clone(), self.context.clone())
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    properties: Properties,
    /// In base64.
    payload: String,
    /// The length of the payload before base64.
    length: usize,
}

impl Answer {
    fn new(properties: Properties, payload: &[u8]) -> Self {
        Self {
            properties,
            payload: payload::encode(payload),
            length: payload.len(),
        }
    }

    pub(super) fn success(payload: &[u8]) -> Self {
        Self::new(response().with_status(Status::Success), payload)
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        let properties = response().with_status(Status::Error);
        let properties = match failure.info() {
            Some(info) => info.add_to(properties),
            None => properties,
        };
        Self::new(properties, failure.wire_text().as_bytes())
    }

    /// The largest answer that is remembered, in base64.
    const SMALL: usize = 1 << 20;

    /// Whether it is remembered for when its request comes again.
    pub(super) fn is_small(&self) -> bool {
        self.size() <= Self::SMALL
    }

    /// How many bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.payload.len()
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(output) => Self::success(&output.0),
            Err(failure) => Self::failure(&failure),
        }
    }
}

/// How many answers of the dispatcher wait while the queues of their topics are full: more than any
/// broker delivers without seeing acknowledgements.
const DEFERRED_CAPACITY: usize = 4096;

/// Sends answers to response topics.
pub(super) struct Replies {
    transport: Arc<dyn Transport>,
    /// The module's own topic, which every answer names.
    source_topic: Topic,
    max_payload_size: usize,
    capacity: usize,
    publisher_options: PublisherOptions,
    publishers: Mutex<HashMap<Topic, Pooled>>,
    /// Connections that made room for others, and still send what they have.
    leaving: TaskTracker,
    deferred: mpsc::Sender<Deferred>,
    /// The answers that were deferred and are not sent yet.
    deferring: TaskTracker,
}

struct Pooled {
    publisher: Publisher,
    pace: Arc<Pace>,
    last_used: Instant,
}

/// An answer that waits because the queue of its topic is full.
struct Deferred {
    reply: Reply,
    properties: Properties,
    payload: String,
    /// Held until the answer is sent.
    _pending: TaskTrackerToken,
}

impl Replies {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        source_topic: Topic,
        options: &HostOptions,
    ) -> Arc<Self> {
        let (deferred, mut waiting) = mpsc::channel::<Deferred>(DEFERRED_CAPACITY);
        let replies = Arc::new(Self {
            transport,
            source_topic,
            max_payload_size: options.max_payload_size,
            capacity: options.max_response_topics,
            publisher_options: PublisherOptions {
                keep_alive: Some(options.producer_keep_alive.max(Duration::from_millis(1))),
                connection_timeout: Some(options.producer_connection_timeout),
            },
            publishers: Mutex::default(),
            leaving: TaskTracker::new(),
            deferred,
            deferring: TaskTracker::new(),
        });
        // Weakly, so that the task ends with the one that it works for.
        let weak = Arc::downgrade(&replies);
        tokio::spawn(async move {
            while let Some(answer) = waiting.recv().await {
                let Some(replies) = weak.upgrade() else {
                    return;
                };
                let Deferred {
                    reply,
                    properties,
                    payload,
                    ..
                } = answer;
                replies.send(&reply, properties, payload).await;
            }
        });
        replies
    }

    /// The largest payload of a message, which is the largest report: those cannot be cut.
    pub(super) fn max_payload_size(&self) -> usize {
        let of_broker = self.transport.max_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size.min(of_broker)
    }

    /// The largest piece of an answer.
    fn piece_size(&self) -> usize {
        let best = self.transport.best_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size().min(best)
    }

    /// Sends the answer to a request, in fragments if need be.
    ///
    /// # Errors
    /// Why only a part of it is sent. What the broker says of a message is logged.
    pub(super) async fn send_answer(
        self: &Arc<Self>,
        inbox: &Inbox,
        reply: &Reply,
        answer: &Answer,
    ) -> Result<(), PublishError> {
        for (properties, piece) in self.pieces(answer) {
            self.turn(inbox, reply, &properties).await?;
            self.send(reply, properties, piece).await;
        }
        Ok(())
    }

    /// Sends the answer to a request, in fragments if need be, and waits until the broker has taken
    /// all of it.
    pub(super) async fn deliver_answer(
        self: &Arc<Self>,
        inbox: &Inbox,
        reply: &Reply,
        answer: &Answer,
    ) -> Result<(), PublishError> {
        let mut receipts = Vec::new();
        for (properties, piece) in self.pieces(answer) {
            self.turn(inbox, reply, &properties).await?;
            receipts.push(self.publish(reply, properties, piece).await?);
        }
        for receipt in receipts {
            receipt.await.unwrap_or(Err(PublishError::Closed))?;
        }
        Ok(())
    }

    /// Waits until a message may be sent: a caller must not be too far behind with fragments.
    async fn turn(
        self: &Arc<Self>,
        inbox: &Inbox,
        reply: &Reply,
        properties: &Properties,
    ) -> Result<(), PublishError> {
        let is_fragment = properties.get(key::FRAGMENT).is_some();
        match self.transport.max_unread() {
            Some(max_unread) if is_fragment && reply.answers_pings => {
                let pace = self.pace(&reply.response_topic);
                pace.turn(max_unread, inbox.caught_up(reply, self)).await
            }
            _ => Ok(()),
        }
    }

    /// How far the reader of a response topic is behind.
    fn pace(&self, topic: &Topic) -> Arc<Pace> {
        let publishers = self
            .publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pooled = publishers.get(topic);
        pooled
            .map(|pooled| Arc::clone(&pooled.pace))
            .unwrap_or_default()
    }

    /// The properties and the payloads of an answer's messages.
    fn pieces<'a>(&self, answer: &'a Answer) -> impl Iterator<Item = (Properties, String)> + 'a {
        let Answer {
            properties,
            payload,
            length,
        } = answer;
        // What fits one frame is not cut: no peer expects a single fragment.
        let piece_size = self.piece_size();
        let is_cut = *length > piece_size;
        let width = if is_cut {
            piece_size
        } else {
            payload.len().max(1)
        };
        let pieces = fragment::split(payload, width);
        let count = pieces.len();
        // The id of this answer. It keeps its fragments apart from those of another answer to the
        // same request, by a module that died.
        let id = is_cut.then(random::name).unwrap_or_default();
        let whole = (!is_cut).then(|| (properties.clone(), payload.clone()));
        let cut = pieces.enumerate().filter(move |_| is_cut);
        whole.into_iter().chain(cut.map(move |(index, piece)| {
            let properties = properties
                .clone()
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, count)
                .with(key::ANSWER, id.as_str());
            (properties, piece.to_owned())
        }))
    }

    /// Sends the last report of a call.
    pub(super) async fn send_progress(&self, reply: &Reply, status: Status, json: &[u8]) {
        self.send(reply, progress(status), payload::encode(json))
            .await;
    }

    /// Sends a report if that is possible now.
    pub(super) fn try_send_progress(&self, reply: &Reply, status: Status, json: &[u8]) -> bool {
        let message = self.message(reply, progress(status), payload::encode(json));
        let publisher = self.publisher(&reply.response_topic);
        publisher.is_some_and(|publisher| publisher.try_send(message).is_ok())
    }

    /// Sends an answer without a payload if that is possible now. The one who reads the topic must
    /// not wait for a single slow caller.
    fn try_send(&self, reply: &Reply, properties: Properties) {
        self.try_send_payload(reply, properties, String::new());
    }

    /// Answers a ping if that is possible now.
    pub(super) fn try_send_pong(&self, reply: &Reply) {
        let pong = Properties::new().with_message_type(MessageType::Pong);
        self.try_send(reply, pong);
    }

    /// Sends a document of the module if that is possible now. It is a property, which cannot be cut.
    pub(super) fn try_send_document(&self, reply: &Reply, key: &str, document: &str) {
        match self.transport.max_payload_size() {
            Some(limit) if document.len() > limit => {
                let size = document.len();
                let failure = Failure::processing(format!(
                    "{key} has {size} bytes and cannot be cut, and the broker takes {limit} in one message; raise its \
                     Maximum Packet Size"
                ));
                self.try_send_failure(reply, &failure);
            }
            _ => self.try_send(reply, response().with(key, document)),
        }
    }

    /// Sends a refusal if that is possible now.
    pub(super) fn try_send_failure(&self, reply: &Reply, failure: &Failure) {
        let Answer {
            properties,
            payload,
            ..
        } = Answer::failure(failure);
        self.try_send_payload(reply, properties, payload);
    }

    fn try_send_payload(&self, reply: &Reply, properties: Properties, payload: String) {
        let message = self.message(reply, properties.clone(), payload.clone());
        let publisher = self.publisher(&reply.response_topic);
        if publisher.is_some_and(|publisher| publisher.try_send(message).is_ok()) {
            return;
        }
        let deferred = Deferred {
            reply: reply.clone(),
            properties,
            payload,
            _pending: self.deferring.token(),
        };
        if self.deferred.try_send(deferred).is_err() {
            let Reply {
                response_topic,
                context,
                ..
            } = reply;
            tracing::error!(
                %response_topic, context, limit = DEFERRED_CAPACITY,
                "answer dropped: too many wait to be sent"
            );
        }
    }

    async fn send(&self, reply: &Reply, properties: Properties, payload: String) {
        let mut message = self.message(reply, properties, payload);
        // A connection may end its keep-alive just now; the next one is new.
        for _ in 0..2 {
            let Some(publisher) = self.publisher(&reply.response_topic) else {
                break;
            };
            match publisher.send(message).await {
                Ok(()) => return,
                Err(returned) => message = *returned,
            }
        }
        let Reply {
            response_topic,
            context,
            ..
        } = reply;
        tracing::error!(
            %response_topic, context, max_response_topics = self.capacity,
            "answer dropped: no connection to its topic, or too many to others"
        );
    }

    /// Asks a caller something; what is returned resolves to the broker's answer.
    pub(super) async fn ask(
        &self,
        reply: &Reply,
        properties: Properties,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        self.publish(reply, properties, String::new()).await
    }

    /// Hands a message to the connection to its topic; what is returned resolves to the broker's
    /// answer.
    async fn publish(
        &self,
        reply: &Reply,
        properties: Properties,
        payload: String,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        // A connection may end its keep-alive just now; the next one is new.
        for _ in 0..2 {
            let Some(publisher) = self.publisher(&reply.response_topic) else {
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

    fn message(&self, reply: &Reply, properties: Properties, payload: String) -> Outgoing {
        let is_too_large = self.transport.max_payload_size().is_some_and(|limit| {
            let details = properties.text(key::ERROR).unwrap_or_default();
            !details.is_empty() && details.len() + payload.len() > limit
        });
        // The text of an error says what it is without its details.
        let properties = if is_too_large {
            properties.without(key::ERROR)
        } else {
            properties
        };
        let properties = properties
            .with(key::REQUEST_CONTEXT, reply.context.as_str())
            .with(key::SOURCE_TOPIC, self.source_topic.as_str());
        Outgoing {
            payload,
            context: reply.context.clone(),
            properties,
            expires: None,
        }
    }

    /// The connection to a response topic, made if there is none; `None` while so many connections
    /// still send what they have that no further one may be made.
    fn publisher(&self, topic: &Topic) -> Option<Publisher> {
        let mut publishers = self
            .publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last_used = Instant::now();
        if let Some(pooled) = publishers.get_mut(topic)
            && !pooled.publisher.is_closed()
        {
            pooled.last_used = last_used;
            return Some(pooled.publisher.clone());
        }
        publishers.remove(topic);
        if publishers.len() >= self.capacity {
            self.make_room(&mut publishers);
        }
        if publishers.len() >= self.capacity {
            return None;
        }
        let publisher = self.transport.publisher(topic, self.publisher_options);
        let pooled = Pooled {
            publisher: publisher.clone(),
            pace: Arc::default(),
            last_used,
        };
        publishers.insert(topic.clone(), pooled);
        Some(publisher)
    }

    /// Gives up the connections that are closed, or else the one unused for longest; what it still
    /// has to send, it sends.
    fn make_room(&self, publishers: &mut HashMap<Topic, Pooled>) {
        let before = publishers.len();
        publishers.retain(|_, pooled| !pooled.publisher.is_closed());
        if publishers.len() < before || self.leaving.len() >= self.capacity {
            return;
        }
        let oldest = publishers.iter().min_by_key(|(_, pooled)| pooled.last_used);
        let oldest = oldest.map(|(topic, _)| topic.clone());
        if let Some((topic, pooled)) = oldest.and_then(|topic| publishers.remove_entry(&topic)) {
            tracing::debug!(%topic, "connection closed to make room for another response topic");
            let runtime = self.transport.runtime();
            self.leaving.spawn_on(pooled.publisher.finish(), runtime);
        }
    }

    /// Waits until everything is sent, and closes all connections.
    pub(super) async fn finish(&self) {
        self.deferring.close();
        self.deferring.wait().await;
        let publishers = std::mem::take(
            &mut *self
                .publishers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for pooled in publishers.into_values() {
            pooled.publisher.finish().await;
        }
        self.leaving.close();
        self.leaving.wait().await;
    }
}

fn response() -> Properties {
    Properties::new().with_message_type(MessageType::Response)
}

fn progress(status: Status) -> Properties {
    Properties::new()
        .with_message_type(MessageType::Progress)
        .with_status(status)
}
