//! What a socket does with the frames of its peer.

use std::task::Context;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Utf8Bytes, close_code};

use super::outgoing::Outgoing;
use crate::access::{Caller, Denied};

/// The largest number of frames that the driver reads, or of deliveries that a role adds, in one step.
/// Then the task continues with its other work.
pub(super) const BATCH: usize = 128;

/// The role of a socket, such as producer or consumer. It gives the frames of the peer their meaning.
pub(crate) trait Role {
    /// Whether the broker sends the waiting messages before it closes the socket.
    const SENDS_PENDING_ON_CLOSE: bool;

    /// Handles a text frame of the peer. A returned frame closes the socket.
    fn on_text(&mut self, text: &str, outgoing: &mut Outgoing) -> Option<CloseFrame>;

    /// Handles a binary frame of the peer, as [`on_text`](Self::on_text) handles a text frame. By
    /// default, it closes the socket.
    fn on_binary(&mut self, _: Bytes, _: &mut Outgoing) -> Option<CloseFrame> {
        let reason = "the broker accepts no binary frames; send JSON in text frames";
        Some(close(close_code::UNSUPPORTED, reason))
    }

    /// Returns whether the driver must read no further frames, because answers to earlier ones wait, or
    /// because the peer has sent too many in a short time.
    fn is_saturated(&self) -> bool {
        false
    }

    /// Runs after some frames were handled, and when the task wakes.
    fn after_frames(&mut self, cx: &mut Context<'_>);

    /// Adds messages to send. If there are none, registers the task for the next one. A returned frame
    /// closes the socket.
    fn fill_outgoing(
        &mut self,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Option<CloseFrame>;

    /// Ends what the peer may no longer do. A returned frame closes the socket.
    fn check_rights(&mut self, _: &mut Outgoing) -> Option<CloseFrame> {
        None
    }

    /// Runs when the peer has closed the socket.
    fn closed_by_peer(&mut self) {}

    /// Adds the last messages before the broker closes the socket.
    fn before_close(&mut self, _: &mut Outgoing) {}
}

/// Returns the frame that closes the socket of a peer that has lost a right.
pub(super) fn close_denied(caller: &Caller, checked: Result<(), Denied>) -> Option<CloseFrame> {
    let denied = checked.err()?;
    caller.record_denied(&denied);
    Some(close(close_code::POLICY, denied.to_string()))
}

/// The largest number of bytes of the reason in a close frame.
const MAX_CLOSE_REASON: usize = 123;

/// Returns the frame that closes a socket. A reason that is too long loses its end.
pub(super) fn close(code: u16, reason: impl Into<Utf8Bytes>) -> CloseFrame {
    let mut reason = reason.into();
    if reason.len() > MAX_CLOSE_REASON {
        let mut ends = (0..=MAX_CLOSE_REASON).rev();
        let end = ends.find(|end| reason.is_char_boundary(*end));
        reason = reason[..end.unwrap_or_default()].into();
    }
    CloseFrame { code, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_fits_its_frame() {
        assert_eq!(close(1008, "short").reason, "short");
        let long = format!("x{}", "\u{e4}".repeat(100));
        assert_eq!(close(1008, long.clone()).reason, &long[..MAX_CLOSE_REASON]);
        assert_eq!(
            close(1008, long[1..].to_owned()).reason,
            &long[1..MAX_CLOSE_REASON]
        );
    }
}
