//! A transport for tests: the test plays the broker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::transport::{
    ConnectError, ConnectionState, Keeping, KeptMessages, Publisher, PublisherEnds,
    PublisherOptions, Reading, Received, Subscriber, SubscriberEnds, Transport,
};

#[derive(Debug)]
pub(super) struct Scripted {
    runtime: Handle,
    publishers: UnboundedSender<PublisherEnds>,
    subscribers: UnboundedSender<SubscriberEnds>,
    jobs: Mutex<VecDeque<JobReading>>,
}

/// The messages that come when a module reads what is known of a job, and how the reading ends.
pub(super) type JobReading = (Vec<Properties>, Result<(), ConnectError>);

impl Scripted {
    /// Returns a transport with these answers to a module that reads what is known of a job.
    pub(super) fn with_jobs(readings: impl IntoIterator<Item = JobReading>) -> Self {
        Self {
            runtime: Handle::current(),
            publishers: mpsc::unbounded_channel().0,
            subscribers: mpsc::unbounded_channel().0,
            jobs: Mutex::new(readings.into_iter().collect()),
        }
    }

    /// Returns the transport, and the broker's ends of its connections.
    pub(super) fn open() -> (
        Arc<dyn Transport>,
        UnboundedReceiver<PublisherEnds>,
        UnboundedReceiver<SubscriberEnds>,
    ) {
        let (publishers, published) = mpsc::unbounded_channel();
        let (subscribers, subscribed) = mpsc::unbounded_channel();
        let transport = Arc::new(Self {
            runtime: Handle::current(),
            publishers,
            subscribers,
            jobs: Mutex::default(),
        });
        (transport, published, subscribed)
    }
}

impl Transport for Scripted {
    fn publisher(&self, _topic: &Topic, _options: PublisherOptions) -> Publisher {
        let (publisher, ends) = Publisher::new();
        ends.state.send_replace(ConnectionState::Connected {
            names_users: false,
            hold: None,
        });
        self.publishers.send(ends).unwrap();
        publisher
    }

    fn subscribe(&self, _topic: &Topic, reading: &Reading) -> Subscriber {
        let (subscriber, ends) = Subscriber::new(reading);
        ends.state.send_replace(ConnectionState::Connected {
            names_users: false,
            hold: None,
        });
        self.subscribers.send(ends).unwrap();
        subscriber
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn greet<'t>(&'t self, _: &'t Topic) -> BoxFuture<'t, Result<HeaderMap, ConnectError>> {
        panic!("modules do not inspect brokers")
    }

    fn keep<'t>(
        &'t self,
        _: &'t Topic,
        _: Duration,
    ) -> BoxFuture<'t, Result<Keeping, ConnectError>> {
        panic!("modules do not submit jobs")
    }

    fn kept<'t>(&'t self, _: &'t Topic) -> BoxFuture<'t, Result<KeptMessages, ConnectError>> {
        panic!("these tests have no jobs")
    }

    fn read_job<'t>(
        &'t self,
        _: &'t Topic,
        take: &'t mut (dyn FnMut(&Properties) + Send),
    ) -> BoxFuture<'t, Result<(), ConnectError>> {
        let (messages, end) = self.jobs.lock().unwrap().pop_front().unwrap();
        messages.iter().for_each(take);
        Box::pin(std::future::ready(end))
    }

    fn forget<'t>(&'t self, _: &'t Topic) -> BoxFuture<'t, Result<(), ConnectError>> {
        panic!("modules do not forget jobs")
    }
}

/// A pong with this `requestContext`, as a broker delivers it.
pub(super) fn pong(context: &str) -> Received {
    let properties = Properties::new()
        .with_message_type(MessageType::Pong)
        .with(key::REQUEST_CONTEXT, context);
    Received {
        delivery: Delivery::new("pong", Payload::default(), properties),
        connection: 1,
        names_users: false,
        at: Instant::now(),
    }
}
