//! HTTP proxies from environment variables, with the usual rules of web clients.
//!
//! | variable | for |
//! |---|---|
//! | `https_proxy`, `HTTPS_PROXY` | brokers at `wss://` |
//! | `http_proxy`, `HTTP_PROXY` | brokers at `ws://` |
//! | `no_proxy`, `NO_PROXY` | hosts that need no proxy |
//!
//! The first variable of each pair that is not empty counts. The program asks the proxy for a
//! tunnel (CONNECT). TLS and WebSocket run through the tunnel.

use std::net::IpAddr;

use dasf_protocol::payload;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host_name;
use crate::inspection::BrokerProxy;
use crate::transport::Cause;

/// The maximum size of the head of a proxy's answer.
const MAX_HEAD_SIZE: usize = 16 << 10;
/// The default port of a proxy.
const DEFAULT_PORT: u16 = 80;

/// A proxy on the way to a host.
#[derive(PartialEq, Eq)]
pub(super) struct Proxy {
    /// The host, without brackets.
    host: String,
    port: u16,
    /// The user name and password, in the form of the header.
    credentials: Option<String>,
    /// The variable that contains its URL.
    variable: &'static str,
}

/// The reason why there is no tunnel through a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoWay {
    /// The reason in words.
    pub(super) reason: String,
    /// The HTTP status with which the proxy refuses.
    pub(super) status: Option<u16>,
    /// The error of the connection to the proxy.
    pub(super) source: Option<Cause>,
}

impl From<String> for NoWay {
    fn from(reason: String) -> Self {
        Self {
            reason,
            status: None,
            source: None,
        }
    }
}

/// Returns the first of two variables that is not empty, with its value.
fn first_of(
    names: [&'static str; 2],
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = variable(name)?.trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    })
}

impl Proxy {
    /// Returns the proxy for a host, if the environment variables name one.
    ///
    /// # Errors
    /// Fails if the value of a variable is not a supported proxy.
    pub(super) fn towards(
        is_secure: bool,
        host: &str,
        port: u16,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, NoWay> {
        if host_name::is_loopback(host) {
            return Ok(None);
        }
        let names = if is_secure {
            ["https_proxy", "HTTPS_PROXY"]
        } else {
            ["http_proxy", "HTTP_PROXY"]
        };
        let Some((name, value)) = first_of(names, variable) else {
            return Ok(None);
        };
        // In a CGI program, the header `Proxy` of a request sets this variable.
        if name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some() {
            return Ok(None);
        }
        if let Some((_, list)) = first_of(["no_proxy", "NO_PROXY"], variable)
            && is_listed(&list, host, port)
        {
            return Ok(None);
        }
        // The message does not show the value, because it may contain a password.
        let proxy = Self::parse(&value, name);
        proxy.map(Some).map_err(|reason| {
            format!("the variable {name} is not a supported proxy: {reason}").into()
        })
    }

    /// Parses `http://user:password@host:port`. Only the host is required.
    fn parse(url: &str, variable: &'static str) -> Result<Self, String> {
        let rest = match url.split_once("://") {
            None => url,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => {
                return Err(format!(
                    "it begins with {scheme}://, but only http:// proxies are supported"
                ));
            }
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, rest),
        };
        let (host, port) = host_name::split(authority)?;
        let credentials = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let mut credentials = percent_decoded(user);
            credentials.push(b':');
            credentials.extend(percent_decoded(password));
            format!("Basic {}", payload::encode(&credentials))
        });
        Ok(Self {
            host: host_name::without_brackets(&host).to_owned(),
            port: port.unwrap_or(DEFAULT_PORT),
            credentials,
            variable,
        })
    }

    /// Returns what users may see of the proxy.
    pub(super) fn into_public(self) -> BrokerProxy {
        BrokerProxy {
            host: self.host,
            port: self.port,
            variable: self.variable,
        }
    }

    /// Returns the name of the proxy for errors, without its password.
    fn name(&self) -> String {
        let Self {
            host,
            port,
            variable,
            ..
        } = self;
        let host = host_name::in_url(host).unwrap_or_default();
        format!("the proxy {host}:{port} from {variable}")
    }

    /// Connects to a host through the proxy. The host has the form of a URL.
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<TcpStream, NoWay> {
        let failed = |reason: String| NoWay::from(format!("{} {reason}", self.name()));
        let broken = |problem: &str, error: std::io::Error| {
            let reason = super::connect::io_reason(&error);
            NoWay {
                source: Some(Cause::new(error)),
                ..failed(format!("{problem}: {reason}"))
            }
        };
        let lost = |error| broken("does not answer", error);
        let connected = super::connect::dial(&self.host, self.port).await;
        let mut stream = connected.map_err(|error| broken("cannot be reached", error))?;
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Proxy-Authorization: {credentials}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(lost)?;

        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MAX_HEAD_SIZE {
                let reason = format!(
                    "answers with a head of more than {} KiB",
                    MAX_HEAD_SIZE >> 10
                );
                return Err(failed(reason));
            }
            // Read byte by byte, because the bytes after the head come from the broker.
            head.push(stream.read_u8().await.map_err(lost)?);
        }
        match status(&head) {
            Some(200..=299) => Ok(stream),
            Some(status) => Err(NoWay {
                reason: format!(
                    "{} refuses a tunnel to {host}:{port} with status {status}",
                    self.name()
                ),
                status: Some(status),
                source: None,
            }),
            None => Err(failed("does not answer like an HTTP proxy".to_owned())),
        }
    }
}

