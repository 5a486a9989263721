//! Where a broker is, and how its topics become URLs.

use std::fmt;

use dasf_protocol::{Subscription, Topic};
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::http::{HeaderMap, Uri};

use crate::transport::Durability;

/// Why a text is no address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL does not parse, or is none of a WebSocket.
    #[error(
        "{url:?} is no WebSocket URL ({reason}); it has the form ws://host:port/path or wss://host/path"
    )]
    Url {
        /// The refused URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user's name or password is longer than MQTT can carry, or holds U+0000.
    #[error("a user or a password for MQTT has at most 65535 bytes, none of them zero")]
    Login,
    /// A header has a name or a value that HTTP does not allow.
    #[error("the header {name:?} cannot be sent: {reason}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a broker is, how its topics become URLs, and what a connection presents at its door.
///
/// There are three styles. DASF brokers have one base URL, below which every topic has a path; Apache
/// Pulsar has an address of host, port, tenant and namespace; MQTT brokers have one URL, and topics
/// in their messages:
///
/// ```
/// use dasf_runtime::Address;
///
/// let dasf = Address::websocket("ws://broker.example.org/ws")?.with_token("secret")?;
/// let pulsar = Address::pulsar("localhost", 8080);
/// let mqtt = Address::mqtt("ws://localhost:9001/mqtt")?;
/// # Ok::<(), dasf_runtime::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    style: Style,
    headers: HeaderMap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Style {
    Websocket {
        producer: BaseUrl,
        consumer: BaseUrl,
    },
    Pulsar(Pulsar),
    Mqtt {
        url: BaseUrl,
        login: Login,
    },
}

/// How a broker is spoken to.
pub(crate) enum Protocol {
    /// With JSON texts, on one WebSocket for each topic.
    Json,
    /// With MQTT 5.
    Mqtt(Login),
}

/// What an MQTT connection presents.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Login {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)
    }
}

/// The parts of an Apache Pulsar address, with Pulsar's own defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulsar {
    /// The host; default `localhost`.
    pub host: String,
    /// The HTTP port; default 8080.
    pub port: u16,
    /// `persistent` or `non-persistent`, the default.
    pub persistence: String,
    /// The tenant; default `public`.
    pub tenant: String,
    /// The namespace; default `default`.
    pub namespace: String,
}

impl Default for Pulsar {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8080,
            persistence: "non-persistent".to_owned(),
            tenant: "public".to_owned(),
            namespace: "default".to_owned(),
        }
    }
}

/// A base URL, cut so that a topic fits in between.
#[derive(Clone, PartialEq, Eq)]
struct BaseUrl {
    /// Scheme, host and path, without a slash at the end.
    base: String,
    /// What follows a `?`, with it; empty where there is none.
    query: String,
}

impl fmt::Debug for BaseUrl {
    /// Leaves the query out: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(f)
    }
}

impl BaseUrl {
    fn parse(url: &str) -> Result<Self, AddressError> {
        // Neither a query nor what stands before an @ is shown: they may hold secrets.
        let shown = url.split(['?', '@']).next().unwrap_or_default();
        let refuse = |reason: String| AddressError::Url {
            url: shown.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|error| refuse(format!("{error}")))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        match scheme {
            "ws" => {}
            "wss" if cfg!(feature = "tls") => {}
            "wss" => return Err(refuse("built without the feature \"tls\"".to_owned())),
            "" => return Err(refuse("it has no scheme".to_owned())),
            scheme => return Err(refuse(format!("its scheme is {scheme}"))),
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            let shown = "a user in it, which WebSocket does not know".to_owned();
            return Err(AddressError::Url {
                url: format!("{scheme}://…@"),
                reason: shown,
            });
        }
        if uri.host().unwrap_or_default().is_empty() {
            return Err(refuse("it has no host".to_owned()));
        }
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    fn join(&self, path: fmt::Arguments<'_>) -> String {
        format!("{}/{path}{}", self.base, self.query)
    }

    fn whole(&self) -> String {
        format!("{}{}", self.base, self.query)
    }
}

/// Checks the length of a user's name or password.
fn check_login(text: &str) -> Result<(), AddressError> {
    if text.len() > usize::from(u16::MAX) || text.contains('\0') {
        return Err(AddressError::Login);
    }
    Ok(())
}

impl Address {
    /// A DASF broker: topics are paths below `url`. A slash at the end of the URL, and a query, are
    /// fine.
    ///
    /// # Errors
    /// [`AddressError::Url`] when it is not a URL with the scheme `ws` or (with the feature `tls`)
    /// `wss`.
    pub fn websocket(url: &str) -> Result<Self, AddressError> {
        Self::websocket_pair(url, url)
    }

