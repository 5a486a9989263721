//! Opening a WebSocket.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::Endpoint;
use crate::transport::ConnectError;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(in crate::transport) type Sink = SplitSink<Socket, Message>;
pub(in crate::transport) type Stream = SplitStream<Socket>;

/// How long a handshake may take: Pulsar answers it only when the topic is ready, which takes its
/// time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest frame taken from a broker: brokers hand on frames of about 1 MB, some are set
/// higher.
pub(in crate::transport) const MAX_FRAME_SIZE: usize = 16 << 20;
/// How much of a broker's explanation is kept.
const MAX_REASON_LENGTH: usize = 300;

/// A connection that the broker has accepted.
pub(in crate::transport) struct Opened {
    pub(in crate::transport) sink: Sink,
    pub(in crate::transport) stream: Stream,
    /// Those with which the broker accepted it.
    pub(in crate::transport) headers: HeaderMap,
}

/// Connects.
pub(in crate::transport) async fn connect(endpoint: &Endpoint) -> Result<Opened, ConnectError> {
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
        .max_message_size(Some(MAX_FRAME_SIZE))
        .max_frame_size(Some(MAX_FRAME_SIZE));
    let no_delay = true;
    #[cfg(feature = "tls")]
    let handshake = {
        let connector = super::tls::connector().map_err(|reason| {
            let url = endpoint.to_string();
            ConnectError::Unreachable { url, reason }
        })?;
        let connector = Some(connector);
        tokio_tungstenite::connect_async_tls_with_config(request, Some(config), no_delay, connector)
    };
    #[cfg(not(feature = "tls"))]
    let handshake = tokio_tungstenite::connect_async_with_config(request, Some(config), no_delay);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok((socket, response))) => {
            let (sink, stream) = socket.split();
            Ok(Opened {
                sink,
                stream,
                headers: response.into_parts().0.headers,
            })
        }
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(ConnectError::Timeout {
            url: endpoint.to_string(),
            after: HANDSHAKE_TIMEOUT,
        }),
    }
}

/// Says goodbye, and closes the socket.
pub(super) async fn close(mut sink: Sink, goodbye: Option<Message>) -> Result<(), Error> {
    if let Some(goodbye) = goodbye {
        sink.send(goodbye).await?;
    }
    sink.close().await
}

fn explain(endpoint: &Endpoint, error: Error) -> ConnectError {
    let url = endpoint.to_string();
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            ConnectError::Refused {
                url,
                status,
                reason: refusal(&response),
            }
        }
        Error::Io(error) => ConnectError::Unreachable {
            url,
            reason: io_reason(&error),
        },
        Error::Url(UrlError::UnableToConnect(_)) => ConnectError::Unreachable {
            url,
            reason: "no address of the host answers".to_owned(),
        },
        Error::Tls(error) => ConnectError::Unreachable {
            url,
            reason: error.to_string(),
        },
        error => ConnectError::Protocol {
            url,
            reason: error.to_string(),
        },
    }
}

/// What the operating system said, without its error number.
fn io_reason(error: &std::io::Error) -> String {
    let reason = error.to_string();
    match reason.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => reason,
    }
}

/// What the broker wrote below its status, where that is a short text or a page of Pulsar's; else
/// the status in words.
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

/// The message on a page of Pulsar's web server: its title, without what only machines read.
fn pulsar_message(page: &str) -> Option<String> {
    let (_, title) = page.split_once("<title>Error ")?;
    let (title, _) = title.split_once("</title>")?;
    let (_, message) = title.split_once(' ')?;
    let message = message.replace("&quot;", "\"");
    let message = match message.split_once("\"errorMsg\":\"") {
        Some((_, reason)) => reason.split('"').next().unwrap_or_default(),
        None => message.as_str(),
    };
    let is_short = !message.is_empty() && message.len() <= MAX_REASON_LENGTH;
    is_short.then(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an Apache Pulsar 4.0 answers, shortened behind the title.
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
