//! The address of a broker, and the URLs of its topics.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use dasf_protocol::text;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::host_name;
use crate::inspection::BrokerRoute;
use crate::transport::base_url::{BaseUrl, InvalidUrl, PERSISTENT, PULSAR_PATH};
use crate::transport::dasf::Dasf;
#[cfg(feature = "mqtt")]
use crate::transport::mqtt::{Login, MaxPacketSize, Mqtt};
use crate::transport::pulsar;
use crate::transport::{ConnectError, LinkPool, Transport, Trust};

/// The reason why a broker's address is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL cannot be parsed, or is not a WebSocket URL.
    #[error(
        "{url:?} is not a WebSocket URL ({reason}); use the form ws://host:port/path or wss://host/path"
    )]
    Url {
        /// The rejected URL.
        url: String,
        /// The error in it.
        reason: String,
    },
    /// The host of a Pulsar address is invalid.
    #[error(
        "{host:?} is not a host ({reason}); use only a name or an address, such as broker.example.org, 192.0.2.1 or ::1"
    )]
    Host {
        /// The rejected host.
        host: String,
        /// The error in it.
        reason: String,
    },
    /// A user name or password is longer than MQTT allows, or contains U+0000.
    #[error(
        "the user name or password for MQTT is too long or contains a zero byte; use at most 65535 bytes without a zero"
    )]
    Login,
    /// The address needs a feature without which the program is built.
    #[error(
        "the broker at {url} needs the feature {feature:?}, and this program is built without it; add it to the crate dasf in Cargo.toml"
    )]
    MissingFeature {
        /// The address of the broker, without the query.
        url: String,
        /// The name of the feature, for example `mqtt`.
        feature: &'static str,
    },
    /// The certificates of a private authority cannot be read.
    #[error(
        "cannot read trusted certificates from {file:?}: {reason}; use a PEM file with the certificates of the broker's authority"
    )]
    Certificates {
        /// The name of the file, or another description of the source.
        file: String,
        /// The error in it.
        reason: String,
    },
    /// A header has a name or a value that HTTP does not allow.
    #[error("the header {name:?} cannot be sent: {reason}")]
    Header {
        /// The name of the header.
        name: String,
        /// The error in it.
        reason: String,
    },
}

impl From<InvalidUrl> for AddressError {
    fn from(InvalidUrl { url, reason }: InvalidUrl) -> Self {
        Self::Url { url, reason }
    }
}

/// The address of a broker, with the credentials that a connection presents.
///
/// There are three kinds of brokers. A DASF broker has one base URL, and each topic is a path below
/// it. An Apache Pulsar has a host, a port, a tenant and a namespace. An MQTT broker has one URL,
/// and its messages contain the topic.
///
/// ```
/// use dasf_runtime::Address;
///
/// let dasf = Address::websocket("ws://broker.example.org/ws")?.with_token("secret")?;
/// let pulsar = Address::pulsar("localhost", 8080)?;
/// let mqtt = Address::mqtt("ws://localhost:9001/mqtt")?;
/// # Ok::<(), dasf_runtime::AddressError>(())
/// ```
///
/// Clients on one runtime whose addresses are clones of one address share a connection to a
/// `dasf-broker`. A clone with another header or another authority has connections of its own.
///
/// Connections use the proxy in the environment variable `HTTPS_PROXY` or `HTTP_PROXY`, except to
/// the hosts in `NO_PROXY`. See the chapter *Brokers* of the guide.
#[derive(Clone)]
pub struct Address {
    style: Style,
    headers: HeaderMap,
    trust: Trust,
    /// The links of the clients and modules that use this address or a clone of it.
    links: Arc<LinkPool>,
}

/// The kinds of brokers. Each has its own transport, which [`Address::open`] opens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Style {
    Dasf {
        producer: BaseUrl,
        consumer: BaseUrl,
    },
    Pulsar {
        producer: BaseUrl,
        consumer: BaseUrl,
        /// Whether topics keep their messages.
        is_persistent: bool,
    },
    #[cfg(feature = "mqtt")]
    Mqtt { url: BaseUrl, login: Login },
}