/// Returns the status in the head of an answer.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let status = rest.get(..3)?;
    version
        .starts_with("HTTP/1.")
        .then(|| status.parse().ok())?
}

/// Decodes the percent escapes in a part of a URL. Invalid escapes stay unchanged.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2))))
            .flatten()
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Returns whether a host is in a list of hosts that need no proxy.
fn is_listed(list: &str, host: &str, port: u16) -> bool {
    let host = host_name::without_brackets(host).trim_end_matches('.');
    let host = host.to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split(',').any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some((network, length)) = entry.split_once('/') {
            return address.is_some_and(|address| is_within(address, network, length));
        }
        let (name, only) = match entry.rsplit_once(':') {
            // An IPv6 address needs brackets if it has a port.
            Some((name, only)) if !name.contains(':') || name.ends_with(']') => (name, Some(only)),
            _ => (entry.as_str(), None),
        };
        if only.is_some_and(|only| only.parse() != Ok(port)) {
            return false;
        }
        let name = host_name::without_brackets(name);
        if let Ok(listed) = name.parse::<IpAddr>() {
            return address == Some(listed);
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.');
        let above = host.strip_suffix(name);
        !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

/// Returns whether an address is in a network, for example `10.0.0.0/8`.
fn is_within(address: IpAddr, network: &str, length: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let Ok(network) = host_name::without_brackets(network).parse::<IpAddr>() else {
        return false;
    };
    let Ok(length) = length.parse::<u32>() else {
        return false;
    };
    let ((address, width), (network, of_network)) = (bits(address), bits(network));
    let rest = 128_u32.saturating_sub(length);
    width == of_network
        && length <= width
        && address.checked_shr(rest).unwrap_or(0) == network.checked_shr(rest).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    fn towards(
        url: (bool, &str, u16),
        variables: &[(&str, &str)],
    ) -> Result<Option<Proxy>, String> {
        let variable = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (is_secure, host, port) = url;
        Proxy::towards(is_secure, host, port, &variable).map_err(|error| error.reason)
    }

    const SECURE: (bool, &str, u16) = (true, "broker.example.org", 443);
    const PLAIN: (bool, &str, u16) = (false, "broker.example.org", 80);

    /// Returns the host and the port of a proxy.
    fn place(proxy: Result<Option<Proxy>, String>) -> Option<(String, u16)> {
        proxy.unwrap().map(|proxy| (proxy.host, proxy.port))
    }

    #[test]
    fn a_variable_names_the_proxy_for_its_scheme() {
        let variables = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "p:2/")];
        let secure = Some(("s".to_owned(), 1));
        let plain = Some(("p".to_owned(), 2));
        assert_eq!(place(towards(SECURE, &variables)), secure);
        assert_eq!(place(towards(PLAIN, &variables)), plain);
        assert_eq!(place(towards(PLAIN, &variables[..1])), None);
        assert_eq!(place(towards(SECURE, &[("ALL_PROXY", "http://s")])), None);
        // The lower-case variable counts before the upper-case one, unless it is empty.
        let both = [("HTTPS_PROXY", "capital"), ("https_proxy", "small")];
        assert_eq!(
            place(towards(SECURE, &both)),
            Some(("small".to_owned(), 80))
        );
        let empty = [("HTTPS_PROXY", "http://[::1]"), ("https_proxy", " ")];
        assert_eq!(place(towards(SECURE, &empty)), Some(("::1".to_owned(), 80)));
        let cgi = [("HTTP_PROXY", "p"), ("REQUEST_METHOD", "GET")];
        assert_eq!(place(towards(PLAIN, &cgi)), None);
    }

    #[test]
    fn user_and_password_are_those_of_the_url_and_are_not_shown() {
        let proxy = towards(SECURE, &[("HTTPS_PROXY", "http://ada:s%40cret%2@p:3128")]);
        let proxy = proxy.unwrap().unwrap();
        let sent = payload::encode(b"ada:s@cret%2");
        assert_eq!(proxy.credentials, Some(format!("Basic {sent}")));
        assert_eq!(proxy.name(), "the proxy p:3128 from HTTPS_PROXY");
        for (value, reason) in [
            ("socks5://ada:secret@p", "it begins with socks5://"),
            ("https://ada:secret@p", "only http:// proxies"),
            ("http://ada:secret@", "its host is invalid: it is empty"),
            ("http://ada:secret@p:x", "its port is not a number"),
            ("http://ada:secret@a b", "it contains a space"),
        ] {
            let error = towards(SECURE, &[("https_proxy", value)]).err().unwrap();
            assert!(
                error.starts_with("the variable https_proxy is not a supported proxy: "),
                "{error}"
            );
            assert!(error.contains(reason), "{value}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn some_hosts_are_reached_without_a_proxy() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            let url = (true, host, 443);
            assert_eq!(place(towards(url, &[("HTTPS_PROXY", "p")])), None, "{host}");
        }
        let is_listed = |list: &str, host: &str| {
            let variables = [("HTTPS_PROXY", "p"), ("NO_PROXY", list)];
            place(towards((true, host, 8443), &variables)).is_none()
        };
        for (list, host) in [
            ("*", "broker.example.org"),
            ("a, broker.EXAMPLE.org ,b", "Broker.example.org"),
            ("example.org", "broker.example.org"),
            (".example.org", "broker.example.org."),
            (".example.org", "example.org"),
            ("*.example.org", "broker.example.org"),
            ("broker.example.org:8443", "broker.example.org"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:8443", "192.0.2.1"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("[2001:db8:0::7]:8443", "[2001:db8::7]"),
            ("192.0.0.0/16", "192.0.2.1"),
            ("0.0.0.0/0", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("2001:db8::/32", "[2001:db8::7]"),
        ] {
            assert!(is_listed(list, host), "{list} {host}");
        }
        for (list, host) in [
            ("", "broker.example.org"),
            (",", "broker.example.org"),
            (".", "broker.example.org"),
            ("ample.org", "broker.example.org"),
            ("broker.example.org.evil", "broker.example.org"),
            ("broker.example.org:443", "broker.example.org"),
            ("192.0.2.2", "192.0.2.1"),
            ("192.0.2", "192.0.2.1"),
            ("192.1.0.0/16", "192.0.2.1"),
            ("192.0.0.0/33", "192.0.2.1"),
            ("192.0.0.0/x", "192.0.2.1"),
            ("::/0", "192.0.2.1"),
            ("10.0.0.0/8", "broker.example.org"),
            ("2001:db8::8", "[2001:db8::7]"),
        ] {
            assert!(!is_listed(list, host), "{list} {host}");
        }
        // The lower-case list counts before the upper-case one.
        let variables = [("HTTPS_PROXY", "p"), ("no_proxy", "a"), ("NO_PROXY", "*")];
        assert!(place(towards(SECURE, &variables)).is_some());
    }

    /// Starts a proxy that sends this answer to one request, and returns the request.
    async fn answering(answer: Vec<u8>) -> (Proxy, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            // The client may close the connection early.
            let _ = stream.write_all(&answer).await;
            String::from_utf8(request).unwrap()
        });
        let url = format!("http://ada:secret@127.0.0.1:{port}");
        (Proxy::parse(&url, "HTTPS_PROXY").unwrap(), server)
    }

    /// Starts a proxy with one tunnel to a fixed address, and returns the request.
    pub(in crate::transport::websocket) async fn proxy_to(
        place: SocketAddr,
    ) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(client.read_u8().await.unwrap());
            }
            let established = b"HTTP/1.1 200 Connection established\r\n\r\n";
            client.write_all(established).await.unwrap();
            let mut end = TcpStream::connect(place).await.unwrap();
            // Either side may close the connection at once.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut end).await;
            String::from_utf8(asked).unwrap()
        });
        (url, server)
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_and_what_follows_is_its_end_s() {
        let answer = b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\nbehind".to_vec();
        let (proxy, server) = answering(answer).await;
        let mut stream = proxy.tunnel("[2001:db8::7]", 8443).await.unwrap();
        let mut behind = String::new();
        stream.read_to_string(&mut behind).await.unwrap();
        assert_eq!(behind, "behind");
        let credentials = payload::encode(b"ada:secret");
        assert_eq!(
            server.await.unwrap(),
            format!(
                "CONNECT [2001:db8::7]:8443 HTTP/1.1\r\nHost: [2001:db8::7]:8443\r\n\
                 Proxy-Authorization: Basic {credentials}\r\n\r\n"
            )
        );
    }

    #[tokio::test]
    async fn a_proxy_that_gives_no_tunnel_is_named_with_its_reason() {
        let large = [
            b"HTTP/1.1 200 OK\r\nx: ".to_vec(),
            vec![b'x'; MAX_HEAD_SIZE],
        ]
        .concat();
        for (answer, reason, status) in [
            (
                b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_vec(),
                "refuses a tunnel to h:443 with status 407",
                Some(407),
            ),
            (
                b"HTTP/1.0 503 \r\n\r\n".to_vec(),
                "refuses a tunnel to h:443 with status 503",
                Some(503),
            ),
            (
                b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
                "does not answer like an HTTP proxy",
                None,
            ),
            (b"".to_vec(), "does not answer: ", None),
            (large, "answers with a head of more than 16 KiB", None),
        ] {
            let (proxy, server) = answering(answer).await;
            let error = proxy.tunnel("h", 443).await.unwrap_err();
            let told = format!("{} {reason}", proxy.name());
            assert!(error.reason.starts_with(&told), "{error:?}");
            assert!(!error.reason.contains("secret"), "{error:?}");
            assert_eq!(error.status, status);
            server.await.unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        drop(listener);
        let proxy = Proxy::parse(&place.to_string(), "http_proxy").unwrap();
        let error = proxy.tunnel("h", 80).await.unwrap_err();
        let told =
            format!("the proxy {place} from http_proxy cannot be reached: connection refused");
        assert_eq!(error.reason, told);
    }
}
