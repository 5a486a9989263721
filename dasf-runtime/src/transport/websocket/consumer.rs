//! The task that owns one consumer socket.

use std::time::Duration;

use dasf_protocol::{Acknowledgement, Delivery, Topic};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connect::{Sink, Stream, connect};
use super::liveness::{Liveness, PING_INTERVAL};
use crate::address::Endpoint;
use crate::backoff::Backoff;
use crate::transport::{ConnectError, ConnectionState, SubscriberEnds};

/// How many acknowledgements are written at most before they are flushed.
const BATCH: usize = 64;
/// How long writing the last acknowledgements and closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why one connection ended.
enum End {
    /// The handle was dropped.
    Finished,
    /// The connection was lost, for this reason.
    Lost(String),
}

/// Runs until the handle is dropped; connects again, under the same name, as often as needed.
pub(super) async fn run(endpoint: Endpoint, topic: Topic, ends: SubscriberEnds) {
    let SubscriberEnds {
        deliveries,
        mut acknowledgements,
        state,
    } = ends;
    let mut backoff = Backoff::default();
    loop {
        let connection = tokio::select! {
            connection = connect(&endpoint) => connection,
            () = deliveries.closed() => return,
        };
        let failure = match connection {
            Ok((sink, stream)) => {
                tracing::debug!(%endpoint, "consumer connected");
                state.send_replace(ConnectionState::Connected);
                let connected_at = Instant::now();
                let writer = Writer {
                    sink,
                    acknowledgements: &mut acknowledgements,
                    farewell: endpoint.farewell,
                };
                let end = serve(writer, stream, &topic, &deliveries).await;
                let End::Lost(reason) = end else { return };
                backoff.is_reset_by(connected_at.elapsed());
                let url = endpoint.to_string();
                ConnectError::Unreachable { url, reason }
            }
            Err(error) => error,
        };
        let wait = backoff.next();
        if *state.borrow() == ConnectionState::Connecting {
            // Whoever made the handle learns of this one, and decides whether it goes on.
            tracing::debug!(%failure, "consumer not connected");
        } else {
            tracing::warn!(%failure, retry_in = ?wait, "consumer disconnected");
        }
        state.send_replace(ConnectionState::Disconnected(failure));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = deliveries.closed() => return,
        }
    }
}

/// The writing half of one connection.
struct Writer<'a> {
    sink: Sink,
    acknowledgements: &'a mut mpsc::Receiver<String>,
    /// What is written last, once the handle is dropped.
    farewell: Option<&'static str>,
}

async fn serve(
    writer: Writer<'_>,
    stream: Stream,
    topic: &Topic,
    deliveries: &mpsc::Sender<Delivery>,
) -> End {
    let liveness = Liveness::new();
    // What the reading half itself acknowledges: frames that nobody can read.
    let (unreadable, mut passed_over) = mpsc::channel(BATCH);
    // Both halves run at once, so that acknowledgements go out while a slow reader holds up the
    // deliveries; and a broker that neither sends nor reads is noticed.
    tokio::select! {
        written = write(writer, &mut passed_over) => match written {
            Ok(()) => End::Finished,
            Err(error) => End::Lost(error.to_string()),
        },
        reason = read(stream, topic, deliveries, &unreadable, &liveness) => End::Lost(reason),
        reason = liveness.death() => End::Lost(reason),
    }
}

/// Reads deliveries until the connection ends, and returns why it did; never returns once nobody
/// reads them.
async fn read(
    mut stream: Stream,
    topic: &Topic,
    deliveries: &mpsc::Sender<Delivery>,
    unreadable: &mpsc::Sender<String>,
    liveness: &Liveness,
) -> String {
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame,
            // The last acknowledgements are still to be written, so this must not end the
            // connection.
            () = deliveries.closed() => std::future::pending().await,
        };
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(Some(close)))) => {
                return format!("closed by the broker ({}): {}", close.code, close.reason);
            }
            Some(Ok(_)) => {
                liveness.heard();
                continue;
            }
            Some(Err(error)) => return error.to_string(),
            None => return "closed by the broker".to_owned(),
        };
        liveness.pause();
        match Delivery::from_json(text.as_str()) {
            Ok(delivery) => {
                // Where nobody reads any more, the loop comes to rest above.
                let _ = deliveries.send(delivery).await;
            }
            Err(error) => {
                tracing::warn!(%topic, %error, "message passed over");
                if let Some(message_id) = error.message_id() {
                    let _ = unreadable.send(message_id.to_owned()).await;
                }
            }
        }
        liveness.heard();
    }
}

/// Writes acknowledgements and pings until the handle is dropped (`Ok`) or the connection fails.
async fn write(writer: Writer<'_>, passed_over: &mut mpsc::Receiver<String>) -> Result<(), Error> {
    let Writer {
        mut sink,
        acknowledgements,
        farewell,
    } = writer;
    let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = acknowledgements.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    let close = async {
                        if let Some(farewell) = farewell {
                            sink.send(Message::text(farewell)).await?;
                        }
                        sink.close().await
                    };
                    let closed = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
                    return closed.unwrap_or(Ok(()));
                }
            }
            Some(message_id) = passed_over.recv() => batch.push(message_id),
            _ = ping.tick() => sink.send(Message::Ping(Default::default())).await?,
        }
        for message_id in batch.drain(..) {
            let frame = Acknowledgement {
                message_id: message_id.into(),
            }
            .to_json();
            sink.feed(Message::text(frame)).await?;
        }
        sink.flush().await?;
    }
}
