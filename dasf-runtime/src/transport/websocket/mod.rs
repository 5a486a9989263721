//! Messages as JSON texts on WebSockets: DASF brokers and Apache Pulsar.
//!
//! One socket is one producer on one topic, or one consumer of one subscription.

mod connect;
mod consumer;
mod liveness;
mod producer;

use dasf_protocol::{Subscription, Topic};

use super::{Publisher, PublisherOptions, Subscriber, Transport};
use crate::address::Address;

/// Connects to the broker at an [`Address`].
#[derive(Debug, Clone)]
pub(crate) struct Websocket {
    address: Address,
}

impl Websocket {
    pub(crate) fn new(address: Address) -> Self {
        Self { address }
    }
}

impl Transport for Websocket {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let (handle, ends) = Publisher::new();
        let endpoint = self.address.producer(topic);
        tokio::spawn(producer::run(endpoint, topic.clone(), options, ends));
        handle
    }

    fn subscribe(&self, topic: &Topic, subscription: &Subscription) -> Subscriber {
        let (handle, ends) = Subscriber::new();
        let endpoint = self.address.consumer(topic, subscription);
        tokio::spawn(consumer::run(endpoint, topic.clone(), ends));
        handle
    }
}
