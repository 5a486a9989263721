//! What happened to a message before: its deliveries, and how often a consumer began to work on it.

use std::sync::Arc;
use std::time::SystemTime;

use super::attempt::{Attempt, AttemptEnd, Holder};
use super::consumer::RunId;
use crate::message::rfc3339;
use crate::store::Counts;

/// The largest number of lost consumers of a message that may come back.
const MAX_LOST: usize = 16;

/// The largest number of deliveries that are described: the first one, and the latest ones.
const MAX_ATTEMPTS: usize = 16;

/// The earlier deliveries of a message. Nearly all messages have none, and then it needs no memory.
#[derive(Debug, Default)]
pub(super) struct History(Option<Box<Deliveries>>);

#[derive(Debug, Default)]
struct Deliveries {
    /// The number of deliveries without an acknowledgement.
    redeliveries: u32,
    /// When the consumer that has the message has reported that it works on it.
    begun: Option<String>,
    /// How often a consumer that worked on the message returned it.
    returned: u32,
    /// The consumers that were lost while they worked on the message.
    lost: Vec<Lost>,
    /// The first delivery, and the latest ones whose consumers worked on the message.
    attempts: Vec<Attempt>,
    /// Whether only the consumer that has the message needs it. A flag in each place of a queue would need
    /// memory for all messages.
    is_personal: bool,
}

#[derive(Debug)]
struct Lost {
    run: RunId,
    /// Whether it has connected again, and so still works on the message.
    is_back: bool,
}

impl Deliveries {
    /// Returns whether the consumer that has the message works on it.
    fn is_begun_by(&self, run: RunId) -> bool {
        self.begun.is_some() || self.still_runs_in(run)
    }

    fn still_runs_in(&self, run: RunId) -> bool {
        let mut lost = self.lost.iter();
        lost.any(|lost| lost.run == run && lost.is_back)
    }

    /// Ends a delivery. Returns whether its consumer worked on the message.
    fn end_delivery(
        &mut self,
        run: Option<RunId>,
        holder: impl FnOnce() -> Arc<Holder>,
        end: AttemptEnd,
    ) -> bool {
        let is_first = self.redeliveries == 0;
        self.redeliveries = self.redeliveries.saturating_add(1);
        let begun = self.begun.take();
        let Some(run) = run else { return false };
        let was_begun = begun.is_some() || self.still_runs_in(run);
        if was_begun {
            self.lost.retain(|lost| lost.run != run);
        }
        if was_begun || is_first {
            self.describe(Attempt::ended_now(holder(), run, begun, end));
        }
        was_begun
    }

    fn describe(&mut self, attempt: Attempt) {
        if self.attempts.len() >= MAX_ATTEMPTS {
            self.attempts.remove(1);
        }
        self.attempts.push(attempt);
    }
}

impl History {
    fn change(&mut self) -> &mut Deliveries {
        self.0.get_or_insert_default()
    }

    /// Returns the history of a message that the store has kept.
    pub(super) fn restored(counts: Counts) -> Self {
        let lost = counts.lost.into_iter().map(|run| Lost {
            run: RunId(run),
            is_back: false,
        });
        Self(Some(Box::new(Deliveries {
            redeliveries: counts.redeliveries,
            begun: None,
            returned: counts.returned,
            lost: lost.collect(),
            attempts: counts.attempts,
            is_personal: false,
        })))
    }

    /// Returns what the store keeps of the history, if there is something.
    pub(super) fn counts(&self) -> Option<Counts> {
        let deliveries = self.0.as_ref()?;
        Some(Counts {
            redeliveries: deliveries.redeliveries,
            returned: deliveries.returned,
            // One that is back has to come back again after a restart.
            lost: deliveries.lost.iter().map(|lost| lost.run.0).collect(),
            attempts: deliveries.attempts.clone(),
        })
    }

    /// Records that only the consumer that has the message needs it.
    pub(super) fn make_personal(&mut self) {
        self.change().is_personal = true;
    }

