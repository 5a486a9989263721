//! A broker, and peers that send and receive single frames.

use std::time::Duration;

use dasf_broker::{Broker, Builder, Statistics};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The time after which a test fails; a broker that works needs far less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn builder() -> Builder {
    Broker::builder().bind(([127, 0, 0, 1], 0).into())
}

pub(crate) async fn start() -> Broker {
    builder().start().await.unwrap()
}

/// Sends an HTTP request, and returns the answer.
pub(crate) async fn http(broker: &Broker, request: &str) -> String {
    let mut stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

/// A WebSocket with frames of JSON.
pub(crate) struct Peer<S = MaybeTlsStream<TcpStream>>(pub(crate) WebSocketStream<S>);

async fn try_connect(broker: &Broker, path: &str) -> Result<Peer, Response<Option<Vec<u8>>>> {
    let url = format!("ws://{}{path}", broker.local_addr());
    match timeout(PATIENCE, connect_async(url)).await.unwrap() {
        Ok((socket, _)) => Ok(Peer(socket)),
        Err(Error::Http(response)) => Err(*response),
        Err(error) => panic!("{path}: {error}"),
    }
}

pub(crate) async fn connect(broker: &Broker, path: &str) -> Peer {
    match try_connect(broker, path).await {
        Ok(peer) => peer,
        Err(response) => panic!("{path}: {response:?}"),
    }
}

/// Returns the status and the text with which the broker rejects a handshake.
pub(crate) async fn refusal(broker: &Broker, path: &str) -> (u16, String) {
    match try_connect(broker, path).await {
        Ok(_) => panic!("{path} was accepted"),
        Err(response) => refusal_of(response),
    }
}

pub(crate) fn refusal_of(response: Response<Option<Vec<u8>>>) -> (u16, String) {
    let status = response.status().as_u16();
    (
        status,
        String::from_utf8(response.into_body().unwrap_or_default()).unwrap(),
    )
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) async fn send(&mut self, text: impl ToString) {
        self.0.send(Message::text(text.to_string())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Message {
        // The broker pings for ever.
        let next = async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap()
    }

    pub(crate) async fn receive(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Publishes a payload and returns the id from the receipt.
    pub(crate) async fn publish(&mut self, payload: &str) -> String {
        let frame = json!({"payload": payload, "context": payload, "properties": {}});
        self.send(frame).await;
        let receipt = self.receive().await;
        assert_eq!(receipt["result"], "ok");
        assert_eq!(receipt["context"], payload);
        receipt["messageId"].as_str().unwrap().to_owned()
    }

    /// Receives a delivery and checks its payload; returns its id.
    pub(crate) async fn expect(&mut self, payload: &str) -> String {
        let delivery = self.receive().await;
        assert_eq!(delivery["payload"], payload);
        delivery["messageId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn acknowledge(&mut self, id: &str) {
        self.send(json!({"messageId": id})).await;
    }

    /// Receives a delivery, and checks its payload and the number of its redeliveries; returns its id.
    pub(crate) async fn expect_again(&mut self, payload: &str, count: u32) -> String {
        let delivery = self.receive().await;
        assert_eq!(delivery["payload"], payload);
        assert_eq!(delivery["redeliveryCount"], count);
        delivery["messageId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn give_back(&mut self, id: &str) {
        self.send(json!({"type": "negativeAcknowledge", "messageId": id}))
            .await;
    }

    pub(crate) async fn read(&mut self, payload: &str) -> String {
        let id = self.expect(payload).await;
        self.acknowledge(&id).await;
        id
    }

    /// Returns the frame with which the broker closes the socket.
    pub(crate) async fn closed(mut self) -> CloseFrame {
        match self.next().await {
            Message::Close(Some(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    /// Closes the socket, and waits until the broker has closed it. Then its role is free.
    pub(crate) async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while let Some(message) = timeout(PATIENCE, self.0.next()).await.unwrap() {
            message.unwrap();
        }
    }
}

/// Returns the largest memory that a process has had, in bytes.
#[cfg(all(feature = "cli", target_os = "linux"))]
pub(crate) fn peak_memory(process: &std::process::Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// Waits until the statistics of the broker fulfil a condition.
pub(crate) async fn until(broker: &Broker, condition: impl Fn(&Statistics) -> bool) -> Statistics {
    timeout(PATIENCE, async {
        loop {
            let statistics = broker.statistics();
            if condition(&statistics) {
                return statistics;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap()
}
