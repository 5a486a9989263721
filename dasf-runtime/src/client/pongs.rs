//! Answering the pings of modules, which show them that the client has read their responses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};

use crate::transport::{Outgoing, Publisher, PublisherOptions, Transport};

/// How long a connection to a module stays open without a ping from it, and how long connecting may
/// take.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The number of connections to modules that stay open.
const MAX_CONNECTIONS: usize = 8;

/// Answers pings. A module sends a ping after each part of a large response, and reads the pongs on
/// its own topic.
#[derive(Debug)]
pub(super) struct Pongs {
    transport: Arc<dyn Transport>,
    /// The connections to modules, the oldest first.
    publishers: Mutex<VecDeque<(Topic, Publisher)>>,
}

impl Pongs {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            publishers: Mutex::default(),
        }
    }

    /// Answers a ping, if the connection accepts the answer at once.
    pub(super) fn answer(&self, ping: &Delivery) {
        let Delivery {
            message_id,
            properties,
            ..
        } = ping;
        let routing = (properties.request_context(), properties.response_topic());
        let (Some(context), Some(topic)) = routing else {
            tracing::warn!(
                message_id = &**message_id,
                "ping ignored: it needs a requestContext and a response_topic"
            );
            return;
        };
        let pong = || Outgoing {
            payload: Bytes::new(),
            context: (&*context).into(),
            properties: Properties::new()
                .with_message_type(MessageType::Pong)
                .with(key::REQUEST_CONTEXT, &*context),
            expires: None,
            awaited_until: None,
        };
        // The keep-alive of a connection may end just now. Then the second attempt has a new one.
        let is_sent = (0..2).any(|_| self.publisher(&topic).try_send(pong()).is_ok());
        if !is_sent {
            tracing::warn!(
                topic = topic.as_str(),
                "ping not answered: the queue of the connection is full"
            );
        }
    }

    /// Waits until the connections are closed.
    pub(super) async fn finish(&self) {
        let publishers = std::mem::take(&mut *self.lock());
        for (_, publisher) in publishers {
            publisher.finish().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Topic, Publisher)>> {
        self.publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publisher(&self, topic: &Topic) -> Publisher {
        let mut publishers = self.lock();
        publishers.retain(|(_, publisher)| !publisher.is_closed());
        let mut known = publishers.iter();
        if let Some((_, publisher)) = known.find(|(other, _)| other == topic) {
            return publisher.clone();
        }
        if publishers.len() >= MAX_CONNECTIONS {
            publishers.pop_front();
        }
        let options = PublisherOptions {
            keep_alive: Some(KEEP_ALIVE),
            connection_timeout: Some(KEEP_ALIVE),
            ..PublisherOptions::default()
        };
        let publisher = self.transport.publisher(topic, options);
        publishers.push_back((topic.clone(), publisher.clone()));
        publisher
    }
}
