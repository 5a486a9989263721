//! A line between a client and a broker that can drop frames of the broker, and be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dasf::protocol::link::{self, FrameKind, Header};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_util::sync::CancellationToken;

/// Forwards WebSockets to a broker.
pub(crate) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether a client may have a link, if the broker offers one.
    offers_links: bool,
    drops_receipts: AtomicBool,
    drops_messages: AtomicBool,
    /// How many receipts went on.
    receipts: watch::Sender<usize>,
    /// How many messages were dropped.
    dropped: watch::Sender<usize>,
    /// Whether new connections are refused.
    is_closed: AtomicBool,
    connections: Mutex<Connections>,
}

/// Connections that are cut together.
#[derive(Default)]
struct Connections {
    cut: CancellationToken,
    tasks: JoinSet<()>,
}

impl Line {
    /// Starts a line to the broker on a socket. Without links, each topic has its own WebSocket.
    pub(crate) async fn start(broker: SocketAddr, offers_links: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            offers_links,
            ..Shared::default()
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !accepting.is_closed.load(Ordering::SeqCst) {
                    let mut connections = accepting.connections();
                    let cut = connections.cut.clone();
                    let connection = pass(client, broker, Arc::clone(&accepting), cut);
                    connections.tasks.spawn(connection);
                }
            }
        });
        Self { address, shared }
    }

    /// Returns the base URL for the client.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Drops the receipts of the broker from now on.
    pub(crate) fn drop_receipts(&self) {
        self.shared.drops_receipts.store(true, Ordering::SeqCst);
    }

    /// Drops the messages of the broker from now on.
    pub(crate) fn drop_messages(&self) {
        self.shared.drops_messages.store(true, Ordering::SeqCst);
    }

    /// Changes when a receipt of the broker has gone on.
    pub(crate) fn receipts(&self) -> watch::Receiver<usize> {
        self.shared.receipts.subscribe()
    }

    /// Changes when a message of the broker is dropped.
    pub(crate) fn dropped_messages(&self) -> watch::Receiver<usize> {
        self.shared.dropped.subscribe()
    }

    /// Cuts all connections, and refuses new ones. The clients have read all that went on before.
    pub(crate) async fn cut(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        let connections = std::mem::take(&mut *self.shared.connections());
        connections.cut.cancel();
        connections.tasks.join_all().await;
    }

    /// Accepts connections again, and forwards everything.
    pub(crate) fn mend(&self) {
        self.shared.drops_receipts.store(false, Ordering::SeqCst);
        self.shared.drops_messages.store(false, Ordering::SeqCst);
        self.shared.is_closed.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a frame of the broker goes on.
    fn passes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Receipt => !self.drops_receipts.load(Ordering::SeqCst),
            Kind::Message => !self.drops_messages.load(Ordering::SeqCst),
            Kind::Other => true,
        }
    }
}

/// The kind of a frame of the broker.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Receipt,
    Message,
    Other,
}

impl Kind {
    fn of(frame: &Message) -> Self {
        match frame {
            Message::Text(text) if text.contains("\"result\"") => Self::Receipt,
            Message::Text(text) if text.contains("\"properties\"") => Self::Message,
            Message::Binary(bytes) => match Header::read(bytes).map(|(header, _)| header.kind) {
                Ok(FrameKind::Accepted) => Self::Receipt,
                Ok(FrameKind::Message) => Self::Message,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Returns the run of a broker; `None` if it does not run.
async fn run_of(broker: SocketAddr) -> Option<HeaderValue> {
    let mut request = format!("ws://{broker}/ws/line")
        .into_client_request()
        .unwrap();
    let version = HeaderValue::from_static(link::VERSION);
    request.headers_mut().insert(link::HEADER, version);
    let (_, response) = tokio_tungstenite::connect_async(request).await.ok()?;
    response.headers().get(link::RUN).cloned()
}

async fn pass(client: TcpStream, broker: SocketAddr, shared: Arc<Shared>, cut: CancellationToken) {
    // The answer to the client comes before that of the broker.
    let Some(run) = run_of(broker).await else {
        return;
    };
    let mut question = None;
    let mut path = String::new();
    #[allow(clippy::result_large_err)] // the signature of the callback
    let answer = |request: &Request, mut response: Response| {
        path = request.uri().to_string();
        let asked = request.headers().get(link::HEADER).cloned();
        question = asked.filter(|_| shared.offers_links);
        if question.is_some() {
            let version = HeaderValue::from_static(link::VERSION);
            response.headers_mut().insert(link::HEADER, version);
            response.headers_mut().insert(link::RUN, run);
        }
        Ok(response)
    };
    let accepted = tokio_tungstenite::accept_hdr_async(client, answer).await;
    let Ok(client) = accepted else { return };
    let mut request = format!("ws://{broker}{path}")
        .into_client_request()
        .unwrap();
    if let Some(question) = question {
        request.headers_mut().insert(link::HEADER, question);
    }
    let Ok((broker, _)) = tokio_tungstenite::connect_async(request).await else {
        return;
    };
    let (mut to_client, mut from_client) = client.split();
    let (mut to_broker, mut from_broker) = broker.split();
    let upstream = async {
        while let Some(Ok(frame)) = from_client.next().await {
            if to_broker.send(frame).await.is_err() {
                return;
            }
        }
    };
    let downstream = async {
        while let Some(Ok(frame)) = from_broker.next().await {
            let kind = Kind::of(&frame);
            let passes = shared.passes(kind);
            if passes && to_client.send(frame).await.is_err() {
                return;
            }
            match kind {
                Kind::Receipt if passes => shared.receipts.send_modify(|count| *count += 1),
                Kind::Message if !passes => shared.dropped.send_modify(|count| *count += 1),
                _ => {}
            }
        }
    };
    tokio::select! {
        () = upstream => return,
        () = downstream => return,
        () = cut.cancelled() => {}
    }
    // If the socket closed with frames of the client in it, the client would lose frames that it has not read.
    let Ok(mut client) = to_client.reunite(from_client) else {
        return;
    };
    let client = client.get_mut();
    let mut unread = [0; 4096];
    if client.shutdown().await.is_ok() {
        while let Ok(1..) = client.read(&mut unread).await {}
    }
}
