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
#[derive(Debug)]
pub(super) struct Unacknowledged(Option<(Verdicts, Vec<String>)>);

impl Unacknowledged {
    pub(super) fn new(verdicts: Verdicts, message_id: String) -> Self {
        Self(Some((verdicts, vec![message_id])))
    }

    /// Adds messages of the same request, unless it is acknowledged.
    pub(super) fn add(&mut self, message_ids: impl IntoIterator<Item = String>) {
        if let Some((_, ours)) = &mut self.0 {
            ours.extend(message_ids);
        }
    }

    /// Adds the messages of another fragment of the same request.
    pub(super) fn join(&mut self, other: Self) {
        match &mut self.0 {
            Some(_) => self.add(other.0.into_iter().flat_map(|(_, ids)| ids)),
            None => *self = other,
        }
    }

    /// Whether the broker waits for nothing any more.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Tells the broker that the request need not come again.
    pub(super) async fn acknowledge(&mut self) {
        self.tell(Verdict::Done).await;
    }

    /// Tells the broker that the request need not come again, and waits until that is written: it
    /// is not to run twice if the module dies over it.
    pub(super) async fn acknowledge_first(&mut self) {
        if let Some((verdicts, message_ids)) = self.0.take() {
            for message_id in message_ids {
                verdicts.give_and_write(Verdict::Done(message_id)).await;
            }
        }
    }

    /// Has the broker deliver the request again, to another module if there is one.
    pub(super) async fn give_back(&mut self) {
        self.tell(Verdict::GivenBack).await;
    }

    async fn tell(&mut self, verdict: fn(String) -> Verdict) {
        if let Some((verdicts, message_ids)) = self.0.take() {
            for message_id in message_ids {
                verdicts.give(verdict(message_id)).await;
            }
        }
    }
}