    /// A DASF broker with one base URL to send to and another to read from.
    ///
    /// # Errors
    /// As [`Address::websocket`], for either of them.
    pub fn websocket_pair(producer_url: &str, consumer_url: &str) -> Result<Self, AddressError> {
        let producer = BaseUrl::parse(producer_url)?;
        let consumer = BaseUrl::parse(consumer_url)?;
        Ok(Self {
            style: Style::Websocket { producer, consumer },
            headers: HeaderMap::new(),
        })
    }

    /// An Apache Pulsar with the default tenant and namespace and non-persistent topics.
    pub fn pulsar(host: impl Into<String>, port: u16) -> Self {
        Self::from(Pulsar {
            host: host.into(),
            port,
            ..Pulsar::default()
        })
    }

    /// An MQTT 5 broker that is reached by WebSocket, which most offer at the path `/mqtt`.
    ///
    /// # Errors
    /// As [`Address::websocket`].
    pub fn mqtt(url: &str) -> Result<Self, AddressError> {
        Self::mqtt_with_login(url, None, None)
    }

    /// An MQTT 5 broker to which a user logs in. [`with_token`](Self::with_token) sets the password
    /// as well.
    ///
    /// # Errors
    /// As [`Address::websocket`], and [`AddressError::Login`] when the name or the password exceeds
    /// the 65,535 bytes that MQTT has for it.
    pub fn mqtt_with_login(
        url: &str,
        user: Option<&str>,
        password: Option<&str>,
    ) -> Result<Self, AddressError> {
        for text in [user, password].into_iter().flatten() {
            check_login(text)?;
        }
        let login = Login {
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
        };
        let url = BaseUrl::parse(url)?;
        Ok(Self {
            style: Style::Mqtt { url, login },
            headers: HeaderMap::new(),
        })
    }

    /// Presents a token when connecting: as the password to an MQTT broker, as `authorization:
    /// Bearer …` to Pulsar, else `authorization: Token …`.
    ///
    /// # Errors
    /// [`AddressError::Header`] when the token holds characters that no header may have, or
    /// [`AddressError::Login`] when it is too long.
    pub fn with_token(mut self, token: &str) -> Result<Self, AddressError> {
        let scheme = match &mut self.style {
            Style::Pulsar(_) => "Bearer",
            Style::Websocket { .. } => "Token",
            Style::Mqtt { login, .. } => {
                check_login(token)?;
                login.password = Some(token.to_owned());
                return Ok(self);
            }
        };
        self.with_header(AUTHORIZATION.as_str(), &format!("{scheme} {token}"))
    }

    /// Sends a header when connecting, in place of one of the same name.
    ///
    /// # Errors
    /// [`AddressError::Header`] when the name or the value holds characters that it may not have.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, AddressError> {
        let refuse = |reason: String| AddressError::Header {
            name: name.to_owned(),
            reason,
        };
        let key: HeaderName = name.parse().map_err(|error| refuse(format!("{error}")))?;
        let mut value: HeaderValue = value.parse().map_err(|error| refuse(format!("{error}")))?;
        value.set_sensitive(key == AUTHORIZATION);
        self.headers.insert(key, value);
        Ok(self)
    }

    /// Whether a message id names one message only. Pulsar gives all messages of a non-persistent
    /// topic the same.
    pub(crate) fn has_unique_message_ids(&self) -> bool {
        match &self.style {
            Style::Pulsar(pulsar) => pulsar.persistence != "non-persistent",
            // A Pulsar's address may be spelled out as well.
            Style::Websocket { consumer, .. } => !consumer.base.contains("/non-persistent/"),
            Style::Mqtt { .. } => true,
        }
    }

    /// How the broker is spoken to.
    pub(crate) fn protocol(&self) -> Protocol {
        match &self.style {
            Style::Websocket { .. } | Style::Pulsar(_) => Protocol::Json,
            Style::Mqtt { login, .. } => Protocol::Mqtt(login.clone()),
        }
    }

    /// Where to send messages to a topic.
    pub(crate) fn producer(&self, topic: &Topic) -> Endpoint {
        let url = match &self.style {
            Style::Websocket { producer, .. } => producer.join(format_args!("{topic}")),
            Style::Pulsar(pulsar) => pulsar.join("producer", format_args!("{topic}")),
            Style::Mqtt { url, .. } => url.whole(),
        };
        Endpoint {
            url,
            farewell: None,
            headers: self.headers.clone(),
        }
    }

