//! A connection with TLS, from its first byte on.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::{AlertDescription, Error as TlsError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};
use tracing::info;

use super::Tls;
use crate::hub::Hub;
use crate::listener::{Connection, ConnectionHandle};
use crate::log::Line;

/// The first byte of a peer that speaks TLS.
const TLS_HANDSHAKE: u8 = 22;

/// A connection, with TLS if the broker has a certificate. The handshake of TLS takes place when the
/// connection is read first, so it counts for the deadline and the place of the connection, and nobody
/// else waits for it.
pub(crate) struct Stream {
    handle: ConnectionHandle,
    state: State,
}

enum State {
    Plain(Connection),
    /// The peer has sent nothing. `None` only while the state changes.
    Silent(Option<Silent>),
    Handshake(Box<Accept<Connection>>, Arc<Hub>),
    Secured(Box<TlsStream<Connection>>),
    Failed,
}

struct Silent {
    connection: Connection,
    tls: Arc<Tls>,
    hub: Arc<Hub>,
}

/// Makes the stream of a connection.
pub(crate) fn secure(connection: Connection, tls: Option<&Arc<Tls>>, hub: &Arc<Hub>) -> Stream {
    Stream {
        handle: connection.handle().clone(),
        state: match tls {
            None => State::Plain(connection),
            Some(tls) => State::Silent(Some(Silent {
                connection,
                tls: tls.clone(),
                hub: hub.clone(),
            })),
        },
    }
}

impl Stream {
    pub(crate) fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// Waits until the handshake of TLS is over.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.state = match &mut self.state {
                State::Plain(_) | State::Secured(_) => return Poll::Ready(Ok(())),
                State::Silent(silent) => {
                    let first = match silent {
                        Some(silent) => ready!(silent.connection.poll_first_byte(cx))?,
                        None => None,
                    };
                    match silent.take() {
                        None => State::Failed,
                        Some(silent) if first == Some(TLS_HANDSHAKE) => {
                            let acceptor = TlsAcceptor::from(silent.tls.config());
                            let accept = acceptor.accept(silent.connection);
                            State::Handshake(Box::new(accept), silent.hub)
                        }
                        Some(silent) => {
                            // The answer to the request tells the peer what it lacks.
                            self.handle.set_lacks_tls();
                            State::Plain(silent.connection)
                        }
                    }
                }
                State::Handshake(accept, hub) => match ready!(Pin::new(accept).poll(cx)) {
                    Ok(stream) => State::Secured(Box::new(stream)),
                    Err(error) => {
                        if hub.log.allows(Line::HandshakeRefused) {
                            let address = self.handle.address;
                            let advice = advice(&error);
                            info!(%address, "the TLS handshake failed: {error}{advice}");
                        }
                        self.state = State::Failed;
                        return Poll::Ready(Err(error));
                    }
                },
                State::Failed => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
        }
    }

    /// Returns the connection after its handshake, and how it is read and written.
    fn ready(&mut self) -> io::Result<Pin<&mut dyn Io>> {
        match &mut self.state {
            State::Plain(connection) => Ok(Pin::new(connection)),
            State::Secured(stream) => Ok(Pin::new(&mut **stream)),
            State::Silent(_) | State::Handshake(..) | State::Failed => {
                Err(io::ErrorKind::NotConnected.into())
            }
        }
    }
}

/// What can be read and written.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// Explains the failures that an administrator can mend.
fn advice(error: &io::Error) -> &'static str {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    match error {
        Some(TlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        )) => {
            "; the peer does not accept the certificate of the broker: give the peer the certificate of \
             its authority, as with --ca-file, and use a name that the certificate contains"
        }
        _ => "",
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let State::Plain(connection) = &mut self.state {
            return Pin::new(connection).poll_read(cx, buf);
        }
        ready!(self.poll_ready(cx))?;
        match ready!(self.ready()?.poll_read(cx, buf)) {
            // As without TLS, the connection is at its end. Frames know where they end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let State::Plain(connection) = &mut self.state {
            return Pin::new(connection).poll_write(cx, buf);
        }
        ready!(self.poll_ready(cx))?;
        self.ready()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(connection) => Pin::new(connection).poll_flush(cx),
            State::Secured(stream) => Pin::new(stream).poll_flush(cx),
            // The handshake writes by itself.
            State::Silent(_) | State::Handshake(..) | State::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = match &mut self.state {
            State::Plain(connection) => Some(connection),
            State::Secured(stream) => return Pin::new(stream).poll_shutdown(cx),
            State::Silent(silent) => silent.as_mut().map(|silent| &mut silent.connection),
            State::Handshake(accept, _) => accept.get_mut(),
            State::Failed => None,
        };
        match connection {
            Some(connection) => Pin::new(connection).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let State::Plain(connection) = &mut self.state {
            return Pin::new(connection).poll_write_vectored(cx, bufs);
        }
        ready!(self.poll_ready(cx))?;
        self.ready()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// Ends the session of a WebSocket, if that needs no wait. So the peer sees that nothing is cut off.
impl Drop for Stream {
    fn drop(&mut self) {
        if let State::Secured(stream) = &mut self.state
            && self.handle.is_upgraded()
        {
            let mut cx = Context::from_waker(Waker::noop());
            // The connection ends in any case.
            let _ = Pin::new(stream).poll_shutdown(&mut cx);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::serve::Listener as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{Instant, timeout};

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::limits::Limits;
    use crate::listener::{HANDSHAKE_TIMEOUT, Listener};
    use crate::tls::tests::write_certificate;

    /// Returns how long a peer is waited for that sends these bytes and stops.
    async fn patience_with(bytes: &[u8]) -> Duration {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write_certificate(folder.path());
        let tls = Arc::new(Tls::load(certificate, key).unwrap());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let hub = Arc::new(Hub::new(Limits::default()));
        let mut listener = Listener::new(socket, Some(tls), hub, CancellationToken::new());
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(bytes).await.unwrap();
        // The listener does not wait for the peer.
        let accepting = timeout(HANDSHAKE_TIMEOUT / 2, listener.accept());
        let (mut stream, _) = accepting.await.unwrap();
        let started = Instant::now();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_of_tls_has_the_time_of_any_handshake() {
        // Nothing, and the first bytes of a message of 512 bytes.
        for bytes in [&[][..], &[TLS_HANDSHAKE, 3, 1, 2, 0, 1]] {
            let patience = patience_with(bytes).await;
            assert_eq!(patience.as_secs(), HANDSHAKE_TIMEOUT.as_secs(), "{bytes:?}");
        }
    }
}
