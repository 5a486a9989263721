//! Messages that come back from a consumer: their next delivery, its delay, and dead letters.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::Holder;
use super::backlog::QueuedMessage;
use super::consumer::{Consumer, ConsumerId, RunId};
use super::effects::{DeadLetter, Effects, Event, EventKind, PutAside};
use super::options::{Fate, RedeliveryLimit};
use super::subscription::Subscription;

/// How long a lost consumer has to come back, before a message that it worked on is put aside. A module
/// connects again within five seconds.
const SUSPICION: Duration = Duration::from_secs(6);

/// A message whose consumers may have ended with it once too often.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) queued: QueuedMessage,
    /// When the last one had time to come back.
    due: Instant,
    limit: RedeliveryLimit,
    run: Option<RunId>,
}

impl QueuedMessage {
    /// Returns whether the limit does not allow another redelivery. If the consumer reports which messages
    /// it begins, only these count.
    fn is_over(&self, limit: &RedeliveryLimit, run: Option<RunId>) -> bool {
        let count = match run {
            Some(_) => self.history.begun(),
            None => self.history.redeliveries(),
        };
        count > limit.max
    }
}

impl Subscription {
    /// Takes a negatively acknowledged message back. The message is delivered again, at once or after
    /// the delay of the consumer, or becomes a dead letter. Returns whether it was in flight to the
    /// consumer.
    pub(super) fn negative_acknowledge(
        &mut self,
        id: ConsumerId,
        sequence: u64,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let Some(consumer) = self.consumer(id) else {
            return false;
        };
        if consumer.unsent.contains(&sequence) {
            // The peer means a delivery on an earlier connection. The redelivery is on its way.
            return true;
        }
        let Some(mut returned) = consumer.in_flight.remove(&sequence) else {
            return false;
        };
        if returned.history.is_personal() {
            self.uncount(&returned.message);
            self.dispatch(None, effects);
            return true;
        }
        let run = consumer.run;
        let was_begun = returned.history.returned(run, || consumer.holder());
        if let Some(limit) = &consumer.limit
            && returned.is_over(limit, run)
        {
            let limit = limit.clone();
            match limit.fate {
                // It returns what others have begun. One of them may come back.
                Fate::PutAside { .. } if !was_begun => {
                    self.suspect(returned, limit, run, now, effects);
                }
                _ => self.give_up(returned, &limit, effects),
            }
            self.dispatch(None, effects);
            return true;
        }
        returned.keep_history();
        if consumer.redelivery_delay.is_zero() {
            self.ready.insert(returned);
            self.dispatch(Some(id), effects);
        } else {
            let due = now + consumer.redelivery_delay;
            consumer.delayed.push_back((due, returned));
            // Meanwhile the consumer has room for another message.
            self.dispatch(None, effects);
        }
        true
    }

