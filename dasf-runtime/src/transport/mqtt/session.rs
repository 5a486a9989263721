//! Opens and uses MQTT sessions.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mqtt_proto::v5::{
    Connack, Connect, ConnectReasonCode, Disconnect, DisconnectReasonCode, LastWill, Packet,
    Puback, PubackReasonCode, Publish, RetainHandling, Suback, Subscribe, SubscriptionOptions,
    Unsuback, Unsubscribe,
};
use mqtt_proto::{Pid, QoS, QosPid, TopicFilter};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{self, Message};

use super::Login;
use super::names;
use super::packets::{self, MAX_PACKET_SIZE, Packets, Received, Unreadable};
use crate::transport::websocket::{
    self, Connection, Endpoint, HasTraffic, KeepAlive, LONGEST_SILENCE, PING_INTERVAL, Socket,
};
use crate::transport::{Cause, ConnectError, Feature};

/// The default number of messages that a broker may send before they are acknowledged.
pub(super) const RECEIVE_MAXIMUM: u16 = 64;
/// The number of unacknowledged messages at which the connection is closed. Mosquitto 2.0.11
/// sometimes sends more than allowed. Messages that are not read yet slow it down anyway.
pub(super) const UNACKNOWLEDGED_LIMIT: usize = 4096;
/// The default time without a packet after which a broker closes the connection: twice the interval
/// of pings.
pub(super) const KEEP_ALIVE: Duration = PING_INTERVAL.saturating_mul(2);
/// How long the answer to a login, or closing a connection, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the next bytes before an answer.
const SILENCE_TIMEOUT: Duration = LONGEST_SILENCE;

/// The parameters of a new session.
pub(super) struct Opening {
    pub(super) client_id: String,
    /// Whether the broker discards the state of the previous session.
    pub(super) clean_start: bool,
    /// How many seconds the broker keeps the session when its connection is lost.
    pub(super) session_expiry: u32,
    pub(super) receive_maximum: u16,
    /// The largest packet that the broker may send, in bytes.
    pub(super) max_packet_size: usize,
    /// The time without a packet after which the broker closes the connection.
    pub(super) keep_alive: Duration,
    /// The message that the broker publishes when the session is lost.
    pub(super) will: Option<LastWill>,
}

impl Opening {
    /// Returns the parameters of a new client's session, which ends with its connection.
    pub(super) fn fresh() -> Self {
        Self {
            client_id: names::client_id(),
            clean_start: true,
            session_expiry: 0,
            receive_maximum: RECEIVE_MAXIMUM,
            max_packet_size: MAX_PACKET_SIZE,
            keep_alive: KEEP_ALIVE,
            will: None,
        }
    }
}

/// A connection that the broker has accepted.
pub(super) struct Session {
    endpoint: Endpoint,
    socket: Socket,
    packets: Packets,
    pub(super) limits: Limits,
    /// Whether the broker kept the session from an earlier connection.
    pub(super) is_present: bool,
    /// Messages that came before the answer to another packet.
    pub(super) early: VecDeque<Result<Publish, Unreadable>>,
    /// How many pings the broker has not answered.
    unanswered: usize,
}

/// The limits and features that a broker announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The largest packet that it accepts.
    pub(super) max_packet_size: usize,
    /// How many unacknowledged messages it accepts.
    pub(super) window: usize,
    /// Whether several clients can share a subscription.
    pub(super) shares: bool,
    /// Whether it retains messages for later subscribers.
    pub(super) retains: bool,
    /// Whether it keeps a session whose connection is lost, if asked to.
    pub(super) keeps_sessions: bool,
    /// For how many seconds it keeps a session, if it grants another time than asked.
    pub(super) session_expiry: Option<u32>,
    pub(super) ping_every: Duration,
}

