//! Keeping the messages of a topic in a session, which a broker keeps while nobody is connected.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::{Properties, Topic};
use mqtt_proto::QoS;
use mqtt_proto::v5::{Disconnect, DisconnectReasonCode, Packet, RetainHandling};

use super::consumer::DeliveryReader;
use super::facts::Fact;
use super::session::{self, KEEP_ALIVE, Opening, Session};
use super::unacknowledged::{AcknowledgementWriter, Unacknowledged};
use super::{Mqtt, facts, names, packets, parts};
use crate::backoff::Backoff;
use crate::random;
use crate::transport::websocket::{self, Connection, Dialect, Endpoint};
use crate::transport::{ConnectError, Feature, Hold, Keeping, KeptMessages, Parts, Reading};

/// The default for which a job is kept, in seconds. Readers of a job, and callers who cancel it, do not know for how
/// long it was submitted.
pub(super) const DEFAULT_EXPIRY: u32 = 7 * 86_400;

/// How often a caller tries to open the session of a job. Callers with the same key that submit it at the same time
/// take the session over from each other.
const MAX_ATTEMPTS: usize = 10;

/// A session that keeps the messages of a topic.
pub(super) struct KeptTopic<'t> {
    pub(super) mqtt: &'t Mqtt,
    pub(super) topic: &'t Topic,
}

impl KeptTopic<'_> {
    pub(super) async fn keep(&self, time: Duration) -> Result<Keeping, ConnectError> {
        let expiry = u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1);
        let mut is_new = false;
        let mut backoff = Backoff::default();
        for _ in 1..MAX_ATTEMPTS {
            match self.try_keep(expiry, &mut is_new).await {
                Err(ConnectError::Protocol { .. }) => tokio::time::sleep(backoff.next()).await,
                done => return done,
            }
        }
        self.try_keep(expiry, &mut is_new).await
    }

    /// Opens the session. `is_new` tells whether there was none before the first attempt.
    async fn try_keep(&self, expiry: u32, is_new: &mut bool) -> Result<Keeping, ConnectError> {
        let mut session = self.session(expiry).open(&self.mqtt.endpoint()).await?;
        if !session.limits.retains {
            let reason = "it retains no messages; allow that there";
            return Err(session.lacks(Feature::Jobs, reason));
        }
        let granted = session.limits.session_expiry.unwrap_or(expiry);
        *is_new |= !session.is_present;
        if *is_new {
            // An earlier job with the same key may have left something.
            self.clear(&mut session).await?;
        }
        let options = session::options(QoS::Level1, RetainHandling::DoNotSend);
        let answer = names::topic(self.topic.as_str());
        let names = [Fact::Cancelled.beside(&answer), answer];
        session.subscribe(&names, options).await?;
        session.disconnect(granted).await?;
        Ok(Keeping {
            retention: Some(Duration::from_secs(granted.into())),
            takes_notes: true,
        })
    }

    pub(super) async fn kept(&self) -> Result<KeptMessages, ConnectError> {
        let reading = Reading::caller(random::reader());
        let dialect = self.session(DEFAULT_EXPIRY);
        let (runtime, endpoint) = (&self.mqtt.runtime, self.mqtt.endpoint());
        let subscriber = websocket::subscriber(runtime, dialect, endpoint, self.topic, &reading);
        let (endpoint, login) = (self.mqtt.endpoint(), self.mqtt.login.clone());
        let topic = self.topic.clone();
        let parts = move |found| parts::read(endpoint.clone(), login.clone(), &topic, found);
        KeptMessages::in_session(subscriber, parts).await
    }

    pub(super) async fn forget(&self) -> Result<(), ConnectError> {
        let mut answer = None;
        let mut find = |properties: &Properties| answer = Parts::of(properties).or(answer.take());
        facts::read(self.mqtt, self.topic, &mut find).await?;
        let mut session = self.session(0).open(&self.mqtt.endpoint()).await?;
        if session.limits.retains {
            if let Some(answer) = answer {
                parts::clear(&mut session, self.topic, &answer).await?;
            }
            self.clear(&mut session).await?;
        }
        session.disconnect(0).await
    }

    async fn clear(&self, session: &mut Session) -> Result<(), ConnectError> {
        let clearing = Fact::clearing_all(self.topic);
        let clearing = clearing.map_err(|reason| session.protocol_error(reason))?;
        session.write(&clearing).await
    }

    fn session(&self, expiry: u32) -> KeptSession {
        KeptSession {
            login: self.mqtt.login.clone(),
            client_id: names::keeper_id(self.topic),
            expiry,
        }
    }
}

/// The session of a reader, which stays.
struct KeptSession {
    login: super::Login,
    client_id: String,
    expiry: u32,
}

impl KeptSession {
    async fn open(&self, endpoint: &Endpoint) -> Result<Session, ConnectError> {
        let opening = Opening {
            client_id: self.client_id.clone(),
            clean_start: false,
            session_expiry: self.expiry,
            receive_maximum: u16::MAX,
            max_packet_size: packets::MAX_PACKET_SIZE,
            keep_alive: KEEP_ALIVE,
            will: None,
        };
        let session = session::open(endpoint, &self.login, opening).await?;
        if !session.limits.keeps_sessions {
            let reason = "it does not keep the session of a client that is not connected; allow a Session Expiry \
                          Interval there";
            return Err(session.lacks(Feature::Jobs, reason));
        }
        Ok(session)
    }
}

impl Dialect for KeptSession {
    type Writer = AcknowledgementWriter;
    type Reader = DeliveryReader;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Connection<AcknowledgementWriter, DeliveryReader>, ConnectError> {
        let mut session = self.open(endpoint).await?;
        let is_kept = session.is_present;
        // All messages that the broker sends without an acknowledgement come before the answer.
        session.ping().await?;
        let messages = session.early.len();
        let unacknowledged = Arc::new(Unacknowledged::default());
        let mut connection = session.into_connection(usize::MAX, |limits, packets, early| {
            let writer = AcknowledgementWriter::new(Arc::clone(&unacknowledged), None, &limits);
            let reader = DeliveryReader::new(early, packets, unacknowledged);
            (writer, reader)
        })?;
        connection.hold = Some(Hold {
            retention: Duration::from_secs(self.expiry.into()),
            messages: is_kept.then_some(messages),
        });
        if !is_kept {
            // The session is new, and nobody needs it.
            let mut goodbye = Disconnect::new(DisconnectReasonCode::NormalDisconnect);
            goodbye.properties.session_expiry_interval = Some(0);
            connection.goodbye = packets::frame(&Packet::Disconnect(goodbye)).ok();
        }
        Ok(connection)
    }
}
