//! The task that owns the connection of a producer.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dasf_protocol::Topic;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::connect::close;
use super::driver::{BATCH, End, FrameQueue, Reads, Writes, drive};
use super::liveness::Unreceipted;
use super::reconnect::{Work, keep_connected};
use super::{Connection, Dialect, Endpoint, ReadReceipts, Settlement, WriteMessages};
use crate::backoff::Backoff;
use crate::transport::{
    Backlog, ConnectError, PublishError, PublisherEnds, PublisherOptions, Queued,
    drop_superseded_reports,
};

/// How many messages may be without a receipt before no more are written.
const UNRECEIPTED_LIMIT: usize = 256;
/// How many messages wait that nobody reads.
pub(super) const UNREAD_LIMIT: usize = 4096;
/// How long a message waits at most that nobody reads, before it is written again.
pub(super) const LONGEST_UNREAD: Duration = Duration::from_millis(250);
/// How long a publisher without handles tries to reach a broker that does not answer.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// How often a publisher without a connection checks whether it still has handles.
pub(super) const LINGER_CHECK: Duration = Duration::from_millis(250);
/// How long closing the connection may take.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until every handle is dropped and the queue is sent, or until its options make it give up.
pub(super) async fn run<D>(
    dialect: D,
    endpoint: Endpoint,
    topic: Topic,
    options: PublisherOptions,
    ends: PublisherEnds,
) where
    D: Dialect<Writer: WriteMessages, Reader: ReadReceipts>,
{
    let PublisherEnds { queue, state } = ends;
    let mut producer = Producer {
        topic,
        options,
        queue,
        unwritten: VecDeque::new(),
        unreceipted: VecDeque::new(),
        unread: VecDeque::new(),
        unread_since: None,
        last_message: Instant::now(),
        disconnected_since: Instant::now(),
        was_lost: false,
        reconnected: None,
        was_useful: false,
    };
    keep_connected(&dialect, &endpoint, None, &mut producer, &state).await;
    let failure = state.borrow().failure().cloned();
    producer.abandon(failure.as_ref()).await;
}

/// The state that outlives a single connection.
struct Producer {
    topic: Topic,
    options: PublisherOptions,
    queue: mpsc::Receiver<Queued>,
    /// The messages to write: taken from the queue, or lost with a connection.
    unwritten: VecDeque<Queued>,
    /// The messages that were written and have no receipt yet, in the order of writing.
    unreceipted: VecDeque<Written>,
    /// The messages that nobody reads yet. They are written again in a moment.
    unread: VecDeque<Queued>,
    /// Since when nobody reads the topic.
    unread_since: Option<Instant>,
    /// When a message was last written, on this connection or an earlier one.
    last_message: Instant,
    /// When the last connection was lost.
    disconnected_since: Instant,
    /// Whether a connection was lost.
    was_lost: bool,
    /// When the connection came back.
    reconnected: Option<Instant>,
    /// Whether the broker has accepted a message on this connection.
    was_useful: bool,
}

/// A message under way, and the key that its receipt will carry.
struct Written {
    key: String,
    queued: Queued,
}

impl<W: WriteMessages, R: ReadReceipts> Work<W, R> for Producer {
    const NAME: &'static str = "producer";

    async fn serve(&mut self, connection: Connection<W, R>) -> ControlFlow<(), String> {
        let Connection {
            mut socket,
            writer,
            reader,
            window,
            keep_alive,
            goodbye,
            names_users: _,
            hold: _,
        } = connection;
        self.was_useful = false;
        self.reconnected = self.was_lost.then(Instant::now);
        // Messages that were lost with the last connection go first.
        for Written { queued, .. } in self.unreceipted.drain(..).rev() {
            self.unwritten.push_front(queued);
        }
        self.unwritten.extend(self.unread.drain(..));
        drop_superseded_reports(&mut self.unwritten, |queued| Some((None, queued)));
        let lost = self.unwritten.iter();
        let lost = lost
            .take_while(|queued| queued.written_at().is_some())
            .count();
        let mut role = ProducerRole {
            writer,
            reader,
            window: window.clamp(1, UNRECEIPTED_LIMIT),
            lost,
            backlog: Backlog::since(self.disconnected_since),
            receipts: 0,
            unread_again: None,
            waits: Backoff::default(),
            is_open: true,
            idle: None,
            producer: self,
        };
        match drive(&mut socket, keep_alive, &mut role).await {
            End::Finished => {
                // Errors no longer matter, because everything is sent.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, close(socket, goodbye)).await;
                ControlFlow::Break(())
            }
            End::Lost(reason) => {
                self.disconnected_since = Instant::now();
                self.was_lost = true;
                self.lost(reason).await
            }
        }
    }

