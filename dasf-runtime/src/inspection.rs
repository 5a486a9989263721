//! The way to a broker, and what the broker tells of itself: for programs that look for the fault of a
//! connection.

use std::time::SystemTime;

use dasf_protocol::Topic;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::address::Address;
use crate::transport::{ConnectError, date, features};

/// Where a program connects to reach a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerRoute {
    /// The host of the broker: a name, or an IP address without brackets.
    pub host: String,
    /// The port of the broker.
    pub port: u16,
    /// Whether the connection uses TLS.
    pub has_tls: bool,
    /// The proxy between the program and the broker.
    pub proxy: Option<BrokerProxy>,
}

/// The proxy on the way to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerProxy {
    /// The host of the proxy: a name, or an IP address without brackets.
    pub host: String,
    /// The port of the proxy.
    pub port: u16,
    /// The environment variable that names the proxy.
    pub variable: &'static str,
}

/// What a broker tells of itself when a program connects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerGreeting {
    /// The abilities that other brokers may lack, such as `link`. Only `dasf-broker` names them.
    pub features: Vec<String>,
    /// The version of a `dasf-broker`; `None` for another broker, or one that does not tell it.
    pub version: Option<String>,
    /// The time by the clock of the broker, to the second. `None` if the broker does not tell it.
    pub time: Option<SystemTime>,
}

impl BrokerGreeting {
    fn new(headers: &HeaderMap) -> Self {
        let mut features: Vec<String> = features::all(headers).map(str::to_owned).collect();
        let version = features.iter().find_map(|it| {
            let version = it.strip_prefix(features::VERSION)?;
            Some(version.to_owned())
        });
        features.retain(|it| !it.starts_with(features::VERSION));
        Self {
            features,
            version,
            time: date(headers),
        }
    }
}

/// Returns the way to a broker, by the URL for sending.
///
/// # Errors
/// Returns [`ConnectError::Proxy`] if the environment names a proxy that is not supported.
pub fn broker_route(address: &Address) -> Result<BrokerRoute, ConnectError> {
    address.route()
}

/// Opens a connection for sending to a topic, closes it, and returns what the broker has told.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::{Address, greet_broker};
///
/// let address = Address::websocket("ws://localhost:8080/ws")?;
/// let greeting = greet_broker(address, &"arithmetic".parse()?).await?;
/// println!("{:?}", greeting.version);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Returns [`ConnectError`] if the broker cannot be reached, or refuses the connection.
///
/// # Cancel safety
/// When dropped, it closes the connection.
pub async fn greet_broker(address: Address, topic: &Topic) -> Result<BrokerGreeting, ConnectError> {
    let transport = address.open(Handle::current());
    let headers = transport.greet(topic).await?;
    Ok(BrokerGreeting::new(&headers))
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::HeaderValue;

    use super::*;

    #[test]
    fn the_version_of_a_broker_is_among_its_features() {
        let mut headers = HeaderMap::new();
        assert_eq!(BrokerGreeting::new(&headers).version, None);
        let value = HeaderValue::from_static("begun-count, link, version=1.2.3");
        headers.insert(features::HEADER, value);
        let greeting = BrokerGreeting::new(&headers);
        assert_eq!(greeting.version.as_deref(), Some("1.2.3"));
        assert_eq!(greeting.features, ["begun-count", "link"]);
    }

    #[test]
    fn a_route_leads_to_the_port_of_the_url() {
        for (url, host, port, has_tls) in [
            ("ws://127.0.0.1:7/ws", "127.0.0.1", 7, false),
            ("ws://[::1]/ws", "::1", 80, false),
            #[cfg(feature = "tls")]
            ("wss://localhost/ws", "localhost", 443, true),
        ] {
            let route = broker_route(&Address::websocket(url).unwrap()).unwrap();
            let found = (route.host.as_str(), route.port, route.has_tls);
            assert_eq!(found, (host, port, has_tls));
            assert_eq!(route.proxy, None);
        }
    }
}
