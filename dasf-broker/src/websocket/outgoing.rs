//! The messages that wait until the peer reads.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes};

use crate::budget::{Budget, Charge};

/// The largest number of receipts that wait for a producer. Above that, the broker does not read its
/// next frames.
pub(super) const MAX_PENDING_RECEIPTS: usize = 16_384;

/// The largest number of bytes of receipts that wait for a producer. A receipt contains the context of
/// its frame, which may be long.
pub(super) const MAX_PENDING_BYTES: usize = 4 * 1024 * 1024;

/// The part of [`MAX_PENDING_BYTES`] that each connection has. More needs room in the budget of all
/// connections.
const SHARE: usize = 64 * 1024;

/// Messages that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
    /// The bytes in whole shares, in the budget of all connections.
    charge: Option<Charge>,
}

impl Outgoing {
    /// Returns no messages. Further ones use this budget.
    pub(crate) fn charged(budget: &Arc<Budget>) -> Self {
        Self {
            charge: Some(budget.charge(0)),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, text: impl Into<Utf8Bytes>) {
        let text = text.into();
        self.count(self.bytes + text.len());
        self.messages.push_back(Message::Text(text));
    }

    pub(super) fn push_binary(&mut self, frame: Bytes) {
        self.count(self.bytes + frame.len());
        self.messages.push_back(Message::Binary(frame));
    }

    fn count(&mut self, bytes: usize) {
        self.bytes = bytes;
        if let Some(charge) = &mut self.charge {
            charge.set(bytes / SHARE * SHARE);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        match &message {
            Message::Text(text) => self.count(self.bytes - text.len()),
            Message::Binary(frame) => self.count(self.bytes - frame.len()),
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
        self.messages.len() >= MAX_PENDING_RECEIPTS
            || self.bytes >= MAX_PENDING_BYTES
            || self.bytes >= SHARE && self.charge.as_ref().is_some_and(Charge::is_exceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_a_budget_beyond_their_own_part() {
        let budget = Budget::new(10 * SHARE);
        let receipt = "r".repeat(1024);
        let fill = |outgoing: &mut Outgoing| {
            while !outgoing.is_saturated() {
                outgoing.push(receipt.clone());
            }
            outgoing.bytes
        };
        let mut first = Outgoing::charged(&budget);
        assert_eq!(fill(&mut first), 11 * SHARE);
        let mut second = Outgoing::charged(&budget);
        assert_eq!(fill(&mut second), SHARE);
        drop(first);
        assert_eq!(fill(&mut second), 11 * SHARE);
        while second.pop().is_some() {}
        assert_eq!(budget.used(), 0);
    }
}
