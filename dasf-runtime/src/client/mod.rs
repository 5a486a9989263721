//! Calling a module: many calls at once over one pair of connections.

mod builder;
mod call;
mod contract;
mod error;
mod in_flight;
mod macros;
mod mode;
mod pongs;

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::api_info::{ApiInfo, extension};
use dasf_protocol::progress::Report;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Topic, fragment, payload};
use futures_util::future::{MaybeDone, maybe_done};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use builder::{ClientBuilder, ClientError};
pub use call::{Call, CallFuture, Instance};
pub use error::{CallError, ModuleFailure};
pub use mode::{Async, Blocking, Mode};

use crate::random;
use crate::transport::{
    ConnectionState, Outgoing, PING_AGAIN, Pace, PublishError, Publisher, PublisherOptions,
    Reading, Subscriber, Transport,
};
use contract::Contract;
use in_flight::{Answer, InFlight, Waiting};
use pongs::Pongs;

/// What a progress handler is.
type ProgressHandler = Box<dyn FnMut(&Report) + Send>;

/// How much a client takes on, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long a call waits for its answer, if it does not say otherwise; default 60 s.
    pub timeout: Duration,
    /// How many calls are on their way at a time; default 1024. A further one waits until another
    /// is over.
    pub max_in_flight: usize,
    /// The largest request, in bytes before base64, that is sent in one frame; default 700 KiB, as
    /// [`HostOptions::max_payload_size`](crate::HostOptions::max_payload_size). Larger ones are cut
    /// into fragments, if the module can put them together: every Rust module can. Over MQTT those
    /// of more than 2800 bytes are cut, and the broker's Maximum Packet Size is a limit as well.
    pub max_payload_size: usize,
    /// How many bytes of fragmented answers, counted in base64, are held while their rest is
    /// awaited; default 256 MiB over all calls together.
    pub max_response_size: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            max_in_flight: 1024,
            max_payload_size: crate::HostOptions::DEFAULT_MAX_PAYLOAD_SIZE,
            max_response_size: 256 << 20,
        }
    }
}

/// A connected client that knows no functions: what a module's generated `Client` is made of, and
/// what calls a module of which only the requests are known.
///
/// Clones share the connections, which are closed with the last clone. `M` is [`Async`] or
/// [`Blocking`].
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::client::Caller;
/// use serde_json::json;
///
/// let caller = Caller::builder("my-topic").websocket("ws://localhost:8080/ws").connect().await?;
/// let sum = caller.call(&json!({"func_name": "add", "a": 1})).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Caller<M = Async> {
    shared: Arc<Shared>,
    mode: M,
}

#[derive(Debug)]
struct Shared {
    topic: Topic,
    response_topic: Topic,
    transport: Arc<dyn Transport>,
    options: ClientOptions,
    publisher: Publisher,
    in_flight: Arc<InFlight>,
    permits: Semaphore,
    api_info: Mutex<Option<Arc<ApiInfo>>>,
    /// How far the module is behind with the fragments of requests.
    pace: Pace,
    /// What requests are checked against before they are sent.
    contract: Contract,
    /// Where the connection to the response topic stands.
    reading: watch::Receiver<ConnectionState>,
    /// Ends the task that reads the answers.
    _reading: DropGuard,
}

/// What resolves to the broker's answers to messages.
type Receipts = Vec<oneshot::Receiver<Result<(), PublishError>>>;

/// A message to the module, before it is on its way.
struct Message<'a> {
    properties: Properties,
    json: &'a [u8],
    way: Way,
    deadline: Instant,
}

/// How a message's payload reaches the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In one frame.
    Whole,
    /// Cut into several.
    Fragments,
    /// When the module asks for it: one of a group, each of which would get some fragments only.
    OnDemand,
}

/// Where one call's messages wait to be sent.
struct Queue<'a> {
    publisher: &'a Publisher,
    /// How far its reader is behind.
    pace: &'a Pace,
    context: u64,
    deadline: Instant,
}

/// How one call differs from the client's defaults.
#[derive(Default)]
pub(crate) struct CallOptions {
    timeout: Option<Duration>,
    on_progress: Option<ProgressHandler>,
}

/// The identity of a client.
#[derive(Debug, Clone, Copy)]
struct Identity {
    /// The random bits in the name of its response topic.
    bits: u128,
    /// The context of its first call. If another client has the same response topic, by chance or
    /// because the name had to be short, both clients read all answers, and tell them apart by
    /// contexts.
    first_context: u64,
}

