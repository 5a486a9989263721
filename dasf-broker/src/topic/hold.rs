//! A topic holds its messages for readers that come later, for example the answers to a job.
//!
//! A held message goes to the subscriptions of the topic as always. It also stays in the hold, until somebody
//! ends the hold, or nobody has used it for its time.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::Topic;
use super::backlog::{MessageQueue, QueuedMessage};
use super::effects::{Effects, Event, EventKind};
use super::options::HoldOption;
use crate::account::Counted;
use crate::budget::Charge;
use crate::limits::{BacklogLimit, Limits};
use crate::message::{Message, progress_of};
use crate::store::Home;

/// The memory of a hold in bytes, without messages.
const HOLD_COST: usize = 512;

/// The messages that a topic holds.
#[derive(Debug)]
pub(super) struct Hold {
    messages: MessageQueue,
    /// The numbers of the latest progress reports, by the hash of what a report is about.
    reports: HashMap<u64, u64>,
    /// How long the hold stays without a use.
    retention: Duration,
    /// When somebody used the hold last: a reader or a publisher.
    used: Instant,
    charge: Charge,
    /// Counts the hold for the user who has created it.
    counted: Option<Counted>,
}

/// What a reader learns of the hold of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldView {
    /// How long the hold stays without a use; `None` if there is none any more.
    pub(crate) retention: Option<Duration>,
    /// The number of messages that the reader gets first; `None` if there was no hold before.
    pub(crate) messages: Option<usize>,
}

impl Hold {
    fn limit_exceeded_by(&self, message: &Message, limits: &Limits) -> Option<BacklogLimit> {
        let home = self.messages.home();
        self.messages
            .size()
            .limit_exceeded_by(message, limits, home)
    }

    /// Adds a message. Of the progress reports of a call, it keeps only the latest one.
    fn push(&mut self, message: &Message) {
        self.used = self.used.max(message.published);
        let subject = message.with_properties(|properties| {
            progress_of(properties?).map(|subject| {
                let mut hasher = DefaultHasher::new();
                subject.hash(&mut hasher);
                hasher.finish()
            })
        });
        if let Some(subject) = subject
            && let Some(earlier) = self.reports.insert(subject, message.sequence)
        {
            self.messages.remove(earlier);
        }
        let queued = QueuedMessage::new(message.clone(), self.messages.home());
        self.messages.insert(queued);
        self.count();
    }

    fn count(&mut self) {
        self.charge
            .set(HOLD_COST + self.messages.size().cost_of_places());
    }

    /// Returns the messages for a further reader.
    fn copies(&self) -> MessageQueue {
        let mut copies = MessageQueue::default();
        for queued in self.messages.iter() {
            copies.insert(QueuedMessage::new(queued.message.clone(), None));
        }
        copies
    }

    pub(super) fn forget_refused(&mut self) {
        self.messages.retain(|message| !message.is_refused());
        self.count();
    }
}

impl Topic {
    /// Does what a reader asks of the hold, and returns the messages that the reader gets first.
    pub(super) fn use_hold(
        &mut self,
        option: HoldOption,
        now: Instant,
        effects: &mut Effects,
    ) -> MessageQueue {
        match option {
            HoldOption::None => return MessageQueue::default(),
            HoldOption::Read => {}
            HoldOption::Keep(asked) => self.open_hold(self.limits.retention(Some(asked)), now),
            HoldOption::End => self.end_hold(EventKind::HoldEnded, effects),
        }
        self.hold
            .as_mut()
            .map_or_else(MessageQueue::default, |hold| {
                hold.used = hold.used.max(now);
                hold.copies()
            })
    }

