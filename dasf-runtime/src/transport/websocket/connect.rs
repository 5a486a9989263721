//! Opens WebSocket connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dasf_protocol::text::printable;
use futures_util::SinkExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::http::header::LOCATION;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Response, Uri};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::liveness::LONGEST_SILENCE;
use super::proxy::{NoWay, Proxy};
use super::traffic::Counted;
use super::{Endpoint, tls};
use crate::duration::shown;
use crate::host_name;
use crate::inspection::BrokerRoute;
use crate::transport::{Cause, ConnectError};

pub(in crate::transport) type Socket = WebSocketStream<MaybeTlsStream<Counted<TcpStream>>>;

/// The read buffer of a socket: enough for many small frames. It is cleared for each read, so a larger
/// one costs time.
const READ_BUFFER_SIZE: usize = 16 * 1024;

/// The timeout of a handshake. Pulsar answers it only when the topic is ready, and reports after 30
/// s why it is not.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);
/// The timeout of a TCP connection to one IP address. After a network has failed for a while, a new
/// attempt succeeds sooner than one whose packets are lost: systems repeat these ever more rarely.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest frame accepted from a broker. Brokers send frames of about 1 MB; some are configured
/// for more.
pub(in crate::transport) const MAX_FRAME_SIZE: usize = 16 << 20;
/// The largest size of a write buffer. It holds a frame, and the pongs for a broker that does not read.
const MAX_WRITE_BUFFER_SIZE: usize = 2 * MAX_FRAME_SIZE;
/// The maximum length of a broker's explanation in errors.
const MAX_REASON_LENGTH: usize = 300;

/// A connection that the broker has accepted.
pub(in crate::transport) struct Opened {
    pub(in crate::transport) socket: Socket,
    /// The headers of the broker's handshake response.
    pub(in crate::transport) headers: HeaderMap,
}

/// Connects, through the proxy in the environment if there is one.
pub(in crate::transport) async fn connect(endpoint: &Endpoint) -> Result<Opened, ConnectError> {
    connect_in(endpoint, &environment).await
}

/// Returns the value of an environment variable.
fn environment(name: &str) -> Option<String> {
    let value = std::env::var_os(name);
    value.map(|value| value.to_string_lossy().into_owned())
}

/// Connects with the environment variables that `variable` returns.
pub(super) async fn connect_in(
    endpoint: &Endpoint,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Opened, ConnectError> {
    let failed = |error: Error| explain(endpoint, error);
    let mut request = endpoint
        .url
        .as_str()
        .into_client_request()
        .map_err(failed)?;
    for (name, value) in &endpoint.headers {
        request.headers_mut().insert(name, value.clone());
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_SIZE)
        .max_write_buffer_size(MAX_WRITE_BUFFER_SIZE)
        .max_message_size(Some(MAX_FRAME_SIZE))
        .max_frame_size(Some(MAX_FRAME_SIZE));
    let opening = async {
        let stream = reach(endpoint, request.uri(), variable).await?;
        // Send each message at once, because messages are written whole.
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.into()))?;
        end_when_unacknowledged(&stream, LONGEST_SILENCE);
        let stream = Counted::new(stream);
        let handshake = tls::handshake(request, stream, config, &endpoint.trust);
        handshake.await.map_err(failed)
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, opening).await {
        Ok(Ok((socket, response))) => Ok(Opened {
            socket,
            headers: response.into_parts().0.headers,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ConnectError::Timeout {
            url: endpoint.to_string(),
            after: HANDSHAKE_TIMEOUT,
        }),
    }
}

/// Connects, closes the connection, and returns the headers of the broker's handshake response.
pub(in crate::transport) async fn greet(endpoint: &Endpoint) -> Result<HeaderMap, ConnectError> {
    let Opened { socket, headers } = connect(endpoint).await?;
    // The broker has answered, even if the farewell fails.
    let _ = close(socket, None).await;
    Ok(headers)
}

/// Returns where a connection to the broker at a URL goes. `url` is the URL to show.
pub(crate) fn route(uri: &Uri, url: &str) -> Result<BrokerRoute, ConnectError> {
    let (has_tls, host, port) = destination(uri);
    let proxy = Proxy::towards(has_tls, host, port, &environment);
    let proxy = proxy.map_err(|no_way| without_way(url.to_owned(), no_way))?;
    Ok(BrokerRoute {
        host: host_name::without_brackets(host).to_owned(),
        port,
        has_tls,
        proxy: proxy.map(Proxy::into_public),
    })
}

