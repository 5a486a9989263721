//! Requests that ended the modules that ran them are put aside, and their callers learn it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use dasf_protocol::properties::key;
use dasf_protocol::{ErrorInfo, MessageType, Properties, Publish, Status, put_aside};
use serde_json::json;
use tracing::{info, warn};

use super::{Hub, lock};
use crate::access::Tenure;
use crate::clock::now;
use crate::dead::{DeadRecord, DeadRequest};
use crate::log::Line;
use crate::message::{Content, Message};
use crate::store::{Held, Home};
use crate::topic::{AttachError, Effects, PublishError, PutAside, SharedTenure, TopicName};

/// The topics with suspects, and when the next of each are due.
#[derive(Debug, Default)]
pub(super) struct Suspicions(HashMap<TopicName, Instant>);

impl Suspicions {
    /// Notes when a topic has to look at its suspects. Returns whether that is new.
    fn add(&mut self, topic: &TopicName, due: Instant) -> bool {
        match self.0.get_mut(topic) {
            Some(known) if *known <= due => false,
            Some(known) => {
                *known = due;
                true
            }
            None => self.0.insert(topic.clone(), due).is_none(),
        }
    }
}

/// The error of a dead request that cannot be sent again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RetryError {
    #[error("no request with this id is put aside; it was sent again, dropped, or made room")]
    Gone,
    #[error("its content cannot be read from the disk; the log of the broker says why")]
    Unreadable,
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Returns the meaning of a topic of modules.
pub(super) fn of_requests() -> SharedTenure {
    Arc::new(OnceLock::from(Tenure::Requests))
}

impl Hub {
    /// Lets a topic look at its suspects at this time.
    pub(super) fn suspect(&self, topic: &TopicName, due: Instant) {
        if lock(&self.suspicions).add(topic, due) {
            self.suspected.notify_one();
        }
    }

    /// Returns when the next suspects are due.
    pub(crate) fn suspects_due(&self) -> Option<Instant> {
        lock(&self.suspicions).0.values().min().copied()
    }

    /// Puts the suspects aside whose consumers had time to come back.
    pub(crate) fn judge_suspects(&self) {
        let now = now();
        let due: Vec<_> = {
            let mut suspicions = lock(&self.suspicions);
            let due = suspicions.0.extract_if(|_, due| *due <= now);
            due.map(|(topic, _)| topic).collect()
        };
        for name in due {
            let Some(topic) = lock(&self.topics).get(&name).cloned() else {
                continue;
            };
            let mut effects = Effects::default();
            effects.suspects_due = lock(&topic).judge_suspects(now, &mut effects);
            self.apply_effects(&name, &mut effects);
        }
    }

    /// Tells the caller of a request that it does not run again, and keeps the request for those who look at
    /// it.
    pub(super) fn put_aside(&self, topic: &TopicName, aside: PutAside) {
        let PutAside {
            message,
            deaths,
            attempts,
            subscription,
            is_kept,
            held,
        } = aside;
        let Some(loaded) = message.load_now() else {
            self.counters.dropped.add(1);
            return;
        };
        let content = loaded.content();
        self.counters.put_aside.add(1);
        let answer = self.tell_caller(topic, &message, content, deaths);
        let age = now().saturating_duration_since(message.published);
        let published = SystemTime::now().checked_sub(age);
        let published = published.unwrap_or(SystemTime::UNIX_EPOCH);
        let subscription = subscription.map(|name| name.to_string());
        let record = DeadRecord::of(content, published, subscription, deaths, attempts);
        let Some(mut record) = record.filter(|_| is_kept) else {
            self.counters.dropped.add(1);
            if self.log.allows(Line::PutAside) {
                warn!(
                    %topic,
                    message_id = %message.id(),
                    deaths,
                    "dropped: the message ended those who worked on it, and the topic keeps no dead letters"
                );
            }
            return;
        };
        if self.log.allows(Line::PutAside) {
            warn!(
                %topic,
                message_id = %message.id(),
                function = record.function.as_deref(),
                user = record.user.as_deref(),
                deaths,
                "put aside: the request ended the modules that ran it"
            );
        }
        let keeping = self.origin.keeping.as_ref().filter(|_| held.is_some());
        let home = keeping.map(|keeping| Home::of_topic(&keeping.store, topic, &of_requests()));
        record.answer = answer;
        let budget = &self.origin.budget;
        let mut dead = DeadRequest::new(topic.clone(), record, home, budget);
        // The store learns what the queue is before it gets the message.
        dead.keep();
        dead.add(message);
        let removed = lock(&self.dead).insert(dead);
        // The message has its new place in the store.
        drop(held);
        self.report_no_room(removed);
    }

