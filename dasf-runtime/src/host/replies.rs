//! Sending responses, over one pooled connection for each response topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Status, Topic, fragment};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::HostOptions;
use super::inbox::Inbox;
use crate::module::{Failure, Outcome};
use crate::random;
use crate::transport::{
    Outgoing, PublishError, Publisher, PublisherOptions, SendWindow, Transport,
};

/// The address of the response to one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) response_topic: Topic,
    pub(super) context: String,
    /// Whether the caller answers pings on that topic.
    pub(super) answers_pings: bool,
}

impl Reply {
    /// Returns the address in the properties of a message; `None` if there is none.
    pub(super) fn to(properties: &Properties) -> Option<Self> {
        Some(Self {
            response_topic: properties.response_topic()?,
            context: properties.request_context()?,
            answers_pings: properties.get(key::ANSWERS_PINGS).is_some(),
        })
    }

    /// Returns the identity of the call, which is the same for all of its messages.
    pub(super) fn call(&self) -> (Topic, String) {
        (self.response_topic.clone(), self.context.clone())
    }
}

/// The response to a request.
#[derive(Debug)]
pub(super) struct Answer {
    properties: Properties,
    payload: Bytes,
}

impl Answer {
    pub(super) fn success(payload: impl Into<Bytes>) -> Self {
        Self {
            properties: response().with_status(Status::Success),
            payload: payload.into(),
        }
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        let properties = response().with_status(Status::Error);
        let properties = match failure.info() {
            Some(info) => info.add_to(properties),
            None => properties,
        };
        Self {
            properties,
            payload: failure.wire_text().into(),
        }
    }

    /// The largest response that is remembered, in bytes.
    const SMALL: usize = 1 << 20;

    /// Returns whether the response is remembered for a redelivery of its request.
    pub(super) fn is_small(&self) -> bool {
        self.size() <= Self::SMALL
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> usize {
        self.payload.len()
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(output) => Self::success(output.0),
            Err(failure) => Self::failure(&failure),
        }
    }
}

/// The number of responses that wait while the queues of their topics are full. No broker delivers
/// so many messages without acknowledgements.
const DEFERRED_CAPACITY: usize = 4096;

/// Sends responses to their topics.
pub(super) struct Replies {
    transport: Arc<dyn Transport>,
    /// The topic of the module, which is a property of every response.
    source_topic: Topic,
    max_payload_size: usize,
    capacity: usize,
    publisher_options: PublisherOptions,
    publishers: Mutex<HashMap<Topic, Pooled>>,
    /// Connections that are no longer in the pool, and still send their messages.
    leaving: TaskTracker,
    deferred: mpsc::Sender<Deferred>,
    /// The deferred responses that are not sent yet.
    deferring: TaskTracker,
}

struct Pooled {
    publisher: Publisher,
    window: Arc<SendWindow>,
    last_used: Instant,
}

/// A response that waits because the queue of its topic is full.
struct Deferred {
    reply: Reply,
    properties: Properties,
    payload: Bytes,
    /// Dropped when the response is sent.
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
        // The reference is weak, so that the task ends together with the replies.
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

    /// Returns the largest payload in one frame. It is also the limit for progress reports, which
    /// cannot be cut into fragments.
    pub(super) fn max_payload_size(&self) -> usize {
        let of_broker = self.transport.max_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size.min(of_broker)
    }

    /// Returns the size of the fragments of a response, in bytes before base64.
    fn piece_size(&self) -> usize {
        let best = self.transport.best_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size().min(best)
    }

    /// Sends the response to a request, in fragments if necessary.
    ///
    /// # Errors
    /// Returns the reason why only a part of it is sent. Errors that the broker returns later are
    /// only logged.
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

    /// Sends the response to a request, in fragments if necessary, and waits until the broker has
    /// accepted all of it.
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

    /// Waits until a fragment may be sent, so that the caller does not have too many unread ones.
    async fn turn(
        self: &Arc<Self>,
        inbox: &Inbox,
        reply: &Reply,
        properties: &Properties,
    ) -> Result<(), PublishError> {
        let is_fragment = properties.get(key::FRAGMENT).is_some();
        match self.transport.max_unread() {
            Some(max_unread) if is_fragment && reply.answers_pings => {
                let window = self.window(&reply.response_topic);
                window.turn(max_unread, inbox.caught_up(reply, self)).await
            }
            _ => Ok(()),
        }
    }

    /// Returns the limit of unread messages on a response topic.
    fn window(&self, topic: &Topic) -> Arc<SendWindow> {
        let publishers = self
            .publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pooled = publishers.get(topic);
        pooled
            .map(|pooled| Arc::clone(&pooled.window))
            .unwrap_or_default()
    }

