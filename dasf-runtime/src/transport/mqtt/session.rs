//! Opening an MQTT session.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mqtt_proto::v5::{
    Connack, Connect, ConnectReasonCode, Disconnect, DisconnectReasonCode, Packet, Publish,
    RetainHandling, Suback, Subscribe, SubscriptionOptions,
};
use mqtt_proto::{Pid, QoS, TopicFilter};
use tokio_tungstenite::tungstenite::Message;

use super::packets::{self, MAX_PACKET_SIZE, Packets, Received};
use crate::address::Login;
use crate::transport::ConnectError;
use crate::transport::socket::{self, Endpoint, KeepAlive, PING_INTERVAL, Sink, Stream};

/// How many messages a broker may send before it sees acknowledgements of them.
const RECEIVE_MAXIMUM: u16 = 64;
/// How many it may send before the connection is given up. Mosquitto 2.0.11 was seen to send more
/// than it is told to; what is not read yet holds it up all the same.
pub(super) const UNACKNOWLEDGED_LIMIT: usize = 4096;
/// After how long without a packet a broker gives a connection up, if it does not say otherwise:
/// twice the interval of pings.
const KEEP_ALIVE: Duration = PING_INTERVAL.saturating_mul(2);
/// How long the answer to a login, or a subscription, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that the broker has accepted.
pub(super) struct Session {
    pub(super) sink: Sink,
    pub(super) stream: Stream,
    pub(super) packets: Packets,
    pub(super) limits: Limits,
    /// Messages that came before the answer to the subscription.
    pub(super) early: VecDeque<Publish>,
}

/// What a broker says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The largest packet that it takes.
    pub(super) max_packet_size: usize,
    /// How many messages it takes without having acknowledged them.
    pub(super) window: usize,
    ping_every: Duration,
}

impl Default for Limits {
    /// Those of a broker that says nothing.
    fn default() -> Self {
        Self {
            max_packet_size: MAX_PACKET_SIZE,
            window: usize::from(u16::MAX),
            ping_every: PING_INTERVAL,
        }
    }
}

impl Limits {
    /// Reads the answer to a login, which may be that the broker refuses, or cannot do what is
    /// needed.
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
            let reason = "it does not acknowledge messages (its Maximum QoS is 0)".to_owned();
            return Err(ConnectError::Protocol { url, reason });
        }
        let mut limits = Self::default();
        if let Some(limit) = properties.max_packet_size {
            limits.max_packet_size = usize::try_from(limit).unwrap_or(usize::MAX);
        }
        if let Some(limit) = properties.receive_max {
            limits.window = usize::from(limit);
        }
        if let Some(seconds @ 1..) = properties.server_keep_alive {
            let half = Duration::from_secs(seconds.into()) / 2;
            limits.ping_every = half.min(PING_INTERVAL);
        }
        let client_id = properties.assigned_client_id.as_deref();
        tracing::debug!(%endpoint, assigned_client_id = client_id, ?limits, "MQTT session opened");
        Ok(limits)
    }
}

/// Connects and logs in, with a session that ends with the connection.
pub(super) async fn open(endpoint: &Endpoint, login: &Login) -> Result<Session, ConnectError> {
    let opened = socket::connect(endpoint).await?;
    let mut session = Session {
        sink: opened.sink,
        stream: opened.stream,
        packets: Packets::default(),
        limits: Limits::default(),
        early: VecDeque::new(),
    };
    let client_id = format!("dasf{:016x}", fastrand::u64(..));
    let keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    let mut connect = Connect::new(client_id.into(), keep_alive);
    connect.properties.receive_max = Some(RECEIVE_MAXIMUM);
    connect.properties.max_packet_size = u32::try_from(MAX_PACKET_SIZE).ok();
    connect.username = login.user.as_deref().map(Into::into);
    connect.password = login
        .password
        .as_ref()
        .map(|password| Bytes::copy_from_slice(password.as_bytes()));
    let connack = session
        .ask(
            endpoint,
            &Packet::Connect(connect),
            |received| match received {
                Received::Connack(connack) => Some(connack),
                _ => None,
            },
        )
        .await?;
    session.limits = Limits::of(endpoint, &connack)?;
    Ok(session)
}