impl Default for Limits {
    /// The limits of a broker that announces none.
    fn default() -> Self {
        Self {
            max_packet_size: MAX_PACKET_SIZE,
            window: usize::from(u16::MAX),
            shares: true,
            retains: true,
            keeps_sessions: true,
            session_expiry: None,
            ping_every: PING_INTERVAL,
        }
    }
}

impl Limits {
    /// Reads the answer to a login.
    ///
    /// # Errors
    /// Fails if the broker refuses the login or lacks a required feature.
    fn of(endpoint: &Endpoint, connack: &Connack) -> Result<Self, ConnectError> {
        let url = endpoint.to_string();
        let properties = &connack.properties;
        if connack.reason_code != ConnectReasonCode::Success {
            return Err(ConnectError::Rejected {
                url,
                code: connack.reason_code as u8,
                reason: reason(properties.reason_string.as_deref(), connack.reason_code),
            });
        }
        if properties.max_qos == Some(QoS::Level0) {
            return Err(ConnectError::Unsupported {
                url,
                feature: Feature::Acknowledgement,
                reason: "its Maximum QoS is 0; allow QoS 1 there".to_owned(),
            });
        }
        let mut limits = Self::default();
        if let Some(limit) = properties.max_packet_size {
            limits.max_packet_size = usize::try_from(limit).unwrap_or(usize::MAX);
        }
        if let Some(limit) = properties.receive_max {
            limits.window = usize::from(limit);
        }
        limits.shares = properties.shared_subscription_available != Some(false);
        limits.retains = properties.retain_available != Some(false);
        limits.session_expiry = properties.session_expiry_interval;
        limits.keeps_sessions = properties.session_expiry_interval != Some(0);
        if let Some(seconds @ 1..) = properties.server_keep_alive {
            let half = Duration::from_secs(seconds.into()) / 2;
            limits.ping_every = half.min(PING_INTERVAL);
        }
        let client_id = properties.assigned_client_id.as_deref();
        tracing::debug!(
            endpoint = endpoint.to_string(),
            assigned_client_id = client_id,
            ?limits,
            "MQTT session opened"
        );
        Ok(limits)
    }
}

/// Connects and logs in.
pub(super) async fn open(
    endpoint: &Endpoint,
    login: &Login,
    opening: Opening,
) -> Result<Session, ConnectError> {
    let opened = websocket::connect(endpoint).await?;
    let mut session = Session {
        endpoint: endpoint.clone(),
        socket: opened.socket,
        packets: Packets::default(),
        limits: Limits::default(),
        is_present: false,
        early: VecDeque::new(),
        unanswered: 0,
    };
    let keep_alive = u16::try_from(opening.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let mut connect = Connect::new(opening.client_id.into(), keep_alive);
    connect.clean_start = opening.clean_start;
    connect.last_will = opening.will;
    connect.properties.session_expiry_interval = Some(opening.session_expiry);
    connect.properties.receive_max = Some(opening.receive_maximum);
    connect.properties.max_packet_size = u32::try_from(opening.max_packet_size).ok();
    connect.username = login.user.as_deref().map(Into::into);
    connect.password = login
        .password
        .as_ref()
        .map(|password| Bytes::copy_from_slice(password.as_bytes()));
    let connack = session
        .ask(&Packet::Connect(connect), |received| match received {
            Received::Connack(connack) => Some(connack),
            _ => None,
        })
        .await?;
    session.limits = Limits::of(endpoint, &connack)?;
    session.is_present = connack.session_present;
    Ok(session)
}

/// Returns the options of a subscription.
pub(super) fn options(qos: QoS, retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..SubscriptionOptions::new(qos)
    }
}

fn suback(received: Received) -> Option<Suback> {
    match received {
        Received::Suback(suback) => Some(suback),
        _ => None,
    }
}

