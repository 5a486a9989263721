//! What a socket does with the frames of its peer.

use std::task::Context;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Utf8Bytes, close_code};

use super::outgoing::Outgoing;

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

    /// Runs after some frames were handled, and when the task wakes.
    fn after_frames(&mut self, cx: &mut Context<'_>);

    /// Adds messages to send. If there are none, registers the task for the next one.
    fn fill_outgoing(&mut self, outgoing: &mut Outgoing, cx: &mut Context<'_>);

    /// Adds the last messages before the broker closes the socket.
    fn before_close(&mut self, _: &mut Outgoing) {}
}

/// Returns the frame that closes a socket.
pub(super) fn close(code: u16, reason: impl Into<Utf8Bytes>) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
