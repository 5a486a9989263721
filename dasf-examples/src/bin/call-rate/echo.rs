//! The best rate that the machine can reach: a process only sends back frames of a call's size.

use std::collections::VecDeque;
use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::latencies::Latencies;

/// The approximate size of a request with its envelope, in bytes.
const FRAME_SIZE: usize = 250;

/// The echo server in a separate process, which ends when this value is dropped.
pub(crate) struct Process {
    _child: Child,
    url: String,
}

impl Process {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve-echo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the echo server has no output")?;
        let url = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            _child: child,
            url: url.ok_or("the echo server ended at once")?,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Prints a URL with a free port, and serves the echo there until the process is killed.
pub(crate) async fn serve() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(connection).await else {
                return;
            };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Sends frames for `duration`, keeping `in_flight` of them under way on one connection.
pub(crate) async fn measure(
    url: &str,
    in_flight: usize,
    duration: Duration,
) -> Result<Latencies, Box<dyn Error>> {
    let (mut socket, _) = connect_async_with_config(url, None, true).await?;
    let frame = Message::Text(Bytes::from(vec![b'x'; FRAME_SIZE]).try_into()?);
    let mut latencies = Vec::new();
    let mut sent = VecDeque::new();
    let start = Instant::now();
    for _ in 0..in_flight {
        sent.push_back(Instant::now());
        socket.send(frame.clone()).await?;
    }
    while start.elapsed() < duration {
        socket
            .next()
            .await
            .ok_or("the echo server closed the connection")??;
        if let Some(sent) = sent.pop_front() {
            latencies.push(sent.elapsed());
        }
        sent.push_back(Instant::now());
        socket.send(frame.clone()).await?;
    }
    Ok(Latencies::new(latencies, start.elapsed()))
}
