//! A peer for tests.

use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};

/// A peer that sends given messages, and reads `reads` messages.
pub(super) struct Peer {
    pub(super) says: Box<dyn Iterator<Item = Message>>,
    reads: usize,
    pub(super) taken: Vec<Message>,
}

impl Peer {
    pub(super) fn new(says: impl Iterator<Item = Message> + 'static, reads: usize) -> Self {
        Self {
            says: Box::new(says),
            reads,
            taken: Vec::new(),
        }
    }

    /// Returns a peer that sends nothing.
    pub(super) fn silent(reads: usize) -> Self {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}
