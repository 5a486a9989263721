//! Keeps requests in flight, and measures how long their answers take.

use std::collections::VecDeque;
use std::time::Instant;

use dasf_bench_load::{AnyError, Lane, Load, Outcome, measure};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::frame;
use crate::link::Links;
use crate::server::TOPIC;

/// A client with its two sockets.
struct Client {
    requests: usize,
    answers: usize,
    /// The frames of each request.
    frames: Vec<Utf8Bytes>,
    /// The calls in flight, in the order of their answers: the lane, and the time of the request.
    calls: VecDeque<(usize, Instant)>,
    /// The number of frames of the next answer that have arrived.
    arrived: usize,
}

/// Returns the topic of a client's answers.
pub(crate) fn answers(client: usize) -> String {
    format!("answers-{client}")
}

pub(crate) async fn run(url: &str, load: &Load) -> Result<(), AnyError> {
    let mut links = Links::default();
    let mut clients = Vec::with_capacity(load.clients);
    for number in 0..load.clients {
        let answers = format!("{url}/{}/client", answers(number));
        clients.push(Client {
            requests: links.open(&format!("{url}/{TOPIC}")).await?,
            answers: links.open(&answers).await?,
            frames: frame::request(number, load.work()),
            calls: VecDeque::new(),
            arrived: 0,
        });
    }
    measure(load, async |lanes| {
        call(&mut links, &mut clients, lanes).await
    })
    .await
}

/// Makes the calls of all lanes.
async fn call(
    links: &mut Links,
    clients: &mut [Client],
    mut lanes: Vec<Lane>,
) -> Result<Outcome, AnyError> {
    let mut outcome = Outcome::default();
    let mut in_flight = 0;
    for (index, lane) in lanes.iter_mut().enumerate() {
        if let Some(client) = lane.next(Instant::now()) {
            clients[client].send(links, index).await?;
            in_flight += 1;
        }
    }
    while in_flight > 0 {
        let (socket, _) = links.next().await?;
        // Each client has opened two sockets, the one for answers second.
        let client = &mut clients[socket / 2];
        if socket != client.answers {
            continue; // a receipt
        }
        links.feed(socket, frame::acknowledgement()).await?;
        client.arrived += 1;
        if client.arrived < client.frames.len() {
            continue;
        }
        client.arrived = 0;
        let (index, sent) = client.calls.pop_front().ok_or("an answer too many")?;
        outcome.answered(sent.elapsed());
        match lanes[index].next(Instant::now()) {
            Some(client) => clients[client].send(links, index).await?,
            None => in_flight -= 1,
        }
    }
    links.flush().await?;
    Ok(outcome)
}

impl Client {
    async fn send(&mut self, links: &mut Links, lane: usize) -> Result<(), AnyError> {
        self.calls.push_back((lane, Instant::now()));
        for frame in &self.frames {
            links.feed(self.requests, frame.clone()).await?;
        }
        Ok(())
    }
}
