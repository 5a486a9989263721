//! Counts the bytes of a connection, below TLS and WebSocket.

mod read;
mod write;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::tls;

/// The number of bytes that a connection has read and written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::transport) struct Traffic {
    pub(in crate::transport) read: u64,
    pub(in crate::transport) written: u64,
}

/// A connection whose bytes are counted. A large frame may take minutes, and its bytes show all the
/// time that the broker lives.
pub(in crate::transport) trait HasTraffic {
    fn traffic(&self) -> Traffic;
}

/// A byte stream that counts.
#[derive(Debug)]
pub(in crate::transport) struct Counted<S> {
    stream: S,
    traffic: Traffic,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            traffic: Traffic::default(),
        }
    }
}

impl<S> HasTraffic for Counted<S> {
    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl<S> HasTraffic for MaybeTlsStream<Counted<S>> {
    fn traffic(&self) -> Traffic {
        tls::carrier(self).map_or(Traffic::default(), HasTraffic::traffic)
    }
}

impl<S: AsyncRead + AsyncWrite + HasTraffic + Unpin> HasTraffic for WebSocketStream<S> {
    fn traffic(&self) -> Traffic {
        self.get_ref().traffic()
    }
}
