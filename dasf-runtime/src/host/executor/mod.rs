//! Runs the accepted calls.

mod alone;
mod begin;
mod cancel;
mod checkpoint;
mod finish;
mod job;
mod large;
mod run;
mod standing;
mod workers;

#[cfg(feature = "status")]
use std::borrow::Cow;
use std::sync::Arc;

use dasf_protocol::{Properties, Topic};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acknowledgement::AcknowledgePolicy;
use super::answers::Answers;
use super::budget::Budget;
use super::call_log::CallLog;
use super::duplicates::{RecentRequests, Ticket};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::passing::Passing;
use super::quick_calls::QuickCalls;
use super::redelivery::RedeliveryLimit;
use super::search::OwnPings;
use super::thread_watch::ThreadWatch;
use super::worker_pool::WorkerPool;
use super::{Documents, HostOptions};
use crate::load::ModuleLoad;
use crate::module::{Failure, Module, Origin};
use crate::transport::Transport;
use cancel::Interruptions;
use job::Job;
pub(super) use job::{Call, Request};
use run::Running;
use standing::Noted;
pub(super) use standing::Standing;

const CALLER_S_TIME_OVER: &str = "the timeout of the caller was over before the call could begin";
const CALLER_S_TIME_OVER_MEANWHILE: &str =
    "the timeout of the caller was over before the function had returned";

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
    /// Passes cancellations on to the other modules of a group.
    pub(super) passing: Option<Passing>,
    /// Wakes the other calls when they have to end.
    interruptions: Interruptions,
    /// The calls of `async` functions that run and wait for something, and since when.
    running_async: Noted<Instant>,
    /// The calls of `async` functions that wait for a permit.
    waiting_async: Noted<()>,
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
    abort: Arc<CancellationToken>,
    /// The runtime of the program, for its `async` functions.
    runtime: Handle,
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
        let counts = options.counts(&module).map(Arc::new);
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
        let is_in_group = options.group.is_some();
        let passing = is_in_group
            .then(|| Passing::new(&transport, topic))
            .flatten();
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
            is_in_group,
            acknowledge,
            limit: RedeliveryLimit::of(options),
            pool: WorkerPool::new(options.max_workers),
            quick: QuickCalls::default(),
            call_log: CallLog::new(counts),
            running: Running::default(),
            passing,
            interruptions: Interruptions::default(),
            running_async: Noted::default(),
            waiting_async: Noted::default(),
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

    /// Returns the labels of the module.
    #[cfg(feature = "status")]
    pub(super) fn build(&self) -> Vec<(&'static str, String)> {
        let module = &self.module;
        vec![
            ("module", module.name().to_owned()),
            ("version", module.version().to_owned()),
            ("dasf", env!("CARGO_PKG_VERSION").to_owned()),
            ("topic", self.topic.to_string()),
        ]
    }

    /// Returns the name of the function with this number, with its class.
    #[cfg(feature = "status")]
    pub(super) fn function_name(&self, number: u16) -> Option<Cow<'static, str>> {
        self.module.function_name(number)
    }

    /// Returns how much work there is now, and was since the start.
    pub(super) fn load(&self) -> ModuleLoad {
        let plain = self.pool.load();
        let permits = self.concurrent.available_permits();
        let running = plain.running + (self.concurrency as usize).saturating_sub(permits);
        let waiting = plain.waiting + self.quick.len() + self.waiting_async.len();
        let (answered, failed) = self.call_log.ended();
        ModuleLoad {
            running: running as u64,
            waiting: waiting as u64,
            answered,
            failed,
        }
    }

    /// Returns what counts the large payloads.
    pub(super) fn budget(&self) -> &Budget {
        &self.answers.budget
    }

    /// Returns when a request is acknowledged. That of a job always waits for the response.
    pub(super) fn policy(&self, is_job: bool) -> AcknowledgePolicy {
        match is_job {
            true => AcknowledgePolicy::Answered,
            false => self.acknowledge,
        }
    }

    /// Checks whether a request may reach any function of the module, before it is known which one it names.
    ///
    /// # Errors
    /// Returns the failure of a request that may not.
    pub(super) fn check_access(&self, properties: &Properties) -> Result<(), Failure> {
        self.module.check_access(Origin::Message(properties))
    }

    /// Returns whether the broker must know that a call begins before its function runs.
    fn must_tell_the_broker(&self, call: &Call) -> bool {
        self.policy(call.reply.is_job) == AcknowledgePolicy::Begun
            || call.redelivery.attempt.must_report()
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
            ticket,
            message,
            reply,
            ..
        } = call;
        // The broker may have delivered it again, on another connection.
        message.join(self.recent.begin(*ticket));
        let is_acknowledged_now = self.policy(reply.is_job) == AcknowledgePolicy::Begun;
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
}