impl Style {
    #[cfg(feature = "mqtt")]
    fn mqtt(
        url: BaseUrl,
        user: Option<&str>,
        password: Option<&str>,
    ) -> Result<Self, AddressError> {
        let login = Login {
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
        };
        Ok(Self::Mqtt { url, login })
    }

    #[cfg(not(feature = "mqtt"))]
    #[allow(clippy::needless_pass_by_value)] // as with the feature
    fn mqtt(url: BaseUrl, _: Option<&str>, _: Option<&str>) -> Result<Self, AddressError> {
        Err(AddressError::MissingFeature {
            url: url.to_string(),
            feature: "mqtt",
        })
    }
}

/// The parts of an Apache Pulsar address, with Pulsar's own defaults. A method of the same name sets
/// each of them.
///
/// ```
/// use dasf_runtime::{Address, Persistence, PulsarAddress};
///
/// let pulsar = PulsarAddress::default()
///     .host("pulsar.example.org")
///     .persistence(Persistence::Persistent)
///     .tenant("institute");
/// let address = Address::try_from(pulsar)?;
/// # Ok::<(), dasf_runtime::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "Address::try_from() makes an address of it"]
#[non_exhaustive]
pub struct PulsarAddress {
    /// The host: a name or an IP address. The default is `localhost`.
    pub host: String,
    /// The HTTP port. The default is 8080. TLS has another port, usually 8443.
    pub port: u16,
    /// Whether the connection uses TLS (`wss://`). The default is no. Without the feature `tls`,
    /// such a connection fails.
    pub tls: bool,
    /// Whether topics keep their messages. The default is [`Persistence::NonPersistent`].
    pub persistence: Persistence,
    /// The tenant. The default is `public`.
    pub tenant: String,
    /// The namespace. The default is `default`.
    pub namespace: String,
}

/// Whether the topics of a Pulsar keep their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Persistence {
    /// A topic keeps a message on disk until the subscription acknowledges it.
    Persistent,
    /// A topic passes messages on to the readers that are connected.
    #[default]
    NonPersistent,
}

impl Persistence {
    /// Returns `persistent` or `non-persistent`, as in the URLs of a Pulsar.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => PERSISTENT,
            Self::NonPersistent => "non-persistent",
        }
    }
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PulsarAddress {
    /// Sets the host: see [`host`](field@Self::host).
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the HTTP port: see [`port`](field@Self::port).
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets whether the connection uses TLS: see [`tls`](field@Self::tls).
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Sets whether topics keep their messages: see [`persistence`](field@Self::persistence).
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }

    /// Sets the tenant: see [`tenant`](field@Self::tenant).
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Sets the namespace: see [`namespace`](field@Self::namespace).
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }
}

impl Default for PulsarAddress {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8080,
            tls: false,
            persistence: Persistence::default(),
            tenant: "public".to_owned(),
            namespace: "default".to_owned(),
        }
    }
}

/// Checks the length and the characters of a user name or password.
fn check_login(text: &str) -> Result<(), AddressError> {
    if text.len() > usize::from(u16::MAX) || text.contains('\0') {
        return Err(AddressError::Login);
    }
    Ok(())
}

impl Address {
    /// Returns the address of a DASF broker, whose topics are paths below `url`. The URL may end
    /// with a slash and may have a query.
    ///
    /// # Errors
    /// Returns [`AddressError::Url`] if `url` is not a URL with the scheme `ws`, or `wss` with the
    /// feature `tls`.
    pub fn websocket(url: &str) -> Result<Self, AddressError> {
        Self::websocket_pair(url, url)
    }

