//! A broker that names the users who send messages: it stands in front of another broker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dasf::protocol::Properties;
use dasf::protocol::link::{self, FrameKind, Header, Joiner};
use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The property in which a message carries its sender through the broker behind.
const SENDER: &str = "x_test_sender";

/// Names the user of each message that it delivers. The user is the `token` in the URL.
pub(crate) struct NamingBroker {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The users with their groups.
    users: &'static [(&'static str, &'static str)],
    /// Whether the handshake says that the users are named.
    says_so: AtomicBool,
    offers_links: bool,
    connections: Mutex<JoinSet<()>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the user and the groups in the place of the sender.
    fn name(&self, properties: Properties) -> Properties {
        let sender = properties.text(SENDER).map(str::to_owned);
        let known = self
            .users
            .iter()
            .find(|(name, _)| sender.as_deref() == Some(name));
        let properties = properties.without(SENDER);
        let Some((name, groups)) = known else {
            return properties;
        };
        let properties = properties.with("x_dasf_user", *name);
        match *groups {
            "" => properties,
            groups => properties.with("x_dasf_groups", groups),
        }
    }
}

impl NamingBroker {
    /// Starts in front of the broker on a socket, with these users and their groups. Without links, each
    /// topic has its own WebSocket.
    pub(crate) async fn start(
        behind: SocketAddr,
        users: &'static [(&'static str, &'static str)],
        offers_links: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            users,
            says_so: AtomicBool::new(true),
            offers_links,
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = pass(client, behind, Arc::clone(&accepting));
                accepting.connections().spawn(connection);
            }
        });
        Self { address, shared }
    }

    /// Returns the base URL.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Returns the base URL of a user.
    pub(crate) fn url_of(&self, user: &str) -> String {
        format!("{}?token={user}", self.url())
    }

    /// Decides whether later handshakes say that the users are named. The messages have the names in any
    /// case.
    pub(crate) fn say_so(&self, says_so: bool) {
        self.shared.says_so.store(says_so, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub(crate) async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.shared.connections());
        connections.shutdown().await;
    }
}

/// Reads the head of an HTTP request or response, and nothing after it.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn pass(mut client: TcpStream, behind: SocketAddr, shared: Arc<Shared>) {
    let request = head(&mut client).await;
    let user = request.split_once("token=").map(|(_, rest)| {
        let name = rest.split(['&', ' ']).next().unwrap_or_default();
        name.to_owned()
    });
    let request = match shared.offers_links {
        true => request,
        false => request.replace(link::HEADER, "x-no-link"),
    };
    let mut broker = TcpStream::connect(behind).await.unwrap();
    broker.write_all(request.as_bytes()).await.unwrap();
    let mut response = head(&mut broker).await;
    if shared.says_so.load(Ordering::SeqCst) {
        response = response.replace("dasf-features: ", "dasf-features: users, ");
    }
    if client.write_all(response.as_bytes()).await.is_err() {
        return;
    }
    let client = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
    let broker = WebSocketStream::from_raw_socket(broker, Role::Client, None).await;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_broker, mut from_broker) = broker.split();
    let upstream = async {
        let mut joiner = Joiner::default();
        while let Some(Ok(frame)) = from_client.next().await {
            for frame in sent(frame, &mut joiner, user.as_deref()) {
                if to_broker.send(frame).await.is_err() {
                    return;
                }
            }
        }
    };
    let downstream = async {
        let mut joiner = Joiner::default();
        while let Some(Ok(frame)) = from_broker.next().await {
            for frame in delivered(frame, &mut joiner, &shared) {
                if to_client.send(frame).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = upstream => {}
        () = downstream => {}
    }
}

/// Adds the sender to a frame with a message.
fn sent(frame: Message, joiner: &mut Joiner, user: Option<&str>) -> Vec<Message> {
    let Some(user) = user else { return vec![frame] };
    match frame {
        Message::Text(text) => {
            let mut json: Value = serde_json::from_str(&text).unwrap();
            if let Some(properties) = json.get_mut("properties") {
                properties[SENDER] = user.into();
            }
            vec![Message::text(json.to_string())]
        }
        Message::Binary(frame) => of_link(frame, joiner, |header, properties, payload| {
            if header.kind != FrameKind::Publish {
                return None;
            }
            let context: String = serde_json::from_str(header.context?.get()).unwrap();
            let properties = properties.with(SENDER, user);
            Some(link::publish(&header.topic, &context, &properties, payload))
        }),
        other => vec![other],
    }
}

/// Names the sender in a frame with a message.
fn delivered(frame: Message, joiner: &mut Joiner, shared: &Shared) -> Vec<Message> {
    match frame {
        Message::Text(text) => {
            let mut json: Value = serde_json::from_str(&text).unwrap();
            if let Some(properties) = json.get_mut("properties") {
                let named = serde_json::from_value(properties.take()).unwrap();
                *properties = json!(shared.name(named));
            }
            vec![Message::text(json.to_string())]
        }
        Message::Binary(frame) => of_link(frame, joiner, |header, properties, payload| {
            if header.kind != FrameKind::Message {
                return None;
            }
            let properties = json!(shared.name(properties)).to_string();
            let message = link::Message {
                topic: &header.topic,
                number: header.message?,
                redelivery_count: header.redelivery_count,
                begun_count: header.begun_count,
                waited_ms: header.waited_ms,
                context: header.context.map(RawValue::get),
                properties: Some(&properties),
                payload,
            };
            Some(message.frames())
        }),
        other => vec![other],
    }
}

/// Changes the frames of a link. Those without a change go on as they are.
fn of_link(
    frame: Bytes,
    joiner: &mut Joiner,
    change: impl FnOnce(&Header<'_>, Properties, &Bytes) -> Option<link::Frames>,
) -> Vec<Message> {
    let Some((frame, apart)) = joiner.join(frame) else {
        return Vec::new();
    };
    let (header, inside) = Header::read(&frame).unwrap();
    let payload = apart.as_ref().unwrap_or(&inside);
    let properties = header.properties.map(RawValue::get);
    let properties = serde_json::from_str(properties.unwrap_or("{}")).unwrap();
    match change(&header, properties, payload) {
        Some(frames) => frames.into_iter().map(Message::Binary).collect(),
        None => std::iter::once(frame.clone())
            .chain(apart)
            .map(Message::Binary)
            .collect(),
    }
}
