//! The fragments of a large answer to a job.
//!
//! A session keeps only some hundreds of messages for a reader, so a large answer does not fit into the session of a job.
//! Therefore the broker retains each fragment under a name of its own, beside the topic of the answer. The session only
//! gets a message that tells of them. Each reader reads the fragments in a session of its own, as often as it likes.

use std::collections::VecDeque;

use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, Properties, Topic};
use futures_util::stream::{self, BoxStream, StreamExt};
use mqtt_proto::QoS;
use mqtt_proto::v5::{Packet, RetainHandling};

use super::session::{self, Opening, Session};
use super::{Login, envelope, facts, names};
use crate::backoff::Backoff;
use crate::transport::websocket::Endpoint;
use crate::transport::{ConnectError, Parts};

/// How many fragments a reader asks for at a time. The broker holds no more of them for it.
const BATCH: usize = 128;
/// How many packets that clear fragments go in one frame.
const CLEARED_AT_ONCE: usize = 256;
/// How often a reader asks again when a connection is lost.
const MAX_ATTEMPTS: usize = 5;

/// Returns the name of the MQTT topic that retains a message, if it is a fragment to retain.
pub(super) fn name(answer: &str, properties: &Properties) -> Option<String> {
    properties.get(key::PARTS)?;
    let index = usize::try_from(properties.integer(key::FRAGMENT)?).ok()?;
    names::part(answer, properties.text(key::ANSWER)?, index)
}

/// Reads the fragments of an answer in their order.
pub(super) fn read(
    endpoint: Endpoint,
    login: Login,
    topic: &Topic,
    parts: Parts,
) -> BoxStream<'static, Result<Delivery, ConnectError>> {
    let reader = PartReader {
        endpoint,
        login,
        answer: names::topic(topic.as_str()),
        parts,
        next: 0,
        session: None,
        ready: VecDeque::new(),
    };
    stream::try_unfold(reader, PartReader::step).boxed()
}

struct PartReader {
    endpoint: Endpoint,
    login: Login,
    /// The MQTT topic of the answer.
    answer: String,
    parts: Parts,
    /// The index of the first fragment that was not read.
    next: usize,
    session: Option<Session>,
    /// The fragments that were read.
    ready: VecDeque<Delivery>,
}

impl PartReader {
    async fn step(mut self) -> Result<Option<(Delivery, Self)>, ConnectError> {
        if self.ready.is_empty() && self.next < self.parts.count {
            let mut backoff = Backoff::default();
            let mut attempts = 1;
            while let Err(error) = self.read_batch().await {
                let is_lost = matches!(
                    error,
                    ConnectError::Unreachable { .. } | ConnectError::Protocol { .. }
                );
                if !is_lost || attempts == MAX_ATTEMPTS {
                    return Err(error);
                }
                attempts += 1;
                self.session = None;
                tokio::time::sleep(backoff.next()).await;
            }
        }
        if let Some(delivery) = self.ready.pop_front() {
            return Ok(Some((delivery, self)));
        }
        if let Some(session) = self.session {
            // All fragments are there, so it does not matter if that fails.
            let _ = session.disconnect(0).await;
        }
        Ok(None)
    }

    async fn read_batch(&mut self) -> Result<(), ConnectError> {
        let end = self.parts.count.min(self.next + BATCH);
        let names = (self.next..end).map(|index| names::part(&self.answer, &self.parts.id, index));
        let names: Option<Vec<_>> = names.collect();
        let names = names.ok_or_else(|| self.lost("its id is no name"))?;
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                none.insert(session::open(&self.endpoint, &self.login, Opening::fresh()).await?)
            }
        };
        // Each of these messages is on the way only once, so it needs no acknowledgement.
        let options = session::options(QoS::Level0, RetainHandling::SendAtSubscribe);
        let mut read: Vec<Option<Delivery>> = names.iter().map(|_| None).collect();
        let reading = session.read_retained(&names, options, |publish| {
            let index = names.iter().position(|name| **name == *publish.topic_name);
            if let (Some(index), Ok(delivery)) = (index, envelope::delivery(publish)) {
                read[index] = Some(delivery);
            }
            Ok(())
        });
        reading.await?;
        session.unsubscribe(&names).await?;
        let read: Option<VecDeque<_>> = read.into_iter().collect();
        self.ready =
            read.ok_or_else(|| self.lost("the broker no longer retains all fragments of it"))?;
        self.next = end;
        Ok(())
    }

    fn lost(&self, reason: &str) -> ConnectError {
        let answer = &self.answer;
        let reason = format!("the answer on {answer} cannot be read: {reason}");
        session::protocol_error(&self.endpoint, reason)
    }
}

/// Makes the broker retain the fragments of an answer no longer.
pub(super) async fn clear(
    session: &mut Session,
    topic: &Topic,
    parts: &Parts,
) -> Result<(), ConnectError> {
    let answer = names::topic(topic.as_str());
    let mut packets: Vec<Packet> = Vec::new();
    for index in 0..parts.count {
        let Some(name) = names::part(&answer, &parts.id, index) else {
            return Ok(());
        };
        packets.push(facts::clearing(&name).map_err(|reason| session.protocol_error(reason))?);
        if packets.len() == CLEARED_AT_ONCE || index + 1 == parts.count {
            session.write(&packets).await?;
            packets.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_of_a_job_has_a_name_of_its_own() {
        let fragment = Properties::new()
            .with(key::FRAGMENT, 3)
            .with(key::NUM_FRAGMENTS, 5)
            .with(key::ANSWER, "a1B2");
        assert_eq!(name("dasf/demo_1", &fragment), None);
        let fragment = fragment.with(key::PARTS, 5);
        let expected = Some("dasf/demo_1/parts/a1B2/3".to_owned());
        assert_eq!(name("dasf/demo_1", &fragment), expected);
        for id in ["", "a/b", "+", "#"] {
            assert_eq!(
                name("dasf/demo_1", &fragment.clone().with(key::ANSWER, id)),
                None
            );
        }
    }
}
