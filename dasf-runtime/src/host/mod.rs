//! The module host: reads a topic, runs what is requested, answers.

mod duplicates;
mod options;
mod replies;

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::fragment::{FragmentError, Position, Reassembler};
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Status, Topic};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use options::{Acknowledge, HostOptions, OptionsError};

use crate::address::Address;
use crate::context::Context;
use crate::module::{Failure, Module, Outcome};
use crate::progress::ReportSink;
use crate::transport::{ConnectError, Subscriber};
use duplicates::RecentRequests;
use replies::{Replies, Reply};

/// How long the last acknowledgements, or the last answers, may take to be sent when the host
/// stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long without a further fragment a request's fragments are dropped.
const FRAGMENT_PATIENCE: Duration = Duration::from_secs(120);
/// The longest `requestContext` taken, in bytes. Callers number their calls; what is remembered of
/// each call must not depend on their moderation.
const MAX_CONTEXT_LENGTH: usize = 128;
/// The longest time a caller can ask for: longer ones, which could overflow an instant, mean "as
/// long as it takes".
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A module that listens on its topic. When this is dropped, it stops in the background, as
/// [`shutdown`](Self::shutdown) does.
///
/// ```no_run
/// # async fn run(module: dasf_runtime::Module) -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::{Address, Host, HostOptions};
///
/// let address = Address::websocket("ws://localhost:8080/ws")?;
/// let host = Host::start(module, &"my-topic".parse()?, address, HostOptions::default()).await?;
/// // … until it is time to stop:
/// host.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Host {
    stop: CancellationToken,
    /// `None` once it has ended.
    task: Option<JoinHandle<()>>,
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no connection to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl Host {
    /// Connects to the broker, and serves the module until [`shutdown`](Self::shutdown). A
    /// connection lost later is made again, for as long as it takes.
    ///
    /// # Errors
    /// [`StartError`] when the first connection fails, or the options contradict each other.
    ///
    /// # Cancel safety
    /// When dropped before it is ready, nothing is left behind.
    pub async fn start(
        module: Module,
        topic: &Topic,
        address: Address,
        options: HostOptions,
    ) -> Result<Self, StartError> {
        let options = options.checked()?;
        let transport = address.open();
        let unique_message_ids = transport.has_unique_message_ids();
        let mut subscriber = transport.subscribe(topic, &options.reading());
        subscriber.connected().await?;

        let stop = CancellationToken::new();
        let abort = CancellationToken::new();
        let worker = Worker {
            documents: Documents::new(&module, topic),
            topic: topic.clone(),
            module,
            replies: Replies::new(transport, topic.clone(), &options),
            workers: Semaphore::new(options.max_workers),
            abort,
        };
        let dispatcher = Dispatcher {
            worker: Arc::new(worker),
            admission: Arc::new(Semaphore::new(options.queue_size)),
            fragments: Reassembler::new(options.max_request_size),
            recent: RecentRequests::new(unique_message_ids),
            options,
        };
        let task = tokio::spawn(dispatcher.run(subscriber, stop.clone()));
        let task = Some(task);
        Ok(Self { stop, task })
    }

    /// Stops reading, lets the calls that were accepted finish (for at most the options' drain
    /// timeout), sends their answers and closes the connections.
    ///
    /// # Cancel safety
    /// When dropped, stopping goes on in the background.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.ended().await;
    }

    /// Waits until the host has ended, which it does when it is told to, and when the runtime of
    /// its connections ends.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&mut self) {
        let Some(task) = &mut self.task else { return };
        if let Err(error) = task.await {
            tracing::error!(%error, "the module host ended unexpectedly");
        }
        self.task = None;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The texts that answer `info` and `api_info`, made once.
struct Documents {
    info: String,
    api_info: String,
}

impl Documents {
    fn new(module: &Module, topic: &Topic) -> Self {
        let ascii = |json: Result<Vec<u8>, serde_json::Error>| {
            json.ok()
                .and_then(|json| String::from_utf8(json).ok())
                .unwrap_or_default()
        };
        Self {
            info: ascii(dasf_protocol::payload::to_json(
                &module.schema(topic.as_str()),
            )),
            api_info: ascii(dasf_protocol::payload::to_json(
                &module.api_info(topic.as_str()),
            )),
        }
    }
}