impl Identity {
    /// A new identity, which no other client has.
    fn random() -> Self {
        Self {
            bits: random::bits(),
            first_context: random::first_context(),
        }
    }
}

impl Shared {
    /// Opens the response topic, then the module's topic: an answer must not come before its
    /// reader.
    async fn connect(
        topic: Topic,
        transport: Arc<dyn Transport>,
        options: ClientOptions,
        contract: Contract,
        identity: Identity,
    ) -> Result<Self, ClientError> {
        #[allow(clippy::expect_used)] // the message proves that it cannot happen
        let subscription = format!("rust-client-{}", random::name())
            .parse()
            .expect("letters, digits, dashes and underscores make a subscription");
        let response_topic = topic.response_topic_of(identity.bits)?;
        let reading = Reading::caller(subscription);
        let mut subscriber = transport.subscribe(&response_topic, &reading);
        let mut publisher = transport.publisher(&topic, PublisherOptions::default());
        let (subscribed, connected) = tokio::join!(subscriber.connected(), publisher.connected());
        subscribed.and(connected)?;

        let in_flight = Arc::new(InFlight::new(
            topic.clone(),
            response_topic.clone(),
            identity.first_context,
            options.max_response_size,
        ));
        let stop = CancellationToken::new();
        let reading = subscriber.state();
        tokio::spawn(read_answers(
            subscriber,
            Arc::clone(&in_flight),
            Pongs::new(Arc::clone(&transport)),
            stop.clone(),
        ));
        Ok(Self {
            topic,
            response_topic,
            transport,
            options,
            publisher,
            in_flight,
            permits: Semaphore::new(options.max_in_flight.min(Semaphore::MAX_PERMITS)),
            api_info: Mutex::default(),
            pace: Pace::default(),
            contract,
            reading,
            _reading: stop.drop_guard(),
        })
    }

    /// Sends a request's JSON and returns the result's.
    async fn request(&self, json: &[u8], options: CallOptions) -> Result<Vec<u8>, CallError> {
        self.contract
            .check(json)
            .map_err(|problems| CallError::Invalid { problems })?;
        let timeout = options.timeout.unwrap_or(self.options.timeout);
        let deadline = deadline(timeout);
        let call = async {
            let mut properties = Properties::new().with_message_type(MessageType::Request);
            if self.transport.max_unread().is_some() {
                properties = properties.with(key::ANSWERS_PINGS, "1");
            }
            let message = Message {
                properties,
                json,
                way: self.way(json.len()).await?,
                deadline,
            };
            let way = message.way;
            let answer = self.exchange(message, options.on_progress).await;
            if way != Way::Whole && matches!(answer, Err(CallError::Module(_))) {
                // Modules that were started since may take large requests in another way.
                *self.api_info.lock().await = None;
            }
            Ok(payload::decode(&answer?.payload)?)
        };
        self.in_time(deadline, timeout, call).await
    }

    /// How a request of so many bytes reaches the module.
    async fn way(&self, size: usize) -> Result<Way, CallError> {
        if size <= self.piece_size() {
            return Ok(Way::Whole);
        }
        let limit = self.max_payload_size();
        let is_taken_whole = size <= limit;
        let module = match self.api_info().await {
            Ok(module) => module,
            Err(CallError::Module(_)) if is_taken_whole => return Ok(Way::Whole),
            Err(error) => return Err(error),
        };
        if module.speaks(extension::REQUEST_FRAGMENTS) {
            Ok(Way::Fragments)
        } else if module.speaks(extension::REQUESTS_ON_DEMAND) {
            Ok(Way::OnDemand)
        } else if is_taken_whole {
            Ok(Way::Whole)
        } else {
            Err(CallError::RequestTooLarge { size, limit })
        }
    }

    /// The largest request, in bytes before base64, that goes in one frame.
    fn max_payload_size(&self) -> usize {
        let of_broker = self.transport.max_payload_size().unwrap_or(usize::MAX);
        self.options.max_payload_size.clamp(1, of_broker)
    }

    /// The largest piece of a request.
    fn piece_size(&self) -> usize {
        let best = self.transport.best_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size().min(best)
    }

