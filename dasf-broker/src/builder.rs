//! The settings, the start and the end of a broker.

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use dasf_protocol::origin::AllowedOrigins;

use crate::access::{Access, AuditLog, Config, ConfigError};
use crate::handshake::{Server, router};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::listener::{ConnectionHandle, Listener};
use crate::log;
use crate::message::MessageIds;
use crate::network::Connections;
use crate::pattern::Pattern;
use crate::start_error::{Lacks, StartError};
use crate::statistics::Statistics;
use crate::store::Store;
use crate::tls::Tls;
use crate::topic_settings::{TopicRule, TopicSettings};

/// The time that a shutdown waits for peers.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The bounds of the time between two searches for expired messages.
const MIN_EXPIRY_INTERVAL: Duration = Duration::from_millis(10);
const MAX_EXPIRY_INTERVAL: Duration = Duration::from_secs(30);

/// How many connections may wait until they are accepted, if the system allows as many. The default of 128 is too low
/// for clients that connect again all at once: the system refuses those that do not fit.
const BACKLOG: i32 = 4096;

/// The settings of a [`Broker`].
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
    config: Option<ConfigSource>,
    audit_log: Option<PathBuf>,
    tls: Option<(PathBuf, PathBuf)>,
    is_insecure: bool,
    allowed_origins: Vec<String>,
    offers_links: bool,
    data_dir: Option<PathBuf>,
    topics: Vec<(String, TopicSettings)>,
    http: Option<Http>,
    limits: Limits,
}

