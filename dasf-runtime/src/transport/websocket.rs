//! Messages as JSON texts on WebSockets: DASF brokers and Apache Pulsar.
//!
//! One socket is one producer on one topic, or one consumer of one subscription.

use std::borrow::Cow;

use dasf_protocol::{Acknowledgement, Delivery, Publish, Receipt, Subscription, Topic};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;

use super::socket::{
    self, ConsumerDialect, Incoming, KeepAlive, Link, ProducerDialect, ReadDeliveries,
    ReadReceipts, Settlement, WriteAcknowledgements, WriteMessages,
};
use super::{
    ConnectError, Durability, PublishError, Publisher, PublisherOptions, Queued, Subscriber,
    Transport,
};
use crate::address::{Address, Endpoint};

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
        let endpoint = self.address.producer(topic);
        socket::publisher(&self.runtime, Json, endpoint, topic, options)
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
        let endpoint = self.address.consumer(topic, subscription, durability);
        socket::subscriber(&self.runtime, Json, endpoint, topic)
    }
}

/// Frames of one JSON object each. What was sent last is what is read: a frame is never more than
/// one message.
struct Json;

/// The frame that was taken, until it is read.
#[derive(Default)]
struct Frame(Option<Message>);

impl Frame {
    /// The text in the frame; other frames, such as pongs, say nothing.
    fn take_text(&mut self) -> Option<Message> {
        self.0.take().filter(Message::is_text)
    }
}

async fn open<W, R>(endpoint: &Endpoint, writer: W, reader: R) -> Result<Link<W, R>, ConnectError> {
    let (sink, stream) = socket::connect(endpoint).await?;
    Ok(Link {
        sink,
        stream,
        writer,
        reader,
        window: usize::MAX,
        keep_alive: KeepAlive {
            every: socket::PING_INTERVAL,
            ping: Message::Ping(Default::default()),
        },
        goodbye: endpoint.farewell.map(Message::text),
    })
}

impl ProducerDialect for Json {
    type Writer = Self;
    type Reader = Frame;

    async fn connect(&self, endpoint: &Endpoint) -> Result<Link<Self, Frame>, ConnectError> {
        open(endpoint, Self, Frame::default()).await
    }
}

impl ConsumerDialect for Json {
    type Writer = Self;
    type Reader = Frame;

    async fn connect(&self, endpoint: &Endpoint) -> Result<Link<Self, Frame>, ConnectError> {
        open(endpoint, Self, Frame::default()).await
    }
}

impl WriteMessages for Json {
    fn frame(&mut self, queued: &mut Queued) -> Result<(Message, String), PublishError> {
        let message = queued.written();
        let publish = Publish {
            payload: message.payload.as_str().into(),
            context: message.context.as_str().into(),
            properties: Cow::Borrowed(&message.properties),
        };
        Ok((Message::text(publish.to_json()), message.context.clone()))
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
                tracing::warn!(%error, "receipt passed over");
                return Ok(None);
            }
        };
        Ok(Some(Settlement {
            // A refusal without a context is Pulsar's answer to bad JSON.
            key: receipt.context_text().map(Cow::into_owned),
            outcome: match receipt.refusal() {
                None => Ok(()),
                Some(reason) => Err(PublishError::Refused(reason)),
            },
        }))
    }
}

impl WriteAcknowledgements for Json {
    fn frame(&mut self, message_id: String) -> Option<Message> {
        let acknowledgement = Acknowledgement {
            message_id: message_id.into(),
        };
        Some(Message::text(acknowledgement.to_json()))
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
                    tracing::warn!(%error, "message passed over");
                    Incoming::Unreadable(error.message_id().map(str::to_owned))
                }
            },
        ))
    }
}
