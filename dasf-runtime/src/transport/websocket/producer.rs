//! The task that owns one producer socket.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::{Receipt, Topic};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connect::{Sink, Stream, connect};
use super::liveness::{Liveness, PING_INTERVAL};
use crate::address::Endpoint;
use crate::backoff::Backoff;
use crate::transport::publisher::PublisherEnds;
use crate::transport::{ConnectError, ConnectionState, PublishError, PublisherOptions, Queued};

/// How many messages may be without a receipt before no more are written.
const UNRECEIPTED_LIMIT: usize = 256;
/// How many messages are written at most before they are flushed.
const BATCH: usize = 64;
/// How long a publisher that nobody holds any more tries to reach a broker that does not answer.
const LINGER: Duration = Duration::from_secs(5);
/// How often a publisher without a connection looks whether anybody still holds it.
const LINGER_CHECK: Duration = Duration::from_millis(250);
/// How long a receipt may take before the connection counts as lost.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long closing the connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until every handle is dropped and everything queued is sent, or the publisher gives up as
/// its options say.
pub(super) async fn run(
    endpoint: Endpoint,
    topic: Topic,
    options: PublisherOptions,
    ends: PublisherEnds,
) {
    let PublisherEnds { queue, state } = ends;
    let mut producer = Producer {
        topic,
        options,
        queue,
        unreceipted: Unreceipted::default(),
        last_message: Instant::now(),
    };
    let mut backoff = Backoff::default();
    let mut disconnected_since = Instant::now();
    loop {
        let connection = tokio::select! {
            connection = connect(&endpoint) => connection,
            () = producer.unwanted() => break,
        };
        let failure = match connection {
            Ok((sink, stream)) => {
                tracing::debug!(%endpoint, "producer connected");
                state.send_replace(ConnectionState::Connected);
                let connected_at = Instant::now();
                let ControlFlow::Continue(reason) = producer.serve(sink, stream).await else {
                    return;
                };
                if backoff.is_reset_by(connected_at.elapsed()) {
                    disconnected_since = Instant::now();
                }
                let url = endpoint.to_string();
                ConnectError::Unreachable { url, reason }
            }
            Err(error) => error,
        };
        let wait = backoff.next();
        if *state.borrow() == ConnectionState::Connecting {
            // Whoever made the handle learns of this one, and decides whether it goes on.
            tracing::debug!(%failure, "producer not connected");
        } else {
            tracing::warn!(%failure, retry_in = ?wait, "producer disconnected");
        }
        state.send_replace(ConnectionState::Disconnected(failure));
        if producer.should_give_up(disconnected_since.elapsed()) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = producer.unwanted() => break,
        }
    }
    producer.abandon();
}

/// What outlives a single connection.
struct Producer {
    topic: Topic,
    options: PublisherOptions,
    queue: mpsc::Receiver<Queued>,
    unreceipted: Unreceipted,
    /// When a message was last written, on this connection or one before.
    last_message: Instant,
}

/// The messages that were written and have no receipt yet, in the order of writing.
#[derive(Default)]
struct Unreceipted {
    messages: Mutex<VecDeque<Queued>>,
    /// Wakes the writing half when a receipt made room.
    received: Notify,
}

