//! What the broker knows of a request that is put aside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, payload};
use serde::{Deserialize, Serialize};

use crate::message::Content;
use crate::topic::{Attempt, shortened};

/// The description of a request that is put aside. The store keeps it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadRecord {
    /// Microseconds since 1970.
    published: u64,
    /// Microseconds since 1970.
    put_aside: u64,
    /// The subscription or the group of the modules.
    pub(crate) subscription: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) context: Option<String>,
    /// Whether the payload is still with the caller.
    #[serde(default)]
    pub(crate) is_on_demand: bool,
    /// How often a module began the request, and did not finish it.
    pub(crate) deaths: u32,
    pub(crate) attempts: Vec<Attempt>,
    /// The number of the message that has told the caller.
    #[serde(default)]
    pub(crate) answer: Option<u64>,
    /// The request of which the message is a fragment.
    pub(crate) part: Option<Part>,
}

/// What all fragments of a request have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    user: Option<String>,
    response_topic: String,
    context: String,
    request: Option<String>,
}

fn micros(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

impl DeadRecord {
    /// Returns the description of a message, if it is a request.
    pub(crate) fn of(
        content: &Content,
        published: SystemTime,
        subscription: Option<String>,
        deaths: u32,
        attempts: Vec<Attempt>,
    ) -> Option<Self> {
        let properties = content
            .with_properties(|properties| serde_json::from_str::<Properties>(properties?).ok())?;
        if properties.message_type() != Some(MessageType::Request) {
            return None;
        }
        let text = |name: &str| properties.text(name).map(shortened);
        let response_topic = text(key::RESPONSE_TOPIC);
        let context = properties.request_context().as_deref().map(shortened);
        let user = text(key::USER);
        let is_part = properties.get(key::NUM_FRAGMENTS).is_some();
        let part = response_topic.clone().zip(context.clone());
        Some(Self {
            published: micros(published),
            put_aside: micros(SystemTime::now()),
            subscription,
            function: payload::function_name(&content.payload()).map(|name| shortened(&name)),
            part: part
                .filter(|_| is_part)
                .map(|(response_topic, context)| Part {
                    user: user.clone(),
                    response_topic,
                    context,
                    request: text(key::REQUEST),
                }),
            user,
            response_topic,
            context,
            is_on_demand: properties.get(key::ON_DEMAND).is_some(),
            deaths,
            attempts,
            answer: None,
        })
    }

    /// Adds what is known of another fragment of the same request.
    pub(super) fn merge(&mut self, other: Self) {
        self.published = self.published.min(other.published);
        self.deaths = self.deaths.max(other.deaths);
        self.answer = self.answer.or(other.answer);
        self.function = self.function.take().or(other.function);
    }

    pub(super) fn to_json(&self) -> String {
        // Only a map whose keys are no texts is not JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns the memory of the texts in bytes, about.
    pub(super) fn size(&self) -> usize {
        self.to_json().len()
    }

    pub(crate) fn published(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.published)
    }

    pub(crate) fn put_aside(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.put_aside)
    }
}
