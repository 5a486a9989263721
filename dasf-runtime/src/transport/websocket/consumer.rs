//! The task that owns the connection of a consumer.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::{Delivery, Topic};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connect::{Sink, Stream, broken, close, closed};
use super::liveness::Liveness;
use super::{
    ConsumerDialect, Endpoint, Incoming, KeepAlive, Link, ReadDeliveries, WriteAcknowledgements,
    sleep_until,
};
use crate::backoff::Backoff;
use crate::transport::subscriber::{Acknowledgement, Given};
use crate::transport::{ConnectError, ConnectionState, Received, SubscriberEnds};

/// How many acknowledgements are written before they are flushed.
const BATCH: usize = 64;
/// How long the broker may take to settle the last acknowledgements. Closing the connection may take the
/// same time again.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why one connection ended.
enum End {
    /// The handle was dropped.
    Finished,
    /// The connection was lost, for this reason.
    Lost(String),
}

/// Runs until the handle is dropped. It reconnects under the same name as often as needed.
pub(super) async fn run<D: ConsumerDialect>(
    dialect: D,
    endpoint: Endpoint,
    topic: Topic,
    ends: SubscriberEnds,
) {
    let SubscriberEnds {
        deliveries,
        mut acknowledgements,
        state,
    } = ends;
    keep_connected(
        &dialect,
        &endpoint,
        &topic,
        &deliveries,
        &mut acknowledgements,
        &state,
    )
    .await;
    dialect.leave().await;
}

async fn keep_connected<D: ConsumerDialect>(
    dialect: &D,
    endpoint: &Endpoint,
    topic: &Topic,
    deliveries: &mpsc::Sender<Received>,
    acknowledgements: &mut mpsc::Receiver<Given>,
    state: &watch::Sender<ConnectionState>,
) {
    let mut backoff = Backoff::default();
    for connection in 1.. {
        let link = tokio::select! {
            link = dialect.connect(endpoint) => link,
            () = deliveries.closed() => return,
        };
        let failure = match link {
            Ok(link) => {
                tracing::debug!(endpoint = endpoint.without_query(), "consumer connected");
                state.send_replace(ConnectionState::Connected);
                let connected_at = Instant::now();
                let deliveries = Deliveries {
                    queue: deliveries,
                    connection,
                };
                let end = serve(link, topic, &deliveries, acknowledgements).await;
                let End::Lost(reason) = end else { return };
                backoff.is_reset_by(connected_at.elapsed());
                let url = endpoint.to_string();
                ConnectError::Unreachable { url, reason }
            }
            Err(error) => error,
        };
        let wait = backoff.next();
        if *state.borrow() == ConnectionState::Connecting {
            // The owner of the handle gets this failure and decides whether to go on.
            tracing::debug!(failure = failure.to_string(), "consumer not connected");
        } else {
            let advice = failure.advice();
            let advice = advice.as_deref();
            tracing::warn!(failure = failure.to_string(), advice, retry_in = ?wait, "consumer disconnected");
        }
        state.send_replace(ConnectionState::Disconnected(failure));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = deliveries.closed() => return,
        }
    }
}

/// Where the messages of one connection go.
struct Deliveries<'a> {
    queue: &'a mpsc::Sender<Received>,
    connection: u64,
}

impl Deliveries<'_> {
    async fn send(&self, delivery: Delivery) {
        let connection = self.connection;
        let received = Received {
            delivery,
            connection,
        };
        // If nobody reads the message any more, the broker keeps it.
        let _ = self.queue.send(received).await;
    }
}

async fn serve<W: WriteAcknowledgements, R: ReadDeliveries>(
    link: Link<W, R>,
    topic: &Topic,
    deliveries: &Deliveries<'_>,
    acknowledgements: &mut mpsc::Receiver<Given>,
) -> End {
    let Link {
        sink,
        stream,
        writer,
        reader,
        keep_alive,
        goodbye,
        ..
    } = link;
    let liveness = Liveness::new();
    let (asides, heard) = Asides::new();
    // Both halves run at the same time, so that acknowledgements are sent while a slow reader holds up the
    // deliveries. This also detects a broker that neither sends nor reads.
    let written = tokio::select! {
        written = write(sink, writer, keep_alive, acknowledgements, deliveries.connection, heard) => written,
        reason = read(stream, reader, topic, deliveries, &asides, &liveness) => return End::Lost(reason),
        reason = liveness.death() => return End::Lost(reason),
    };
    match written {
        Ok(sink) => {
            // Errors no longer matter, because the handle is gone.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, close(sink, goodbye)).await;
            End::Finished
        }
        Err(error) => End::Lost(broken(&error)),
    }
}

