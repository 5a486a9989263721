//! Runs the functions of calls: plain functions on threads of the host, `async` functions in tasks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::JobState;

use super::job::{Job, Ready};
use super::{CALLER_S_TIME_OVER, Call, Executor};
use crate::context::Context;
use crate::host::thread_watch::Watched;
use crate::module::descriptor::BoxedCall;
use crate::module::{Failure, Invocation, Outcome};
use crate::progress::ReportSink;

/// The calls of plain functions that run now. A call that is taken from here gets no response when
/// its function returns.
#[derive(Default)]
pub(super) struct Running(Mutex<RunningCalls>);

#[derive(Default)]
struct RunningCalls {
    /// A place without a call is free, or its call was taken while its function runs.
    places: Vec<Option<Call>>,
    free: Vec<usize>,
}

impl Running {
    fn with<T>(&self, access: impl FnOnce(&mut RunningCalls) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a call, and returns its place. When its function has returned, [`end`](Self::end) must
    /// follow.
    fn begin(&self, call: Call) -> usize {
        self.with(|running| {
            let place = running.free.pop().unwrap_or_else(|| {
                running.places.push(None);
                running.places.len() - 1
            });
            running.places[place] = Some(call);
            place
        })
    }

    /// Frees a place. Returns its call, unless it was taken.
    fn end(&self, place: usize) -> Option<Call> {
        self.with(|running| {
            running.free.push(place);
            running.places[place].take()
        })
    }

    fn take_all(&self) -> Vec<Call> {
        self.with(|running| running.places.iter_mut().filter_map(Option::take).collect())
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
        let place = self.running.begin(call);
        if self.abort.is_cancelled() {
            self.abandon();
            self.running.end(place);
            return;
        }
        // To copy the span would take longer.
        let kept = context.clone();
        let outcome =
            in_time(&context).and_then(|()| target.run_plain(function, context, report.clone()));
        self.call_log
            .end(&self.runtime, kept.span(), begun, outcome.as_ref());
        // A call that was abandoned has its response.
        if let Some(call) = self.running.end(place) {
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
            () = self.abort.cancelled() => None,
            () = self.returning.cancelled(), if self.limit.may_give_back(call.redelivery) => None,
            permit = self.concurrent.acquire() => Some(permit),
        };
        let Some(permit) = permit else {
            return self.leave(call).await;
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
        self.report_running(&call);
        let span = context.span().clone();
        let number = target.number();
        let outcome = match in_time(&context) {
            Err(failure) => Err(failure),
            Ok(()) => tokio::select! {
                biased;
                outcome = self.thread_watch.note(
                    number,
                    target.run_async(function, context, report.clone()),
                ) => outcome,
                () = self.abort.cancelled() => {
                    self.leave(call).await;
                    return None;
                }
            },
        };
        self.call_log
            .end(&self.runtime, &span, begun, outcome.as_ref());
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
        let calls = waiting.chain(quick).map(|job| job.ready.call);
        for call in calls.chain(self.running.take_all()) {
            self.leave_in_task(call);
        }
    }

    fn leave_in_task(self: &Arc<Self>, call: Call) {
        let executor = Arc::clone(self);
        self.runtime
            .spawn(async move { executor.leave(call).await });
    }
}

/// Fails if the caller does not wait any more.
fn in_time(context: &Context) -> Result<(), Failure> {
    match context.time_left() {
        Some(Duration::ZERO) => Err(Failure::processing(CALLER_S_TIME_OVER)),
        _ => Ok(()),
    }
}
