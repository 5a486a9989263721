//! Calls to a module: many at once, over one link or one pair of connections.

mod builder;
mod call;
mod cancel;
#[cfg(feature = "module")]
mod contract;
#[cfg(not(feature = "module"))]
#[path = "no_contract.rs"]
mod contract;
mod error;
mod in_flight;
mod job;
mod macros;
mod mode;
mod parts;
mod pongs;
mod receiver;
mod repeats;
mod whereabouts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::api_info::{ApiInfo, extension};
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Topic, TraceContext};
use serde_json::value::RawValue;
use smol_str::ToSmolStr;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

pub use builder::{ClientBuilder, ClientError};
pub use call::{Call, CallFuture, Instance, OnProgress};
pub use dasf_protocol::{JobId, JobIdError};
pub use error::{CallError, ModuleFailure};
pub use job::{Job, JobResult, JobStatus, Submit};
pub use mode::{Async, Blocking, Mode};
pub use whereabouts::Whereabouts;

use crate::duration::milliseconds;
use crate::load::ModuleLoad;
use crate::random;
use crate::transport::{
    Calls, DEFAULT_MAX_PAYLOAD_SIZE, Outgoing, PublishError, Publisher, PublisherOptions, Reading,
    SendWindow, Subscriber, Transport,
};
use cancel::Sent;
#[cfg(feature = "cli")]
pub(crate) use cancel::all_sent;
use contract::Contract;
use in_flight::{Answer, CallGuard, InFlight, Kept, Request, Waiting};
use receiver::Receiver;
use whereabouts::{Limits, OnWhereabouts, Presence, Stage};

/// How many calls of a client run at a time over a broker that drops no messages.
const MAX_IN_FLIGHT: usize = 1024;
/// How long a call takes before its client asks where it is. A call with a short
/// timeout asks after half of it.
const QUIET: Duration = Duration::from_secs(1);

/// The limits and the timeout of a client, which [`ClientBuilder`] sets.
#[derive(Debug, Clone, Copy)]
struct ClientOptions {
    timeout: Duration,
    /// `None` leaves it to the transport.
    max_in_flight: Option<usize>,
    max_payload_size: usize,
    max_response_size: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            max_in_flight: None,
            max_payload_size: DEFAULT_MAX_PAYLOAD_SIZE,
            max_response_size: 256 << 20,
        }
    }
}

/// A connected client without methods for the functions of a module. It sends requests that are
/// JSON. The generated `Client` of a module is built on it.
///
/// Clones share the connections, which close with the last clone. `M` is [`Async`] or [`Blocking`].
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
    max_in_flight: usize,
    api_info: Mutex<Option<Arc<ApiInfo>>>,
    /// Limits how many fragments of requests the module has not read yet.
    window: SendWindow,
    /// The checks of requests before they are sent.
    contract: Contract,
    /// The connection to the response topic.
    subscriber: Subscriber,
    receiver: Arc<Receiver>,
    presence: Presence,
}

/// A message to the module that is not sent yet.
struct Message {
    properties: Properties,
    json: Bytes,
    way: Way,
    limits: Limits,
    trace: Option<Arc<TraceContext>>,
}

impl Message {
    /// Returns what its call keeps of it. Only a request in one message can be published again: the
    /// others are large.
    fn request(&self) -> Request {
        match (self.way, self.properties.message_type()) {
            (Way::Whole, Some(MessageType::Request)) => Request::Kept(Kept {
                json: self.json.clone(),
                limits: self.limits,
                trace: self.trace.clone(),
            }),
            _ => Request::Gone,
        }
    }
}

/// The way in which a payload reaches the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In one frame.
    Whole,
    /// In several frames.
    Fragments,
    /// When the module asks for it. In a group, each module would get only some of the fragments.
    OnDemand,
}

/// The options of one call.
pub(crate) struct CallOptions<H> {
    timeout: Option<Duration>,
    /// Whether the timeout restarts with each report of the progress.
    restarts: bool,
    on_progress: Option<H>,
    on_whereabouts: Option<OnWhereabouts>,
    /// Whether the log gets a warning if no module answers.
    warns: bool,
    trace: Option<Arc<TraceContext>>,
}