/// Returns whether a URL needs TLS, and its host and port.
fn destination(uri: &Uri) -> (bool, &str, u16) {
    let is_secure = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    (is_secure, uri.host().unwrap_or_default(), port)
}

fn without_way(url: String, no_way: NoWay) -> ConnectError {
    ConnectError::Proxy {
        url,
        status: no_way.status,
        reason: no_way.reason,
        source: no_way.source,
    }
}

/// Connects to the host of a URL, directly or through a proxy.
async fn reach(
    endpoint: &Endpoint,
    uri: &Uri,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<TcpStream, ConnectError> {
    let (is_secure, host, port) = destination(uri);
    let no_way = |no_way: NoWay| without_way(endpoint.to_string(), no_way);
    if let Some(proxy) = Proxy::towards(is_secure, host, port, variable).map_err(no_way)? {
        return proxy.tunnel(host, port).await.map_err(no_way);
    }
    let connected = dial(host_name::without_brackets(host), port).await;
    connected.map_err(|error| explain(endpoint, error.into()))
}

/// Connects to the first IP address of a host that answers.
pub(super) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    first_of(addresses, ADDRESS_TIMEOUT).await
}

async fn first_of(
    addresses: impl Iterator<Item = SocketAddr>,
    patience: Duration,
) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the name of the host has no IP address");
    for address in addresses {
        match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => {
                let text = format!("no answer within {}", shown(patience));
                failure = io::Error::new(io::ErrorKind::TimedOut, text);
            }
        }
    }
    Err(failure)
}

/// Ends the connection when the other end does not acknowledge its bytes. A large message extends the
/// time of silence, but with this only on a link that lives.
fn end_when_unacknowledged(stream: &TcpStream, after: Duration) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(after)) {
        tracing::debug!("cannot set TCP_USER_TIMEOUT: {error}");
    }
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (stream, after);
}

/// Sends the farewell frame and closes the socket.
pub(in crate::transport) async fn close(
    mut sink: impl futures_util::Sink<Message, Error = Error> + Unpin,
    goodbye: Option<Message>,
) -> Result<(), Error> {
    if let Some(goodbye) = goodbye {
        sink.send(goodbye).await?;
    }
    sink.close().await
}

/// Describes why the broker closed a connection: the code, its meaning, what to do, and the
/// broker's reason.
pub(super) fn closed(frame: Option<&CloseFrame>) -> String {
    let Some(CloseFrame { code, reason }) = frame else {
        return "closed by the broker".to_owned();
    };
    let code = u16::from(*code);
    let mut text = match close_code(code) {
        Some(meaning) => format!("closed by the broker with code {code}, {meaning}"),
        None => format!("closed by the broker with code {code}"),
    };
    if !reason.is_empty() {
        text.push_str(": ");
        text.push_str(reason);
    }
    text
}

/// Returns the meaning of a WebSocket close code, and what to do.
fn close_code(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "a normal end",
        1001 => "the broker stops, or the connection was idle for too long",
        1002 | 1007 => "the broker sees an error in the WebSocket protocol",
        1003 => "the broker does not accept this kind of frame",
        1008 => "the broker's rules forbid this",
        1009 => {
            "the message is larger than the broker accepts (lower max_payload_size, or raise the broker's limit; \
             webSocketMaxTextFrameSize at a Pulsar)"
        }
        1011 => "the broker could not read a message, or had an internal error (see its log)",
        1012 => "the broker restarts",
        1013 => "the broker is overloaded",
        _ => return None,
    })
}

fn explain(endpoint: &Endpoint, error: Error) -> ConnectError {
    let url = endpoint.to_string();
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            match location.and_then(|location| redirection(endpoint, location)) {
                Some(location) if response.status().is_redirection() => ConnectError::Redirected {
                    url,
                    status,
                    location,
                },
                _ => ConnectError::Refused {
                    url,
                    status,
                    reason: refusal(&response),
                    has_login: endpoint.has_login(),
                },
            }
        }
        Error::Io(error) => match tls::fault(&error) {
            Some((fault, reason)) => ConnectError::Tls {
                url,
                fault,
                reason,
                source: Some(tls::cause(error)),
            },
            None => ConnectError::Unreachable {
                url,
                reason: io_reason(&error),
                source: Some(Cause::new(error)),
            },
        },
        Error::Url(UrlError::TlsFeatureNotEnabled) => ConnectError::Unreachable {
            url,
            reason: "this program is built without the feature \"tls\"".to_owned(),
            source: None,
        },
        Error::Url(UrlError::UnableToConnect(_)) => ConnectError::Unreachable {
            url,
            reason: "no IP address of the host answers".to_owned(),
            source: None,
        },
        Error::Tls(error) => ConnectError::Unreachable {
            url,
            reason: error.to_string(),
            source: Some(Cause::new(error)),
        },
        error => ConnectError::Protocol {
            url,
            reason: error.to_string(),
            source: Some(Cause::new(error)),
        },
    }
}