impl Session {
    /// Sends a packet and waits for its answer. Messages that come first are kept for later.
    async fn ask<T>(
        &mut self,
        packet: &Packet,
        is_answer: impl Fn(Received) -> Option<T>,
    ) -> Result<T, ConnectError> {
        let mut early = std::mem::take(&mut self.early);
        let answer = self.ask_besides(packet, is_answer, |publish| {
            if early.len() >= UNACKNOWLEDGED_LIMIT {
                return Err("it sends more messages than allowed".to_owned());
            }
            early.push_back(publish);
            Ok(())
        });
        let answer = answer.await;
        self.early = early;
        answer
    }

    /// Sends a packet and waits for its answer. Messages that come first are passed to `take`.
    async fn ask_besides<T>(
        &mut self,
        packet: &Packet,
        is_answer: impl Fn(Received) -> Option<T>,
        mut take: impl FnMut(Result<Publish, Unreadable>) -> Result<(), String>,
    ) -> Result<T, ConnectError> {
        let frame = packets::frame(packet).map_err(|reason| self.protocol_error(reason))?;
        let patience = match packet {
            Packet::Connect(_) => ANSWER_TIMEOUT,
            _ => SILENCE_TIMEOUT,
        };
        self.send(frame, patience).await?;
        // The answers to pings come in order.
        let mut others = 0;
        if matches!(packet, Packet::Pingreq) {
            others = self.unanswered;
            self.unanswered += 1;
        }
        let every = self.limits.ping_every;
        let mut ping = tokio::time::interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deadline = Instant::now() + patience;
        let mut read = self.socket.traffic().read;
        loop {
            let received = tokio::select! {
                received = self.read() => received,
                // Many messages may come before the answer, and the broker must see pings
                // meanwhile.
                _ = ping.tick() => {
                    let frame = packets::frame(&Packet::Pingreq);
                    let frame = frame.map_err(|reason| self.protocol_error(reason))?;
                    self.send(frame, patience).await?;
                    self.unanswered += 1;
                    continue;
                }
                () = tokio::time::sleep_until(deadline) => {
                    // A large message may come first, in parts.
                    let bytes = self.socket.traffic().read;
                    if bytes == std::mem::replace(&mut read, bytes) {
                        return Err(self.silence(patience));
                    }
                    deadline = Instant::now() + patience;
                    continue;
                }
            };
            let received = received.map_err(|reason| self.protocol_error(reason))?;
            deadline = Instant::now() + patience;
            match received {
                Received::Pingresp if others > 0 => others -= 1,
                Received::Publish(publish) => {
                    take(publish).map_err(|reason| self.protocol_error(reason))?;
                }
                received => {
                    if let Some(answer) = is_answer(received) {
                        return Ok(answer);
                    }
                }
            }
        }
    }

    async fn send(&mut self, frame: Message, patience: Duration) -> Result<(), ConnectError> {
        let sent = tokio::time::timeout(patience, self.socket.send(frame)).await;
        let sent = sent.map_err(|_| self.silence(patience))?;
        sent.map_err(|error| ConnectError::Protocol {
            url: self.endpoint.to_string(),
            reason: websocket::broken(&error),
            source: Some(Cause::new(error)),
        })
    }

    fn silence(&self, after: Duration) -> ConnectError {
        let url = self.endpoint.to_string();
        ConnectError::Timeout { url, after }
    }

    /// Returns the next packet.
    ///
    /// # Errors
    /// Returns why there are no more packets.
    ///
    /// # Cancel safety
    /// Cancel safe: no packet is lost.
    async fn read(&mut self) -> Result<Received, String> {
        loop {
            match self.packets.next()? {
                Some(Received::Disconnect(disconnect)) => return Err(farewell(&disconnect)),
                Some(received) => {
                    if received == Received::Pingresp {
                        self.unanswered = self.unanswered.saturating_sub(1);
                    }
                    return Ok(received);
                }
                None => match self.socket.next().await {
                    Some(Ok(Message::Close(_))) | None => {
                        return Err("it closed the connection".to_owned());
                    }
                    Some(Ok(frame)) => self.packets.accept(frame),
                    Some(Err(error)) => return Err(websocket::broken(&error)),
                },
            }
        }
    }

