//! The task that owns the connection of a consumer.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dasf_protocol::{Delivery, Topic};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::PollSender;

use super::connect::close;
use super::driver::{BATCH, End, FrameQueue, Reads, Writes, drive};
use super::reconnect::{Work, keep_connected};
use super::{Connection, Dialect, Endpoint, Incoming, ReadDeliveries, WriteAcknowledgements};
use crate::transport::subscriber::{Acknowledgement, Given};
use crate::transport::{Receive, Received, SubscriberEnds};

/// How long the broker may take to settle the last acknowledgements. Closing the connection may
/// take the same time again.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many frames beside the handle's acknowledgements may wait before no more messages are read.
const ASIDES_LIMIT: usize = 1024;

/// Runs until the handle is dropped. It reconnects under the same name as often as needed. `first`
/// is a connection that is open already.
pub(super) async fn run<D>(
    dialect: D,
    endpoint: Endpoint,
    topic: Topic,
    ends: SubscriberEnds,
    first: Option<Connection<D::Writer, D::Reader>>,
) where
    D: Dialect<Writer: WriteAcknowledgements, Reader: ReadDeliveries>,
{
    let SubscriberEnds {
        deliveries,
        acknowledgements,
        state,
    } = ends;
    let mut consumer = Consumer {
        topic,
        deliveries: Waiting {
            queue: PollSender::new(deliveries.queue.clone()),
            handle: deliveries.queue,
            held: None,
        },
        receiver: deliveries.receiver,
        acknowledgements,
        connection: 0,
        names_users: false,
        was_useful: false,
    };
    keep_connected(&dialect, &endpoint, first, &mut consumer, &state).await;
    dialect.leave().await;
}

/// The state that outlives a single connection.
struct Consumer {
    topic: Topic,
    deliveries: Waiting,
    /// Gets the messages in place of the handle.
    receiver: Option<Arc<dyn Receive>>,
    acknowledgements: mpsc::Receiver<Given>,
    /// The number of the connection.
    connection: u64,
    /// Whether the broker names the users who send the messages on it.
    names_users: bool,
    /// Whether the broker has delivered a message on it.
    was_useful: bool,
}

impl<W: WriteAcknowledgements, R: ReadDeliveries> Work<W, R> for Consumer {
    const NAME: &'static str = "consumer";

    async fn serve(&mut self, connection: Connection<W, R>) -> ControlFlow<(), String> {
        let Connection {
            mut socket,
            writer,
            reader,
            keep_alive,
            goodbye,
            names_users,
            ..
        } = connection;
        self.connection += 1;
        self.names_users = names_users;
        self.was_useful = false;
        self.deliveries.held = None;
        let mut role = ConsumerRole {
            writer,
            reader,
            asides: FrameQueue::new(),
            written: Vec::new(),
            closing: None,
            consumer: self,
        };
        match drive(&mut socket, keep_alive, &mut role).await {
            End::Finished => {
                let goodbye = goodbye.filter(|_| !role.writer.leaves_work());
                // Errors no longer matter, because the handle is gone.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, close(socket, goodbye)).await;
                ControlFlow::Break(())
            }
            End::Lost(reason) => ControlFlow::Continue(reason),
        }
    }

    async fn unwanted(&mut self) {
        self.deliveries.handle.closed().await;
    }

    fn was_useful(&self) -> bool {
        self.was_useful
    }
}

/// The messages on their way to the handle.
struct Waiting {
    handle: mpsc::Sender<Received>,
    /// The same channel, to wait for room.
    queue: PollSender<Received>,
    /// A message for which the channel has no room yet.
    held: Option<Received>,
}

impl Waiting {
    /// Passes a message on, or holds it until there is room.
    fn send(&mut self, received: Received) {
        // If nobody reads the message any more, the broker keeps it.
        if let Err(mpsc::error::TrySendError::Full(received)) = self.handle.try_send(received) {
            self.held = Some(received);
        }
    }