/// The identity of a client.
#[derive(Debug, Clone, Copy)]
struct Identity {
    /// The random bits in the name of its response topic.
    bits: u128,
    /// The context of its first call. Another client may have the same response topic, by chance or
    /// because the name had to be short. Then both clients read all responses, and find their own
    /// by the context.
    first_context: u64,
}

impl Identity {
    /// Creates an identity that no other client has.
    fn random() -> Self {
        Self {
            bits: random::bits(),
            first_context: random::first_context(),
        }
    }
}

impl Shared {
    /// Connects to the response topic and to the topic of the module. Both must be connected before
    /// a request is sent, so that no response is lost.
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
        let max_in_flight = options.max_in_flight.or(transport.max_in_flight());
        let max_in_flight = max_in_flight
            .unwrap_or(MAX_IN_FLIGHT)
            .min(Semaphore::MAX_PERMITS);
        let in_flight = Arc::new(InFlight::new(
            topic.clone(),
            response_topic.clone(),
            identity.first_context,
            options.max_response_size,
        ));
        let receiver = Arc::new(Receiver::new(
            Arc::clone(&in_flight),
            Arc::clone(&transport),
        ));
        let reading = Reading {
            receiver: Some(Arc::<Receiver>::clone(&receiver)),
            ..Reading::caller(subscription)
        };
        let mut subscriber = transport.subscribe(&response_topic, &reading);
        transport.knows_link().await;
        let mut publisher = transport.publisher(&topic, PublisherOptions::default());
        let (subscribed, connected) = tokio::join!(subscriber.connected(), publisher.connected());
        subscribed.and(connected)?;
        Ok(Self {
            topic,
            response_topic,
            transport,
            options,
            publisher,
            in_flight,
            permits: Semaphore::new(max_in_flight),
            max_in_flight,
            api_info: Mutex::default(),
            window: SendWindow::default(),
            contract,
            subscriber,
            receiver,
            presence: Presence::default(),
        })
    }

    /// Sends the JSON of a request, and returns the JSON of the result.
    async fn request(
        &self,
        json: Vec<u8>,
        options: CallOptions<OnProgress<'_>>,
    ) -> Result<Bytes, CallError> {
        self.check(&json)?;
        let timeout = options.timeout.unwrap_or(self.options.timeout);
        let limits = Limits {
            restarts: options.restarts,
            warns: options.warns,
            ..Limits::of_question(timeout)
        };
        let json = Bytes::from(json);
        let json = match self.send_at_once(json, limits, &options) {
            Ok((_permit, mut call)) => {
                let stage = Stage::from(call.guard().context());
                let handler = options.on_whereabouts;
                let answer = self.attend(limits, &stage, &mut call, handler).await?;
                return Ok(answer.payload);
            }
            Err(json) => json,
        };
        let stage = Stage::new();
        // Boxed, so that the future of a small call stays small.
        let mut call =
            Box::pin(self.send_in_turn(json, limits, options.on_progress, options.trace, &stage));
        self.attend(limits, &stage, &mut call, options.on_whereabouts)
            .await
    }

    /// Checks a request against the API description, if the client has one.
    fn check(&self, json: &[u8]) -> Result<(), CallError> {
        let checked = self.contract.check(json);
        checked.map_err(|problems| CallError::Invalid { problems })
    }

    /// Runs a call until its deadline. If the call takes long, asks meanwhile where it is.
    async fn attend<T>(
        &self,
        limits: Limits,
        stage: &Stage,
        call: &mut (impl Future<Output = Result<T, CallError>> + Unpin),
        on_whereabouts: Option<OnWhereabouts>,
    ) -> Result<T, CallError> {
        let quiet = limits.begun + QUIET.min(limits.timeout / 2);
        if let Ok(result) = timeout_at(quiet, &mut *call).await {
            return result;
        }
        // Boxed, so that the future of a quick call stays small.
        Box::pin(self.attend_long(limits, stage, call, on_whereabouts)).await
    }

    /// Sends a request if it fits one frame and need not wait. Most calls are sent in this way. Returns
    /// the call with the permit that counts it as one in flight, or the JSON of another request.
    fn send_at_once(
        &self,
        json: Bytes,
        limits: Limits,
        options: &CallOptions<OnProgress<'_>>,
    ) -> Result<(SemaphorePermit<'_>, Sent<'_>), Bytes> {
        if json.len() > self.whole_size() || options.on_progress.is_some() {
            return Err(json);
        }
        let Ok(permit) = self.permits.try_acquire() else {
            return Err(json);
        };
        let deadline = limits.deadline;
        let kept = Kept {
            json: json.clone(),
            limits,
            trace: options.trace.clone(),
        };
        let properties = self.request_properties(limits, options.trace.as_deref());
        let call = self
            .in_flight
            .register(Waiting::default(), Request::Kept(kept));
        let message = self.outgoing(&call, properties, json, deadline);
        let owner: Arc<dyn Calls> = Arc::<InFlight>::clone(&self.in_flight);
        self.publisher
            .try_publish_for(owner, call.context(), message)?;
        let mut sent = Sent::unsent(self, call, deadline);
        sent.may_have_arrived = true;
        Ok((permit, sent))
    }

    /// Sends a request when it is its turn, in the way that fits its size, and returns the JSON of
    /// the result.
    async fn send_in_turn(
        &self,
        json: Bytes,
        limits: Limits,
        on_progress: Option<OnProgress<'_>>,
        trace: Option<Arc<TraceContext>>,
        stage: &Stage,
    ) -> Result<Bytes, CallError> {
        let message = Message {
            properties: self.request_properties(limits, trace.as_deref()),
            way: match json.len() {
                size if size <= self.whole_size() => Way::Whole,
                size => self.way(size).await?,
            },
            json,
            limits,
            trace,
        };
        let way = message.way;
        let answer = self.exchange(message, on_progress, stage).await;
        if way != Way::Whole && matches!(answer, Err(CallError::Module(_))) {
            // Modules that started since then may need large requests in another way.
            *self.api_info.lock().await = None;
        }
        Ok(answer?.payload)
    }

    fn request_properties(&self, limits: Limits, trace: Option<&TraceContext>) -> Properties {
        let mut properties = Properties::new().with_message_type(MessageType::Request);
        if let Some(trace) = trace {
            properties = properties.with(key::TRACE, trace.to_string());
        }
        if limits.restarts {
            properties = properties.with(key::RESTART_MS, milliseconds(limits.timeout));
        }
        match self.transport.max_unread() {
            Some(_) => properties.with(key::ANSWERS_PINGS, "1"),
            None => properties,
        }
    }

    /// Returns the way in which a request of this size, in bytes, reaches the module. It is larger
    /// than one piece.
    async fn way(&self, size: usize) -> Result<Way, CallError> {
        let limit = self.max_payload_size();
        let fits_one_frame = size <= limit;
        let module = match self.api_info().await {
            Ok(module) => module,
            Err(CallError::Module(_)) if fits_one_frame => return Ok(Way::Whole),
            Err(error) => return Err(error),
        };
        if module.speaks(extension::REQUEST_FRAGMENTS) {
            Ok(Way::Fragments)
        } else if module.speaks(extension::REQUESTS_ON_DEMAND) {
            Ok(Way::OnDemand)
        } else if fits_one_frame {
            Ok(Way::Whole)
        } else {
            Err(CallError::RequestTooLarge { size, limit })
        }
    }

    /// Returns the largest request in one frame, in bytes before base64.
    fn max_payload_size(&self) -> usize {
        let of_broker = self.transport.max_payload_size().unwrap_or(usize::MAX);
        self.options.max_payload_size.clamp(1, of_broker)
    }

    /// Returns the size of the largest request that is sent in one message without a question, in bytes
    /// before base64.
    fn whole_size(&self) -> usize {
        let best = self.transport.best_payload_size().unwrap_or(usize::MAX);
        self.max_payload_size().min(best)
    }

    async fn ping(&self) -> Result<(), CallError> {
        let ping = Properties::new().with_message_type(MessageType::Ping);
        self.ask(ping).await.map(drop)
    }

    async fn load(&self) -> Result<Option<ModuleLoad>, CallError> {
        let ping = Properties::new().with_message_type(MessageType::Ping);
        let pong = self.ask(ping.with(key::LOAD, 1)).await?;
        Ok(pong.text(key::LOAD).and_then(ModuleLoad::from_json))
    }

    /// Asks for a document of the module, which is a property of the response.
    async fn document(
        &self,
        message_type: MessageType,
        property: &str,
    ) -> Result<String, CallError> {
        let question = Properties::new().with_message_type(message_type);
        let properties = self.ask(question).await?;
        Ok(properties.text(property).unwrap_or_default().to_owned())
    }

    /// Sends a message without a payload, and returns the properties of the response.
    async fn ask(&self, properties: Properties) -> Result<Properties, CallError> {
        let limits = Limits::of_question(self.options.timeout);
        let message = Message {
            properties,
            json: Bytes::new(),
            way: Way::Whole,
            limits,
            trace: None,
        };
        let stage = Stage::new();
        let exchange = self.exchange(message, None, &stage);
        let answer = timeout_at(limits.deadline, exchange).await;
        let answer = answer.unwrap_or_else(|_| {
            // No module has answered this question.
            Err(self.timed_out(limits.timeout, &stage, Whereabouts::Unanswered))
        });
        Ok(answer?.properties)
    }

    async fn api_info_text(&self) -> Result<String, CallError> {
        self.document(MessageType::ApiInfo, key::API_INFO).await
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

    /// Publishes one message, in fragments if necessary, and waits for its response.
    ///
    /// This future owns everything that belongs to the call. When dropped, it leaves nothing
    /// behind.
    async fn exchange(
        &self,
        message: Message,
        on_progress: Option<OnProgress<'_>>,
        stage: &Stage,
    ) -> Result<Answer, CallError> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(CallError::Closed);
        };
        if message.way == Way::Whole && on_progress.is_none() {
            self.exchange_whole(message, stage).await
        } else {
            self.exchange_parts(message, on_progress, stage).await
        }
    }

    /// Publishes a message in one frame, and waits for its response. Most calls need no more.
    async fn exchange_whole(&self, message: Message, stage: &Stage) -> Result<Answer, CallError> {
        let call = self
            .in_flight
            .register(Waiting::default(), message.request());
        stage.get_or_init(|| call.context());
        let Message {
            properties,
            json,
            limits,
            ..
        } = message;
        let is_request = properties.message_type() == Some(MessageType::Request);
        let outgoing = self.outgoing(&call, properties, json, limits.deadline);
        let owner: Arc<dyn Calls> = Arc::<InFlight>::clone(&self.in_flight);
        let published = self.publisher.publish_for(owner, call.context(), outgoing);
        published.await.map_err(|error| self.not_published(error))?;
        let mut sent = Sent::unsent(self, call, limits.deadline);
        sent.may_have_arrived = is_request;
        sent.await
    }

    /// Returns the message that sends a call in one frame.
    fn outgoing(
        &self,
        call: &CallGuard,
        properties: Properties,
        payload: Bytes,
        deadline: Instant,
    ) -> Outgoing {
        self.message(call.context(), properties, payload, deadline)
    }

    fn message(
        &self,
        context: u64,
        properties: Properties,
        payload: Bytes,
        deadline: Instant,
    ) -> Outgoing {
        Outgoing {
            properties: self.routing(context, properties, deadline),
            payload,
            context: context.to_smolstr(),
            expires: Some(deadline),
            awaited_until: None,
        }
    }

    /// Adds to the properties of a message where its response goes, and how long the caller waits.
    fn routing(&self, context: u64, properties: Properties, deadline: Instant) -> Properties {
        let properties = properties
            .with(key::REQUEST_CONTEXT, context.to_smolstr().as_str())
            .with(key::RESPONSE_TOPIC, self.response_topic.as_str());
        with_time_left(properties, deadline)
    }

    fn not_published(&self, error: PublishError) -> CallError {
        CallError::not_published(&self.topic, error)
    }
}

