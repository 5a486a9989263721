//! What a connection does with the messages in its queue.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use dasf_protocol::{MessageType, Topic, properties::key};
use tokio::time::Instant;

use super::{Outgoing, PublishError, Queued, Receipt};
use crate::duration::milliseconds;
use crate::random;

/// How often the connection may be lost because of one message. A message that makes the broker
/// drop the connection must not do so again and again.
const MAX_LOSSES: u32 = 4;

impl Queued {
    /// Returns a unique number for the message. It stays the same when the message is sent again.
    pub(crate) fn id(&mut self) -> u128 {
        *self.id.get_or_insert_with(random::bits)
    }

    /// Returns the message for sending, and records that it is written. A message that may have reached
    /// the broker before gets a property, because a receiver should not run it twice.
    pub(crate) fn mark_written(&mut self) -> &Outgoing {
        if self.written_at.is_some() && self.message.properties.get(key::REPEATED).is_none() {
            let properties = std::mem::take(&mut self.message.properties);
            self.message.properties = properties.with(key::REPEATED, "1");
        }
        self.written_at = Some(Instant::now());
        &self.message
    }

    /// Returns whether the sender waits until the broker has accepted the message.
    pub(crate) fn wants_receipt(&self) -> bool {
        matches!(self.receipt, Receipt::Channel(_))
    }

    /// Returns when the message was last written to a connection.
    pub(crate) fn written_at(&self) -> Option<Instant> {
        self.written_at
    }

    /// Records that nobody reads the topic, so that the message reached nobody. Returns since when this
    /// is so; `None` if the message is of no use later.
    pub(crate) fn is_unread(&mut self, now: Instant) -> Option<Instant> {
        let message_type = self.message.properties.message_type();
        if matches!(
            message_type,
            Some(MessageType::Progress | MessageType::Pong | MessageType::Cancel)
        ) {
            return None;
        }
        self.written_at = None;
        Some(*self.unread_since.get_or_insert(now))
    }

    /// Returns whether the message is still of use at this time.
    pub(crate) fn is_useful_at(&self, time: Instant) -> bool {
        self.message.expires.is_none_or(|expires| expires > time)
    }

    /// Records that the connection was lost while this was the oldest message without a receipt.
    pub(crate) fn count_loss(&mut self, reason: &str) {
        self.losses += 1;
        reason.clone_into(&mut self.last_loss);
    }

    /// Prepares the message for [`mark_written`](Self::mark_written). `has_waited` means that it may have
    /// waited so long that nobody needs it any more. If it is still needed, it tells the time that is left
    /// now.
    ///
    /// # Errors
    /// Returns why the message must not be sent (again).
    pub(crate) fn prepare(&mut self, now: Instant, has_waited: bool) -> Result<(), PublishError> {
        if let Some(obstacle) = self.obstacle(now, has_waited) {
            return Err(obstacle);
        }
        if (has_waited || self.is_repeated())
            && let Some(expires) = self.message.expires
            && self.message.properties.get(key::TIMEOUT_MS).is_some()
        {
            let properties = std::mem::take(&mut self.message.properties);
            let left = expires.saturating_duration_since(now);
            self.message.properties = properties.with(key::TIMEOUT_MS, milliseconds(left));
        }
        Ok(())
    }

    /// Returns whether the message was written before.
    fn is_repeated(&self) -> bool {
        self.written_at.is_some() || self.unread_since.is_some()
    }

    fn obstacle(&self, now: Instant, has_waited: bool) -> Option<PublishError> {
        let is_repeated = self.is_repeated();
        if self.message.expires.is_some_and(|expires| expires <= now) {
            Some(PublishError::Expired)
        } else if (is_repeated && self.is_late(now))
            || ((has_waited || is_repeated) && !self.is_awaited())
        {
            Some(PublishError::Unawaited)
        } else if self.losses >= MAX_LOSSES {
            Some(PublishError::Lost {
                times: self.losses,
                reason: self.last_loss.clone(),
            })
        } else {
            None
        }
    }

    /// Returns whether nobody waits for the message any more.
    fn is_late(&self, now: Instant) -> bool {
        let until = self.message.awaited_until;
        until.is_some_and(|until| until <= now)
    }

    /// Returns whether the owner of the call still waits for its response, or the sender for the
    /// receipt.
    fn is_awaited(&self) -> bool {
        match &self.receipt {
            Receipt::Unwanted => true,
            Receipt::Channel(receipt) => !receipt.is_closed(),
            Receipt::Call(owner) => owner.is_awaited(),
        }
    }
}

/// Removes the progress reports after which the queue has another report or the response of the same
/// call: each report contains the whole state. Without a topic, a message is for the only topic of the
/// queue.
pub(crate) fn drop_superseded_reports<T>(
    queue: &mut VecDeque<T>,
    message: impl Fn(&T) -> Option<(Option<&Topic>, &Queued)>,
) {
    let mut followed = HashSet::new();
    let mut is_superseded = VecDeque::with_capacity(queue.len());
    for (topic, queued) in queue.iter().rev().map(&message).map(Option::unzip) {
        let (Some(topic), Some(Queued { message, .. })) = (topic, queued) else {
            is_superseded.push_front(false);
            continue;
        };
        let call = (topic, message.context.as_str());
        let message_type = message.properties.message_type();
        is_superseded.push_front(match message_type {
            Some(MessageType::Progress) => !followed.insert(call),
            Some(MessageType::Response) => {
                followed.insert(call);
                false
            }
            _ => false,
        });
    }
    queue.retain(|_| !is_superseded.pop_front().unwrap_or_default());
}

