//! Chooses the messages of a job that stay at a broker that sends only a few without an acknowledgement.

use std::collections::VecDeque;

use dasf_protocol::properties::key;
use dasf_protocol::{JobState, MessageId, MessageType, Properties};

/// The largest number of unacknowledged messages. Mosquitto sends 20 by default.
const MAX: usize = 16;

/// The messages that a reader has not acknowledged.
#[derive(Debug, Default)]
pub(super) struct FewMessages(VecDeque<(MessageId, Kind)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The first note of its kind. It stays, because it tells callers with the same key that the job is there.
    Note(JobState),
    /// A report or state of the module. Only the latest one counts.
    Report,
    /// A part of the answer, or a further note. Early ones go when there are too many.
    Other,
}

impl Kind {
    fn of(properties: &Properties) -> Self {
        match properties.message_type() {
            Some(MessageType::Progress) => Self::Report,
            Some(MessageType::Job) => {
                let state = properties.text(key::JOB_STATE).and_then(JobState::of);
                state.map_or(Self::Other, Self::Note)
            }
            _ => Self::Other,
        }
    }
}

impl FewMessages {
    /// Adds a message that has come. Returns the message to acknowledge now, if there is one.
    pub(super) fn add(
        &mut self,
        message_id: &MessageId,
        properties: &Properties,
    ) -> Option<MessageId> {
        if self.0.iter().any(|(id, _)| id == message_id) {
            // It comes again on a new connection.
            return None;
        }
        let mut kind = Kind::of(properties);
        let position = |kind| self.0.iter().position(|(_, it)| *it == kind);
        let settled = match kind {
            Kind::Report => position(kind),
            Kind::Note(_) if position(kind).is_some() => {
                // Its sender may still wait for it.
                kind = Kind::Other;
                None
            }
            Kind::Note(_) | Kind::Other => None,
        };
        let settled = settled.or_else(|| match self.0.len() >= MAX {
            true => self.0.iter().position(|(_, it)| *it == Kind::Other),
            false => None,
        });
        let settled = settled.and_then(|index| self.0.remove(index));
        self.0.push_back((message_id.clone(), kind));
        settled.map(|(message_id, _)| message_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns the messages that stay when these have come.
    fn left(messages: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<String> {
        let (mut few, mut left) = (FewMessages::default(), Vec::new());
        for (id, properties) in messages {
            let message_id = MessageId::from(id.to_owned());
            left.push(id.to_owned());
            let properties = serde_json::from_value(properties).unwrap();
            if let Some(settled) = few.add(&message_id, &properties) {
                left.retain(|id| **id != *settled);
            }
            assert!(left.len() <= MAX);
        }
        left
    }

    fn note(state: &str) -> Value {
        json!({"messageType": "job", "x_dasf_job_state": state})
    }

    #[test]
    fn a_large_answer_does_not_remove_the_notes() {
        let notes = [
            ("first", note("submitting")),
            ("second", note("submitting")),
            ("sent", note("sent")),
            ("cancelled", note("cancelled")),
        ];
        let fragment = ("fragment", json!({"messageType": "response"}));
        let fragments = (0..40).map(|number| {
            let id: &'static str = format!("{number}").leak();
            (id, fragment.1.clone())
        });
        let left = left(notes.into_iter().chain(fragments));
        assert_eq!(left[..3], ["first", "sent", "cancelled"]);
        assert_eq!(left.len(), MAX);
        assert_eq!(left.last().map(String::as_str), Some("39"));
    }

    #[test]
    fn only_the_latest_report_stays() {
        let report = json!({"messageType": "progress"});
        let left = left([
            ("1", report.clone()),
            ("sent", note("sent")),
            ("2", report.clone()),
            ("2", report),
        ]);
        assert_eq!(left, ["sent", "2", "2"]);
    }
}