    /// Returns whether only the consumer that has the message needs it.
    pub(super) fn is_personal(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_personal)
    }

    /// Returns the runs that were lost while they worked on the message.
    pub(super) fn lost_runs(&self) -> impl Iterator<Item = RunId> {
        let lost = self.0.iter().flat_map(|deliveries| &deliveries.lost);
        lost.map(|lost| lost.run)
    }

    /// Returns the number of deliveries without an acknowledgement.
    pub(super) fn redeliveries(&self) -> u32 {
        self.0.as_ref().map_or(0, |it| it.redeliveries)
    }

    /// Returns how often a consumer worked on the message and did not finish.
    pub(super) fn begun(&self) -> u32 {
        let Some(deliveries) = &self.0 else { return 0 };
        let lost = deliveries.lost.iter().filter(|lost| !lost.is_back).count();
        let lost = u32::try_from(lost).unwrap_or(u32::MAX);
        deliveries.returned.saturating_add(lost)
    }

    /// Returns whether the consumer that has the message works on it.
    pub(super) fn is_begun_by(&self, run: RunId) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_begun_by(run))
    }

    /// Returns whether a run that was lost with the message has come back, and so still works on it.
    pub(super) fn still_runs_in(&self, run: RunId) -> bool {
        self.0.as_ref().is_some_and(|it| it.still_runs_in(run))
    }

    /// Returns the deliveries that are described.
    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        self.0.map_or_else(Vec::new, |it| it.attempts)
    }

    /// Records that the consumer that has the message works on it.
    pub(super) fn begin(&mut self) {
        let begun = &mut self.change().begun;
        begun.get_or_insert_with(|| rfc3339(SystemTime::now()));
    }

    /// Counts a delivery whose consumer has returned the message. Returns whether it worked on the message.
    pub(super) fn returned(
        &mut self,
        run: Option<RunId>,
        holder: impl FnOnce() -> Arc<Holder>,
    ) -> bool {
        let deliveries = self.change();
        let was_begun = deliveries.end_delivery(run, holder, AttemptEnd::Returned);
        deliveries.returned = deliveries.returned.saturating_add(u32::from(was_begun));
        was_begun
    }

    /// Counts a delivery whose consumer was lost.
    pub(super) fn lost(&mut self, run: Option<RunId>, holder: impl FnOnce() -> Arc<Holder>) {
        let deliveries = self.change();
        let was_begun = deliveries.end_delivery(run, holder, AttemptEnd::Lost);
        match run {
            Some(run) if was_begun && deliveries.lost.len() < MAX_LOST => {
                let is_back = false;
                deliveries.lost.push(Lost { run, is_back });
            }
            _ => deliveries.returned = deliveries.returned.saturating_add(u32::from(was_begun)),
        }
    }

    /// Records that a lost consumer has come back: it still works on the message.
    pub(super) fn has_come_back(&mut self, run: RunId) {
        let Some(deliveries) = &mut self.0 else {
            return;
        };
        let mut was_lost = false;
        for lost in deliveries.lost.iter_mut().filter(|lost| lost.run == run) {
            lost.is_back = true;
            was_lost = true;
        }
        if was_lost {
            // That delivery has not ended.
            let attempts = &mut deliveries.attempts;
            attempts.retain(|it| it.run != run || it.end != AttemptEnd::Lost);
        }
    }

    /// Adds what happened to the same message in another subscription.
    pub(super) fn merge(&mut self, other: Self) {
        let Some(other) = other.0 else { return };
        let known = self.change();
        known.redeliveries = known.redeliveries.max(other.redeliveries);
        known.returned = known.returned.max(other.returned);
        for lost in other.lost {
            if let Some(same) = known.lost.iter_mut().find(|it| it.run == lost.run) {
                same.is_back &= lost.is_back;
            } else if known.lost.len() < MAX_LOST {
                known.lost.push(lost);
            }
        }
        for attempt in other.attempts {
            if !known.attempts.contains(&attempt) {
                known.describe(attempt);
            }
        }
    }
}
