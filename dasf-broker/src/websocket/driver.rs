//! One WebSocket: one task reads and writes at the same time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde::Deserialize;
use tokio::time::{
    Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until, timeout,
};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::hub::{Consumer, Producer};
use crate::message::Frame;
use crate::receipt;
use crate::route::Style;

/// The largest number of frames that a task reads, or of deliveries that it takes, in one step. Then
/// it continues with its other work.
const BATCH: usize = 128;

/// The largest number of receipts that wait for a producer. Above that, the broker does not read its
/// next frames.
const MAX_PENDING_RECEIPTS: usize = 16_384;

/// The largest number of bytes of receipts that wait for a producer. A receipt contains the context of
/// its frame, which may be long.
const MAX_PENDING_BYTES: usize = 4 * 1024 * 1024;

/// A peer is lost when a ping is due after this number of pings without any frame of the peer.
const MAX_UNANSWERED_PINGS: u32 = 2;

/// The time that the peer has to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A WebSocket. It is a trait because tests use another type.
pub(crate) trait Socket:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin
{
}

/// The role of a socket: producer or consumer.
pub(crate) trait Role {
    /// Whether the broker sends the waiting messages before it closes the socket.
    const SENDS_PENDING_ON_CLOSE: bool;

    /// Handles a frame of the peer. A returned frame closes the socket.
    fn on_frame(&mut self, text: &str, outgoing: &mut Outgoing) -> Option<CloseFrame>;

    /// Runs after some frames were handled, and when the task wakes.
    fn after_frames(&mut self, cx: &mut Context<'_>);

    /// Adds messages to send. If there are none, registers the task for the next one.
    fn fill_outgoing(&mut self, outgoing: &mut Outgoing, cx: &mut Context<'_>);
}

/// Messages that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Outgoing {
    fn push(&mut self, text: impl Into<Utf8Bytes>) {
        let text = text.into();
        self.bytes += text.len();
        self.messages.push_back(Message::Text(text));
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        if let Message::Text(text) = &message {
            self.bytes -= text.len();
        }
        Some(message)
    }

    fn is_saturated(&self) -> bool {
        self.messages.len() >= MAX_PENDING_RECEIPTS || self.bytes >= MAX_PENDING_BYTES
    }
}

/// The end of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed it.
    ClosedByPeer,
    /// The connection broke, or the peer does not answer.
    Lost(String),
    /// The broker closes it.
    ClosedByBroker(CloseFrame),
}

fn close(code: u16, reason: impl Into<Utf8Bytes>) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}

/// Runs a socket to its end, and closes it. The role ends before the closing handshake, so nothing
/// waits for a slow peer.
pub(crate) async fn drive<S: Socket, R: Role>(
    socket: &mut S,
    role: R,
    ping_interval: Duration,
    max_frame_size: usize,
    shutdown: CancellationToken,
) -> End {
    let mut driver = Driver::new(socket, role, ping_interval, max_frame_size);
    let end = tokio::select! {
        biased;
        () = shutdown.cancelled() => End::ClosedByBroker(close(close_code::AWAY, "the broker shuts down")),
        end = poll_fn(|cx| driver.poll(cx)) => end,
    };
    let Driver {
        role, mut outgoing, ..
    } = driver;
    drop(role);
    let closing_handshake = async {
        if let End::ClosedByBroker(frame) = &end {
            if R::SENDS_PENDING_ON_CLOSE {
                while let Some(message) = outgoing.pop() {
                    socket.feed(message).await?;
                }
            }
            socket.send(Message::Close(Some(frame.clone()))).await?;
            // Frames that the peer sent before the close frame come before its answer.
            while socket.next().await.transpose()?.is_some() {}
        } else if end == End::ClosedByPeer {
            socket.close().await?;
        }
        Ok::<(), axum::Error>(())
    };
    match timeout(CLOSE_TIMEOUT, closing_handshake).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!("the connection broke during the closing handshake: {error}"),
        Err(_) => debug!("the peer did not answer the close frame in time"),
    }
    end
}

struct Driver<'a, S, R> {
    socket: &'a mut S,
    role: R,
    outgoing: Outgoing,
    /// Whether the socket may hold messages that it has not written.
    unflushed: bool,
    heartbeat: Interval,
    /// The number of pings since the last frame of the peer. With the time instead, a broker that was
    /// suspended for a while would lose all its peers.
    unanswered: u32,
    max_frame_size: usize,
}