/// Makes the routes for requests that are not for the broker itself.
#[derive(Clone)]
struct Http(Arc<dyn Fn(&str) -> Router + Send + Sync>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// Where the configuration of a broker comes from.
#[derive(Debug, Clone)]
enum ConfigSource {
    Given(Config),
    File(PathBuf),
}

impl ConfigSource {
    fn load(self) -> Result<Config, ConfigError> {
        match self {
            Self::Given(config) => Ok(config),
            Self::File(path) => Config::load(path),
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        let address = (Ipv4Addr::LOCALHOST, 8080).into();
        Self {
            address,
            token: None,
            config: None,
            audit_log: None,
            tls: None,
            is_insecure: false,
            allowed_origins: Vec::new(),
            offers_links: true,
            data_dir: None,
            topics: Vec::new(),
            http: None,
            limits: Limits::default(),
        }
    }
}

impl Builder {
    /// Answers the requests of HTTP that are not for the broker itself with other routes: a gateway to the modules,
    /// for example. `routes` gets the URL at which this process reaches the broker: [`Broker::url`], or a port of
    /// its own on this machine if the broker has [TLS](Self::tls).
    ///
    /// The broker checks the origins of pages. The routes must check everything else; a gateway logs in at the
    /// broker with the token of each request. The path `/api/topics`, and those below it, below `/api/dead` and
    /// `/api/reload`, stay those of the broker.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dasf_broker::StartError> {
    /// use axum::{Router, routing::get};
    ///
    /// let broker = dasf_broker::Broker::builder()
    ///     .bind(([127, 0, 0, 1], 0).into())
    ///     .http(|_url| Router::new().route("/api", get(async || "no modules")))
    ///     .start()
    ///     .await?;
    /// # broker.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http(mut self, routes: impl Fn(&str) -> Router + Send + Sync + 'static) -> Self {
        self.http = Some(Http(Arc::new(routes)));
        self
    }

    /// Sets the address to listen on. Port 0 stands for any free port. Default: `127.0.0.1:8080`,
    /// which only programs on this machine can reach. An address that other machines reach needs
    /// [`tls`](Self::tls) and a [`token`](Self::token), or [`insecure`](Self::insecure).
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets a secret that every handshake must contain: in the header `authorization: Token …` or
    /// `authorization: Bearer …`, or in the query as `?token=…`. Default: no token.
    ///
    /// Without a token, every program that reaches the port may publish and consume. For a broker on
    /// `127.0.0.1`, these are all programs on this machine. Web pages need
    /// [`allow_origin`](Self::allow_origin) in any case.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the users of the broker, what each of them may do, and the settings of topics. See the [crate
    /// documentation](crate#users-and-rights). A configuration that only has settings of topics may stand
    /// beside a [`token`](Self::token). Default: the broker knows no users.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(ConfigSource::Given(config));
        self
    }

    /// Sets the file with the [configuration](Self::config). The broker reads it when it starts, and with
    /// [`Broker::reload`].
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(ConfigSource::File(path.into()));
        self
    }

    /// Sets the file of the audit log. The broker appends a line of JSON for each login, each refusal because
    /// of a token or a right, and each user whose rights change. Default: none.
    pub fn audit_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit_log = Some(path.into());
        self
    }

    /// Serves TLS with the certificate and the private key in these files, both in PEM. The first
    /// certificate is that of the broker. Those of the authorities that issued it follow, except the one
    /// that the peers trust. The key is of RSA, ECDSA or Ed25519, and has no password. Needs the feature
    /// `tls`. Default: no TLS.
    ///
    /// The broker looks every five seconds whether the files have changed, and gives the new certificate to
    /// new connections. Open connections stay. If the new files cannot be used, it keeps the certificate
    /// that it has, and logs the reason. See [`Broker::reload_certificate`].
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Sets whether the broker may listen without TLS, or without a token, on an address that other
    /// machines reach. Use it behind a reverse proxy that ends TLS, or in a network in which everybody may
    /// read and send all messages. Default: false.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.is_insecure = insecure;
        self
    }

    /// Allows the web pages of an origin, such as `https://lab.example.org` or `http://localhost:5173`, to
    /// use the broker. A broker without a token may then also have the name of this host, for example
    /// behind a reverse proxy on the same machine. `*` allows all origins and names. Call it for each
    /// origin. Default: no origin but that of the broker itself.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }

    /// Sets the largest size of a frame of a peer, in bytes. A larger frame closes its connection
    /// with code 1009. Default: 1,048,576.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.limits.max_frame_size = bytes;
        self
    }

    /// Sets the largest number of open WebSockets. The broker refuses further ones with HTTP 503.
    /// Default: 4096.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections;
        self
    }

    /// Sets the largest number of open WebSockets of one address. The broker refuses further ones with
    /// HTTP 503. All addresses of an IPv6 network of 64 bits count as one. Default: 2048.
    ///
    /// Behind a reverse proxy, all connections have the address of the proxy.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.limits.max_connections_per_address = connections;
        self
    }

    /// Sets the largest number of connections that are not WebSockets yet. For a further one, the broker
    /// closes the oldest one of the address that has the most. Default: 1024.
    pub fn max_handshakes(mut self, connections: usize) -> Self {
        self.limits.max_handshakes = connections;
        self
    }

    /// Sets the largest number of topics. For a further one, the broker removes topics without a consumer
    /// and their messages, the oldest first. If all have a consumer, it refuses the WebSocket with HTTP
    /// 503. Default: 16,384.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.limits.max_topics = topics;
        self
    }

    /// Sets the largest number of topics without a consumer that one link may create. For a further one,
    /// the broker removes the oldest of them with its messages. Default: 1024.
    pub fn max_topics_per_connection(mut self, topics: usize) -> Self {
        self.limits.max_topics_per_connection = topics;
        self
    }

    /// Sets whether the broker offers [links](dasf_protocol::link). Without links, each topic of a
    /// client has its own WebSocket, as with other brokers. Default: true.
    pub fn links(mut self, links: bool) -> Self {
        self.offers_links = links;
        self
    }

    /// Sets the largest number of subscriptions of a topic. For a further one, the subscription ends whose
    /// consumer is away for the longest time. If all have a consumer, the broker refuses the further one
    /// with HTTP 503. Default: 256.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.limits.max_subscriptions = subscriptions;
        self
    }

    /// Sets the largest number of messages in the backlog of a subscription, or of a topic without
    /// subscriptions. The backlog contains waiting and unacknowledged messages. The [crate
    /// documentation](crate#when-a-backlog-is-full) describes a full backlog. Default: 10,000 in memory, and
    /// 100,000 on the disk.
    pub fn max_backlog_messages(mut self, messages: usize) -> Self {
        self.limits.max_backlog_messages = messages;
        self.limits.max_kept_messages = messages;
        self
    }

    /// Sets the largest number of bytes in the backlog of a subscription, or of a topic without
    /// subscriptions. Default: 64 MiB in memory, and 1 GiB on the disk.
    pub fn max_backlog_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_backlog_bytes = bytes;
        self.limits.max_kept_bytes = bytes;
        self
    }

    /// Sets the largest memory of all messages, subscriptions and topics together, in bytes. Default:
    /// 512 MiB.
    ///
    /// When it is full, messages that nobody reads make room first. Then the topic with the most memory
    /// loses its oldest messages. The broker refuses the messages for this topic itself. What waits
    /// for the peers to read it may use a quarter of this memory in addition, and 64 KiB for each connection.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.limits.max_memory = bytes;
        self
    }

    /// Sets the largest number of requests that the broker keeps aside, because they ended the modules that
    /// ran them. For a further one, it drops the oldest. Default: 1000.
    pub fn max_dead_requests(mut self, requests: usize) -> Self {
        self.limits.max_dead_requests = requests;
        self
    }

    /// Sets the largest size of all requests that are put aside, in bytes. For a further one, the broker drops
    /// the oldest. They count for [`max_memory`](Self::max_memory), too, and make room first. Default: 64 MiB.
    pub fn max_dead_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_dead_bytes = bytes;
        self
    }

    /// Sets the largest number of unacknowledged messages of a consumer without the query parameter
    /// `receiverQueueSize`. Default: 1000.
    pub fn receiver_queue_size(mut self, messages: usize) -> Self {
        self.limits.receiver_queue_size = messages;
        self
    }

    /// Sets the largest number of unacknowledged messages of any consumer. A larger
    /// `receiverQueueSize` has no effect. Default: 10,000.
    pub fn max_receiver_queue_size(mut self, messages: usize) -> Self {
        self.limits.max_receiver_queue_size = messages;
        self
    }

    /// Sets how long the broker keeps a subscription without a consumer, and a message in a topic
    /// without subscriptions. The broker checks this four times in that span, and at least every 30
    /// seconds. Default: 10 minutes.
    ///
    /// A consumer may ask for another time with the query parameter `subscriptionRetention`.
    pub fn subscription_retention(mut self, retention: Duration) -> Self {
        self.limits.subscription_retention = retention;
        self
    }

    /// Sets the longest time for which a consumer may ask the broker to keep its subscription. A larger
    /// `subscriptionRetention` has no effect. Default: 7 days, or
    /// [`subscription_retention`](Self::subscription_retention) if that is longer.
    pub fn max_subscription_retention(mut self, retention: Duration) -> Self {
        self.limits.max_subscription_retention = retention;
        self
    }

    /// Sets what differs for the topics of a pattern: the name of a topic, in which `*` stands for any
    /// characters, also for none. Of several patterns that are for a topic, only the first one counts, with
    /// all of its settings. `river*` is for the topic `river`, for `river-2`, and for the topics on which the
    /// callers of `river` get their responses. The name of a topic with another tenant than `public` or
    /// another namespace than `default` is `tenant/namespace/topic`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dasf_broker::{Broker, TopicSettings};
    ///
    /// const DAY: Duration = Duration::from_secs(86_400);
    /// let broker = Broker::builder()
    ///     .data_dir("/var/lib/dasf-broker")
    ///     .topic_settings("river*", TopicSettings::default().ttl(7 * DAY).max_bytes(10 << 30))
    ///     .topic_settings("demo-*", TopicSettings::default().keep(false));
    /// ```
    pub fn topic_settings(mut self, pattern: impl Into<String>, settings: TopicSettings) -> Self {
        self.topics.push((pattern.into(), settings));
        self
    }

    /// Sets the time between two pings of a peer. The broker disconnects a peer that has answered
    /// none of the last two pings when the third is due. Every byte that comes from the peer is a sign
    /// of life, too. After a frame of more than 32 KiB the peer has as much more time as a link of 4 KiB
    /// per second needs for it, unless the peer pings by itself. While the broker reads nothing from a peer,
    /// because it sends more than it may, only a peer that does not read is disconnected. Default: 6 seconds.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.limits.ping_interval = interval;
        self
    }

    /// Sets the directory in which the broker keeps messages and durable subscriptions. The broker creates
    /// its files there, and a broker that starts with it later goes on with them. Default: the broker
    /// keeps everything in memory.
    ///
    /// A producer then gets the receipt of a message when the message is on the disk. Messages that only
    /// `NonDurable` subscriptions get are not written.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Starts the broker on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the broker cannot listen on the address, other machines reach the address and TLS or
    /// a token or users are missing, the certificate, the configuration, the audit log or the data directory
    /// cannot be used, a limit is 0, the token is empty, an allowed origin is none, or the pattern of topics
    /// is none.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime with I/O and time enabled.
    pub async fn start(self) -> Result<Broker, StartError> {
        let Self {
            address,
            token,
            config,
            audit_log,
            tls,
            is_insecure,
            allowed_origins,
            offers_links,
            data_dir,
            topics,
            http,
            mut limits,
        } = self;
        for (pattern, settings) in topics {
            let pattern = Pattern::try_from(pattern).map_err(|source| StartError::Pattern {
                source: source.into(),
            })?;
            limits.topics.push(TopicRule { pattern, settings });
        }
        if let Some(name) = limits.zero_limit() {
            return Err(StartError::ZeroLimit { name });
        }
        // What holds without a wish may be wished.
        let longest = &mut limits.max_subscription_retention;
        *longest = limits.subscription_retention.max(*longest);
        if token.as_deref() == Some("") {
            return Err(StartError::EmptyToken);
        }
        let config_file = match &config {
            Some(ConfigSource::File(path)) => Some(path.clone()),
            Some(ConfigSource::Given(_)) | None => None,
        };
        let config = config.map(ConfigSource::load).transpose()?;
        let topics = config.iter().flat_map(Config::topics);
        limits.configured_topics.extend(topics.cloned());
        let users = config.filter(Config::has_users);
        if token.is_some() && users.is_some() {
            return Err(StartError::TokenAndUsers);
        }
        let audit = match audit_log {
            None => None,
            Some(path) => match AuditLog::open(&path) {
                Ok(log) => Some(log),
                Err(source) => return Err(StartError::AuditLog { path, source }),
            },
        };
        if !is_insecure {
            let knows_peers = token.is_some() || users.is_some();
            check_reach(address, tls.is_some(), knows_peers)?;
        }
        let allowed_origins = AllowedOrigins::new("broker", &allowed_origins)
            .map_err(|origin| StartError::Origin { origin })?;
        let tls = tls.map(|(certificate, key)| Tls::load(certificate, key));
        let tls = tls.transpose()?.map(Arc::new);
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            SockRef::from(&listener).listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound
            .await
            .map_err(|source| StartError::Bind { address, source })?;

        let max_connections = limits.max_connections.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(max_connections));
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let connections = Connections::new(limits.max_connections_per_address);
        let hub = match data_dir {
            None => Hub::new(limits),
            Some(directory) => {
                // The database is read once, before the broker has any other task.
                let opened = Store::open(&directory, MessageIds::new_run());
                let (store, restored) = opened.map_err(|source| StartError::Store {
                    directory,
                    source: source.into(),
                })?;
                Hub::restored(limits, store, restored)
            }
        };
        let hub = Arc::new(hub);
        let memory = hub.origin.budget.clone();
        let access = Arc::new(match users {
            Some(config) => Access::with_users(config, config_file, audit, memory),
            None => Access::new(token, config_file, audit),
        });
        tasks.spawn(remove_expired(hub.clone(), shutdown.clone()));
        tasks.spawn(judge_suspects(hub.clone(), shutdown.clone()));
        tasks.spawn(sum_up(hub.clone(), shutdown.clone()));
        if let Some(tls) = &tls {
            tasks.spawn(tls.clone().watch(shutdown.clone()));
        }
        // The certificate has the name of the broker, which need not lead here.
        let inner = match (&http, &tls) {
            (Some(_), Some(_)) => {
                let address = (Ipv4Addr::LOCALHOST, 0).into();
                let bound = TcpListener::bind(address).await;
                let listener = bound.map_err(|source| StartError::Bind { address, source })?;
                let bound = listener.local_addr();
                Some((
                    bound.map_err(|source| StartError::Bind { address, source })?,
                    listener,
                ))
            }
            _ => None,
        };
        let http = http.map(|Http(routes)| match &inner {
            Some((address, _)) => routes(&url(*address, false)),
            None => routes(&url(address, false)),
        });
        let server = Arc::new(Server {
            http,
            hub: hub.clone(),
            access: access.clone(),
            allowed_origins,
            uses_tls: tls.is_some(),
            offers_links,
            slots: slots.clone(),
            max_connections,
            connections,
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        });
        let service = router(server).into_make_service_with_connect_info::<ConnectionHandle>();
        if let Some((_, listener)) = inner {
            let listener = Listener::new(listener, None, hub.clone(), shutdown.clone());
            let serving = axum::serve(listener, service.clone())
                .with_graceful_shutdown(shutdown.clone().cancelled_owned());
            tasks.spawn(async move {
                if let Err(error) = serving.await {
                    warn!("stopped accepting connections of this process: {error}");
                }
            });
        }
        let listener = Listener::new(listener, tls.clone(), hub.clone(), shutdown.clone());
        let serving = axum::serve(listener, service)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                warn!("stopped accepting connections: {error}");
            }
        });
        Ok(Broker {
            address,
            tls,
            hub,
            access,
            slots,
            max_connections,
            tasks,
            serving,
            shutdown: shutdown.drop_guard(),
        })
    }
}

