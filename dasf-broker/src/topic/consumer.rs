//! One consumer of a subscription: the messages that it has, and those that its socket takes next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use dasf_protocol::Topic;
use dasf_protocol::link::{self, EXTRA_CANCELLATIONS};

use super::attempt::Holder;
use super::backlog::QueuedMessage;
use super::effects::Effects;
use super::options::{ConsumerOptions, RedeliveryLimit};
use super::watch::Listener;
use crate::clock::now;
use crate::message::{Earlier, Loaded, Message};

/// The size in bytes at which [`Consumer::take`] stops. The socket may need a copy of each message.
const MAX_TAKEN: usize = 256 * 1024;

/// The number of bytes that the store reads at a time for a consumer.
const READ_AHEAD: usize = 1 << 20;

/// A delivery does not tell that its message has waited for a shorter time, because the frame of a message
/// that did not wait is there already.
const LONG_WAIT: Duration = Duration::from_millis(50);

/// A consumer within its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConsumerId(pub(super) u64);

/// One run of the program of a consumer. It stays the same when the consumer connects again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunId(pub(crate) u64);

/// A connected consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) id: ConsumerId,
    /// The largest number of messages in `in_flight`.
    prefetch: usize,
    /// Messages that are assigned to the consumer and not acknowledged.
    pub(super) in_flight: BTreeMap<u64, QueuedMessage>,
    /// The messages of `in_flight` that the socket has not taken yet. It takes the oldest first.
    pub(super) unsent: BTreeSet<u64>,
    /// The time before a negatively acknowledged message is delivered again.
    pub(super) redelivery_delay: Duration,
    /// Negatively acknowledged messages with the times at which they are due, in the order of these
    /// times.
    pub(super) delayed: VecDeque<(Instant, QueuedMessage)>,
    /// Cancellations that wait, because the consumer has too many messages.
    pub(super) later: VecDeque<QueuedMessage>,
    pub(super) limit: Option<RedeliveryLimit>,
    /// The run of a consumer that reports which redelivered messages it begins. Then only these count.
    pub(super) run: Option<RunId>,
    /// The task of the consumer while it waits for a message.
    waker: Option<Waker>,
    /// The number of publishes to the full subscription since the last acknowledgement, while other
    /// consumers have room.
    pub(super) idle_publishes: usize,
    /// The number of the last assignment.
    pub(super) last_assignment: u64,
    /// Who it is, as far as it is known.
    pub(super) listener: Option<Box<Listener>>,
}

/// A message that a socket takes.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Loaded,
    /// The number of earlier deliveries.
    pub(crate) redeliveries: u32,
    /// How often a consumer worked on the redelivered message and did not finish, for a consumer that
    /// reports this itself.
    pub(crate) begun: Option<u32>,
    /// How long the message has waited, if that is long.
    waited: Duration,
}

impl Delivery {
    /// Returns the text of the delivery.
    pub(crate) fn text(&self) -> Utf8Bytes {
        self.message.text(self.earlier())
    }

    /// Returns the frames of the delivery on a link.
    pub(crate) fn link_frames(&self, topic: &Topic) -> link::Frames {
        self.message.link_frames(topic, self.earlier())
    }

