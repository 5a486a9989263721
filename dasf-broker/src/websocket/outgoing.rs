//! The messages that wait until the peer reads.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes};

/// The largest number of receipts that wait for a producer. Above that, the broker does not read its
/// next frames.
pub(super) const MAX_PENDING_RECEIPTS: usize = 16_384;

/// The largest number of bytes of receipts that wait for a producer. A receipt contains the context of
/// its frame, which may be long.
pub(super) const MAX_PENDING_BYTES: usize = 4 * 1024 * 1024;

/// Messages that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, text: impl Into<Utf8Bytes>) {
        let text = text.into();
        self.bytes += text.len();
        self.messages.push_back(Message::Text(text));
    }

    pub(super) fn push_binary(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.messages.push_back(Message::Binary(frame));
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        match &message {
            Message::Text(text) => self.bytes -= text.len(),
            Message::Binary(frame) => self.bytes -= frame.len(),
            _ => {}
        }
        Some(message)
    }

    pub(super) fn push_ping(&mut self) {
        self.messages.push_back(Message::Ping(Bytes::new()));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns whether the broker must not read further frames.
    pub(super) fn is_saturated(&self) -> bool {
        self.messages.len() >= MAX_PENDING_RECEIPTS || self.bytes >= MAX_PENDING_BYTES
    }
}
