//! Cancellations of calls that other modules of the group run.
//!
//! Most brokers deliver each message of a topic to one module of a group, so a cancellation reaches the
//! module that runs the call only by chance. So each module of a group also reads a topic of which every
//! one gets all messages. A module that does not know the request of a cancellation passes the
//! cancellation on there.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Topic};

use super::executor::Executor;
use super::reply_to::ReplyTo;
use crate::random;
use crate::transport::{Outgoing, Publisher, PublisherOptions, Reading, Subscriber, Transport};

/// What the name of the topic has after that of the module's topic.
const SUFFIX: &str = "_cancel";

/// The topic on which the modules of a group pass cancellations on.
pub(super) struct Passing {
    transport: Arc<dyn Transport>,
    topic: Topic,
    /// Opened for the first cancellation.
    publisher: OnceLock<Publisher>,
}

impl Passing {
    /// Returns what passes cancellations of calls on this topic on; `None` if its name is too long.
    pub(super) fn new(transport: &Arc<dyn Transport>, topic: &Topic) -> Option<Self> {
        Some(Self {
            transport: Arc::clone(transport),
            topic: format!("{topic}{SUFFIX}").parse().ok()?,
            publisher: OnceLock::new(),
        })
    }

    /// Starts to read the topic; `None` if the broker itself finds the module that runs a call.
    fn read(&self) -> Option<Subscriber> {
        // Only a `dasf-broker` offers links.
        if self.transport.link().is_some() {
            return None;
        }
        let subscription = format!("rust-cancel-{}", random::name()).parse().ok()?;
        let reading = Reading::caller(subscription);
        Some(self.transport.subscribe(&self.topic, &reading))
    }

    /// Passes a cancellation on. If the broker does not take it at once, the call runs to its end.
    pub(super) fn pass_on(&self, reply: &ReplyTo) {
        if self.transport.link().is_some() {
            return;
        }
        let publisher = self.publisher.get_or_init(|| {
            let options = PublisherOptions::default();
            self.transport.publisher(&self.topic, options)
        });
        let message = Outgoing {
            payload: Bytes::new(),
            context: reply.context.clone(),
            properties: Properties::new()
                .with_message_type(MessageType::Cancel)
                .with(key::REQUEST_CONTEXT, reply.context.as_str())
                .with(key::RESPONSE_TOPIC, reply.response_topic.as_str()),
            expires: None,
            awaited_until: None,
        };
        if publisher.try_send(message).is_err() {
            tracing::debug!(
                topic = self.topic.as_str(),
                context = &*reply.context,
                "cancellation not passed on: too many wait"
            );
        }
    }
}

/// Ends the calls whose cancellations other modules pass on. Ends only if there is nothing to read.
pub(super) async fn receive(executor: Arc<Executor>) {
    let Some(mut subscriber) = executor.passing.as_ref().and_then(Passing::read) else {
        return;
    };
    if let Err(error) = subscriber.connected().await {
        tracing::info!(
            error = error.to_string(),
            "calls here run to their end if another module of the group gets their cancellations"
        );
    }
    while let Some(delivery) = subscriber.receive().await {
        subscriber.acknowledge(delivery.message_id).await;
        let is_cancel = delivery.properties.message_type() == Some(MessageType::Cancel);
        if let Some(reply) = ReplyTo::of(&delivery.properties).filter(|_| is_cancel) {
            executor.cancel_call(&reply);
        }
    }
}
