//! Telling modules how far their answers are read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};

use crate::transport::{Outgoing, Publisher, PublisherOptions, Transport};

/// How long a connection to a module is kept, and made, without a ping from it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How many modules are answered without that connections are made again for each ping.
const MAX_CONNECTIONS: usize = 8;

/// Answers pings. A module sends one after each part of a large answer, and reads the pongs on a
/// topic of its own.
pub(super) struct Pongs {
    transport: Arc<dyn Transport>,
    /// The connections to modules, the one made first in front.
    publishers: VecDeque<(Topic, Publisher)>,
}

impl Pongs {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            publishers: VecDeque::new(),
        }
    }

    /// Answers a ping if that is possible now, provided that it says where.
    pub(super) fn answer(&mut self, ping: &Delivery) {
        let Delivery {
            message_id,
            properties,
            ..
        } = ping;
        let routing = (properties.request_context(), properties.response_topic());
        let (Some(context), Some(topic)) = routing else {
            tracing::warn!(
                message_id,
                "ping ignored: it needs a requestContext and a response_topic"
            );
            return;
        };
        let pong = || Outgoing {
            payload: String::new(),
            context: context.clone(),
            properties: Properties::new()
                .with_message_type(MessageType::Pong)
                .with(key::REQUEST_CONTEXT, context.as_str()),
            expires: None,
        };
        // A connection may end its keep-alive just now; the next one is new.
        let is_sent = (0..2).any(|_| self.publisher(&topic).try_send(pong()).is_ok());
        if !is_sent {
            tracing::warn!(%topic, "ping not answered: too many answers wait to be sent");
        }
    }

    /// Waits until the connections are closed.
    pub(super) async fn finish(self) {
        for (_, publisher) in self.publishers {
            publisher.finish().await;
        }
    }

    fn publisher(&mut self, topic: &Topic) -> Publisher {
        self.publishers
            .retain(|(_, publisher)| !publisher.is_closed());
        let mut publishers = self.publishers.iter();
        if let Some((_, publisher)) = publishers.find(|(other, _)| other == topic) {
            return publisher.clone();
        }
        if self.publishers.len() >= MAX_CONNECTIONS {
            self.publishers.pop_front();
        }
        let options = PublisherOptions {
            keep_alive: Some(KEEP_ALIVE),
            connection_timeout: Some(KEEP_ALIVE),
        };
        let publisher = self.transport.publisher(topic, options);
        self.publishers
            .push_back((topic.clone(), publisher.clone()));
        publisher
    }
}
