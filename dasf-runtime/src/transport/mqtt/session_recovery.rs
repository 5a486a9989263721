//! Returns the unacknowledged messages of a dead module to its group.
//!
//! An MQTT broker keeps these messages in the dead module's session and delivers them to no other
//! client. Therefore another module of the group takes over: it opens that session under the dead
//! module's client id, and publishes each message to the group again. It acknowledges a message
//! only when the broker has the copy. If it dies meanwhile, another module continues. In the worst
//! case a request comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use mqtt_proto::TopicName;
use mqtt_proto::v5::Publish;
use tokio::time::Instant;

use super::packets::{self, Unreadable};
use super::session::{self, Opening, RECEIVE_MAXIMUM, Session};
use super::{Login, doubts, names};
use crate::random;
use crate::transport::ConnectError;
use crate::transport::websocket::Endpoint;

/// How many seconds a broker keeps the session of a dead module.
pub(super) const SESSION_EXPIRY: u32 = 3600;
/// The keep-alive of a recovery. The broker may send for a long time before it answers a ping,
/// because all large messages of a session come first.
const KEEP_ALIVE: Duration = Duration::from_secs(1800);
/// The longest random delay before a module claims a lost session, so that one module is first.
const CLAIM_DELAY: Duration = Duration::from_millis(500);
/// When to check again whether a claimed session still exists. A module that takes over a session
/// repeats its claim with each ping, before this time is over.
const RETRY: Duration = Duration::from_secs(90);
/// When a module tries again that could not take over a session which it has claimed itself. Until then, a broker
/// gives the session its share of the new requests.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// How long a module that lost its own connection waits before it claims sessions from retained
/// announcements. When a broker stops, it reports all modules as lost, and each module clears its announcement
/// when it is back.
const RETURN_PATIENCE: Duration = doubts::PATIENCE;
/// The maximum number of remembered lost sessions. Further announcements stay with the broker for the
/// next module that subscribes.
const MAX_LOST: usize = 1024;
/// How long messages are returned while the dead module's session still receives its share of new
/// ones.
const SUBSCRIBED_PATIENCE: Duration = Duration::from_secs(10);

/// The group of a lost session, and its address.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) endpoint: Endpoint,
    pub(super) login: Login,
    pub(super) topic: Topic,
    pub(super) name: Subscription,
}

impl Group {
    /// Returns the messages of a session to the group, and ends the session. The result is the
    /// number of messages.
    ///
    /// # Errors
    /// Returns why some messages were not returned. They stay in the session.
    pub(super) async fn take_over(&self, client_id: &str) -> Result<usize, ConnectError> {
        let mut session = self.resume(client_id).await?;
        let mut count = 0;
        if session.is_present {
            // A broker may drop queued messages when their subscription ends, so return them first.
            let patience = Some(Instant::now() + SUBSCRIBED_PATIENCE);
            count += self.return_all(&mut session, patience).await?;
            session.unsubscribe(&self.filters()).await?;
            count += self.return_all(&mut session, None).await?;
        }
        session.disconnect(0).await?;
        Ok(count)
    }

