//! What a module that died had not acknowledged, returned to its group.
//!
//! A broker of MQTT keeps it in the session of the dead, and hands it to nobody else. So another
//! module of the group, its heir, opens that session under the client id of the dead, publishes
//! each message again to the group, and acknowledges it only when the broker has it. Should the
//! heir die over that, another one finds the rest; at worst a request comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use mqtt_proto::TopicName;
use mqtt_proto::v5::Publish;
use tokio::time::Instant;

use super::names;
use super::packets::{self, Unreadable};
use super::session::{self, Opening, RECEIVE_MAXIMUM, Session};
use crate::address::Login;
use crate::backoff::Backoff;
use crate::random;
use crate::transport::ConnectError;
use crate::transport::socket::Endpoint;

/// For how many seconds a broker keeps the session of a module that died.
pub(super) const SESSION_EXPIRY: u32 = 3600;
/// How long the broker may be sending before an heir sends something: all large messages of a
/// session come before the answer to a ping.
const KEEP_ALIVE: Duration = Duration::from_secs(1800);
/// How long an heir waits at most, at random, before it claims what it could return: one should be
/// before the others.
const CLAIM_DELAY: Duration = Duration::from_millis(500);
/// After how long it is looked again whether a session that was claimed is still there. An heir at
/// work repeats its claim with each ping, which is sooner.
const RETRY: Duration = Duration::from_secs(90);
/// How long an heir whose own connection was lost waits before it claims what the broker retained
/// meanwhile: a broker that is stopped says of all modules that they are lost, and each of them
/// clears that when it is back.
const RETURN_PATIENCE: Duration = Backoff::LONGEST.saturating_add(Duration::from_secs(5));
/// How many lost sessions are remembered. The notices of others stay with the broker, for the next
/// module that subscribes.
const MAX_LOST: usize = 1024;
/// For how long messages are returned while the dead still gets its share of new ones.
const SUBSCRIBED_PATIENCE: Duration = Duration::from_secs(10);

/// Sessions of a group and where they are.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) endpoint: Endpoint,
    pub(super) login: Login,
    pub(super) topic: Topic,
    pub(super) name: Subscription,
}

impl Group {
    /// Returns what a session holds to the group, and ends the session. The number of messages is
    /// returned.
    ///
    /// # Errors
    /// Why not everything was returned; what was not is still in the session.
    pub(super) async fn take_over(&self, client_id: &str) -> Result<usize, ConnectError> {
        let mut session = self.resume(client_id).await?;
        let mut count = 0;
        if session.is_present {
            // A broker need not keep what it has queued for a subscription that ends.
            let patience = Some(Instant::now() + SUBSCRIBED_PATIENCE);
            count += self.return_all(&mut session, patience).await?;
            session.unsubscribe(&self.filters()).await?;
            count += self.return_all(&mut session, None).await?;
        }
        session.disconnect(0).await?;
        Ok(count)
    }

    /// Ends a session if it holds nothing, and says whether that is so.
    pub(super) async fn end_if_empty(&self, client_id: &str) -> Result<bool, ConnectError> {
        let mut session = self.resume(client_id).await?;
        if session.is_present {
            session.ping().await?;
            if session.early.is_empty() {
                // What was on its way to the subscription comes before the answer to the ping.
                session.unsubscribe(&self.filters()).await?;
                session.ping().await?;
            }
        }
        let is_empty = session.early.is_empty();
        let session_expiry = if is_empty { 0 } else { SESSION_EXPIRY };
        session.disconnect(session_expiry).await?;
        Ok(is_empty)
    }

    async fn resume(&self, client_id: &str) -> Result<Session, ConnectError> {
        let opening = Opening {
            client_id: client_id.to_owned(),
            clean_start: false,
            session_expiry: SESSION_EXPIRY,
            receive_maximum: RECEIVE_MAXIMUM,
            max_packet_size: packets::MAX_PACKET_SIZE,
            keep_alive: KEEP_ALIVE,
            will: None,
        };
        session::open(&self.endpoint, &self.login, opening).await
    }

    /// What the modules of the group subscribe to.
    fn filters(&self) -> [String; 2] {
        names::shared(&self.topic, &self.name)
    }

    /// Returns messages until the broker has no more of them, or the time is over.
    async fn return_all(
        &self,
        session: &mut Session,
        until: Option<Instant>,
    ) -> Result<usize, ConnectError> {
        let name = names::returned(&self.topic, &self.name);
        let name = TopicName::try_from(name.as_str());
        let name = name.map_err(|error| session.protocol_error(error.to_string()))?;
        let mut count = 0;
        loop {
            while let Some(publish) = session.early.pop_front() {
                let pid = match publish {
                    Ok(publish) => {
                        let pid = publish.qos_pid.pid();
                        let publish = returned(publish, name.clone());
                        let size = packets::size(&publish);
                        if size > session.limits.max_packet_size {
                            // The name of its topic is longer than before. It is acknowledged all
                            // the same: nobody can return it, and those behind it would not come.
                            tracing::warn!(topic = %self.topic, size, "message too large to be returned passed over");
                        } else {
                            session.publish(publish).await?;
                            count += 1;
                        }
                        pid
                    }
                    Err(Unreadable { pid }) => {
                        tracing::warn!(topic = %self.topic, "message passed over");
                        pid
                    }
                };
                if let Some(pid) = pid {
                    session.acknowledge(pid).await?;
                }
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(count);
            }
            session.ping().await?;
            if session.early.is_empty() {
                return Ok(count);
            }
        }
    }
}