    /// Makes the delayed messages of a consumer ready as soon as they are due. Returns when the next
    /// one is due.
    pub(super) fn release_due(
        &mut self,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Instant> {
        let consumer = self.consumer(id)?;
        let count = consumer.delayed.partition_point(|(due, _)| *due <= now);
        let due: Vec<_> = consumer.delayed.drain(..count).collect();
        let next = consumer.delayed.front().map(|(due, _)| *due);
        for (_, queued) in due {
            self.ready.insert(queued);
        }
        self.dispatch(Some(id), effects);
        next
    }

    /// Removes a consumer. Its unacknowledged messages go to other consumers, wait for the next one, or
    /// become dead letters. Returns whether the subscription had the consumer.
    pub(super) fn remove_consumer(
        &mut self,
        id: ConsumerId,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let Some(index) = self.consumers.iter().position(|it| it.id == id) else {
            return false;
        };
        let mut removed = self.consumers.swap_remove(index);
        // If the broker disconnects the consumer, its task must learn it.
        removed.wake(effects);
        let Consumer {
            in_flight,
            unsent,
            delayed,
            later,
            limit,
            run,
            listener,
            ..
        } = removed;
        for queued in later {
            if queued.history.is_personal() {
                self.uncount(&queued.message);
            } else {
                self.ready.insert(queued);
            }
        }
        let holder = LazyCell::new(|| Arc::new(Holder::of(listener.as_deref())));
        for (_, queued) in delayed {
            self.ready.insert(queued);
        }
        let has_other_connection = run.is_some() && self.consumers.iter().any(|it| it.run == run);
        for (sequence, mut queued) in in_flight {
            if queued.history.is_personal() {
                self.uncount(&queued.message);
                continue;
            }
            if !unsent.contains(&sequence) {
                let holder = || Arc::clone(LazyCell::force(&holder));
                queued.history.lost(run, holder);
                if let Some(run) = run
                    && has_other_connection
                {
                    queued.history.has_come_back(run);
                }
                if let Some(limit) = &limit
                    && queued.is_over(limit, run)
                {
                    match limit.fate {
                        Fate::PutAside { .. } => {
                            self.suspect(queued, limit.clone(), run, now, effects);
                        }
                        _ => self.give_up(queued, limit, effects),
                    }
                    continue;
                }
                queued.keep_history();
            }
            self.ready.insert(queued);
        }
        if self.has_consumer() {
            self.dispatch(None, effects);
        }
        true
    }

    /// Lets a message wait, because the consumer that was lost with it may come back.
    fn suspect(
        &mut self,
        queued: QueuedMessage,
        limit: RedeliveryLimit,
        run: Option<RunId>,
        now: Instant,
        effects: &mut Effects,
    ) {
        queued.keep_history();
        let due = now + SUSPICION;
        let known = effects.suspects_due;
        effects.suspects_due = Some(known.map_or(due, |known| known.min(due)));
        self.suspects.push(Suspect {
            queued,
            due,
            limit,
            run,
        });
    }

    /// Takes the suspects out.
    pub(super) fn take_suspects(&mut self) -> Vec<Suspect> {
        let suspects = std::mem::take(&mut self.suspects);
        for suspect in &suspects {
            self.uncount(&suspect.queued.message);
        }
        suspects
    }

    /// Adds the suspects of subscriptions that this one takes over. It may have got the same messages, too.
    pub(super) fn receive_suspects(&mut self, suspects: Vec<Suspect>) {
        for mut suspect in suspects {
            let message = suspect.queued.message.clone();
            let is_same = |other: &QueuedMessage| other.message.sequence == message.sequence;
            for same in self.ready.take_where(is_same) {
                self.uncount(&message);
                suspect.queued.history.merge(same.history);
            }
            let mut others = self.suspects.iter_mut().map(|it| &mut it.queued);
            if let Some(known) = others.find(|it| is_same(it)) {
                known.history.merge(suspect.queued.history);
                continue;
            }
            self.count(&message);
            suspect.queued.move_to(self.ready.home());
            self.suspects.push(suspect);
        }
    }

    /// Puts the suspects aside whose consumers had time to come back. Returns when the next ones are due.
    pub(super) fn judge_suspects(
        &mut self,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Instant> {
        let (due, waiting) = std::mem::take(&mut self.suspects)
            .into_iter()
            .partition(|suspect| suspect.due <= now);
        self.suspects = waiting;
        let due: Vec<Suspect> = due;
        let has_due = !due.is_empty();
        for Suspect {
            queued, limit, run, ..
        } in due
        {
            match queued.is_over(&limit, run) {
                true => self.give_up(queued, &limit, effects),
                // An earlier consumer has come back.
                false => self.ready.insert(queued),
            }
        }
        if has_due {
            self.dispatch(None, effects);
        }
        self.suspects.iter().map(|suspect| suspect.due).min()
    }

    /// Records that a lost consumer has come back, and still works on its messages.
    pub(super) fn has_come_back(&mut self, run: RunId) {
        let suspects = self.suspects.iter_mut().map(|it| &mut it.queued);
        let consumers = self.consumers.iter_mut().flat_map(|consumer| {
            let delayed = consumer.delayed.iter_mut().map(|(_, queued)| queued);
            consumer.in_flight.values_mut().chain(delayed)
        });
        for queued in self.ready.iter_mut().chain(consumers).chain(suspects) {
            queued.history.has_come_back(run);
        }
    }

    /// Takes out the messages on which a run works that has come back: those that wait, those that are
    /// suspected, and those of consumers that have not got them or have returned them.
    pub(super) fn reclaim(&mut self, run: RunId) -> Vec<QueuedMessage> {
        let still_runs = |queued: &QueuedMessage| queued.history.still_runs_in(run);
        let mut reclaimed = self.ready.take_where(still_runs);
        let (back, suspects) = std::mem::take(&mut self.suspects)
            .into_iter()
            .partition(|suspect| still_runs(&suspect.queued));
        self.suspects = suspects;
        let back: Vec<Suspect> = back;
        reclaimed.extend(back.into_iter().map(|suspect| suspect.queued));
        for consumer in &mut self.consumers {
            reclaimed.extend(consumer.take_pending(still_runs));
        }
        reclaimed
    }

    /// Puts a message aside, moves it to its dead-letter topic, or drops it if it has none.
    fn give_up(&mut self, queued: QueuedMessage, limit: &RedeliveryLimit, effects: &mut Effects) {
        let QueuedMessage {
            message,
            history,
            held,
            ..
        } = queued;
        self.uncount(&message);
        match &limit.fate {
            Fate::PutAside { is_kept } => effects.put_aside.push(PutAside {
                message,
                deaths: history.begun(),
                attempts: history.into_attempts(),
                subscription: None,
                is_kept: *is_kept,
                held,
            }),
            Fate::DeadLetter(topic) => effects.dead_letters.push(DeadLetter {
                message,
                topic: topic.clone(),
                account: self.counted.as_ref().map(|it| it.account().clone()),
                _held: held,
            }),
            Fate::Dropped => {
                self.obsolescence.counters.dropped.add(1);
                let event = Event::of_messages(EventKind::GivenUp, None, [&message]);
                effects.events.extend(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SUSPICION;
    use crate::limits::Limits;
    use crate::topic::RunId;
    use crate::topic::backlog::BacklogSize;
    use crate::topic::error::PublishError;
    use crate::topic::options::ConsumerOptions;
    use crate::topic::test_topic::{
        DELAY, TestTopic, dead_lettering, delaying, name, reporting, shared,
    };

    #[test]
    fn only_messages_that_a_socket_got_count_as_redelivered() {
        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &shared(9));
        let sent: Vec<_> = (0..4).map(|_| test.publish().unwrap()).collect();
        assert_eq!(test.take("s", id), sent[..3]);
        assert!(test.negative_acknowledge("s", id, sent[0]));
        test.detach("s", id);
        let id = test.attach("s", &shared(9));
        let taken = test.take_counted("s", id);
        assert_eq!(taken, [(sent[0], 1), (sent[1], 1), (sent[2], 1)]);
        assert_eq!(test.take_counted("s", id), [(sent[3], 0)]);
        test.detach("s", id);
        // A subscription of a new name takes over the numbers.
        let id = test.attach("t", &shared(9));
        let taken = test.take_counted("t", id);
        assert_eq!(taken, [(sent[0], 2), (sent[1], 2), (sent[2], 2)]);
    }

    #[test]
    fn a_pending_redelivery_ignores_negative_acknowledgements() {
        let mut test = TestTopic::new(Limits::default());
        let first = test.attach("s", &shared(9));
        let sequence = test.publish().unwrap();
        assert_eq!(test.take("s", first), [sequence]);
        test.detach("s", first);
        let second = test.attach("s", &shared(9));
        for _ in 0..3 {
            assert!(test.negative_acknowledge("s", second, sequence));
        }
        assert_eq!(test.take_counted("s", second), [(sequence, 1)]);
        assert!(test.take("s", second).is_empty());
    }

    #[test]
    fn a_returned_message_goes_to_another_consumer_with_room() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &shared(9));
        let b = test.attach("s", &shared(2));
        let sent: Vec<_> = (0..4).map(|_| test.publish().unwrap()).collect();
        assert_eq!(test.take("s", a), [sent[0], sent[2]]);
        assert_eq!(test.take("s", b), [sent[1], sent[3]]);
        assert!(test.acknowledge("s", a, sent[2]));
        assert!(test.acknowledge("s", b, sent[3]));
        // The consumer that returns it would have fewer messages.
        assert!(test.negative_acknowledge("s", a, sent[0]));
        assert!(test.take("s", a).is_empty());
        assert_eq!(test.take("s", b), [sent[0]]);
        assert!(test.negative_acknowledge("s", b, sent[0]));
        assert_eq!(test.take("s", a), [sent[0]]);
        let more = test.publish().unwrap();
        assert_eq!(test.take("s", a), [] as [u64; 0]);
        assert_eq!(test.take("s", b), [more]);
        assert!(test.negative_acknowledge("s", a, sent[0]));
        assert_eq!(test.take_counted("s", a), [(sent[0], 3)]);
    }

    #[test]
    fn a_delayed_message_leaves_room_and_comes_before_younger_ones() {
        let mut test = TestTopic::new(Limits::default());
        let id = test.attach("s", &delaying(2));
        let sent: Vec<_> = (0..6).map(|_| test.publish().unwrap()).collect();
        assert_eq!(test.take("s", id), sent[..2]);
        assert!(test.negative_acknowledge("s", id, sent[1]));
        assert!(
            !test.negative_acknowledge("s", id, sent[1]),
            "no longer in flight"
        );
        assert!(!test.acknowledge("s", id, sent[1]));
        test.now += DELAY / 2;
        assert!(test.negative_acknowledge("s", id, sent[0]));
        assert_eq!(test.take("s", id), sent[2..4]);
        assert_eq!(test.topic.subscriptions[&name("s")].backlog.messages, 6);

        assert_eq!(test.release_due("s", id), Some(DELAY / 2));
        test.now += DELAY / 2;
        assert_eq!(test.release_due("s", id), Some(DELAY / 2));
        assert!(test.acknowledge("s", id, sent[2]));
        test.now += DELAY;
        assert_eq!(test.release_due("s", id), None);
        assert!(test.acknowledge("s", id, sent[3]));
        assert_eq!(test.take_counted("s", id), [(sent[0], 1), (sent[1], 1)]);
        assert!(test.acknowledge("s", id, sent[0]));
        assert!(test.acknowledge("s", id, sent[1]));
        assert_eq!(test.take("s", id), sent[4..]);
    }

    #[test]
    fn a_delayed_message_goes_to_others_first_and_waits_only_for_a_connected_consumer() {
        let mut test = TestTopic::new(Limits::default());
        let a = test.attach("s", &delaying(9));
        let first = test.publish().unwrap();
        let second = test.publish().unwrap();
        assert_eq!(test.take("s", a), [first, second]);
        assert!(test.negative_acknowledge("s", a, first));
        let b = test.attach("s", &shared(9));
        test.now += DELAY;
        assert_eq!(test.release_due("s", a), None);
        assert_eq!(test.take_counted("s", b), [(first, 1)]);
        assert!(test.negative_acknowledge("s", a, second));
        assert!(test.take("s", b).is_empty());
        test.detach("s", a);
        assert_eq!(test.take_counted("s", b), [(second, 1)]);
    }

    #[test]
    fn a_delayed_message_counts_for_the_limit_and_ends_with_its_subscription() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 1,
            ..Limits::default()
        });
        let id = test.attach("s", &delaying(9));
        let sequence = test.publish().unwrap();
        assert_eq!(test.take("s", id), [sequence]);
        assert!(test.negative_acknowledge("s", id, sequence));
        assert!(matches!(
            test.publish(),
            Err(PublishError::SubscriptionFull { .. })
        ));
        assert!(test.unsubscribe("s", id));
        assert_eq!(test.topic.counters.read(0, 0).dropped, 1);
        assert!(test.topic.is_idle());
    }

