//! A topic that a link reads: its phase, its messages, and their acknowledgements.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dasf_protocol::link::{FrameKind, Header};
use dasf_protocol::{Delivery, Topic};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Subscribing;
use crate::backoff::Backoff;
use crate::transport::base_url::query;
use crate::transport::subscriber::{Acknowledgement, Given};
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
    /// The numbers of the messages to report as begun with the next frame.
    begun: Vec<u64>,
    /// The numbers of the messages to acknowledge with the next frame.
    positive: Vec<u64>,
    /// The numbers of the messages to return with the next frame.
    negative: Vec<u64>,
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
        let acknowledgements = Acknowledgements {
            topic: subscribing.topic.clone(),
            queue: Some(acknowledgements),
        };
        let subscription = Self {
            subscribing,
            deliveries,
            state,
            phase: Phase::New,
            backoff: Backoff::default(),
            lost_since: None,
            begun: Vec::new(),
            positive: Vec::new(),
            negative: Vec::new(),
            has_ended: false,
        };
        (subscription, acknowledgements)
    }

    /// Starts again on a new connection.
    pub(super) fn restart(&mut self) {
        self.phase = Phase::New;
        self.begun.clear();
        self.positive.clear();
        self.negative.clear();
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
        self.state
            .send_replace(ConnectionState::Connected { names_users });
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
        if self.positive.len() >= self.deliveries.queue.max_capacity() {
            return Err(TOO_MANY_MESSAGES.to_owned());
        }
        if self.has_no_acknowledgements() {
            touched.push(self.subscribing.topic.clone());
        }
        self.positive.push(number);
        Ok(self.positive.len() >= MAX_UNACKNOWLEDGED)
    }

    pub(super) fn has_no_acknowledgements(&self) -> bool {
        self.begun.is_empty() && self.positive.is_empty() && self.negative.is_empty()
    }

    /// Adds an acknowledgement to the next frame. Returns the channel to notify when it is written.
    pub(super) fn add(&mut self, given: Given) -> Option<oneshot::Sender<()>> {
        let (numbers, message_id) = match given.acknowledgement {
            Acknowledgement::Begun(message_id) => (&mut self.begun, message_id),
            Acknowledgement::Positive(message_id) => (&mut self.positive, message_id),
            Acknowledgement::Negative(message_id) => (&mut self.negative, message_id),
        };
        // The ids are numbers, because the link has made them from numbers.
        numbers.extend(message_id.parse::<u64>());
        given.written
    }

    /// Writes the acknowledgements.
    pub(super) fn write_acknowledgements(&mut self, outgoing: &mut FrameQueue) {
        // What is begun and then returned counts, so this comes first.
        for (kind, messages) in [
            (FrameKind::Begun, &mut self.begun),
            (FrameKind::Acknowledge, &mut self.positive),
            (FrameKind::NegativeAcknowledge, &mut self.negative),
        ] {
            if !messages.is_empty() {
                let header = Header {
                    topic: self.subscribing.topic.as_str().into(),
                    messages: std::mem::take(messages),
                    ..Header::new(kind)
                };
                outgoing.push_back(Message::Binary(header.frame(b"")));
            }
        }
    }
}

/// How many acknowledgements of one subscriber are taken at once.
const TAKEN: usize = 64;

/// The acknowledgements of one subscriber: all that wait, in one item. The last item is empty.
pub(super) struct Acknowledgements {
    topic: Topic,
    /// `None` after the last item.
    queue: Option<mpsc::Receiver<Given>>,
}

impl Acknowledgements {
    /// Takes the queue from the stream, which ends. Returns `None` if it has ended.
    pub(super) fn take(&mut self) -> Option<(Topic, mpsc::Receiver<Given>)> {
        Some((self.topic.clone(), self.queue.take()?))
    }
}

impl Stream for Acknowledgements {
    type Item = (Topic, Vec<Given>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(queue) = &mut self.queue else {
            return Poll::Ready(None);
        };
        let mut taken = Vec::new();
        if ready!(queue.poll_recv_many(cx, &mut taken, TAKEN)) == 0 {
            self.queue = None;
        }
        Poll::Ready(Some((self.topic.clone(), taken)))
    }
}
