//! Settling what a client connects to.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::api_info::ApiInfo;
use dasf_protocol::{Topic, TopicError, text};

use super::contract::Contract;
use super::{Async, Blocking, Caller, ClientOptions, Identity, Shared};
use crate::address::{Address, AddressError};
use crate::transport::ConnectError;

/// Why a client did not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The topic has no valid name.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Neither the module nor the builder names a topic.
    #[error("no topic is given; set one with topic()")]
    NoTopic,
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no connection to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A blocking client could not start the thread that talks to the broker.
    #[error("the client's thread could not be started: {0}")]
    Thread(String),
    /// A blocking client was made where asynchronous code runs, which would stop that code.
    /// The client does not notice it inside `tokio::task::unconstrained`, where tokio panics.
    #[error(
        "a blocking client cannot connect inside asynchronous code; use the module's Client there"
    )]
    InsideRuntime,
}

/// Settles what a client connects to, and how. `C` is the client that it makes: a module's
/// generated one, or a [`Caller`].
///
/// Without an address, Pulsar's default `localhost:8080` is used, as by a module without options.
#[must_use = "a client is made by connect()"]
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
    /// A builder with the topic that the module's attribute gives.
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

    /// The topic on which the module listens.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Connects to a DASF broker, by its base URL.
    pub fn websocket(mut self, url: &str) -> Self {
        self.address = Address::websocket(url);
        self
    }

    /// Connects to an Apache Pulsar with default tenant and namespace. The host is a name or an IP
    /// address.
    pub fn pulsar(mut self, host: impl Into<String>, port: u16) -> Self {
        self.address = Address::pulsar(host, port);
        self
    }

    /// Connects to an MQTT 5 broker, by the URL of its WebSockets.
    pub fn mqtt(mut self, url: &str) -> Self {
        self.address = Address::mqtt(url);
        self
    }

    /// Connects to an address of any kind.
    pub fn address(mut self, address: Address) -> Self {
        self.address = Ok(address);
        self
    }

    /// Logs in with a token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sends a header when connecting.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long a call waits for its answer, if it does not say otherwise; default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// How many calls are on their way at a time; default 1024. A further one waits.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.options.max_in_flight = calls.max(1);
        self
    }

    /// The largest request, in bytes, that is sent in one frame; default 700 KiB.
    pub fn max_payload_size(mut self, bytes: usize) -> Self {
        self.options.max_payload_size = bytes.max(1);
        self
    }

    /// How many bytes of fragmented answers are held at a time; default 256 MiB.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.options.max_response_size = bytes;
        self
    }

    /// Checks every request against this description of the module before it is sent. What breaks
    /// it is a [`CallError::Invalid`](super::CallError::Invalid) at once, not an answer that is
    /// waited for. Formats, such as that of a date, are left to the module.
    ///
    /// A client that was generated from a description does that by itself.
    pub fn check_against(mut self, api_info: &ApiInfo) -> Self {
        self.contract = Contract::new(api_info);
        self
    }

    /// As [`check_against`](Self::check_against), with the text in a generated client.
    #[doc(hidden)]
    pub fn check_against_text(self, api_info: &str) -> Self {
        // `client!` includes the file with its byte order mark.
        match serde_json::from_str(text::without_mark(api_info)) {
            Ok(api_info) => self.check_against(&api_info),
            // The module has to judge.
            Err(_) => self,
        }
    }

    async fn open(self) -> Result<Shared, ClientError> {
        let topic: Topic = self.topic.ok_or(ClientError::NoTopic)?.parse()?;
        let mut address = self.address?;
        for (name, value) in &self.headers {
            address = address.with_header(name, value)?;
        }
        if let Some(token) = &self.token {
            address = address.with_token(token)?;
        }
        let transport = address.open();
        let identity = Identity::random();
        Shared::connect(topic, transport, self.options, self.contract, identity).await
    }
}

impl<C: From<Caller<Async>>> ClientBuilder<C, Async> {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError`] when topic or address are not valid, or the broker cannot be reached or
    /// refuses.
    ///
    /// # Cancel safety
    /// When dropped before it is ready, nothing is left behind.
    pub async fn connect(self) -> Result<C, ClientError> {
        let shared = Arc::new(self.open().await?);
        Ok(Caller {
            shared,
            mode: Async,
        }
        .into())
    }
}

impl<C: From<Caller<Blocking>>> ClientBuilder<C, Blocking> {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError`] when topic or address are not valid, or the broker cannot be reached or
    /// refuses.
    pub fn connect(self) -> Result<C, ClientError> {
        let mode = Blocking::new().map_err(|error| ClientError::Thread(error.to_string()))?;
        let opened = mode
            .block_on(self.open())
            .map_err(|_| ClientError::InsideRuntime)?;
        let shared = Arc::new(opened?);
        Ok(Caller { shared, mode }.into())
    }
}

impl<C, M> fmt::Debug for ClientBuilder<C, M> {
    /// Leaves token and headers out: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("topic", &self.topic)
            .field("address", &self.address)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