/// Returns the target of a redirect as an address to use for the broker; `None` if the broker names
/// none.
fn redirection(endpoint: &Endpoint, location: &str) -> Option<String> {
    // The query may contain a secret.
    let location = location.split(['?', '#']).next().unwrap_or_default();
    let (scheme, here) = endpoint.url.split_once("://")?;
    let (scheme, place) = match location.split_once("://") {
        Some(("http" | "ws", place)) => ("ws", place.to_owned()),
        Some(("https" | "wss", place)) => ("wss", place.to_owned()),
        Some((other, place)) => (other, place.to_owned()),
        None => match location.strip_prefix("//") {
            Some(place) => (scheme, place.to_owned()),
            None if location.starts_with('/') => {
                let authority = here.split(['/', '?']).next().unwrap_or_default();
                (scheme, format!("{authority}{location}"))
            }
            None => return None,
        },
    };
    let end = place.find('/').unwrap_or(place.len());
    let (authority, path) = place.split_at(end);
    // The part before the host may also contain a secret.
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(&endpoint.below).unwrap_or(path);
    let address = format!("{scheme}://{authority}{}", path.trim_end_matches('/'));
    (!authority.is_empty() && address.len() <= MAX_REASON_LENGTH).then(|| printable(&address))
}

/// Describes why a connection broke.
pub(in crate::transport) fn broken(error: &Error) -> String {
    match error {
        Error::Io(error) => match tls::fault(error) {
            Some((_, reason)) => reason,
            None => io_reason(error),
        },
        error => error.to_string(),
    }
}

/// Returns the message of the operating system without its error number.
pub(super) fn io_reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "the connection was closed unexpectedly".to_owned();
    }
    let reason = error.to_string();
    match reason.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => reason,
    }
}

/// Returns the broker's explanation if it is a short text or an error page of Pulsar, otherwise the
/// name of the status.
fn refusal(response: &Response<Option<Vec<u8>>>) -> String {
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    if let Some(message) = pulsar_message(body) {
        return message;
    }
    if body.is_empty() || body.len() > MAX_REASON_LENGTH || body.starts_with('<') {
        response
            .status()
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned()
    } else {
        body.lines().collect::<Vec<_>>().join(" ")
    }
}

/// Extracts the message from an error page of Pulsar's web server: its title without the technical
/// parts.
fn pulsar_message(page: &str) -> Option<String> {
    let (_, title) = page.split_once("<title>Error ")?;
    let (title, _) = title.split_once("</title>")?;
    let (_, message) = title.split_once(' ')?;
    let message = unescaped(message);
    let message = match message.split_once("\"errorMsg\":\"") {
        Some((_, reason)) => reason.split('"').next().unwrap_or_default(),
        None => message.as_str(),
    };
    let message = message
        .strip_prefix("Failed to create producer/consumer: ")
        .unwrap_or(message);
    // The request and its connection follow.
    let message = message.split(" {'").next().unwrap_or_default();
    // The class of the exception comes first.
    let message = match message.split_once(": ") {
        Some((class, reason)) if class.contains('.') && !class.contains(' ') => reason,
        _ => message,
    };
    let is_short = !message.is_empty() && message.len() <= MAX_REASON_LENGTH;
    is_short.then(|| message.to_owned())
}

