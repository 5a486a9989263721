//! Runs the functions of calls: plain functions on threads of the host, `async` functions in tasks.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use dasf_protocol::JobState;
use tokio::time::Instant;

use super::cancel::{CANCELLED, Interruption, late};
use super::job::{Job, Ready};
use super::{CALLER_S_TIME_OVER, CALLER_S_TIME_OVER_MEANWHILE, Call, Executor, Ticket};
use crate::context::Context;
use crate::host::acknowledgement::Unacknowledged;
use crate::host::thread_watch::Watched;
use crate::module::descriptor::BoxedCall;
use crate::module::{Failure, Invocation, Outcome};
use crate::progress::ReportSink;

/// The calls of plain functions that run now.
#[derive(Default)]
pub(super) struct Running(Mutex<RunningCalls>);

#[derive(Default)]
struct RunningCalls {
    /// A place without a call is free.
    places: Vec<Option<RunningCall>>,
    free: Vec<usize>,
}

struct RunningCall {
    context: Context,
    /// `None` if the call was taken while its function runs. Then it gets no response when the function
    /// returns.
    call: Option<Call>,
    since: Instant,
    /// Whether its caller does not need the result.
    is_cancelled: bool,
}

impl Running {
    fn with<T>(&self, access: impl FnOnce(&mut RunningCalls) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a call that begins now, and returns its place. When its function has returned,
    /// [`end`](Self::end) must follow.
    fn begin(&self, call: Call, context: Context, now: Instant) -> usize {
        let call = RunningCall {
            context,
            call: Some(call),
            since: now,
            is_cancelled: false,
        };
        self.with(|running| {
            let place = running.free.pop().unwrap_or_else(|| {
                running.places.push(None);
                running.places.len() - 1
            });
            running.places[place] = Some(call);
            place
        })
    }

    /// Frees a place, and returns its call.
    fn end(&self, place: usize) -> Option<RunningCall> {
        self.with(|running| {
            running.free.push(place);
            running.places[place].take()
        })
    }

    /// Returns since when a call runs.
    pub(super) fn since(&self, ticket: Ticket) -> Option<Instant> {
        self.with(|running| {
            let is_it = |call: &Call| call.ticket == ticket;
            let mut calls = running.places.iter().flatten();
            let running = calls.find(|running| running.call.as_ref().is_some_and(is_it))?;
            Some(running.since)
        })
    }

    /// Takes all calls. Returns those whose callers need a response, with their contexts.
    fn take_all(&self) -> Vec<(Call, Context)> {
        self.with(|running| {
            let calls = running.places.iter_mut().flatten().filter_map(|running| {
                let call = running.call.take()?;
                (!running.is_cancelled).then(|| (call, running.context.clone()))
            });
            calls.collect()
        })
    }

    /// Marks a call as cancelled, so that nobody gets its result. Returns its context and its unacknowledged
    /// messages. The call still counts as accepted, because its function runs. A job keeps its messages until
    /// then.
    pub(super) fn cancel(&self, ticket: Ticket) -> Option<(Context, Option<Unacknowledged>)> {
        self.with(|running| {
            let mut running = running.places.iter_mut().flatten();
            running.find_map(|running| {
                let call = running.call.as_mut().filter(|call| call.ticket == ticket)?;
                running.is_cancelled = true;
                let message = (!call.reply.is_job).then(|| std::mem::take(&mut call.message));
                Some((running.context.clone(), message))
            })
        })
    }
}

impl Executor {
    /// Runs the call of a quick function on this thread.
    pub(in crate::host) fn run_quick_call(self: &Arc<Self>, job: Job) {
        // A module may allow only a few calls at a time.
        if self.pool.enter() {
            self.run_plain(job);
            self.pool.leave();
        } else {
            self.enqueue(job);
        }
    }

    /// Logs which functions block the threads of the runtime. Never ends.
    pub(in crate::host) async fn watch_threads(self: Arc<Self>) {
        let is_idle = || self.concurrent.available_permits() == self.concurrency as usize;
        let watched = Watched {
            module: &self.module,
            runtime: &self.runtime,
            is_idle,
        };
        self.thread_watch.watch(&watched).await;
    }

    /// Runs a plain function on this thread, and sends its response.
    pub(super) fn run_plain(self: &Arc<Self>, job: Job) {
        let Job {
            ready, function, ..
        } = job;
        let Ready {
            call,
            target,
            context,
            report,
            begun,
        } = ready;
        self.report_running(&call);
        let number = target.number();
        let ticket = call.ticket;
        let before = call.cancellations;
        let now = Instant::now();
        let place = self.running.begin(call, context.clone(), now);
        if self.abort.is_cancelled() {
            self.abandon();
            self.running.end(place);
            return;
        }
        // What comes later finds the call among those that run.
        if self.recent.cancellations() != before && self.recent.is_cancelled(ticket) {
            let call = self.running.end(place).and_then(|running| running.call);
            if let Some(call) = call {
                self.end_cancelled_in_task(call, number);
            }
            return;
        }
        let outcome = in_time(&context, now)
            .and_then(|()| target.run_plain(function, context, report.clone()));
        let Some(running) = self.running.end(place) else {
            return;
        };
        let span = running.context.span();
        if running.is_cancelled {
            let failure = Failure::processing(CANCELLED);
            self.call_log
                .end(&self.runtime, span, number, begun, Err(&failure));
            if let Some(call) = running.call.filter(|call| call.reply.is_job) {
                self.complete(call, report, Err(failure));
            }
            return;
        }
        self.call_log
            .end(&self.runtime, span, number, begun, outcome.as_ref());
        // A call that was abandoned has its response.
        if let Some(call) = running.call {
            self.complete(call, report, outcome);
        }
    }