    #[test]
    fn a_message_after_its_last_redelivery_becomes_a_dead_letter() {
        let mut test = TestTopic::new(Limits {
            max_backlog_messages: 2,
            ..Limits::default()
        });
        let first = test.publish().unwrap();
        let second = test.publish().unwrap();
        for count in 0..=2 {
            let id = test.attach("s", &dead_lettering(1, 2));
            assert!(test.dead_letters().is_empty());
            assert_eq!(test.take_counted("s", id), [(first, count)]);
            test.detach("s", id);
        }
        assert_eq!(test.dead_letters(), [first]);
        // A dead letter does not count for the limit.
        let third = test.publish().unwrap();

        let id = test.attach("s", &dead_lettering(1, 1));
        assert_eq!(test.take_counted("s", id), [(second, 0)]);
        assert!(test.negative_acknowledge("s", id, second));
        assert_eq!(test.take_counted("s", id), [(second, 1)]);
        assert!(test.negative_acknowledge("s", id, second));
        assert_eq!(test.dead_letters(), [second]);
        assert!(!test.acknowledge("s", id, second));
        assert_eq!(test.take_counted("s", id), [(third, 0)]);
        assert!(test.acknowledge("s", id, third));
        let subscription = &test.topic.subscriptions[&name("s")];
        assert_eq!(subscription.backlog, BacklogSize::default());
        assert_eq!(test.topic.counters.read(0, 0).acknowledged, 1);
    }

