//! A topic gets back what the store has kept of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Topic;
use super::backlog::{MessageQueue, QueuedMessage};
use super::options::ConsumerOptions;
use super::subscription::Subscription;
use crate::access::Tenure;
use crate::message::Message;
use crate::store::{Home, QueueRecord, Store};

impl Topic {
    /// Adds a queue of the store with its messages. Its consumers have the usual time to come back.
    pub(crate) fn restore(
        &mut self,
        store: &Arc<Store>,
        record: QueueRecord,
        messages: Vec<Message>,
        now: Instant,
    ) {
        // Without a record, the messages come from a broker without users, and may be requests.
        self.set_tenure(record.tenure.unwrap_or(Tenure::Requests));
        let home = Home::restored(store, record.id, &self.name, &self.tenure);
        let mut queue = MessageQueue::at(Some(home.clone()));
        for message in messages {
            self.last_sequence = self.last_sequence.max(message.sequence);
            queue.insert(QueuedMessage::restored(message, &home));
        }
        let Some(kept) = record.subscription else {
            self.unclaimed.append(queue);
            self.charge_unclaimed();
            return;
        };
        let options = ConsumerOptions {
            kind: kept.kind,
            durable: true,
            on_close: kept.on_close,
            receiver_queue_size: None,
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
            run: None,
        };
        let (obsolescence, budget) = (&self.obsolescence, &self.budget);
        let mut subscription = Subscription::new(&options, queue, kept.since, obsolescence, budget);
        subscription.detached = Some(now);
        self.subscriptions.insert(kept.name, subscription);
    }
}