    /// Where to read messages from a topic.
    pub(crate) fn consumer(
        &self,
        topic: &Topic,
        subscription: &Subscription,
        durability: Durability,
    ) -> Endpoint {
        let path = format_args!("{topic}/{subscription}");
        let url = match (&self.style, durability) {
            (Style::Websocket { consumer, .. }, _) => consumer.join(path),
            (Style::Mqtt { url, .. }, _) => url.whole(),
            (Style::Pulsar(pulsar), Durability::Durable) => pulsar.join("consumer", path),
            (Style::Pulsar(pulsar), Durability::Transient) => {
                let path = format_args!("{path}?subscriptionMode=NonDurable");
                pulsar.join("consumer", path)
            }
        };
        // No reader has the same name again, and Pulsar would keep what comes for it.
        let is_kept = match &self.style {
            Style::Pulsar(pulsar) => pulsar.persistence == "persistent",
            Style::Websocket { .. } | Style::Mqtt { .. } => false,
        };
        let unsubscribes = is_kept && durability == Durability::Durable;
        Endpoint {
            url,
            farewell: unsubscribes.then_some(r#"{"type":"unsubscribe"}"#),
            headers: self.headers.clone(),
        }
    }
}

impl Pulsar {
    fn join(&self, role: &str, path: fmt::Arguments<'_>) -> String {
        let Self {
            host,
            port,
            persistence,
            tenant,
            namespace,
        } = self;
        format!("ws://{host}:{port}/ws/v2/{role}/{persistence}/{tenant}/{namespace}/{path}")
    }
}

impl From<Pulsar> for Address {
    fn from(pulsar: Pulsar) -> Self {
        Self {
            style: Style::Pulsar(pulsar),
            headers: HeaderMap::new(),
        }
    }
}

impl fmt::Debug for Address {
    /// Leaves the values of the headers out: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Address")
            .field("style", &self.style)
            .field("headers", &headers)
            .finish()
    }
}

impl fmt::Display for Address {
    /// The base of the URLs, without a query, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.style {
            Style::Websocket { producer, consumer } if producer.base == consumer.base => {
                f.write_str(&producer.base)
            }
            Style::Websocket { producer, consumer } => {
                write!(f, "{} and {}", producer.base, consumer.base)
            }
            Style::Pulsar(pulsar) => write!(f, "ws://{}:{}", pulsar.host, pulsar.port),
            Style::Mqtt { url, .. } => f.write_str(&url.base),
        }
    }
}

/// One URL to connect to, and what to present there.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// What is sent last, before the connection is closed for good.
    pub(crate) farewell: Option<&'static str>,
    pub(crate) headers: HeaderMap,
}

