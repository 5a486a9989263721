//! What the tests start, and a peer that speaks the protocol by hand.

use std::time::Duration;

use dasf::protocol::payload;
use dasf::{Address, Host, HostOptions, Module};
use dasf_broker::Broker;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// After this long, what a test waits for counts as not coming.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A broker on a free port.
pub(crate) async fn broker() -> Broker {
    let any_port = ([127, 0, 0, 1], 0).into();
    Broker::builder().bind(any_port).start().await.unwrap()
}

/// The broker's address in both styles.
pub(crate) fn both_styles(broker: &Broker) -> [Address; 2] {
    let socket = broker.local_addr();
    [
        Address::websocket(&broker.url()).unwrap(),
        Address::pulsar(socket.ip().to_string(), socket.port()).unwrap(),
    ]
}

/// A module that listens on a topic of the broker.
pub(crate) async fn listen(
    broker: &Broker,
    topic: &str,
    module: Module,
    options: HostOptions,
) -> Host {
    let address = Address::websocket(&broker.url()).unwrap();
    Host::start(module, &topic.parse().unwrap(), address, options)
        .await
        .unwrap()
}

/// Awaits something that must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// One WebSocket, used as the frames demand.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(url: &str) -> Self {
        Self(connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame, as JSON.
    pub(crate) async fn receive(&mut self) -> Value {
        loop {
            let frame = soon("a frame", self.0.next()).await.unwrap().unwrap();
            if let Message::Text(text) = frame {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// A caller that speaks the protocol by hand: as Python or TypeScript does.
pub(crate) struct Peer {
    pub(crate) producer: Socket,
    pub(crate) consumer: Socket,
    pub(crate) response_topic: String,
}

impl Peer {
    /// Connects to a broker by the URLs of the topic and of the reader of the answers.
    pub(crate) async fn connect_to(topic: &str, answers: &str, response_topic: &str) -> Self {
        Self {
            consumer: Socket::open(answers).await,
            producer: Socket::open(topic).await,
            response_topic: response_topic.to_owned(),
        }
    }

    /// Connects to a broker by its base URL.
    pub(crate) async fn connect(url: &str, topic: &str, response_topic: &str) -> Self {
        let answers = format!("{url}/{response_topic}/python-backend");
        Self::connect_to(&format!("{url}/{topic}"), &answers, response_topic).await
    }

    /// Sends a message of a type, and checks that the broker takes it.
    pub(crate) async fn send(
        &mut self,
        message_type: &str,
        context: u64,
        payload: &str,
        more: Value,
    ) {
        let mut properties = json!({
            "messageType": message_type,
            "requestContext": context,
            "response_topic": self.response_topic,
        });
        let more = more.as_object().cloned().unwrap_or_default();
        properties.as_object_mut().unwrap().extend(more);
        let frame = json!({"payload": payload, "context": context, "properties": properties});
        self.producer.send(&frame).await;
        assert_eq!(self.producer.receive().await["result"], "ok");
    }

    /// Sends a request.
    pub(crate) async fn request(&mut self, context: u64, request: &Value) {
        let payload = payload::encode(request.to_string().as_bytes());
        self.send("request", context, &payload, json!({})).await;
    }

    /// The next message, acknowledged.
    pub(crate) async fn receive(&mut self) -> Value {
        let message = self.consumer.receive().await;
        self.consumer
            .send(&json!({"messageId": message["messageId"]}))
            .await;
        message
    }

    /// The next answer: its status, and its payload as text.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let message = self.receive().await;
        let status = message["properties"]["status"].as_str().unwrap().to_owned();
        (status, text(&message))
    }
}

/// A message's payload as text.
pub(crate) fn text(message: &Value) -> String {
    let bytes = payload::decode(message["payload"].as_str().unwrap()).unwrap();
    payload::to_text(&bytes).into_owned()
}
