//! Requests whose callers have cancelled them.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering;

use super::{RecentRequests, State, Ticket};
use crate::host::reply_to::ReplyTo;
use crate::number_map::NumberMap;

/// How many cancellations are remembered whose requests have not come.
const CAPACITY: usize = 4096;

/// What a cancellation means for its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Cancelled {
    /// The request waits or runs.
    Open(Ticket),
    /// The request has ended.
    Ended,
    /// The request has not come. When it comes, it does not run.
    Early,
}

/// The calls that were cancelled before their requests came, by their hashes. Everybody may send
/// cancellations, so the oldest make room.
#[derive(Debug, Default)]
pub(super) struct EarlyCancellations {
    order: VecDeque<u64>,
    calls: NumberMap<()>,
}

impl EarlyCancellations {
    fn add(&mut self, hash: u64) {
        if self.calls.insert(hash, ()).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.calls.remove(&oldest);
        }
    }

    /// Returns the sizes of both lists, which are the same.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.order.len(), self.calls.len())
    }

    pub(super) fn contain(&self, hash: u64) -> bool {
        !self.calls.is_empty() && self.calls.contains_key(&hash)
    }
}

impl RecentRequests {
    /// Records that the caller of a request has cancelled it.
    pub(in crate::host) fn cancel(&self, reply: &ReplyTo) -> Cancelled {
        let call = reply.call();
        let hash = self.hasher.hash_one(&call);
        let mut memory = self.lock();
        let latest = memory.latest.get(&hash).copied().map(Ticket);
        let Some(ticket) = latest else {
            memory.early.add(hash);
            return Cancelled::Early;
        };
        match memory.request(ticket) {
            Some(request) if request.call == call && matches!(request.state, State::Open(_)) => {
                request.is_cancelled = true;
                self.cancellations.fetch_add(1, Ordering::Release);
                Cancelled::Open(ticket)
            }
            _ => Cancelled::Ended,
        }
    }

    /// Returns how many requests were cancelled that waited or ran. As long as it stays the same, no call is
    /// newly cancelled.
    pub(in crate::host) fn cancellations(&self) -> u64 {
        self.cancellations.load(Ordering::Acquire)
    }

    /// Returns whether the caller of a request has cancelled it.
    pub(in crate::host) fn is_cancelled(&self, ticket: Ticket) -> bool {
        let mut memory = self.lock();
        let request = memory.request(ticket);
        request.is_some_and(|request| request.is_cancelled)
    }
}
