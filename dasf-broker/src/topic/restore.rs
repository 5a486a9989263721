//! A topic gets back what the store has kept of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Topic;
use super::backlog::{MessageQueue, QueuedMessage};
use super::history::History;
use super::options::{ConsumerOptions, HoldOption};
use super::subscription::Subscription;
use crate::access::Tenure;
use crate::message::Message;
use crate::store::{Counts, Home, QueueRecord, Store};

impl Topic {
    /// Adds a queue of the store with its messages and their histories. Its consumers have as long to come
    /// back as after a lost connection.
    pub(crate) fn restore(
        &mut self,
        store: &Arc<Store>,
        record: QueueRecord,
        messages: Vec<(Message, Option<Counts>)>,
        now: Instant,
    ) {
        // Without a record, the messages come from a broker without users, and may be requests.
        self.set_tenure(record.tenure.unwrap_or(Tenure::Requests));
        let home = Home::restored(store, record.id, &self.name, &self.tenure);
        let mut queue = MessageQueue::at(Some(home.clone()));
        for (message, counts) in messages {
            self.last_sequence = self.last_sequence.max(message.sequence);
            let history = counts.map_or_else(History::default, History::restored);
            for run in history.lost_runs() {
                self.remember_lost(run);
            }
            queue.insert(QueuedMessage::restored(message, &home, history));
        }
        if self.store.is_none() {
            // The topic was kept before. What it gets from now on is not.
            queue.leave_home();
        }
        if let Some(retention) = record.hold {
            self.restore_hold(queue, retention, now);
            return;
        }
        let Some(kept) = record.subscription else {
            self.unclaimed.adopt(queue);
            self.charge_unclaimed();
            return;
        };
        let options = ConsumerOptions {
            kind: kept.kind,
            durable: true,
            on_close: kept.on_close,
            retention: kept.retention,
            receiver_queue_size: None,
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
            max_deaths: None,
            run: None,
            hold: HoldOption::None,
        };
        let (obsolescence, budget) = (&self.obsolescence, &self.budget);
        let mut subscription = Subscription::new(&options, queue, kept.since, obsolescence, budget);
        subscription.detached = Some(now);
        self.subscriptions.insert(kept.name, subscription);
    }
}
