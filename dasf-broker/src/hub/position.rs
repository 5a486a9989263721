//! Answers to callers who ask how many requests wait before theirs.

use axum::body::Bytes;
use dasf_protocol::Topic;

use super::{Hub, lock};
use crate::clock::now;
use crate::message::Message;
use crate::topic::{Effects, PositionAnswer, TopicName};

impl Hub {
    /// Publishes an answer from the topic `name` to the caller, if it reads its topic.
    pub(super) fn answer(&self, name: &TopicName, answer: &PositionAnswer, effects: &mut Effects) {
        let Ok(to) = answer.response_topic.parse::<Topic>() else {
            return;
        };
        let properties = answer.properties(name.topic().as_str());
        let message = Message::from_link(
            &self.origin,
            &self.origin.budget,
            now(),
            &to,
            Some(&answer.context),
            Some(&properties),
            &Bytes::new(),
        );
        let found = lock(&self.topics).get(&name.sibling(to)).cloned();
        if let Some(topic) = found {
            let mut topic = lock(&topic);
            // If the caller has no room for an answer, it asks again.
            if topic.is_read() {
                let _ = topic.insert(message, effects);
            }
        }
    }
}