    /// Sends a message without payload, and returns what the named property of the answer holds.
    async fn ask(&self, message_type: MessageType, property: &str) -> Result<String, CallError> {
        let timeout = self.options.timeout;
        let deadline = deadline(timeout);
        let message = Message {
            properties: Properties::new().with_message_type(message_type),
            json: b"",
            way: Way::Whole,
            deadline,
        };
        let exchange = self.exchange(message, None);
        let answer = self.in_time(deadline, timeout, exchange).await?;
        Ok(answer
            .properties
            .text(property)
            .unwrap_or_default()
            .to_owned())
    }

    async fn api_info_text(&self) -> Result<String, CallError> {
        self.ask(MessageType::ApiInfo, key::API_INFO).await
    }

    async fn api_info(&self) -> Result<Arc<ApiInfo>, CallError> {
        let mut known = self.api_info.lock().await;
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let text = self.api_info_text().await?;
        let read = serde_json::from_str(&text).map_err(|error| CallError::Decode {
            path: "api_info".to_owned(),
            reason: error.to_string(),
        });
        Ok(Arc::clone(known.insert(Arc::new(read?))))
    }

    async fn in_time<T>(
        &self,
        deadline: Instant,
        timeout: Duration,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if let Ok(result) = tokio::time::timeout_at(deadline, work).await {
            return result;
        }
        let topic = self.topic.clone();
        let after = timeout;
        let failure = [&self.reading, &self.publisher.state()]
            .into_iter()
            .find_map(|state| state.borrow().failure().cloned());
        Err(match failure {
            Some(reason) => CallError::Disconnected {
                topic,
                after,
                reason,
            },
            None => CallError::Timeout { topic, after },
        })
    }

