//! Answers each request with its own frames.

use std::collections::HashMap;

use dasf_bench_load::{AnyError, print_line};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::caller::answers;
use crate::frame;
use crate::link::Links;

/// The topic of the server.
pub(crate) const TOPIC: &str = "floor";

/// A client, with the socket for its answers and the frames of a request that is not complete.
struct Client {
    socket: usize,
    frames: Vec<Utf8Bytes>,
}

pub(crate) async fn run(url: &str) -> Result<(), AnyError> {
    let mut links = Links::default();
    let requests = links.open(&format!("{url}/{TOPIC}/server")).await?;
    let mut clients = HashMap::new();
    print_line("ready")?;
    loop {
        let (socket, text) = links.next().await?;
        if socket != requests {
            continue; // a receipt
        }
        links.feed(requests, frame::acknowledgement()).await?;
        let (number, frames) = frame::head(&text)?;
        let client = match clients.get_mut(&number) {
            Some(client) => client,
            None => {
                let socket = links.open(&format!("{url}/{}", answers(number))).await?;
                let frames = Vec::new();
                clients.entry(number).or_insert(Client { socket, frames })
            }
        };
        client.frames.push(text);
        if client.frames.len() == frames {
            for frame in client.frames.drain(..) {
                links.feed(client.socket, frame).await?;
            }
        }
    }
}