    async fn unwanted(&mut self) {
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

    fn was_useful(&self) -> bool {
        self.was_useful
    }

    fn patience(&self) -> Option<Duration> {
        self.options.connection_timeout
    }
}

impl Producer {
    /// Decides how to go on after a connection was lost.
    async fn lost(&mut self, reason: String) -> ControlFlow<(), String> {
        // Brokers read in order. A message that makes them drop the connection becomes the oldest
        // one, and the messages after it are not the cause.
        if let Some(oldest) = self.unreceipted.front_mut() {
            oldest.queued.count_loss(&reason);
        }
        if self.options.keep_alive.is_some() && self.has_nothing_to_send() {
            // A connection for responses reconnects when there is a response. A sender that comes
            // first keeps it open.
            self.close_queue().await;
            if self.unwritten.is_empty() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(reason)
    }

    fn has_nothing_to_send(&self) -> bool {
        self.queue.is_empty() && self.is_idle()
    }

    /// Returns whether no message is on the way.
    fn is_idle(&self) -> bool {
        self.unwritten.is_empty() && self.unreceipted.is_empty() && self.unread.is_empty()
    }

    /// Closes the queue, and takes what is in it. A sender that has its place in the queue already may
    /// still be about to fill it.
    async fn close_queue(&mut self) {
        self.queue.close();
        while let Some(queued) = self.queue.recv().await {
            self.unwritten.push_back(queued);
        }
    }

    /// Drops the remaining messages and reports the error to their senders.
    async fn abandon(&mut self, failure: Option<&ConnectError>) {
        let error = match failure {
            Some(failure) if failure.is_refusal() => PublishError::Refused(failure.to_string()),
            _ => PublishError::Closed,
        };
        self.close_queue().await;
        let mut left: Vec<_> = self.unreceipted.drain(..).map(|it| it.queued).collect();
        left.extend(self.unwritten.drain(..));
        left.extend(self.unread.drain(..));
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

/// The producer on one connection.
struct ProducerRole<'a, W, R> {
    writer: W,
    reader: R,
    /// How many messages may be without a receipt before no more are written.
    window: usize,
    /// How many messages were lost with the last connection. They are sent one by one, so that a
    /// message that makes the broker drop the connection is known.
    lost: usize,
    backlog: Backlog,
    /// How many receipts have come on this connection.
    receipts: u64,
    /// When to write the messages again that nobody reads.
    unread_again: Option<Pin<Box<Sleep>>>,
    /// How long these messages wait.
    waits: Backoff,
    /// Whether the publisher still has handles.
    is_open: bool,
    /// The time at which an idle connection is closed.
    idle: Option<Pin<Box<Sleep>>>,
    producer: &'a mut Producer,
}

impl<W: WriteMessages, R: ReadReceipts> Reads for ProducerRole<'_, W, R> {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn on_frame(&mut self, frame: Message) -> Result<(), String> {
        self.reader.accept(frame);
        while let Some(settlement) = self.reader.next()? {
            self.settle(settlement);
        }
        Ok(())
    }
}

impl<W: WriteMessages, R: ReadReceipts> Writes for ProducerRole<'_, W, R> {
    fn fill(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) -> bool {
        self.take_unread(cx);
        loop {
            let is_empty = self.take_from_queue(cx);
            let has_settled = self.write(outgoing, is_empty);
            // What is not written makes room for others.
            if !has_settled || !outgoing.is_empty() {
                break;
            }
        }
        if self.is_open && self.producer.is_idle() {
            self.close_if_unused(cx);
            self.write(outgoing, false);
        }
        !self.is_open && self.producer.is_idle()
    }