impl Unreceipted {
    fn with<T>(&self, access: impl FnOnce(&mut VecDeque<Queued>) -> T) -> T {
        access(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.with(|messages| messages.len())
    }

    /// Takes the oldest message with this context. Brokers answer in order, so it is nearly always
    /// the first.
    fn take(&self, context: &str) -> Option<Queued> {
        let message = self.with(|messages| {
            let index = messages
                .iter()
                .position(|it| it.message.context == context)?;
            messages.remove(index)
        });
        self.received.notify_one();
        message
    }

    /// Takes the oldest message.
    fn take_oldest(&self) -> Option<Queued> {
        let message = self.with(VecDeque::pop_front);
        self.received.notify_one();
        message
    }

    /// Notes messages as written, and returns their frames.
    fn add(&self, written: impl IntoIterator<Item = Queued>) -> Vec<Message> {
        self.with(|messages| {
            let frame = |mut queued: Queued| {
                let frame = Message::text(queued.next_frame());
                messages.push_back(queued);
                frame
            };
            written.into_iter().map(frame).collect()
        })
    }

    /// Waits until the oldest message has been without a receipt for too long.
    async fn overdue(&self) -> String {
        loop {
            let oldest = self.with(|messages| messages.front().and_then(Queued::written_at));
            match oldest {
                Some(at) if at.elapsed() >= RECEIPT_TIMEOUT => {
                    return format!("no receipt for {} s", RECEIPT_TIMEOUT.as_secs());
                }
                Some(at) => tokio::time::sleep_until(at + RECEIPT_TIMEOUT).await,
                None => tokio::time::sleep(RECEIPT_TIMEOUT).await,
            }
        }
    }
}

impl Producer {
    /// Serves one connection. Breaks when the publisher's work is over; continues, with the reason,
    /// when the connection is lost.
    async fn serve(&mut self, sink: Sink, stream: Stream) -> ControlFlow<(), String> {
        let liveness = Liveness::new();
        let writer = Writer {
            topic: &self.topic,
            keep_alive: self.options.keep_alive,
            queue: &mut self.queue,
            unreceipted: &self.unreceipted,
            last_message: &mut self.last_message,
        };
        // All at once: a broker that waits for us to read its receipts must not wait for ever
        // because we wait for it to read our messages, and one that does neither must be noticed.
        let reason = tokio::select! {
            finished = writer.write(sink) => match finished {
                Ok(()) => return ControlFlow::Break(()),
                Err(error) => error.to_string(),
            },
            reason = read(stream, &self.topic, &self.unreceipted, &liveness) => reason,
            reason = liveness.death() => reason,
            reason = self.unreceipted.overdue() => reason,
        };
        // Brokers read in order, so that a message which itself makes them drop the connection
        // comes to be the oldest; those behind it are not to blame.
        self.unreceipted.with(|messages| {
            if let Some(oldest) = messages.front_mut() {
                oldest.count_loss();
            }
        });
        if self.options.keep_alive.is_some() && self.has_nothing_to_send() {
            // A connection for answers is made again when there is one. A sender that comes first
            // keeps it.
            self.queue.close();
            if self.queue.is_empty() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(reason)
    }

    fn has_nothing_to_send(&self) -> bool {
        self.queue.is_empty() && self.unreceipted.len() == 0
    }

    fn should_give_up(&self, disconnected_for: Duration) -> bool {
        let limit = self.options.connection_timeout;
        limit.is_some_and(|limit| disconnected_for >= limit)
    }

    /// Waits until nobody holds the publisher any more, and there is nothing to send or it took too
    /// long.
    async fn unwanted(&self) {
        let mut closed_since = None;
        loop {
            if self.queue.is_closed() {
                let since = *closed_since.get_or_insert_with(Instant::now);
                if self.has_nothing_to_send() || since.elapsed() >= LINGER {
                    return;
                }
            }
            tokio::time::sleep(LINGER_CHECK).await;
        }
    }

    /// Drops what is left, telling whoever waits for it.
    fn abandon(&mut self) {
        self.queue.close();
        let mut left = self.unreceipted.with(std::mem::take);
        while let Ok(queued) = self.queue.try_recv() {
            left.push_back(queued);
        }
        if !left.is_empty() {
            let (topic, count) = (&self.topic, left.len());
            tracing::error!(%topic, count, "no connection; giving up and dropping messages");
        }
        for queued in left {
            queued.settle(&self.topic, Err(PublishError::Closed));
        }
    }
}

/// Reads receipts until the connection ends; returns why it did.
async fn read(
    mut stream: Stream,
    topic: &Topic,
    unreceipted: &Unreceipted,
    liveness: &Liveness,
) -> String {
    while let Some(frame) = stream.next().await {
        liveness.heard();
        match frame {
            Ok(Message::Text(text)) => settle(text.as_str(), topic, unreceipted),
            Ok(Message::Close(Some(close))) => {
                return format!("closed by the broker ({}): {}", close.code, close.reason);
            }
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    "closed by the broker".to_owned()
}

/// Matches one receipt with its message.
fn settle(text: &str, topic: &Topic, unreceipted: &Unreceipted) {
    let receipt = match Receipt::from_json(text) {
        Ok(receipt) => receipt,
        Err(error) => {
            tracing::warn!(%topic, %error, "receipt passed over");
            return;
        }
    };
    let outcome = match receipt.refusal() {
        None => Ok(()),
        Some(reason) => Err(PublishError::Refused(reason)),
    };
    let queued = match receipt.context_text() {
        Some(context) => unreceipted.take(&context),
        // A refusal without a context (Pulsar's answer to bad JSON) is about the oldest message.
        None => unreceipted.take_oldest(),
    };
    match queued {
        Some(queued) => queued.settle(topic, outcome),
        None => tracing::debug!(%topic, text, "receipt for no message"),
    }
}

/// The writing half of one connection.
struct Writer<'a> {
    topic: &'a Topic,
    keep_alive: Option<Duration>,
    queue: &'a mut mpsc::Receiver<Queued>,
    unreceipted: &'a Unreceipted,
    last_message: &'a mut Instant,
}

impl Writer<'_> {
    /// Writes messages and pings until the work is over (`Ok`) or the connection fails.
    async fn write(self, mut sink: Sink) -> Result<(), Error> {
        let Self {
            topic,
            keep_alive,
            queue,
            unreceipted,
            last_message,
        } = self;
        let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch: Vec<Queued> = unreceipted.with(std::mem::take).into();
        let mut open = true;
        loop {
            if !batch.is_empty() {
                *last_message = Instant::now();
                batch = settle_obstructed(batch, topic, *last_message);
                // Noted as written before they are, because this future may be dropped in the
                // middle.
                let frames = unreceipted.add(batch.drain(..));
                for frame in frames {
                    sink.feed(frame).await?;
                }
                sink.flush().await?;
            }
            let waiting = unreceipted.len();
            if !open && waiting == 0 {
                let closed = tokio::time::timeout(CLOSE_TIMEOUT, sink.close()).await;
                return closed.unwrap_or(Ok(()));
            }
            let room = UNRECEIPTED_LIMIT.saturating_sub(waiting).min(BATCH);
            // A keep-alive beyond what a clock can hold has no end.
            let idle = keep_alive.and_then(|keep_alive| last_message.checked_add(keep_alive));
            tokio::select! {
                count = queue.recv_many(&mut batch, room), if open && room > 0 => open = count > 0,
                () = unreceipted.received.notified(), if waiting > 0 => {}
                () = sleep_until(idle), if open && waiting == 0 => {
                    tracing::debug!(%topic, "producer closed after its keep-alive");
                    // What senders put in before they see it closed is still received above.
                    queue.close();
                }
                _ = ping.tick() => sink.send(Message::Ping(Default::default())).await?,
            }
        }
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Keeps what may be written, and tells the others why not.
fn settle_obstructed(batch: Vec<Queued>, topic: &Topic, now: Instant) -> Vec<Queued> {
    let mut kept = Vec::with_capacity(batch.len());
    for queued in batch {
        match queued.obstacle(now) {
            None => kept.push(queued),
            Some(error) => queued.settle(topic, Err(error)),
        }
    }
    kept
}
