//! The handle of a producer.

use std::sync::{Arc, Mutex};
use std::task::Context;

use axum::body::Bytes;
use dasf_protocol::link::Header;
use serde_json::value::RawValue;
use tracing::info;

use super::removal::TopicQuota;
use super::{Hub, lock};
use crate::clock::now;
use crate::log::Line;
use crate::message::Message;
use crate::store::Ticket;
use crate::topic::{AttachError, Effects, PublishError, Topic, TopicName};

/// A connected producer. A drop disconnects it.
#[derive(Debug)]
pub(crate) struct Producer {
    hub: Arc<Hub>,
    name: TopicName,
    topic: Arc<Mutex<Topic>>,
    effects: Effects,
}

impl Producer {
    /// Publishes the fields of a frame as a message, and returns the message. Consumers wake with
    /// [`apply_effects`](Self::apply_effects).
    pub(crate) fn publish(&mut self, fields: &str) -> (Message, Result<(), PublishError>) {
        let message = Message::from_text(&self.hub.origin, now(), fields);
        let mut effects = std::mem::take(&mut self.effects);
        let published = self.insert(message.clone(), &mut effects);
        self.effects = effects;
        (message, published)
    }

    /// Publishes the parts of a frame of a link as a message, and returns the message. Its consumers are in
    /// `effects`, with those of other topics of the link.
    pub(crate) fn publish_parts(
        &mut self,
        header: &Header<'_>,
        payload: &Bytes,
        effects: &mut Effects,
    ) -> (Message, Result<(), PublishError>) {
        let (origin, now) = (&self.hub.origin, now());
        let (context, properties) = (header.context, header.properties);
        let (context, properties) = (context.map(RawValue::get), properties.map(RawValue::get));
        let message =
            Message::from_link(origin, now, self.name.topic(), context, properties, payload);
        let published = self.insert(message.clone(), effects);
        self.hub.report(&self.name, effects);
        (message, published)
    }

    fn insert(&mut self, message: Message, effects: &mut Effects) -> Result<(), PublishError> {
        if !self.hub.has_room(&self.name) {
            return Err(PublishError::BrokerFull {
                topic: self.name.clone(),
                max: self.hub.origin.budget.max(),
            });
        }
        loop {
            let mut topic = lock(&self.topic);
            if !topic.is_removed() {
                return topic.publish(message, effects);
            }
            drop(topic);
            self.topic = self.hub.topic_of_producer(&self.name, None)?;
        }
    }

    /// See [`Hub::written_after`].
    pub(crate) fn written_after(&self, message: &Message) -> Option<Ticket> {
        self.hub.written_after(message)
    }

    /// See [`Hub::is_written`].
    pub(crate) fn is_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        self.hub.is_written(ticket, cx)
    }

    /// Wakes the consumers that have a new message.
    pub(crate) fn apply_effects(&mut self) {
        self.hub.apply_effects(&self.name, &mut self.effects);
    }

    /// Counts and logs a refused frame.
    pub(crate) fn report_refused(&self, message: Option<&Message>, reason: &str) {
        self.hub.counters.refused.add(1);
        if !self.hub.log.allows(Line::FrameRefused) {
            return;
        }
        info!(
            topic = self.name.to_string(),
            message_id = message.map(|message| display(message.id())),
            "refused a frame: {reason}"
        );
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.apply_effects();
        let idle = {
            let mut topic = lock(&self.topic);
            topic.detach_producer();
            topic.is_idle()
        };
        if idle {
            self.hub.remove_if_idle(&self.name);
        }
    }
}

impl Hub {
    /// Connects a producer. If the connection has others, the topic counts for its quota.
    pub(crate) fn producer(
        self: &Arc<Self>,
        name: TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Producer, AttachError> {
        if !self.has_room(&name) {
            return Err(self.full());
        }
        let topic = self.topic_of_producer(&name, quota)?;
        Ok(Producer {
            hub: self.clone(),
            name,
            topic,
            effects: Effects::default(),
        })
    }

    fn topic_of_producer(
        &self,
        name: &TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Arc<Mutex<Topic>>, AttachError> {
        let (topic, ()) = self.with_topic(name, quota, |topic| {
            topic.attach_producer();
            Ok::<_, AttachError>(())
        })?;
        Ok(topic)
    }
}