    /// Returns the address of a DASF broker with one base URL for sending and another for
    /// receiving.
    ///
    /// # Errors
    /// The same as [`Address::websocket`], for each of the two URLs.
    pub fn websocket_pair(producer_url: &str, consumer_url: &str) -> Result<Self, AddressError> {
        let producer = BaseUrl::parse(producer_url)?;
        let consumer = BaseUrl::parse(consumer_url)?;
        let style = match consumer.pulsar_persistence() {
            // The user gave the full paths of a Pulsar.
            Some(is_persistent) => Style::Pulsar {
                producer,
                consumer,
                is_persistent,
            },
            None => Style::Dasf { producer, consumer },
        };
        Ok(Self {
            style,
            headers: HeaderMap::new(),
            trust: Trust::default(),
            links: Arc::default(),
        })
    }

    /// Returns the address of an Apache Pulsar with the default tenant and namespace and with
    /// non-persistent topics. An IPv6 address may have brackets.
    ///
    /// # Errors
    /// Returns [`AddressError::Host`] if the host is neither a name nor an IP address, for example
    /// because it contains a port.
    pub fn pulsar(host: impl Into<String>, port: u16) -> Result<Self, AddressError> {
        Self::try_from(PulsarAddress::default().host(host).port(port))
    }

    /// Returns the address of an MQTT 5 broker over WebSocket. Most brokers use the path `/mqtt`.
    ///
    /// # Errors
    /// The same as [`Address::websocket`]. Without the feature `mqtt`, returns
    /// [`AddressError::MissingFeature`].
    pub fn mqtt(url: &str) -> Result<Self, AddressError> {
        Self::mqtt_with_login(url, None, None)
    }

    /// Returns the address of an MQTT 5 broker that requires a login.
    /// [`with_token`](Self::with_token) replaces the password.
    ///
    /// # Errors
    /// The same as [`Address::mqtt`]. Returns [`AddressError::Login`] if the user name or the password
    /// is longer than the 65,535 bytes that MQTT allows, or contains U+0000.
    pub fn mqtt_with_login(
        url: &str,
        user: Option<&str>,
        password: Option<&str>,
    ) -> Result<Self, AddressError> {
        for text in [user, password].into_iter().flatten() {
            check_login(text)?;
        }
        Ok(Self {
            style: Style::mqtt(BaseUrl::parse(url)?, user, password)?,
            headers: HeaderMap::new(),
            trust: Trust::default(),
            links: Arc::default(),
        })
    }

    /// Sets the token that a connection presents. An MQTT broker gets it as the password, a Pulsar
    /// as `authorization: Bearer …`, and a DASF broker as `authorization: Token …`.
    ///
    /// # Errors
    /// Returns [`AddressError::Header`] if the token contains characters that a header cannot have.
    /// Returns [`AddressError::Login`] if it is too long for MQTT or contains U+0000.
    pub fn with_token(mut self, token: &str) -> Result<Self, AddressError> {
        let scheme = match &mut self.style {
            Style::Pulsar { .. } => "Bearer",
            Style::Dasf { .. } => "Token",
            #[cfg(feature = "mqtt")]
            Style::Mqtt { login, .. } => {
                check_login(token)?;
                login.password = Some(token.to_owned());
                return Ok(self);
            }
        };
        self.with_header(AUTHORIZATION.as_str(), &format!("{scheme} {token}"))
    }