impl fmt::Display for Endpoint {
    /// The URL without its query, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split('?').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> Topic {
        "demo".parse().unwrap()
    }

    fn subscription() -> Subscription {
        "reader-1".parse().unwrap()
    }

    #[test]
    fn a_dasf_topic_is_a_path_below_the_base() {
        for base in ["ws://localhost:8080/ws", "ws://localhost:8080/ws/"] {
            let address = Address::websocket(base).unwrap();
            assert_eq!(
                address.producer(&topic()).url,
                "ws://localhost:8080/ws/demo"
            );
            let consumer = address.consumer(&topic(), &subscription(), Durability::Durable);
            assert_eq!(consumer.url, "ws://localhost:8080/ws/demo/reader-1");
        }
    }

    #[test]
    fn a_query_stays_at_the_end_and_out_of_sight() {
        let address = Address::websocket("ws://h/ws?token=secret").unwrap();
        let endpoint = address.producer(&topic());
        assert_eq!(endpoint.url, "ws://h/ws/demo?token=secret");
        assert_eq!(endpoint.to_string(), "ws://h/ws/demo");
        assert_eq!(address.to_string(), "ws://h/ws");
    }

    #[test]
    fn each_direction_may_have_its_own_base() {
        let address = Address::websocket_pair("ws://out/ws", "ws://in/ws").unwrap();
        assert_eq!(address.producer(&topic()).url, "ws://out/ws/demo");
        assert_eq!(
            address
                .consumer(&topic(), &subscription(), Durability::Durable)
                .url,
            "ws://in/ws/demo/reader-1"
        );
    }

    #[test]
    fn a_pulsar_topic_has_tenant_and_namespace() {
        let address = Address::pulsar("h", 80);
        assert_eq!(
            address.producer(&topic()).url,
            "ws://h:80/ws/v2/producer/non-persistent/public/default/demo"
        );
        let pulsar = Pulsar {
            persistence: "persistent".into(),
            ..Pulsar::default()
        };
        assert_eq!(
            Address::from(pulsar)
                .consumer(&topic(), &subscription(), Durability::Durable)
                .url,
            "ws://localhost:8080/ws/v2/consumer/persistent/public/default/demo/reader-1"
        );
    }

    #[test]
    fn a_pulsar_forgets_a_transient_subscription() {
        let address = Address::pulsar("h", 80);
        let endpoint = address.consumer(&topic(), &subscription(), Durability::Transient);
        let query = "demo/reader-1?subscriptionMode=NonDurable";
        assert!(endpoint.url.ends_with(query), "{}", endpoint.url);
    }

    #[test]
    fn a_durable_subscription_of_a_pulsar_is_given_up_at_the_end() {
        let pulsar = |persistence: &str| {
            Address::from(Pulsar {
                persistence: persistence.into(),
                ..Pulsar::default()
            })
        };
        let farewell = |address: Address, durability| {
            let endpoint = address.consumer(&topic(), &subscription(), durability);
            endpoint.farewell
        };
        let given_up = farewell(pulsar("persistent"), Durability::Durable);
        assert_eq!(given_up, Some(r#"{"type":"unsubscribe"}"#));
        for (address, durability) in [
            (pulsar("persistent"), Durability::Transient),
            (pulsar("non-persistent"), Durability::Durable),
            // A broker that hands on to the next module what came in between.
            (Address::websocket("ws://h").unwrap(), Durability::Durable),
        ] {
            assert_eq!(farewell(address, durability), None);
        }
    }

    #[test]
    fn only_websocket_urls_are_addresses() {
        for url in [
            "http://localhost",
            "localhost:8080",
            "ws://",
            "",
            "ws:///path",
            "ftp://x",
            "ws://a b",
        ] {
            let error = Address::websocket(url).unwrap_err();
            assert!(matches!(error, AddressError::Url { .. }), "{url}: {error}");
            assert!(error.to_string().contains("ws://host:port/path"), "{error}");
        }
    }

    #[test]
    fn a_token_takes_the_scheme_of_its_broker_and_is_not_shown() {
        let dasf = Address::websocket("ws://h/ws")
            .unwrap()
            .with_token("secret")
            .unwrap();
        assert_eq!(
            dasf.producer(&topic()).headers[AUTHORIZATION],
            "Token secret"
        );
        let pulsar = Address::pulsar("h", 80).with_token("secret").unwrap();
        assert_eq!(
            pulsar.producer(&topic()).headers[AUTHORIZATION],
            "Bearer secret"
        );
        let query = Address::websocket("ws://h/ws?token=secret").unwrap();
        assert!(!format!("{dasf:?} {dasf} {query:?} {query}").contains("secret"));
        for bad in ["http://h/ws?token=secret", "ws://user:secret@h/ws"] {
            let error = Address::websocket(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    fn all_topics_of_an_mqtt_broker_have_one_url() {
        let address = Address::mqtt("wss://h:9001/mqtt?a=secret");
        if cfg!(not(feature = "tls")) {
            assert!(address.is_err());
            return;
        }
        let address = address.unwrap();
        let consumer = address.consumer(&topic(), &subscription(), Durability::Durable);
        for endpoint in [address.producer(&topic()), consumer] {
            assert_eq!(endpoint.url, "wss://h:9001/mqtt?a=secret");
        }
        assert_eq!(address.to_string(), "wss://h:9001/mqtt");
    }

    #[test]
    fn a_token_is_the_password_of_an_mqtt_user_and_is_not_shown() {
        let address = Address::mqtt_with_login("ws://h", Some("ada"), None).unwrap();
        let address = address.with_token("secret").unwrap();
        assert!(!format!("{address:?} {address}").contains("secret"));
        let Protocol::Mqtt(login) = address.protocol() else {
            panic!("no MQTT")
        };
        assert_eq!(login.user.as_deref(), Some("ada"));
        assert_eq!(login.password.as_deref(), Some("secret"));
        for bad in ["a\0", &"a".repeat(65_536)] {
            let error = Address::mqtt_with_login("ws://h", None, Some(bad)).unwrap_err();
            assert_eq!(error, AddressError::Login);
        }
    }

    #[test]
    fn a_header_must_be_one() {
        let address = Address::websocket("ws://h/ws").unwrap();
        let error = address.with_header("x y", "1").unwrap_err();
        assert!(matches!(error, AddressError::Header { .. }));
    }
}