/// What the calls of one host share.
struct Worker {
    module: Module,
    topic: Topic,
    documents: Documents,
    replies: Arc<Replies>,
    /// One permit for each call that may run at a time.
    workers: Semaphore,
    /// Ends what outlasts the drain timeout.
    abort: CancellationToken,
}

/// Reads the topic and hands requests to workers.
struct Dispatcher {
    worker: Arc<Worker>,
    options: HostOptions,
    /// One permit for each call accepted and not yet answered.
    admission: Arc<Semaphore>,
    fragments: Reassembler<(Topic, String)>,
    recent: RecentRequests,
}

impl Dispatcher {
    async fn run(mut self, mut subscriber: Subscriber, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = subscriber.receive() => delivery,
            };
            let Some(delivery) = delivery else { break };
            // Before the work is done, as Python modules do: a request is run at most once.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = subscriber.acknowledge(delivery.message_id.clone()) => {}
            }
            self.dispatch(delivery);
        }
        self.drain(subscriber).await;
    }

    fn dispatch(&mut self, delivery: Delivery) {
        let Delivery {
            message_id,
            payload,
            properties,
        } = delivery;
        let routing = (
            properties.message_type(),
            properties.request_context(),
            properties.response_topic(),
        );
        let (Some(message_type), Some(context), Some(response_topic)) = routing else {
            tracing::warn!(
                message_id,
                "message ignored: it needs a messageType, a requestContext and a response_topic"
            );
            return;
        };
        if context.len() > MAX_CONTEXT_LENGTH {
            tracing::warn!(
                message_id,
                limit = MAX_CONTEXT_LENGTH,
                "message ignored: its requestContext is too long"
            );
            return;
        }
        let reply = Reply {
            response_topic,
            context,
        };
        let replies = &self.worker.replies;
        let documents = &self.worker.documents;
        match message_type {
            MessageType::Ping => {
                replies.try_send(
                    &reply,
                    Properties::new().with_message_type(MessageType::Pong),
                );
            }
            MessageType::Info => {
                let info = documents.info.as_str();
                replies.try_send(&reply, response().with(key::INFO, info));
            }
            MessageType::ApiInfo => {
                let api_info = documents.api_info.as_str();
                replies.try_send(&reply, response().with(key::API_INFO, api_info));
            }
            MessageType::Request => self.request(message_id, payload, properties, reply),
            other => {
                tracing::debug!(message_id, message_type = %other, "message of no use to a module");
            }
        }
    }

    fn request(
        &mut self,
        message_id: String,
        payload: String,
        properties: Properties,
        reply: Reply,
    ) {
        let payload = match self.reassemble(payload, &properties, &reply) {
            Ok(Some(payload)) => payload,
            Ok(None) => return,
            Err(failure) => {
                tracing::warn!(message_id, %failure, "request refused");
                self.worker.replies.try_send_failure(&reply, &failure);
                return;
            }
        };
        if self.recent.is_duplicate(&reply, &message_id, &properties) {
            tracing::info!(message_id, "request passed over: it came before");
            return;
        }
        let Ok(admitted) = Arc::clone(&self.admission).try_acquire_owned() else {
            tracing::warn!(
                message_id,
                queue_size = self.options.queue_size,
                "request rejected: the queue is full"
            );
            self.worker
                .replies
                .try_send_failure(&reply, &Failure::overflow());
            return;
        };
        let worker = Arc::clone(&self.worker);
        tokio::spawn(async move {
            worker
                .serve(message_id, payload, properties, reply, admitted)
                .await;
        });
    }

    /// The whole payload, once it is there.
    fn reassemble(
        &mut self,
        payload: String,
        properties: &Properties,
        reply: &Reply,
    ) -> Result<Option<String>, Failure> {
        let refuse = |error| match error {
            FragmentError::TooLarge { limit } => Failure::validation(format!(
                "with others in fragments, the request exceeds max_request_size, which is {limit} bytes"
            )),
            error => Failure::validation(error.to_string()),
        };
        let Some(position) = Position::of(properties).map_err(refuse)? else {
            return Ok(Some(payload));
        };
        let now = std::time::Instant::now();
        for (topic, context) in self.fragments.forget_older_than(FRAGMENT_PATIENCE, now) {
            tracing::warn!(%topic, context, "request dropped: its other fragments did not come");
        }
        let key = (reply.response_topic.clone(), reply.context.clone());
        self.fragments
            .insert(key, position, &payload, now)
            .map_err(refuse)
    }

    /// Lets accepted calls finish, sends what is left and closes.
    async fn drain(self, subscriber: Subscriber) {
        if tokio::time::timeout(FLUSH_TIMEOUT, subscriber.finish())
            .await
            .is_err()
        {
            tracing::warn!(
                "the last acknowledgements could not be sent; those messages may come again"
            );
        }
        let in_flight = self.options.queue_size - self.admission.available_permits();
        if in_flight > 0 {
            tracing::info!(in_flight, timeout = ?self.options.drain_timeout, "letting accepted calls finish");
        }
        let all = u32::try_from(self.options.queue_size).unwrap_or(u32::MAX);
        let all_done = self.admission.acquire_many(all);
        if tokio::time::timeout(self.options.drain_timeout, all_done)
            .await
            .is_err()
        {
            let in_flight = self.options.queue_size - self.admission.available_permits();
            tracing::error!(in_flight, "the drain timeout is over; calls are cut off");
            self.worker.abort.cancel();
            // Being cut off means to answer that, which needs no more than a moment.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.admission.acquire_many(all)).await;
        }
        if tokio::time::timeout(FLUSH_TIMEOUT, self.worker.replies.finish())
            .await
            .is_err()
        {
            tracing::error!("not every answer could be sent in time");
        }
    }
}

