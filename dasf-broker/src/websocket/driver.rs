//! The driver of a WebSocket: one task reads and writes at the same time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::outgoing::Outgoing;
use super::role::{BATCH, Role, close};

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
        mut role,
        mut outgoing,
        ..
    } = driver;
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
    role: R,
    pub(super) outgoing: Outgoing,
    /// Whether the socket may hold messages that it has not written.
    unflushed: bool,
    heartbeat: Interval,
    /// The number of pings since the last frame of the peer. With the time instead, a broker that was
    /// suspended for a while would lose all its peers.
    unanswered: u32,
    max_frame_size: usize,
}

impl<'a, S: Socket, R: Role> Driver<'a, S, R> {
    pub(super) fn new(
        socket: &'a mut S,
        role: R,
        ping_interval: Duration,
        max_frame_size: usize,
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
            max_frame_size,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while self.heartbeat.poll_tick(cx).is_ready() {
            if self.unanswered == MAX_UNANSWERED_PINGS {
                let reason = format!("the peer answered none of {MAX_UNANSWERED_PINGS} pings");
                return Poll::Ready(End::Lost(reason));
            }
            self.unanswered += 1;
            self.outgoing.push_ping();
        }
        loop {
            let more = match self.read(cx) {
                Ok(more) => more,
                Err(end) => return Poll::Ready(end),
            };
            self.role.after_frames(cx);
            if self.outgoing.is_empty() {
                self.role.fill_outgoing(&mut self.outgoing, cx);
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
            let closing = match received {
                None | Some(Ok(Message::Close(_))) => return Err(End::ClosedByPeer),
                Some(Err(error)) => return Err(self.read_error(error)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::task::Waker;

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
