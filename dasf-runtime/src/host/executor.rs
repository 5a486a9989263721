//! Runs the accepted calls: plain functions on threads of the host, `async` functions in tasks.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageId, Properties, Status, Topic};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Dispatch, Span};

use super::acknowledgement::{AcknowledgePolicy, Unacknowledged};
use super::answer::Answer;
use super::answers::Answers;
use super::budget::{Budget, Charge, SMALL_PAYLOAD};
use super::call_log::CallLog;
use super::duplicates::{RecentRequests, Ticket};
use super::inbox::{Fetched, Inbox, Place};
use super::quick_calls::QuickCalls;
use super::redelivery::{Redelivery, RedeliveryLimit};
use super::replies::Replies;
use super::reply::Reply;
use super::search::OwnPings;
use super::thread_watch::{ThreadWatch, Watched};
use super::worker_pool::{Added, WorkerPool};
use super::{Documents, HostOptions, deadline};
use crate::context::Context;
use crate::module::descriptor::{BoxedCall, Handler};
use crate::module::{Failure, Invocation, Module, Outcome, Output, Target};
use crate::progress::ReportSink;
use crate::transport::{PublishError, Transport};

const CALLER_S_TIME_OVER: &str = "the timeout of the caller was over before the call could begin";

/// How long the last attempt of a request waits for the other calls to end, and they for it. Calls may
/// take hours, and they must not stop the module.
const ALONE_PATIENCE: Duration = Duration::from_secs(10);

const SHUTTING_DOWN: &str = "the module is shutting down";

/// The state that all calls of one host share.
pub(super) struct Executor {
    module: Module,
    topic: Topic,
    pub(super) documents: Documents,
    pub(super) replies: Arc<Replies>,
    pub(super) inbox: Arc<Inbox>,
    answers: Answers,
    pub(super) recent: RecentRequests,
    is_in_group: bool,
    /// When requests are acknowledged.
    pub(super) acknowledge: AcknowledgePolicy,
    /// How often a request that comes again may run.
    pub(super) limit: RedeliveryLimit,
    /// The threads for plain functions.
    pub(super) pool: WorkerPool<Job>,
    /// The calls of quick functions, which run on the thread of the host.
    pub(super) quick: QuickCalls<Job>,
    pub(super) call_log: CallLog,
    /// The calls of plain functions that run now.
    running: Running,
    /// The permits of the calls of `async` functions that may run at a time.
    concurrent: Semaphore,
    /// The number of these permits.
    concurrency: u32,
    /// The permit of the only last attempt that may run.
    last_attempt: Arc<Semaphore>,
    /// Notices functions that block the threads of the runtime.
    thread_watch: ThreadWatch,
    /// Cancelled when the requests that wait go back to the broker.
    pub(super) returning: CancellationToken,
    /// The pings of the host itself, which it does not answer.
    pub(super) own_pings: OwnPings,
    /// Cancelled when the drain timeout is over.
    pub(super) abort: Arc<CancellationToken>,
    /// The runtime of the program, for its `async` functions.
    runtime: Handle,
}

/// An accepted request.
pub(super) struct Request {
    pub(super) payload: Payload,
    pub(super) properties: Properties,
    pub(super) call: Call,
}

/// A call that needs a response, and whose messages need an acknowledgement.
pub(super) struct Call {
    pub(super) message_id: MessageId,
    pub(super) reply: Reply,
    pub(super) ticket: Ticket,
    pub(super) redelivery: Redelivery,
    pub(super) message: Unacknowledged,
    /// Counts the call as accepted until it is dropped.
    pub(super) admitted: OwnedSemaphorePermit,
    /// Counts a large payload until the function has returned.
    pub(super) charge: Option<Box<Charge>>,
    /// Kept until the response is acknowledged, if this is the last attempt of the request. In a box,
    /// because nearly no call has it.
    pub(super) last: Option<Box<LastAttempt>>,
}

/// A call whose function is found, and what the function needs.
struct Ready {
    call: Call,
    target: Target,
    context: Context,
    report: Option<ReportSink>,
    /// When the call was accepted, if the log has a line of its end.
    begun: Option<Instant>,
}