    /// Ends a session if it is empty, and returns whether it is.
    pub(super) async fn end_if_empty(&self, client_id: &str) -> Result<bool, ConnectError> {
        let mut session = self.resume(client_id).await?;
        if session.is_present {
            session.ping().await?;
            if session.early.is_empty() {
                // Messages under way to the subscription come before the answer to the ping.
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

    /// Returns the subscriptions of the modules of the group.
    fn filters(&self) -> [String; 2] {
        names::shared(&self.topic, &self.name)
    }

    /// Returns messages until the broker has no more, or until the given time.
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
                            // The new topic name is longer than the old one. Acknowledge the
                            // message anyway: nobody can return it, and it would block the messages
                            // after it.
                            tracing::warn!(
                                topic = self.topic.as_str(),
                                size,
                                "dropped a message that is too large to be returned"
                            );
                        } else {
                            session.publish(publish).await?;
                            count += 1;
                        }
                        pid
                    }
                    Err(Unreadable { pid }) => {
                        tracing::warn!(
                            topic = self.topic.as_str(),
                            "dropped a message that cannot be read"
                        );
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

/// Returns the copy of a message for its group, with the rest of its lifetime.
pub(super) fn returned(received: Publish, topic_name: TopicName) -> Publish {
    let mut publish = Publish {
        dup: false,
        retain: false,
        topic_name,
        ..received
    };
    // These belong to the connection on which the message came.
    publish.properties.topic_alias = None;
    publish.properties.subscription_id = None;
    publish
}

/// The lost sessions that this module may take over, and when.
#[derive(Debug, Default)]
pub(super) struct LostSessions {
    sessions: BTreeMap<String, Lost>,
    /// How long the modules of retained announcements may take to come back themselves.
    patience: Option<Instant>,
}

#[derive(Debug)]
struct Lost {
    /// Since when the session is known to be lost.
    since: Instant,
    /// When to claim it.
    due: Instant,
    /// The client id of another module that has claimed it later than this one.
    claimed_by: Option<String>,
    /// How often this module could not take it over.
    failures: u32,
}

impl Lost {
    /// Leaves the session to the module that takes it over.
    fn defer(&mut self) {
        self.due = Instant::now() + RETRY + CLAIM_DELAY.mul_f64(random::fraction());
    }
}

impl LostSessions {
    /// Adds a lost session. `was_retained` means that its announcement is older than this module's
    /// subscription. A random delay decides which module claims it first.
    pub(super) fn add(&mut self, client_id: &str, was_retained: bool) {
        if self.sessions.len() < MAX_LOST && !self.sessions.contains_key(client_id) {
            let now = Instant::now();
            let from = self.patience.filter(|_| was_retained).unwrap_or(now);
            let due = from.max(now) + CLAIM_DELAY.mul_f64(random::fraction());
            let lost = Lost {
                since: now,
                due,
                claimed_by: None,
                failures: 0,
            };
            self.sessions.insert(client_id.to_owned(), lost);
        }
        // What it had claimed needs another module now.
        for lost in self.sessions.values_mut() {
            if lost.claimed_by.as_deref() == Some(client_id) {
                lost.claimed_by = None;
                lost.due = Instant::now() + CLAIM_DELAY.mul_f64(random::fraction());
            }
        }
    }

    /// Gives other modules time to come back, after this module's own connection was lost.
    pub(super) fn are_given_time(&mut self) {
        let patience = Instant::now() + RETURN_PATIENCE;
        self.patience = Some(patience);
        for lost in self.sessions.values_mut() {
            lost.due = match lost.claimed_by {
                Some(_) => patience.max(lost.due),
                // A module that was about to take it over does not do so any more: it was this one.
                None => patience,
            };
        }
    }

    /// Schedules a later check of a session that this module takes over.
    pub(super) fn claim(&mut self, client_id: &str) {
        if let Some(lost) = self.sessions.get_mut(client_id) {
            lost.claimed_by = None;
            lost.defer();
        }
    }

    /// Schedules a later check of a session that another module takes over.
    pub(super) fn leave_to(&mut self, claimer: &str, client_id: &str) {
        if let Some(lost) = self.sessions.get_mut(client_id) {
            lost.claimed_by = Some(claimer.to_owned());
            lost.defer();
        }
    }

    /// Schedules another attempt to take over a session. Returns `false` if the broker no longer
    /// keeps it.
    pub(super) fn retry(&mut self, client_id: &str) -> bool {
        let lifetime = Duration::from_secs(SESSION_EXPIRY.into());
        let Some(lost) = self.sessions.get_mut(client_id) else {
            // The module came back meanwhile, or another module took the session over.
            return true;
        };
        if lost.since.elapsed() >= lifetime {
            self.remove(client_id);
            return false;
        }
        if lost.claimed_by.is_some() {
            lost.defer();
        } else {
            let pause = RETRY.min(RETRY_SOON * (1 << lost.failures.min(6)));
            lost.failures += 1;
            lost.due = Instant::now() + pause;
        }
        true
    }

    /// Removes a session with nothing to take over.
    pub(super) fn remove(&mut self, client_id: &str) -> bool {
        self.sessions.remove(client_id).is_some()
    }

    /// Returns the next session and when it is due.
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
    use crate::backoff::Backoff;

    #[tokio::test(start_paused = true)]
    async fn what_another_claims_is_left_to_it_for_a_while() {
        let mut lost = LostSessions::default();
        lost.add("a", false);
        let (client_id, due) = lost.next().unwrap();
        assert_eq!(client_id, "a");
        assert!(due <= Instant::now() + CLAIM_DELAY);
        lost.leave_to("other", "a");
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        // A repeated announcement does not take the session from the module that claimed it.
        lost.add("a", false);
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        lost.add("b", false);
        assert_eq!(lost.next().unwrap().0, "b");
        assert!(lost.remove("a") && lost.remove("b"));
        assert_eq!(lost.next(), None);
        lost.leave_to("other", "a");
        assert_eq!(lost.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_could_not_take_over_a_session_tries_again_soon() {
        let mut lost = LostSessions::default();
        let due = |lost: &LostSessions| lost.next().unwrap().1 - Instant::now();
        lost.add("a", false);
        lost.claim("a");
        assert!(due(&lost) >= RETRY, "as long as it tries");
        for pause in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert!(lost.retry("a"));
            assert_eq!(due(&lost), Duration::from_secs(pause));
            lost.claim("a");
        }
        // Its own connection was lost meanwhile.
        lost.are_given_time();
        assert_eq!(due(&lost), RETURN_PATIENCE);
        // Another module has taken the session away.
        lost.claim("a");
        lost.leave_to("other", "a");
        assert!(lost.retry("a"));
        assert!(due(&lost) >= RETRY);
        lost.are_given_time();
        assert!(due(&lost) >= RETRY);
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
        // A new announcement is certain: the module is lost now.
        lost.add("c", false);
        assert!(due(&lost) <= Instant::now() + CLAIM_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_recovery_that_never_succeeds_is_given_up() {
        let mut lost = LostSessions::default();
        lost.add("a", false);
        assert!(lost.retry("a"));
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY_SOON);
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

    #[tokio::test(start_paused = true)]
    async fn what_a_lost_module_claimed_is_due_again() {
        let mut lost = LostSessions::default();
        lost.add("a", false);
        lost.leave_to("b", "a");
        lost.add("c", false);
        assert!(lost.remove("c"));
        assert!(lost.next().unwrap().1 >= Instant::now() + RETRY);
        lost.add("b", false);
        assert!(lost.remove("b"));
        let (client_id, due) = lost.next().unwrap();
        assert_eq!(client_id, "a");
        assert!(due <= Instant::now() + CLAIM_DELAY);
    }
}
