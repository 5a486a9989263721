//! What the handles of a link order its task to do.

use std::time::Duration;

use dasf_protocol::Topic;
use tokio::sync::{mpsc, oneshot};

use super::Link;
use super::subscription::NewSubscription;
use crate::transport::Queued;

/// An order to the task of a link.
pub(super) enum Order {
    /// Publish a message.
    Publish(Box<Addressed>),
    /// Notify when all earlier messages have receipts.
    Flush(oneshot::Sender<()>),
    /// Read a topic.
    Subscribe(Box<NewSubscription>),
}

/// A message and its topic.
pub(super) struct Addressed {
    pub(super) topic: Topic,
    pub(super) queued: Queued,
    /// How long the message waits without a connection; `None` means without end.
    pub(super) patience: Option<Duration>,
}

impl Link {
    fn queue(&self) -> &mpsc::Sender<Order> {
        &self.0.0.queue
    }

    /// Queues a message. It waits only while the queue is full.
    ///
    /// # Errors
    /// Returns the message if the link has ended.
    pub(in crate::transport) async fn publish(
        &self,
        topic: &Topic,
        patience: Option<Duration>,
        queued: Queued,
    ) -> Result<(), Queued> {
        match self.queue().reserve().await {
            Ok(permit) => {
                permit.send(Order::publish(topic, patience, queued));
                Ok(())
            }
            Err(_) => Err(queued),
        }
    }

    /// Queues a message if the queue has room. Returns the message if it has none or the link has
    /// ended.
    pub(in crate::transport) fn try_publish(
        &self,
        topic: &Topic,
        patience: Option<Duration>,
        queued: Queued,
    ) -> Option<Queued> {
        match self.queue().try_reserve() {
            Ok(permit) => {
                permit.send(Order::publish(topic, patience, queued));
                None
            }
            Err(_) => Some(queued),
        }
    }

    /// Queues a subscription.
    pub(super) async fn subscribe(self, new: NewSubscription) {
        // It fails only if the task ended with its runtime.
        let _ = self.queue().send(Order::Subscribe(Box::new(new))).await;
    }
}

impl Order {
    fn publish(topic: &Topic, patience: Option<Duration>, queued: Queued) -> Self {
        Self::Publish(Box::new(Addressed {
            topic: topic.clone(),
            queued,
            patience,
        }))
    }
}