/// A message as it goes back to its group: the same, with what is left of its time.
pub(super) fn returned(received: Publish, topic_name: TopicName) -> Publish {
    let mut publish = Publish {
        dup: false,
        retain: false,
        topic_name,
        ..received
    };
    // These belong to the connection on which it came.
    publish.properties.topic_alias = None;
    publish.properties.subscription_id = None;
    publish
}

/// The sessions that this module may have to take over, and when.
#[derive(Debug, Default)]
pub(super) struct LostSessions {
    sessions: BTreeMap<String, Lost>,
    /// Until when those whose notices were retained may come back themselves.
    patience: Option<Instant>,
}

#[derive(Debug)]
struct Lost {
    /// Since when it is known to be lost.
    since: Instant,
    /// When it is to be claimed.
    due: Instant,
}

impl LostSessions {
    /// A session was lost; whether its notice was there before this module was. Who claims it first
    /// shows by chance.
    pub(super) fn add(&mut self, client_id: &str, was_retained: bool) {
        if self.sessions.len() < MAX_LOST && !self.sessions.contains_key(client_id) {
            let now = Instant::now();
            let from = self.patience.filter(|_| was_retained).unwrap_or(now);
            let due = from.max(now) + CLAIM_DELAY.mul_f64(random::fraction());
            let lost = Lost { since: now, due };
            self.sessions.insert(client_id.to_owned(), lost);
        }
    }

    /// This module is back after its own connection was lost; others may be about to come back.
    pub(super) fn are_given_time(&mut self) {
        let patience = Instant::now() + RETURN_PATIENCE;
        self.patience = Some(patience);
        for lost in self.sessions.values_mut() {
            lost.due = patience.max(lost.due);
        }
    }

    /// A session is being taken over: whether it is still there is looked at later.
    pub(super) fn defer(&mut self, client_id: &str) {
        if let Some(lost) = self.sessions.get_mut(client_id) {
            lost.due = Instant::now() + RETRY + CLAIM_DELAY.mul_f64(random::fraction());
        }
    }

    /// A session could not be taken over. It is tried again, and `false` is returned where the
    /// broker does not keep it any longer.
    pub(super) fn retry(&mut self, client_id: &str) -> bool {
        let lifetime = Duration::from_secs(SESSION_EXPIRY.into());
        let Some(lost) = self.sessions.get(client_id) else {
            // It came back meanwhile, or another took it over.
            return true;
        };
        if lost.since.elapsed() >= lifetime {
            self.remove(client_id);
            return false;
        }
        self.defer(client_id);
        true
    }

    /// There is nothing to take over.
    pub(super) fn remove(&mut self, client_id: &str) -> bool {
        self.sessions.remove(client_id).is_some()
    }

    /// The session that comes next, and when.
    pub(super) fn next(&self) -> Option<(&str, Instant)> {
        let next = self.sessions.iter().min_by_key(|(_, lost)| lost.due);
        next.map(|(client_id, lost)| (client_id.as_str(), lost.due))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mqtt_proto::{Pid, QosPid};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_another_claims_is_left_to_it_for_a_while() {
        let mut lost = LostSessions::default();
        lost.add("a", false);
        let (client_id, due) = lost.next().unwrap();
        assert_eq!(client_id, "a");
        assert!(due <= Instant::now() + CLAIM_DELAY);
        lost.defer("a");
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        // Said again, it is not taken from the one who has it.
        lost.add("a", false);
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        lost.add("b", false);
        assert_eq!(lost.next().unwrap().0, "b");
        assert!(lost.remove("a") && lost.remove("b"));
        assert_eq!(lost.next(), None);
        lost.defer("a");
        assert_eq!(lost.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_lost_with_the_broker_may_come_back() {
        let mut lost = LostSessions::default();
        let due = |lost: &LostSessions| lost.next().unwrap().1;
        lost.add("a", true);
        assert!(due(&lost) <= Instant::now() + CLAIM_DELAY);
        lost.are_given_time();
        let back = Instant::now() + Backoff::LONGEST;
        assert!(due(&lost) > back);
        lost.remove("a");
        lost.add("b", true);
        assert!(due(&lost) > back);
        // Who is lost now is known to be.
        lost.add("c", false);
        assert!(due(&lost) <= Instant::now() + CLAIM_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_takeover_that_never_succeeds_is_given_up() {
        let mut lost = LostSessions::default();
        lost.add("a", false);
        assert!(lost.retry("a"));
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        tokio::time::advance(Duration::from_secs(SESSION_EXPIRY.into())).await;
        assert!(!lost.retry("a"));
        assert_eq!(lost.next(), None);
        assert!(lost.retry("a"));
        assert_eq!(lost.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_sessions_are_bounded() {
        let mut lost = LostSessions::default();
        for number in 0..2 * MAX_LOST {
            lost.add(&number.to_string(), true);
        }
        assert_eq!(lost.sessions.len(), MAX_LOST);
    }

    #[test]
    fn a_message_is_returned_unchanged() {
        let name = |name| TopicName::try_from(name).unwrap();
        let pid = QosPid::Level1(Pid::default());
        let mut received = Publish::new(pid, name("dasf/demo"), Bytes::from_static(b"[1]"));
        received.dup = true;
        received.properties.response_topic = Some(name("dasf/demo_1"));
        received.properties.message_expiry_interval = Some(5);
        let mut expected = received.clone();
        expected.dup = false;
        expected.topic_name = name("dasf/demo/groups/g");
        assert_eq!(returned(received, name("dasf/demo/groups/g")), expected);
    }
}