    /// Returns the next message that can be read. This is for sessions without acknowledgements.
    ///
    /// # Errors
    /// Returns why there are no more messages.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub(super) async fn message(&mut self) -> Result<Publish, ConnectError> {
        while let Some(publish) = self.early.pop_front() {
            if let Ok(publish) = publish {
                return Ok(publish);
            }
        }
        loop {
            match self.read().await {
                Ok(Received::Publish(Ok(publish))) => return Ok(publish),
                Ok(_) => {}
                Err(reason) => return Err(self.protocol_error(reason)),
            }
        }
    }

    /// Returns the error for an unexpected answer of the broker.
    pub(super) fn protocol_error(&self, reason: String) -> ConnectError {
        protocol_error(&self.endpoint, reason)
    }

    fn rejected<C: Copy + std::fmt::Debug>(
        &self,
        text: Option<&str>,
        code: C,
        number: u8,
    ) -> ConnectError {
        ConnectError::Rejected {
            url: self.endpoint.to_string(),
            code: number,
            reason: reason(text, code),
        }
    }

    /// Returns the error for a missing feature of the broker.
    pub(super) fn lacks(&self, feature: Feature, reason: &str) -> ConnectError {
        ConnectError::Unsupported {
            url: self.endpoint.to_string(),
            feature,
            reason: reason.to_owned(),
        }
    }

    /// Converts names to MQTT topic filters.
    fn filters(&self, names: &[String]) -> Result<Vec<TopicFilter>, ConnectError> {
        let filters = names
            .iter()
            .map(|name| TopicFilter::try_from(name.as_str()));
        let filters: Result<_, _> = filters.collect();
        filters.map_err(|error| self.protocol_error(error.to_string()))
    }

    fn subscription(
        &self,
        names: &[String],
        options: SubscriptionOptions,
    ) -> Result<Packet, ConnectError> {
        let filters = self.filters(names)?.into_iter();
        let topics = filters.map(|filter| (filter, options)).collect();
        Ok(Packet::Subscribe(Subscribe::new(Pid::default(), topics)))
    }

    /// Subscribes to topics.
    pub(super) async fn subscribe(
        &mut self,
        names: &[String],
        options: SubscriptionOptions,
    ) -> Result<(), ConnectError> {
        let subscribe = self.subscription(names, options)?;
        let suback = self.ask(&subscribe, suback).await?;
        self.subscribed(&suback, options.max_qos)
    }

    /// Subscribes to topics and reads the retained messages.
    pub(super) async fn read_retained(
        &mut self,
        names: &[String],
        options: SubscriptionOptions,
        mut take: impl FnMut(Publish) -> Result<(), String>,
    ) -> Result<(), ConnectError> {
        let mut take = |publish: Result<Publish, Unreadable>| publish.map_or(Ok(()), &mut take);
        let subscribe = self.subscription(names, options)?;
        let suback = self.ask_besides(&subscribe, suback, &mut take).await?;
        self.subscribed(&suback, options.max_qos)?;
        // Brokers send retained messages before or after their answer to the subscription.
        let is_answer = |received| matches!(received, Received::Pingresp).then_some(());
        self.ask_besides(&Packet::Pingreq, is_answer, take).await
    }

    fn subscribed(&self, suback: &Suback, asked: QoS) -> Result<(), ConnectError> {
        if suback.topics.is_empty() {
            let reason = "its answer to a subscription is empty".to_owned();
            return Err(self.protocol_error(reason));
        }
        match suback.topics.iter().find(|&&code| code as u8 >= 0x80) {
            // Messages without acknowledgement are lost with the connection.
            None if suback.topics.iter().any(|&code| (code as u8) < asked as u8) => {
                let reason = "it grants a subscription only with QoS 0; allow QoS 1 there";
                Err(self.lacks(Feature::Acknowledgement, reason))
            }
            None => Ok(()),
            Some(&code) => {
                let text = suback.properties.reason_string.as_deref();
                Err(self.rejected(text, code, code as u8))
            }
        }
    }

    /// Ends subscriptions. It does not matter if the broker does not know them.
    pub(super) async fn unsubscribe(&mut self, names: &[String]) -> Result<(), ConnectError> {
        let unsubscribe = Unsubscribe::new(Pid::default(), self.filters(names)?);
        let unsuback: Unsuback = self
            .ask(
                &Packet::Unsubscribe(unsubscribe),
                |received| match received {
                    Received::Unsuback(unsuback) => Some(unsuback),
                    _ => None,
                },
            )
            .await?;
        match unsuback.topics.iter().find(|&&code| code as u8 >= 0x80) {
            None => Ok(()),
            Some(&code) => {
                let text = unsuback.properties.reason_string.as_deref();
                Err(self.rejected(text, code, code as u8))
            }
        }
    }

    /// Publishes a message and waits until the broker has it.
    ///
    /// # Errors
    /// Returns the errors of the connection, and [`ConnectError::Rejected`] if the broker rejects
    /// the message. This includes a message without subscribers, unless it is retained.
    pub(super) async fn publish(&mut self, mut publish: Publish) -> Result<(), ConnectError> {
        publish.qos_pid = QosPid::Level1(Pid::default());
        let is_retained = publish.retain;
        let puback: Puback = self
            .ask(&Packet::Publish(publish), |received| match received {
                Received::Puback(puback) => Some(puback),
                _ => None,
            })
            .await?;
        match puback.reason_code {
            PubackReasonCode::Success => Ok(()),
            PubackReasonCode::NoMatchingSubscribers if is_retained => Ok(()),
            code => {
                let text = puback.properties.reason_string.as_deref();
                Err(self.rejected(text, code, code as u8))
            }
        }
    }

    /// Sends packets that have no answer. The broker has processed them when it answers a later one.
    pub(super) async fn write(&mut self, packets: &[Packet]) -> Result<(), ConnectError> {
        let frame = packets::frame_of(packets).map_err(|reason| self.protocol_error(reason))?;
        self.send(frame, SILENCE_TIMEOUT).await
    }

    /// Acknowledges a message.
    pub(super) async fn acknowledge(&mut self, pid: Pid) -> Result<(), ConnectError> {
        let frame = packets::frame(&Packet::Puback(Puback::new_success(pid)));
        let frame = frame.map_err(|reason| self.protocol_error(reason))?;
        let sent = self.socket.send(frame).await;
        sent.map_err(|error| ConnectError::Protocol {
            url: self.endpoint.to_string(),
            reason: websocket::broken(&error),
            source: Some(Cause::new(error)),
        })
    }

    /// Waits until the broker has sent all earlier messages.
    pub(super) async fn ping(&mut self) -> Result<(), ConnectError> {
        let is_answer = |received| matches!(received, Received::Pingresp).then_some(());
        self.ask(&Packet::Pingreq, is_answer).await
    }

    /// Closes the connection properly, and keeps or ends the session.
    pub(super) async fn disconnect(mut self, session_expiry: u32) -> Result<(), ConnectError> {
        let mut disconnect = Disconnect::new(DisconnectReasonCode::NormalDisconnect);
        disconnect.properties.session_expiry_interval = Some(session_expiry);
        let frame = packets::frame(&Packet::Disconnect(disconnect));
        let frame = frame.map_err(|reason| self.protocol_error(reason))?;
        let closed = async {
            self.socket.send(frame).await?;
            self.socket.close(None).await?;
            // When the broker closes the connection, it has processed the packet.
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), tungstenite::Error>(())
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, closed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.protocol_error(websocket::broken(&error))),
            Err(_) => Err(self.silence(ANSWER_TIMEOUT)),
        }
    }

    /// Converts this session to a connection with a writer and a reader.
    pub(super) fn into_connection<W, R>(
        self,
        window: usize,
        halves: impl FnOnce(Limits, Packets, VecDeque<Result<Publish, Unreadable>>) -> (W, R),
    ) -> Result<Connection<W, R>, ConnectError> {
        let ping = packets::frame(&Packet::Pingreq);
        let ping = ping.map_err(|reason| self.protocol_error(reason))?;
        let goodbye = Disconnect::new(DisconnectReasonCode::NormalDisconnect);
        let (writer, reader) = halves(self.limits, self.packets, self.early);
        Ok(Connection {
            socket: self.socket,
            writer,
            reader,
            window,
            keep_alive: KeepAlive {
                every: self.limits.ping_every,
                ping,
            },
            goodbye: packets::frame(&Packet::Disconnect(goodbye)).ok(),
            names_users: false,
            hold: None,
        })
    }
}

