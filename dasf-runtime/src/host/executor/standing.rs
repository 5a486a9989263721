//! What the host knows of a call for which its caller asks: how many wait before it, or how long it runs.
//!
//! Most calls end before somebody asks. So a call is noted only when it has to wait, or when an `async`
//! function waits for something.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::Executor;
use super::job::Job;
use crate::host::duplicates::Ticket;
use crate::host::reply_to::CallId;

/// How far the host looks through the calls that wait for a thread.
const MAX_LOOK: usize = 10_000;

/// What the host knows of a call without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Standing {
    /// So many calls wait before it.
    Waits { before: usize },
    /// Its function has run for this time.
    Runs { so_far: Duration },
}

/// The calls that are in one state, with what the host knows of each.
pub(super) struct Noted<T>(Mutex<BTreeMap<Ticket, T>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Notes a call when it is polled first, until it is dropped. It is never ready.
pub(super) struct Note<'a, T> {
    noted: &'a Noted<T>,
    ticket: Ticket,
    value: fn() -> T,
    is_noted: bool,
}

impl<T> Noted<T> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ticket, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of calls.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn note(&self, ticket: Ticket, value: fn() -> T) -> Note<'_, T> {
        Note {
            noted: self,
            ticket,
            value,
            is_noted: false,
        }
    }
}

impl<T> Future for Note<'_, T> {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Infallible> {
        let note = self.get_mut();
        if !note.is_noted {
            note.is_noted = true;
            note.noted.lock().insert(note.ticket, (note.value)());
        }
        Poll::Pending
    }
}

impl<T> Drop for Note<'_, T> {
    fn drop(&mut self) {
        if self.is_noted {
            self.noted.lock().remove(&self.ticket);
        }
    }
}

impl Executor {
    /// Returns what the host knows of a call; `None` if it does not know it, or the call is on its way
    /// from one state to the next.
    pub(in crate::host) fn standing(&self, call: &CallId) -> Option<Standing> {
        let ticket = self.recent.unanswered(call)?;
        let since = self.running.since(ticket).or_else(|| {
            let running = self.running_async.lock();
            running.get(&ticket).copied()
        });
        if let Some(since) = since {
            let so_far = since.elapsed();
            return Some(Standing::Runs { so_far });
        }
        let is_it = |job: &Job| job.ready.call.ticket == ticket;
        let before = self.pool.position(MAX_LOOK, is_it).or_else(|| {
            let waiting = self.waiting_async.lock();
            let is_there = waiting.contains_key(&ticket);
            is_there.then(|| waiting.range(..ticket).count())
        });
        before.map(|before| Standing::Waits { before })
    }
}
