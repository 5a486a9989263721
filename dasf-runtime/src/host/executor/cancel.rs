//! Ends calls before their functions have returned: for callers who no longer wait, and when the module stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::job::{Call, Job};
use super::{Executor, Ticket};
use crate::host::acknowledgement::Unacknowledged;
use crate::host::answer::Answer;
use crate::host::duplicates::Cancelled;
use crate::host::reply_to::ReplyTo;
use crate::module::Failure;

pub(super) const CANCELLED: &str = "the caller has cancelled the call";

/// Among how many places the running calls are spread. A cancellation wakes only those of one place.
const PLACES: usize = 16;

/// Wakes the calls that have to look whether they must end.
#[derive(Debug, Default)]
pub(super) struct Interruptions {
    places: [Notify; PLACES],
    /// Whether the module gives up all calls.
    is_aborted: AtomicBool,
}

/// Why a call ends before its function has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// The module stops.
    Aborted,
    /// Its caller has cancelled it.
    Cancelled,
    /// The time of its caller is over.
    Late,
}

impl Executor {
    /// Waits until a call has to end before its function has returned. `late` waits until its time is over.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn interrupted(
        &self,
        call: &Call,
        late: impl Future<Output = ()>,
    ) -> Interruption {
        let place = &self.interruptions.places[call.ticket.place(PLACES)];
        let woken = async {
            loop {
                let next = place.notified();
                if self.interruptions.is_aborted.load(Ordering::Acquire) {
                    return Interruption::Aborted;
                }
                if self.is_cancelled(call) {
                    return Interruption::Cancelled;
                }
                next.await;
            }
        };
        tokio::select! {
            biased;
            interruption = woken => interruption,
            () = late => Interruption::Late,
        }
    }

    /// Returns whether the caller has cancelled a call.
    pub(super) fn is_cancelled(&self, call: &Call) -> bool {
        // Nearly always, nobody has cancelled anything since the call came.
        self.recent.cancellations() != call.cancellations && self.recent.is_cancelled(call.ticket)
    }

    /// Ends the call of a caller who no longer waits, if the request is complete. Returns whether this module
    /// had the request.
    pub(in crate::host) fn cancel_call(self: &Arc<Self>, reply: &ReplyTo) -> bool {
        let state = self.recent.cancel(reply);
        if let Cancelled::Open(ticket) = state {
            self.cancel(ticket);
        } else {
            tracing::debug!(
                response_topic = reply.response_topic.as_str(),
                context = &*reply.context,
                ?state,
                "no call to cancel"
            );
        }
        state != Cancelled::Early
    }

    /// Ends a call that its caller has cancelled: at once if it waits or its function is `async`. A plain
    /// function learns it by its context.
    fn cancel(self: &Arc<Self>, ticket: Ticket) {
        let is_it = |job: &Job| job.ready.call.ticket == ticket;
        let quick = self.quick.take_waiting(is_it);
        for job in self.pool.take_waiting(is_it).into_iter().chain(quick) {
            let number = job.ready.target.number();
            self.end_cancelled_in_task(job.ready.call, number);
        }
        if let Some((context, message)) = self.running.cancel(ticket) {
            context.cancel();
            if let Some(mut message) = message {
                message.join(self.remember(ticket, &Failure::processing(CANCELLED)));
                self.runtime
                    .spawn(async move { message.acknowledge().await });
            }
        }
        self.interruptions.places[ticket.place(PLACES)].notify_waiters();
    }

    /// Ends all calls whose functions are `async` or wait.
    pub(in crate::host) fn abort(self: &Arc<Self>) {
        self.interruptions.is_aborted.store(true, Ordering::Release);
        self.abort.cancel();
        for place in &self.interruptions.places {
            place.notify_waiters();
        }
        self.abandon();
    }

    /// Ends a call of the function with this number, for which nobody waits for this reason, and which does not run. Only a job gets
    /// a response, because others may read it.
    pub(super) async fn end_unawaited(&self, mut call: Call, number: u16, reason: &str) {
        let failure = Failure::processing(reason);
        self.log_refusal(&call, number, None, &failure);
        if call.reply.is_job {
            // In a box, so that the futures of other calls stay small.
            return Box::pin(self.finish(call, None, Err(failure))).await;
        }
        call.message.join(self.remember(call.ticket, &failure));
        call.message.acknowledge().await;
    }

    /// Ends a call that its caller has cancelled, and whose function does not run.
    pub(super) async fn end_cancelled(&self, call: Call, number: u16) {
        self.end_unawaited(call, number, CANCELLED).await;
    }

    pub(super) fn end_cancelled_in_task(self: &Arc<Self>, call: Call, number: u16) {
        let executor = Arc::clone(self);
        self.runtime
            .spawn(async move { executor.end_cancelled(call, number).await });
    }

    /// Records that a request has ended without a response, so that it never runs again. Returns the further
    /// messages with it.
    fn remember(&self, ticket: Ticket, failure: &Failure) -> Unacknowledged {
        let answer = Arc::new(Answer::failure(failure));
        self.recent.answered(ticket, &answer)
    }
}

/// Waits until the caller of a call no longer waits. A job outlives its caller.
pub(super) async fn late(call: &Call) {
    match &call.reply.deadline {
        Some(deadline) if !call.reply.is_job => deadline.over().await,
        _ => std::future::pending().await,
    }
}