    /// Runs an `async` function in this task, and sends its response.
    pub(super) async fn run_async(
        self: Arc<Self>,
        ready: Ready,
        function: fn(Invocation) -> BoxedCall,
    ) {
        let Ready {
            mut call,
            target,
            context,
            report,
            begun,
        } = ready;
        let permit = tokio::select! {
            biased;
            why = self.interrupted(&call, pending()) => Err(why),
            () = self.returning.cancelled(), if self.limit.may_give_back(call.redelivery) => {
                Err(Interruption::Aborted)
            }
            permit = self.concurrent.acquire() => Ok(permit),
            never = self.waiting_async.note(call.ticket, || ()) => match never {},
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(Interruption::Cancelled) => {
                return self.end_cancelled(call, target.number()).await;
            }
            Err(Interruption::Aborted | Interruption::Late) => return self.leave(call).await,
        };
        if self.must_tell_the_broker(&call) && !self.is_ours(&mut call).await {
            return;
        }
        let ready = Ready {
            call,
            target,
            context,
            report,
            begun,
        };
        if let Some((call, report, outcome)) = self.run_in_task(ready, function).await {
            drop(permit);
            self.finish(call, report, outcome).await;
        }
    }

    /// Runs an `async` function in this task. Returns `None` if the call was given up.
    pub(super) async fn run_in_task(
        &self,
        ready: Ready,
        function: fn(Invocation) -> BoxedCall,
    ) -> Option<(Call, Option<ReportSink>, Outcome)> {
        let Ready {
            call,
            target,
            context,
            report,
            begun,
        } = ready;
        let number = target.number();
        if self.is_cancelled(&call) {
            self.end_cancelled(call, number).await;
            return None;
        }
        self.report_running(&call);
        let kept = context.clone();
        let ticket = call.ticket;
        let outcome = match in_time(&context, Instant::now()) {
            Err(failure) => Err(failure),
            // The function is dropped when the call ends before it has returned.
            Ok(()) => tokio::select! {
                biased;
                outcome = self.thread_watch.note(
                    number,
                    target.run_async(function, context, report.clone()),
                ) => outcome,
                never = self.running_async.note(ticket, Instant::now) => match never {},
                why = self.interrupted(&call, late(&call)) => match why {
                    Interruption::Aborted => {
                        self.leave_running(call, &kept).await;
                        return None;
                    }
                    Interruption::Cancelled => {
                        kept.cancel();
                        self.end_cancelled(call, number).await;
                        return None;
                    }
                    Interruption::Late => {
                        kept.cancel();
                        self.end_unawaited(call, number, CALLER_S_TIME_OVER_MEANWHILE).await;
                        return None;
                    }
                },
            },
        };
        self.call_log
            .end(&self.runtime, kept.span(), number, begun, outcome.as_ref());
        Some((call, report, outcome))
    }

    /// Tells the readers of a job that its function runs now.
    fn report_running(&self, call: &Call) {
        if call.reply.is_job {
            self.outbox
                .try_send_job_state(&call.reply, JobState::Running);
        }
    }

    /// Gives up the calls that wait for a thread and may go to another module.
    pub(in crate::host) fn return_waiting(self: &Arc<Self>) {
        let may_go = |job: &Job| self.limit.may_give_back(job.ready.call.redelivery);
        let quick = self.quick.take_waiting(may_go);
        for job in self.pool.take_waiting(may_go).into_iter().chain(quick) {
            self.leave_in_task(job.ready.call);
        }
    }

    /// Gives up all calls of plain functions, waiting and running. The functions run to their end.
    pub(in crate::host) fn abandon(self: &Arc<Self>) {
        let waiting = self.pool.take_waiting(|_| true).into_iter();
        let quick = self.quick.take_waiting(|_| true);
        for job in waiting.chain(quick) {
            self.leave_in_task(job.ready.call);
        }
        for (call, context) in self.running.take_all() {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.leave_running(call, &context).await });
        }
    }

    fn leave_in_task(self: &Arc<Self>, call: Call) {
        let executor = Arc::clone(self);
        self.runtime
            .spawn(async move { executor.leave(call).await });
    }
}

/// Fails if the caller does not wait any more.
fn in_time(context: &Context, now: Instant) -> Result<(), Failure> {
    match context.is_late(now) {
        true => Err(Failure::processing(CALLER_S_TIME_OVER)),
        false => Ok(()),
    }
}