/// Returns the base URL of a broker that listens on an address.
fn url(address: SocketAddr, has_tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if has_tls { "wss" } else { "ws" };
    format!("{scheme}://{}/ws", SocketAddr::new(ip, address.port()))
}

/// Checks whether a broker may listen on an address.
fn check_reach(address: SocketAddr, has_tls: bool, knows_peers: bool) -> Result<(), StartError> {
    let lacks = match (has_tls, knows_peers) {
        _ if address.ip().to_canonical().is_loopback() => return Ok(()),
        (true, true) => return Ok(()),
        (false, true) => Lacks::Tls,
        (true, false) => Lacks::Token,
        (false, false) => Lacks::TlsAndToken,
    };
    Err(StartError::Insecure { address, lacks })
}

/// Removes expired messages and subscriptions from time to time.
async fn remove_expired(hub: Arc<Hub>, shutdown: CancellationToken) {
    loop {
        let period = hub.shortest_time() / 4;
        let period = period.clamp(MIN_EXPIRY_INTERVAL, MAX_EXPIRY_INTERVAL);
        tokio::select! {
            () = sleep(period) => hub.remove_expired(),
            () = hub.changed_settings.notified() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Puts messages aside when the consumers that were lost with them had time to come back.
async fn judge_suspects(hub: Arc<Hub>, shutdown: CancellationToken) {
    loop {
        let due = hub.suspects_due();
        let is_due = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = is_due => hub.judge_suspects(),
            () = hub.suspected.notified() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Logs from time to time how many lines the log has left out, and records how many messages came since.
async fn sum_up(hub: Arc<Hub>, shutdown: CancellationToken) {
    let mut interval = interval(log::INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {
                hub.log.sum_up();
                hub.sample();
            }
            () = shutdown.cancelled() => return hub.log.sum_up(),
        }
    }
}

/// A running broker. It stops when this handle is dropped. [`shutdown`](Self::shutdown) also waits
/// for the end.
#[derive(Debug)]
#[must_use = "the broker stops when its handle is dropped"]
pub struct Broker {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    hub: Arc<Hub>,
    access: Arc<Access>,
    slots: Arc<Semaphore>,
    max_connections: usize,
    tasks: TaskTracker,
    serving: JoinHandle<()>,
    shutdown: DropGuard,
}

impl Broker {
    /// Returns the settings of a new broker, with their defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the address on which the broker listens, with its actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for modules and clients, such as `ws://127.0.0.1:8080/ws`, or
    /// `wss://127.0.0.1:8080/ws` with TLS.
    ///
    /// For a broker that listens on all addresses of the machine, the URL contains the local address.
    /// On other machines, use the name of this machine instead. With TLS, use a name in the certificate.
    pub fn url(&self) -> String {
        url(self.address, self.tls.is_some())
    }

    /// Reads the files of the certificate and its key again, if the broker has [TLS](Builder::tls). New
    /// connections get the new certificate. Open connections stay. The broker does this by itself a few
    /// seconds after the files have changed.
    ///
    /// # Errors
    ///
    /// [`StartError::Tls`] if the files cannot be used. The broker then keeps the certificate that it has.
    pub fn reload_certificate(&self) -> Result<(), StartError> {
        match &self.tls {
            Some(tls) => tls.reload().map(drop),
            None => Ok(()),
        }
    }

    /// Returns the numbers of messages since the start, and of topics and connections now.
    pub fn statistics(&self) -> Statistics {
        let connections = self.max_connections - self.slots.available_permits();
        self.hub.counters.read(self.hub.topics(), connections)
    }

    /// Reads the file of [`Builder::config_file`] again, and replaces the users, their rights, and the settings
    /// of topics. Peers that have lost their token or a right are disconnected; a link only stops to read the
    /// topic. Without a file, it does nothing.
    ///
    /// The settings are for topics that exist, too, with two exceptions. Topics that exist stay in the store, or
    /// out of it. `max_redeliveries` and `dead_letters` are for consumers that connect from now on.
    ///
    /// Returns the names of the users for whom something has changed; `anonymous` stands for peers without
    /// a token, and `issuer NAME` for all users of an issuer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file cannot be used, or has users and the broker was started without. Then all
    /// stays as it was.
    pub fn reload(&self) -> Result<Vec<String>, ConfigError> {
        let set_topics = |topics: &[TopicRule]| self.hub.set_topic_settings(topics);
        Ok(self.access.reload(set_topics)?.unwrap_or_default())
    }

    /// Writes the rest of the [audit log](Builder::audit_log) to the file that has its path now. Call it
    /// when another program has renamed the file.
    pub fn reopen_audit_log(&self) {
        self.access.reopen_audit_log();
    }

    /// Replaces the users, their rights, and the settings of topics, as [`reload`](Self::reload) does.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UsersAtStart`] if the configuration has users and the broker was started without.
    pub fn set_config(&self, config: Config) -> Result<Vec<String>, ConfigError> {
        let set_topics = |topics: &[TopicRule]| self.hub.set_topic_settings(topics);
        self.access.replace(config, set_topics)
    }

    /// Stops the broker: it accepts no more connections, and closes the open ones with code 1001.
    ///
    /// Returns when all connections are closed, at the latest after three seconds.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the broker still stops.
    pub async fn shutdown(self) {
        let Self {
            hub,
            tasks,
            mut serving,
            shutdown,
            ..
        } = self;
        shutdown.disarm().cancel();
        tasks.close();
        let done = async {
            tasks.wait().await;
            // The task logs its error, and the runtime reports a panic.
            let _ = (&mut serving).await;
        };
        if timeout(SHUTDOWN_TIMEOUT, done).await.is_err() {
            debug!("some connections did not end in time");
            serving.abort();
        }
        // A connection that is about to end may still have the hub.
        hub.close_store();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(address: &str, has_tls: bool, has_token: bool) -> Option<Lacks> {
        match check_reach(address.parse().unwrap(), has_tls, has_token) {
            Ok(()) => None,
            Err(StartError::Insecure { lacks, .. }) => Some(lacks),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_other_machines_reach_needs_tls_and_a_token() {
        for local in [
            "127.0.0.1:8080",
            "127.1.2.3:0",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(lacks(local, false, false), None, "{local}");
        }
        for open in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:8080",
            "[::ffff:192.0.2.1]:1",
        ] {
            assert_eq!(
                lacks(open, false, false),
                Some(Lacks::TlsAndToken),
                "{open}"
            );
            assert_eq!(lacks(open, true, false), Some(Lacks::Token), "{open}");
            assert_eq!(lacks(open, false, true), Some(Lacks::Tls), "{open}");
            assert_eq!(lacks(open, true, true), None, "{open}");
        }
    }

    #[cfg(feature = "store")]
    #[tokio::test]
    async fn a_broker_whose_store_has_failed_is_not_healthy() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::builder().data_dir(directory.path());
        let broker = broker.start().await.unwrap();
        let health = async || {
            let socket = tokio::net::TcpStream::connect(broker.local_addr());
            let mut socket = socket.await.unwrap();
            let request = b"GET /health HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n";
            socket.write_all(request).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(health().await.ends_with("\r\n\r\nok"));
        broker.hub.close_store();
        let answer = health().await;
        assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
        assert!(answer.contains("the store has failed"), "{answer}");
    }
}
