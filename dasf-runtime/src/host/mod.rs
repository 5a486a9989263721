//! The module host: reads a topic, runs what is requested, answers.

mod acknowledgement;
mod dispatcher;
mod duplicates;
mod inbox;
mod options;
mod replies;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::api_info::{ApiInfo, extension};
use dasf_protocol::fragment::FragmentError;
use dasf_protocol::{Subscription, Topic};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use options::{Acknowledge, HostOptions, OptionsError};

use crate::address::Address;
use crate::directory::ListedModule;
use crate::module::{Failure, Module};
use crate::transport::{ConnectError, Reading};
use acknowledgement::Moment;
use dispatcher::Dispatcher;
use duplicates::RecentRequests;
use inbox::Inbox;
use replies::Replies;
use worker::Worker;

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
        let group = options.group.as_ref().map(Subscription::as_str);
        let reading = Reading {
            announcement: ListedModule::new(&module, topic.as_str(), group).announcement(),
            ..options.reading()
        };
        let mut subscriber = transport.subscribe(topic, &reading);
        subscriber.connected().await?;

        let stop = CancellationToken::new();
        let is_in_group = options.group.is_some();
        let abort = CancellationToken::new();
        let worker = Worker {
            documents: Documents::new(&module, topic, is_in_group),
            topic: topic.clone(),
            module,
            inbox: Inbox::new(
                Arc::clone(&transport),
                topic.clone(),
                options.max_request_size,
                abort.clone(),
            ),
            replies: Replies::new(transport, topic.clone(), &options),
            recent: RecentRequests::new(unique_message_ids),
            moment: Moment::of(&options),
            max_redeliveries: options.max_redeliveries,
            workers: Semaphore::new(options.max_workers),
            returning: CancellationToken::new(),
            abort,
        };
        let dispatcher = Dispatcher::new(worker, options);
        let task = tokio::spawn(dispatcher.run(subscriber, stop.clone()));
        let task = Some(task);
        Ok(Self { stop, task })
    }

    /// Stops reading, lets the calls that were accepted finish (for at most the options' drain
    /// timeout), sends their answers and closes the connections. In a group, only what has begun
    /// is finished; the rest goes to another module. With [`Acknowledge::Completed`], so does what
    /// takes too long; otherwise its caller is told.
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
    fn new(module: &Module, topic: &Topic, is_in_group: bool) -> Self {
        let ascii = |json: Result<Vec<u8>, serde_json::Error>| {
            json.ok()
                .and_then(|json| String::from_utf8(json).ok())
                .unwrap_or_default()
        };
        let mut api_info = module.api_info(topic.as_str());
        if is_in_group {
            take_requests_on_demand(&mut api_info);
        }
        Self {
            info: ascii(dasf_protocol::payload::to_json(
                &module.schema(topic.as_str()),
            )),
            api_info: ascii(dasf_protocol::payload::to_json(&api_info)),
        }
    }
}

/// Says of a module that it asks for the payloads of large requests, in place of taking their
/// fragments.
fn take_requests_on_demand(api_info: &mut ApiInfo) {
    let Some(extensions) = &mut api_info.x_dasf else {
        return;
    };
    for name in &mut extensions.speaks {
        if name == extension::REQUEST_FRAGMENTS {
            *name = extension::REQUESTS_ON_DEMAND.to_owned();
        }
    }
}

/// What a caller is told whose fragments cannot be put together.
fn refused_fragments(error: FragmentError) -> Failure {
    match error {
        FragmentError::TooLarge { limit } => Failure::validation(format!(
            "with others in fragments, the request exceeds max_request_size, which is {limit} bytes"
        )),
        error => Failure::validation(error.to_string()),
    }
}