    /// Waits until no message is held.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_none() {
            return Poll::Ready(());
        }
        match self.queue.poll_reserve(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(reserved) => {
                if let Some(held) = self.held.take()
                    && reserved.is_ok()
                {
                    // It fails only if nobody reads the message any more.
                    let _ = self.queue.send_item(held);
                }
                Poll::Ready(())
            }
        }
    }
}

/// The consumer on one connection.
struct ConsumerRole<'a, W, R> {
    writer: W,
    reader: R,
    /// Frames to write that are no acknowledgements of the handle.
    asides: FrameQueue,
    /// Notified when the last acknowledgements are written.
    written: Vec<oneshot::Sender<()>>,
    /// After the handle is gone: the time at which to stop waiting for the broker to settle the last
    /// acknowledgements.
    closing: Option<Pin<Box<Sleep>>>,
    consumer: &'a mut Consumer,
}

impl<W: WriteAcknowledgements, R: ReadDeliveries> Reads for ConsumerRole<'_, W, R> {
    /// Passes on what is read already. Messages may have come with the broker's answer to the
    /// subscription, before the first frame.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        loop {
            // The driver asks again after it has written them.
            if self.asides.len() >= ASIDES_LIMIT
                || self.consumer.deliveries.poll_ready(cx).is_pending()
            {
                return Poll::Pending;
            }
            match self.reader.next() {
                Ok(Some(incoming)) => self.receive(incoming),
                Ok(None) => return Poll::Ready(Ok(())),
                Err(reason) => return Poll::Ready(Err(reason)),
            }
        }
    }

    fn on_frame(&mut self, frame: Message) -> Result<(), String> {
        self.reader.accept(frame);
        Ok(())
    }
}

impl<W: WriteAcknowledgements, R: ReadDeliveries> Writes for ConsumerRole<'_, W, R> {
    fn fill(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) -> bool {
        outgoing.append(&mut self.asides);
        while self.closing.is_none() && outgoing.len() < BATCH {
            match self.consumer.acknowledgements.poll_recv(cx) {
                Poll::Ready(Some(given)) => self.acknowledge(given, outgoing),
                Poll::Ready(None) => {
                    self.closing = Some(Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
                }
                Poll::Pending => break,
            }
        }
        let Some(timeout) = &mut self.closing else {
            return false;
        };
        !self.writer.is_waiting() || timeout.as_mut().poll(cx).is_ready()
    }

    fn flushed(&mut self) {
        for written in self.written.drain(..) {
            // The receiver may be gone.
            let _ = written.send(());
        }
    }
}

impl<W: WriteAcknowledgements, R: ReadDeliveries> ConsumerRole<'_, W, R> {
    fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Delivery(delivery) => self.deliver(delivery),
            Incoming::Unreadable(message_id) => {
                tracing::warn!(
                    topic = self.consumer.topic.as_str(),
                    message_id = message_id.as_deref(),
                    "ignored a message that cannot be read"
                );
                let acknowledgement = message_id.map(Acknowledgement::Positive);
                let frame = acknowledgement.and_then(|it| self.writer.frame(it));
                self.asides.extend(frame);
            }
            Incoming::Settled => self.asides.extend(self.writer.go_on()),
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.consumer.was_useful = true;
        self.asides.extend(self.writer.delivered(&delivery));
        if let Some(receiver) = &self.consumer.receiver {
            let acknowledgement = Acknowledgement::Positive(delivery.message_id.clone());
            receiver.receive(delivery);
            self.asides.extend(self.writer.frame(acknowledgement));
            return;
        }
        let received = Received {
            delivery,
            connection: self.consumer.connection,
            names_users: self.consumer.names_users,
            at: Instant::now(),
        };
        self.consumer.deliveries.send(received);
    }

    fn acknowledge(&mut self, given: Given, outgoing: &mut FrameQueue) {
        // The broker redelivers the messages of an earlier connection.
        if given.connection != self.consumer.connection {
            outgoing.extend(self.writer.late(given.acknowledgement));
        } else if let Some(frame) = self.writer.frame(given.acknowledgement) {
            outgoing.push_back(frame);
            self.written.extend(given.written);
        }
    }
}
