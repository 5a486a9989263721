//! Messages go to their dead-letter topics.

use tracing::warn;

use super::Hub;
use crate::access::Tenure;
use crate::clock::now;
use crate::log::Line;
use crate::message::Message;
use crate::topic::{AttachError, DeadLetter, Effects, PublishError, TopicName};

/// The error of a dead-letter topic that refuses a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Hub {
    /// Publishes a message of the topic `name` to its dead-letter topic.
    ///
    /// The dead letter is a new message, because several subscriptions may send the same message
    /// there. Its retention starts again.
    pub(super) fn dead_letter(&self, name: &TopicName, letter: &DeadLetter, effects: &mut Effects) {
        let DeadLetter {
            message,
            topic: to,
            account,
            ..
        } = letter;
        let Some(loaded) = message.load_now() else {
            self.counters.dropped.add(1);
            return;
        };
        // It counts for the user who has published the message.
        let budget = message.budget();
        let copy = Message::copy(loaded.content(), &self.origin, budget, now(), to.topic());
        let copy_id = copy.id();
        let published = self.with_topic(
            to,
            account.as_ref(),
            None,
            |topic| -> Result<(), DeadLetterError> {
                // It may contain requests.
                topic.set_tenure(Tenure::Requests);
                topic.insert(copy, effects)?;
                // A consumer may get the dead letter as soon as the lock is free.
                self.counters.dead_lettered.add(1);
                Ok(())
            },
        );
        let is_logged = self.log.allows(Line::DeadLetter);
        match published {
            Ok(_) if !is_logged => {}
            Ok(_) => {
                warn!(
                    topic = name.to_string(),
                    message_id = %message.id(),
                    to = to.to_string(),
                    new_message_id = %copy_id,
                    "moved to the dead-letter topic after the last redelivery that the consumer allows"
                );
            }
            Err(error) => {
                self.counters.dropped.add(1);
                if !is_logged {
                    return;
                }
                warn!(
                    topic = name.to_string(),
                    message_id = %message.id(),
                    to = to.to_string(),
                    "dropped: the dead-letter topic refused the message: {error}"
                );
            }
        }
    }
}
