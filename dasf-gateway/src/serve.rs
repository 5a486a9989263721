//! Serving a gateway on a port of its own, with limits for its connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::{self, IncomingStream};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::gateway::{Gateway, Shared};

/// How long a connection without a request may take for its next one, and how long a peer may not read.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long connections may take to end after the gateway was told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How many connections may wait until they are accepted, if the system allows as many. The default of 128 is too low
/// for many callers at once: the system refuses those that do not fit.
const BACKLOG: i32 = 4096;

impl Gateway {
    /// Serves the gateway on a socket, until `shutdown` is ready. Further connections than
    /// [`max_connections`](crate::Options::max_connections) wait for their turn.
    ///
    /// On an address that only this machine has, requests must use a name of this machine. So a web page whose
    /// name leads here cannot call anything.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use dasf_gateway::{Gateway, Options};
    /// use dasf_runtime::Address;
    ///
    /// let address = Address::websocket("wss://broker.example.org/ws")?;
    /// let gateway = Gateway::new(address, Options::default())?;
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8090").await?;
    /// gateway.serve(listener, std::future::pending()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The error of the socket, if it has one.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        SockRef::from(&listener).listen(BACKLOG)?;
        let shared = Arc::clone(&self.shared);
        let listener = Listener {
            listener,
            places: Arc::new(Semaphore::new(shared.options.max_connections)),
        };
        let router: Router = self.router().layer(from_fn_with_state(shared, admit));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
            shutdown.await;
            let _ = stopping.send(());
        });
        tokio::select! {
            served = serving.into_future() => served,
            () = async {
                // An error says that the server has ended.
                let _ = stopped.await;
                sleep(SHUTDOWN_TIMEOUT).await;
            } => Ok(()),
        }
    }
}

/// Lets a request pass that comes by a right name, and counts it for its connection.
async fn admit(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_local
        && let Err(problem) = shared.check_name(request.headers())
    {
        return problem.into_response();
    }
    let _busy = Busy::begin(peer.requests);
    next.run(request).await
}

/// A request that runs.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn begin(requests: Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(requests)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a request knows of its connection.
#[derive(Debug, Clone)]
struct Peer {
    is_local: bool,
    /// The number of requests that run.
    requests: Arc<AtomicUsize>,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().peer.clone()
    }
}

/// A listening socket with a limited number of connections.
struct Listener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = serve::Listener::accept(&mut self.listener).await;
        // An answer should not wait for further bytes. Without this, it only comes later.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().map(|local| local.ip().to_canonical());
        let connection = Connection {
            stream,
            peer: Peer {
                // If it is unknown, more is checked.
                is_local: local.map_or(true, |ip| ip.is_loopback()),
                requests: Arc::default(),
            },
            deadline: Box::pin(sleep(IDLE_TIMEOUT)),
            _place: place,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends if its peer sends no request, or reads no answer.
struct Connection {
    stream: TcpStream,
    peer: Peer,
    /// When the connection ends, unless a request runs.
    deadline: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.peer.requests.load(Ordering::Relaxed) > 0 {
            self.restart();
            return Ok(());
        }
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn restart(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, buffer))?;
        self.restart();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, buffers))?;
        self.restart();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