    fn unreceipted(&self) -> Unreceipted {
        let written = self.producer.unreceipted.iter();
        let sizes = written.map(|it| it.queued.message.payload.len());
        Unreceipted::of(self.receipts, sizes)
    }
}

impl<W: WriteMessages, R: ReadReceipts> ProducerRole<'_, W, R> {
    /// Returns how many messages may be written now.
    fn room(&self) -> usize {
        let window = if self.lost > 0 { 1 } else { self.window };
        window
            .saturating_sub(self.producer.unreceipted.len())
            .min(BATCH)
    }

    /// Takes the messages that may be written next. Returns whether the queue is empty now.
    fn take_from_queue(&mut self, cx: &mut Context<'_>) -> bool {
        let room = self.room();
        let Producer {
            queue, unwritten, ..
        } = &mut *self.producer;
        while self.is_open && unwritten.len() < room {
            match queue.poll_recv(cx) {
                Poll::Ready(Some(queued)) => unwritten.push_back(queued),
                Poll::Ready(None) => self.is_open = false,
                Poll::Pending => return true,
            }
        }
        false
    }

    /// Writes the messages that may be written now. Messages that must not be written fail with the
    /// reason. `is_empty` means that no more messages are in the queue. Returns whether a message failed.
    fn write(&mut self, outgoing: &mut FrameQueue, is_empty: bool) -> bool {
        let count = self.producer.unwritten.len().min(self.room());
        if count == 0 {
            return false;
        }
        let now = Instant::now();
        self.producer.last_message = now;
        let has_waited = self.backlog.is_long(now);
        if is_empty {
            self.backlog.ends(now);
        }
        let mut has_settled = false;
        for mut queued in self.producer.unwritten.drain(..count) {
            let framed = queued.prepare(now, has_waited);
            let framed = framed.and_then(|()| self.writer.frame(&mut queued));
            match framed {
                Ok((frame, key)) => {
                    outgoing.push_back(frame);
                    self.producer.unreceipted.push_back(Written { key, queued });
                }
                Err(error) => {
                    has_settled = true;
                    self.lost = self.lost.saturating_sub(1);
                    queued.settle(&self.producer.topic, Err(error));
                }
            }
        }
        has_settled
    }

    /// Closes the queue when the connection was unused for its keep-alive time. Messages that senders
    /// queue before they notice that are still sent.
    fn close_if_unused(&mut self, cx: &mut Context<'_>) {
        let keep_alive = self.producer.options.keep_alive;
        // The keep-alive has no end if it is longer than a clock can hold.
        let Some(end) = keep_alive.and_then(|time| self.producer.last_message.checked_add(time))
        else {
            return;
        };
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if idle.deadline() != end {
            idle.as_mut().reset(end);
        }
        if idle.as_mut().poll(cx).is_ready() {
            let topic = self.producer.topic.as_str();
            tracing::debug!(topic, "producer closed after its keep-alive time");
            self.producer.queue.close();
            self.take_from_queue(cx);
        }
    }

    /// Takes the messages that nobody reads, when it is time to write them again.
    fn take_unread(&mut self, cx: &mut Context<'_>) {
        if let Some(again) = &mut self.unread_again
            && again.as_mut().poll(cx).is_ready()
        {
            self.unread_again = None;
            let unread = std::mem::take(&mut self.producer.unread);
            self.producer.unwritten.extend(unread);
        }
    }

    /// Keeps a message that nobody reads, so that it is written again in a moment. Returns it if its time
    /// is over.
    fn keep_unread(&mut self, mut queued: Queued) -> Option<Queued> {
        let now = Instant::now();
        let topic_since = *self.producer.unread_since.get_or_insert(now);
        let Some(since) = queued.is_unread(now) else {
            return Some(queued);
        };
        let again = match &self.unread_again {
            Some(again) => again.deadline(),
            None => now + self.waits.next().min(LONGEST_UNREAD),
        };
        let patience = self.producer.options.reader_patience;
        let end = patience.end(since, topic_since, self.producer.reconnected);
        let is_late = again > end || !queued.is_useful_at(again);
        if is_late || self.producer.unread.len() >= UNREAD_LIMIT {
            return Some(queued);
        }
        self.producer.unread.push_back(queued);
        self.unread_again
            .get_or_insert_with(|| Box::pin(sleep_until(again)));
        None
    }

    /// Matches a receipt with its message. Brokers answer in order, so it is nearly always the oldest
    /// one.
    fn settle(&mut self, settlement: Settlement) {
        let Settlement { key, outcome } = settlement;
        self.receipts += 1;
        self.producer.was_useful |= outcome.is_ok();
        let unreceipted = &mut self.producer.unreceipted;
        let index = match &key {
            Some(key) => unreceipted.iter().position(|it| it.key == *key),
            None => Some(0),
        };
        match index.and_then(|index| unreceipted.remove(index)) {
            Some(Written { queued, .. }) => {
                self.lost = self.lost.saturating_sub(1);
                let left = match outcome {
                    Err(PublishError::NobodyListens) => self.keep_unread(queued),
                    _ => {
                        self.producer.unread_since = None;
                        self.waits = Backoff::default();
                        Some(queued)
                    }
                };
                if let Some(queued) = left {
                    queued.settle(&self.producer.topic, outcome);
                }
            }
            None => tracing::debug!(
                topic = self.producer.topic.as_str(),
                key,
                "ignored a receipt for an unknown message"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dasf_protocol::Properties;
    use futures_util::{FutureExt, SinkExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::sync::oneshot;

    use super::super::KeepAlive;
    use super::super::traffic::Counted;
    use super::*;
    use crate::transport::Outgoing;

    fn producer(keep_alive: Option<Duration>) -> (mpsc::Sender<Queued>, Producer) {
        let (sender, queue) = mpsc::channel(4);
        let producer = Producer {
            topic: "a".parse().unwrap(),
            options: PublisherOptions {
                keep_alive,
                ..PublisherOptions::default()
            },
            queue,
            unwritten: VecDeque::new(),
            unreceipted: VecDeque::new(),
            unread: VecDeque::new(),
            unread_since: None,
            last_message: Instant::now(),
            disconnected_since: Instant::now(),
            was_lost: false,
            reconnected: None,
            was_useful: false,
        };
        (sender, producer)
    }

    fn message() -> (Queued, oneshot::Receiver<Result<(), PublishError>>) {
        Queued::with_receipt(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new(),
            expires: None,
            awaited_until: None,
        })
    }

    struct Frames;

    impl WriteMessages for Frames {
        fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
            let payload = queued.mark_written().payload.clone();
            Ok((Message::Binary(payload), String::new()))
        }
    }

    /// Takes each text for a receipt.
    #[derive(Default)]
    struct Receipts(usize);

    impl ReadReceipts for Receipts {
        fn accept(&mut self, frame: Message) {
            self.0 += usize::from(frame.is_text());
        }

        fn next(&mut self) -> Result<Option<Settlement>, String> {
            if self.0 == 0 {
                return Ok(None);
            }
            self.0 -= 1;
            Ok(Some(Settlement {
                key: None,
                outcome: Ok(()),
            }))
        }
    }

    /// Reads messages, and sends their receipts.
    async fn broker(link: DuplexStream) {
        let mut broker = tokio_tungstenite::accept_async(link).await.unwrap();
        while let Some(Ok(frame)) = broker.next().await {
            if frame.is_binary() {
                broker.send(Message::text("receipt")).await.unwrap();
            }
        }
    }

    /// Carries 1 kB in 0.1 s from a program to a broker. Stops after `dies_after`.
    async fn slow_link(program: DuplexStream, broker: DuplexStream, dies_after: Option<Duration>) {
        let (mut from_program, mut to_program) = tokio::io::split(program);
        let (mut from_broker, mut to_broker) = tokio::io::split(broker);
        let there = async {
            let mut bytes = [0; 1000];
            while let Ok(count @ 1..) = from_program.read(&mut bytes).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
                to_broker.write_all(&bytes[..count]).await.unwrap();
            }
        };
        let back = tokio::io::copy(&mut from_broker, &mut to_program);
        let carrying = async { tokio::join!(there, back) };
        let time = dies_after.unwrap_or(Duration::from_secs(3600));
        let _ = tokio::time::timeout(time, carrying).await;
        std::future::pending::<()>().await;
    }

    /// Sends a message of `size` bytes over a slow link, and closes the connection if the link does not
    /// die. The system of the program buffers `buffered` bytes. Returns the end of the connection, and
    /// when it came.
    async fn end_on_slow_link(
        buffered: usize,
        size: usize,
        dies_after: Option<Duration>,
    ) -> (End, Duration) {
        let (program, near) = tokio::io::duplex(buffered);
        let (far, broker_end) = tokio::io::duplex(64 << 10);
        let link = tokio::spawn(slow_link(near, far, dies_after));
        let broker = tokio::spawn(broker(broker_end));
        let program = Counted::new(program);
        let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost/", program)
            .await
            .unwrap();
        let start = Instant::now();
        let (sender, mut producer) = producer(None);
        let (mut queued, receipt) = message();
        queued.message.payload = Bytes::from(vec![0; size]);
        sender.send(queued).await.unwrap();
        let sender = dies_after.map(|_| sender);
        let mut role = ProducerRole {
            writer: Frames,
            reader: Receipts::default(),
            window: 1,
            lost: 0,
            backlog: Backlog::since(start),
            unread_again: None,
            waits: Backoff::default(),
            receipts: 0,
            is_open: true,
            idle: None,
            producer: &mut producer,
        };
        let end = drive(&mut socket, KeepAlive::default(), &mut role).await;
        if end == End::Finished {
            assert_eq!(receipt.await.unwrap(), Ok(()));
        }
        drop(sender);
        link.abort();
        broker.abort();
        (end, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_passes_a_slow_link_in_one_go() {
        // The buffers of systems are smaller or larger than the message.
        for buffered in [16 << 10, 4 << 20] {
            let (end, after) = end_on_slow_link(buffered, 933_000, None).await;
            assert_eq!(end, End::Finished);
            assert_eq!(after.as_secs(), 93, "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_link_is_noticed_within_20_s() {
        let dies_after = Duration::from_secs(50);
        let (end, after) = end_on_slow_link(16 << 10, 20_000, Some(dies_after)).await;
        let reason = "the broker sent nothing for 12 s";
        assert_eq!(end, End::Lost(reason.to_owned()));
        let silence = after - dies_after;
        assert!(silence < Duration::from_secs(20), "{silence:?}");
    }

    #[tokio::test]
    async fn a_sender_with_a_place_in_the_queue_is_told_that_its_message_is_lost() {
        let (sender, mut producer) = producer(None);
        let permit = sender.reserve().await.unwrap();
        let mut abandoned = Box::pin(producer.abandon(None));
        // The sender has its place before the queue is closed, and fills it after that.
        assert!(abandoned.as_mut().now_or_never().is_none());
        let (queued, receipt) = message();
        permit.send(queued);
        abandoned.await;
        assert_eq!(receipt.await.unwrap(), Err(PublishError::Closed));
    }

    #[tokio::test]
    async fn an_idle_connection_that_is_lost_connects_again_for_a_sender_with_a_place() {
        let (sender, mut producer) = producer(Some(Duration::from_secs(1)));
        let permit = sender.reserve().await.unwrap();
        let mut lost = Box::pin(producer.lost("cut".to_owned()));
        assert!(lost.as_mut().now_or_never().is_none());
        let (queued, receipt) = message();
        permit.send(queued);
        assert_eq!(lost.await, ControlFlow::Continue("cut".to_owned()));
        assert_eq!(producer.unwritten.len(), 1);
        drop(receipt);
    }
}
