//! A topic that a link reads: its phase and its messages.

use dasf_protocol::link::{FrameKind, Header};
use dasf_protocol::{Delivery, Topic};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Subscribing;
use super::acknowledgements::{Acknowledgements, Waiting};
use crate::backoff::Backoff;
use crate::transport::base_url::query;
use crate::transport::subscriber::Given;
use crate::transport::websocket::driver::FrameQueue;
use crate::transport::websocket::reconnect::{log_return, lost};
use crate::transport::{ConnectError, ConnectionState, Deliveries, Received, SubscriberEnds};

/// How many acknowledgements of processed messages do not wait. The broker delivers more messages
/// than this without acknowledgements.
const MAX_UNACKNOWLEDGED: usize = 32;

/// Why a link closes its connection to a broker that does not wait for acknowledgements.
const TOO_MANY_MESSAGES: &str = "the broker sends more messages than allowed";

/// A new subscription, and the ends of its handle.
pub(super) struct NewSubscription {
    pub(super) subscribing: Subscribing,
    pub(super) ends: SubscriberEnds,
}

/// A topic that the link reads.
pub(super) struct LinkSubscription {
    pub(super) subscribing: Subscribing,
    deliveries: Deliveries,
    state: watch::Sender<ConnectionState>,
    pub(super) phase: Phase,
    backoff: Backoff,
    /// Since when the log says that the broker refuses it.
    lost_since: Option<Instant>,
    /// The acknowledgements to write.
    pub(super) waiting: Waiting,
    /// Whether the handle is gone and all acknowledgements are there.
    pub(super) has_ended: bool,
}

/// The phase of a subscription on the current connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The broker does not know about it.
    New,
    /// The broker was asked.
    Asked,
    /// The broker delivers.
    Open,
    /// The broker has refused it. The link asks again at this time.
    Refused(Instant),
    /// The link has told the broker that it leaves.
    Leaving,
}

impl LinkSubscription {
    /// Returns a subscription that the broker does not know yet, and its acknowledgements.
    pub(super) fn new(new: NewSubscription) -> (Self, Acknowledgements) {
        let NewSubscription { subscribing, ends } = new;
        let SubscriberEnds {
            deliveries,
            acknowledgements,
            state,
        } = ends;
        let acknowledgements = Acknowledgements::new(subscribing.topic.clone(), acknowledgements);
        let subscription = Self {
            subscribing,
            deliveries,
            state,
            phase: Phase::New,
            backoff: Backoff::default(),
            lost_since: None,
            waiting: Waiting::default(),
            has_ended: false,
        };
        (subscription, acknowledgements)
    }

    /// Starts again on a new connection.
    pub(super) fn restart(&mut self) {
        self.phase = Phase::New;
        self.waiting.clear();
    }

    /// Asks the broker to deliver the topic.
    pub(super) fn ask(&mut self, outgoing: &mut FrameQueue) {
        let header = Header {
            topic: self.subscribing.topic.as_str().into(),
            subscription: self.subscribing.subscription.as_str().into(),
            parameters: query(&self.subscribing.parameters).into(),
            ..Header::new(FrameKind::Subscribe)
        };
        outgoing.push_back(Message::Binary(header.frame(b"")));
        self.phase = Phase::Asked;
    }

    /// Records that the broker delivers the topic.
    pub(super) fn open(&mut self, names_users: bool) {
        self.phase = Phase::Open;
        self.backoff = Backoff::default();
        if let Some(since) = self.lost_since.take() {
            log_return("consumer", since);
        }
        self.state.send_replace(ConnectionState::Connected {
            names_users,
            hold: None,
        });
    }

    /// Records that the broker refuses to deliver the topic. The link asks again after a while.
    pub(super) fn refuse(&mut self, failure: ConnectError) {
        let wait = self.backoff.next();
        if lost("consumer", failure, wait, &self.state) {
            self.lost_since.get_or_insert_with(Instant::now);
        }
        self.phase = Phase::Refused(Instant::now() + wait);
    }

    /// Tells the broker that the link no longer reads the topic.
    pub(super) fn leave(&mut self, outgoing: &mut FrameQueue) {
        let header = Header {
            topic: self.subscribing.topic.as_str().into(),
            ..Header::new(FrameKind::Close)
        };
        outgoing.push_back(Message::Binary(header.frame(b"")));
        self.phase = Phase::Leaving;
    }

    /// Tells the handle that there is no connection.
    pub(super) fn disconnect(&self, failure: &ConnectError) {
        let disconnected = ConnectionState::Disconnected(failure.clone());
        self.state.send_if_modified(|state| {
            let is_news = state.failure().is_none();
            if is_news {
                *state = disconnected;
            }
            is_news
        });
    }

    /// Returns what another reader of the topic needs to go on.
    pub(super) fn into_new(self, acknowledgements: mpsc::Receiver<Given>) -> NewSubscription {
        NewSubscription {
            subscribing: self.subscribing,
            ends: SubscriberEnds {
                deliveries: self.deliveries,
                acknowledgements,
                state: self.state,
            },
        }
    }

    /// Passes a message to the handle. Adds the topic to those with acknowledgements if the message is
    /// processed at once, and returns whether there are so many that they cannot wait.
    ///
    /// # Errors
    /// Fails if the broker does not wait for acknowledgements.
    pub(super) fn deliver(
        &mut self,
        number: u64,
        delivery: Delivery,
        connection: u64,
        names_users: bool,
        touched: &mut Vec<Topic>,
    ) -> Result<bool, String> {
        if let Some(receiver) = &self.deliveries.receiver {
            receiver.receive(delivery);
            return self.acknowledge(number, touched);
        }
        let received = Received {
            delivery,
            connection,
            names_users,
            at: Instant::now(),
        };
        match self.deliveries.queue.try_send(received) {
            // If nobody reads the message any more, the broker keeps it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Full(_)) => Err(TOO_MANY_MESSAGES.to_owned()),
        }
    }

    /// Acknowledges a processed message with one of the next frames. Adds the topic to those with
    /// acknowledgements, and returns whether there are so many that they cannot wait.
    ///
    /// # Errors
    /// Fails if the broker does not wait for acknowledgements.
    pub(super) fn acknowledge(
        &mut self,
        number: u64,
        touched: &mut Vec<Topic>,
    ) -> Result<bool, String> {
        if self.waiting.positive.len() >= self.deliveries.queue.max_capacity() {
            return Err(TOO_MANY_MESSAGES.to_owned());
        }
        if self.waiting.is_empty() {
            touched.push(self.subscribing.topic.clone());
        }
        self.waiting.positive.push(number);
        Ok(self.waiting.positive.len() >= MAX_UNACKNOWLEDGED)
    }
}
