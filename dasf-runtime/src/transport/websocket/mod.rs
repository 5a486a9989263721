//! Messages as JSON texts on WebSockets: DASF brokers and Apache Pulsar.
//!
//! One socket is one producer on one topic, or one consumer of one subscription.

mod connect;
mod consumer;
mod liveness;
mod producer;
#[cfg(feature = "tls")]
mod tls;

use dasf_protocol::{Subscription, Topic};
use tokio::runtime::Handle;

use super::{Durability, Publisher, PublisherOptions, Subscriber, Transport};
use crate::address::Address;

/// Connects to the broker at an [`Address`].
#[derive(Debug, Clone)]
pub(crate) struct Websocket {
    address: Address,
    /// Where the connections' tasks run, whichever thread asks for one.
    runtime: Handle,
}

impl Websocket {
    /// A transport whose connections live on the current runtime.
    pub(crate) fn new(address: Address) -> Self {
        let runtime = Handle::current();
        Self { address, runtime }
    }
}

impl Transport for Websocket {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let (handle, ends) = Publisher::new();
        let endpoint = self.address.producer(topic);
        self.runtime
            .spawn(producer::run(endpoint, topic.clone(), options, ends));
        handle
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn subscribe(
        &self,
        topic: &Topic,
        subscription: &Subscription,
        durability: Durability,
    ) -> Subscriber {
        let (handle, ends) = Subscriber::new();
        let endpoint = self.address.consumer(topic, subscription, durability);
        self.runtime
            .spawn(consumer::run(endpoint, topic.clone(), ends));
        handle
    }
}
