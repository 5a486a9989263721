//! Which messages of a link the broker has accepted.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use axum::body::Bytes;
use dasf_protocol::link::{FrameKind, Header};
use tokio::time::Sleep;

use crate::hub::Hub;
use crate::message::Message;
use crate::store::{Ticket, UNWRITTEN};
use crate::websocket::outgoing::Outgoing;

/// How long the peer waits at most for a confirmation that it does not ask for. A frame of its own
/// wakes the peer, so the broker waits for another frame to send with it, such as the answer to a
/// call.
const CONFIRMATION_DELAY: Duration = Duration::from_millis(10);
/// The number of messages of which the broker confirms the last one at once.
const MAX_UNCONFIRMED: u64 = 256;
/// The number of messages of a link that wait until the store has written them. Above that, the broker
/// reads no more frames.
const MAX_UNWRITTEN: usize = 16_384;
/// The number of bytes of which the broker confirms the last one at once.
const MAX_UNCONFIRMED_BYTES: usize = 1 << 20;

/// Which messages of the peer are accepted, and which of them the peer knows to be.
#[derive(Default)]
pub(super) struct Confirmations {
    /// The number of messages that the peer has published.
    published: u64,
    /// The number of messages up to the last confirmed one.
    confirmed: u64,
    /// The size of the payloads after that one.
    unconfirmed_bytes: usize,
    /// The messages that the store has not written yet.
    unwritten: VecDeque<Unwritten>,
    /// Whether the peer asks for a confirmation.
    is_wanted: bool,
    /// When the next confirmation is due at the latest.
    delay: Option<Pin<Box<Sleep>>>,
}

/// A message that the store has not written yet.
struct Unwritten {
    /// The number of messages up to this one.
    count: u64,
    message: Message,
    after: Ticket,
}

impl Confirmations {
    /// Records that the peer asks for a confirmation.
    pub(super) fn ask(&mut self) {
        self.is_wanted = true;
    }

    /// Refuses the last message.
    pub(super) fn refuse(&self, reason: &str, status: Option<u16>, outgoing: &mut Outgoing) {
        outgoing.push_binary(refused(self.published, reason, status));
    }

    /// Returns whether so many messages wait for the store that the broker must read no more.
    pub(super) fn are_too_many(&self) -> bool {
        self.unwritten.len() >= MAX_UNWRITTEN
    }

    /// Lets the last message wait until the store has written it.
    pub(super) fn wait_for(&mut self, message: Message, after: Ticket) {
        let count = self.published;
        self.unwritten.push_back(Unwritten {
            count,
            message,
            after,
        });
    }

    /// Removes the messages that the store has written. Refuses those that it could not write.
    pub(super) fn settle(&mut self, hub: &Hub, outgoing: &mut Outgoing, cx: &mut Context<'_>) {
        while let Some(first) = self.unwritten.front()
            && hub.is_written(first.after, cx)
            && let Some(written) = self.unwritten.pop_front()
        {
            if written.message.is_refused() {
                outgoing.push_binary(refused(written.count, UNWRITTEN, None));
            }
        }
    }

    /// Returns the number of messages up to the last one that the broker may confirm.
    fn accepted(&self) -> u64 {
        let first = self.unwritten.front();
        first.map_or(self.published, |first| first.count - 1)
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.published += 1;
        self.unconfirmed_bytes += bytes;
    }

    /// Returns whether a confirmation cannot wait for another frame. If it can, the task wakes when
    /// its time has come.
    pub(super) fn are_due(&mut self, cx: &mut Context<'_>) -> bool {
        let unconfirmed = self.accepted() - self.confirmed;
        if self.is_wanted && unconfirmed > 0
            || unconfirmed >= MAX_UNCONFIRMED
            || self.unconfirmed_bytes >= MAX_UNCONFIRMED_BYTES
        {
            return true;
        }
        // A delay that has begun goes on after a confirmation, because to change a timer for each
        // message costs more than to wake once in vain.
        let delay = match &mut self.delay {
            Some(delay) => delay,
            None if unconfirmed == 0 => return false,
            none => none.insert(Box::pin(tokio::time::sleep(CONFIRMATION_DELAY))),
        };
        if delay.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.delay = None;
        unconfirmed > 0
    }

    /// Tells the peer which messages the broker has accepted.
    pub(super) fn write(&mut self, outgoing: &mut Outgoing) {
        let accepted = self.accepted();
        self.is_wanted &= accepted < self.published;
        if self.confirmed < accepted {
            self.confirmed = accepted;
            self.unconfirmed_bytes = 0;
            let accepted = Header {
                count: Some(self.confirmed),
                ..Header::new(FrameKind::Accepted)
            };
            outgoing.push_binary(accepted.frame(b""));
        }
    }
}

/// Returns the answer to a message that the broker does not accept, by the number of messages before it.
fn refused(count: u64, reason: &str, status: Option<u16>) -> Bytes {
    Header {
        count: Some(count),
        status,
        reason: reason.into(),
        ..Header::new(FrameKind::Refused)
    }
    .frame(b"")
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn are_due(confirmations: &mut Confirmations) -> bool {
        confirmations.are_due(&mut Context::from_waker(Waker::noop()))
    }

    fn written(confirmations: &mut Confirmations) -> usize {
        let mut outgoing = Outgoing::default();
        confirmations.write(&mut outgoing);
        outgoing.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_waits_for_another_frame_for_a_while() {
        let mut confirmations = Confirmations::default();
        assert!(!are_due(&mut confirmations));
        confirmations.add(1);
        assert!(!are_due(&mut confirmations));
        tokio::time::advance(CONFIRMATION_DELAY).await;
        assert!(are_due(&mut confirmations));
        assert_eq!(written(&mut confirmations), 1);
        tokio::time::advance(CONFIRMATION_DELAY).await;
        assert!(!are_due(&mut confirmations));
        assert_eq!(written(&mut confirmations), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_that_the_peer_needs_does_not_wait() {
        let mut confirmations = Confirmations::default();
        let mut confirmed_after = |messages: u64, bytes: usize, is_wanted: bool| {
            for _ in 0..messages {
                assert!(!are_due(&mut confirmations));
                confirmations.add(bytes);
            }
            confirmations.is_wanted = is_wanted;
            let is_due = are_due(&mut confirmations);
            assert_eq!(written(&mut confirmations), usize::from(messages > 0));
            is_due
        };
        assert!(confirmed_after(1, 0, true));
        assert!(confirmed_after(MAX_UNCONFIRMED, 0, false));
        assert!(confirmed_after(2, MAX_UNCONFIRMED_BYTES / 2, false));
        assert!(!confirmed_after(2, 1, false));
    }
}
