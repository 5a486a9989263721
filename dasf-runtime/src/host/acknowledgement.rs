//! Acknowledging requests, and the time to do it.

use dasf_protocol::MessageId;

use super::options::{Acknowledge, HostOptions};
use crate::transport::{Acknowledgement, Acknowledger};

/// The moment at which a request is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AcknowledgePolicy {
    /// When the module has read the request, as Python modules do.
    Read,
    /// When a worker begins to run the request. Until then, another module of the group could run
    /// it.
    Begun,
    /// When the broker has accepted the response to the request.
    Answered,
}

impl AcknowledgePolicy {
    pub(super) fn of(options: &HostOptions) -> Self {
        match (options.acknowledge, &options.group) {
            (Acknowledge::Completed, _) => Self::Answered,
            (Acknowledge::Received, Some(_)) => Self::Begun,
            (Acknowledge::Received, None) => Self::Read,
        }
    }
}

/// The unacknowledged messages of one request. When this is dropped, the broker redelivers them
/// after the connection closes.
///
/// The connection stays open as long as there are unacknowledged messages.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    /// Nearly every request has one message, which needs no memory of its own here.
    first: Option<(Acknowledger, MessageId)>,
    /// The other messages; none without a first one.
    others: Vec<(Acknowledger, MessageId)>,
}

impl Unacknowledged {
    pub(super) fn new(acknowledger: Acknowledger, message_id: MessageId) -> Self {
        Self {
            first: Some((acknowledger, message_id)),
            others: Vec::new(),
        }
    }

    /// Adds other messages of the same request.
    pub(super) fn join(&mut self, other: Self) {
        if self.first.is_none() {
            *self = other;
        } else {
            self.others.extend(other.first);
            self.others.extend(other.others);
        }
    }

    /// Removes the messages.
    fn take(&mut self) -> impl Iterator<Item = (Acknowledger, MessageId)> + use<> {
        let Self { first, others } = std::mem::take(self);
        first.into_iter().chain(others)
    }

    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Acknowledges the messages.
    pub(super) async fn acknowledge(&mut self) {
        self.give(Acknowledgement::Positive).await;
    }

    /// Acknowledges the messages, and waits until an acknowledgement is written, so that the
    /// request does not run twice if the module crashes. Returns whether one was written. A message
    /// whose connection was lost is redelivered, perhaps to another module.
    ///
    /// # Cancel safety
    /// When dropped, the messages may or may not be acknowledged.
    pub(super) async fn acknowledge_first(&mut self) -> bool {
        let mut is_written = false;
        for (acknowledger, message_id) in self.take() {
            is_written |= acknowledger
                .send_and_flush(Acknowledgement::Positive(message_id))
                .await;
        }
        is_written
    }

    /// Reports that the work on the messages begins, and waits until that is written, so that the broker
    /// counts it if the module ends. Returns whether it was written for a message, as for
    /// [`acknowledge_first`](Self::acknowledge_first).
    ///
    /// # Cancel safety
    /// When dropped, the work may or may not be reported.
    pub(super) async fn begin(&self) -> bool {
        let mut is_written = false;
        for (acknowledger, message_id) in self.first.iter().chain(&self.others) {
            is_written |= acknowledger
                .send_and_flush(Acknowledgement::Begun(message_id.clone()))
                .await;
        }
        is_written
    }

    /// Returns the same messages once more.
    pub(super) fn share(&self) -> Self {
        Self {
            first: self.first.clone(),
            others: self.others.clone(),
        }
    }

    /// Reports that the work on the messages has begun before they came.
    pub(super) async fn has_begun(&self) {
        for (acknowledger, message_id) in self.first.iter().chain(&self.others) {
            acknowledger
                .send(Acknowledgement::Begun(message_id.clone()))
                .await;
        }
    }

    /// Returns the messages to the broker, which redelivers them, to another module if there is
    /// one.
    pub(super) async fn give_back(&mut self) {
        self.give(Acknowledgement::Negative).await;
    }

    async fn give(&mut self, acknowledgement: fn(MessageId) -> Acknowledgement) {
        for (acknowledger, message_id) in self.take() {
            acknowledger.send(acknowledgement(message_id)).await;
        }
    }
}
