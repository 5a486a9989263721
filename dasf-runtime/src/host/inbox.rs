//! Payloads that callers send to this module alone.
//!
//! The broker hands each message of a topic to another module of a group, so the fragments of a
//! request would never come together. A caller with a large request therefore sends it without its
//! payload, and the module that gets it asks for the payload, on a topic that only that module
//! reads. When the module dies, the request goes to another one, which asks in turn.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dasf_protocol::fragment::{Position, Reassembler};
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::replies::{Replies, Reply};
use crate::module::Failure;
use crate::transport::{PublishError, Reading, Subscriber, Transport};

/// For how long the next fragment of a payload is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks callers for the payloads of their requests, and puts these together.
pub(super) struct Inbox {
    transport: Arc<dyn Transport>,
    /// The module's topic.
    topic: Topic,
    expected: Arc<Expected>,
    /// The inbox's own topic, read from when the first payload is asked for.
    opened: OnceCell<Opened>,
}

struct Opened {
    topic: Topic,
    /// Ends the task that reads it.
    _reading: DropGuard,
}

/// The payloads that were asked for.
struct Expected(Mutex<State>);

struct State {
    /// Whoever waits for a payload hears of each of its fragments.
    waiting: HashMap<Reply, mpsc::Sender<Progress>>,
    fragments: Reassembler<Reply>,
}

/// What is there of a payload.
enum Progress {
    /// A part of it.
    Part,
    /// All of it.
    Whole(String),
    /// It cannot be put together.
    Refused(Failure),
}

/// Removes what a payload left behind when nobody waits for it any more.
struct Waiting<'a> {
    expected: &'a Expected,
    call: &'a Reply,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.expected.lock();
        state.waiting.remove(self.call);
        state.fragments.forget(self.call);
    }
}

impl Inbox {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        topic: Topic,
        max_request_size: usize,
    ) -> Self {
        let state = State {
            waiting: HashMap::new(),
            fragments: Reassembler::new(max_request_size),
        };
        Self {
            transport,
            topic,
            expected: Arc::new(Expected(Mutex::new(state))),
            opened: OnceCell::new(),
        }
    }

    /// Asks a caller for the payload of its request, and waits until it is there.
    ///
    /// # Errors
    /// What the caller is told when it does not come.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing behind.
    pub(super) async fn fetch(&self, call: &Reply, replies: &Replies) -> Result<String, Failure> {
        let opened = self.opened.get_or_try_init(|| self.open()).await?;
        let (sender, mut progress) = mpsc::channel(1);
        match self.expected.lock().waiting.entry(call.clone()) {
            Entry::Vacant(entry) => entry.insert(sender),
            Entry::Occupied(_) => {
                let reason = "the payload of a request with the same requestContext is awaited";
                return Err(Failure::processing(reason));
            }
        };
        let _waiting = Waiting {
            expected: &self.expected,
            call,
        };
        let question = Properties::new()
            .with_message_type(MessageType::Fetch)
            .with(key::RESPONSE_TOPIC, opened.topic.as_str());
        let unreachable = |error: PublishError| {
            Failure::processing(format!(
                "the caller could not be asked for the payload of its request: {error}"
            ))
        };
        let mut asked = replies.ask(call, question).await.map_err(unreachable)?;
        let mut is_asked = false;
        loop {
            let progress = async {
                tokio::select! {
                    taken = &mut asked, if !is_asked => {
                        is_asked = true;
                        Some(match taken.unwrap_or(Err(PublishError::Closed)) {
                            Ok(()) => Progress::Part,
                            Err(error) => Progress::Refused(unreachable(error)),
                        })
                    }
                    progress = progress.recv() => progress,
                }
            };
            match tokio::time::timeout(PATIENCE, progress).await {
                Ok(Some(Progress::Part)) => {}
                Ok(Some(Progress::Whole(payload))) => return Ok(payload),
                Ok(Some(Progress::Refused(failure))) => return Err(failure),
                Ok(None) | Err(_) => {
                    return Err(Failure::processing(
                        "the caller was asked for the payload of its request, and did not send all of it",
                    ));
                }
            }
        }
    }

    async fn open(&self) -> Result<Opened, Failure> {
        let session = fastrand::u32(..);
        let refused = |error: &dyn std::error::Error| {
            Failure::processing(format!("no topic for the request's payload: {error}"))
        };
        let topic = self.topic.response_topic(&format!("{session:08x}"));
        let topic = topic.map_err(|error| refused(&error))?;
        let subscription = format!("rust-inbox-{session:08x}").parse();
        let reading = Reading::caller(subscription.map_err(|error| refused(&error))?);
        let mut subscriber = self.transport.subscribe(&topic, &reading);
        let connected = subscriber.connected().await;
        connected.map_err(|error| refused(&error))?;
        let stop = CancellationToken::new();
        tokio::spawn(read(subscriber, Arc::clone(&self.expected), stop.clone()));
        Ok(Opened {
            topic,
            _reading: stop.drop_guard(),
        })
    }
}

async fn read(mut subscriber: Subscriber, expected: Arc<Expected>, stop: CancellationToken) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            delivery = subscriber.receive() => delivery,
        };
        let Some(delivery) = delivery else { break };
        subscriber.acknowledge(delivery.message_id.clone()).await;
        expected.take(delivery).await;
    }
    subscriber.finish().await;
}

impl Expected {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a fragment to whoever waits for its payload.
    async fn take(&self, delivery: Delivery) {
        let Delivery {
            message_id,
            payload,
            properties,
            ..
        } = delivery;
        let routing = (properties.request_context(), properties.response_topic());
        let (Some(context), Some(response_topic)) = routing else {
            tracing::warn!(message_id, "fragment ignored: it does not say of what");
            return;
        };
        let call = Reply {
            response_topic,
            context,
        };
        let (waiting, progress) = {
            let mut state = self.lock();
            let State { waiting, fragments } = &mut *state;
            let Some(waiting) = waiting.get(&call) else {
                tracing::debug!(message_id, "fragment ignored: nobody waits for it");
                return;
            };
            let progress = match Position::of(&properties) {
                Ok(None) => Progress::Whole(payload),
                Ok(Some(position)) => {
                    let now = std::time::Instant::now();
                    match fragments.insert(call, position, &payload, now) {
                        Ok(Some(whole)) => Progress::Whole(whole),
                        Ok(None) => Progress::Part,
                        Err(error) => Progress::Refused(super::refused_fragments(error)),
                    }
                }
                Err(error) => Progress::Refused(super::refused_fragments(error)),
            };
            (waiting.clone(), progress)
        };
        // Whoever waited has left if this fails.
        let _ = waiting.send(progress).await;
    }
}
