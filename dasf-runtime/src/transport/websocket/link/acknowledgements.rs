//! The acknowledgements of a topic that a link reads.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dasf_protocol::Topic;
use dasf_protocol::link::{FrameKind, Header};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::transport::subscriber::{Acknowledgement, Given};
use crate::transport::websocket::driver::FrameQueue;

/// The acknowledgements that wait for the next frame.
#[derive(Default)]
pub(super) struct Waiting {
    /// The numbers of the messages to report as begun.
    begun: Vec<u64>,
    /// The numbers of the messages to acknowledge.
    pub(super) positive: Vec<u64>,
    /// The numbers of the messages to return.
    negative: Vec<u64>,
}

impl Waiting {
    /// Forgets the messages of a lost connection.
    pub(super) fn clear(&mut self) {
        self.begun.clear();
        self.positive.clear();
        self.negative.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
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

    /// Writes them in frames.
    pub(super) fn write(&mut self, topic: &Topic, outgoing: &mut FrameQueue) {
        // What is begun and then returned counts, so this comes first.
        for (kind, messages) in [
            (FrameKind::Begun, &mut self.begun),
            (FrameKind::Acknowledge, &mut self.positive),
            (FrameKind::NegativeAcknowledge, &mut self.negative),
        ] {
            if !messages.is_empty() {
                let header = Header {
                    topic: topic.as_str().into(),
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
    pub(super) fn new(topic: Topic, queue: mpsc::Receiver<Given>) -> Self {
        let queue = Some(queue);
        Self { topic, queue }
    }

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