/// A call of a plain function.
pub(super) struct Job {
    ready: Ready,
    function: fn(Invocation) -> Outcome,
    /// Whether the broker knows already that the call begins, if it must know it before the function
    /// runs.
    is_ours: bool,
}

impl Job {
    fn new(ready: Ready, function: fn(Invocation) -> Outcome) -> Self {
        Self {
            ready,
            function,
            is_ours: false,
        }
    }
}

/// The only last attempt of a request that may run, until this is dropped.
pub(super) struct LastAttempt {
    _permit: OwnedSemaphorePermit,
    /// Tells that it has ended.
    _ended: DropGuard,
}

/// Keeps all calls but one from running.
struct Alone<'a> {
    executor: &'a Arc<Executor>,
    /// The permits of all `async` functions. The call itself may need one.
    permits: Option<SemaphorePermit<'a>>,
    keeps_others: bool,
}

impl Alone<'_> {
    /// Lets other calls run beside this one.
    fn let_others_begin(&mut self) {
        if !std::mem::take(&mut self.keeps_others) {
            return;
        }
        if let Some(permits) = &mut self.permits {
            drop(permits.split(permits.num_permits().saturating_sub(1)));
        }
        for added in self.executor.pool.not_alone() {
            self.executor.start_thread_if(added);
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.let_others_begin();
    }
}