    fn earlier(&self) -> Earlier {
        Earlier {
            redeliveries: self.redeliveries,
            begun: self.begun,
            waited_ms: u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Consumer {
    pub(super) fn new(
        id: ConsumerId,
        prefetch: usize,
        options: &ConsumerOptions,
        limit: Option<RedeliveryLimit>,
    ) -> Self {
        Self {
            id,
            prefetch,
            in_flight: BTreeMap::new(),
            unsent: BTreeSet::new(),
            redelivery_delay: options.redelivery_delay,
            delayed: VecDeque::new(),
            later: VecDeque::new(),
            limit,
            run: options.run,
            waker: None,
            idle_publishes: 0,
            last_assignment: 0,
            listener: None,
        }
    }

    pub(super) fn has_permit(&self) -> bool {
        self.in_flight.len() < self.prefetch
    }

    pub(super) fn assign(&mut self, queued: QueuedMessage, assignment: u64, effects: &mut Effects) {
        let sequence = queued.message.sequence;
        self.last_assignment = assignment;
        self.in_flight.insert(sequence, queued);
        self.unsent.insert(sequence);
        effects.wakers.extend(self.waker.take());
    }

    /// Assigns a cancellation. The consumer may need it to become free, so it comes beyond the limit of its
    /// messages, but not without end.
    pub(super) fn assign_cancellation(
        &mut self,
        queued: QueuedMessage,
        assignment: u64,
        effects: &mut Effects,
    ) {
        if self.in_flight.len() < self.prefetch + EXTRA_CANCELLATIONS {
            self.assign(queued, assignment, effects);
        } else {
            self.later.push_back(queued);
        }
    }

    /// Assigns cancellations that wait.
    pub(super) fn assign_later(&mut self, effects: &mut Effects) {
        while self.in_flight.len() < self.prefetch + EXTRA_CANCELLATIONS
            && let Some(queued) = self.later.pop_front()
        {
            self.assign(queued, self.last_assignment, effects);
        }
    }

    /// Returns the next messages, at most `max`. If there is none, the next one wakes the task of the
    /// consumer.
    pub(super) fn take(&mut self, max: usize, waker: &Waker) -> Vec<Delivery> {
        let mut taken = Vec::with_capacity(max.min(self.unsent.len()));
        let mut size = 0;
        let now = now();
        while taken.len() < max
            && size < MAX_TAKEN
            && let Some(&sequence) = self.unsent.first()
        {
            let Some(queued) = self.in_flight.get(&sequence) else {
                self.unsent.pop_first();
                continue;
            };
            let Some(message) = queued.message.load() else {
                self.read_ahead(waker);
                break;
            };
            self.unsent.pop_first();
            size += message.size();
            let redeliveries = queued.history.redeliveries();
            let is_counted = redeliveries > 0 && self.run.is_some();
            let waited = now.saturating_duration_since(message.published);
            taken.push(Delivery {
                message,
                redeliveries,
                begun: is_counted.then(|| queued.history.begun()),
                waited: if waited < LONG_WAIT {
                    Duration::ZERO
                } else {
                    waited
                },
            });
        }
        if taken.is_empty() {
            match &mut self.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        taken
    }

    /// Returns the next message that the socket takes.
    pub(super) fn next_unsent(&self) -> Option<&Message> {
        let next = self.unsent.first()?;
        self.in_flight.get(next).map(|queued| &queued.message)
    }

    /// Lets the store read the next messages that the socket takes.
    fn read_ahead(&self, waker: &Waker) {
        let mut size = 0;
        let next = self.unsent.iter().filter_map(|it| self.in_flight.get(it));
        let next = next.map(|queued| &queued.message).take_while(|message| {
            let fits = size < READ_AHEAD;
            size += message.size();
            fits
        });
        Message::read(next, waker);
    }

    /// Returns the oldest message that the consumer has, in flight or delayed.
    pub(super) fn oldest(&self) -> Option<u64> {
        let in_flight = self.in_flight.keys().next().copied();
        let delayed = self.delayed.iter().map(|(_, it)| it.message.sequence);
        in_flight.into_iter().chain(delayed).min()
    }

    /// Removes a message that the consumer has, in flight or delayed.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<QueuedMessage> {
        let in_flight = self.in_flight.remove(&sequence);
        self.unsent.remove(&sequence);
        in_flight.or_else(|| {
            let mut delayed = self.delayed.iter();
            let index = delayed.position(|(_, it)| it.message.sequence == sequence)?;
            self.delayed.remove(index).map(|(_, queued)| queued)
        })
    }

    /// Removes the messages that the socket has not taken, and those that are delayed, if they fulfil the
    /// condition.
    pub(super) fn take_pending(
        &mut self,
        mut condition: impl FnMut(&QueuedMessage) -> bool,
    ) -> Vec<QueuedMessage> {
        let in_flight = &mut self.in_flight;
        let mut is_taken = |sequence: &u64| in_flight.get(sequence).is_some_and(&mut condition);
        let (unsent, stay) = self.unsent.iter().partition(|sequence| is_taken(sequence));
        self.unsent = stay;
        let unsent: BTreeSet<u64> = unsent;
        let unsent = unsent.iter().filter_map(|it| in_flight.remove(it));
        let mut taken: Vec<_> = unsent.collect();
        let (delayed, stay) = self.delayed.drain(..).partition(|(_, it)| condition(it));
        self.delayed = stay;
        let delayed: VecDeque<_> = delayed;
        taken.extend(delayed.into_iter().map(|(_, queued)| queued));
        taken
    }

    /// Wakes the task of the consumer.
    pub(super) fn wake(&mut self, effects: &mut Effects) {
        effects.wakers.extend(self.waker.take());
    }

    /// Records that the consumer works on a message. Returns whether it has the message.
    pub(super) fn begin(&mut self, sequence: u64) -> bool {
        if self.run.is_none() || self.unsent.contains(&sequence) {
            return false;
        }
        let queued = self.in_flight.get_mut(&sequence);
        queued.map(|queued| queued.history.begin()).is_some()
    }

    /// Returns the run of a consumer that works on a redelivered message.
    pub(super) fn working_run(&self) -> Option<RunId> {
        let run = self.run?;
        let mut messages = self.in_flight.values();
        messages
            .any(|it| it.history.is_begun_by(run))
            .then_some(run)
    }

    /// Returns who the consumer is.
    pub(super) fn holder(&self) -> Arc<Holder> {
        Arc::new(Holder::of(self.listener.as_deref()))
    }

    /// Removes an acknowledged message.
    pub(super) fn acknowledge(&mut self, sequence: u64) -> Option<QueuedMessage> {
        let queued = self.in_flight.remove(&sequence)?;
        self.idle_publishes = 0;
        // The socket has not taken the message if the peer got it on an earlier connection, and
        // acknowledges it on this one.
        self.unsent.remove(&sequence);
        Some(queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, name, shared};

    #[test]
    fn a_waiting_consumer_is_woken_and_a_busy_one_is_not() {
        #[derive(Default)]
        struct Count(AtomicUsize);

        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &shared(9));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        test.publish().unwrap();
        assert!(
            test.effects.wakers.is_empty(),
            "the consumer does not wait yet"
        );
        for expected in [1, 0] {
            let taken = test
                .topic
                .take(&name("s"), id, 9, &waker, &mut test.effects)
                .unwrap();
            assert_eq!(taken.len(), expected);
        }
        test.publish().unwrap();
        test.publish().unwrap();
        assert_eq!(test.effects.wakers.len(), 1);
        test.effects.wakers.drain(..).for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_acknowledged_message_is_not_sent_again_by_the_next_socket() {
        let mut test = TestTopic::new(Limits::default());
        let first = test.attach("s", &shared(9));
        let sequence = test.publish().unwrap();
        assert_eq!(test.take("s", first), [sequence]);
        test.detach("s", first);
        let second = test.attach("s", &shared(9));
        assert!(!test.acknowledge("s", first, sequence));
        assert!(test.acknowledge("s", second, sequence));
        assert!(test.take("s", second).is_empty());
    }

    #[test]
    fn large_messages_are_taken_in_portions() {
        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &shared(9));
        let fields = format!(r#""payload":"{}"}}"#, "x".repeat(MAX_TAKEN));
        for _ in 0..2 {
            let message = Message::from_text(&test.origin, &test.origin.budget, test.now, &fields);
            test.topic.publish(message, &mut test.effects).unwrap();
        }
        for expected in [1, 1, 0] {
            assert_eq!(test.take("s", id).len(), expected);
        }
    }
}