/// Adds to the properties of a message how long the caller waits, unless it waits without end.
fn with_time_left(properties: Properties, deadline: Instant) -> Properties {
    with_timeout(
        properties,
        deadline.saturating_duration_since(Instant::now()),
    )
}

/// Adds to the properties of a message for how long its caller needs a response, unless that is without end.
fn with_timeout(properties: Properties, timeout: Duration) -> Properties {
    if timeout > LONGEST_TIMEOUT {
        return properties;
    }
    properties.with(key::TIMEOUT_MS, milliseconds(timeout))
}

/// A call with a longer timeout waits without end, as far as modules and brokers need to know.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the deadline of a call.
fn deadline(now: Instant, timeout: Duration) -> Instant {
    // A clock cannot represent every timeout.
    now.checked_add(timeout)
        .unwrap_or_else(|| now + 2 * LONGEST_TIMEOUT)
}

impl<M: Mode> Caller<M> {
    /// Returns the topic of the module.
    pub fn topic(&self) -> &Topic {
        &self.shared.topic
    }

    /// Returns the number of calls in flight.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.len()
    }

    /// Calls the function in a request that is JSON. The result is also JSON.
    pub fn call(&self, request: &serde_json::Value) -> Call<serde_json::Value, M> {
        Call::from_json(self, request)
    }

    /// Calls the function in a request, as [`call`](Self::call) does, and keeps every digit of
    /// numbers. A [`Value`](serde_json::Value) holds a number as an `f64` or as an integer of 64
    /// bits.
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
    /// Closes the connections, and waits until they are closed.
    ///
    /// Dropping the last clone also closes them, but a program that ends at once would cut them
    /// off. If other clones exist, the connections stay open.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connections close in the background.
    pub async fn close(self) {
        let Some(shared) = Arc::into_inner(self.shared) else {
            return;
        };
        let Shared {
            publisher,
            subscriber,
            receiver,
            ..
        } = shared;
        publisher.finish().await;
        receiver.finish().await;
        subscriber.finish().await;
    }

    /// Creates a builder for a client of the module on a topic.
    pub fn builder(topic: &str) -> ClientBuilder<Self, Async> {
        ClientBuilder::new(Some(topic))
    }

    /// Pings the module, and waits for its answer.
    ///
    /// # Errors
    /// [`CallError::Timeout`] when no module answers, [`CallError::NobodyListens`] when the broker
    /// reports that no module listens, and the other variants of [`CallError`].
    pub async fn ping(&self) -> Result<(), CallError> {
        self.shared.ping().await
    }

    /// Pings the module, and returns how much it has to do, if it is made with this library.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub async fn load(&self) -> Result<Option<ModuleLoad>, CallError> {
        self.shared.load().await
    }

    /// Asks the module for the schema of its requests, and returns the JSON.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn info(&self) -> Result<String, CallError> {
        self.shared.document(MessageType::Info, key::INFO).await
    }

    /// Returns the API description of the module. The client asks for it once, and again after the
    /// module rejected a large request.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn api_info(&self) -> Result<ApiInfo, CallError> {
        Ok(ApiInfo::clone(&*self.shared.api_info().await?))
    }

    /// Asks the module for its API description, and returns the JSON as it came. It may have keys
    /// that [`ApiInfo`] does not have.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn api_info_text(&self) -> Result<String, CallError> {
        self.shared.api_info_text().await
    }
}

impl Caller<Blocking> {
    /// Pings the module, as [`Caller::ping`] does.
    ///
    /// # Errors
    /// The same as [`Caller::ping`].
    pub fn ping(&self) -> Result<(), CallError> {
        self.mode.block_on(self.shared.ping())?
    }

    /// Returns how much the module has to do, as [`Caller::load`] does.
    ///
    /// # Errors
    /// The same as [`Caller::ping`].
    pub fn load(&self) -> Result<Option<ModuleLoad>, CallError> {
        self.mode.block_on(self.shared.load())?
    }

    /// Asks for the schema, as [`Caller::info`] does.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn info(&self) -> Result<String, CallError> {
        self.mode
            .block_on(self.shared.document(MessageType::Info, key::INFO))?
    }

    /// Returns the API description, as [`Caller::api_info`] does.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn api_info(&self) -> Result<ApiInfo, CallError> {
        let api_info = self.mode.block_on(self.shared.api_info())??;
        Ok(ApiInfo::clone(&api_info))
    }

    /// Asks for the API description, as [`Caller::api_info_text`] does.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn api_info_text(&self) -> Result<String, CallError> {
        self.mode.block_on(self.shared.api_info_text())?
    }
}