    /// Loses the consumer of a run that works on these messages.
    fn lose(test: &mut TestTopic, run: u64, works_on: &[u64]) {
        let id = test.attach("s", &reporting(9, run));
        test.take_begun("s", id);
        for &sequence in works_on {
            assert!(test.begin("s", id, sequence));
        }
        test.detach("s", id);
    }

    #[test]
    fn only_messages_that_a_lost_consumer_worked_on_count() {
        let mut test = TestTopic::new(Limits::default());
        let sent: Vec<_> = (0..3).map(|_| test.publish().unwrap()).collect();
        let id = test.attach("s", &reporting(9, 0));
        let first = sent.iter().map(|&sequence| (sequence, None));
        assert_eq!(test.take_begun("s", id), first.collect::<Vec<_>>());
        test.detach("s", id);
        for run in 1..=3 {
            lose(&mut test, run, &sent[1..2]);
        }
        let id = test.attach("s", &reporting(9, 4));
        let expected = [(sent[0], Some(0)), (sent[1], Some(3)), (sent[2], Some(0))];
        assert_eq!(test.take_begun("s", id), expected);
        // Returned without work, the message does not count. Returned during the work, it does.
        assert!(test.negative_acknowledge("s", id, sent[0]));
        assert_eq!(test.take_begun("s", id), [(sent[0], Some(0))]);
        assert!(test.begin("s", id, sent[0]));
        assert!(test.negative_acknowledge("s", id, sent[0]));
        assert!(!test.begin("s", id, sent[0]), "the socket has not taken it");
        assert_eq!(test.take_begun("s", id), [(sent[0], Some(1))]);
        assert!(test.acknowledge("s", id, sent[1]));
        assert!(!test.begin("s", id, sent[1]));
        test.detach("s", id);
        // A consumer that reports nothing counts every delivery.
        let id = test.attach("s", &shared(9));
        assert_eq!(test.take_counted("s", id), [(sent[0], 7), (sent[2], 5)]);
        assert!(!test.begin("s", id, sent[0]));
    }

