//! The replacement of TLS in programs without the feature `tls`.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_with_config};

use crate::transport::{Cause, TlsFault};

/// The trusted authorities: none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust(());

impl Trust {
    /// Fails, because this program cannot use certificates.
    pub(crate) fn add(&mut self, _pem: &[u8]) -> Result<(), String> {
        Err("this program is built without the feature \"tls\"".to_owned())
    }
}

/// Opens a WebSocket on a connection, unless the URL needs TLS.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    request: Request,
    stream: S,
    config: WebSocketConfig,
    _trust: &Trust,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error> {
    if request.uri().scheme_str() == Some("wss") {
        return Err(Error::Url(UrlError::TlsFeatureNotEnabled));
    }
    client_async_with_config(request, MaybeTlsStream::Plain(stream), Some(config)).await
}

/// Returns the connection below a stream.
pub(super) fn carrier<S>(stream: &MaybeTlsStream<S>) -> Option<&S> {
    match stream {
        MaybeTlsStream::Plain(stream) => Some(stream),
        _ => None,
    }
}

/// Returns the error itself, because no TLS is in use.
pub(super) fn cause(error: io::Error) -> Cause {
    Cause::new(error)
}

/// Returns `None`, because no TLS is in use.
pub(super) fn fault(_error: &io::Error) -> Option<(TlsFault, String)> {
    None
}