    /// Answers a request with an error. Returns the number of the answer, if somebody may read it.
    fn tell_caller(
        &self,
        topic: &TopicName,
        message: &Message,
        content: &Content,
        deaths: u32,
    ) -> Option<u64> {
        let properties = content
            .with_properties(|properties| serde_json::from_str::<Properties>(properties?).ok());
        let properties = properties?;
        // The first fragment answers for all.
        let is_first = matches!(properties.integer(key::FRAGMENT), None | Some(0));
        if properties.message_type() != Some(MessageType::Request) || !is_first {
            return None;
        }
        let reply = properties
            .response_topic()
            .zip(properties.request_context());
        let (response_topic, context) = reply?;
        let to = topic.sibling(response_topic);
        // Otherwise nobody reads it, or may come back to it.
        let answers = lock(&self.topics).get(&to).cloned()?;
        let id = message.id().to_string();
        let text = put_aside::text(deaths, &id);
        let details = json!({"deaths": deaths, "id": id});
        let info = ErrorInfo::new(put_aside::CODE, details);
        let response = Properties::new()
            .with_message_type(MessageType::Response)
            .with_status(Status::Error)
            .with(key::REQUEST_CONTEXT, &*context)
            .with(key::SOURCE_TOPIC, topic.topic().as_str());
        let frame = Publish {
            payload: text.as_bytes(),
            context: Cow::Borrowed(&*context),
            properties: Cow::Owned(info.add_to(response)),
        }
        .to_json();
        let fields = frame.get(1..).unwrap_or_default();
        let answer = Message::from_text(&self.origin, &self.origin.budget, now(), fields);
        let sequence = answer.sequence;
        let mut effects = Effects::default();
        let published = lock(&answers).insert(answer, &mut effects);
        self.apply_effects(&to, &mut effects);
        match published {
            Ok(()) => Some(sequence),
            Err(error) => {
                if self.log.allows(Line::PutAside) {
                    warn!(
                        %topic,
                        message_id = id,
                        response_topic = %to,
                        "the caller does not learn that its request is put aside: {error}"
                    );
                }
                None
            }
        }
    }

    /// Drops the oldest requests that are put aside, until the broker uses no more than `target` bytes.
    pub(super) fn shrink_dead(&self, target: usize) {
        let mut removed = Vec::new();
        while self.origin.budget.used() > target
            && let Some(oldest) = lock(&self.dead).remove_oldest()
        {
            // Its memory is free only then.
            let (id, dead) = oldest;
            removed.push((id, dead.topic.clone()));
        }
        self.report_dropped(removed);
    }

    fn report_no_room(&self, removed: Vec<(u64, DeadRequest)>) {
        let removed = removed.into_iter().map(|(id, dead)| (id, dead.topic));
        self.report_dropped(removed.collect());
    }

    fn report_dropped(&self, removed: Vec<(u64, TopicName)>) {
        self.counters.dropped.add(removed.len());
        for (id, topic) in removed {
            if self.log.allows(Line::DeadDropped) {
                let message_id = self.origin.ids.id(id);
                warn!(%topic, %message_id, "dropped the oldest request that was put aside: there are too many");
            }
        }
    }

