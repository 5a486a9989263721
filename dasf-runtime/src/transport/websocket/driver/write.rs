//! Writes the frames of the role to the broker.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Driver, FrameQueue};
use crate::transport::websocket::liveness::Unreceipted;

/// What a role sends to its broker.
pub(in crate::transport::websocket) trait Writes {
    /// Adds frames to write, about [`BATCH`](super::BATCH). The driver calls it when it has written all
    /// earlier ones. If there are none, the role registers the task for the next one. Returns whether
    /// nothing is left to do: then the driver writes the frames and ends.
    fn fill(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) -> bool;

    /// Called when all frames so far are written.
    fn flushed(&mut self) {}

    /// Returns the messages that wait for a receipt. The driver asks every few seconds.
    fn unreceipted(&self) -> Unreceipted {
        Unreceipted::default()
    }
}

impl<S, R> Driver<'_, S, R>
where
    S: Sink<Message, Error = Error> + Unpin,
    R: Writes,
{
    /// Writes the waiting frames, with one flush for all.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
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
            if self.unread_pongs > 0 {
                self.unread_pongs = 0;
                self.liveness.heard();
            }
        }
        self.role.flushed();
        Poll::Ready(Ok(()))
    }
}
