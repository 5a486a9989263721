//! Messages from callers to this module alone: payloads and pongs.
//!
//! Payloads: the broker delivers each message of a topic to only one module of a group, so the
//! fragments of a request would go to different modules. For this reason, a caller sends a large
//! request without its payload. The module that gets the request asks for the payload, on a topic
//! that only this module reads. If the module crashes, the request goes to another module, which
//! asks again.
//!
//! Pongs: some brokers drop messages if a reader is slow, such as the fragments of a large
//! response. The module therefore pings the caller from time to time, and continues after the pong.
//! The pong shows that the caller has read the messages before the ping.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dasf_protocol::fragment::{Assembly, Joined, Position};
use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};
use smol_str::SmolStr;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::budget::{Budget, Charge, SMALL_PAYLOAD};
use super::fragments::refused_fragments;
use super::outbox::Outbox;
use super::reply_to::{CallId, CallerId, ReplyTo};
use crate::module::Failure;
use crate::random;
use crate::transport::{PING_AGAIN, PublishError, Reading, Subscriber, Transport};

/// How long the module waits for the next fragment of a payload, or for a pong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks callers for the payloads of their requests, and joins the fragments. Asks callers whether
/// they have read their responses.
pub(super) struct Inbox {
    transport: Arc<dyn Transport>,
    /// The module's topic.
    topic: Topic,
    expected: Arc<Expected>,
    /// How many requests of one caller and of all may wait for their payloads.
    max_fetches: (usize, usize),
    budget: Budget,
    /// Cancelled when waiting for pongs must end.
    abort: CancellationToken,
    /// The inbox's own topic. It is opened with the first question.
    opened: OnceCell<Opened>,
}

struct Opened {
    topic: Topic,
    stop: CancellationToken,
    /// Ends the task that reads the topic.
    _stop: DropGuard,
    reading: TaskTracker,
}

/// The reason why the inbox's topic cannot be read.
enum Unopened {
    /// Another attempt may succeed later.
    ForNow(String),
    /// The broker rejects the subscription.
    ForGood(String),
}

impl Unopened {
    fn reason(self) -> String {
        match self {
            Self::ForNow(reason) | Self::ForGood(reason) => reason,
        }
    }
}

/// The expected messages.
struct Expected(Mutex<State>);

#[derive(Default)]
struct State {
    /// The expected payloads.
    waiting: HashMap<CallId, ExpectedPayload>,
    /// How many requests of each caller wait for their payloads.
    places: HashMap<CallerId, usize>,
    /// The receivers of pongs, by `requestContext`.
    pongs: HashMap<SmolStr, oneshot::Sender<()>>,
}

struct ExpectedPayload {
    /// Gets a message for each new fragment.
    receiver: mpsc::Sender<Progress>,
    /// The fragments, from the first one on.
    assembly: Option<Assembly>,
    /// What the payload counts for its caller; `None` when it is complete.
    charge: Option<Charge>,
}

/// The place of a request that waits for its payload. Others can have it when it is dropped.
pub(super) struct Place {
    expected: Arc<Expected>,
    caller: CallerId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.expected.lock();
        if let Entry::Occupied(mut places) = state.places.entry(self.caller.clone()) {
            *places.get_mut() -= 1;
            if *places.get() == 0 {
                places.remove();
            }
        }
    }
}

/// The reason why a request has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    #[error(
        "the module waits for the payloads of {limit} other requests of this caller, which is the limit"
    )]
    Caller { limit: usize },
    #[error("the module waits for the payloads of {limit} other requests, which is the limit")]
    All { limit: usize },
}

impl From<NoPlace> for Failure {
    fn from(error: NoPlace) -> Self {
        Self::overflow().because(error.to_string())
    }
}

/// The payload of a request.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) payload: Payload,
    /// What a large payload counts for its caller.
    pub(super) charge: Option<Charge>,
}

/// The state of an expected payload.
enum Progress {
    /// A fragment arrived, or the receipt of the question.
    Part,
    /// The payload is complete.
    Whole(Fetched),
    /// The payload is refused.
    Refused(Failure),
}

/// Removes the fragments of a payload when nothing waits for it any more.
struct Waiting<'a> {
    expected: &'a Expected,
    call: CallId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.expected.lock();
        state.waiting.remove(&self.call);
    }
}

/// Removes an expected pong when nothing waits for it any more.
struct AwaitedPong<'a> {
    expected: &'a Expected,
    context: &'a str,
}

