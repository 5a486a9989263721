//! From frames of the broker to the messages of subscribers, and to receipts.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::link::{BASE64, FrameKind, Header};
use dasf_protocol::payload::Payload;
use dasf_protocol::{Delivery, Properties};
use tokio_tungstenite::tungstenite::Message;

use super::LinkRole;
use crate::transport::websocket::driver::Reads;
use crate::transport::websocket::link::LinkBroker;
use crate::transport::websocket::link::orders::Order;
use crate::transport::websocket::link::subscription::Phase;
use crate::transport::{ConnectError, NOBODY_LISTENS, PublishError};

/// The header of a frame from the broker.
type BrokerHeader<'a> = Header<'a, serde_json::Result<Properties>>;

impl<B: LinkBroker> Reads for LinkRole<'_, B> {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        // A subscriber has room for all messages that the broker may send without acknowledgements.
        Poll::Ready(Ok(()))
    }

    fn on_frame(&mut self, frame: Message) -> Result<(), String> {
        let Message::Binary(frame) = frame else {
            return Ok(());
        };
        let Some((frame, apart)) = self.joiner.join(frame) else {
            return Ok(());
        };
        let read = Header::read_with_properties(&frame);
        let (header, payload) = read.map_err(|error| error.to_string())?;
        let payload = apart.unwrap_or(payload);
        match header.kind {
            FrameKind::Message => {
                self.link.was_useful = true;
                return self.deliver(header, payload);
            }
            FrameKind::Accepted => {
                self.link.was_useful = true;
                let count = header.count.unwrap_or_default();
                self.link.receipts.accept(count);
                self.link.settle_receipted();
            }
            FrameKind::Refused => {
                let number = header.count.unwrap_or_default();
                self.refuse(number, &header.reason, header.status);
            }
            FrameKind::Subscribed => self.subscribed(&header.topic),
            FrameKind::Unsubscribed => self.unsubscribed(&header),
            kind => tracing::debug!(?kind, "ignored a frame that only clients send"),
        }
        Ok(())
    }
}

impl<B: LinkBroker> LinkRole<'_, B> {
    fn deliver(&mut self, header: BrokerHeader<'_>, payload: Bytes) -> Result<(), String> {
        let (connection, names_users) = (self.link.connection, self.link.names_users);
        let (Some(number), Some(subscription)) = (
            header.message,
            self.link.subscriptions.get_mut(&*header.topic),
        ) else {
            return Ok(());
        };
        let properties = match header.properties {
            Some(Ok(properties)) => properties,
            unreadable => {
                let error = unreadable.and_then(Result::err).map(|it| it.to_string());
                tracing::warn!(
                    topic = &*header.topic,
                    message_id = number,
                    error = error.as_deref().unwrap_or("it has no properties"),
                    "ignored a message that cannot be read"
                );
                self.is_urgent |= subscription.acknowledge(number, &mut self.touched)?;
                return Ok(());
            }
        };
        let payload = match &*header.encoding {
            BASE64 => Payload::Base64(String::from_utf8_lossy(&payload).into_owned()),
            _ => Payload::from(payload),
        };
        let mut delivery = Delivery::new(number, payload, properties);
        delivery.redelivery_count = header.redelivery_count;
        delivery.begun_count = header.begun_count;
        delivery.waited = Duration::from_millis(header.waited_ms);
        let touched = &mut self.touched;
        self.is_urgent |=
            subscription.deliver(number, delivery, connection, names_users, touched)?;
        Ok(())
    }

    fn subscribed(&mut self, topic: &str) {
        if let Some(subscription) = self.link.subscriptions.get_mut(topic)
            && subscription.phase == Phase::Asked
        {
            subscription.open(self.link.names_users);
        }
    }

    /// Handles the end of a subscription, or its refusal.
    fn unsubscribed(&mut self, header: &BrokerHeader<'_>) {
        let Some(subscription) = self.link.subscriptions.get_mut(&*header.topic) else {
            return;
        };
        match header.status {
            None => {
                self.link.subscriptions.remove(&*header.topic);
            }
            Some(status) => {
                let endpoint = self.link.broker.consumer(&subscription.subscribing);
                let failure = ConnectError::Refused {
                    url: endpoint.to_string(),
                    status,
                    reason: header.reason.to_string(),
                    has_login: endpoint.has_login(),
                };
                subscription.refuse(failure);
            }
        }
        self.has_news = true;
    }

    /// Fails the message that the broker refuses, or publishes it again in a moment because nobody reads
    /// its topic.
    fn refuse(&mut self, number: u64, reason: &str, status: Option<u16>) {
        let order = match (self.link.receipts.take_refused(number), status) {
            (None, _) => return,
            (Some(Order::Publish(message)), Some(NOBODY_LISTENS)) => {
                let late = self.link.unread.keep(message, self.link.reconnected);
                let error = PublishError::NobodyListens;
                return late
                    .into_iter()
                    .for_each(|message| message.queued.settle(&message.topic, Err(error.clone())));
            }
            (Some(order), _) => order,
        };
        let refused = PublishError::Refused(reason.to_owned());
        self.link.settle(order, Err(refused));
    }
}
