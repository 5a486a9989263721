//! A broker with a URL for each topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dasf_bench_load::{AnyError, print_line};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::frame;
use crate::link::settings;

/// The number of texts that a reader gets before the broker flushes.
const BATCH: usize = 256;

type Topics = Arc<Mutex<HashMap<String, Topic>>>;

/// The texts of a topic. They have no limit: a limit could stop a caller that sends before it reads.
struct Topic {
    texts: mpsc::UnboundedSender<Utf8Bytes>,
    /// Without a connection that reads it.
    reader: Option<mpsc::UnboundedReceiver<Utf8Bytes>>,
}

impl Default for Topic {
    fn default() -> Self {
        let (texts, reader) = mpsc::unbounded_channel();
        Self {
            texts,
            reader: Some(reader),
        }
    }
}

pub(crate) async fn run() -> Result<(), AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print_line(&format!("ws://{}", listener.local_addr()?))?;
    let topics = Topics::default();
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        // A caller closes its connections without a word.
        tokio::spawn(serve(connection, topics.clone()));
    }
}

async fn serve(connection: TcpStream, topics: Topics) -> Result<(), AnyError> {
    let mut path = String::new();
    #[allow(clippy::result_large_err)] // the type of tungstenite
    let keep_path = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(connection, keep_path, Some(settings())).await?;
    let path = path.trim_start_matches('/');
    match path.split_once('/') {
        Some((name, _)) => {
            let reader = with_topic(&topics, name, |topic| topic.reader.take());
            let mut reader = reader.ok_or("the topic has a reader")?;
            let end = deliver(socket, &mut reader).await;
            with_topic(&topics, name, |topic| topic.reader = Some(reader));
            end
        }
        None => {
            let texts = with_topic(&topics, path, |topic| topic.texts.clone());
            publish(socket, texts).await
        }
    }
}

/// Uses a topic, which its first use creates.
fn with_topic<T>(topics: &Topics, name: &str, usage: impl FnOnce(&mut Topic) -> T) -> T {
    let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
    usage(topics.entry(name.to_owned()).or_default())
}

/// Forwards what a sender sends.
async fn publish(
    mut socket: WebSocketStream<TcpStream>,
    texts: mpsc::UnboundedSender<Utf8Bytes>,
) -> Result<(), AnyError> {
    let receipt = Message::Text(frame::receipt());
    while let Some(message) = socket.next().await {
        let mut message = Some(message);
        while let Some(read) = message {
            if let Message::Text(text) = read? {
                texts.send(text)?;
                socket.feed(receipt.clone()).await?;
            }
            message = socket.next().now_or_never().flatten();
        }
        socket.flush().await?;
    }
    Ok(())
}

/// Sends the texts of a topic to its reader.
async fn deliver(
    mut socket: WebSocketStream<TcpStream>,
    texts: &mut mpsc::UnboundedReceiver<Utf8Bytes>,
) -> Result<(), AnyError> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            _ = texts.recv_many(&mut batch, BATCH) => {
                for text in batch.drain(..) {
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
            acknowledgement = socket.next() => match acknowledgement {
                Some(acknowledgement) => drop(acknowledgement?),
                None => return Ok(()),
            },
        }
    }
}
