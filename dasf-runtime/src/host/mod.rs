//! The module host: reads a topic, runs the requested functions, and sends the responses.

mod acknowledgement;
mod answer;
mod answers;
mod budget;
mod call_log;
mod clock_probe;
mod counts;
mod dispatcher;
mod duplicates;
mod executor;
mod fragments;
mod host_thread;
mod inbox;
mod job_history;
mod options;
mod outbox;
mod passing;
mod publisher_pool;
mod quick_calls;
mod redelivery;
mod reply_to;
#[cfg(test)]
mod scripted;
mod search;
#[cfg(feature = "status")]
mod status;
mod thread_watch;
mod worker_pool;

use std::io;
#[cfg(feature = "status")]
use std::net::SocketAddr;
use std::time::Duration;

use dasf_protocol::api_info::{ApiInfo, extension};
use dasf_protocol::{Subscription, Topic};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use options::{Acknowledge, HostOptions, OptionsError};

use crate::address::Address;
use crate::discovery::ListedModule;
use crate::module::Module;
use crate::transport::{ConnectError, Introduction, Reading};
use clock_probe::learn_clock;
use dispatcher::Dispatcher;
use executor::Executor;
use host_thread::HostThread;
use search::{OwnPings, Search};
#[cfg(feature = "status")]
use status::{Status, StatusPort};

/// How long the host, when it stops, waits until the last acknowledgements and responses are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest accepted `requestContext`, in bytes. It limits the memory for each call.
const MAX_CONTEXT_LENGTH: usize = 128;

/// A module that listens on its topic. When dropped, it stops in the background, as
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
    /// Notified when the host has ended; `None` after that.
    end: Option<oneshot::Receiver<()>>,
    search: Search,
    #[cfg(feature = "status")]
    status_addr: Option<SocketAddr>,
    #[cfg(feature = "cli")]
    connections: tokio::runtime::Handle,
}

/// The reason why a host did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The host could not connect to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The operating system does not start the thread of the host.
    #[error("the thread of the module host does not start: {0}")]
    Thread(#[source] io::Error),
    /// The address for the status cannot be used.
    #[cfg(feature = "status")]
    #[error(
        "the status address {address} cannot be used: {source}; choose another port, or port 0 for any"
    )]
    Status {
        /// The address of the [options](HostOptions::status_addr).
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Host {
    /// Connects to the broker, and serves the module until [`shutdown`](Self::shutdown). If the
    /// connection is lost later, the host reconnects. It tries without a limit.
    ///
    /// # Errors
    /// [`StartError`] when the first connection fails, or the options contradict each other.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    pub async fn start(
        module: Module,
        topic: &Topic,
        address: Address,
        options: HostOptions,
    ) -> Result<Self, StartError> {
        let options = options.checked()?;
        #[cfg(feature = "status")]
        let status_port = options.status_addr.map(StatusPort::open).transpose()?;
        let thread = HostThread::start().map_err(StartError::Thread)?;
        let transport = address.open(thread.runtime.clone());
        let group = options.group.as_ref().map(Subscription::as_str);
        let reading = Reading {
            announcement: ListedModule::new(&module, topic.as_str(), group).announcement(),
            introduction: Some(Introduction {
                name: module.name().to_owned(),
                version: module.version().to_owned(),
            }),
            ..options.reading()
        };
        let mut subscriber = transport.subscribe(topic, &reading);
        subscriber.connected().await?;
        if !subscriber.names_users() {
            warn_of_refusals(&module);
        }
        learn_clock(&*transport, topic).await;

        let stop = CancellationToken::new();
        let own_pings = OwnPings::default();
        let search = Search::new(
            &transport,
            topic.clone(),
            own_pings.clone(),
            options.group.is_some(),
        );
        let executor = Executor::new(module, topic, transport, own_pings, &options);
        #[cfg(feature = "status")]
        let (counts, queue_size) = (executor.call_log.counts(), options.queue_size);
        let dispatcher = Dispatcher::new(executor, options);
        #[cfg(feature = "status")]
        let status_addr = status_port.as_ref().map(|port| port.address);
        #[cfg(feature = "status")]
        if let Some((port, counts)) = status_port.zip(counts) {
            let status = Status {
                executor: dispatcher.executor(),
                counts,
                admission: dispatcher.admission(),
                queue_size,
                state: subscriber.state(),
                stop: stop.clone(),
            };
            port.serve(&thread.runtime, status)?;
        }
        #[cfg(feature = "cli")]
        let connections = thread.runtime.clone();
        let end = Some(thread.run(dispatcher, subscriber, stop.clone()));
        Ok(Self {
            stop,
            end,
            search,
            #[cfg(feature = "status")]
            status_addr,
            #[cfg(feature = "cli")]
            connections,
        })
    }

    /// Returns the address at which the host serves its health and its numbers, if it [does
    /// so](HostOptions::status_addr).
    #[cfg(feature = "status")]
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status_addr
    }

    /// Returns the runtime of the connections, which does no task while the thread of the host hangs.
    #[cfg(feature = "cli")]
    pub(crate) fn connections(&self) -> tokio::runtime::Handle {
        self.connections.clone()
    }

    /// Returns whether another module answers on the topic, within five seconds after the
    /// connections are open. For a module of a group, only modules without a group count. Only the
    /// first call searches.
    pub(crate) fn another_module(&self) -> impl Future<Output = bool> + Send + use<> {
        self.search.clone().run()
    }

    /// Stops the host: stops reading, waits for the accepted calls, sends their responses, and
    /// closes the connections. It waits for at most the [drain
    /// timeout](field@HostOptions::drain_timeout).
    ///
    /// In a group, only the running calls are finished. The waiting ones go to another module. With
    /// [`Acknowledge::Completed`], calls that exceed the drain timeout also go to another module.
    /// Otherwise their callers get an error.
    ///
    /// # Cancel safety
    /// When dropped, the host continues to stop in the background.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.ended().await;
    }

    /// Waits until the host has ended, after it was stopped.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&mut self) {
        let Some(end) = &mut self.end else { return };
        if end.await.is_err() {
            tracing::error!("the module host ended unexpectedly");
        }
        self.end = None;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Logs which functions refuse all calls, because the broker does not name its users.
fn warn_of_refusals(module: &Module) {
    let functions = module.functions_for_groups();
    if !functions.is_empty() {
        tracing::warn!(
            functions = functions.join(", "),
            "these functions refuse every call: they are for users in some groups, and this broker does not name \
             its users; a dasf-broker with --config FILE does"
        );
    }
}

/// The JSON documents for `info` and `api_info`.
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

/// Announces that the module asks for the payloads of large requests, instead of joining fragments.
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