/// The calls of plain functions that run now. A call that is taken from here gets no response when
/// its function returns.
#[derive(Default)]
struct Running(Mutex<RunningCalls>);

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
    /// Creates the state of a host. The `async` functions run on the current runtime.
    pub(super) fn new(
        module: Module,
        topic: &Topic,
        transport: Arc<dyn Transport>,
        own_pings: OwnPings,
        options: &HostOptions,
    ) -> Self {
        let abort = Arc::new(CancellationToken::new());
        let concurrency = options.concurrency().min(Semaphore::MAX_PERMITS);
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
        let budget = Budget::new(options);
        let inbox = Arc::new(Inbox::new(
            Arc::clone(&transport),
            topic.clone(),
            options.max_fetches(),
            budget.clone(),
            CancellationToken::clone(&abort),
        ));
        let replies = Replies::new(Arc::clone(&transport), topic.clone(), options);
        let acknowledge = AcknowledgePolicy::of(options);
        let at_most_once = acknowledge != AcknowledgePolicy::Answered;
        Self {
            documents: Documents::new(&module, topic, options.group.is_some()),
            topic: topic.clone(),
            module,
            recent: RecentRequests::new(transport.has_unique_message_ids(), at_most_once),
            answers: Answers {
                transport,
                replies: Arc::clone(&replies),
                inbox: Arc::clone(&inbox),
                budget,
            },
            inbox,
            replies,
            is_in_group: options.group.is_some(),
            acknowledge,
            limit: RedeliveryLimit::of(options),
            pool: WorkerPool::new(options.max_workers),
            quick: QuickCalls::default(),
            call_log: CallLog::default(),
            running: Running::default(),
            concurrent: Semaphore::new(concurrency as usize),
            concurrency,
            last_attempt: Arc::new(Semaphore::new(1)),
            thread_watch: ThreadWatch::default(),
            returning: CancellationToken::new(),
            own_pings,
            abort,
            runtime: Handle::current(),
        }
    }

    /// Returns what counts the large payloads.
    pub(super) fn budget(&self) -> &Budget {
        &self.answers.budget
    }

    /// Begins a call.
    pub(super) fn begin(self: &Arc<Self>, request: Request) {
        if self.limit.is_exceeded_by(request.call.redelivery) {
            let executor = Arc::clone(self);
            self.runtime.spawn(async move {
                if executor.limit.may_still_run(request.call.redelivery) {
                    executor.leave(request.call).await;
                } else {
                    executor.give_up(request.call).await;
                }
            });
            return;
        }
        let is_on_demand = request.properties.get(key::ON_DEMAND).is_some();
        // To read a large request takes so long that it would delay others.
        if is_on_demand || request.payload.len() > SMALL_PAYLOAD {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.begin_large(request, is_on_demand).await });
            return;
        }
        let deadline = deadline(&request.properties);
        let Request {
            payload,
            properties,
            call,
        } = request;
        let target = self.read(payload);
        self.start(target, properties, deadline, call);
    }

    fn read(&self, payload: Payload) -> Result<Target, Failure> {
        let payload = payload.into_bytes();
        let payload = payload.map_err(|error| Failure::validation(error.to_string()))?;
        self.module.read(&payload)
    }

    /// Begins a call with a large payload, which the caller may send only when it is asked.
    async fn begin_large(self: Arc<Self>, request: Request, is_on_demand: bool) {
        let Request {
            mut payload,
            properties,
            mut call,
        } = request;
        let deadline = deadline(&properties);
        if is_on_demand {
            let place = match self.place_to_fetch(&call) {
                Ok(place) => place,
                Err(Some(failure)) => {
                    self.log_end(&self.span(&call, None), None, Err(&failure));
                    return self.finish(call, None, Err(failure)).await;
                }
                Err(None) => return self.leave(call).await,
            };
            let fetched = tokio::select! {
                biased;
                () = self.abort.cancelled() => return self.leave(call).await,
                () = self.returning.cancelled(), if self.limit.may_give_back(call.redelivery) => {
                    return self.leave(call).await;
                }
                fetched = self.fetch(place, &call.reply, deadline) => fetched,
            };
            payload = match fetched {
                Ok(fetched) => {
                    call.charge = fetched.charge.map(Box::new);
                    fetched.payload
                }
                Err(failure) => {
                    self.log_end(&self.span(&call, None), None, Err(&failure));
                    return self.finish(call, None, Err(failure)).await;
                }
            };
        }
        let target = without_stalling(|| self.read(payload));
        self.start(target, properties, deadline, call);
    }

    /// Starts the function of a call.
    fn start(
        self: &Arc<Self>,
        target: Result<Target, Failure>,
        properties: Properties,
        deadline: Option<Instant>,
        call: Call,
    ) {
        let begun = CallLog::begin();
        let target = match target {
            Ok(target) => target,
            Err(failure) => {
                self.log_end(&self.span(&call, None), begun, Err(&failure));
                return self.complete(call, None, Err(failure));
            }
        };
        let report = target.reports().then(|| self.report_sink(&call.reply));
        let span = self.span(&call, Some(&target.name()));
        let context = Context::new(
            call.message_id.clone(),
            properties,
            deadline,
            Arc::clone(&self.abort),
            span,
        );
        let handler = target.handler();
        let ready = Ready {
            call,
            target,
            context,
            report,
            begun,
        };
        if self.limit.is_last_attempt(ready.call.redelivery) {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.run_alone(ready, handler).await });
            return;
        }
        self.run(ready, handler);
    }

    /// Runs the function of a call when it is its turn.
    fn run(self: &Arc<Self>, ready: Ready, handler: Handler) {
        match handler {
            Handler::Blocking(function) if ready.target.is_quick() => {
                self.run_quick(Job::new(ready, function));
            }
            Handler::Blocking(function) => self.enqueue(Job::new(ready, function)),
            Handler::Inline(function) => self.run_quick(Job::new(ready, function)),
            Handler::Async(function) => {
                let executor = Arc::clone(self);
                self.runtime
                    .spawn(async move { executor.run_async(ready, function).await });
            }
        }
    }

    fn log_end(&self, span: &Span, begun: Option<Instant>, outcome: Result<&Output, &Failure>) {
        self.call_log.end(&self.runtime, span, begun, outcome);
    }

    /// Returns the span of a call, with the name of its function if that is known.
    fn span(&self, call: &Call, function: Option<&str>) -> Span {
        // The level is the highest one, so that events of every level have the span.
        tracing::error_span!(
            parent: None,
            "call",
            function,
            message_id = &*call.message_id,
            topic = self.topic.as_str(),
        )
    }

    /// Passes a call to the thread of the host.
    fn run_quick(self: &Arc<Self>, job: Job) {
        if self.must_tell_the_broker(&job.ready.call) {
            let executor = Arc::clone(self);
            tokio::spawn(async move { executor.run_quick_if_ours(job).await });
        } else {
            self.quick.push(job);
        }
    }

    async fn run_quick_if_ours(self: Arc<Self>, mut job: Job) {
        if self.is_ours(&mut job.ready.call).await {
            job.is_ours = true;
            self.quick.push(job);
        }
    }

    /// Runs the call of a quick function on this thread.
    pub(super) fn run_quick_call(self: &Arc<Self>, job: Job) {
        // A module may allow only a few calls at a time.
        if self.pool.enter() {
            self.run_plain(job);
            self.pool.leave();
        } else {
            self.enqueue(job);
        }
    }

    /// Logs which functions block the threads of the runtime. Never ends.
    pub(super) async fn watch_threads(self: Arc<Self>) {
        let is_idle = || self.concurrent.available_permits() == self.concurrency as usize;
        let watched = Watched {
            module: &self.module,
            runtime: &self.runtime,
            is_idle,
        };
        self.thread_watch.watch(&watched).await;
    }

    /// Passes a call to the threads.
    fn enqueue(self: &Arc<Self>, job: Job) {
        let added = self.pool.push(job);
        if self.abort.is_cancelled() {
            self.abandon();
        } else if self.returning.is_cancelled() {
            self.return_waiting();
        }
        self.start_thread_if(added);
    }

    fn start_thread_if(self: &Arc<Self>, added: Added) {
        if added != Added::NeedsThread {
            return;
        }
        let executor = Arc::clone(self);
        let thread = std::thread::Builder::new().name("dasf-worker".to_owned());
        // The log goes where the log of the host goes, even if that is not the log of the process.
        let log = tracing::dispatcher::get_default(Dispatch::clone);
        let work = move || tracing::dispatcher::with_default(&log, || executor.work());
        let Err(error) = thread.spawn(work) else {
            return;
        };
        tracing::error!(error = error.to_string(), "no thread can be started");
        for job in self.pool.thread_failed() {
            let failure = Failure::processing(format!("no thread can be started: {error}"));
            self.complete(job.ready.call, None, Err(failure));
        }
    }

    /// Runs calls on this thread as long as the pool has some.
    fn work(self: &Arc<Self>) {
        // Functions may start tasks.
        let _runtime = self.runtime.enter();
        while let Some(mut job) = self.pool.next() {
            let is_told = job.is_ours || !self.must_tell_the_broker(&job.ready.call);
            if is_told || self.runtime.block_on(self.is_ours(&mut job.ready.call)) {
                self.run_plain(job);
            }
            self.pool.finished();
        }
    }

    /// Runs a plain function on this thread, and sends its response.
    fn run_plain(self: &Arc<Self>, job: Job) {
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
        self.log_end(kept.span(), begun, outcome.as_ref());
        // A call that was abandoned has its response.
        if let Some(call) = self.running.end(place) {
            self.complete(call, report, outcome);
        }
    }

    /// Runs an `async` function in this task, and sends its response.
    async fn run_async(self: Arc<Self>, ready: Ready, function: fn(Invocation) -> BoxedCall) {
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
    async fn run_in_task(
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
        self.log_end(&span, begun, outcome.as_ref());
        Some((call, report, outcome))
    }

    /// Runs the last attempt of a request that may end the module, while no other call runs. Otherwise
    /// calls that only run beside such a request would be taken for it. If the other calls or this one
    /// take long, they run side by side, but never beside another last attempt.
    async fn run_alone(self: Arc<Self>, mut ready: Ready, handler: Handler) {
        tracing::warn!(
            message_id = &*ready.call.message_id,
            function = &*ready.target.name(),
            "last attempt of a request that no module finished: it runs alone"
        );
        let ended = CancellationToken::new();
        let permit = tokio::select! {
            biased;
            () = self.abort.cancelled() => return self.leave(ready.call).await,
            () = self.returning.cancelled() => return self.leave(ready.call).await,
            permit = Arc::clone(&self.last_attempt).acquire_owned() => permit,
        };
        ready.call.last = permit.ok().map(|permit| {
            Box::new(LastAttempt {
                _permit: permit,
                _ended: ended.clone().drop_guard(),
            })
        });
        let Some(mut alone) = self.alone_soon().await else {
            return self.run(ready, handler);
        };
        if !self.is_ours(&mut ready.call).await {
            return;
        }
        match handler {
            Handler::Blocking(function) | Handler::Inline(function) => {
                let job = Job {
                    is_ours: true,
                    ..Job::new(ready, function)
                };
                let added = self.pool.push_alone(job);
                self.start_thread_if(added);
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = tokio::time::sleep(ALONE_PATIENCE) => {}
                }
            }
            Handler::Async(function) => {
                let running = async {
                    if let Some((call, report, outcome)) = self.run_in_task(ready, function).await {
                        self.finish(call, report, outcome).await;
                    }
                };
                let mut running = pin!(running);
                tokio::select! {
                    () = &mut running => {}
                    () = tokio::time::sleep(ALONE_PATIENCE) => {
                        alone.let_others_begin();
                        running.await;
                    }
                }
            }
        }
    }

    /// Waits for a while until no call runs, and keeps others from the begin until the result is
    /// dropped. Only the holder of [`last_attempt`](field@Self::last_attempt) may call it.
    async fn alone_soon(self: &Arc<Self>) -> Option<Alone<'_>> {
        let alone = tokio::time::timeout(ALONE_PATIENCE, self.alone());
        tokio::select! {
            biased;
            // A call that begins then is given up.
            () = self.abort.cancelled() => None,
            () = self.returning.cancelled() => None,
            alone = alone => alone.ok(),
        }
    }

    /// Waits until no call runs, and keeps others from the begin until the result is dropped.
    ///
    /// # Cancel safety
    /// When dropped, other calls begin again.
    async fn alone(self: &Arc<Self>) -> Alone<'_> {
        let permits = self.concurrent.acquire_many(self.concurrency).await;
        let alone = Alone {
            executor: self,
            permits: permits.ok(),
            keeps_others: true,
        };
        self.pool.alone().await;
        alone
    }

    /// Finishes a call from code that cannot wait. What needs to wait continues in a task.
    fn complete(self: &Arc<Self>, mut call: Call, report: Option<ReportSink>, outcome: Outcome) {
        // The arguments are gone, and the response counts by itself.
        call.charge = None;
        let executor = Arc::clone(self);
        if report.is_some() || self.acknowledge == AcknowledgePolicy::Answered {
            let finishing = async move { executor.finish(call, report, outcome).await };
            return self.poll_or_spawn(Box::pin(finishing));
        }
        let answer = Arc::new(Answer::from(outcome));
        call.message
            .join(self.recent.answered(call.ticket, &answer));
        // Nearly every response ends here.
        if call.message.len() == 0 && self.answers.send_at_once(&call.reply, &answer) {
            return;
        }
        let sending = async move { executor.send_remembered(call, &answer).await };
        self.poll_or_spawn(Box::pin(sending));
    }

    /// Runs work that needs to wait only rarely. Then it continues in a task.
    fn poll_or_spawn(&self, mut finishing: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut no_waker = TaskContext::from_waker(Waker::noop());
        if finishing.as_mut().poll(&mut no_waker).is_pending() {
            self.runtime.spawn(finishing);
        }
    }

    /// Sends the last report and the response of a call, and acknowledges its request.
    async fn finish(&self, mut call: Call, report: Option<ReportSink>, outcome: Outcome) {
        // The arguments are gone, and the response counts by itself.
        call.charge = None;
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        if let Some(json) = report.and_then(|report| report.finish(status)) {
            self.replies
                .send_progress(&call.reply, status, json.into())
                .await;
        }
        let answer = Arc::new(Answer::from(outcome));
        self.answer(call, &answer).await;
    }

    /// Returns whether the broker must know that a call begins before its function runs.
    fn must_tell_the_broker(&self, call: &Call) -> bool {
        self.acknowledge == AcknowledgePolicy::Begun || self.limit.must_report(call.redelivery)
    }

    /// Acknowledges a request before its function runs, or reports that it begins. Returns whether it
    /// may run here: otherwise the broker delivers it to another module.
    async fn is_ours(&self, call: &mut Call) -> bool {
        let is_ours = tokio::select! {
            biased;
            is_ours = self.tell_the_broker(call) => is_ours,
            // Without a connection, the acknowledgement waits.
            () = self.abort.cancelled() => false,
        };
        if !is_ours {
            let message_id = &*call.message_id;
            tracing::info!(
                message_id,
                "request not run here: the broker delivers it to another module"
            );
        }
        is_ours
    }

    /// Gives up the calls that wait for a thread and may go to another module.
    pub(super) fn return_waiting(self: &Arc<Self>) {
        let may_go = |job: &Job| self.limit.may_give_back(job.ready.call.redelivery);
        let quick = self.quick.take_waiting(may_go);
        for job in self.pool.take_waiting(may_go).into_iter().chain(quick) {
            self.leave_in_task(job.ready.call);
        }
    }

    /// Gives up all calls of plain functions, waiting and running. The functions run to their end.
    pub(super) fn abandon(self: &Arc<Self>) {
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

    /// Acknowledges a request, or reports that it begins. Returns whether this was possible. Otherwise
    /// the broker delivers it again, perhaps to another module.
    async fn tell_the_broker(&self, call: &mut Call) -> bool {
        let Call {
            ticket, message, ..
        } = call;
        // The broker may have delivered it again, on another connection.
        message.join(self.recent.take_noted(*ticket));
        let is_acknowledged_now = self.acknowledge == AcknowledgePolicy::Begun;
        loop {
            let is_told = match is_acknowledged_now {
                true => message.acknowledge_first().await,
                false => message.begin().await,
            };
            if is_told {
                return true;
            }
            match self.recent.forget_unless_noted(*ticket) {
                Some(noted) => *message = noted,
                None => return false,
            }
        }
    }

    /// Returns the place of a request whose payload its caller will send.
    ///
    /// # Errors
    /// Returns the failure of the call, or `None` if the request goes back to the broker.
    fn place_to_fetch(&self, call: &Call) -> Result<Place, Option<Failure>> {
        if !self.is_in_group {
            return Err(Some(Failure::validation(
                "this module has no group, so it does not ask for the payload of a request; send the payload with the \
                 request, or in fragments",
            )));
        }
        self.inbox.place(&call.reply).map_err(|full| {
            let is_kept = call.message.len() > 0 && self.limit.may_give_back(call.redelivery);
            (!is_kept).then(|| full.into())
        })
    }

    /// Asks the caller for the payload of its request, until the deadline.
    async fn fetch(
        &self,
        place: Place,
        reply: &Reply,
        deadline: Option<Instant>,
    ) -> Result<Fetched, Failure> {
        let fetched = self.inbox.fetch(place, reply, &self.replies);
        let Some(deadline) = deadline else {
            return fetched.await;
        };
        tokio::time::timeout_at(deadline, fetched)
            .await
            .unwrap_or_else(|_| Err(Failure::processing(CALLER_S_TIME_OVER)))
    }

    /// Sends a response, and acknowledges its request.
    pub(super) async fn answer(&self, mut call: Call, answer: &Arc<Answer>) {
        if self.acknowledge != AcknowledgePolicy::Answered {
            call.message.join(self.recent.answered(call.ticket, answer));
            return self.send_remembered(call, answer).await;
        }
        let Call {
            reply,
            ticket,
            mut message,
            admitted,
            last,
            ..
        } = call;
        let reply = &reply;
        // Until the end, the call counts as accepted, and as a last attempt.
        let _admitted = admitted;
        if self.deliver(reply, answer).await {
            message.join(self.recent.answered(ticket, answer));
            if last.is_some() {
                // Otherwise the next attempt could end the module first, and this one would count, too.
                message.acknowledge_first().await;
            } else {
                message.acknowledge().await;
            }
            return;
        }
        // Another module may reach the topic, or this module may reach it later. Then that module
        // runs the request again, unless it remembers the response.
        message.join(if answer.is_small() {
            self.recent.answered(ticket, answer)
        } else {
            self.recent.forget(ticket)
        });
        message.give_back().await;
    }

    /// Sends the response to a call, which is remembered, and acknowledges its request, if it is not
    /// acknowledged yet.
    async fn send_remembered(&self, mut call: Call, answer: &Answer) {
        self.send(&call.reply, answer).await;
        call.message.acknowledge().await;
    }

    /// Sends a response. If that fails after a part of it, sends an error to the caller.
    async fn send(&self, reply: &Reply, answer: &Answer) {
        let sent = self.answers.send(reply, answer).await;
        let Err(error) = sent else { return };
        log(reply, &error);
        if self.abort.is_cancelled() {
            let failure = Failure::processing(SHUTTING_DOWN);
            self.replies.try_send_failure(reply, &failure);
        } else if !matches!(error, PublishError::Closed | PublishError::NobodyListens) {
            self.replies.try_send_failure(reply, &not_delivered(&error));
        }
    }

    /// Sends the remembered response to a request that was redelivered.
    pub(super) async fn answer_again(
        &self,
        reply: &Reply,
        answer: &Answer,
        mut message: Unacknowledged,
    ) {
        if self.acknowledge != AcknowledgePolicy::Answered {
            self.send(reply, answer).await;
            message.acknowledge().await;
        } else if self.deliver(reply, answer).await {
            message.acknowledge().await;
        } else {
            message.give_back().await;
        }
    }

    /// Sends a response, and waits until the broker has accepted it. Returns `false` only if there
    /// is no connection to the response topic, so that another attempt may succeed.
    pub(super) async fn deliver(&self, reply: &Reply, answer: &Answer) -> bool {
        let Err(error) = self.answers.deliver(reply, answer).await else {
            return true;
        };
        log(reply, &error);
        match error {
            PublishError::Closed => false,
            PublishError::NobodyListens => true,
            error => {
                self.replies.try_send_failure(reply, &not_delivered(&error));
                true
            }
        }
    }

    /// Gives up a request that waits or runs when the module stops. If it is not acknowledged, it
    /// goes to another module. Otherwise its caller gets an error.
    async fn leave(&self, call: Call) {
        let mut message = call.message;
        message.join(self.recent.forget(call.ticket));
        let is_acknowledged = message.len() == 0;
        message.give_back().await;
        if is_acknowledged {
            let failure = Failure::processing(SHUTTING_DOWN);
            self.send(&call.reply, &Answer::failure(&failure)).await;
        }
        drop(call.admitted);
    }

    fn report_sink(self: &Arc<Self>, reply: &Reply) -> ReportSink {
        let executor = Arc::clone(self);
        let reply = reply.clone();
        ReportSink::new(self.replies.max_payload_size(), move |status, json| {
            executor
                .replies
                .try_send_progress(&reply, status, json.into())
        })
    }
}

/// Fails if the caller does not wait any more.
fn in_time(context: &Context) -> Result<(), Failure> {
    match context.time_left() {
        Some(Duration::ZERO) => Err(Failure::processing(CALLER_S_TIME_OVER)),
        _ => Ok(()),
    }
}

/// Runs work that may take long. The thread's other tasks move to another thread first.
fn without_stalling<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // A runtime with one thread has no other thread for the tasks.
        _ => work(),
    }
}

fn log(reply: &Reply, error: &PublishError) {
    let Reply {
        response_topic,
        context,
        ..
    } = reply;
    tracing::error!(
        response_topic = response_topic.as_str(),
        context = &**context,
        error = error.to_string(),
        "response not delivered"
    );
}

/// Returns the failure of a call whose response could not be delivered.
fn not_delivered(error: &PublishError) -> Failure {
    Failure::processing(format!("the response could not be delivered: {error}"))
}
