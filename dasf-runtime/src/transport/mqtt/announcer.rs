//! Announces a module to others for as long as it listens.
//!
//! The announcement has its own session besides the one that reads the topic. Its Will informs
//! others when the module dies. In a group that must not lose requests, this session also takes
//! over the messages that other modules of the group leave behind.

use std::sync::Arc;

use dasf_protocol::Topic;
use mqtt_proto::QoS;
use mqtt_proto::v5::{Publish, RetainHandling};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Login;
use super::announcement::{self, ANNOUNCE_EVERY, Announcement};
use super::doubts::{Doubts, Step};
use super::names;
use super::session::{self, KEEP_ALIVE, Opening, RECEIVE_MAXIMUM, Session};
use super::session_recovery::{Group, LostSessions};
use crate::backoff::Backoff;
use crate::transport::websocket::Endpoint;
use crate::transport::{ConnectError, ConnectionState, Feature, first_attempt};

/// How many seconds the broker keeps the session of an announcement. This is longer than the delay
/// of its Will.
const SESSION_EXPIRY: u32 = 60;
/// How long a module may take to withdraw its announcement.
const FAREWELL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(8);

/// The reason codes with which a broker refuses a login whose Will it cannot retain or acknowledge.
const RETAIN_NOT_SUPPORTED: u8 = 0x9a;
const QOS_NOT_SUPPORTED: u8 = 0x9b;

/// A module to announce, and where.
pub(super) struct Module {
    pub(super) endpoint: Endpoint,
    pub(super) login: Login,
    pub(super) topic: Topic,
    /// The client id of the session that reads the topic.
    pub(super) client_id: String,
    /// The announcement, as JSON.
    pub(super) announcement: String,
    /// The group to which its unfinished requests are returned, if they must not be lost.
    pub(super) successors: Option<Group>,
}

/// Keeps a module announced until it is dropped.
pub(super) struct Announcer {
    state: watch::Receiver<ConnectionState>,
    end: DropGuard,
    task: JoinHandle<()>,
}

impl Announcer {
    /// Announces a module in the background.
    pub(super) fn start(runtime: &Handle, module: Module) -> Self {
        let (state, watched) = watch::channel(ConnectionState::Connecting);
        let end = CancellationToken::new();
        let task = runtime.spawn(module.run(state, end.clone()));
        Self {
            state: watched,
            end: end.drop_guard(),
            task,
        }
    }

    /// Waits until the module is announced.
    ///
    /// # Errors
    /// Returns why it is not announced, or no longer.
    pub(super) async fn announced(&self) -> Result<(), ConnectError> {
        first_attempt(&mut self.state.clone()).await
    }

    /// Withdraws the announcement, and waits until that is done.
    pub(super) async fn end(self) {
        let Self { end, task, .. } = self;
        drop(end);
        // The task fails only if the runtime ends, and then the broker publishes the Will.
        let _ = task.await;
    }
}

