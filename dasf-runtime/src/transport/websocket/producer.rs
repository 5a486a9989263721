//! The task that owns the connection of a producer.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::Topic;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connect::{Sink, Stream, broken, close, closed};
use super::liveness::Liveness;
use super::{
    Endpoint, KeepAlive, Link, ProducerDialect, ReadReceipts, Settlement, WriteMessages,
    sleep_until,
};
use crate::backoff::Backoff;
use crate::transport::{
    ConnectError, ConnectionState, PublishError, PublisherEnds, PublisherOptions, Queued,
};

/// How many messages may be without a receipt before no more are written.
const UNRECEIPTED_LIMIT: usize = 256;
/// How many messages are written before they are flushed.
const BATCH: usize = 64;
/// How long a publisher without handles tries to reach a broker that does not answer.
const LINGER: Duration = Duration::from_secs(5);
/// How often a publisher without a connection checks whether it still has handles.
const LINGER_CHECK: Duration = Duration::from_millis(250);
/// How long a receipt may take before the connection counts as lost.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long closing the connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until every handle is dropped and the queue is sent, or until its options make it give up.
pub(super) async fn run<D: ProducerDialect>(
    dialect: D,
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
        unwritten: VecDeque::new(),
        unreceipted: Unreceipted::default(),
        last_message: Instant::now(),
    };
    let mut backoff = Backoff::default();
    let mut disconnected_since = Instant::now();
    loop {
        let connection = tokio::select! {
            connection = dialect.connect(&endpoint) => connection,
            () = producer.unwanted() => break,
        };
        let failure = match connection {
            Ok(link) => {
                tracing::debug!(endpoint = endpoint.without_query(), "producer connected");
                state.send_replace(ConnectionState::Connected);
                let connected_at = Instant::now();
                let ControlFlow::Continue(reason) = producer.serve(link).await else {
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
            // The owner of the handle gets this failure and decides whether to go on.
            tracing::debug!(failure = failure.to_string(), "producer not connected");
        } else {
            let advice = failure.advice();
            let advice = advice.as_deref();
            tracing::warn!(failure = failure.to_string(), advice, retry_in = ?wait, "producer disconnected");
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
    let failure = state.borrow().failure().cloned();
    producer.abandon(failure.as_ref());
}

/// The state that outlives a single connection.
struct Producer {
    topic: Topic,
    options: PublisherOptions,
    queue: mpsc::Receiver<Queued>,
    /// The messages to write: taken from the queue, or lost with a connection.
    unwritten: VecDeque<Queued>,
    unreceipted: Unreceipted,
    /// When a message was last written, on this connection or an earlier one.
    last_message: Instant,
}

/// The messages that were written and have no receipt yet, in the order of writing.
#[derive(Default)]
struct Unreceipted {
    messages: Mutex<VecDeque<Written>>,
    /// Wakes the writing half when a receipt has made room.
    received: Notify,
}

/// A message under way, and the key that its receipt will carry.
struct Written {
    key: String,
    queued: Queued,
}

impl Unreceipted {
    fn with<T>(&self, access: impl FnOnce(&mut VecDeque<Written>) -> T) -> T {
        access(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.with(|messages| messages.len())
    }

    /// Removes the oldest message with this key, or the oldest of all. Brokers answer in order, so
    /// it is nearly always the first.
    fn take(&self, key: Option<&str>) -> Option<Queued> {
        let message = self.with(|messages| {
            let index = match key {
                Some(key) => messages.iter().position(|it| it.key == key)?,
                None => 0,
            };
            messages.remove(index)
        });
        self.received.notify_one();
        message.map(|written| written.queued)
    }

    /// Removes all messages, the oldest first.
    fn take_all(&self) -> impl DoubleEndedIterator<Item = Queued> {
        let messages = self.with(std::mem::take);
        messages.into_iter().map(|written| written.queued)
    }

    /// Waits until the oldest message has been without a receipt for too long.
    async fn overdue(&self) -> String {
        loop {
            let oldest =
                self.with(|messages| messages.front().and_then(|it| it.queued.written_at()));
            match oldest {
                Some(at) if at.elapsed() >= RECEIPT_TIMEOUT => {
                    return format!(
                        "the broker sent no receipt for {} s",
                        RECEIPT_TIMEOUT.as_secs()
                    );
                }
                Some(at) => tokio::time::sleep_until(at + RECEIPT_TIMEOUT).await,
                None => tokio::time::sleep(RECEIPT_TIMEOUT).await,
            }
        }
    }
}

impl Producer {
    /// Serves one connection. Breaks when the publisher has nothing left to do. Continues with the
    /// reason when the connection is lost.
    async fn serve<W: WriteMessages, R: ReadReceipts>(
        &mut self,
        link: Link<W, R>,
    ) -> ControlFlow<(), String> {
        let Link {
            sink,
            stream,
            writer,
            reader,
            window,
            keep_alive,
            goodbye,
        } = link;
        let liveness = Liveness::new();
        // Messages that were lost with the last connection go first.
        for queued in self.unreceipted.take_all().rev() {
            self.unwritten.push_front(queued);
        }
        let writer = Writer {
            frames: writer,
            window: window.clamp(1, UNRECEIPTED_LIMIT),
            ping: keep_alive,
            goodbye,
            topic: &self.topic,
            keep_alive: self.options.keep_alive,
            unwritten: &mut self.unwritten,
            queue: &mut self.queue,
            unreceipted: &self.unreceipted,
            last_message: &mut self.last_message,
        };
        // Run all at the same time. Otherwise two sides could each wait for the other one to read.
        // This also detects a broker that neither sends nor reads.
        let reason = tokio::select! {
            finished = writer.write(sink) => match finished {
                Ok(()) => return ControlFlow::Break(()),
                Err(error) => broken(&error),
            },
            reason = read(stream, reader, &self.topic, &self.unreceipted, &liveness) => reason,
            reason = liveness.death() => reason,
            reason = self.unreceipted.overdue() => reason,
        };
        // Brokers read in order. A message that makes them drop the connection becomes the oldest
        // one, and the messages after it are not the cause.
        self.unreceipted.with(|messages| {
            if let Some(oldest) = messages.front_mut() {
                oldest.queued.count_loss(&reason);
            }
        });
        if self.options.keep_alive.is_some() && self.has_nothing_to_send() {
            // A connection for responses reconnects when there is a response. A sender that comes
            // first keeps it open.
            self.queue.close();
            if self.queue.is_empty() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(reason)
    }

    fn has_nothing_to_send(&self) -> bool {
        self.queue.is_empty() && self.unwritten.is_empty() && self.unreceipted.len() == 0
    }

    fn should_give_up(&self, disconnected_for: Duration) -> bool {
        let limit = self.options.connection_timeout;
        limit.is_some_and(|limit| disconnected_for >= limit)
    }

    /// Waits until the publisher has no handles, and has nothing to send or has tried for too long.
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

    /// Drops the remaining messages and reports the error to their senders.
    fn abandon(&mut self, failure: Option<&ConnectError>) {
        let error = match failure {
            Some(failure) if failure.is_refusal() => PublishError::Refused(failure.to_string()),
            _ => PublishError::Closed,
        };
        self.queue.close();
        let mut left: Vec<_> = self.unreceipted.take_all().collect();
        left.extend(self.unwritten.drain(..));
        while let Ok(queued) = self.queue.try_recv() {
            left.push(queued);
        }
        if !left.is_empty() {
            let (topic, count) = (&self.topic, left.len());
            tracing::error!(
                topic = topic.as_str(),
                count,
                "dropped messages because there is no connection"
            );
        }
        for queued in left {
            queued.settle(&self.topic, Err(error.clone()));
        }
    }
}

/// Reads receipts until the connection ends, and returns why it ended.
async fn read(
    mut stream: Stream,
    mut reader: impl ReadReceipts,
    topic: &Topic,
    unreceipted: &Unreceipted,
    liveness: &Liveness,
) -> String {
    while let Some(frame) = stream.next().await {
        liveness.heard();
        match frame {
            Ok(Message::Close(close)) => return closed(close.as_ref()),
            Ok(frame) => reader.accept(frame),
            Err(error) => return broken(&error),
        }
        loop {
            match reader.next() {
                Ok(Some(settlement)) => settle(settlement, topic, unreceipted),
                Ok(None) => break,
                Err(reason) => return reason,
            }
        }
    }
    closed(None)
}

/// Matches a receipt with its message.
fn settle(settlement: Settlement, topic: &Topic, unreceipted: &Unreceipted) {
    let Settlement { key, outcome } = settlement;
    match unreceipted.take(key.as_deref()) {
        Some(queued) => queued.settle(topic, outcome),
        None => tracing::debug!(
            topic = topic.as_str(),
            key,
            "ignored a receipt for an unknown message"
        ),
    }
}

/// The writing half of one connection.
struct Writer<'a, W> {
    frames: W,
    /// How many messages may be without a receipt before no more are written.
    window: usize,
    ping: KeepAlive,
    goodbye: Option<Message>,
    topic: &'a Topic,
    keep_alive: Option<Duration>,
    queue: &'a mut mpsc::Receiver<Queued>,
    /// Outlives the connection, because the writing future may be dropped in the middle.
    unwritten: &'a mut VecDeque<Queued>,
    unreceipted: &'a Unreceipted,
    last_message: &'a mut Instant,
}

impl<W: WriteMessages> Writer<'_, W> {
    /// Writes messages and pings until nothing is left to do.
    ///
    /// # Errors
    /// Returns the error when the connection fails.
    async fn write(mut self, mut sink: Sink) -> Result<(), Error> {
        let every = self.ping.every;
        let mut ping = tokio::time::interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        let mut open = true;
        loop {
            while let Some(frames) = self.next_frames() {
                for frame in frames {
                    sink.feed(frame).await?;
                }
                sink.flush().await?;
            }
            let waiting = self.unreceipted.len();
            let is_idle = waiting == 0 && self.unwritten.is_empty();
            if !open && is_idle {
                let closed = tokio::time::timeout(CLOSE_TIMEOUT, close(sink, self.goodbye)).await;
                return closed.unwrap_or(Ok(()));
            }
            let room = if self.unwritten.is_empty() {
                self.window.saturating_sub(waiting).min(BATCH)
            } else {
                0
            };
            // The keep-alive has no end if it is longer than a clock can hold.
            let idle = self
                .keep_alive
                .and_then(|keep_alive| self.last_message.checked_add(keep_alive));
            tokio::select! {
                count = self.queue.recv_many(&mut batch, room), if open && room > 0 => {
                    open = count > 0;
                    self.unwritten.extend(batch.drain(..));
                }
                () = self.unreceipted.received.notified(), if waiting > 0 => {}
                () = sleep_until(idle), if open && is_idle => {
                    tracing::debug!(topic = self.topic.as_str(), "producer closed after its keep-alive time");
                    // Messages that senders queue before they notice the closing are still received
                    // above.
                    self.queue.close();
                }
                _ = ping.tick() => sink.send(self.ping.ping.clone()).await?,
            }
        }
    }

    /// Returns the frames of the messages that may be written now, and marks those messages as
    /// written. Messages that must not be written fail with the reason. Returns `None` if there are
    /// no messages.
    fn next_frames(&mut self) -> Option<Vec<Message>> {
        let room = self.window.saturating_sub(self.unreceipted.len());
        let count = self.unwritten.len().min(room).min(BATCH);
        if count == 0 {
            return None;
        }
        let now = Instant::now();
        *self.last_message = now;
        let mut frames = Vec::with_capacity(count);
        for mut queued in self.unwritten.drain(..count) {
            let framed = match queued.obstacle(now) {
                None => self.frames.frame(&mut queued),
                Some(error) => Err(error),
            };
            match framed {
                Ok((frame, key)) => {
                    frames.push(frame);
                    let written = Written { key, queued };
                    self.unreceipted
                        .with(|messages| messages.push_back(written));
                }
                Err(error) => queued.settle(self.topic, Err(error)),
            }
        }
        Some(frames)
    }
}