impl<'a, S: Socket, R: Role> Driver<'a, S, R> {
    fn new(socket: &'a mut S, role: R, ping_interval: Duration, max_frame_size: usize) -> Self {
        let mut heartbeat = interval_at(Instant::now() + ping_interval, ping_interval);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            role,
            outgoing: Outgoing::default(),
            unflushed: false,
            heartbeat,
            unanswered: 0,
            max_frame_size,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while self.heartbeat.poll_tick(cx).is_ready() {
            if self.unanswered == MAX_UNANSWERED_PINGS {
                let reason = format!("the peer answered none of {MAX_UNANSWERED_PINGS} pings");
                return Poll::Ready(End::Lost(reason));
            }
            self.unanswered += 1;
            self.outgoing
                .messages
                .push_back(Message::Ping(Vec::new().into()));
        }
        loop {
            let more = match self.read(cx) {
                Ok(more) => more,
                Err(end) => return Poll::Ready(end),
            };
            self.role.after_frames(cx);
            if self.outgoing.messages.is_empty() {
                self.role.fill_outgoing(&mut self.outgoing, cx);
            }
            let idle = !more && self.outgoing.messages.is_empty();
            match self.write(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::Lost(error.to_string())),
                Poll::Ready(Ok(())) if idle => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    // The broker reads on while the peer does not read, up to the limits of waiting
                    // receipts.
                    if more && !self.outgoing.is_saturated() {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads a batch of frames. Returns whether there may be more frames that do not wake the task.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for _ in 0..BATCH {
            if self.outgoing.is_saturated() {
                return Ok(true);
            }
            let Poll::Ready(received) = self.socket.poll_next_unpin(cx) else {
                return Ok(false);
            };
            self.unanswered = 0;
            let end = match received {
                None | Some(Ok(Message::Close(_))) => End::ClosedByPeer,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Text(text))) => {
                    match self.role.on_frame(&text, &mut self.outgoing) {
                        None => continue,
                        Some(frame) => End::ClosedByBroker(frame),
                    }
                }
                Some(Ok(Message::Binary(_))) => End::ClosedByBroker(close(
                    close_code::UNSUPPORTED,
                    "the broker accepts no binary frames; send JSON in text frames",
                )),
                Some(Err(error)) => self.read_error(error),
            };
            return Err(end);
        }
        Ok(true)
    }

    fn read_error(&self, error: axum::Error) -> End {
        let error = error.into_inner();
        match error.downcast_ref() {
            Some(tungstenite::Error::Capacity(_)) => End::ClosedByBroker(close(
                close_code::SIZE,
                format!(
                    "the frame is larger than {} bytes, the limit max_frame_size",
                    self.max_frame_size
                ),
            )),
            Some(tungstenite::Error::Utf8(_)) => {
                End::ClosedByBroker(close(close_code::INVALID, "a text frame is not UTF-8"))
            }
            _ => End::Lost(error.to_string()),
        }
    }

    /// Writes the waiting messages, with one flush for all.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        while !self.outgoing.messages.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(message) = self.outgoing.pop() {
                Pin::new(&mut *self.socket).start_send(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// The socket of a producer.
pub(crate) struct ProducerRole {
    pub(crate) style: Style,
    pub(crate) producer: Producer,
}

impl Role for ProducerRole {
    const SENDS_PENDING_ON_CLOSE: bool = true;

    fn on_frame(&mut self, text: &str, outgoing: &mut Outgoing) -> Option<CloseFrame> {
        let Frame { context, fields } = Frame::parse(text);
        let receipt = match fields {
            Ok(fields) => match self.producer.publish(fields) {
                (message, Ok(())) => receipt::accepted(self.style, message.id(), context),
                (message, Err(error)) => {
                    let reason = error.to_string();
                    self.producer.report_refused(Some(message.id()), &reason);
                    receipt::refused(self.style, receipt::REFUSED, &reason, context)
                }
            },
            Err(error) => {
                let reason = error.to_string();
                self.producer.report_refused(None, &reason);
                receipt::refused(self.style, receipt::BAD_FRAME, &reason, context)
            }
        };
        outgoing.push(receipt);
        None
    }

    fn after_frames(&mut self, _: &mut Context<'_>) {
        self.producer.apply_effects();
    }

    fn fill_outgoing(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {
        // A producer gets only the receipts of its frames.
    }
}

/// The socket of a consumer.
pub(crate) struct ConsumerRole {
    consumer: Consumer,
    /// Wakes the task when a delayed message is due.
    timer: Option<Pin<Box<Sleep>>>,
}

impl ConsumerRole {
    pub(crate) fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            timer: None,
        }
    }
}

/// A frame of a consumer. Without a type, it is an acknowledgement.
#[derive(Deserialize)]
struct Command<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(rename = "messageId", borrow, default)]
    message_id: Cow<'a, str>,
}