    /// Publishes one message, in fragments if need be, and waits for its answer.
    ///
    /// Everything that the call leaves behind is owned by this future: dropped, it is gone.
    async fn exchange(
        &self,
        message: Message<'_>,
        mut on_progress: Option<ProgressHandler>,
    ) -> Result<Answer, CallError> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(CallError::Closed);
        };
        let (report_sender, mut reports) = mpsc::channel(in_flight::REPORT_CAPACITY);
        let (fetch_sender, mut fetches) = mpsc::channel(in_flight::FETCH_CAPACITY);
        let (answer_sender, mut answer) = oneshot::channel();
        let waiting = Waiting {
            answer: answer_sender,
            reports: on_progress.is_some().then_some(report_sender),
            fetches: (message.way == Way::OnDemand).then_some(fetch_sender),
        };
        let guard = self.in_flight.register(waiting);
        let context = guard.context();

        let receipts = tokio::select! {
            biased;
            // The module may refuse the first fragments already.
            answer = &mut answer => return answer.unwrap_or(Err(CallError::Closed)),
            receipts = self.publish(context, &message) => receipts?,
        };
        let receipts = self.all_taken(receipts);
        tokio::pin!(receipts);
        let mut is_taken = false;
        // The payload of a request on demand, on its way to the module that asked last.
        let sending = MaybeDone::Gone;
        tokio::pin!(sending);
        loop {
            tokio::select! {
                // Reports first: they were sent before the answer.
                biased;
                Some(report) = reports.recv(), if on_progress.is_some() => {
                    if let Some(handler) = &mut on_progress {
                        handler(&report);
                    }
                }
                answer = &mut answer => return answer.unwrap_or(Err(CallError::Closed)),
                taken = &mut receipts, if !is_taken => {
                    taken?;
                    is_taken = true;
                }
                Some(topic) = fetches.recv() => {
                    sending.set(maybe_done(self.send_payload(context, &message, topic)));
                }
                () = &mut sending, if matches!(*sending, MaybeDone::Future(_)) => {
                    if let Some(Err(error)) = sending.as_mut().take_output() {
                        // The module may have died meanwhile; another one asks then.
                        tracing::warn!(context, %error, "payload not sent to the module that asked for it");
                    }
                }
            }
        }
    }

    /// Sends a request, or as much of it as is sent without being asked for.
    async fn publish(&self, context: u64, message: &Message<'_>) -> Result<Receipts, CallError> {
        let properties = self.routing(context, message);
        let (properties, payload) = match message.way {
            Way::OnDemand => (properties.with(key::ON_DEMAND, "1"), String::new()),
            Way::Whole | Way::Fragments => (properties, payload::encode(message.json)),
        };
        let is_cut = message.way == Way::Fragments;
        let queue = Queue {
            publisher: &self.publisher,
            pace: &self.pace,
            context,
            deadline: message.deadline,
        };
        self.put(queue, properties, &payload, is_cut).await
    }

    /// Sends the payload of a request to the module that asks for it.
    async fn send_payload(
        &self,
        context: u64,
        message: &Message<'_>,
        topic: Topic,
    ) -> Result<(), CallError> {
        tracing::debug!(%topic, context, size = message.json.len(), "payload asked for");
        let publisher = self
            .transport
            .publisher(&topic, PublisherOptions::default());
        let queue = Queue {
            publisher: &publisher,
            pace: &Pace::default(),
            context,
            deadline: message.deadline,
        };
        let properties = self.routing(context, message);
        let payload = payload::encode(message.json);
        let receipts = self.put(queue, properties, &payload, true).await?;
        self.all_taken(receipts).await
    }

    fn routing(&self, context: u64, message: &Message<'_>) -> Properties {
        let time_left = message
            .deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        message
            .properties
            .clone()
            .with(key::REQUEST_CONTEXT, context.to_string())
            .with(key::RESPONSE_TOPIC, self.response_topic.as_str())
            .with(
                key::TIMEOUT_MS,
                u64::try_from(time_left).unwrap_or(u64::MAX),
            )
    }

    /// Puts a payload into the queue of a connection. Where the broker drops what a reader is slow to
    /// read, it waits for the module from time to time.
    async fn put(
        &self,
        queue: Queue<'_>,
        properties: Properties,
        payload: &str,
        is_cut: bool,
    ) -> Result<Receipts, CallError> {
        let send = async |properties: Properties, piece: &str| {
            let message = Outgoing {
                payload: piece.to_owned(),
                context: queue.context.to_string(),
                properties,
                expires: Some(queue.deadline),
            };
            let published = queue.publisher.publish(message).await;
            published.map_err(|error| self.not_published(error))
        };
        if !is_cut {
            return Ok(vec![send(properties, payload).await?]);
        }
        let max_unread = self.transport.max_unread().unwrap_or(usize::MAX);
        let mut receipts = Vec::new();
        let pieces = fragment::split(payload, self.piece_size());
        let count = pieces.len();
        for (index, piece) in pieces.enumerate() {
            queue.pace.turn(max_unread, self.caught_up(&queue)).await?;
            let position = properties
                .clone()
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, count);
            receipts.push(send(position, piece).await?);
        }
        Ok(receipts)
    }

    /// Waits until the module has read what was sent to it before.
    async fn caught_up(&self, queue: &Queue<'_>) -> Result<(), CallError> {
        let (answer, mut pong) = oneshot::channel();
        let waiting = Waiting {
            answer,
            reports: None,
            fetches: None,
        };
        let guard = self.in_flight.register(waiting);
        let context = guard.context();
        let ping = Message {
            properties: Properties::new().with_message_type(MessageType::Ping),
            json: b"",
            way: Way::Whole,
            deadline: queue.deadline,
        };
        loop {
            let sent = queue.publisher.publish(Outgoing {
                payload: String::new(),
                context: context.to_string(),
                properties: self.routing(context, &ping),
                expires: Some(queue.deadline),
            });
            let receipt = sent.await.map_err(|error| self.not_published(error))?;
            self.all_taken(vec![receipt]).await?;
            if let Ok(pong) = tokio::time::timeout(PING_AGAIN, &mut pong).await {
                return pong.unwrap_or(Err(CallError::Closed)).map(drop);
            }
        }
    }

    /// Resolves when the broker took every message, or to the first refusal.
    async fn all_taken(&self, receipts: Receipts) -> Result<(), CallError> {
        for receipt in receipts {
            let taken = receipt.await.unwrap_or(Err(PublishError::Closed));
            taken.map_err(|error| self.not_published(error))?;
        }
        Ok(())
    }

    fn not_published(&self, error: PublishError) -> CallError {
        let topic = self.topic.clone();
        match error {
            PublishError::Refused(reason) => CallError::Refused { topic, reason },
            PublishError::NobodyListens => CallError::NobodyListens { topic },
            PublishError::Closed => CallError::Closed,
            error => CallError::NotSent {
                topic,
                reason: error.to_string(),
            },
        }
    }
}

/// When a call that begins now is over.
fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    // A timeout beyond what a clock can hold is a wish to wait for ever; a year comes close.
    now.checked_add(timeout)
        .unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600))
}

