//! The base of the URLs of a broker's topics.

use std::fmt;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::host_name;

/// The start of each path in Pulsar's WebSocket API.
pub(crate) const PULSAR_PATH: &str = "/ws/v2/";
/// The persistence of topics that keep their messages.
pub(crate) const PERSISTENT: &str = "persistent";

/// The reason why a text is not the URL of a broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidUrl {
    /// The URL without secrets.
    pub(crate) url: String,
    /// The error in it.
    pub(crate) reason: String,
}

/// A base URL, split so that a topic can be inserted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Scheme, host and path, without a slash at the end.
    base: String,
    /// The query with its `?`; empty if there is none.
    query: String,
}

impl fmt::Debug for BaseUrl {
    /// Omits the query, because it may contain a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(f)
    }
}

impl BaseUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        // The query and the part before an @ are not shown, because they may contain secrets.
        let shown = if url.contains('@') {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@")
        } else {
            url.split('?').next().unwrap_or_default().to_owned()
        };
        let refuse = |reason: String| InvalidUrl {
            url: shown.clone(),
            reason,
        };
        // Check the host before the URL, because the error of the URL parser does not explain what
        // is wrong with a host.
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme.to_ascii_lowercase().as_str() {
            "ws" => {}
            "wss" if cfg!(feature = "tls") => {}
            "wss" => {
                return Err(refuse(
                    "this program is built without the feature \"tls\"".to_owned(),
                ));
            }
            "" => return Err(refuse("it has no scheme".to_owned())),
            scheme => return Err(refuse(format!("its scheme is {scheme}"))),
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        if authority.contains('@') {
            let reason = "it contains a user name, which a WebSocket URL cannot have";
            return Err(refuse(reason.to_owned()));
        }
        if url.contains('#') {
            let reason = "it contains a #, which a WebSocket URL cannot have";
            return Err(refuse(reason.to_owned()));
        }
        host_name::split(authority).map_err(refuse)?;
        let parsed: Result<Uri, _> = url.parse();
        parsed.map_err(|error| refuse(format!("{error}")))?;
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    /// Returns a base URL that is known to be one.
    pub(crate) fn without_query(base: String) -> Self {
        let query = String::new();
        Self { base, query }
    }

    /// Returns whether two URLs differ at most in their queries.
    pub(crate) fn has_base_of(&self, other: &Self) -> bool {
        self.base == other.base
    }

    /// The URL of a path below the base, with its parameters after the existing ones.
    pub(crate) fn join(&self, path: &str, parameters: &[(&str, String)]) -> String {
        let Self { base, query } = self;
        let mut url = format!("{base}/{path}{query}");
        if !parameters.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&self::query(parameters));
        }
        url
    }

    /// Returns the URL of a path beside the topics of an embedded broker, which are below `/ws`.
    pub(crate) fn beside(&self, path: &str) -> String {
        let base = of_broker(&self.base);
        let base = base.strip_suffix("/ws").unwrap_or(base);
        format!("{}/{path}{}", base.trim_end_matches('/'), self.query)
    }

    pub(crate) fn whole(&self) -> String {
        format!("{}{}", self.base, self.query)
    }

    /// Whether the topics at a Pulsar URL keep their messages; `None` for the URL of another
    /// broker.
    pub(crate) fn pulsar_persistence(&self) -> Option<bool> {
        let (_, path) = self.base.rsplit_once(PULSAR_PATH)?;
        let mut segments = path.split('/').skip(1);
        let persistence = segments.next()?;
        (segments.count() == 2).then_some(persistence == PERSISTENT)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(of_broker(&self.base))
    }
}

/// Returns parameters in the form of a query.
pub(crate) fn query(parameters: &[(&str, String)]) -> String {
    let parameters = parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parameters.join("&")
}

/// Returns a value for a query.
pub(crate) fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Returns the address of the broker in the base of a URL: at a Pulsar, the part before the tenant
/// and the namespace.
pub(crate) fn of_broker(base: &str) -> &str {
    base.split(PULSAR_PATH).next().unwrap_or(base)
}
