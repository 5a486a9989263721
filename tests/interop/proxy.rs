//! A proxy between a module and a broker that can lose acknowledgements and cut connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Forwards the frames between a module and a broker, and can hold back acknowledgements.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// Whether the proxy forwards the frames of the consumer of the topic.
    passes: watch::Sender<bool>,
    /// The open connections.
    current: watch::Sender<Connections>,
    /// The bytes that the broker sent to the consumer of the topic.
    delivered: Arc<Mutex<Vec<u8>>>,
    /// How often the proxy has forwarded frames of the consumer of the topic.
    forwarded: watch::Sender<usize>,
}

/// Connections that are cut together.
#[derive(Clone, Default)]
struct Connections {
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    /// Starts a proxy between the base URL of a broker and the consumer of a topic.
    pub(crate) async fn start(broker_url: &str, topic: &str) -> Self {
        Self::with_links(broker_url, topic, true).await
    }

    /// Starts a proxy that removes the question for a link, so that the consumer has its own
    /// WebSocket.
    pub(crate) async fn start_without_links(broker_url: &str, topic: &str) -> Self {
        Self::with_links(broker_url, topic, false).await
    }

    async fn with_links(broker_url: &str, topic: &str, links: bool) -> Self {
        let broker = broker_url.trim_start_matches("ws://").split('/').next();
        let broker = broker.unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passes, passing) = watch::channel(true);
        let (current, connections) = watch::channel(Connections::default());
        // The path of a consumer is the topic and the name of the subscription.
        let reader = Reader {
            consumer: format!("GET /ws/{topic}/"),
            link: format!("GET /ws/{topic}?"),
            links,
        };
        let delivered = Arc::<Mutex<Vec<u8>>>::default();
        let record = Arc::clone(&delivered);
        let forwarded = watch::Sender::new(0);
        let count = forwarded.clone();
        tokio::spawn(async move {
            while let Ok((module, _)) = listener.accept().await {
                let broker = TcpStream::connect(broker.clone()).await.unwrap();
                let (reader, record) = (reader.clone(), Arc::clone(&record));
                let count = count.clone();
                let connection = pass(module, broker, reader, passing.clone(), record, count);
                let Connections { cut, tasks } = connections.borrow().clone();
                tasks.spawn(async move { cut.run_until_cancelled(connection).await });
            }
        });
        Self {
            address,
            passes,
            current,
            delivered,
            forwarded,
        }
    }

    /// Returns the number of requests that the broker sent to the consumer of the topic.
    pub(crate) fn requests(&self) -> usize {
        let delivered = self.delivered.lock().unwrap();
        // Frames of a broker are not masked. Some brokers write a space after a colon.
        let text = String::from_utf8_lossy(&delivered).replace(": ", ":");
        text.matches(r#""messageType":"request""#).count()
    }

    /// Returns the base URL for the module.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Waits until the proxy has forwarded an acknowledgement of the consumer of the topic.
    pub(crate) async fn first_acknowledgement(&self) {
        let mut forwarded = self.forwarded.subscribe();
        forwarded.wait_for(|count| *count > 0).await.unwrap();
    }

    /// Holds back the frames of the consumer of the topic from now on.
    pub(crate) fn hold_acknowledgements(&self) {
        self.passes.send_replace(false);
    }

    /// Cuts all connections, and drops the frames that were held back. New connections forward all
    /// frames.
    pub(crate) async fn cut(&self) {
        let Connections { cut, tasks } = self.current.send_replace(Connections::default());
        cut.cancel();
        tasks.close();
        tasks.wait().await;
        self.passes.send_replace(true);
    }
}

/// The header that asks for a link, and one of the same length that means nothing.
const LINK: &[u8] = b"dasf-link: 1";
const NO_LINK: &[u8] = b"dasf-none: 1";

/// How the handshake of a connection begins that reads the topic.
#[derive(Clone)]
struct Reader {
    consumer: String,
    /// A link that was lost comes back with the path of a producer.
    link: String,
    /// Whether the connection may be a link.
    links: bool,
}

impl Reader {
    /// Returns whether the connection of a handshake reads the topic. Removes the question for a link
    /// if there must be none.
    fn takes(&self, handshake: &mut [u8]) -> bool {
        let question = handshake.windows(LINK.len()).position(|it| it == LINK);
        if let Some(start) = question.filter(|_| !self.links) {
            handshake[start..start + LINK.len()].copy_from_slice(NO_LINK);
        }
        let is_link = self.links && question.is_some();
        handshake.starts_with(self.consumer.as_bytes())
            || (is_link && handshake.starts_with(self.link.as_bytes()))
    }
}

async fn pass(
    mut module: TcpStream,
    mut broker: TcpStream,
    reader: Reader,
    mut passing: watch::Receiver<bool>,
    delivered: Arc<Mutex<Vec<u8>>>,
    forwarded: watch::Sender<usize>,
) {
    let (mut from_module, mut to_module) = module.split();
    let (mut from_broker, mut to_broker) = broker.split();
    let mut buffer = vec![0; 64 << 10];
    let Ok(size) = from_module.read(&mut buffer).await else {
        return;
    };
    let is_reader = reader.takes(&mut buffer[..size]);
    if to_broker.write_all(&buffer[..size]).await.is_err() {
        return;
    }
    let upstream = async {
        while let Ok(size @ 1..) = from_module.read(&mut buffer).await {
            if is_reader && passing.wait_for(|passes| *passes).await.is_err() {
                return;
            }
            if to_broker.write_all(&buffer[..size]).await.is_err() {
                return;
            }
            if is_reader {
                forwarded.send_modify(|count| *count += 1);
            }
        }
    };
    let downstream = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(size @ 1..) = from_broker.read(&mut buffer).await {
            if is_reader {
                delivered.lock().unwrap().extend_from_slice(&buffer[..size]);
            }
            if to_module.write_all(&buffer[..size]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = upstream => {}
        () = downstream => {}
    }
}