    /// Makes the topic hold its messages, also those that wait there already.
    fn open_hold(&mut self, retention: Duration, now: Instant) {
        if let Some(hold) = &mut self.hold {
            if hold.retention != retention {
                hold.retention = retention;
                if let Some(home) = hold.messages.home() {
                    home.record_hold(retention);
                }
            }
            return;
        }
        let home = |store| Home::of_topic(store, &self.name, &self.tenure);
        let next = self.store.as_ref().map(home);
        let mut messages = self.unclaimed.take_with_home(next);
        self.charge_unclaimed();
        if messages.home().is_none()
            && let Some(store) = &self.store
        {
            messages.move_to(Some(Home::of_topic(store, &self.name, &self.tenure)));
        }
        if let Some(home) = messages.home() {
            home.record_hold(retention);
        }
        self.hold = Some(self.hold_of(messages, retention, now));
    }

    fn hold_of(&self, messages: MessageQueue, retention: Duration, now: Instant) -> Box<Hold> {
        let cost = HOLD_COST + messages.size().cost_of_places();
        Box::new(Hold {
            charge: self.budget.charge(cost),
            messages,
            reports: HashMap::new(),
            retention,
            used: now,
            counted: None,
        })
    }

    /// Brings back a hold that the store has.
    pub(super) fn restore_hold(
        &mut self,
        messages: MessageQueue,
        retention: Duration,
        now: Instant,
    ) {
        self.hold = Some(self.hold_of(messages, retention, now));
    }

    fn end_hold(&mut self, kind: EventKind, effects: &mut Effects) {
        let Some(hold) = self.hold.take() else {
            return;
        };
        let held = hold.messages.iter().map(|queued| &queued.message);
        effects.events.extend(Event::of_messages(kind, None, held));
    }

    /// Counts the hold for a user as long as it exists.
    pub(crate) fn count_hold_for(&mut self, counted: Counted) {
        if let Some(hold) = &mut self.hold {
            hold.counted = Some(counted);
        }
    }

    /// Returns whether the topic holds its messages.
    pub(crate) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Returns how long the topic holds its messages without a use.
    pub(crate) fn hold_retention(&self) -> Option<Duration> {
        self.hold.as_ref().map(|hold| hold.retention)
    }

    /// Returns the number of held messages, if there is a hold.
    pub(crate) fn held_messages(&self) -> Option<usize> {
        self.hold.as_ref().map(|hold| hold.messages.size().messages)
    }

    /// Returns the limit that a further message in the hold would exceed.
    pub(super) fn hold_limit_exceeded_by(&self, message: &Message) -> Option<BacklogLimit> {
        self.hold.as_ref()?.limit_exceeded_by(message, &self.limits)
    }

    /// Adds a new message to the hold.
    pub(super) fn hold(&mut self, message: &Message) {
        if let Some(hold) = &mut self.hold {
            hold.push(message);
        }
    }

    /// Removes a message from the hold, for further readers.
    pub(crate) fn unhold(&mut self, sequence: u64) {
        if let Some(hold) = &mut self.hold {
            hold.messages.remove(sequence);
            hold.count();
        }
    }