impl Module {
    async fn run(self, state: watch::Sender<ConnectionState>, end: CancellationToken) {
        let module = Arc::new(self);
        let mut backoff = Backoff::default();
        let mut lost = LostSessions::default();
        let mut has_listened = false;
        let mut was_refused = false;
        loop {
            let opened = tokio::select! {
                opened = module.open(!has_listened) => opened,
                () = end.cancelled() => return,
            };
            let failure = match opened {
                Ok(mut session) => {
                    if has_listened {
                        lost.are_given_time();
                    }
                    has_listened = true;
                    let opened_at = Instant::now();
                    match module.keep(&mut session, &mut lost, &state, &end).await {
                        Ok(()) => {
                            let farewell = module.withdraw(session);
                            let farewell = tokio::time::timeout(FAREWELL_TIMEOUT, farewell);
                            if !matches!(Box::pin(farewell).await, Ok(Ok(()))) {
                                tracing::debug!(
                                    "the announcement was not withdrawn; the broker reports the module as gone"
                                );
                            }
                            return;
                        }
                        Err(failure) => {
                            let is_refused = matches!(
                                failure,
                                ConnectError::Rejected { .. } | ConnectError::Unsupported { .. }
                            );
                            if is_refused {
                                // Otherwise its Will would report this module as lost each time.
                                let farewell = session.disconnect(0);
                                let _ = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
                            }
                            was_refused = warn_once(is_refused, was_refused, &failure);
                            backoff.is_reset_by(false, opened_at.elapsed());
                            failure
                        }
                    }
                }
                Err(failure) => {
                    let is_refused = matches!(
                        failure,
                        ConnectError::Rejected {
                            code: RETAIN_NOT_SUPPORTED | QOS_NOT_SUPPORTED,
                            ..
                        }
                    );
                    was_refused = warn_once(is_refused, was_refused, &failure);
                    failure
                }
            };
            tracing::debug!(
                failure = failure.to_string(),
                "the announcement is interrupted"
            );
            state.send_replace(ConnectionState::Disconnected(failure));
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = end.cancelled() => return,
            }
        }
    }

    /// Opens the session whose Will reports that the module is lost.
    async fn open(&self, clean_start: bool) -> Result<Session, ConnectError> {
        let last = match &self.successors {
            Some(group) => Announcement::Lost(group.name.clone()),
            None => Announcement::Withdrawn,
        };
        let will = last.will(&self.topic, &self.client_id);
        let will = will.map_err(|error| ConnectError::Protocol {
            url: self.endpoint.to_string(),
            reason: error.to_string(),
            source: None,
        })?;
        let opening = Opening {
            client_id: format!("{}p", self.client_id),
            // Otherwise the previous session would end and its Will would be published.
            clean_start,
            session_expiry: SESSION_EXPIRY,
            receive_maximum: RECEIVE_MAXIMUM,
            max_packet_size: announcement::MAX_PACKET_SIZE,
            keep_alive: KEEP_ALIVE,
            will: Some(will),
        };
        session::open(&self.endpoint, &self.login, opening).await
    }

    /// Announces the module and keeps the connection until the end is requested.
    async fn keep(
        self: &Arc<Self>,
        session: &mut Session,
        lost: &mut LostSessions,
        state: &watch::Sender<ConnectionState>,
        end: &CancellationToken,
    ) -> Result<(), ConnectError> {
        if !session.limits.retains {
            return Err(session.lacks(
                Feature::RetainedMessages,
                "modules need them to announce themselves and to report dead modules",
            ));
        }
        // Subscribe first, because an announced module must receive the announcements about others.
        if self.successors.is_some() {
            let mut options = session::options(QoS::Level0, RetainHandling::SendAtSubscribe);
            options.no_local = true;
            session
                .subscribe(&[names::announcements(&self.topic)], options)
                .await?;
        }
        self.say(session, &self.client_id, &self.announced())
            .await?;
        state.send_replace(ConnectionState::Connected {
            names_users: false,
            hold: None,
        });

        let every = session.limits.ping_every;
        let mut ping = tokio::time::interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut announce =
            tokio::time::interval_at(Instant::now() + ANNOUNCE_EVERY, ANNOUNCE_EVERY);
        announce.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut recovery: Option<SessionRecovery> = None;
        // Of this connection: the broker may have been killed before it.
        let mut doubts = Doubts::default();
        loop {
            let owned = |(client_id, due): (&str, Instant)| (client_id.to_owned(), due);
            let next = lost.next().filter(|_| recovery.is_none()).map(owned);
            let doubted = doubts.next().map(owned);
            tokio::select! {
                () = end.cancelled() => {
                    if let (Some(recovery), Some(group)) = (recovery, &self.successors) {
                        // Other modules wait for this one, which does not continue.
                        let announcement = Announcement::Lost(group.name.clone());
                        self.say(session, &recovery.client_id, &announcement).await?;
                    }
                    return Ok(());
                }
                message = session.message() => {
                    self.heed(session, message?, lost, &mut doubts).await?;
                }
                _ = announce.tick() => {
                    self.say(session, &self.client_id, &self.announced()).await?;
                }
                _ = ping.tick() => {
                    session.ping().await?;
                    if let (Some(recovery), Some(group)) = (&recovery, &self.successors) {
                        // The recovery continues, so other modules must not begin one.
                        self.say(session, &recovery.client_id, &self.claimed(group)).await?;
                    }
                }
                Some(client_id) = due(next) => {
                    recovery = self.claim(session, client_id, lost).await?;
                }
                Some(client_id) = due(doubted) => {
                    self.doubt(session, &client_id, lost, &mut doubts).await?;
                }
                (client_id, taken) = finished(&mut recovery) => {
                    recovery = None;
                    self.conclude(session, &client_id, taken, lost).await?;
                }
            }
        }
    }

    fn announced(&self) -> Announcement {
        Announcement::Announced(self.announcement.clone())
    }

    /// Returns the claim to return the messages of another module of the group.
    fn claimed(&self, group: &Group) -> Announcement {
        Announcement::Claimed {
            group: group.name.clone(),
            by: self.client_id.clone(),
        }
    }

    /// Publishes an announcement about a module on this topic.
    async fn say(
        &self,
        session: &mut Session,
        client_id: &str,
        announcement: &Announcement,
    ) -> Result<(), ConnectError> {
        let publish = announcement.publish(&self.topic, client_id);
        let publish = publish.map_err(|error| session.protocol_error(error.to_string()))?;
        match session.publish(publish).await {
            // No other client receives the claim or the question.
            Err(ConnectError::Rejected { code: 0x10, .. }) => Ok(()),
            said => said,
        }
    }

    /// Handles an announcement about another module.
    async fn heed(
        &self,
        session: &mut Session,
        publish: Publish,
        lost: &mut LostSessions,
        doubts: &mut Doubts,
    ) -> Result<(), ConnectError> {
        let Some(group) = &self.successors else {
            return Ok(());
        };
        let announcement = Announcement::read(&publish.payload);
        let (Some((topic, client_id)), Some(announcement)) =
            (names::module(&publish.topic_name), announcement)
        else {
            return Ok(());
        };
        if topic != self.topic {
            return Ok(());
        }
        if client_id == self.client_id {
            let announced = self.announced();
            if announcement != announced {
                // The broker reported the end of the module, but only its connection was lost; or another module
                // asks.
                self.say(session, client_id, &announced).await?;
            }
            return Ok(());
        }
        if let Announcement::Doubted(name) = announcement {
            if name == group.name {
                doubts.is_asked(client_id);
            }
            return Ok(());
        }
        doubts.remove(client_id);
        let is_of_group = || names::is_of_group(client_id, &topic, &group.name);
        match announcement {
            Announcement::Lost(name) if name == group.name && is_of_group() => {
                lost.add(client_id, publish.retain);
            }
            Announcement::Claimed { group: name, by } if name == group.name => {
                lost.leave_to(&by, client_id);
            }
            Announcement::Announced(_) => {
                lost.remove(client_id);
                if publish.retain && is_of_group() {
                    doubts.add(client_id);
                }
            }
            Announcement::Withdrawn => {
                lost.remove(client_id);
            }
            Announcement::Lost(_) | Announcement::Claimed { .. } | Announcement::Doubted(_) => {}
        }
        Ok(())
    }

    /// Asks a module whose announcement is old whether it lives, or reports it as lost.
    async fn doubt(
        &self,
        session: &mut Session,
        client_id: &str,
        lost: &mut LostSessions,
        doubts: &mut Doubts,
    ) -> Result<(), ConnectError> {
        let Some(group) = &self.successors else {
            return Ok(());
        };
        let announcement = match doubts.step(client_id) {
            Some(Step::Ask) => Announcement::Doubted(group.name.clone()),
            Some(Step::Report) => {
                lost.add(client_id, false);
                Announcement::Lost(group.name.clone())
            }
            None => return Ok(()),
        };
        self.say(session, client_id, &announcement).await
    }

    /// Announces to the group that this module takes over a lost session, and begins.
    async fn claim(
        &self,
        session: &mut Session,
        client_id: String,
        lost: &mut LostSessions,
    ) -> Result<Option<SessionRecovery>, ConnectError> {
        let Some(group) = &self.successors else {
            return Ok(None);
        };
        self.say(session, &client_id, &self.claimed(group)).await?;
        lost.claim(&client_id);
        let group = group.clone();
        let id = client_id.clone();
        let work = Box::pin(async move { group.take_over(&id).await });
        Ok(Some(SessionRecovery { client_id, work }))
    }

    /// Clears the announcement about a session that was taken over.
    async fn conclude(
        &self,
        session: &mut Session,
        client_id: &str,
        taken: Result<usize, ConnectError>,
        lost: &mut LostSessions,
    ) -> Result<(), ConnectError> {
        match taken {
            Ok(messages) => {
                tracing::info!(
                    topic = self.topic.as_str(),
                    messages,
                    "returned the requests of a lost module to its group"
                );
                // The module may have come back meanwhile.
                if lost.remove(client_id) {
                    self.say(session, client_id, &Announcement::Withdrawn)
                        .await?;
                }
            }
            Err(error) => {
                if lost.retry(client_id) {
                    tracing::warn!(
                        topic = self.topic.as_str(),
                        error = error.to_string(),
                        "cannot return the requests of a lost module yet"
                    );
                } else {
                    tracing::warn!(
                        topic = self.topic.as_str(),
                        error = error.to_string(),
                        "gave up the requests of a lost module"
                    );
                }
            }
        }
        Ok(())
    }

    /// Publishes that the module is gone, or that it left messages to its group.
    async fn withdraw(&self, mut session: Session) -> Result<(), ConnectError> {
        let announcement = match &self.successors {
            Some(group) if !group.end_if_empty(&self.client_id).await.unwrap_or(false) => {
                Announcement::Lost(group.name.clone())
            }
            _ => Announcement::Withdrawn,
        };
        self.say(&mut session, &self.client_id, &announcement)
            .await?;
        session.disconnect(0).await
    }
}

