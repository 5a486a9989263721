//! A line to a Mosquitto that can be cut.

use dasf::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::brokers::mosquitto::Mosquitto;

/// Forwards the connections to a broker, until the test cuts them.
pub(crate) struct Line {
    port: u16,
    /// Changes when all connections end.
    cut: watch::Sender<()>,
    shared: watch::Sender<Flags>,
    /// How often the broker reported that nobody reads a topic.
    unread: watch::Sender<usize>,
    /// How often bytes of the broker were dropped.
    dropped: watch::Sender<usize>,
}

#[derive(Default)]
struct Flags {
    /// Whether new connections are refused.
    is_closed: bool,
    /// Whether bytes of the broker are dropped.
    drops: bool,
}

impl Line {
    pub(crate) async fn to(broker: &Mosquitto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            cut: watch::Sender::new(()),
            shared: watch::Sender::new(Flags::default()),
            unread: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
        };
        let (cut, flags) = (line.cut.clone(), line.shared.clone());
        let (unread, dropped) = (line.unread.clone(), line.dropped.clone());
        let target = broker.port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if flags.borrow().is_closed {
                    continue;
                }
                let mut cut = cut.subscribe();
                let (flags, unread, dropped) = (flags.clone(), unread.clone(), dropped.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    let (mut from_broker, mut to_broker) = far.into_split();
                    let (mut from_peer, mut to_peer) = near.into_split();
                    let downstream = async {
                        let mut bytes = vec![0; 16 << 10];
                        while let Ok(size @ 1..) = from_broker.read(&mut bytes).await {
                            if flags.borrow().drops {
                                dropped.send_modify(|count| *count += 1);
                            } else if to_peer.write_all(&bytes[..size]).await.is_err() {
                                return;
                            } else if bytes[..size].windows(5).any(is_unread) {
                                unread.send_modify(|count| *count += 1);
                            }
                        }
                    };
                    tokio::select! {
                        () = downstream => {}
                        _ = copy(&mut from_peer, &mut to_broker) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        line
    }

    pub(crate) fn address(&self) -> Address {
        Address::mqtt(&format!("ws://127.0.0.1:{}", self.port)).unwrap()
    }

    /// Returns the number of connections.
    pub(crate) fn connections(&self) -> usize {
        self.cut.receiver_count()
    }

    /// Cuts all connections. New ones are forwarded.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }

    /// Cuts all connections, and refuses new ones.
    pub(crate) fn close(&self) {
        self.shared.send_modify(|flags| flags.is_closed = true);
        self.cut();
    }

    /// Drops what the broker sends from now on.
    pub(crate) fn drop_messages(&self) {
        self.shared.send_modify(|flags| flags.drops = true);
    }

    /// Forwards everything again.
    pub(crate) fn mend(&self) {
        self.shared.send_replace(Flags::default());
    }

    /// Changes when the broker reports that nobody reads a topic.
    pub(crate) fn unread(&self) -> watch::Receiver<usize> {
        self.unread.subscribe()
    }

    /// Changes when bytes of the broker are dropped.
    pub(crate) fn dropped(&self) -> watch::Receiver<usize> {
        self.dropped.subscribe()
    }
}

/// Returns whether a PUBACK packet has the reason code "No matching subscribers".
fn is_unread(packet: &[u8]) -> bool {
    matches!(packet, [0x40, 3 | 4, _, _, 0x10])
}