impl Drop for AwaitedPong<'_> {
    fn drop(&mut self) {
        self.expected.lock().pongs.remove(self.context);
    }
}

impl Inbox {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        topic: Topic,
        max_fetches: (usize, usize),
        budget: Budget,
        abort: CancellationToken,
    ) -> Self {
        Self {
            transport,
            topic,
            expected: Arc::new(Expected(Mutex::default())),
            max_fetches,
            budget,
            abort,
            opened: OnceCell::new(),
        }
    }

    /// Returns the place of a request that waits for its payload. Without a limit, callers that never
    /// send their payloads would keep all other requests away.
    ///
    /// # Errors
    /// Returns the limit of the places.
    pub(super) fn place(&self, reply: &ReplyTo) -> Result<Place, NoPlace> {
        let (of_caller, of_all) = self.max_fetches;
        let caller = reply.caller();
        let places = &mut self.expected.lock().places;
        if places
            .get(&caller)
            .is_some_and(|&places| places >= of_caller)
        {
            return Err(NoPlace::Caller { limit: of_caller });
        }
        if places.values().sum::<usize>() >= of_all {
            return Err(NoPlace::All { limit: of_all });
        }
        *places.entry(caller.clone()).or_default() += 1;
        Ok(Place {
            expected: Arc::clone(&self.expected),
            caller,
        })
    }

    /// Asks a caller for the payload of its request, and waits for the whole payload. The request has a
    /// place meanwhile.
    ///
    /// # Errors
    /// Returns the [`Failure`] for the caller if the payload does not arrive.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    pub(super) async fn fetch(
        &self,
        _place: Place,
        reply: &ReplyTo,
        outbox: &Arc<Outbox>,
    ) -> Result<Fetched, Failure> {
        let opened = self.opened(outbox).await;
        let opened = opened.map_err(|error| Failure::processing(error.reason()))?;
        let (receiver, mut progress) = mpsc::channel(1);
        match self.expected.lock().waiting.entry(reply.call()) {
            Entry::Vacant(entry) => entry.insert(ExpectedPayload {
                receiver,
                assembly: None,
                charge: Some(self.budget.charge(reply)),
            }),
            Entry::Occupied(_) => {
                let reason = "the module waits for the payload of another request with the same requestContext";
                return Err(Failure::processing(reason));
            }
        };
        let _waiting = Waiting {
            expected: &self.expected,
            call: reply.call(),
        };
        let question = Properties::new()
            .with_message_type(MessageType::Fetch)
            .with(key::RESPONSE_TOPIC, opened.topic.as_str());
        let unreachable = |error: PublishError| {
            Failure::processing(format!(
                "the caller could not be asked for the payload of its request: {error}"
            ))
        };
        let mut asked = outbox.ask(reply, question).await.map_err(unreachable)?;
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
                Ok(Some(Progress::Whole(fetched))) => return Ok(fetched),
                Ok(Some(Progress::Refused(failure))) => return Err(failure),
                Ok(None) | Err(_) => {
                    return Err(Failure::processing(
                        "the module asked the caller for the payload of its request, and the caller did not send all of it",
                    ));
                }
            }
        }
    }

    /// Waits until a caller that answers pings has read all earlier messages.
    ///
    /// # Errors
    /// [`PublishError::Unread`] when the caller does not answer, [`PublishError::Closed`] when the
    /// module stops, and the reason why the caller cannot be pinged.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    pub(super) async fn caught_up(
        &self,
        reply: &ReplyTo,
        outbox: &Arc<Outbox>,
    ) -> Result<(), PublishError> {
        let opened = self.opened(outbox).await.map_err(|error| match error {
            Unopened::ForNow(reason) => {
                tracing::warn!(reason, "cannot ping a caller");
                PublishError::Closed
            }
            Unopened::ForGood(reason) => PublishError::Refused(reason),
        })?;
        let ping = ReplyTo {
            context: random::bits().to_string().into(),
            ..reply.clone()
        };
        let (sender, mut pong) = oneshot::channel();
        let context = ping.context.clone();
        self.expected.lock().pongs.insert(context, sender);
        let _awaited = AwaitedPong {
            expected: &self.expected,
            context: &ping.context,
        };
        let question = Properties::new()
            .with_message_type(MessageType::Ping)
            .with(key::RESPONSE_TOPIC, opened.topic.as_str());
        let answered = async {
            let mut waited = Duration::ZERO;
            while waited < PATIENCE {
                let taken = outbox.ask(&ping, question.clone()).await?;
                taken.await.unwrap_or(Err(PublishError::Closed))?;
                if let Ok(pong) = tokio::time::timeout(PING_AGAIN, &mut pong).await {
                    return pong.map_err(|_| PublishError::Unread);
                }
                waited += PING_AGAIN;
            }
            Err(PublishError::Unread)
        };
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(PublishError::Closed),
            answered = answered => answered,
        }
    }

    /// Returns the topic of the inbox, and opens it the first time.
    ///
    /// # Errors
    /// Returns the reason why the topic cannot be read.
    async fn opened(&self, outbox: &Arc<Outbox>) -> Result<&Opened, Unopened> {
        self.opened.get_or_try_init(|| self.open(outbox)).await
    }

    async fn open(&self, outbox: &Arc<Outbox>) -> Result<Opened, Unopened> {
        let reason = |error: &dyn std::error::Error| {
            format!("the module could not open a topic for the answer of the caller: {error}")
        };
        let refused = |error: &dyn std::error::Error| Unopened::ForGood(reason(error));
        let topic = self.topic.response_topic_of(random::bits());
        let topic = topic.map_err(|error| refused(&error))?;
        let subscription = format!("rust-inbox-{}", random::name()).parse();
        let reading = Reading::caller(subscription.map_err(|error| refused(&error))?);
        let mut subscriber = self.transport.subscribe(&topic, &reading);
        let connected = subscriber.connected().await;
        connected.map_err(|error| match error.is_refusal() {
            true => refused(&error),
            false => Unopened::ForNow(reason(&error)),
        })?;
        let stop = CancellationToken::new();
        let reader = Reader {
            expected: Arc::clone(&self.expected),
            // The reference is weak, so that the reader ends together with the outbox.
            outbox: Arc::downgrade(outbox),
        };
        let reading = TaskTracker::new();
        reading.spawn_on(
            reader.read(subscriber, stop.clone()),
            self.transport.runtime(),
        );
        reading.close();
        Ok(Opened {
            topic,
            _stop: stop.clone().drop_guard(),
            stop,
            reading,
        })
    }

    /// Closes the topic of the inbox, and waits until it is closed.
    pub(super) async fn finish(&self) {
        if let Some(opened) = self.opened.get() {
            opened.stop.cancel();
            opened.reading.wait().await;
        }
    }
}