/// Returns the error for an unexpected answer of a broker.
pub(super) fn protocol_error(endpoint: &Endpoint, reason: String) -> ConnectError {
    ConnectError::Protocol {
        url: endpoint.to_string(),
        reason,
        source: None,
    }
}

/// Describes why the broker ended a session.
pub(super) fn farewell(disconnect: &Disconnect) -> String {
    let text = disconnect.properties.reason_string.as_deref();
    let reason = reason(text, disconnect.reason_code);
    format!("closed by the broker: {reason}")
}

/// Returns the broker's explanation or the name of the code.
pub(super) fn reason(text: Option<&str>, code: impl std::fmt::Debug) -> String {
    match text {
        Some(text) => text.to_owned(),
        None => in_words(&format!("{code:?}")),
    }
}

/// Converts `NotAuthorized` to `not authorized`.
fn in_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use mqtt_proto::v5::ConnackProperties;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::http::HeaderMap;

    use super::*;

    fn limits(code: ConnectReasonCode, said: ConnackProperties) -> Result<Limits, ConnectError> {
        let endpoint = Endpoint {
            url: "ws://h/mqtt".to_owned(),
            below: String::new(),
            headers: HeaderMap::new(),
            trust: Default::default(),
        };
        let mut connack = Connack::new(false, code);
        connack.properties = said;
        Limits::of(&endpoint, &connack)
    }

    #[test]
    fn what_a_broker_says_of_itself_is_heeded() {
        let silent = limits(ConnectReasonCode::Success, ConnackProperties::default());
        assert_eq!(silent, Ok(Limits::default()));
        let strict = ConnackProperties {
            max_packet_size: Some(5000),
            receive_max: Some(20),
            server_keep_alive: Some(10),
            shared_subscription_available: Some(false),
            retain_available: Some(false),
            session_expiry_interval: Some(0),
            ..ConnackProperties::default()
        };
        let expected = Limits {
            max_packet_size: 5000,
            window: 20,
            shares: false,
            retains: false,
            keeps_sessions: false,
            session_expiry: Some(0),
            ping_every: Duration::from_secs(5),
        };
        let strict = limits(ConnectReasonCode::Success, strict);
        assert_eq!(strict, Ok(expected));
    }

    /// Opens a session at a simulated broker that expects a ping every second.
    async fn session() -> (Session, WebSocketStream<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            url: format!("ws://{}/mqtt", listener.local_addr().unwrap()),
            below: String::new(),
            headers: HeaderMap::new(),
            trust: Default::default(),
        };
        let broker = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut broker = tokio_tungstenite::accept_async(stream).await.unwrap();
            assert!(broker.next().await.unwrap().unwrap().is_binary());
            let mut connack = Connack::new(false, ConnectReasonCode::Success);
            connack.properties.server_keep_alive = Some(1);
            let frame = packets::frame(&Packet::Connack(connack)).unwrap();
            broker.send(frame).await.unwrap();
            broker
        };
        let login = Login::default();
        let (session, broker) = tokio::join!(open(&endpoint, &login, Opening::fresh()), broker);
        (session.unwrap(), broker)
    }

    #[tokio::test]
    async fn a_broker_hears_of_a_client_that_waits_for_it() {
        let (mut session, mut broker) = session().await;
        let message = b"\x30\x05\x00\x02ab\x00";
        let answer = b"\xd0\x00";
        let playing = async {
            for _ in 0..3 {
                let frame = broker.next().await.unwrap().unwrap();
                assert_eq!(&frame.into_data()[..], b"\xc0\x00");
            }
            let answers = [&message[..], answer, answer, answer].concat();
            broker.send(Message::binary(answers)).await.unwrap();
            let frame = broker.next().await.unwrap().unwrap();
            assert_eq!(&frame.into_data()[..], b"\xc0\x00");
            let answers = [&message[..], answer].concat();
            broker.send(Message::binary(answers)).await.unwrap();
        };
        let waiting = async {
            session.ping().await.unwrap();
            assert_eq!(session.early.len(), 1);
            // The answers to other pings do not answer this one.
            session.ping().await.unwrap();
            assert_eq!(session.early.len(), 2);
        };
        tokio::join!(playing, waiting);
    }

    #[tokio::test]
    async fn what_a_broker_answers_to_subscriptions_is_heeded() {
        let (mut session, mut broker) = session().await;
        let playing = async {
            for answer in [
                // QoS 1, QoS 0, and not authorized.
                &b"\x90\x04\x00\x01\x00\x01"[..],
                b"\x90\x04\x00\x01\x00\x00",
                b"\x90\x04\x00\x01\x00\x87",
                // No subscription existed, and not authorized.
                b"\xb0\x04\x00\x01\x00\x11",
                b"\xb0\x04\x00\x01\x00\x87",
            ] {
                broker.next().await.unwrap().unwrap();
                broker.send(Message::binary(answer)).await.unwrap();
            }
        };
        let asking = async {
            let names = ["dasf/demo".to_owned()];
            let options = options(QoS::Level1, RetainHandling::DoNotSend);
            session.subscribe(&names, options).await.unwrap();
            let less = session.subscribe(&names, options).await.unwrap_err();
            assert!(matches!(less, ConnectError::Unsupported { .. }), "{less}");
            let refused = session.subscribe(&names, options).await.unwrap_err();
            session.unsubscribe(&names).await.unwrap();
            let kept = session.unsubscribe(&names).await.unwrap_err();
            for error in [refused, kept] {
                let is_rejected = matches!(error, ConnectError::Rejected { code: 0x87, .. });
                assert!(is_rejected, "{error}");
            }
        };
        tokio::join!(playing, asking);
    }

    #[test]
    fn a_broker_that_refuses_or_cannot_acknowledge_is_no_use() {
        let refusal = ConnackProperties {
            reason_string: Some("go away".into()),
            ..ConnackProperties::default()
        };
        let error = limits(ConnectReasonCode::BadUserNameOrPassword, refusal).unwrap_err();
        assert!(error.advice().unwrap().contains("--token PASSWORD"));
        assert_eq!(
            error.to_string(),
            "the broker at ws://h/mqtt refuses with reason code 0x86: go away"
        );
        let error = limits(ConnectReasonCode::ServerBusy, ConnackProperties::default());
        let error = error.unwrap_err();
        assert_eq!(error.advice().as_deref(), Some("try again in a moment"));
        assert!(error.to_string().ends_with("0x89: server busy"), "{error}");
        let unsure = ConnackProperties {
            max_qos: Some(QoS::Level0),
            ..ConnackProperties::default()
        };
        let error = limits(ConnectReasonCode::Success, unsure).unwrap_err();
        assert!(matches!(error, ConnectError::Unsupported { .. }), "{error}");
    }
}
