//! What happened to a message before: its deliveries, and how often a consumer began to work on it.

use super::consumer::RunId;

/// The largest number of lost consumers of a message that may come back.
const MAX_LOST: usize = 16;

/// The earlier deliveries of a message. Nearly all messages have none, and then it needs no memory.
#[derive(Debug, Default)]
pub(super) struct History(Option<Box<Deliveries>>);

#[derive(Debug, Default)]
struct Deliveries {
    /// The number of deliveries without an acknowledgement.
    redeliveries: u32,
    /// Whether the consumer that has the message works on it.
    is_begun: bool,
    /// How often a consumer that worked on the message returned it.
    returned: u32,
    /// The consumers that were lost while they worked on the message, and have not come back.
    lost: Vec<RunId>,
}

impl History {
    fn change(&mut self) -> &mut Deliveries {
        self.0.get_or_insert_default()
    }

    /// Returns the number of deliveries without an acknowledgement.
    pub(super) fn redeliveries(&self) -> u32 {
        self.0.as_ref().map_or(0, |it| it.redeliveries)
    }

    /// Returns how often a consumer worked on the message and did not finish.
    pub(super) fn begun(&self) -> u32 {
        let Some(deliveries) = &self.0 else { return 0 };
        let lost = u32::try_from(deliveries.lost.len()).unwrap_or(u32::MAX);
        deliveries.returned.saturating_add(lost)
    }

    /// Returns whether the consumer that has the message works on it.
    pub(super) fn is_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_begun)
    }

    /// Records that the consumer that has the message works on it.
    pub(super) fn begin(&mut self) {
        self.change().is_begun = true;
    }

    /// Counts a delivery whose consumer has returned the message.
    pub(super) fn returned(&mut self) {
        let deliveries = self.change();
        deliveries.redeliveries = deliveries.redeliveries.saturating_add(1);
        if std::mem::take(&mut deliveries.is_begun) {
            deliveries.returned = deliveries.returned.saturating_add(1);
        }
    }

    /// Counts a delivery whose consumer was lost.
    pub(super) fn lost(&mut self, run: Option<RunId>) {
        let deliveries = self.change();
        match run {
            Some(run) if deliveries.is_begun && deliveries.lost.len() < MAX_LOST => {
                deliveries.is_begun = false;
                deliveries.redeliveries = deliveries.redeliveries.saturating_add(1);
                if !deliveries.lost.contains(&run) {
                    deliveries.lost.push(run);
                }
            }
            _ => self.returned(),
        }
    }

    /// Records that a lost consumer has come back: it still works on the message.
    pub(super) fn has_come_back(&mut self, run: RunId) {
        if let Some(deliveries) = &mut self.0 {
            deliveries.lost.retain(|lost| *lost != run);
        }
    }

    /// Adds what happened to the same message in another subscription.
    pub(super) fn merge(&mut self, other: Self) {
        let Some(other) = other.0 else { return };
        let known = self.change();
        known.redeliveries = known.redeliveries.max(other.redeliveries);
        known.returned = known.returned.max(other.returned);
        for run in other.lost {
            if known.lost.len() < MAX_LOST && !known.lost.contains(&run) {
                known.lost.push(run);
            }
        }
    }
}
