//! Runs the accepted calls: finds the function of each, and starts it.

mod alone;
mod finish;
mod large;
mod run;

use std::sync::Arc;

use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageId, Properties, Topic};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::acknowledgement::{AcknowledgePolicy, Unacknowledged};
use super::answers::Answers;
use super::budget::{Budget, Charge, SMALL_PAYLOAD};
use super::call_log::CallLog;
use super::duplicates::{RecentRequests, Ticket};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::quick_calls::QuickCalls;
use super::redelivery::{Redelivery, RedeliveryLimit};
use super::reply_to::ReplyTo;
use super::search::OwnPings;
use super::thread_watch::ThreadWatch;
use super::worker_pool::WorkerPool;
use super::{Documents, HostOptions};
use crate::context::Context;
use crate::module::descriptor::Handler;
use crate::module::{Failure, Module, Origin, Output, Target};
use crate::progress::ReportSink;
use crate::transport::Transport;
use alone::LastAttempt;
use run::{Job, Running};

const CALLER_S_TIME_OVER: &str = "the timeout of the caller was over before the call could begin";

/// The state that all calls of one host share.
pub(super) struct Executor {
    module: Module,
    topic: Topic,
    pub(super) documents: Documents,
    pub(super) outbox: Arc<Outbox>,
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
    pub(super) reply: ReplyTo,
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
        let outbox = Outbox::new(Arc::clone(&transport), topic.clone(), options);
        let acknowledge = AcknowledgePolicy::of(options);
        let at_most_once = acknowledge != AcknowledgePolicy::Answered;
        Self {
            documents: Documents::new(&module, topic, options.group.is_some()),
            topic: topic.clone(),
            module,
            recent: RecentRequests::new(transport.has_unique_message_ids(), at_most_once),
            answers: Answers {
                transport,
                outbox: Arc::clone(&outbox),
                inbox: Arc::clone(&inbox),
                budget,
            },
            inbox,
            outbox,
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

    /// Checks whether a request may reach any function of the module, before it is known which one it names.
    ///
    /// # Errors
    /// Returns the failure of a request that may not.
    pub(super) fn check_access(&self, properties: &Properties) -> Result<(), Failure> {
        self.module.check_access(Origin::Message(properties))
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
        let Request {
            payload,
            properties,
            call,
        } = request;
        let target = self.read(payload, &properties);
        self.start(target, properties, call);
    }

    fn read(&self, payload: Payload, properties: &Properties) -> Result<Target, Failure> {
        let payload = payload.into_bytes();
        let payload = payload.map_err(|error| Failure::validation(error.to_string()))?;
        self.module.read(&payload, Origin::Message(properties))
    }

    /// Starts the function of a call.
    fn start(
        self: &Arc<Self>,
        target: Result<Target, Failure>,
        properties: Properties,
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
            call.reply.deadline,
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

    /// Acknowledges a request, or reports that it begins. Returns whether this was possible. Otherwise
    /// the broker delivers it again, perhaps to another module.
    async fn tell_the_broker(&self, call: &mut Call) -> bool {
        let Call {
            ticket, message, ..
        } = call;
        // The broker may have delivered it again, on another connection.
        message.join(self.recent.begin(*ticket));
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
            user = call.reply.user.as_deref(),
            message_id = &*call.message_id,
            topic = self.topic.as_str(),
        )
    }

    fn report_sink(self: &Arc<Self>, reply: &ReplyTo) -> ReportSink {
        let executor = Arc::clone(self);
        let reply = reply.clone();
        ReportSink::new(self.outbox.max_payload_size(), move |status, json| {
            executor
                .outbox
                .try_send_progress(&reply, status, json.into())
        })
    }
}
