//! Counts the bytes of a connection, below TLS and WebSocket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.traffic.read += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.traffic.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.traffic.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
