//! The handle of a producer.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::task::Context;

use axum::body::Bytes;
use dasf_protocol::Topic as ShortName;
use dasf_protocol::link::Header;
use serde_json::value::RawValue;
use tracing::info;

use super::removal::TopicQuota;
use super::{Hub, lock};
use crate::access::{Caller, Denied, Standing, Tenure};
use crate::account::Account;
use crate::budget::Budget;
use crate::clock::now;
use crate::log::Line;
use crate::message::{Fields, Message, Origin, stamp};
use crate::store::Ticket;
use crate::topic::{
    AttachError, CallId, Effects, PublishError, SharedTenure, Topic, TopicName, expects_answer,
};

/// The largest size of a text frame without a payload, beside its properties, in bytes.
const LONGEST_REST: usize = 256;

/// A connected producer. A drop disconnects it.
#[derive(Debug)]
pub(crate) struct Producer {
    hub: Arc<Hub>,
    name: TopicName,
    topic: Arc<Mutex<Topic>>,
    tenure: SharedTenure,
    /// What the caller may do. `None` if it may do everything.
    standing: Option<Standing>,
    /// Whether the peer wants to know at once that nobody reads a request.
    refuses_unread: bool,
    effects: Effects,
}

impl Producer {
    /// Checks whether the caller may send any message.
    pub(crate) fn check(&mut self) -> Result<(), Denied> {
        let Some(standing) = &mut self.standing else {
            return Ok(());
        };
        standing.renew();
        standing.check_connecting(self.tenure.get())
    }

    /// Refuses requests that nobody reads, because the peer asks for that.
    pub(crate) fn refuse_unread(&mut self) {
        self.refuses_unread = true;
    }