/// Work that the reading half passes to the writing half.
struct Asides {
    /// The ids of unreadable messages, which are acknowledged.
    unreadable: mpsc::Sender<String>,
    /// Notifies that [`WriteAcknowledgements::go_on`] may have a frame to write.
    settled: Arc<Notify>,
}

/// The writing half's ends of [`Asides`].
struct Heard {
    unreadable: mpsc::Receiver<String>,
    settled: Arc<Notify>,
}

impl Asides {
    fn new() -> (Self, Heard) {
        let (sender, receiver) = mpsc::channel(BATCH);
        let settled = Arc::new(Notify::new());
        let asides = Self {
            unreadable: sender,
            settled: Arc::clone(&settled),
        };
        let heard = Heard {
            unreadable: receiver,
            settled,
        };
        (asides, heard)
    }
}

/// Reads deliveries until the connection ends, and returns why it ended. Deliveries that nobody
/// reads stay with the broker.
async fn read(
    mut stream: Stream,
    mut reader: impl ReadDeliveries,
    topic: &Topic,
    deliveries: &Deliveries<'_>,
    asides: &Asides,
    liveness: &Liveness,
) -> String {
    loop {
        // Messages may have come with the broker's answer to the subscription, before the first
        // frame.
        liveness.pause();
        loop {
            match reader.next() {
                Ok(Some(Incoming::Delivery(delivery))) => {
                    deliveries.send(delivery).await;
                }
                Ok(Some(Incoming::Unreadable(message_id))) => {
                    tracing::warn!(
                        topic = topic.as_str(),
                        message_id,
                        "ignored a message that cannot be read"
                    );
                    if let Some(message_id) = message_id {
                        let _ = asides.unreadable.send(message_id).await;
                    }
                }
                Ok(Some(Incoming::Settled)) => asides.settled.notify_one(),
                Ok(None) => break,
                Err(reason) => return reason,
            }
        }
        liveness.heard();
        match stream.next().await {
            Some(Ok(Message::Close(close))) => return closed(close.as_ref()),
            Some(Ok(frame)) => reader.accept(frame),
            Some(Err(error)) => return broken(&error),
            None => return closed(None),
        }
    }
}

/// Writes acknowledgements and pings until the handle is dropped and no acknowledgement waits for the broker. Then
/// it returns the socket.
///
/// # Errors
/// Returns the error when the connection fails.
async fn write(
    mut sink: Sink,
    mut writer: impl WriteAcknowledgements,
    keep_alive: KeepAlive,
    acknowledgements: &mut mpsc::Receiver<Given>,
    connection: u64,
    mut heard: Heard,
) -> Result<Sink, Error> {
    let KeepAlive { every, ping: frame } = keep_alive;
    let mut ping = tokio::time::interval_at(Instant::now() + every, every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    let mut waiting = Vec::new();
    // The time at which to stop waiting for the broker to settle the last acknowledgements.
    let mut patience = None;
    loop {
        tokio::select! {
            count = acknowledgements.recv_many(&mut batch, BATCH), if patience.is_none() => {
                if count == 0 {
                    patience = Some(Instant::now() + CLOSE_TIMEOUT);
                }
            }
            Some(message_id) = heard.unreadable.recv() => batch.push(Given {
                acknowledgement: Acknowledgement::Positive(message_id),
                connection,
                written: None,
            }),
            () = heard.settled.notified() => {
                if let Some(frame) = writer.go_on() {
                    sink.feed(frame).await?;
                }
            }
            _ = ping.tick() => sink.send(frame.clone()).await?,
            () = sleep_until(patience) => return Ok(sink),
        }
        let current = batch
            .drain(..)
            .filter(|given| given.connection == connection);
        for Given {
            acknowledgement,
            written,
            ..
        } in current
        {
            if let Some(frame) = writer.frame(acknowledgement) {
                sink.feed(frame).await?;
                waiting.extend(written);
            }
        }
        sink.flush().await?;
        for written in waiting.drain(..) {
            // The receiver may be gone.
            let _ = written.send(());
        }
        if patience.is_some() && !writer.is_waiting() {
            return Ok(sink);
        }
    }
}