    /// Sends a header with each connection. It replaces a header of the same name.
    ///
    /// # Errors
    /// Returns [`AddressError::Header`] if the name or the value contains characters that HTTP does
    /// not allow.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, AddressError> {
        let refuse = |reason: String| AddressError::Header {
            name: name.to_owned(),
            reason,
        };
        let key: HeaderName = name.parse().map_err(|error| refuse(format!("{error}")))?;
        let mut value: HeaderValue = value.parse().map_err(|error| refuse(format!("{error}")))?;
        value.set_sensitive(key == AUTHORIZATION);
        self.headers.insert(key, value);
        self.links = Arc::default();
        Ok(self)
    }

    /// Trusts the authorities whose certificates are in a PEM file, besides those that the
    /// operating system trusts. This matters only to a `wss://` broker.
    ///
    /// ```no_run
    /// use dasf_runtime::Address;
    ///
    /// let address = Address::websocket("wss://broker.intranet/ws")?.with_ca_file("ca.pem")?;
    /// # Ok::<(), dasf_runtime::AddressError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`AddressError::Certificates`] if the file cannot be read, if it does not contain a
    /// certificate, or without the feature `tls`.
    pub fn with_ca_file(self, file: impl AsRef<Path>) -> Result<Self, AddressError> {
        let file = file.as_ref();
        let shown = file.display().to_string();
        let pem = std::fs::read(file).map_err(|error| AddressError::Certificates {
            file: shown.clone(),
            reason: error.to_string(),
        })?;
        match text::skip_mark(&pem) {
            Ok(pem) => self.trusting(pem, shown),
            Err(error) => Err(AddressError::Certificates {
                file: shown,
                reason: error.to_string(),
            }),
        }
    }

    /// Trusts the authorities whose certificates are in `pem`, like
    /// [`with_ca_file`](Self::with_ca_file).
    ///
    /// # Errors
    /// Returns [`AddressError::Certificates`] if `pem` does not contain a certificate, or without
    /// the feature `tls`.
    pub fn with_ca_certificates(self, pem: &[u8]) -> Result<Self, AddressError> {
        self.trusting(pem, "the given PEM data".to_owned())
    }

    /// Trusts more authorities. `file` names their source in errors.
    fn trusting(mut self, pem: &[u8], file: String) -> Result<Self, AddressError> {
        let added = self.trust.add(pem);
        added.map_err(|reason| AddressError::Certificates { file, reason })?;
        self.links = Arc::default();
        Ok(self)
    }

    /// Returns the way to the broker, by the URL for sending.
    pub(crate) fn route(&self) -> Result<BrokerRoute, ConnectError> {
        let url = match &self.style {
            Style::Dasf { producer, .. } | Style::Pulsar { producer, .. } => producer,
            #[cfg(feature = "mqtt")]
            Style::Mqtt { url, .. } => url,
        };
        let shown = url.to_string();
        let uri = url.whole().parse().map_err(|_| ConnectError::Protocol {
            url: shown.clone(),
            reason: "its URL cannot be read".to_owned(),
            source: None,
        })?;
        crate::transport::route(&uri, &shown)
    }

    /// Opens the transport to this broker. Its connections live on this runtime.
    pub(crate) fn open(self, runtime: Handle) -> Arc<dyn Transport> {
        let Self {
            style,
            headers,
            trust,
            links,
        } = self;
        match style {
            Style::Dasf { producer, consumer } => Arc::new(Dasf {
                producer,
                consumer,
                headers,
                trust,
                links: links.get(&runtime),
                runtime,
                clock: Arc::default(),
            }),
            Style::Pulsar {
                producer,
                consumer,
                is_persistent,
            } => Arc::new(pulsar::Pulsar {
                producer,
                consumer,
                is_persistent,
                headers,
                trust,
                runtime,
                clock: Arc::default(),
            }),
            #[cfg(feature = "mqtt")]
            Style::Mqtt { url, login } => Arc::new(Mqtt {
                url,
                login,
                headers,
                trust,
                runtime,
                max_packet_size: MaxPacketSize::default(),
            }),
        }
    }
}

impl TryFrom<PulsarAddress> for Address {
    type Error = AddressError;

    /// Returns the address of a Pulsar.
    ///
    /// # Errors
    /// The same as [`Address::pulsar`].
    fn try_from(pulsar: PulsarAddress) -> Result<Self, AddressError> {
        let PulsarAddress {
            host,
            port,
            tls,
            persistence,
            tenant,
            namespace,
        } = pulsar;
        let host = host_name::in_url(&host).map_err(|reason| AddressError::Host {
            // The part before an @ may be a secret.
            host: host
                .rsplit_once('@')
                .map_or(host.clone(), |(_, host)| format!("…@{host}")),
            reason,
        })?;
        let scheme = if tls { "wss" } else { "ws" };
        let url = |role: &str| {
            BaseUrl::without_query(format!(
                "{scheme}://{host}:{port}{PULSAR_PATH}{role}/{persistence}/{tenant}/{namespace}"
            ))
        };
        Ok(Self {
            style: Style::Pulsar {
                producer: url("producer"),
                consumer: url("consumer"),
                is_persistent: persistence == Persistence::Persistent,
            },
            headers: HeaderMap::new(),
            trust: Trust::default(),
            links: Arc::default(),
        })
    }
}