    /// Returns the properties and the payloads of the messages of a response.
    fn pieces<'a>(&self, answer: &'a Answer) -> impl Iterator<Item = (Properties, Bytes)> + 'a {
        let Answer {
            properties,
            payload,
        } = answer;
        // A payload that fits one frame is not cut, because no peer expects a single fragment.
        let piece_size = self.piece_size();
        let is_cut = payload.len() > piece_size;
        let pieces = fragment::split(payload, piece_size);
        let count = pieces.len();
        // The id distinguishes the fragments from those of another response to the same request, by
        // a module that crashed.
        let id = is_cut.then(random::name).unwrap_or_default();
        let whole = (!is_cut).then(|| (properties.clone(), payload.clone()));
        let cut = pieces.enumerate().filter(move |_| is_cut);
        whole.into_iter().chain(cut.map(move |(index, piece)| {
            let properties = properties
                .clone()
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, count)
                .with(key::ANSWER, id.as_str());
            (properties, piece)
        }))
    }

    /// Sends the last progress report of a call.
    pub(super) async fn send_progress(&self, reply: &Reply, status: Status, json: Bytes) {
        self.send(reply, progress(status), json).await;
    }

    /// Sends a progress report, if the connection accepts it at once.
    pub(super) fn try_send_progress(&self, reply: &Reply, status: Status, json: Bytes) -> bool {
        let message = self.message(reply, progress(status), json);
        let publisher = self.publisher(&reply.response_topic);
        publisher.is_some_and(|publisher| publisher.try_send(message).is_ok())
    }

    /// Sends a response without a payload, now or deferred. The dispatcher must not wait for one
    /// slow caller.
    fn try_send(&self, reply: &Reply, properties: Properties) {
        self.try_send_payload(reply, properties, Bytes::new());
    }

    /// Answers a ping, now or deferred.
    pub(super) fn try_send_pong(&self, reply: &Reply) {
        let pong = Properties::new().with_message_type(MessageType::Pong);
        self.try_send(reply, pong);
    }

    /// Sends a document of the module, now or deferred. It is a property, which cannot be cut into
    /// fragments.
    pub(super) fn try_send_document(&self, reply: &Reply, key: &str, document: &str) {
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
    pub(super) fn try_send_failure(&self, reply: &Reply, failure: &Failure) {
        let Answer {
            properties,
            payload,
        } = Answer::failure(failure);
        self.try_send_payload(reply, properties, payload);
    }

    fn try_send_payload(&self, reply: &Reply, properties: Properties, payload: Bytes) {
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
                response_topic = response_topic.as_str(),
                context,
                limit = DEFERRED_CAPACITY,
                "response dropped: too many responses wait to be sent"
            );
        }
    }

    async fn send(&self, reply: &Reply, properties: Properties, payload: Bytes) {
        let mut message = self.message(reply, properties, payload);
        // The keep-alive of a connection may end just now. Then the second attempt has a new one.
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
            response_topic = response_topic.as_str(),
            context,
            max_response_topics = self.capacity,
            "response dropped: no connection to its topic, or too many connections to other topics"
        );
    }

    /// Sends a question to a caller. Returns a future of the receipt.
    pub(super) async fn ask(
        &self,
        reply: &Reply,
        properties: Properties,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        self.publish(reply, properties, Bytes::new()).await
    }

    /// Passes a message to the connection to its topic. Returns a future of the receipt.
    async fn publish(
        &self,
        reply: &Reply,
        properties: Properties,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        // The keep-alive of a connection may end just now. Then the second attempt has a new one.
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

    fn message(&self, reply: &Reply, properties: Properties, payload: Bytes) -> Outgoing {
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
            .with(key::REQUEST_CONTEXT, reply.context.as_str())
            .with(key::SOURCE_TOPIC, self.source_topic.as_str());
        Outgoing {
            payload,
            context: reply.context.clone(),
            properties,
            expires: None,
        }
    }

    /// Returns the connection to a response topic, a new one if necessary. Returns `None` while all
    /// connections that are allowed still send their messages.
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
            window: Arc::default(),
            last_used,
        };
        publishers.insert(topic.clone(), pooled);
        Some(publisher)
    }

    /// Removes the closed connections from the pool. If there are none, removes the connection that
    /// was unused for the longest time. It still sends its messages.
    fn make_room(&self, publishers: &mut HashMap<Topic, Pooled>) {
        let before = publishers.len();
        publishers.retain(|_, pooled| !pooled.publisher.is_closed());
        if publishers.len() < before || self.leaving.len() >= self.capacity {
            return;
        }
        let oldest = publishers.iter().min_by_key(|(_, pooled)| pooled.last_used);
        let oldest = oldest.map(|(topic, _)| topic.clone());
        if let Some((topic, pooled)) = oldest.and_then(|topic| publishers.remove_entry(&topic)) {
            tracing::debug!(
                response_topic = topic.as_str(),
                "connection closed to make room for another response topic"
            );
            let runtime = self.transport.runtime();
            self.leaving.spawn_on(pooled.publisher.finish(), runtime);
        }
    }

    /// Waits until all messages are sent, and closes all connections.
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