impl Session {
    /// Sends a packet, and waits for its answer.
    async fn ask<T>(
        &mut self,
        endpoint: &Endpoint,
        packet: &Packet,
        is_answer: impl Fn(Received) -> Option<T>,
    ) -> Result<T, ConnectError> {
        let protocol = |reason| ConnectError::Protocol {
            url: endpoint.to_string(),
            reason,
        };
        let frame = packets::frame(packet).map_err(protocol)?;
        let exchange = async {
            let sent = self.sink.send(frame).await;
            sent.map_err(|error| error.to_string())?;
            loop {
                match self.packets.next()? {
                    Some(Received::Publish(publish)) => {
                        if self.early.len() >= UNACKNOWLEDGED_LIMIT {
                            return Err("it sends more messages than it was told to".to_owned());
                        }
                        self.early.push_back(publish);
                    }
                    Some(Received::Disconnect(disconnect)) => return Err(farewell(&disconnect)),
                    Some(received) => {
                        if let Some(answer) = is_answer(received) {
                            return Ok(answer);
                        }
                    }
                    None => match self.stream.next().await {
                        Some(Ok(Message::Close(_))) | None => {
                            return Err("it closes the connection".to_owned());
                        }
                        Some(Ok(frame)) => self.packets.accept(frame),
                        Some(Err(error)) => return Err(error.to_string()),
                    },
                }
            }
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(protocol),
            Err(_) => Err(ConnectError::Timeout {
                url: endpoint.to_string(),
                after: ANSWER_TIMEOUT,
            }),
        }
    }

    /// Subscribes to a topic, without what the broker retained of it.
    pub(super) async fn subscribe(
        &mut self,
        endpoint: &Endpoint,
        filter: TopicFilter,
    ) -> Result<(), ConnectError> {
        let mut options = SubscriptionOptions::new(QoS::Level1);
        options.retain_handling = RetainHandling::DoNotSend;
        let subscribe = Subscribe::new(Pid::default(), vec![(filter, options)]);
        let suback: Suback = self
            .ask(
                endpoint,
                &Packet::Subscribe(subscribe),
                |received| match received {
                    Received::Suback(suback) => Some(suback),
                    _ => None,
                },
            )
            .await?;
        match suback.topics.first() {
            Some(&code) if (code as u8) < 0x80 => Ok(()),
            Some(&code) => Err(ConnectError::Rejected {
                url: endpoint.to_string(),
                code: code as u8,
                reason: reason(suback.properties.reason_string.as_deref(), code),
            }),
            None => Err(ConnectError::Protocol {
                url: endpoint.to_string(),
                reason: "its answer to a subscription says nothing".to_owned(),
            }),
        }
    }

    /// How this connection is kept open.
    pub(super) fn keep_alive(&self) -> Result<KeepAlive, String> {
        Ok(KeepAlive {
            every: self.limits.ping_every,
            ping: packets::frame(&Packet::Pingreq)?,
        })
    }
}

/// What ends a session in order.
pub(super) fn goodbye() -> Option<Message> {
    let disconnect = Disconnect::new(DisconnectReasonCode::NormalDisconnect);
    packets::frame(&Packet::Disconnect(disconnect)).ok()
}

/// Why the broker ends a session.
pub(super) fn farewell(disconnect: &Disconnect) -> String {
    let text = disconnect.properties.reason_string.as_deref();
    let reason = reason(text, disconnect.reason_code);
    format!("closed by the broker: {reason}")
}

/// The broker's explanation, or the code's name.
pub(super) fn reason(text: Option<&str>, code: impl std::fmt::Debug) -> String {
    match text {
        Some(text) => text.to_owned(),
        None => in_words(&format!("{code:?}")),
    }
}

/// `NotAuthorized` as `not authorized`.
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
    use tokio_tungstenite::tungstenite::http::HeaderMap;

    use super::*;

    fn limits(code: ConnectReasonCode, said: ConnackProperties) -> Result<Limits, ConnectError> {
        let endpoint = Endpoint {
            url: "ws://h/mqtt".to_owned(),
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
            ..ConnackProperties::default()
        };
        let expected = Limits {
            max_packet_size: 5000,
            window: 20,
            ping_every: Duration::from_secs(5),
        };
        let strict = limits(ConnectReasonCode::Success, strict);
        assert_eq!(strict, Ok(expected));
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
            "the broker refuses ws://h/mqtt with reason code 0x86: go away"
        );
        let error = limits(ConnectReasonCode::ServerBusy, ConnackProperties::default());
        let error = error.unwrap_err();
        assert_eq!(error.advice(), Some("try again in a moment"));
        assert!(error.to_string().ends_with("0x89: server busy"), "{error}");
        let unsure = ConnackProperties {
            max_qos: Some(QoS::Level0),
            ..ConnackProperties::default()
        };
        let error = limits(ConnectReasonCode::Success, unsure).unwrap_err();
        assert!(matches!(error, ConnectError::Protocol { .. }), "{error}");
    }
}
