//! What the broker retains of a job: what a module must know before it runs the job. Everybody reads it in a session of
//! their own. The messages for callers are in a session that serves only one reader at a time.

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{JobState, Properties, Topic};
use mqtt_proto::v5::{Packet, Publish, RetainHandling};
use mqtt_proto::{QoS, QosPid, TopicName};

use super::kept::DEFAULT_EXPIRY;
use super::session::{self, Opening};
use super::{Mqtt, envelope, names};
use crate::transport::{ConnectError, PublishError};

/// The payload of a message without one. A broker retains no message with an empty payload.
const PAYLOAD: &[u8] = b"true";
/// The Content Type of this payload.
const JSON: &str = "application/json";

/// What a module must know of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// A caller has cancelled the job.
    Cancelled,
    /// The state from which the job goes on.
    Checkpoint,
    /// The broker has the whole answer.
    Answered,
}

impl Fact {
    const ALL: [Self; 3] = [Self::Cancelled, Self::Checkpoint, Self::Answered];

    fn kind(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Checkpoint => "checkpoint",
            Self::Answered => "answered",
        }
    }

    /// Returns the fact of which a message with this property tells.
    pub(super) fn in_property(name: &str, value: &str) -> Option<Self> {
        match name {
            key::CHECKPOINT => Some(Self::Checkpoint),
            key::JOB_STATE => match JobState::of(value) {
                Some(JobState::Cancelled) => Some(Self::Cancelled),
                Some(JobState::Answered) => Some(Self::Answered),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the name of the MQTT topic where the broker retains the fact, beside the MQTT topic of the answer.
    pub(super) fn beside(self, answer: &str) -> String {
        names::fact(answer, self.kind())
    }

    /// Makes the broker retain a message that would otherwise go to the topic of the answer.
    pub(super) fn retain(self, publish: &mut Publish) -> Result<(), PublishError> {
        if publish.payload.is_empty() {
            publish.payload = Bytes::from_static(PAYLOAD);
            publish.properties.content_type = Some(JSON.into());
        }
        let name = self.beside(&publish.topic_name);
        retain(publish, &name)
    }

    /// Returns the packet that makes the broker retain the fact no longer.
    pub(super) fn clearing(self, answer: &str) -> Result<Packet, String> {
        clearing(&self.beside(answer))
    }

    /// Returns the packets that make the broker retain no fact of a job.
    pub(super) fn clearing_all(topic: &Topic) -> Result<Vec<Packet>, String> {
        let answer = names::topic(topic.as_str());
        let clearing = Self::ALL.map(|fact| fact.clearing(&answer));
        clearing.into_iter().collect()
    }
}

/// Makes the broker retain a message under this name.
pub(super) fn retain(publish: &mut Publish, name: &str) -> Result<(), PublishError> {
    let name = TopicName::try_from(name);
    publish.topic_name = name.map_err(|error| PublishError::Refused(error.to_string()))?;
    publish.retain = true;
    let expiry = &mut publish.properties.message_expiry_interval;
    expiry.get_or_insert(DEFAULT_EXPIRY);
    Ok(())
}

/// Returns the packet that makes the broker retain nothing under this name.
pub(super) fn clearing(name: &str) -> Result<Packet, String> {
    let name = TopicName::try_from(name).map_err(|error| error.to_string())?;
    let mut publish = Publish::new(QosPid::Level0, name, Bytes::new());
    publish.retain = true;
    Ok(Packet::Publish(publish))
}

/// Reads what the broker retains of a job. All of it has come when this returns without an error.
pub(super) async fn read(
    mqtt: &Mqtt,
    topic: &Topic,
    take: &mut (dyn FnMut(&Properties) + Send),
) -> Result<(), ConnectError> {
    let mut session = session::open(&mqtt.endpoint(), &mqtt.login, Opening::fresh()).await?;
    // Each of these messages is on the way only once, so it needs no acknowledgement.
    let options = session::options(QoS::Level0, RetainHandling::SendAtSubscribe);
    let names = [names::facts(topic)];
    let reading = session.read_retained(&names, options, |publish| {
        if let Ok(delivery) = envelope::delivery(publish) {
            take(&delivery.properties);
        }
        Ok(())
    });
    reading.await?;
    // The job need not wait for that.
    mqtt.runtime.spawn(session.disconnect(0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use mqtt_proto::Pid;

    use super::*;

    #[test]
    fn a_fact_is_retained_beside_the_answer() {
        for (name, value, kind) in [
            (key::JOB_STATE, "cancelled", "cancelled"),
            (key::JOB_STATE, "answered", "answered"),
            (key::CHECKPOINT, "[1]", "checkpoint"),
        ] {
            let topic = TopicName::try_from("dasf/demo_1").unwrap();
            let mut publish = Publish::new(QosPid::Level1(Pid::default()), topic, Bytes::new());
            let fact = Fact::in_property(name, value).unwrap();
            fact.retain(&mut publish).unwrap();
            assert_eq!(&*publish.topic_name, format!("dasf/demo_1/job/{kind}"));
            // A message with an empty payload would clear the topic.
            assert!(publish.retain && !publish.payload.is_empty());
            let expiry = publish.properties.message_expiry_interval;
            assert_eq!(expiry, Some(7 * 86_400));
            let Ok(Packet::Publish(clearing)) = fact.clearing("dasf/demo_1") else {
                panic!("not cleared")
            };
            assert_eq!(clearing.topic_name, publish.topic_name);
            assert!(clearing.retain && clearing.payload.is_empty());
        }
    }

    #[test]
    fn other_states_are_no_facts() {
        for (name, value) in [
            (key::JOB_STATE, "running"),
            (key::JOB_STATE, "sent"),
            (key::STATUS, "cancelled"),
        ] {
            assert_eq!(Fact::in_property(name, value), None);
        }
    }
}