    /// Publishes the fields of a frame as a message, and returns the message. Consumers wake with
    /// [`apply_effects`](Self::apply_effects).
    pub(crate) fn publish<'a>(
        &mut self,
        fields: impl Into<Fields<'a>>,
    ) -> (Message, Result<(), PublishError>) {
        let (fields, now) = (fields.into(), now());
        let mut effects = std::mem::take(&mut self.effects);
        let make = |origin: &Origin, budget: &Arc<Budget>, _: &ShortName, stamp: &str| {
            Message::from_text(origin, budget, now, &fields.stamped(stamp))
        };
        let rest = fields.text.len() - fields.properties.map_or(0, str::len);
        let may_cancel = rest <= LONGEST_REST;
        let published = self.insert(make, fields.properties, may_cancel, &mut effects);
        self.effects = effects;
        published
    }

    /// Publishes the parts of a frame of a link as a message, and returns the message. Its consumers are in
    /// `effects`, with those of other topics of the link.
    pub(crate) fn publish_parts(
        &mut self,
        header: &Header<'_>,
        payload: &Bytes,
        effects: &mut Effects,
    ) -> (Message, Result<(), PublishError>) {
        let now = now();
        let (context, properties) = (header.context, header.properties);
        let (context, properties) = (context.map(RawValue::get), properties.map(RawValue::get));
        let make = |origin: &Origin, budget: &Arc<Budget>, topic: &ShortName, stamp: &str| {
            let stamped = match stamp {
                "" => properties.map(Cow::Borrowed),
                stamp => Some(stamp::add(properties, stamp).into()),
            };
            let properties = stamped.as_deref();
            Message::from_link(origin, budget, now, topic, context, properties, payload)
        };
        let published = self.insert(make, properties, payload.is_empty(), effects);
        self.hub.report(&self.name, effects);
        published
    }

    /// Publishes the message that `make` returns for a budget and a stamp. Only one without a payload may
    /// cancel a call.
    fn insert(
        &mut self,
        make: impl Fn(&Origin, &Arc<Budget>, &ShortName, &str) -> Message,
        properties: Option<&str>,
        may_cancel: bool,
        effects: &mut Effects,
    ) -> (Message, Result<(), PublishError>) {
        if let Some(standing) = &mut self.standing {
            standing.renew();
        }
        let mut has_room = false;
        loop {
            // The message is made before the topic is locked.
            let tenure = self.tenure.get();
            let standing = self.standing.as_ref();
            let stamp = standing.map_or("", |standing| standing.stamp(tenure));
            let account = standing.map(Standing::account);
            let origin = &self.hub.origin;
            let budget = account.map_or(&origin.budget, |account| account.messages());
            let message = make(origin, budget, self.name.topic(), stamp);
            let cancelled = may_cancel.then(|| CallId::cancelled_by(&message)).flatten();
            if let Some(account) = account
                && let Err(over) = account.check_memory()
            {
                return (message, Err(over.into()));
            }
            has_room = has_room || self.hub.has_room(&self.name);
            if !has_room {
                let error = PublishError::BrokerFull {
                    topic: self.name.clone(),
                    max: self.hub.origin.budget.max(),
                };
                return (message, Err(error));
            }
            let mut topic = lock(&self.topic);
            if topic.is_removed() {
                drop(topic);
                match self.hub.topic_of_producer(&self.name, account, None, None) {
                    Ok((topic, tenure)) => (self.topic, self.tenure) = (topic, tenure),
                    Err(error) => return (message, Err(error.into())),
                }
                continue;
            }
            if let Some(standing) = standing {
                if tenure.is_none() && self.tenure.get().is_some() {
                    // It has got another meaning just now, and the message perhaps another stamp.
                    continue;
                }
                match standing.check_sending(tenure, || stamp::kind(properties)) {
                    Ok(true) => topic.set_tenure(Tenure::Requests),
                    Ok(false) => {}
                    Err(denied) => return (message, Err(denied.into())),
                }
            }
            if self.refuses_unread
                && cancelled.is_none()
                && !topic.has_subscription()
                && self.is_unread(&message)
            {
                let topic = self.name.clone();
                return (message, Err(PublishError::NobodyListens { topic }));
            }
            if let Some(answer) = topic.answer(properties, &message) {
                effects.answers.push(answer);
                return (message, Ok(()));
            }
            let published = match cancelled {
                Some(call) => topic.cancel(message.clone(), &call, effects),
                None => topic.publish(message.clone(), effects),
            };
            return (message, published);
        }
    }

    /// Returns whether somebody waits for the answer to a message that no module is going to read: the topic
    /// has no subscription, and nobody has read it not long ago.
    fn is_unread(&self, message: &Message) -> bool {
        let retention = self.hub.limits.subscription_retention;
        let is_recent = || self.hub.recent.contain(&self.name, now(), retention);
        expects_answer(message) && !is_recent()
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
    /// Connects a producer that may do everything.
    #[cfg(test)]
    pub(crate) fn producer(
        self: &Arc<Self>,
        name: TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Producer, AttachError> {
        self.producer_of(&Caller::everything(), name, quota)
    }

    /// Connects a producer of a caller. If the connection has others, the topic counts for its quota.
    pub(crate) fn producer_of(
        self: &Arc<Self>,
        caller: &Caller,
        name: TopicName,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Producer, AttachError> {
        let standing = caller.standing(&name);
        if let Some(standing) = &standing
            && !standing.has_any_right()
        {
            standing.check_connecting(None)?;
        }
        if !self.has_room(&name) {
            return Err(self.full());
        }
        let (topic, tenure) =
            self.topic_of_producer(&name, caller.account(), quota, standing.as_ref())?;
        Ok(Producer {
            hub: self.clone(),
            name,
            topic,
            tenure,
            standing,
            refuses_unread: false,
            effects: Effects::default(),
        })
    }

    fn topic_of_producer(
        &self,
        name: &TopicName,
        account: Option<&Arc<Account>>,
        quota: Option<&mut TopicQuota>,
        standing: Option<&Standing>,
    ) -> Result<(Arc<Mutex<Topic>>, SharedTenure), AttachError> {
        self.with_topic(name, account, quota, |topic| {
            if let Some(standing) = standing {
                standing.check_connecting(topic.tenure().get())?;
            }
            topic.attach_producer();
            Ok(topic.tenure().clone())
        })
    }
}