/// Reads the topic of the inbox.
struct Reader {
    expected: Arc<Expected>,
    outbox: Weak<Outbox>,
}

impl Reader {
    async fn read(self, mut subscriber: Subscriber, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = subscriber.receive() => delivery,
            };
            let Some(delivery) = delivery else { break };
            subscriber.acknowledge(delivery.message_id.clone()).await;
            self.take(delivery).await;
        }
        subscriber.finish().await;
    }

    async fn take(&self, delivery: Delivery) {
        let properties = &delivery.properties;
        match properties.message_type() {
            Some(MessageType::Ping) => {
                if let (Some(reply), Some(outbox)) =
                    (ReplyTo::of(properties), self.outbox.upgrade())
                {
                    outbox.try_send_pong(&reply, None, None);
                }
            }
            Some(MessageType::Pong) => {
                let context = properties.request_context();
                let mut state = self.expected.lock();
                if let Some(waiting) = context.and_then(|context| state.pongs.remove(&*context)) {
                    // If this fails, nothing waits any more.
                    let _ = waiting.send(());
                }
            }
            _ => self.expected.take(delivery).await,
        }
    }
}

impl Expected {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a fragment to its receiver.
    async fn take(&self, delivery: Delivery) {
        let Delivery {
            message_id,
            payload,
            properties,
            ..
        } = delivery;
        let Some(reply) = ReplyTo::of(&properties) else {
            tracing::warn!(
                message_id = &*message_id,
                "fragment ignored: it needs a requestContext and a response_topic"
            );
            return;
        };
        let (receiver, progress) = {
            let mut state = self.lock();
            let Some(expected) = state.waiting.get_mut(&reply.call()) else {
                tracing::debug!(
                    message_id = &*message_id,
                    "fragment ignored: no call waits for it"
                );
                return;
            };
            let progress = match expected.take(&properties, payload) {
                Ok(Some(progress)) => progress,
                Ok(None) => return,
                Err(failure) => Progress::Refused(failure),
            };
            (expected.receiver.clone(), progress)
        };
        // If this fails, nothing waits any more.
        let _ = receiver.send(progress).await;
    }
}