    /// Ends a hold that nobody has used for its time.
    pub(super) fn remove_expired_hold(&mut self, now: Instant, effects: &mut Effects) {
        let is_read = self.is_read();
        let Some(hold) = &mut self.hold else {
            return;
        };
        if is_read {
            hold.used = hold.used.max(now);
        } else if now.saturating_duration_since(hold.used) >= hold.retention {
            let messages = hold.messages.size().messages;
            self.counters.expired.add(messages);
            self.end_hold(EventKind::HoldExpired, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::options::ConsumerOptions;
    use crate::topic::test_topic::{TestTopic, shared};

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn reading(hold: HoldOption) -> ConsumerOptions {
        ConsumerOptions {
            durable: false,
            hold,
            ..shared(99)
        }
    }

    /// Reads what the topic holds, with a reader that goes again.
    fn read(test: &mut TestTopic, hold: HoldOption) -> Vec<u64> {
        let id = test.attach("reader", &reading(hold));
        let mut taken = Vec::new();
        loop {
            let batch = test.take("reader", id);
            if batch.is_empty() {
                break;
            }
            taken.extend(batch);
        }
        test.leave("reader", id);
        taken
    }

    #[test]
    fn each_reader_gets_all_held_messages() {
        let mut test = TestTopic::new(Limits::default());
        assert_eq!(read(&mut test, HoldOption::Keep(WEEK)), [0; 0]);
        let sent: Vec<_> = (0..3).map(|_| test.publish().unwrap()).collect();
        for _ in 0..2 {
            assert_eq!(read(&mut test, HoldOption::Read), sent);
        }
        let reader = test.attach("a", &reading(HoldOption::Read));
        assert_eq!(test.take("a", reader), sent);
        let last = test.publish().unwrap();
        assert_eq!(test.take("a", reader), [last]);
        assert!(test.acknowledge("a", reader, last));
        assert_eq!(read(&mut test, HoldOption::Keep(WEEK)).len(), 4);
        assert_eq!(read(&mut test, HoldOption::End), [0; 0]);
        test.leave("a", reader);
        assert!(test.topic.is_idle());
    }

    #[test]
    fn a_module_does_not_take_what_the_topic_holds() {
        let mut test = TestTopic::new(Limits::default());
        read(&mut test, HoldOption::Keep(WEEK));
        let sent = test.publish().unwrap();
        let id = test.attach("module", &shared(9));
        assert_eq!(test.take("module", id), [0; 0]);
        test.leave("module", id);
        assert_eq!(read(&mut test, HoldOption::Read), [sent]);
    }

    #[test]
    fn a_hold_ends_when_nobody_has_used_it_for_its_time() {
        let mut test = TestTopic::new(Limits::default());
        let hour = Duration::from_secs(3600);
        read(&mut test, HoldOption::Keep(hour));
        for _ in 0..3 {
            test.now += hour / 2;
            test.publish().unwrap();
            test.topic.remove_expired(test.now, &mut test.effects);
            assert!(test.topic.is_held());
        }
        let id = test.attach("reader", &reading(HoldOption::Read));
        test.topic
            .remove_expired(test.now + hour, &mut test.effects);
        assert!(test.topic.is_held(), "somebody reads it");
        test.leave("reader", id);
        test.topic
            .remove_expired(test.now + 3 * hour, &mut test.effects);
        assert!(test.topic.is_idle());
        assert_eq!(test.topic.counters.read(0, 0).expired, 3);
    }

    #[test]
    fn the_broker_decides_how_long_a_topic_holds_its_messages() {
        let mut test = TestTopic::new(Limits::default());
        read(&mut test, HoldOption::Keep(100 * WEEK));
        let longest = test.topic.limits.max_subscription_retention;
        assert_eq!(test.topic.hold_retention(), Some(longest));
    }

    #[test]
    fn only_the_latest_report_of_a_call_is_held() {
        let mut test = TestTopic::new(Limits::default());
        read(&mut test, HoldOption::Keep(WEEK));
        let mut publish = |properties: &str| test.publish_with(properties).unwrap();
        let report =
            |context| format!(r#"{{"messageType":"progress","requestContext":"{context}"}}"#);
        let checkpoint =
            r#"{"messageType":"progress","requestContext":"1","x_dasf_checkpoint":"7"}"#;
        publish(&report(1));
        let other = publish(&report(2));
        publish(checkpoint);
        publish(&report(1));
        let kept = publish(checkpoint);
        let latest = publish(&report(1));
        let answer = publish(r#"{"messageType":"response","requestContext":"1"}"#);
        assert_eq!(
            read(&mut test, HoldOption::Read),
            [other, kept, latest, answer]
        );
    }

    #[test]
    fn a_full_hold_refuses_messages_and_drops_none() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 2,
            ..Limits::default()
        });
        read(&mut test, HoldOption::Keep(WEEK));
        let sent = [test.publish().unwrap(), test.publish().unwrap()];
        test.publish().unwrap_err();
        assert_eq!(read(&mut test, HoldOption::Read), sent);
    }
}