/// Replaces the entities in a text of a page.
fn unescaped(text: &str) -> String {
    let entities = [
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        // This must come last, because its result may look like another entity.
        ("&amp;", "&"),
    ];
    let replace = |text: String, (entity, character): (&str, &str)| text.replace(entity, character);
    entities.into_iter().fold(text.to_owned(), replace)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::Trust;
    use crate::transport::websocket::proxy::tests::proxy_to;

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_left_for_the_next_one() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = (open.local_addr().unwrap(), open);
        // The system drops what the queue of a listener does not hold.
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(1).unwrap();
        let address = full.local_addr().unwrap();
        let patience = Duration::from_millis(100);
        let mut waiting = Vec::new();
        let failure = loop {
            match first_of([address].into_iter(), patience).await {
                Ok(stream) => waiting.push(stream),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.to_string(), "no answer within 100 ms");
        let stream = first_of([address, open.0].into_iter(), patience).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), open.0);
    }

    /// Returns the error of a client that gets this answer.
    async fn told(answer: String) -> ConnectError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let endpoint = Endpoint {
            url: format!("ws://127.0.0.1:{port}/ws/demo/reader?token=secret"),
            below: "demo/reader".to_owned(),
            headers: HeaderMap::new(),
            trust: Trust::default(),
        };
        let error = connect(&endpoint).await.map(drop).unwrap_err();
        server.await.unwrap();
        error
    }

    #[tokio::test]
    async fn a_redirect_says_where_to() {
        for (location, address) in [
            (
                "https://broker.example.org/ws/demo/reader",
                "wss://broker.example.org/ws",
            ),
            (
                "https://ada:secret@broker.example.org:8443/new/demo/reader/?token=secret#secret",
                "wss://broker.example.org:8443/new",
            ),
            (
                "//broker.example.org/ws/demo/reader",
                "ws://broker.example.org/ws",
            ),
            (
                "https://login.example.org/?next=secret",
                "wss://login.example.org",
            ),
            ("/login/", "ws://127.0.0.1:PORT/login"),
        ] {
            let answer =
                format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let error = told(answer).await;
            let url = error.to_string();
            let port = url.split(['/', ':']).nth(4).unwrap_or_default().to_owned();
            let address = address.replace("PORT", &port);
            let ConnectError::Redirected {
                status: 302,
                location,
                ..
            } = &error
            else {
                panic!("{error:?}")
            };
            assert_eq!(*location, address);
            assert!(error.advice().unwrap().ends_with(&address), "{error}");
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_broker_is_reached_through_a_proxy() {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (proxy, asked) = proxy_to(behind.local_addr().unwrap()).await;
        let broker = tokio::spawn(async move {
            let (stream, _) = behind.accept().await.unwrap();
            drop(tokio_tungstenite::accept_async(stream).await.unwrap());
        });
        let endpoint = Endpoint {
            url: "ws://broker.test/ws".to_owned(),
            below: String::new(),
            headers: HeaderMap::new(),
            trust: Trust::default(),
        };
        let variables = |name: &str| (name == "http_proxy").then(|| proxy.clone());
        drop(connect_in(&endpoint, &variables).await.unwrap());
        broker.await.unwrap();
        let asked = asked.await.unwrap();
        assert!(
            asked.starts_with("CONNECT broker.test:80 HTTP/1.1\r\n"),
            "{asked}"
        );

        let socks = |name: &str| (name == "http_proxy").then(|| "socks5://h".to_owned());
        let error = connect_in(&endpoint, &socks).await.map(drop).unwrap_err();
        assert!(
            matches!(error, ConnectError::Proxy { status: None, .. }),
            "{error}"
        );
        assert!(error.advice().unwrap().contains("NO_PROXY"));
        assert!(
            error
                .to_string()
                .contains("the variable http_proxy is not a supported proxy")
        );
    }

    #[tokio::test]
    async fn every_refusal_has_advice() {
        for (status, words, advice) in [
            (301, "Moved Permanently", "to which the server redirects"),
            (400, "Bad Request", "check the topic, tenant, namespace"),
            (
                401,
                "Unauthorized",
                "check the login, which the broker does not accept",
            ),
            (403, "Forbidden", "to produce and consume"),
            (404, "Not Found", "check the tenant and the namespace"),
            (409, "Conflict", "--group NAME"),
            (429, "Too Many Requests", "fewer programs at once"),
            (500, "Internal Server Error", "the log of the broker"),
            (502, "Bad Gateway", "behind the proxy"),
            (503, "Service Unavailable", "try again later"),
            (504, "Gateway Timeout", "behind the proxy"),
        ] {
            let answer = format!("HTTP/1.1 {status} {words}\r\ncontent-length: 0\r\n\r\n");
            let error = told(answer).await;
            assert!(
                matches!(&error, ConnectError::Refused { status: told, reason, .. }
                    if *told == status && reason == words),
                "{error}"
            );
            assert!(!error.to_string().contains("secret"), "{error}");
            let given = error.advice().unwrap();
            assert!(given.contains(advice), "{status}: {given}");
        }
        let without_login = ConnectError::Refused {
            url: String::new(),
            status: 401,
            reason: String::new(),
            has_login: false,
        };
        let given = without_login.advice().unwrap();
        assert!(given.contains("log in with --token"), "{given}");
        let error = told("HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
        assert_eq!(error.advice(), None, "{error}");
        let error = told("SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
        assert!(matches!(error, ConnectError::Protocol { .. }), "{error}");
        assert!(error.advice().unwrap().contains("check the address"));
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.is::<Error>(), "{source:?}");
    }

    #[tokio::test]
    async fn the_error_of_the_operating_system_is_the_source() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let endpoint = Endpoint {
            url: format!("ws://127.0.0.1:{port}/ws"),
            below: String::new(),
            headers: HeaderMap::new(),
            trust: Trust::default(),
        };
        let error = connect(&endpoint).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        let refused = |error: &ConnectError| {
            let source = std::error::Error::source(error).unwrap();
            let source = source.downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
        };
        refused(&error);
        let copy = error.clone();
        assert_eq!(copy, error);
        drop(error);
        refused(&copy);
    }

    #[test]
    fn a_close_code_is_told_in_words() {
        let frame = |code: u16, reason: &str| CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        assert_eq!(closed(None), "closed by the broker");
        let large = closed(Some(&frame(1009, "Text message too large: 1048577")));
        assert!(
            large.contains("code 1009, the message is larger"),
            "{large}"
        );
        assert!(large.contains("lower max_payload_size"), "{large}");
        assert!(large.ends_with(": Text message too large: 1048577"));
        let idle = closed(Some(&frame(1001, "Connection Idle Timeout")));
        assert!(idle.contains("idle for too long"), "{idle}");
        let failed = closed(Some(&frame(1011, "")));
        assert!(failed.ends_with("(see its log)"), "{failed}");
        assert_eq!(
            closed(Some(&frame(4000, "why not"))),
            "closed by the broker with code 4000: why not"
        );
    }

    /// An error page of Apache Pulsar 4.0, shortened after the title.
    fn page(title: &str) -> Vec<u8> {
        let head = "<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>";
        format!("<html>\n<head>\n{head}\n<title>{title}</title>\n</head>\n</html>\n").into_bytes()
    }

    fn reason(status: u16, body: Vec<u8>) -> String {
        let response = Response::builder().status(status).body(Some(body));
        refusal(&response.unwrap())
    }

    #[test]
    fn the_message_of_a_page_of_pulsar_is_the_reason() {
        let taken = "Error 409 Failed to create producer/consumer: {&quot;errorMsg&quot;:&quot;Exclusive \
                     consumer is already connected&quot;,&quot;reqId&quot;:24, &quot;remote&quot;:&quot;\
                     127.0.0.1/127.0.0.1:6650&quot;}";
        let exclusive = "Exclusive consumer is already connected";
        assert_eq!(reason(409, page(taken)), exclusive);
        let terminated = "Error 503 Failed to create producer/consumer: {&quot;errorMsg&quot;:&quot;org.apache.\
                          pulsar.broker.service.BrokerServiceException$TopicTerminatedException: Topic was already \
                          terminated&quot;,&quot;reqId&quot;:2}";
        let words = "Topic was already terminated";
        assert_eq!(reason(503, page(terminated)), words);
        let late = "Error 504 Failed to create producer/consumer: request timeout {&apos;durationMs&apos;: \
                    &apos;30000&apos;, &apos;reqId&apos;:&apos;3&apos;}";
        assert_eq!(reason(504, page(late)), "request timeout");
        let invalid = "Error 500 java.lang.IllegalArgumentException: Invalid named entity: a b";
        assert_eq!(reason(500, page(invalid)), "Invalid named entity: a b");
        let negative = "Error 400 Invalid query params: receiverQueueSize needs to be &gt;= 0";
        let words = "Invalid query params: receiverQueueSize needs to be >= 0";
        assert_eq!(reason(400, page(negative)), words);
        let forbidden = page("Error 403 Not authorized");
        assert_eq!(reason(403, forbidden), "Not authorized");
        let parameters = "Invalid query params: Invalid subscriptionType x";
        let refused = page(&format!("Error 400 {parameters}"));
        assert_eq!(reason(400, refused), parameters);
    }

    #[test]
    fn a_text_is_the_reason_and_any_other_page_is_not() {
        assert_eq!(reason(401, b"log\nin\n".to_vec()), "log in");
        assert_eq!(reason(404, page("nginx")), "Not Found");
        assert_eq!(reason(404, page("Error 404")), "Not Found");
        let long = format!("Error 500 {}", "x".repeat(1000));
        assert_eq!(reason(500, page(&long)), "Internal Server Error");
        assert_eq!(reason(404, Vec::new()), "Not Found");
    }
}
