//! TCP connections: their number, the time for their handshake, and their end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{self, IncomingStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::debug;

use crate::handshake::HttpSlot;
use crate::hub::Hub;
use crate::places::{Place, Places};
use crate::tls::{self, Tls};

/// The time after which a connection must be a WebSocket.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time in which a connection with requests of HTTP must send its next one, or read the answer.
pub(crate) const HTTP_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest number of connections that the broker reads on after the last frame to their peers.
const MAX_LINGERING: usize = 64;

/// The longest time and the largest number of bytes for reading on after the last frame to a peer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 64 * 1024 * 1024;

/// A listening socket with a limited number of connections that are not WebSockets: those in a handshake,
/// with a refused handshake, or with a request for `/health`.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    places: Arc<Places>,
    lingering: Arc<Semaphore>,
    tls: Option<Arc<Tls>>,
    hub: Arc<Hub>,
    shutdown: CancellationToken,
}

impl Listener {
    pub(crate) fn new(
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        hub: Arc<Hub>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            shutdown,
            listener,
            places: Places::new(hub.limits.max_handshakes),
            lingering: Arc::new(Semaphore::new(MAX_LINGERING)),
            tls,
            hub,
        }
    }
}

impl serve::Listener for Listener {
    type Io = tls::Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (tls::Stream, SocketAddr) {
        let (stream, address) = serve::Listener::accept(&mut self.listener).await;
        let local = stream.local_addr().map(|local| local.ip().to_canonical());
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%address, "cannot set TCP_NODELAY: {error}");
        }
        let connection = Connection {
            stream: Some(stream),
            handshake: Some(Handshake {
                deadline: Box::pin(sleep(HANDSHAKE_TIMEOUT)),
                place: Some(self.places.take(address.ip())),
                shutdown: self.shutdown.clone(),
                stopping: None,
            }),
            lingering: self.lingering.clone(),
            handle: ConnectionHandle {
                address,
                // If it is unknown, more is checked.
                is_local: local.map_or(true, |ip| ip.is_loopback()),
                flags: Arc::default(),
            },
        };
        let stream = tls::secure(connection, self.tls.as_ref(), &self.hub);
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What the handler of a request knows of its connection, and can change.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionHandle {
    pub(crate) address: SocketAddr,
    is_local: bool,
    flags: Arc<ConnectionFlags>,
}

#[derive(Debug, Default)]
struct ConnectionFlags {
    upgraded: AtomicBool,
    lingers_on_close: AtomicBool,
    lacks_tls: AtomicBool,
    /// The number of requests of HTTP that run.
    requests: AtomicUsize,
    /// The place of a connection that has sent a request of HTTP.
    http: OnceLock<HttpSlot>,
    traffic: Arc<Traffic>,
}

/// The bytes that a connection has read and written. One task changes them, so they cost little.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    read: AtomicU64,
    written: AtomicU64,
}

impl Traffic {
    /// Returns the bytes read and the bytes written.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.written.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl ConnectionHandle {
    /// Marks the connection as a WebSocket, which has no deadline.
    pub(crate) fn set_upgraded(&self) {
        self.flags.upgraded.store(true, Ordering::Relaxed);
    }

    /// Notes a request of HTTP, whose answer may take as long as it likes. The connection has a slot of its own
    /// from its first request on.
    ///
    /// # Errors
    /// Those of `slot`.
    pub(crate) fn begin_request<E>(
        &self,
        slot: impl FnOnce() -> Result<HttpSlot, E>,
    ) -> Result<RunningRequest, E> {
        if self.flags.http.get().is_none() {
            // A connection has one request at a time.
            let _ = self.flags.http.set(slot()?);
        }
        self.flags.requests.fetch_add(1, Ordering::Relaxed);
        Ok(RunningRequest(self.flags.clone()))
    }

    #[cfg(feature = "tls")]
    pub(crate) fn is_upgraded(&self) -> bool {
        self.flags.upgraded.load(Ordering::Relaxed)
    }

    /// Marks a connection whose peer speaks no TLS with a broker that wants it.
    #[cfg(feature = "tls")]
    pub(crate) fn set_lacks_tls(&self) {
        self.flags.lacks_tls.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lacks_tls(&self) -> bool {
        self.flags.lacks_tls.load(Ordering::Relaxed)
    }

    /// Returns whether the peer connects to an address that only this machine has.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        self.flags.traffic.clone()
    }

    /// Makes the broker read on for a while when it drops the connection.
    ///
    /// If a socket with unread data is closed, the system resets the connection. The peer may then
    /// never receive the last frame, which contains the reason.
    pub(crate) fn linger_on_close(&self) {
        self.flags.lingers_on_close.store(true, Ordering::Relaxed);
    }
}

/// A request of HTTP that runs. While it does, its connection has no deadline.
#[derive(Debug)]
pub(crate) struct RunningRequest(Arc<ConnectionFlags>);

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Listener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().handle().clone()
    }
}

/// One connection, below TLS.
#[derive(Debug)]
pub(crate) struct Connection {
    /// `None` only during the drop.
    stream: Option<TcpStream>,
    /// `None` as soon as the connection is a WebSocket.
    handshake: Option<Handshake>,
    lingering: Arc<Semaphore>,
    handle: ConnectionHandle,
}

/// The limits of a connection that is not a WebSocket yet.
#[derive(Debug)]
struct Handshake {
    deadline: Pin<Box<Sleep>>,
    /// `None` as soon as the connection has a slot for requests of HTTP.
    place: Option<Place>,
    shutdown: CancellationToken,
    /// The end of the broker, for a connection with requests of HTTP.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Handshake {
    /// Gives a connection with requests of HTTP more time.
    fn restart(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + HTTP_TIMEOUT);
    }
}