impl ExpectedPayload {
    /// Adds a fragment. Returns `None` if it is not needed.
    fn take(
        &mut self,
        properties: &Properties,
        piece: Payload,
    ) -> Result<Option<Progress>, Failure> {
        let position = Position::of(properties).map_err(|error| refused_fragments(&error))?;
        let Some(charge) = &mut self.charge else {
            return Ok(None);
        };
        let payload = match position {
            None => {
                if piece.len() > SMALL_PAYLOAD {
                    charge.set(piece.len())?;
                }
                piece
            }
            Some(position) => {
                let assembly = self
                    .assembly
                    .get_or_insert_with(|| Assembly::new(position.count));
                let joined = assembly.insert(position, piece);
                match joined.map_err(|error| refused_fragments(&error))? {
                    Joined::Duplicate => return Ok(None),
                    Joined::Incomplete => {
                        charge.set(assembly.held_bytes())?;
                        return Ok(Some(Progress::Part));
                    }
                    Joined::Complete(whole) => {
                        charge.set(whole.len())?;
                        whole.into()
                    }
                }
            }
        };
        let charge = self.charge.take();
        Ok(Some(Progress::Whole(Fetched { payload, charge })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostOptions;
    use crate::host::scripted::{Scripted, pong};
    use crate::transport::{PublisherEnds, Queued, SubscriberEnds};

    /// A module that waits for a caller, and its connections.
    struct Bench {
        waiting: tokio::task::JoinHandle<Result<(), PublishError>>,
        abort: CancellationToken,
        sent: PublisherEnds,
        read: SubscriberEnds,
    }

    impl Bench {
        async fn waiting() -> Self {
            let (transport, mut opened, mut subscribed) = Scripted::open();
            let topic: Topic = "demo".parse().unwrap();
            let abort = CancellationToken::new();
            let options = HostOptions::default();
            let inbox = Inbox::new(
                Arc::clone(&transport),
                topic.clone(),
                options.max_fetches(),
                Budget::new(&options),
                abort.clone(),
            );
            let outbox = Outbox::new(transport, topic, &options);
            let caller = ReplyTo {
                response_topic: "caller".parse().unwrap(),
                context: "7".into(),
                is_job: false,
                answers_pings: true,
                deadline: None,
                user: None,
            };
            let waiting = tokio::spawn(async move { inbox.caught_up(&caller, &outbox).await });
            Self {
                waiting,
                abort,
                read: subscribed.recv().await.unwrap(),
                sent: opened.recv().await.unwrap(),
            }
        }
    }

    /// Returns the next ping, which waits for the receipt of the broker.
    async fn ping(sent: &mut PublisherEnds) -> Queued {
        let ping = sent.queue.recv().await.unwrap();
        let properties = &ping.message.properties;
        assert_eq!(properties.message_type(), Some(MessageType::Ping));
        let topic = properties.response_topic().unwrap();
        assert!(topic.as_str().starts_with("demo_"), "{topic}");
        ping
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_pinged_again_until_it_answers() {
        let mut bench = Bench::waiting().await;
        let topic: Topic = "caller".parse().unwrap();
        let first = ping(&mut bench.sent).await;
        let context = first.message.properties.request_context();
        let context = context.unwrap().into_owned();
        first.settle(&topic, Ok(()));
        let second = ping(&mut bench.sent).await;
        assert_eq!(
            second.message.properties.request_context().as_deref(),
            Some(&*context)
        );
        second.settle(&topic, Ok(()));
        // A pong for another question is ignored.
        bench
            .read
            .deliveries
            .queue
            .send(pong("other"))
            .await
            .unwrap();
        bench
            .read
            .deliveries
            .queue
            .send(pong(&context))
            .await
            .unwrap();
        assert_eq!(bench.waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_silent_caller_ends() {
        let mut bench = Bench::waiting().await;
        let topic: Topic = "caller".parse().unwrap();
        let begun = tokio::time::Instant::now();
        let outcome = loop {
            tokio::select! {
                Some(ping) = bench.sent.queue.recv() => ping.settle(&topic, Ok(())),
                outcome = &mut bench.waiting => break outcome,
            }
        };
        assert_eq!(outcome.unwrap(), Err(PublishError::Unread));
        assert!(begun.elapsed() >= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_gone_is_not_waited_for() {
        let mut bench = Bench::waiting().await;
        let ping = ping(&mut bench.sent).await;
        ping.settle(&"caller".parse().unwrap(), Err(PublishError::NobodyListens));
        let outcome = bench.waiting.await.unwrap();
        assert_eq!(outcome, Err(PublishError::NobodyListens));
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_ends_does_not_wait() {
        let mut bench = Bench::waiting().await;
        let ping = ping(&mut bench.sent).await;
        bench.abort.cancel();
        assert_eq!(bench.waiting.await.unwrap(), Err(PublishError::Closed));
        drop(ping);
    }

    fn reply(caller: &str) -> ReplyTo {
        ReplyTo {
            response_topic: caller.parse().unwrap(),
            context: "1".into(),
            is_job: false,
            answers_pings: false,
            deadline: None,
            user: None,
        }
    }

    #[tokio::test]
    async fn few_requests_wait_for_their_payloads() {
        let (transport, ..) = Scripted::open();
        let options = HostOptions::default().max_workers(4);
        let inbox = Inbox::new(
            transport,
            "demo".parse().unwrap(),
            options.max_fetches(),
            Budget::new(&options),
            CancellationToken::new(),
        );
        let first = inbox.place(&reply("a")).unwrap();
        let second = inbox.place(&reply("a")).unwrap();
        let refusal = |caller| inbox.place(&reply(caller)).map(|_| ()).unwrap_err();
        assert_eq!(refusal("a"), NoPlace::Caller { limit: 2 });
        let third = inbox.place(&reply("b")).unwrap();
        assert_eq!(refusal("b"), NoPlace::All { limit: 3 });
        drop(first);
        drop(inbox.place(&reply("a")).unwrap());
        drop(inbox.place(&reply("c")).unwrap());
        drop((second, third));
        assert!(inbox.expected.lock().places.is_empty());
    }

    #[tokio::test]
    async fn a_payload_comes_from_the_user_who_called() {
        let budget = Budget::new(&HostOptions::default());
        let expected = Expected(Mutex::default());
        let (receiver, mut progress) = mpsc::channel(1);
        let call = ReplyTo {
            user: Some("ada".into()),
            ..reply("a")
        };
        let waiting = ExpectedPayload {
            receiver,
            assembly: None,
            charge: Some(budget.charge(&call)),
        };
        expected.lock().waiting.insert(call.call(), waiting);
        let payload = |user: &str| {
            let properties = Properties::new()
                .with(key::RESPONSE_TOPIC, "a")
                .with(key::REQUEST_CONTEXT, "1")
                .with(key::USER, user);
            let payload = bytes::Bytes::copy_from_slice(user.as_bytes());
            Delivery::new("m", payload.into(), properties)
        };
        expected.take(payload("bob")).await;
        assert!(progress.try_recv().is_err());
        expected.take(payload("ada")).await;
        match progress.try_recv() {
            Ok(Progress::Whole(fetched)) => {
                assert_eq!(fetched.payload.into_bytes().unwrap(), "ada");
            }
            _ => panic!("the payload is not whole"),
        }
    }

    #[test]
    fn an_expected_payload_counts_for_its_caller() {
        let options = HostOptions::default().max_request_size(1 << 20);
        let budget = Budget::new(&options);
        let (receiver, _progress) = mpsc::channel(1);
        let expected = || ExpectedPayload {
            receiver: receiver.clone(),
            assembly: None,
            charge: Some(budget.charge(&reply("a"))),
        };
        let piece = |index: usize| {
            Properties::new()
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, 3)
        };
        let bytes = |size: usize| Payload::from(bytes::Bytes::from(vec![1; size]));
        let mut joined = expected();
        for index in [0, 1] {
            let progress = joined.take(&piece(index), bytes(300_000)).unwrap();
            assert!(matches!(progress, Some(Progress::Part)));
            // A copy is no sign of life.
            let progress = joined.take(&piece(index), bytes(300_000)).unwrap();
            assert!(progress.is_none());
        }
        assert!(budget.total() >= 600_000);
        let whole = joined.take(&piece(2), bytes(1)).unwrap();
        assert!(joined.take(&piece(2), bytes(1)).unwrap().is_none());
        drop(joined);
        match whole {
            Some(Progress::Whole(fetched)) => {
                assert_eq!(fetched.payload.len(), 600_001);
                assert!(budget.total() >= 600_001);
            }
            _ => panic!("the payload is not whole"),
        }
        assert_eq!(budget.total(), 0);

        let mut too_large = expected();
        let failure = too_large.take(&Properties::new(), bytes(2 << 20));
        let failure = failure.map(|_| ()).unwrap_err();
        assert!(failure.message().contains("max_request_size"), "{failure}");
    }
}