    #[test]
    fn a_consumer_that_comes_back_has_not_ended_with_its_messages() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        for run in [0, 1, 2] {
            lose(&mut test, run, &[sequence]);
        }
        let other = test.attach("s", &reporting(9, 3));
        assert_eq!(test.take_begun("s", other), [(sequence, Some(3))]);
        // They come back, and others have the message meanwhile.
        for run in [0, 2] {
            let id = test.attach("s", &reporting(9, run));
            test.detach("s", id);
        }
        test.detach("s", other);
        let other = test.attach("s", &reporting(9, 4));
        assert_eq!(test.take_begun("s", other), [(sequence, Some(1))]);
        test.detach("s", other);
        // A run that is lost twice with a message counts once. It need not report again that it works.
        lose(&mut test, 1, &[]);
        lose(&mut test, 1, &[sequence]);
        let other = test.attach("s", &reporting(9, 5));
        assert_eq!(test.take_begun("s", other), [(sequence, Some(1))]);
        test.detach("s", other);
        lose(&mut test, 0, &[]);
        let id = test.attach("s", &reporting(9, 2));
        assert_eq!(test.take_begun("s", id), [(sequence, Some(2))]);
        assert!(test.negative_acknowledge("s", id, sequence));
        assert_eq!(test.take_begun("s", id), [(sequence, Some(3))]);
    }

    #[test]
    fn a_message_goes_to_the_consumer_that_still_works_on_it() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        lose(&mut test, 0, &[sequence]);
        // The broker has assigned the message to another consumer, whose socket has not taken it.
        let other = test.attach("s", &reporting(9, 1));
        let back = test.attach("s", &reporting(9, 0));
        assert_eq!(test.take_begun("s", other), []);
        assert_eq!(test.take_begun("s", back), [(sequence, Some(0))]);
        // Older messages do not keep it waiting.
        test.detach("s", back);
        test.detach("s", other);
        let first = test.attach("s", &reporting(1, 3));
        assert_eq!(test.take_begun("s", first), [(sequence, Some(1))]);
        let between = test.publish().unwrap();
        assert!(test.negative_acknowledge("s", first, sequence));
        test.detach("s", first);
        let back = test.attach("s", &reporting(1, 0));
        assert_eq!(test.take_begun("s", back), [(sequence, Some(0))]);
        let other = test.attach("s", &reporting(9, 1));
        assert_eq!(test.take("s", other), [between]);
        assert!(test.acknowledge("s", other, between));
        // Another one has taken it, and returns it.
        test.detach("s", back);
        assert_eq!(test.take_begun("s", other), [(sequence, Some(1))]);
        let third = test.attach("s", &reporting(9, 2));
        let back = test.attach("s", &reporting(1, 0));
        let younger = [test.publish().unwrap(), test.publish().unwrap()];
        assert_eq!(test.take("s", third), younger[..1]);
        assert_eq!(test.take("s", back), younger[1..], "it is full");
        assert!(test.negative_acknowledge("s", other, sequence));
        assert_eq!(test.take_begun("s", third), []);
        assert_eq!(test.take_begun("s", back), [(sequence, Some(0))]);
    }

    #[test]
    fn a_delayed_message_goes_at_once_to_the_consumer_that_still_works_on_it() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        lose(&mut test, 0, &[sequence]);
        let options = ConsumerOptions {
            redelivery_delay: DELAY,
            ..reporting(9, 1)
        };
        let other = test.attach("s", &options);
        assert_eq!(test.take_begun("s", other), [(sequence, Some(1))]);
        assert!(test.negative_acknowledge("s", other, sequence));
        let back = test.attach("s", &reporting(9, 0));
        assert_eq!(test.take_begun("s", back), [(sequence, Some(0))]);
        test.now += DELAY;
        assert_eq!(test.release_due("s", other), None);
        assert_eq!(test.take_begun("s", other), []);
    }

    #[test]
    fn a_consumer_may_come_back_before_its_old_connection_is_lost() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        let old = test.attach("s", &reporting(9, 0));
        assert_eq!(test.take("s", old), [sequence]);
        assert!(test.begin("s", old, sequence));
        let other = test.attach("s", &reporting(9, 1));
        let new = test.attach("s", &reporting(9, 0));
        test.detach("s", old);
        assert_eq!(test.take_begun("s", other), []);
        assert_eq!(test.take_begun("s", new), [(sequence, Some(0))]);
        // Lost now, it has not ended for good.
        test.detach("s", new);
        assert_eq!(test.take_begun("s", other), [(sequence, Some(1))]);
        test.attach("s", &reporting(9, 0));
        test.detach("s", other);
        let other = test.attach("s", &reporting(9, 1));
        assert_eq!(test.take_begun("s", other), []);
    }

    #[test]
    fn a_message_that_was_begun_too_often_becomes_a_dead_letter_and_its_neighbours_do_not() {
        let mut test = TestTopic::new(Limits::default());
        let sent: Vec<_> = (0..3).map(|_| test.publish().unwrap()).collect();
        for run in 0..5 {
            let options = ConsumerOptions {
                run: Some(RunId(run)),
                ..dead_lettering(9, 3)
            };
            let id = test.attach("s", &options);
            test.take("s", id);
            assert!(test.dead_letters().is_empty());
            // The first delivery is not a redelivery, and nobody reports it.
            assert!(run == 0 || test.begin("s", id, sent[0]));
            test.detach("s", id);
        }
        assert_eq!(test.dead_letters(), sent[..1]);
        let id = test.attach("s", &shared(9));
        assert_eq!(test.take("s", id), sent[1..]);
    }

    /// Options of a run that allows two deaths.
    fn mortal(run: u64) -> ConsumerOptions {
        ConsumerOptions {
            max_deaths: Some(2),
            ..reporting(9, run)
        }
    }

    /// Loses a run that works on a message.
    fn die(test: &mut TestTopic, run: u64, sequence: u64) {
        let id = test.attach("s", &mortal(run));
        test.take_begun("s", id);
        assert!(test.begin("s", id, sequence));
        test.detach("s", id);
    }

    /// Lets the topic look at its suspects, and returns what it has put aside since the last call.
    fn judge(test: &mut TestTopic) -> Vec<u64> {
        test.topic.judge_suspects(test.now, &mut test.effects);
        let aside = test.effects.put_aside.drain(..);
        aside.map(|aside| aside.message.sequence).collect()
    }

    #[test]
    fn a_message_that_ended_too_many_consumers_is_put_aside_when_the_last_one_does_not_come_back() {
        let mut test = TestTopic::new(Limits::default());
        let sent = [test.publish().unwrap(), test.publish().unwrap()];
        die(&mut test, 1, sent[0]);
        assert_eq!(test.effects.suspects_due, None);
        die(&mut test, 2, sent[0]);
        assert_eq!(test.effects.suspects_due.take(), Some(test.now + SUSPICION));
        // Meanwhile nobody gets it, and it counts for the backlog.
        let id = test.attach("s", &mortal(3));
        assert_eq!(test.take("s", id), [sent[1]]);
        assert_eq!(test.topic.subscriptions[&name("s")].backlog.messages, 2);
        test.now += SUSPICION / 2;
        assert!(judge(&mut test).is_empty());
        test.now += SUSPICION / 2;
        test.topic.judge_suspects(test.now, &mut test.effects);
        let [aside] = &test.effects.put_aside[..] else {
            panic!("{:?}", test.effects.put_aside)
        };
        assert_eq!((aside.deaths, aside.attempts.len()), (2, 2));
        assert_eq!(aside.subscription, Some(name("s")));
        assert_eq!(judge(&mut test), [sent[0]]);
        assert!(test.acknowledge("s", id, sent[1]));
        let subscription = &test.topic.subscriptions[&name("s")];
        assert_eq!(subscription.backlog, BacklogSize::default());
    }

    #[test]
    fn a_suspect_goes_on_if_a_consumer_comes_back_that_works_on_it() {
        for back in [1, 2] {
            let mut test = TestTopic::new(Limits::default());
            let sequence = test.publish().unwrap();
            die(&mut test, 1, sequence);
            die(&mut test, 2, sequence);
            let other = test.attach("s", &mortal(9));
            assert!(test.take("s", other).is_empty());
            let id = test.attach("s", &mortal(back));
            assert_eq!(test.take_begun("s", id), [(sequence, Some(1))]);
            test.now += SUSPICION;
            assert!(judge(&mut test).is_empty());
            assert!(test.acknowledge("s", id, sequence));
        }
    }

    #[test]
    fn a_message_that_is_given_back_too_often_is_put_aside_at_once() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        let id = test.attach("s", &mortal(1));
        for count in 0..3 {
            assert_eq!(test.take("s", id), [sequence]);
            assert!(count == 0 || test.begin("s", id, sequence));
            assert!(test.negative_acknowledge("s", id, sequence));
        }
        assert_eq!(judge(&mut test), [sequence]);
        assert!(test.take("s", id).is_empty());
    }

    #[test]
    fn a_new_subscription_takes_suspects_over() {
        let mut test = TestTopic::new(Limits::default());
        // A second subscription has the message, too.
        let other = test.attach("other", &mortal(9));
        let id = test.attach("s", &mortal(1));
        let sent = [test.publish().unwrap(), test.publish().unwrap()];
        assert_eq!(test.take("s", id), sent);
        assert!(test.begin("s", id, sent[0]));
        test.detach("s", id);
        die(&mut test, 2, sent[0]);
        test.detach("other", other);
        // A module without a group has another name when it is started again.
        let id = test.attach("t", &mortal(3));
        assert_eq!(test.take("t", id), sent[1..]);
        assert_eq!(test.topic.subscriptions[&name("t")].backlog.messages, 2);
        test.now += SUSPICION;
        assert_eq!(judge(&mut test), sent[..1]);
        assert!(test.acknowledge("t", id, sent[1]));
        let subscription = &test.topic.subscriptions[&name("t")];
        assert_eq!(subscription.backlog, BacklogSize::default());
    }

    /// It allows less than those before it.
    #[test]
    fn a_consumer_that_does_not_begin_a_message_makes_it_a_suspect() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        for run in [1, 2] {
            lose(&mut test, run, &[sequence]);
        }
        let id = test.attach("s", &mortal(3));
        assert_eq!(test.take_begun("s", id), [(sequence, Some(2))]);
        assert!(test.negative_acknowledge("s", id, sequence));
        assert!(judge(&mut test).is_empty());
        let back = test.attach("s", &mortal(1));
        assert_eq!(test.take_begun("s", back), [(sequence, Some(1))]);
        test.detach("s", back);
        let id = test.attach("s", &mortal(4));
        assert!(test.take("s", id).is_empty());
        test.now += SUSPICION;
        assert_eq!(judge(&mut test), [sequence]);
    }

    #[test]
    fn a_new_subscription_takes_over_how_often_messages_were_begun() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        for (subscription, run) in [("a", 1), ("b", 2), ("c", 3)] {
            let id = test.attach(subscription, &reporting(9, run));
            test.take(subscription, id);
            assert!(test.begin(subscription, id, sequence));
            test.detach(subscription, id);
        }
        let id = test.attach("d", &reporting(9, 2));
        assert_eq!(test.take_begun("d", id), [(sequence, Some(2))]);
    }

    #[test]
    fn the_current_consumer_decides_the_number_of_redeliveries() {
        let mut test = TestTopic::new(Limits::default());
        let sequence = test.publish().unwrap();
        for count in 0..5 {
            let id = test.attach("s", &shared(1));
            assert_eq!(test.take_counted("s", id), [(sequence, count)]);
            test.detach("s", id);
        }
        // A message that the socket did not take is not counted.
        let id = test.attach("s", &dead_lettering(1, 3));
        test.detach("s", id);
        assert!(test.dead_letters().is_empty());
        let options = ConsumerOptions {
            redelivery_delay: DELAY,
            ..dead_lettering(1, 3)
        };
        let id = test.attach("s", &options);
        assert_eq!(test.take_counted("s", id), [(sequence, 5)]);
        assert!(test.negative_acknowledge("s", id, sequence));
        assert_eq!(test.dead_letters(), [sequence], "it does not wait");
        test.detach("s", id);
        assert!(test.topic.is_idle());
    }
}