    /// Sends a request that is put aside to its topic again, as if it had never come.
    pub(crate) fn retry_dead(&self, id: u64) -> Result<TopicName, RetryError> {
        let dead = lock(&self.dead).remove(id).ok_or(RetryError::Gone)?;
        if let Err(error) = self.publish_anew(&dead) {
            let removed = lock(&self.dead).insert(dead);
            self.report_no_room(removed);
            return Err(error);
        }
        info!(topic = %dead.topic, message_id = %self.origin.ids.id(id), "sent again what was put aside");
        Ok(dead.topic)
    }

    fn publish_anew(&self, dead: &DeadRequest) -> Result<(), RetryError> {
        let loaded = dead.messages().map(Message::load_now);
        let loaded: Option<Vec<_>> = loaded.collect();
        let loaded = loaded.ok_or(RetryError::Unreadable)?;
        let name = &dead.topic;
        let mut effects = Effects::default();
        let copies: Vec<_> = loaded
            .iter()
            .map(|it| {
                let budget = it.budget();
                Message::anew(it.content(), &self.origin, budget, now(), name.topic())
            })
            .collect();
        self.take_answer_back(dead);
        let published = self.with_topic(name, None, None, |topic| -> Result<(), RetryError> {
            topic.set_tenure(Tenure::Requests);
            for copy in copies {
                topic.insert(copy, &mut effects)?;
            }
            Ok(())
        });
        self.apply_effects(name, &mut effects);
        published.map(drop)
    }

    /// Takes the answer of a request that is put aside out of the hold of its topic, which a job has. Otherwise
    /// it would count for those who read the answer of the next attempt.
    fn take_answer_back(&self, dead: &DeadRequest) {
        let response_topic = dead.record.response_topic.as_deref();
        let response_topic = response_topic.and_then(|topic| topic.parse().ok());
        if let Some((topic, answer)) = response_topic.zip(dead.record.answer) {
            let answers = lock(&self.topics).get(&dead.topic.sibling(topic)).cloned();
            if let Some(answers) = answers {
                lock(&answers).unhold(answer);
            }
        }
    }

    /// Drops a request that is put aside. Returns its topic, if there is one with this number.
    pub(crate) fn drop_dead(&self, id: u64) -> Option<TopicName> {
        let dead = lock(&self.dead).remove(id)?;
        info!(topic = %dead.topic, message_id = %self.origin.ids.id(id), "dropped what was put aside");
        Some(dead.topic)
    }

    /// Runs a function on a request that is put aside, if there is one with this number.
    pub(crate) fn with_dead<T>(&self, id: u64, read: impl FnOnce(&DeadRequest) -> T) -> Option<T> {
        lock(&self.dead).get(id).map(read)
    }

    /// Calls a function with each request that is put aside after this one, the oldest first, until it
    /// returns `false`.
    pub(crate) fn each_dead(
        &self,
        after: Option<u64>,
        mut see: impl FnMut(u64, &DeadRequest) -> bool,
    ) {
        for (id, dead) in lock(&self.dead).after(after) {
            if !see(id, dead) {
                break;
            }
        }
    }

    /// Takes back a request that the store has kept aside.
    pub(super) fn restore_dead(
        &self,
        topic: TopicName,
        text: &str,
        home: Arc<Home>,
        messages: Vec<Message>,
    ) {
        let Some(record) = DeadRecord::from_json(text) else {
            warn!(%topic, "dropped a request that was put aside: what the store has of it cannot be read");
            // Otherwise its messages would stay on the disk.
            let held = messages
                .iter()
                .map(|message| Held::restored(&home, message));
            return held.for_each(drop);
        };
        let mut dead = DeadRequest::new(topic, record, Some(home), &self.origin.budget);
        for message in messages {
            dead.restore(message);
        }
        let removed = lock(&self.dead).insert(dead);
        self.report_no_room(removed);
    }
}