fn response() -> Properties {
    Properties::new().with_message_type(MessageType::Response)
}

impl Worker {
    /// Runs one call from its payload to its answer.
    async fn serve(
        self: Arc<Self>,
        message_id: String,
        payload: String,
        properties: Properties,
        reply: Reply,
        admitted: OwnedSemaphorePermit,
    ) {
        let timeout = properties
            .integer(key::TIMEOUT_MS)
            .map(Duration::from_millis);
        let timeout = timeout.filter(|&timeout| timeout <= LONGEST_TIMEOUT);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let cancellation = self.abort.child_token();
        let report = self.report_sink(&reply);
        // Of the highest level, so that it is there for whatever the function logs.
        let span = tracing::error_span!(
            parent: None,
            "call",
            function = tracing::field::Empty, // known once the request is read
            message_id,
            topic = %self.topic,
        );
        let context = Context::new(
            message_id.clone(),
            properties,
            deadline,
            cancellation.clone(),
            span,
        );

        let outcome = tokio::select! {
            biased;
            outcome = self.run(&payload, context, report.clone(), deadline, &cancellation) => outcome,
            () = self.abort.cancelled() => Err(Failure::processing("the module is shutting down")),
        };
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        if let Err(failure) = &outcome {
            tracing::info!(message_id, %failure, "request failed");
        }
        if let Some(json) = report.finish(status) {
            self.replies.send_progress(&reply, status, &json).await;
        }
        self.replies.send_outcome(&reply, outcome).await;
        drop(admitted);
    }

    async fn run(
        &self,
        payload: &str,
        context: Context,
        report: ReportSink,
        deadline: Option<Instant>,
        cancellation: &CancellationToken,
    ) -> Outcome {
        let Ok(_working) = self.workers.acquire().await else {
            return Err(Failure::processing("the module is shutting down"));
        };
        let Some(deadline) = deadline else {
            return self
                .module
                .call_in_task(payload, context, Some(report))
                .await;
        };
        if deadline <= Instant::now() {
            return Err(Failure::processing(
                "the caller's time was over before the call could begin",
            ));
        }
        let call = self.module.call_in_task(payload, context, Some(report));
        tokio::pin!(call);
        tokio::select! {
            biased;
            outcome = &mut call => outcome,
            () = tokio::time::sleep_until(deadline) => {
                // The function is told, and decides itself what that means.
                cancellation.cancel();
                call.await
            }
        }
    }

    fn report_sink(self: &Arc<Self>, reply: &Reply) -> ReportSink {
        let worker = Arc::clone(self);
        let reply = reply.clone();
        ReportSink::new(self.replies.max_payload_size(), move |status, json| {
            worker.replies.try_send_progress(&reply, status, &json)
        })
    }
}