/// Hands every answer to its call, until the client is dropped.
async fn read_answers(
    mut subscriber: Subscriber,
    in_flight: Arc<InFlight>,
    mut pongs: Pongs,
    stop: CancellationToken,
) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            delivery = subscriber.receive() => delivery,
        };
        let Some(delivery) = delivery else { break };
        subscriber.acknowledge(delivery.message_id.clone()).await;
        if delivery.properties.message_type() == Some(MessageType::Ping) {
            if in_flight.concerns(&delivery) {
                pongs.answer(&delivery);
            }
        } else {
            in_flight.deliver(delivery);
        }
    }
    pongs.finish().await;
    subscriber.finish().await;
}

impl<M: Mode> Caller<M> {
    /// The topic of the module that is called.
    pub fn topic(&self) -> &Topic {
        &self.shared.topic
    }

    /// How many calls are on their way.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.len()
    }

    /// Calls whatever a request names; the result is JSON.
    pub fn call(&self, request: &serde_json::Value) -> Call<serde_json::Value, M> {
        Call::from_json(self, request)
    }

    /// Like [`call`](Self::call), but request and result stay text. A [`Value`](serde_json::Value)
    /// keeps of a number only an `f64`, or 64 bits of an integer.
    ///
    /// ```
    /// # async fn run(caller: &dasf_runtime::client::Caller) -> Result<(), Box<dyn std::error::Error>> {
    /// let request: Box<serde_json::value::RawValue> =
    ///     serde_json::from_str(r#"{"func_name": "factorial", "n": 30}"#)?;
    /// let result = caller.call_raw(&request).await?;
    /// println!("{}", result.get());
    /// # Ok(()) }
    /// ```
    pub fn call_raw(&self, request: &RawValue) -> Call<Box<RawValue>, M> {
        Call::from_json(self, request)
    }
}

impl Caller<Async> {
    /// Closes the connections, as dropping the last clone does, and waits until that is done: a
    /// program that ends at once would cut them off. Other clones keep them open.
    ///
    /// # Cancel safety
    /// When dropped, closing goes on in the background.
    pub async fn close(self) {
        let Some(shared) = Arc::into_inner(self.shared) else {
            return;
        };
        let Shared {
            publisher,
            mut reading,
            _reading: stop,
            ..
        } = shared;
        drop(stop);
        publisher.finish().await;
        while reading.changed().await.is_ok() {}
    }

    /// Settles what to connect to.
    pub fn builder(topic: &str) -> ClientBuilder<Self, Async> {
        ClientBuilder::new(Some(topic))
    }

    /// Asks whether the module listens.
    ///
    /// # Errors
    /// [`CallError`], above all [`CallError::Timeout`] when it does not, or
    /// [`CallError::NobodyListens`] where the broker knows that.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.shared.ask(MessageType::Ping, "").await.map(drop)
    }

    /// The module's schema, as a JSON text.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn info(&self) -> Result<String, CallError> {
        self.shared.ask(MessageType::Info, key::INFO).await
    }

    /// The module's description of itself. It is asked for once, and again after the module refused a
    /// large request.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn api_info(&self) -> Result<ApiInfo, CallError> {
        Ok(ApiInfo::clone(&*self.shared.api_info().await?))
    }

    /// The module's description of itself, as the JSON text that it sent: with what [`ApiInfo`]
    /// does not know. It is asked for each time.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn api_info_text(&self) -> Result<String, CallError> {
        self.shared.api_info_text().await
    }
}

impl Caller<Blocking> {
    /// As [`Caller::ping`].
    ///
    /// # Errors
    /// [`CallError`], above all [`CallError::Timeout`] when the module does not listen, or
    /// [`CallError::NobodyListens`] where the broker knows that.
    pub fn ping(&self) -> Result<(), CallError> {
        self.mode
            .block_on(self.shared.ask(MessageType::Ping, ""))?
            .map(drop)
    }

    /// As [`Caller::info`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn info(&self) -> Result<String, CallError> {
        self.mode
            .block_on(self.shared.ask(MessageType::Info, key::INFO))?
    }

    /// As [`Caller::api_info`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn api_info(&self) -> Result<ApiInfo, CallError> {
        let api_info = self.mode.block_on(self.shared.api_info())??;
        Ok(ApiInfo::clone(&api_info))
    }

    /// As [`Caller::api_info_text`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn api_info_text(&self) -> Result<String, CallError> {
        self.mode.block_on(self.shared.api_info_text())?
    }
}
