//! Where the response to a request goes.

use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Properties, Topic};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::transport::Transit;

/// A caller, and the context of its call.
pub(super) type CallId = (CallerId, SmolStr);

/// Who waits for responses: a response topic, and the user who named it, if the broker names the users.
/// Another user who names the same topic is another caller.
pub(super) type CallerId = (Topic, Option<SmolStr>);

/// The longest timeout of a caller. A longer timeout could overflow an instant, so the host ignores
/// it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The address of the response to one call.
#[derive(Debug, Clone)]
pub(super) struct ReplyTo {
    pub(super) response_topic: Topic,
    pub(super) context: SmolStr,
    /// Whether the broker keeps the response, because the caller may be gone.
    pub(super) is_job: bool,
    /// Whether the caller answers pings on that topic.
    pub(super) answers_pings: bool,
    /// When the caller stops waiting; `None` if it names no timeout.
    pub(super) deadline: Option<Deadline>,
    /// The user who sent the request, if the broker names the users.
    pub(super) user: Option<SmolStr>,
}

impl ReplyTo {
    /// Returns the address in the properties of a message that has just come; `None` if there is none.
    pub(super) fn of(properties: &Properties) -> Option<Self> {
        let transit = Transit::direct(Instant::now());
        Self::on(properties.response_topic()?, properties, transit)
    }

    /// Returns the address in the properties of a message, as [`of`](Self::of) does. The messages of
    /// one caller share their topic. The time that the message has waited in the broker counts.
    pub(super) fn sharing(
        topics: &mut LatestTopics,
        properties: &Properties,
        transit: Transit,
    ) -> Option<Self> {
        Self::on(topics.response_topic(properties)?, properties, transit)
    }

    fn on(response_topic: Topic, properties: &Properties, transit: Transit) -> Option<Self> {
        Some(Self {
            response_topic,
            context: properties.request_context()?.into(),
            is_job: properties.get(key::JOB).is_some(),
            answers_pings: properties.get(key::ANSWERS_PINGS).is_some(),
            deadline: deadline(properties, transit),
            user: properties.text(key::USER).map(SmolStr::new),
        })
    }

    /// Returns whether the caller has stopped waiting.
    pub(super) fn is_late(&self) -> bool {
        let deadline = self.deadline.as_ref();
        deadline.is_some_and(|deadline| deadline.at() <= Instant::now())
    }

    /// Returns the identity of the call, which is the same for all of its messages.
    pub(super) fn call(&self) -> CallId {
        (self.caller(), self.context.clone())
    }

    /// Returns the identity of the caller.
    pub(super) fn caller(&self) -> CallerId {
        (self.response_topic.clone(), self.user.clone())
    }
}

/// Returns when the caller of a request stops waiting; `None` if it names no timeout.
fn deadline(properties: &Properties, transit: Transit) -> Option<Deadline> {
    let time = |key| {
        let time = properties.integer(key).map(Duration::from_millis);
        time.filter(|&time| time <= LONGEST_TIMEOUT)
    };
    let first = transit.end_of(time(key::TIMEOUT_MS)?);
    Some(match time(key::RESTART_MS) {
        Some(timeout) => Deadline::restarting(first, timeout),
        None => Deadline::fixed(first),
    })
}

/// How many response topics are kept.
const TOPICS: usize = 64;

/// Response topics of the latest messages. To find a topic here is faster than to check its name
/// and to copy it.
#[derive(Debug)]
pub(super) struct LatestTopics([Option<Topic>; TOPICS]);

impl Default for LatestTopics {
    fn default() -> Self {
        Self([const { None }; TOPICS])
    }
}

impl LatestTopics {
    /// Returns the response topic of a message; `None` if it is missing or invalid.
    fn response_topic(&mut self, properties: &Properties) -> Option<Topic> {
        let name = properties.text(key::RESPONSE_TOPIC)?;
        // Callers choose the ends of the names of their topics at random.
        let end = name.bytes().rev().take(2);
        let place = end.fold(0, |place, byte| place * 31 + usize::from(byte)) % TOPICS;
        let place = &mut self.0[place];
        if place.as_ref().is_none_or(|topic| topic.as_str() != name) {
            *place = Some(name.parse().ok()?);
        }
        place.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_caller_share_their_topic() {
        let mut topics = LatestTopics::default();
        let mut topic = |name: &str| {
            let properties = Properties::new().with(key::RESPONSE_TOPIC, name);
            topics.response_topic(&properties)
        };
        let names: Vec<_> = (0..2 * TOPICS)
            .map(|number| format!("caller_{number}"))
            .collect();
        for name in &names {
            let first = topic(name).unwrap();
            let again = topic(name).unwrap();
            assert_eq!(first.as_str(), name);
            assert!(std::ptr::eq(first.as_str(), again.as_str()));
        }
        assert_eq!(topic("not a topic"), None);
        assert_eq!(topic(""), None);
        assert_eq!(topics.response_topic(&Properties::new()), None);
    }
}