impl fmt::Debug for Address {
    /// Omits the values of the headers, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Address")
            .field("style", &self.style)
            .field("headers", &headers)
            .finish()
    }
}

impl fmt::Display for Address {
    /// Writes the base of the URLs without the query, which may contain a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.style {
            Style::Dasf { producer, consumer } if producer.has_base_of(consumer) => producer.fmt(f),
            Style::Dasf { producer, consumer } => write!(f, "{producer} and {consumer}"),
            Style::Pulsar { consumer, .. } => consumer.fmt(f),
            #[cfg(feature = "mqtt")]
            Style::Mqtt { url, .. } => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(address: &Address) -> &HeaderValue {
        &address.headers[AUTHORIZATION]
    }

    #[test]
    fn paths_of_a_pulsar_that_are_spelled_out_are_those_of_one() {
        let spelled = Address::websocket_pair(
            "ws://h/prefix/ws/v2/producer/persistent/t/n?token=secret",
            "ws://h/prefix/ws/v2/consumer/persistent/t/n?token=secret",
        )
        .unwrap();
        assert!(matches!(
            spelled.style,
            Style::Pulsar {
                is_persistent: true,
                ..
            }
        ));
        assert_eq!(spelled.to_string(), "ws://h/prefix");
        for other in [
            "ws://h/ws",
            "ws://h/ws/v2/consumer",
            "ws://h/ws/v2/a/b/c/d/e",
        ] {
            let address = Address::websocket(other).unwrap();
            assert!(matches!(address.style, Style::Dasf { .. }), "{other}");
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
    fn an_ipv6_address_has_brackets_in_a_url() {
        for host in ["::1", "[::1]"] {
            let address = Address::pulsar(host, 8080).unwrap();
            assert_eq!(address.to_string(), "ws://[::1]:8080");
        }
        let url = "ws://[2001:db8::7]:9001/mqtt";
        assert_eq!(Address::mqtt(url).unwrap().to_string(), url);
    }

    #[test]
    fn what_is_no_host_is_refused_in_words() {
        for (host, reason) in [
            ("", "it is empty"),
            ("my host", "it contains a space"),
            ("localhost:18080", "it contains a port, \"18080\""),
            ("ws://localhost", "it is a URL"),
            ("fe80::1%eth0", "it contains a zone"),
        ] {
            let error = Address::pulsar(host, 8080).unwrap_err();
            assert!(
                matches!(error, AddressError::Host { .. }),
                "{host}: {error}"
            );
            let told = error.to_string();
            assert!(
                told.starts_with(&format!("{host:?} is not a host ({reason}")),
                "{told}"
            );
            assert!(!told.contains("TLS"), "{told}");
        }
        let error = Address::pulsar("ada:secret@h", 8080).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        for (url, reason) in [
            ("ws://::1:8080/ws", "brackets, as in ws://[::1]:8080"),
            ("ws://[fe80::1%25eth0]/ws", "it contains a zone"),
            (
                "ws://h:99999/ws",
                "its port is not a number from 1 to 65535",
            ),
            ("ws://h:x/ws", "its port is not a number"),
            ("ws://bücher.example/ws", "xn--"),
            ("ws://my host/ws", "it contains a space"),
            ("ws://:8080/ws", "it is empty"),
            ("ws://h/ws#part", "contains a #"),
        ] {
            for refused in [Address::websocket(url), Address::mqtt(url)] {
                let error = refused.unwrap_err();
                assert!(matches!(error, AddressError::Url { .. }), "{url}: {error}");
                assert!(error.to_string().contains(reason), "{url}: {error}");
            }
        }
    }

    #[test]
    fn a_token_takes_the_scheme_of_its_broker_and_is_not_shown() {
        let dasf = Address::websocket("ws://h/ws")
            .unwrap()
            .with_token("secret")
            .unwrap();
        assert_eq!(presented(&dasf), "Token secret");
        let pulsar = Address::pulsar("h", 80)
            .unwrap()
            .with_token("secret")
            .unwrap();
        assert_eq!(presented(&pulsar), "Bearer secret");
        let query = Address::websocket("ws://h/ws?token=secret").unwrap();
        assert!(!format!("{dasf:?} {dasf} {query:?} {query}").contains("secret"));
        for bad in [
            "http://h/ws?token=secret",
            "ws://user:secret@h/ws",
            "mqtt://user:secret@h",
            "user:secret@h",
            "ws://user:sec ret@h",
            "http://user:sec?secret@h",
        ] {
            let error = Address::websocket(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_is_the_password_of_an_mqtt_user_and_is_not_shown() {
        let address = Address::mqtt_with_login("ws://h", Some("ada"), None).unwrap();
        let address = address.with_token("secret").unwrap();
        assert!(!format!("{address:?} {address}").contains("secret"));
        let Style::Mqtt { login, .. } = address.style else {
            panic!("not an MQTT address")
        };
        assert_eq!(login.user.as_deref(), Some("ada"));
        assert_eq!(login.password.as_deref(), Some("secret"));
        for bad in ["a\0", &"a".repeat(65_536)] {
            let error = Address::mqtt_with_login("ws://h", None, Some(bad)).unwrap_err();
            assert_eq!(error, AddressError::Login);
        }
    }

    #[test]
    fn an_address_names_its_missing_feature() {
        let missing = AddressError::MissingFeature {
            url: "ws://h/mqtt".to_owned(),
            feature: "mqtt",
        };
        let text = "the broker at ws://h/mqtt needs the feature \"mqtt\", and this program is built without it; add \
                    it to the crate dasf in Cargo.toml";
        assert_eq!(missing.to_string(), text);
        let refused = Address::mqtt_with_login("ws://h/mqtt?token=secret", None, None);
        if cfg!(feature = "mqtt") {
            assert!(refused.is_ok());
        } else {
            assert_eq!(refused.unwrap_err(), missing);
        }
    }

    #[test]
    fn a_pulsar_is_reached_by_tls_where_asked() {
        let secure = Address::try_from(PulsarAddress::default().port(8443).tls(true)).unwrap();
        assert_eq!(secure.to_string(), "wss://localhost:8443");
        assert_eq!(Address::pulsar("h", 1).unwrap().to_string(), "ws://h:1");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let address = Address::pulsar("h", 1).unwrap();
        let absent = address.clone().with_ca_file("no such file").unwrap_err();
        let AddressError::Certificates { file, reason } = &absent else {
            panic!("{absent}")
        };
        assert_eq!(file, "no such file");
        let unreadable = std::fs::read("no such file").unwrap_err();
        assert_eq!(*reason, unreadable.to_string());
        let empty = address.with_ca_certificates(b"").unwrap_err();
        assert!(empty.to_string().contains("a PEM file"), "{empty}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_byte_order_mark_before_certificates_is_skipped() {
        let file = std::env::temp_dir().join(format!("dasf-marked-{}.pem", std::process::id()));
        let trusting = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            let address = Address::pulsar("h", 1).unwrap().with_ca_file(&file);
            std::fs::remove_file(&file).unwrap();
            address
        };
        let authority = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        let pem = format!("\u{feff}{}", authority.cert.pem());
        assert!(trusting(pem.as_bytes()).is_ok());
        let error = trusting(b"\xff\xfe-\0").unwrap_err();
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }

    #[test]
    fn a_header_must_be_one() {
        let address = Address::websocket("ws://h/ws").unwrap();
        let error = address.with_header("x y", "1").unwrap_err();
        assert!(matches!(error, AddressError::Header { .. }));
    }
}