/// How long messages may wait for a connection before it asks whether somebody still needs them.
const LONG_WAIT: Duration = Duration::from_millis(10);

/// Knows whether the messages in a queue may have waited for long. To ask the owner of every message
/// whether it is still needed would make all of them slower.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// When the queue was last empty.
    empty_at: Instant,
}

impl Backlog {
    /// Returns the state of a queue that was empty at this time.
    pub(crate) fn since(empty_at: Instant) -> Self {
        Self { empty_at }
    }

    /// Records that the queue is empty.
    pub(crate) fn ends(&mut self, now: Instant) {
        self.empty_at = now;
    }

    /// Returns whether a message in the queue may have waited for long.
    pub(crate) fn is_long(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.empty_at) >= LONG_WAIT
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dasf_protocol::Properties;

    use super::*;

    #[test]
    fn a_message_whose_receipt_nobody_awaits_is_not_written_again() {
        let (mut queued, receipt) = Queued::with_receipt(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new(),
            expires: None,
            awaited_until: None,
        });
        let now = Instant::now();
        assert_eq!(queued.obstacle(now, true), None);
        drop(receipt);
        assert_eq!(queued.obstacle(now, false), None);
        let unawaited = Some(PublishError::Unawaited);
        assert_eq!(queued.obstacle(now, true), unawaited);
        queued.mark_written();
        assert_eq!(queued.obstacle(now, false), unawaited);
    }

    #[test]
    fn a_message_is_not_written_again_when_nobody_waits_for_it() {
        let until = Instant::now();
        let before = until.checked_sub(LONG_WAIT).unwrap();
        let mut queued = Queued::new(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new(),
            expires: None,
            awaited_until: Some(until),
        });
        assert_eq!(queued.obstacle(before, true), None);
        // Even if it is late, its reader may still take it.
        assert_eq!(queued.obstacle(until, true), None);
        queued.mark_written();
        assert_eq!(queued.obstacle(before, false), None);
        assert_eq!(queued.obstacle(until, false), Some(PublishError::Unawaited));
    }

    #[test]
    fn a_message_that_has_waited_tells_the_time_that_is_left() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let left = |queued: &Queued| queued.message.properties.integer(key::TIMEOUT_MS);
        let mut queued = Queued::new(Outgoing {
            payload: Bytes::new(),
            context: "1".into(),
            properties: Properties::new().with(key::TIMEOUT_MS, 60_000),
            expires: Some(now + 60 * second),
            awaited_until: None,
        });
        assert_eq!(queued.prepare(now + second, false), Ok(()));
        assert_eq!(left(&queued), Some(60_000));
        assert_eq!(queued.prepare(now + 2 * second, true), Ok(()));
        assert_eq!(left(&queued), Some(58_000));
        queued.mark_written();
        assert_eq!(queued.prepare(now + 3 * second, false), Ok(()));
        assert_eq!(left(&queued), Some(57_000));
        let late = queued.prepare(now + 60 * second, false);
        assert_eq!(late, Err(PublishError::Expired));
        // A message without a timeout does not get one.
        queued.message.properties = Properties::new();
        assert_eq!(queued.prepare(now + second, true), Ok(()));
        assert_eq!(left(&queued), None);
    }

    #[test]
    fn a_report_is_superseded_by_the_next_message_of_its_call() {
        let [a, b]: [Topic; 2] = ["a", "b"].map(|topic| topic.parse().unwrap());
        let message = |topic: &Topic, context: &str, message_type| {
            let queued = Queued::new(Outgoing {
                payload: Bytes::new(),
                context: context.into(),
                properties: Properties::new().with_message_type(message_type),
                expires: None,
                awaited_until: None,
            });
            (topic.clone(), queued)
        };
        let report = || MessageType::Progress;
        let response = || MessageType::Response;
        let mut queue = VecDeque::from([
            message(&a, "1", report()),
            message(&a, "2", report()),
            message(&b, "1", report()),
            message(&a, "1", report()),
            message(&a, "1", response()),
            message(&a, "1", response()),
            message(&b, "1", report()),
            message(&a, "1", MessageType::Pong),
        ]);
        drop_superseded_reports(&mut queue, |(topic, queued)| Some((Some(topic), queued)));
        let left: Vec<_> = queue
            .iter()
            .map(|(topic, queued)| {
                let Outgoing {
                    context,
                    properties,
                    ..
                } = &queued.message;
                (topic, context.as_str(), properties.message_type().unwrap())
            })
            .collect();
        let expected = [
            (&a, "2", report()),
            (&a, "1", response()),
            (&a, "1", response()),
            (&b, "1", report()),
            (&a, "1", MessageType::Pong),
        ];
        assert_eq!(left, expected);
    }
}