impl Role for ConsumerRole {
    const SENDS_PENDING_ON_CLOSE: bool = false;

    fn on_frame(&mut self, text: &str, _: &mut Outgoing) -> Option<CloseFrame> {
        let consumer = &mut self.consumer;
        let command: Command<'_> = match serde_json::from_str(text) {
            Ok(command) => command,
            Err(error) => {
                let (topic, subscription) = (consumer.topic(), consumer.subscription());
                warn!(%topic, %subscription, "ignored a frame that is not an acknowledgement: {error}");
                return None;
            }
        };
        let known = match &*command.kind {
            "" => consumer.acknowledge(&command.message_id),
            "negativeAcknowledge" => consumer.negative_acknowledge(&command.message_id),
            "unsubscribe" if consumer.unsubscribe() => {
                return Some(close(close_code::NORMAL, "unsubscribed"));
            }
            "unsubscribe" => {
                let (topic, subscription) = (consumer.topic(), consumer.subscription());
                warn!(%topic, %subscription, "did not remove the subscription, because it has other consumers");
                return None;
            }
            other => {
                debug!(
                    topic = consumer.topic().to_string(),
                    "ignored a frame of type {other:?}"
                );
                return None;
            }
        };
        if !known {
            debug!(
                topic = consumer.topic().to_string(),
                subscription = consumer.subscription().to_string(),
                message_id = &*command.message_id,
                "ignored an acknowledgement of a message that the consumer does not have"
            );
        }
        None
    }

    fn after_frames(&mut self, cx: &mut Context<'_>) {
        // Not in `fill_outgoing`, which does not run while the peer does not read.
        while let Some(due) = self.consumer.next_due().map(Instant::from_std) {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
            self.consumer.release_due();
        }
        self.consumer.apply_effects();
    }

    fn fill_outgoing(&mut self, outgoing: &mut Outgoing, cx: &mut Context<'_>) {
        self.consumer
            .take(BATCH, cx.waker(), |text| outgoing.push(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::sync::Arc;
    use std::task::Waker;

    use crate::hub::Hub;
    use crate::limits::Limits;
    use crate::topic::{ConsumerOptions, SubscriptionType, TopicName};
    use dasf_protocol::Topic;
    use serde_json::json;

    /// A peer that sends given messages, and reads `reads` messages.
    struct Peer {
        says: Box<dyn Iterator<Item = Message>>,
        reads: usize,
        taken: Vec<Message>,
    }

    impl Peer {
        fn new(says: impl Iterator<Item = Message> + 'static, reads: usize) -> Self {
            Self {
                says: Box::new(says),
                reads,
                taken: Vec::new(),
            }
        }

        /// Returns a peer that sends nothing.
        fn silent(reads: usize) -> Self {
            Self::new(iter::empty(), reads)
        }
    }

    impl Stream for Peer {
        type Item = Result<Message, axum::Error>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.says.next() {
                Some(message) => Poll::Ready(Some(Ok(message))),
                None => Poll::Pending,
            }
        }
    }

    impl Sink<Message> for Peer {
        type Error = axum::Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            if self.taken.len() < self.reads {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
            assert!(self.taken.len() < self.reads, "it was not ready");
            self.taken.push(message);
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Answers each frame.
    struct Echo {
        receipt: String,
        received: usize,
    }

    impl Role for Echo {
        const SENDS_PENDING_ON_CLOSE: bool = true;

        fn on_frame(&mut self, _: &str, outgoing: &mut Outgoing) -> Option<CloseFrame> {
            self.received += 1;
            outgoing.push(self.receipt.clone());
            None
        }

        fn after_frames(&mut self, _: &mut Context<'_>) {}

        fn fill_outgoing(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {}
    }

    /// Returns the number of frames that the broker reads from a peer that sends without end, and
    /// reads `reads` receipts.
    fn frames_read(receipt: &str, reads: usize) -> usize {
        let mut socket = Peer::new(iter::repeat(Message::text("frame")), reads);
        let role = Echo {
            receipt: receipt.to_owned(),
            received: 0,
        };
        let mut driver = Driver::new(&mut socket, role, Duration::from_secs(30), 1024);
        let mut cx = Context::from_waker(Waker::noop());
        let mut before = usize::MAX;
        while driver.role.received != before {
            before = driver.role.received;
            assert!(driver.poll(&mut cx).is_pending());
        }
        before
    }

    #[tokio::test]
    async fn unread_receipts_stop_the_broker_from_reading() {
        assert_eq!(frames_read("r", 0), MAX_PENDING_RECEIPTS);
        assert_eq!(frames_read("r", 500), MAX_PENDING_RECEIPTS + 500);
        let long = "r".repeat(MAX_PENDING_BYTES / 8);
        assert_eq!(frames_read(&long, 0), 8);
        assert_eq!(frames_read(&long, 5), 8 + 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_message_does_not_wait_for_a_peer_that_does_not_read() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let topic: TopicName = "demo".parse::<Topic>().unwrap().into();
        let options = ConsumerOptions {
            kind: SubscriptionType::Shared,
            durable: true,
            receiver_queue_size: None,
            redelivery_delay: Duration::from_secs(5),
            dead_letters: None,
        };
        let attach = || hub.consumer(topic.clone(), "s".parse().unwrap(), &options);
        let consumer = attach().unwrap();
        let mut producer = hub.producer(topic.clone()).unwrap();
        let (message, _) = producer.publish("}");
        let mut socket = Peer::silent(1);
        let never = Duration::from_secs(3600);
        let mut driver = Driver::new(&mut socket, ConsumerRole::new(consumer), never, 1024);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.poll(&mut cx).is_pending());
        let refusal = json!({"type": "negativeAcknowledge", "messageId": message.id()});
        let refusal = Message::text(refusal.to_string());
        driver.socket.says = Box::new(iter::once(refusal));
        // Meanwhile a message waits that the socket does not accept.
        producer.publish("}").1.unwrap();
        let started = Instant::now();
        assert!(driver.poll(&mut cx).is_pending());
        assert_eq!(driver.outgoing.messages.len(), 1);

        let mut other = attach().unwrap();
        let again = poll_fn(|cx| {
            let mut taken = None;
            other.take(1, cx.waker(), |text| taken = Some(text));
            taken.map_or(Poll::Pending, Poll::Ready)
        });
        let again = tokio::select! {
            end = poll_fn(|cx| driver.poll(cx)) => panic!("{end:?}"),
            again = again => again,
        };
        assert_eq!(again, message.delivery(1));
        assert_eq!(started.elapsed(), options.redelivery_delay);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_lost_after_two_pings() {
        let started = Instant::now();
        let interval = Duration::from_secs(30);
        let mut socket = Peer::silent(usize::MAX);
        let role = Echo {
            receipt: String::new(),
            received: 0,
        };
        let end = drive(&mut socket, role, interval, 1024, CancellationToken::new()).await;
        assert_eq!(
            end,
            End::Lost("the peer answered none of 2 pings".to_owned())
        );
        assert_eq!(started.elapsed(), interval * 3);
        assert_eq!(socket.taken, vec![Message::Ping(Vec::new().into()); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_does_not_wait_for_a_silent_peer() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let started = Instant::now();
        let mut socket = Peer::silent(usize::MAX);
        let role = Echo {
            receipt: String::new(),
            received: 0,
        };
        let end = drive(&mut socket, role, Duration::from_secs(30), 1024, shutdown).await;
        let frame = close(close_code::AWAY, "the broker shuts down");
        assert_eq!(end, End::ClosedByBroker(frame.clone()));
        assert_eq!(socket.taken, vec![Message::Close(Some(frame))]);
        assert_eq!(started.elapsed(), CLOSE_TIMEOUT);
    }
}
