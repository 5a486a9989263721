//! Messages as JSON text, as DASF brokers and Apache Pulsar use them.
//!
//! One socket is one producer on one topic, or one consumer of one subscription.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dasf_protocol::{
    Delivery, MessageId, NegativeAcknowledgement, Publish, Receipt, frame, hold, time,
};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::DATE;

use super::features;
use super::subscriber::Acknowledgement;
use super::websocket::{
    self, Connection, Dialect, Endpoint, Incoming, KeepAlive, Opened, ReadDeliveries, ReadReceipts,
    Settlement, WriteAcknowledgements, WriteMessages,
};
use super::{BrokerClock, ConnectError, Feature, Hold, NOBODY_LISTENS, PublishError, Queued};

/// Frames of one JSON object each. A frame contains at most one message.
#[derive(Clone, Default)]
pub(super) struct Json {
    /// The last frame of a consumer before its connection is closed permanently.
    pub(super) farewell: Option<&'static str>,
    /// Whether a message can be negatively acknowledged. Brokers that know only acknowledgements
    /// would read the frame as an acknowledgement.
    pub(super) gives_back: bool,
    /// Reads the headers of the broker's handshake response, and returns the feature that it lacks.
    pub(super) lacks: Option<fn(&HeaderMap) -> Option<Lack>>,
    /// Learns the date of the broker.
    pub(super) clock: Option<Arc<BrokerClock>>,
}

/// A missing feature of a broker, and why it is needed.
pub(super) struct Lack {
    pub(super) feature: Feature,
    pub(super) reason: &'static str,
}

/// The accepted frame, until it is read.
#[derive(Default)]
pub(super) struct Frame(Option<Message>);

impl Frame {
    /// Returns the text of the frame. Other frames, such as pongs, carry no message.
    fn take_text(&mut self) -> Option<Message> {
        self.0.take().filter(Message::is_text)
    }
}

impl Json {
    /// Returns the connection of a socket that the broker has accepted.
    ///
    /// # Errors
    /// Returns the feature that the broker lacks.
    pub(super) fn connection(
        self,
        opened: Opened,
        endpoint: &Endpoint,
    ) -> Result<Connection<Self, Frame>, ConnectError> {
        if let Some(Lack { feature, reason }) = self.lacks.and_then(|lacks| lacks(&opened.headers))
        {
            return Err(ConnectError::Unsupported {
                url: endpoint.to_string(),
                feature,
                reason: reason.to_owned(),
            });
        }
        if let Some(clock) = &self.clock
            && let Some(date) = date(&opened.headers)
        {
            clock.shows(date, Instant::now());
        }
        Ok(Connection {
            names_users: features::has(&opened.headers, features::USERS),
            hold: hold(&opened.headers),
            socket: opened.socket,
            goodbye: self.farewell.map(Message::text),
            writer: self,
            reader: Frame::default(),
            window: usize::MAX,
            keep_alive: KeepAlive::default(),
        })
    }
}

/// Returns what a broker tells about the messages that a topic holds.
pub(super) fn hold(headers: &HeaderMap) -> Option<Hold> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    Some(Hold {
        retention: Duration::from_secs(number(hold::HOLD)?),
        messages: number(hold::HELD).and_then(|count| usize::try_from(count).ok()),
    })
}

/// Returns the date of the broker in its answer to a handshake.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    time::from_http_date(headers.get(DATE)?.to_str().ok()?)
}

impl Dialect for Json {
    type Writer = Self;
    type Reader = Frame;

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection<Self, Frame>, ConnectError> {
        let opened = websocket::connect(endpoint).await?;
        self.clone().connection(opened, endpoint)
    }
}

impl WriteMessages for Json {
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
        let message = queued.mark_written();
        let publish = Publish {
            payload: &message.payload,
            context: message.context.as_str().into(),
            properties: Cow::Borrowed(&message.properties),
        };
        Ok((
            Message::text(publish.to_json()),
            message.context.to_string(),
        ))
    }
}

impl ReadReceipts for Frame {
    fn accept(&mut self, frame: Message) {
        self.0 = Some(frame);
    }

    fn next(&mut self) -> Result<Option<Settlement>, String> {
        let Some(frame) = self.take_text() else {
            return Ok(None);
        };
        let receipt = match Receipt::from_json(frame.to_text().unwrap_or_default()) {
            Ok(receipt) => receipt,
            Err(error) => {
                tracing::warn!(
                    error = error.to_string(),
                    "ignored a receipt that cannot be read"
                );
                return Ok(None);
            }
        };
        Ok(Some(Settlement {
            // Pulsar answers invalid JSON with a refusal without a context.
            key: receipt.context_text().map(Cow::into_owned),
            outcome: match receipt.refusal() {
                None => Ok(()),
                Some(_) if receipt.status == Some(NOBODY_LISTENS) => {
                    Err(PublishError::NobodyListens)
                }
                Some(reason) => Err(PublishError::Refused(reason)),
            },
        }))
    }
}

impl WriteAcknowledgements for Json {
    fn frame(&mut self, acknowledgement: Acknowledgement) -> Option<Message> {
        let text = match acknowledgement {
            Acknowledgement::Positive(message_id) => frame::Acknowledgement {
                message_id: (&*message_id).into(),
            }
            .to_json(),
            Acknowledgement::Begun(message_id) => frame::Begun {
                message_id: (&*message_id).into(),
            }
            .to_json(),
            Acknowledgement::Negative(message_id) if self.gives_back => NegativeAcknowledgement {
                message_id: (&*message_id).into(),
            }
            .to_json(),
            // The broker redelivers it when the connection is closed.
            Acknowledgement::Negative(_) => return None,
        };
        Some(Message::text(text))
    }
}

impl ReadDeliveries for Frame {
    fn accept(&mut self, frame: Message) {
        self.0 = Some(frame);
    }

    fn next(&mut self) -> Result<Option<Incoming>, String> {
        let Some(frame) = self.take_text() else {
            return Ok(None);
        };
        Ok(Some(
            match Delivery::from_json(frame.to_text().unwrap_or_default()) {
                Ok(delivery) => Incoming::Delivery(delivery),
                Err(error) => {
                    tracing::warn!(
                        error = error.to_string(),
                        "ignored a message that cannot be read"
                    );
                    Incoming::Unreadable(error.message_id().map(MessageId::from))
                }
            },
        ))
    }
}
