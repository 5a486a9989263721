//! The dead letters of a group at a Pulsar: it moves the requests there that its modules have returned too
//! often.

use std::borrow::Cow;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Acknowledgement, Delivery, Properties, Publish, Receipt};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::connect::{broken, connect};
use super::{Endpoint, Socket};
use crate::transport::ConnectError;

/// How long the topic must be silent, so that all letters have come. A Pulsar does not say which one is the
/// last.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a receipt, or the end of the connection, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The status with which a Pulsar refuses a second reader of a subscription.
pub(in crate::transport) const HAS_A_READER: u16 = 409;
/// How long the last reader may take to be gone. A Pulsar answers the end of its connection first, and then takes the
/// reader away.
const LAST_READER: Duration = Duration::from_secs(5);
/// The time between two attempts to become the reader.
const ATTEMPTS: Duration = Duration::from_millis(100);
/// The greatest number of letters that are read.
pub(in crate::transport) const MAX_LETTERS: usize = 1000;

/// Where the dead letters of a group are, and where its requests come from.
pub(crate) struct DeadLetterTopic {
    pub(in crate::transport) letters: Endpoint,
    pub(in crate::transport) requests: Endpoint,
}

/// The dead letters of a group. They stay, unless they are acknowledged.
pub(crate) struct DeadLetters {
    pub(crate) letters: Vec<DeadLetter>,
    topic: DeadLetterTopic,
    socket: Socket,
}

/// A dead letter.
pub(crate) struct DeadLetter {
    pub(crate) delivery: Delivery,
    /// When the broker has moved it there.
    pub(crate) moved: Option<String>,
}

/// What a delivery says besides its message.
#[derive(Deserialize)]
struct Times {
    #[serde(rename = "publishTime", default)]
    publish_time: Option<String>,
}

impl DeadLetterTopic {
    /// Reads the letters.
    pub(crate) async fn read(self) -> Result<DeadLetters, ConnectError> {
        let mut socket = self.become_the_reader().await?;
        let mut letters = Vec::new();
        while letters.len() < MAX_LETTERS
            && let Ok(read) = timeout(SILENCE, next(&mut socket, &self.letters)).await
        {
            let Some(text) = read? else { break };
            let delivery =
                Delivery::from_json(&text).map_err(|error| lost(&self.letters, error))?;
            let times: Option<Times> = serde_json::from_str(&text).ok();
            letters.push(DeadLetter {
                delivery,
                moved: times.and_then(|times| times.publish_time),
            });
        }
        Ok(DeadLetters {
            letters,
            topic: self,
            socket,
        })
    }

    /// Connects, and waits a moment for the end of the last reader.
    async fn become_the_reader(&self) -> Result<Socket, ConnectError> {
        let end = Instant::now() + LAST_READER;
        loop {
            match connect(&self.letters).await {
                Err(ConnectError::Refused {
                    status: HAS_A_READER,
                    ..
                }) if Instant::now() < end => sleep(ATTEMPTS).await,
                connected => return connected.map(|connected| connected.socket),
            }
        }
    }
}

impl DeadLetters {
    /// Sends a letter to the topic of the requests again.
    pub(crate) async fn publish(&self, letter: &DeadLetter) -> Result<(), ConnectError> {
        let endpoint = &self.topic.requests;
        let Delivery {
            payload,
            properties,
            ..
        } = letter.delivery.clone();
        let payload = payload
            .into_bytes()
            .map_err(|error| lost(endpoint, error))?;
        let context = properties.request_context().map(Cow::into_owned);
        // They hold only for the first time that the request was published. Its user may be another one.
        let stale = [key::TIMEOUT_MS, key::REPEATED, key::USER, key::GROUPS];
        let properties = stale.into_iter().fold(properties, Properties::without);
        let frame = Publish {
            payload: &payload,
            context: context.unwrap_or_default().into(),
            properties: Cow::Owned(properties),
        };
        let mut socket = connect(endpoint).await?.socket;
        send(&mut socket, endpoint, frame.to_json()).await?;
        let receipt = timeout(PATIENCE, next(&mut socket, endpoint)).await;
        let receipt = receipt.map_err(|_| ConnectError::Timeout {
            url: endpoint.to_string(),
            after: PATIENCE,
        })??;
        let receipt = receipt.ok_or_else(|| lost(endpoint, "it ended without a receipt"))?;
        let receipt = Receipt::from_json(&receipt).map_err(|error| lost(endpoint, error))?;
        match receipt.refusal() {
            None => Ok(()),
            Some(reason) => Err(lost(endpoint, reason)),
        }
    }

    /// Removes a letter.
    pub(crate) async fn acknowledge(mut self, letter: &DeadLetter) -> Result<(), ConnectError> {
        let endpoint = &self.topic.letters;
        let message_id = Cow::Borrowed(&*letter.delivery.message_id);
        let frame = Acknowledgement { message_id }.to_json();
        send(&mut self.socket, endpoint, frame).await?;
        // The broker has read the acknowledgement when it has answered the close.
        self.close().await
    }

    /// Ends the connection, so that the next reader need not wait until the broker misses this one.
    pub(crate) async fn close(mut self) -> Result<(), ConnectError> {
        let endpoint = &self.topic.letters;
        let closing = self.socket.close(None).await;
        closing.map_err(|error| lost(endpoint, broken(&error)))?;
        let ends = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(PATIENCE, ends)
            .await
            .map_err(|_| ConnectError::Timeout {
                url: endpoint.to_string(),
                after: PATIENCE,
            })
    }
}

/// Returns the next text, or `None` at the end.
async fn next(socket: &mut Socket, endpoint: &Endpoint) -> Result<Option<String>, ConnectError> {
    while let Some(frame) = socket.next().await {
        match frame {
            Ok(Message::Text(text)) => return Ok(Some(text.to_string())),
            Ok(Message::Close(_)) => break,
            Ok(_) => {}
            Err(error) => return Err(lost(endpoint, broken(&error))),
        }
    }
    Ok(None)
}

async fn send(socket: &mut Socket, endpoint: &Endpoint, text: String) -> Result<(), ConnectError> {
    let sent = socket.send(Message::text(text)).await;
    sent.map_err(|error| lost(endpoint, broken(&error)))
}

fn lost(endpoint: &Endpoint, reason: impl std::fmt::Display) -> ConnectError {
    ConnectError::Protocol {
        url: endpoint.to_string(),
        reason: reason.to_string(),
        source: None,
    }
}
