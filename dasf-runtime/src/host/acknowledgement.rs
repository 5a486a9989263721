//! What the broker is told of a request, and when.

use super::options::{Acknowledge, HostOptions};
use crate::transport::{Verdict, Verdicts};

/// At which moment a request is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// When it was read, as Python modules do.
    Read,
    /// When a worker begins with it: until then another module of the group could run it.
    Begun,
    /// When its answer is out.
    Answered,
}

impl Moment {
    pub(super) fn of(options: &HostOptions) -> Self {
        match (options.acknowledge, &options.group) {
            (Acknowledge::Completed, _) => Self::Answered,
            (Acknowledge::Received, Some(_)) => Self::Begun,
            (Acknowledge::Received, None) => Self::Read,
        }
    }
}

/// The messages of one request that the broker still waits to hear of. Dropped, it waits until the
/// connection is closed; then they come again.
///
/// The connection is kept open for as long as there is something to tell.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged(Vec<(Verdicts, String)>);

impl Unacknowledged {
    pub(super) fn new(verdicts: Verdicts, message_id: String) -> Self {
        Self(vec![(verdicts, message_id)])
    }

    /// Adds other messages of the same request.
    pub(super) fn join(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells the broker that the request need not come again.
    pub(super) async fn acknowledge(&mut self) {
        self.tell(Verdict::Done).await;
    }

    /// Tells the broker that the request need not come again, and waits until that is written: it
    /// is not to run twice if the module dies over it. Returns whether it was: a message whose
    /// connection was lost comes again, perhaps to another module.
    ///
    /// # Cancel safety
    /// When dropped, the broker may or may not be told.
    pub(super) async fn acknowledge_first(&mut self) -> bool {
        let mut is_written = false;
        for (verdicts, message_id) in self.0.drain(..) {
            is_written |= verdicts.give_and_write(Verdict::Done(message_id)).await;
        }
        is_written
    }

    /// Has the broker deliver the request again, to another module if there is one.
    pub(super) async fn give_back(&mut self) {
        self.tell(Verdict::GivenBack).await;
    }

    async fn tell(&mut self, verdict: fn(String) -> Verdict) {
        for (verdicts, message_id) in self.0.drain(..) {
            verdicts.give(verdict(message_id)).await;
        }
    }
}
