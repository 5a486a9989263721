//! The settings of a client.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "module")]
use dasf_protocol::api_info::ApiInfo;
use dasf_protocol::{Topic, TopicError};
use tokio::runtime::Handle;

use super::contract::Contract;
use super::{Async, Blocking, Caller, ClientOptions, Identity, Shared};
use crate::address::{Address, AddressError};
use crate::transport::ConnectError;

/// The reason why a client did not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The name of the topic is not valid.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Neither the module nor the builder has a topic.
    #[error("the topic is missing; set it with topic()")]
    NoTopic,
    /// The address is not valid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The client could not connect to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A blocking client could not start its thread for the connections.
    #[error("the thread of the client cannot be started: {0}")]
    Thread(String),
    /// A blocking client was made inside asynchronous code, which it would block. The client does
    /// not notice this inside `tokio::task::unconstrained`, where tokio panics.
    #[error(
        "a blocking client cannot connect inside asynchronous code; use the module's Client there"
    )]
    InsideRuntime,
}

/// The topic, the address and the limits of a client. `C` is the type of the client: the generated
/// client of a module, or [`Caller`].
///
/// The default address is that of a module without options: a Pulsar at `localhost:8080`.
#[must_use = "connect() makes the client"]
pub struct ClientBuilder<C, M = Async> {
    topic: Option<String>,
    address: Result<Address, AddressError>,
    token: Option<String>,
    headers: Vec<(String, String)>,
    options: ClientOptions,
    contract: Contract,
    client: PhantomData<fn() -> (C, M)>,
}

impl<C, M> ClientBuilder<C, M> {
    /// Creates a builder, with the topic from the attribute of the module if it has one.
    pub fn new(topic: Option<&str>) -> Self {
        Self {
            topic: topic.map(str::to_owned),
            address: Address::pulsar("localhost", 8080),
            token: None,
            headers: Vec::new(),
            options: ClientOptions::default(),
            contract: Contract::default(),
            client: PhantomData,
        }
    }

    /// Sets the topic on which the module listens.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Sets the address to the base URL of a DASF broker.
    pub fn websocket(mut self, url: &str) -> Self {
        self.address = Address::websocket(url);
        self
    }

    /// Sets the address to an Apache Pulsar with the default tenant and namespace. The host is a
    /// name or an IP address.
    pub fn pulsar(mut self, host: impl Into<String>, port: u16) -> Self {
        self.address = Address::pulsar(host, port);
        self
    }

    /// Sets the address to the WebSocket URL of an MQTT 5 broker.
    pub fn mqtt(mut self, url: &str) -> Self {
        self.address = Address::mqtt(url);
        self
    }

    /// Sets the address, of any kind.
    pub fn address(mut self, address: Address) -> Self {
        self.address = Ok(address);
        self
    }

    /// Sets the token to log in with.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Adds a header to the handshake of each connection.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the timeout of calls that have no timeout of their own; default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Lets calls wait without end if they have no timeout of their own. Such a call ends with its response,
    /// or with an error of the broker.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use dasf_runtime::client::Caller;
    ///
    /// let patient = Caller::builder("my-topic")
    ///     .websocket("ws://localhost:8080/ws")
    ///     .without_timeout()
    ///     .connect()
    ///     .await?;
    /// # let _ = patient;
    /// # Ok(()) }
    /// ```
    pub fn without_timeout(self) -> Self {
        self.timeout(Duration::MAX)
    }

    /// Sets the number of calls in flight at a time; default 1024, over MQTT 100. A further call waits
    /// until another one ends.
    ///
    /// MQTT brokers keep a limited number of messages for each module, and drop further ones without a
    /// word. Mosquitto keeps 1000 if its configuration does not set `max_queued_messages`. The calls in
    /// flight of all clients of a module must have room there.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.options.max_in_flight = Some(calls.max(1));
        self
    }

    /// Sets the largest request in one frame, in bytes before base64; default 700 KiB, the default of
    /// [`HostOptions::max_payload_size`](field@crate::HostOptions::max_payload_size).
    ///
    /// The client cuts larger requests into fragments, if the module can join them. Every Rust
    /// module can. Over MQTT it cuts requests of more than 2800 bytes, and the broker's Maximum
    /// Packet Size is a further limit.
    pub fn max_payload_size(mut self, bytes: usize) -> Self {
        self.options.max_payload_size = bytes.max(1);
        self
    }

    /// Sets the size of the fragments, in bytes, that the client holds while it waits for the other
    /// fragments of a response; default 256 MiB for all calls together.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.options.max_response_size = bytes;
        self
    }

    /// Checks every request against this API description before it is sent. A request that does not
    /// match, or has an unknown argument, fails at once with
    /// [`CallError::Invalid`](super::CallError::Invalid). Only the module checks formats, such as
    /// that of a date.
    ///
    /// A client that was generated from an API description makes these checks by default.
    ///
    /// Needs the feature `module`. Without it, only the module checks requests.
    #[cfg(feature = "module")]
    pub fn check_against(mut self, api_info: &ApiInfo) -> Self {
        self.contract = Contract::new(api_info);
        self
    }

    /// Checks requests, as `check_against` does; for generated clients.
    #[doc(hidden)]
    pub fn check_against_text(mut self, api_info: &str) -> Self {
        self.contract = Contract::of_text(api_info);
        self
    }

    async fn open(self) -> Result<Arc<Shared>, ClientError> {
        let topic: Topic = self.topic.ok_or(ClientError::NoTopic)?.parse()?;
        let mut address = self.address?;
        for (name, value) in &self.headers {
            address = address.with_header(name, value)?;
        }
        if let Some(token) = &self.token {
            address = address.with_token(token)?;
        }
        let transport = address.open(Handle::current());
        let identity = Identity::random();
        let connected =
            Shared::connect(topic, transport, self.options, self.contract, identity).await?;
        let shared = Arc::new(connected);
        super::repeats::start(&shared);
        Ok(shared)
    }
}

impl<C: From<Caller<Async>>> ClientBuilder<C, Async> {
    /// Connects to the broker.
    ///
    /// # Errors
    /// [`ClientError`] when the topic or the address is not valid, or the broker cannot be reached
    /// or rejects the connection.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    pub async fn connect(self) -> Result<C, ClientError> {
        let shared = self.open().await?;
        Ok(Caller {
            shared,
            mode: Async,
        }
        .into())
    }
}

impl<C: From<Caller<Blocking>>> ClientBuilder<C, Blocking> {
    /// Connects to the broker.
    ///
    /// # Errors
    /// [`ClientError`] when the topic or the address is not valid, or the broker cannot be reached
    /// or rejects the connection.
    pub fn connect(self) -> Result<C, ClientError> {
        let mode = Blocking::new().map_err(|error| ClientError::Thread(error.to_string()))?;
        let opened = mode
            .block_on(self.open())
            .map_err(|_| ClientError::InsideRuntime)?;
        let shared = opened?;
        Ok(Caller { shared, mode }.into())
    }
}

impl<C, M> fmt::Debug for ClientBuilder<C, M> {
    /// Omits the token and the headers, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("topic", &self.topic)
            .field("address", &self.address)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
