//! Starting and stopping a broker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::error::StartError;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::listener::{Door, Visitor};
use crate::server::{Server, router};
use crate::statistics::Statistics;

/// How long a shutdown waits for peers that do not take part in it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Bounds of the time between two searches for what has expired.
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(10);
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// The settings of a [`Broker`] that is to be started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dasf_broker::StartError> {
/// use std::time::Duration;
///
/// let broker = dasf_broker::Broker::builder()
///     .bind(([127, 0, 0, 1], 0).into())
///     .token("a secret")
///     .subscription_retention(Duration::from_secs(60))
///     .start()
///     .await?;
/// # broker.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    address: SocketAddr,
    token: Option<String>,
    limits: Limits,
}

impl Default for Builder {
    fn default() -> Self {
        let address = (Ipv4Addr::LOCALHOST, 8080).into();
        Self {
            address,
            token: None,
            limits: Limits::default(),
        }
    }
}

impl Builder {
    /// The address to listen on; port 0 takes any free port. Default: `127.0.0.1:8080`, which only
    /// programs on this machine reach.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A secret that every handshake must bring: in the header `authorization: Token …` or
    /// `authorization: Bearer …`, or in the query `?token=…`. Default: none.
    ///
    /// Without a token, whoever reaches the port may publish and consume; for a broker on
    /// `127.0.0.1` that includes the web pages in a browser on this machine.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How many bytes a frame of a peer may have; a larger one closes its socket with code 1009.
    /// Default: 1,048,576.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.limits.max_frame_size = bytes;
        self
    }

    /// How many WebSockets may be open; one more is refused with HTTP 503. Default: 4096.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections;
        self
    }

    /// How many topics may exist; a socket for one more is refused with HTTP 503. Default: 16,384.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.limits.max_topics = topics;
        self
    }

    /// How many subscriptions a topic may have; one more is refused with HTTP 503. Default: 256.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.limits.max_subscriptions = subscriptions;
        self
    }

    /// How many messages a subscription holds, waiting or unacknowledged, and a topic without
    /// subscriptions. What happens beyond is told in the [crate
    /// documentation](crate#when-a-backlog-is-full). Default: 10,000.
    pub fn max_backlog_messages(mut self, messages: usize) -> Self {
        self.limits.max_backlog_messages = messages;
        self
    }

    /// How many bytes these messages may have together. Default: 64 MiB.
    pub fn max_backlog_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_backlog_bytes = bytes;
        self
    }

    /// How many unacknowledged messages a consumer has that does not ask for a number by the query
    /// parameter `receiverQueueSize`. Default: 1000.
    pub fn receiver_queue_size(mut self, messages: usize) -> Self {
        self.limits.receiver_queue_size = messages;
        self
    }

    /// The most unacknowledged messages that a consumer has, whatever it asks for. Default: 10,000.
    pub fn max_receiver_queue_size(mut self, messages: usize) -> Self {
        self.limits.max_receiver_queue_size = messages;
        self
    }

    /// How long a subscription without a consumer is kept, and a message in a topic without
    /// subscriptions. Default: 10 minutes. The broker looks after it four times in that span, every
    /// 30 seconds at least.
    pub fn subscription_retention(mut self, retention: Duration) -> Self {
        self.limits.subscription_retention = retention;
        self
    }

    /// How often each peer is pinged. One that is silent for two intervals is disconnected.
    /// Default: 30 seconds.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.limits.ping_interval = interval;
        self
    }

    /// Starts the broker on the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] when the address cannot be bound, or a setting makes no sense.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with I/O and time enabled.
    pub async fn start(self) -> Result<Broker, StartError> {
        let Self {
            address,
            token,
            limits,
        } = self;
        if let Some(name) = limits.zero() {
            return Err(StartError::ZeroLimit { name });
        }
        if token.as_deref() == Some("") {
            return Err(StartError::EmptyToken);
        }
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound
            .await
            .map_err(|source| StartError::Bind { address, source })?;

        let max_connections = limits.max_connections.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(max_connections));
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let hub = Arc::new(Hub::new(limits));
        tasks.spawn(sweep(hub.clone(), shutdown.clone()));
        let server = Arc::new(Server {
            hub: hub.clone(),
            token,
            places: places.clone(),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        });
        let service = router(server).into_make_service_with_connect_info::<Visitor>();
        let serving = axum::serve(Door::new(listener, max_connections), service)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                warn!("stopped accepting connections: {error}");
            }
        });
        Ok(Broker {
            address,
            hub,
            places,
            max_connections,
            tasks,
            serving,
            shutdown: shutdown.drop_guard(),
        })
    }
}

/// Gives up what nobody read in time, again and again.
async fn sweep(hub: Arc<Hub>, shutdown: CancellationToken) {
    let period =
        (hub.limits.subscription_retention / 4).clamp(MIN_SWEEP_INTERVAL, MAX_SWEEP_INTERVAL);
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => hub.sweep(),
            () = shutdown.cancelled() => return,
        }
    }
}

/// A running broker. It stops when this handle is dropped; [`shutdown`](Self::shutdown) also waits
/// for that.
#[derive(Debug)]
#[must_use = "the broker stops when its handle is dropped"]
pub struct Broker {
    address: SocketAddr,
    hub: Arc<Hub>,
    places: Arc<Semaphore>,
    max_connections: usize,
    tasks: TaskTracker,
    serving: JoinHandle<()>,
    shutdown: DropGuard,
}

impl Broker {
    /// The settings of a new broker, with their defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The address on which the broker listens, with the port that it has.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL to give to modules and clients, such as `ws://127.0.0.1:8080/ws`.
    ///
    /// A broker that listens on all addresses of the machine is named by the local one; from other
    /// machines it is reached under this machine's name.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("ws://{}/ws", SocketAddr::new(ip, self.address.port()))
    }

    /// What the broker did since it started, and what it holds.
    pub fn statistics(&self) -> Statistics {
        let connections = self.max_connections - self.places.available_permits();
        self.hub.counters.read(self.hub.topics(), connections)
    }

    /// Stops accepting connections, closes the open ones with code 1001, and returns when that is
    /// done. Peers that do not answer are left behind after three seconds.
    pub async fn shutdown(self) {
        let Self {
            tasks,
            mut serving,
            shutdown,
            ..
        } = self;
        shutdown.disarm().cancel();
        tasks.close();
        let done = async {
            tasks.wait().await;
            // It logs its own failure; a panic is told by the runtime.
            let _ = (&mut serving).await;
        };
        if timeout(SHUTDOWN_TIMEOUT, done).await.is_err() {
            debug!("some connections did not end in time");
            serving.abort();
        }
    }
}
