//! The driver of a WebSocket: one task reads and writes at the same time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::outgoing::Outgoing;
use super::role::{BATCH, Role, close, close_denied};
use crate::access::{Caller, Watch};
use crate::listener::Traffic;

/// A peer is lost when a ping is due after this number of pings without a sign of life of the peer.
const MAX_UNANSWERED_PINGS: u32 = 2;

/// The slowest link, in bytes per second, over which a large frame must pass. A peer answers a ping only
/// after the frame before it, and the operating system may buffer all of it, so that nothing shows its
/// progress.
const SLOWEST_LINK: u64 = 4 << 10;

/// A frame of more than this size gives the peer more time for its answer.
const LARGE_FRAME: usize = 32 << 10;

/// The largest number of pings of a peer that does not read. Each adds a pong to the write buffer.
pub(crate) const MAX_UNREAD_PONGS: u32 = 1024;

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

/// What ends a connection from outside.
#[derive(Debug)]
pub(crate) struct Signals {
    shutdown: CancellationToken,
    caller: Caller,
    /// Tells when to check the rights of the caller.
    rights: Watch,
}

impl Signals {
    pub(crate) fn new(shutdown: CancellationToken, caller: Caller) -> Self {
        Self {
            shutdown,
            rights: caller.watch(),
            caller,
        }
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

/// Runs a socket to its end, and closes it. The role ends before the closing handshake, so nothing
/// waits for a slow peer.
pub(crate) async fn drive<S: Socket, R: Role>(
    socket: &mut S,
    role: Box<R>,
    ping_interval: Duration,
    max_frame_size: usize,
    traffic: Arc<Traffic>,
    outgoing: Outgoing,
    mut signals: Signals,
) -> End {
    let mut driver = Driver::new(socket, role, ping_interval, max_frame_size, traffic);
    driver.outgoing = outgoing;
    let end = loop {
        let closing = tokio::select! {
            biased;
            () = signals.shutdown.cancelled() => Some(close(close_code::AWAY, "the broker shuts down")),
            () = signals.rights.changed() => {
                let lost_token = close_denied(&signals.caller, signals.caller.check_token());
                lost_token.or_else(|| driver.role.check_rights(&mut driver.outgoing))
            }
            end = poll_fn(|cx| driver.poll(cx)) => break end,
        };
        if let Some(frame) = closing {
            break End::ClosedByBroker(frame);
        }
    };
    let Driver {
        mut role,
        mut outgoing,
        ..
    } = driver;
    if end == End::ClosedByPeer {
        role.closed_by_peer();
    }
    role.before_close(&mut outgoing);
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

pub(super) struct Driver<'a, S, R> {
    pub(super) socket: &'a mut S,
    /// Futures that move it would have a place for each move, and there are thousands of them.
    role: Box<R>,
    pub(super) outgoing: Outgoing,
    /// Whether the socket may hold messages that it has not written.
    unflushed: bool,
    heartbeat: Interval,
    /// The number of pings since the last sign of life of the peer. With the time instead, a broker that
    /// was suspended for a while would lose all its peers.
    unanswered: u32,
    /// The bytes of large frames written since the ping that the peer answered last.
    large: u64,
    /// Those of them that were written before the oldest ping without an answer.
    large_before_ping: Option<u64>,
    /// Whether the peer has pinged since the last ping of the broker.
    is_pinged: bool,
    /// Whether the peer pings as often as the broker, as long as it lives. Then it gives signs of life
    /// also while a large frame is on its way.
    peer_pings: bool,
    /// The number of pings of the peer since the socket has written all that it holds.
    unread_pongs: u32,
    traffic: Arc<Traffic>,
    /// The bytes read and written until the last ping of the broker.
    traffic_before: (u64, u64),
    max_frame_size: usize,
}

impl<'a, S: Socket, R: Role> Driver<'a, S, R> {
    pub(super) fn new(
        socket: &'a mut S,
        role: Box<R>,
        ping_interval: Duration,
        max_frame_size: usize,
        traffic: Arc<Traffic>,
    ) -> Self {
        let mut heartbeat = interval_at(Instant::now() + ping_interval, ping_interval);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            role,
            outgoing: Outgoing::default(),
            unflushed: false,
            heartbeat,
            unanswered: 0,
            large: 0,
            large_before_ping: None,
            is_pinged: false,
            peer_pings: false,
            unread_pongs: 0,
            traffic_before: traffic.bytes(),
            traffic,
            max_frame_size,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while self.heartbeat.poll_tick(cx).is_ready() {
            // Where the broker does not read, the peer cannot give a sign of life, but that it reads.
            let reads = self.outgoing.is_empty() && !self.unflushed;
            if self.has_traffic() || (self.role.is_saturated() && reads) {
                self.unanswered = 0;
            }
            if std::mem::take(&mut self.is_pinged) {
                self.peer_pings = true;
            } else if self.unanswered == 0 {
                self.peer_pings = false;
            }
            if self.unanswered >= MAX_UNANSWERED_PINGS + self.pings_for_large_frames() {
                let reason = format!("the peer answered none of {} pings", self.unanswered);
                return Poll::Ready(End::Lost(reason));
            }
            self.unanswered += 1;
            self.large_before_ping.get_or_insert(self.large);
            self.outgoing.push_ping();
        }
        loop {
            let more = match self.read(cx) {
                Ok(more) => more,
                Err(end) => return Poll::Ready(end),
            };
            self.role.after_frames(cx);
            if self.outgoing.is_empty()
                && let Some(frame) = self.role.fill_outgoing(&mut self.outgoing, cx)
            {
                return Poll::Ready(End::ClosedByBroker(frame));
            }
            let idle = !more && self.outgoing.is_empty();
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

    /// Returns how many more pings may be without an answer, because large frames go before it.
    fn pings_for_large_frames(&self) -> u32 {
        if self.peer_pings {
            return 0;
        }
        // A frame of the largest size must pass. What is more would hide the death of a peer for long.
        let bytes = self.large.min(self.max_frame_size as u64);
        let seconds = Duration::from_secs(bytes.div_ceil(SLOWEST_LINK));
        let pings = seconds.div_duration_f64(self.heartbeat.period()).ceil();
        pings as u32
    }

    /// Returns whether the peer has sent a part of a frame, or has read a part of what waits for it,
    /// since the last call. A large frame may take longer than the time between two pings.
    fn has_traffic(&mut self) -> bool {
        let (read_before, written_before) = self.traffic_before;
        self.traffic_before = self.traffic.bytes();
        let (read, written) = self.traffic_before;
        let waits = self.unflushed || !self.outgoing.is_empty();
        // The bytes may be pings of a peer that never reads.
        let has_read = self.unread_pongs == 0 && read > read_before;
        has_read || waits && written > written_before
    }

    /// Reads a batch of frames. Returns whether there may be more frames that do not wake the task.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for _ in 0..BATCH {
            if self.outgoing.is_saturated() {
                return Ok(true);
            }
            if self.role.is_saturated() {
                // The role wakes the task.
                return Ok(false);
            }
            let Poll::Ready(received) = self.socket.poll_next_unpin(cx) else {
                return Ok(false);
            };
            if let Some(Ok(Message::Ping(_))) = received {
                self.is_pinged = true;
                self.unread_pongs += 1;
                if self.unread_pongs > MAX_UNREAD_PONGS {
                    return Err(End::Lost(format!(
                        "the peer sent {MAX_UNREAD_PONGS} pings and reads no answers"
                    )));
                }
                // The socket has added the pong to its write buffer.
                self.unflushed = true;
                continue;
            }
            self.unanswered = 0;
            let closing = match received {
                None | Some(Ok(Message::Close(_))) => return Err(End::ClosedByPeer),
                Some(Err(error)) => return Err(self.read_error(error)),
                Some(Ok(Message::Pong(_))) => {
                    let answered = self.large_before_ping.take();
                    self.large -= answered.unwrap_or_default();
                    None
                }
                Some(Ok(Message::Ping(_))) => None,
                Some(Ok(Message::Text(text))) => self.role.on_text(&text, &mut self.outgoing),
                Some(Ok(Message::Binary(bytes))) => self.role.on_binary(bytes, &mut self.outgoing),
            };
            if let Some(frame) = closing {
                return Err(End::ClosedByBroker(frame));
            }
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
        while !self.outgoing.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(message) = self.outgoing.pop() {
                let size = match &message {
                    Message::Text(text) => text.len(),
                    Message::Binary(bytes) => bytes.len(),
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) => 0,
                };
                if size > LARGE_FRAME {
                    self.large += size as u64;
                }
                Pin::new(&mut *self.socket).start_send(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.unflushed = false;
            if self.unread_pongs > 0 {
                self.unread_pongs = 0;
                self.unanswered = 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::task::Waker;

    use axum::body::Bytes;

    use crate::websocket::outgoing::{MAX_PENDING_BYTES, MAX_PENDING_RECEIPTS};
    use crate::websocket::test_peer::Peer;

    /// Answers each frame.
    struct Echo {
        receipt: String,
        received: usize,
    }

    impl Role for Echo {
        const SENDS_PENDING_ON_CLOSE: bool = true;

        fn on_text(&mut self, _: &str, outgoing: &mut Outgoing) -> Option<CloseFrame> {
            self.received += 1;
            outgoing.push(self.receipt.clone());
            None
        }

        fn after_frames(&mut self, _: &mut Context<'_>) {}

        fn fill_outgoing(&mut self, _: &mut Outgoing, _: &mut Context<'_>) -> Option<CloseFrame> {
            None
        }
    }

    const INTERVAL: Duration = Duration::from_secs(6);

    fn echo() -> Echo {
        Echo {
            receipt: String::new(),
            received: 0,
        }
    }

    fn driver(socket: &mut Peer, role: Echo) -> Driver<'_, Peer, Echo> {
        Driver::new(socket, Box::new(role), INTERVAL, 1024, Arc::default())
    }

    /// Returns the number of frames that the broker reads from a peer that sends without end, and
    /// reads `reads` receipts.
    fn frames_read(receipt: &str, reads: usize) -> usize {
        let mut socket = Peer::new(iter::repeat(Message::text("frame")), reads);
        let role = Echo {
            receipt: receipt.to_owned(),
            received: 0,
        };
        let mut driver = driver(&mut socket, role);
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
    async fn a_peer_is_lost_after_two_pings() {
        let started = Instant::now();
        let interval = Duration::from_secs(30);
        let mut socket = Peer::silent(usize::MAX);
        let role = Echo {
            receipt: String::new(),
            received: 0,
        };
        let end = drive(
            &mut socket,
            Box::new(role),
            interval,
            1024,
            Arc::default(),
            Outgoing::default(),
            Signals::new(CancellationToken::new(), Caller::everything()),
        )
        .await;
        assert_eq!(
            end,
            End::Lost("the peer answered none of 2 pings".to_owned())
        );
        assert_eq!(started.elapsed(), interval * 3);
        assert_eq!(socket.taken, vec![Message::Ping(Vec::new().into()); 2]);
    }

    /// Sends `says` once in each interval, and returns the end of the connection, if it ends within
    /// ten intervals.
    async fn end_of(reads: usize, says: impl Fn(&Traffic) -> Option<Message>) -> Option<End> {
        let mut socket = Peer::silent(reads);
        let traffic = Arc::new(Traffic::default());
        let mut driver = Driver::new(
            &mut socket,
            Box::new(echo()),
            INTERVAL,
            1024,
            traffic.clone(),
        );
        for _ in 0..10 {
            driver.socket.says = Box::new(says(&traffic).into_iter());
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(end) = driver.poll(&mut cx) {
                return Some(end);
            }
            tokio::time::advance(INTERVAL).await;
        }
        None
    }

    fn ping() -> Message {
        Message::Ping(Bytes::new())
    }

    #[tokio::test(start_paused = true)]
    async fn pings_without_reading_are_no_sign_of_life() {
        let lost = End::Lost("the peer answered none of 2 pings".to_owned());
        assert_eq!(end_of(0, |_| Some(ping())).await.as_ref(), Some(&lost));
        assert_eq!(end_of(usize::MAX, |_| Some(ping())).await, None);
        assert_eq!(end_of(usize::MAX, |_| None).await, Some(lost));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_a_large_frame_is_a_sign_of_life() {
        let sends = |traffic: &Traffic| {
            traffic.add_read(1);
            None
        };
        assert_eq!(end_of(usize::MAX, sends).await, None);
        let reads = |traffic: &Traffic| {
            traffic.add_written(1);
            Some(ping())
        };
        assert_eq!(end_of(0, reads).await, None);
    }

    /// Returns after how many intervals a peer is lost that reads a frame of `size` bytes, and answers no
    /// ping after `alive` intervals.
    async fn intervals_with_large_frame(size: usize, alive: u32, says: Message) -> Option<u32> {
        let receipt = "r".repeat(size);
        let role = Echo {
            receipt,
            received: 0,
        };
        let mut socket = Peer::new(iter::once(Message::text("frame")), usize::MAX);
        let mut driver = Driver::new(
            &mut socket,
            Box::new(role),
            INTERVAL,
            1 << 20,
            Arc::default(),
        );
        for interval in 0..100 {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(end) = driver.poll(&mut cx) {
                assert!(matches!(end, End::Lost(_)), "{end:?}");
                return Some(interval);
            }
            if interval < alive {
                driver.socket.says = Box::new(iter::once(says.clone()));
            }
            tokio::time::advance(INTERVAL).await;
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_has_the_time_for_a_large_frame_that_a_slow_link_needs() {
        let pong = || Message::Pong(Bytes::new());
        let silent = |size| intervals_with_large_frame(size, 0, pong());
        assert_eq!(silent(100).await, Some(3));
        let slow = silent(933_000).await.unwrap();
        assert!(INTERVAL * slow > Duration::from_secs(93), "{slow}");
        // There is a limit.
        let slowest = silent(1 << 20).await;
        assert_eq!(silent(50 << 20).await, slowest);
        // The answer shows that the frame has come.
        let answered = intervals_with_large_frame(933_000, 2, pong()).await;
        assert_eq!(answered, Some(2 + 3));
        // A peer that pings by itself would do so.
        let pinging = intervals_with_large_frame(933_000, 2, ping()).await;
        assert_eq!(pinging, Some(2 + 3));
    }

    #[tokio::test]
    async fn a_peer_that_pings_and_does_not_read_is_lost() {
        let mut socket = Peer::new(iter::repeat_with(ping), 0);
        let mut driver = driver(&mut socket, echo());
        let mut cx = Context::from_waker(Waker::noop());
        let mut polls = 0;
        let end = loop {
            if let Poll::Ready(end) = driver.poll(&mut cx) {
                break end;
            }
            polls += 1;
        };
        let reason = format!("the peer sent {MAX_UNREAD_PONGS} pings and reads no answers");
        assert_eq!(end, End::Lost(reason));
        assert_eq!(polls, MAX_UNREAD_PONGS as usize / BATCH);
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
        let end = drive(
            &mut socket,
            Box::new(role),
            Duration::from_secs(30),
            1024,
            Arc::default(),
            Outgoing::default(),
            Signals::new(shutdown, Caller::everything()),
        )
        .await;
        let frame = close(close_code::AWAY, "the broker shuts down");
        assert_eq!(end, End::ClosedByBroker(frame.clone()));
        assert_eq!(socket.taken, vec![Message::Close(Some(frame))]);
        assert_eq!(started.elapsed(), CLOSE_TIMEOUT);
    }
}