impl Connection {
    pub(crate) fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// Returns the first byte that waits to be read, or `None` at the end.
    #[cfg(feature = "tls")]
    pub(crate) fn poll_first_byte(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        self.check_handshake(cx)?;
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        ready!(self.stream()?.poll_peek(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().first().copied()))
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ends a connection that has not become a WebSocket in time, or has lost its place to another one.
    fn check_handshake(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(handshake) = &mut self.handshake else {
            return Ok(());
        };
        if self.handle.flags.upgraded.load(Ordering::Relaxed) {
            self.handshake = None;
            return Ok(());
        }
        if self.handle.flags.http.get().is_some() {
            handshake.place = None;
            let shutdown = &handshake.shutdown;
            let stopping = handshake
                .stopping
                .get_or_insert_with(|| Box::pin(shutdown.clone().cancelled_owned()));
            if stopping.as_mut().poll(cx).is_ready() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if self.handle.flags.requests.load(Ordering::Relaxed) > 0 {
                handshake.restart();
                return Ok(());
            }
        }
        if handshake.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if let Some(place) = &handshake.place
            && place.is_lost(cx.waker())
        {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn count_written(&mut self, bytes: usize) -> usize {
        if let Some(handshake) = &mut self.handshake
            && handshake.place.is_none()
        {
            handshake.restart();
        }
        self.handle.flags.traffic.add_written(bytes);
        bytes
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_handshake(cx)?;
        let before = buf.filled().len();
        ready!(self.stream()?.poll_read(cx, buf))?;
        self.handle
            .flags
            .traffic
            .add_read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_handshake(cx)?;
        let written = ready!(self.stream()?.poll_write(cx, buf))?;
        Poll::Ready(Ok(self.count_written(written)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_handshake(cx)?;
        let written = ready!(self.stream()?.poll_write_vectored(cx, bufs))?;
        Poll::Ready(Ok(self.count_written(written)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.handle.flags.lingers_on_close.load(Ordering::Relaxed) {
            return;
        }
        let place = self.lingering.clone().try_acquire_owned();
        if let (Some(stream), Ok(place), Ok(runtime)) =
            (self.stream.take(), place, Handle::try_current())
        {
            runtime.spawn(async move {
                // The connection ends in any case, so errors do not matter.
                let _ = timeout(LINGER_TIMEOUT, drain(stream)).await;
                drop(place);
            });
        }
    }
}

/// Closes the sending half, and reads until the peer closes its own.
async fn drain(mut stream: TcpStream) -> io::Result<u64> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use axum::serve::Listener as _;

    fn listener(listener: TcpListener, max_handshakes: usize) -> Listener {
        let limits = Limits {
            max_handshakes,
            ..Limits::default()
        };
        let hub = Arc::new(Hub::new(limits));
        Listener::new(listener, None, hub, CancellationToken::new())
    }

    async fn connection() -> (TcpStream, tls::Stream) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(socket.local_addr().unwrap())
            .await
            .unwrap();
        let (connection, address) = listener(socket, 1).accept().await;
        assert_eq!(address, peer.local_addr().unwrap());
        (peer, connection)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_handshake_ends() {
        let (_peer, mut connection) = connection().await;
        let started = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // The timer of Tokio counts whole milliseconds.
        assert_eq!(started.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_has_no_more_time() {
        let (_peer, mut connection) = connection().await;
        let started = Instant::now();
        let error = loop {
            if let Err(error) = connection.write_all(&[0; 65_536]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn a_new_connection_ends_the_oldest_that_is_no_websocket() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut listener = listener(socket, 2);
        let mut accept = async || {
            let peer = TcpStream::connect(address).await.unwrap();
            (peer, listener.accept().await.0)
        };
        let (mut upgraded_peer, mut upgraded) = accept().await;
        upgraded.handle().set_upgraded();
        upgraded_peer.write_u8(1).await.unwrap();
        assert_eq!(upgraded.read_u8().await.unwrap(), 1);
        let (_first_peer, mut first) = accept().await;
        let (mut second_peer, mut second) = accept().await;
        let waiting = tokio::spawn(async move { first.read_u8().await });
        let _third = accept().await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        for (peer, connection) in [
            (&mut upgraded_peer, &mut upgraded),
            (&mut second_peer, &mut second),
        ] {
            peer.write_u8(7).await.unwrap();
            assert_eq!(connection.read_u8().await.unwrap(), 7);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_long_and_the_next_one_may_not() {
        let (mut peer, mut connection) = connection().await;
        let slot = || Ok::<_, ()>(HttpSlot::for_tests());
        let running = connection.handle().begin_request(slot).unwrap();
        let waiting = timeout(HTTP_TIMEOUT * 10, connection.read_u8()).await;
        assert!(waiting.is_err());
        drop(running);
        // The answer is a use of the connection.
        connection.write_u8(7).await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), 7);
        let answered = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(answered.elapsed().as_secs(), HTTP_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_may_stay() {
        let (mut peer, mut connection) = connection().await;
        connection.handle().set_upgraded();
        assert!(
            timeout(HANDSHAKE_TIMEOUT * 2, connection.read_u8())
                .await
                .is_err()
        );
        peer.write_u8(7).await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_peer_with_unread_data_gets_the_last_word() {
        let (mut peer, mut connection) = connection().await;
        peer.write_all(&[0; 100_000]).await.unwrap();
        connection.write_all(b"too much").await.unwrap();
        connection.handle().linger_on_close();
        drop(connection);
        peer.shutdown().await.unwrap();
        let mut last = String::new();
        peer.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "too much");
    }
}
