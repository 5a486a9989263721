//! A caller that sends and receives single frames, as callers in Python or TypeScript do.

use dasf::protocol::payload;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::soon;

/// One WebSocket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects to a URL.
    pub async fn open(url: &str) -> Self {
        Self(connect_async(url).await.unwrap().0)
    }

    /// Sends JSON as a text frame.
    pub async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next text frame, as JSON.
    pub async fn receive(&mut self) -> Value {
        loop {
            let frame = soon("a frame", self.0.next()).await.unwrap().unwrap();
            if let Message::Text(text) = frame {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// A caller without a client.
#[derive(Debug)]
pub struct Peer {
    /// The socket for messages to the module.
    pub producer: Socket,
    /// The socket for messages from the module.
    pub consumer: Socket,
    /// The topic of the messages from the module.
    pub response_topic: String,
}

impl Peer {
    /// Connects to a broker by the URLs of the topic and of the consumer for the responses.
    pub async fn connect_to(topic: &str, responses: &str, response_topic: &str) -> Self {
        Self {
            consumer: Socket::open(responses).await,
            producer: Socket::open(topic).await,
            response_topic: response_topic.to_owned(),
        }
    }

    /// Connects to a broker by its base URL, which may have a query.
    pub async fn connect(url: &str, topic: &str, response_topic: &str) -> Self {
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let responses = format!("{base}/{response_topic}/python-backend{query}");
        Self::connect_to(
            &format!("{base}/{topic}{query}"),
            &responses,
            response_topic,
        )
        .await
    }

    /// Sends a message of a type, and checks the receipt of the broker.
    pub async fn send(&mut self, message_type: &str, context: u64, payload: &str, more: Value) {
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
    pub async fn request(&mut self, context: u64, request: &Value) {
        let payload = payload::encode(request.to_string().as_bytes());
        self.send("request", context, &payload, json!({})).await;
    }

    /// Returns the next message, and acknowledges it.
    pub async fn receive(&mut self) -> Value {
        let message = self.consumer.receive().await;
        self.consumer
            .send(&json!({"messageId": message["messageId"]}))
            .await;
        message
    }

    /// Returns the status of the next response, and its payload as text.
    pub async fn answer(&mut self) -> (String, String) {
        let message = self.receive().await;
        let status = message["properties"]["status"].as_str().unwrap().to_owned();
        (status, text(&message))
    }
}

/// Returns the payload of a message as text.
pub fn text(message: &Value) -> String {
    let bytes = payload::decode(message["payload"].as_str().unwrap()).unwrap();
    payload::to_text(&bytes).into_owned()
}
