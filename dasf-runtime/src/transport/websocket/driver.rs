//! The driver of a WebSocket: one task reads and writes at the same time.
//!
//! A *role*, such as producer or consumer, gives the frames their meaning. It [`Reads`] those of the
//! broker, and [`Writes`] its own.

mod read;
mod write;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::KeepAlive;
use super::connect::broken;
use super::liveness::{Facts, Liveness};
use super::traffic::HasTraffic;
pub(super) use read::Reads;
pub(super) use write::Writes;

/// How many frames the driver reads, or a role adds, in one step. Then the task continues with its
/// other work.
pub(super) const BATCH: usize = 64;

/// The frames that wait to be written.
pub(super) type FrameQueue = VecDeque<Message>;

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
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + HasTraffic + Unpin,
    R: Reads + Writes,
{
    let KeepAlive { every, ping } = keep_alive;
    let mut heartbeat = interval_at(Instant::now() + every, every);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let liveness = Liveness::new(socket.traffic());
    let mut driver = Driver {
        socket,
        role,
        outgoing: FrameQueue::new(),
        unflushed: false,
        unread_pongs: 0,
        heartbeat,
        ping,
        liveness,
    };
    poll_fn(|cx| driver.poll(cx)).await
}

struct Driver<'a, S, R> {
    socket: &'a mut S,
    role: &'a mut R,
    outgoing: FrameQueue,
    /// Whether the socket may hold frames that it has not written.
    unflushed: bool,
    /// The number of pings of the broker since the socket has written all that it holds.
    unread_pongs: usize,
    heartbeat: Interval,
    ping: Message,
    liveness: Liveness,
}

impl<S, R> Driver<'_, S, R>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + HasTraffic + Unpin,
    R: Reads + Writes,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // Before the next ping, which waits to be written.
        if self.liveness.poll_due(cx).is_ready() {
            let facts = Facts {
                traffic: self.socket.traffic(),
                // They may be pings of a broker that does not read.
                reads: self.unread_pongs == 0,
                writes: self.unflushed || !self.outgoing.is_empty(),
                unreceipted: self.role.unreceipted(),
            };
            if let Err(reason) = self.liveness.check(&facts) {
                return Poll::Ready(End::Lost(reason));
            }
        }
        while self.heartbeat.poll_tick(cx).is_ready() {
            // A broker that does not read would get no ping, either.
            if self.outgoing.is_empty() {
                self.outgoing.push_back(self.ping.clone());
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
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use tokio_tungstenite::tungstenite::Bytes;

    use super::super::liveness::PING_INTERVAL;
    use super::super::traffic::Traffic;
    use super::read::MAX_UNREAD_PONGS;
    use super::*;

    /// A broker that sends frames, and reads if `reads` is set.
    struct Broker<S> {
        frames: S,
        reads: bool,
    }

    impl<S: Stream<Item = Message> + Unpin> Stream for Broker<S> {
        type Item = Result<Message, Error>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.frames.poll_next_unpin(cx).map(|frame| frame.map(Ok))
        }
    }

    impl<S> HasTraffic for Broker<S> {
        fn traffic(&self) -> Traffic {
            Traffic::default()
        }
    }

    impl<S: Unpin> Sink<Message> for Broker<S> {
        type Error = Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            match self.reads {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        }

        fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Error> {
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.poll_ready(cx)
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Reads and writes nothing but pings and pongs.
    struct Silent;

    impl Reads for Silent {
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
            Poll::Ready(Ok(()))
        }

        fn on_frame(&mut self, _: Message) -> Result<(), String> {
            Ok(())
        }
    }

    impl Writes for Silent {
        fn fill(&mut self, _: &mut FrameQueue, _: &mut Context<'_>) -> bool {
            false
        }
    }

    fn ping() -> Message {
        Message::Ping(Bytes::new())
    }

    async fn end_of(frames: impl Stream<Item = Message> + Unpin, reads: bool) -> End {
        let keep_alive = KeepAlive {
            every: PING_INTERVAL,
            ping: ping(),
        };
        drive(&mut Broker { frames, reads }, keep_alive, &mut Silent).await
    }

    #[tokio::test]
    async fn a_broker_that_pings_and_does_not_read_is_lost() {
        let mut pings = 0;
        let frames = stream::repeat_with(|| {
            pings += 1;
            ping()
        });
        let reason = "the broker sent 1024 pings and reads no answers";
        assert_eq!(end_of(frames, false).await, End::Lost(reason.to_owned()));
        assert_eq!(pings, MAX_UNREAD_PONGS + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_without_reading_are_no_sign_of_life() {
        let every_second = || {
            let pings = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Some((ping(), ()))
            });
            Box::pin(pings)
        };
        let reason = "the broker sent nothing for 12 s";
        let end = end_of(every_second(), false).await;
        assert_eq!(end, End::Lost(reason.to_owned()));
        let hour = Duration::from_secs(3600);
        let living = tokio::time::timeout(hour, end_of(every_second(), true)).await;
        assert!(living.is_err(), "{living:?}");
    }
}