/// Logs a refusal unless the previous attempt was also refused. Returns whether this one is
/// refused.
fn warn_once(is_refused: bool, was_refused: bool, failure: &ConnectError) -> bool {
    if is_refused && !was_refused {
        tracing::warn!(
            failure = failure.to_string(),
            "the broker refuses the announcement of this module, so it is not listed"
        );
    }
    is_refused
}

/// A session that is being taken over.
struct SessionRecovery {
    client_id: String,
    work: std::pin::Pin<Box<dyn Future<Output = Result<usize, ConnectError>> + Send>>,
}

/// Waits until a session is due. Without a session it waits without end.
async fn due(next: Option<(String, Instant)>) -> Option<String> {
    match next {
        Some((client_id, due)) => {
            tokio::time::sleep_until(due).await;
            Some(client_id)
        }
        None => std::future::pending().await,
    }
}

/// Waits until a recovery has succeeded or failed. Without one it waits without end.
async fn finished(recovery: &mut Option<SessionRecovery>) -> (String, Result<usize, ConnectError>) {
    match recovery {
        Some(recovery) => {
            let taken = (&mut recovery.work).await;
            (recovery.client_id.clone(), taken)
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::http::HeaderMap;

    use super::*;

    #[tokio::test]
    async fn whoever_may_not_hear_of_others_is_not_called_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            url: format!("ws://{}/mqtt", listener.local_addr().unwrap()),
            below: String::new(),
            headers: HeaderMap::new(),
            trust: Default::default(),
        };
        let topic: Topic = "demo".parse().unwrap();
        let group = Group {
            endpoint: endpoint.clone(),
            login: Login::default(),
            topic: topic.clone(),
            name: "workers".parse().unwrap(),
        };
        let module = Module {
            endpoint,
            login: Login::default(),
            client_id: names::module_id(&topic, Some(&group.name)),
            topic,
            announcement: "{}".to_owned(),
            successors: Some(group),
        };
        let presence = Announcer::start(&Handle::current(), module);
        let (stream, _) = listener.accept().await.unwrap();
        let mut broker = tokio_tungstenite::accept_async(stream).await.unwrap();
        // A login, then a subscription that is refused, then only the end.
        for (packet, answer) in [
            (0x10, &b"\x20\x03\x00\x00\x00"[..]),
            (0x82, &b"\x90\x04\x00\x01\x00\x87"[..]),
        ] {
            let frame = broker.next().await.unwrap().unwrap().into_data();
            assert_eq!(frame.first(), Some(&packet));
            broker.send(Message::binary(answer)).await.unwrap();
        }
        let frame = broker.next().await.unwrap().unwrap().into_data();
        // The reason code is 0, which drops the Will.
        assert_eq!((frame[0], frame[2]), (0xe0, 0), "{frame:?}");
        drop(broker);
        let error = presence.announced().await.unwrap_err();
        let is_refused = matches!(error, ConnectError::Rejected { code: 0x87, .. });
        assert!(is_refused, "{error}");
    }
}
