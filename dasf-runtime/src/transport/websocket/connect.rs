//! Opening a WebSocket.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{SplitSink, SplitStream};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::address::Endpoint;
use crate::transport::ConnectError;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(super) type Sink = SplitSink<Socket, Message>;
pub(super) type Stream = SplitStream<Socket>;

/// How long a handshake may take: Pulsar answers it only when the topic is ready, which takes its
/// time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest frame taken from a broker: brokers hand on frames of about 1 MB, some are set
/// higher.
const MAX_FRAME_SIZE: usize = 16 << 20;
/// How much of a broker's explanation is kept.
const MAX_REASON_LENGTH: usize = 300;

/// Connects, and returns the two halves of the socket.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<(Sink, Stream), ConnectError> {
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
        Ok(Ok((socket, _))) => Ok(socket.split()),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(ConnectError::Timeout {
            url: endpoint.to_string(),
            after: HANDSHAKE_TIMEOUT,
        }),
    }
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

/// What the broker wrote below its status, where that is a short text and no page; else the status
/// in words.
fn refusal(response: &Response<Option<Vec<u8>>>) -> String {
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
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
