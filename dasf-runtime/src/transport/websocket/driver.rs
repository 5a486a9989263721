//! The driver of a WebSocket: one task reads and writes at the same time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::KeepAlive;
use super::connect::{broken, closed};
use super::liveness::Liveness;

/// How many frames the driver reads, or a role adds, in one step. Then the task continues with its
/// other work.
pub(super) const BATCH: usize = 64;

/// The frames that wait to be written.
pub(super) type Outgoing = VecDeque<Message>;

/// What a connection does with the frames of its broker, such as producer or consumer.
pub(super) trait Role {
    /// Returns whether the role takes another frame. If not, it wakes the task when it does.
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>>;

    /// Handles a frame of the broker. The driver calls it after [`poll_ready`](Self::poll_ready).
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn on_frame(&mut self, frame: Message) -> Result<(), String>;

    /// Adds frames to write, about [`BATCH`]. The driver calls it when it has written all earlier
    /// ones. If there are none, the role registers the task for the next one. Returns whether nothing
    /// is left to do: then the driver writes the frames and ends.
    fn fill(&mut self, outgoing: &mut Outgoing, cx: &mut Context<'_>) -> bool;

    /// Called when all frames so far are written.
    fn flushed(&mut self) {}

    /// Called every few seconds.
    ///
    /// # Errors
    /// Returns why the connection counts as lost.
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// The reason why one connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The role has nothing left to do.
    Finished,
    /// The connection was lost, for this reason.
    Lost(String),
}

/// Runs a socket until its role has nothing left to do, or the connection is lost.
///
/// One task does all. Two sides that each wait for the other one to read would otherwise wait
/// for ever. It also detects a broker that neither sends nor reads.
pub(super) async fn drive<S, R>(socket: &mut S, keep_alive: KeepAlive, role: &mut R) -> End
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    R: Role,
{
    let KeepAlive { every, ping } = keep_alive;
    let mut heartbeat = interval_at(Instant::now() + every, every);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut driver = Driver {
        socket,
        role,
        outgoing: Outgoing::new(),
        unflushed: false,
        heartbeat,
        ping,
        liveness: Liveness::new(),
    };
    poll_fn(|cx| driver.poll(cx)).await
}

struct Driver<'a, S, R> {
    socket: &'a mut S,
    role: &'a mut R,
    outgoing: Outgoing,
    /// Whether the socket may hold frames that it has not written.
    unflushed: bool,
    heartbeat: Interval,
    ping: Message,
    liveness: Liveness,
}

impl<S, R> Driver<'_, S, R>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    R: Role,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while self.heartbeat.poll_tick(cx).is_ready() {
            // A broker that does not read would get no ping, either.
            if self.outgoing.is_empty() {
                self.outgoing.push_back(self.ping.clone());
            }
        }
        match self.liveness.poll_check(cx) {
            Poll::Pending => {}
            Poll::Ready(checked) => {
                if let Err(reason) = checked.and_then(|()| self.role.check()) {
                    return Poll::Ready(End::Lost(reason));
                }
            }
        }
        loop {
            let more = match self.read(cx) {
                Ok(more) => more,
                Err(reason) => return Poll::Ready(End::Lost(reason)),
            };
            let finished = self.outgoing.is_empty() && self.role.fill(&mut self.outgoing, cx);
            let idle = !more && self.outgoing.is_empty();
            match self.write(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::Lost(broken(&error))),
                Poll::Ready(Ok(())) if finished => return Poll::Ready(End::Finished),
                Poll::Ready(Ok(())) if idle => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    // The connection reads on while the broker does not read.
                    if more {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads a batch of frames. Returns whether there may be more that do not wake the task.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        for _ in 0..BATCH {
            match self.role.poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    self.liveness.pause();
                    return Ok(false);
                }
            }
            self.liveness.listen();
            let Poll::Ready(received) = self.socket.poll_next_unpin(cx) else {
                return Ok(false);
            };
            self.liveness.heard();
            match received {
                None => return Err(closed(None)),
                Some(Ok(Message::Close(close))) => return Err(closed(close.as_ref())),
                Some(Ok(frame)) => self.role.on_frame(frame)?,
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(true)
    }

    /// Writes the waiting frames, with one flush for all.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.outgoing.is_empty() {
            ready!(Pin::new(&mut *self.socket).poll_ready(cx))?;
            if let Some(frame) = self.outgoing.pop_front() {
                Pin::new(&mut *self.socket).start_send(frame)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut *self.socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        self.role.flushed();
        Poll::Ready(Ok(()))
    }
}
