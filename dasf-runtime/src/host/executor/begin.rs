//! Begins the calls: finds the function of each, and passes the call to where it runs.

use std::sync::Arc;

use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{Properties, TraceContext};
use tokio::time::Instant;
use tracing::Span;

use super::Executor;
use super::job::{Call, Job, Ready, Request};
use crate::context::Context;
use crate::host::budget::SMALL_PAYLOAD;
use crate::host::counts;
use crate::host::job_history::JobHistory;
use crate::host::redelivery::Attempt;
use crate::host::reply_to::ReplyTo;
use crate::module::descriptor::Handler;
use crate::module::{Failure, Origin, Target};
use crate::progress::ReportSink;
use crate::random;

const JOB_CANCELLED: &str = "the job was cancelled before it began";

impl Executor {
    /// Begins a call.
    pub(in crate::host) fn begin(self: &Arc<Self>, request: Request) {
        if request.call.redelivery.attempt == Attempt::Exceeded {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.give_up(request.call).await });
            return;
        }
        if self.must_read_history(&request) {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.begin_job(request).await });
            return;
        }
        self.begin_known(request);
    }

    /// Begins a call of which nothing more has to be known.
    fn begin_known(self: &Arc<Self>, request: Request) {
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

    /// Returns whether the broker may keep something of a job that decides whether it runs.
    fn must_read_history(&self, request: &Request) -> bool {
        let call = &request.call;
        call.reply.is_job
            && (call.redelivery.came_before()
                || request.properties.get(key::REPEATED).is_some()
                || self.answers.transport.delivers_cancelled_jobs())
    }

    /// Begins a job, unless it is done or cancelled.
    async fn begin_job(self: Arc<Self>, mut request: Request) {
        let reading = JobHistory::read(&*self.answers.transport, &request.call.reply);
        let history = tokio::select! {
            biased;
            () = self.abort.cancelled() => return self.leave(request.call).await,
            history = reading => history,
        };
        if history.is_answered {
            tracing::info!(
                message_id = &*request.call.message_id,
                "job not run again: its answer is there"
            );
            let mut message = request.call.message;
            message.join(self.recent.forget(request.call.ticket));
            message.acknowledge().await;
        } else if history.is_cancelled {
            let failure = Failure::processing(JOB_CANCELLED);
            self.log_refusal(&request.call, counts::UNKNOWN, None, &failure);
            self.finish(request.call, None, Err(failure)).await;
        } else {
            if let Some(checkpoint) = history.checkpoint {
                request.properties = request.properties.with(key::CHECKPOINT, checkpoint);
            }
            self.begin_known(request);
        }
    }

    pub(super) fn read(
        &self,
        payload: Payload,
        properties: &Properties,
    ) -> Result<Target, Failure> {
        let payload = payload.into_bytes();
        let payload = payload.map_err(|error| Failure::validation(error.to_string()))?;
        self.module.read(&payload, Origin::Message(properties))
    }

    /// Starts the function of a call.
    pub(super) fn start(
        self: &Arc<Self>,
        target: Result<Target, Failure>,
        properties: Properties,
        call: Call,
    ) {
        // The clock is read only for those who log or count the calls.
        let begun = self.call_log.needs_time().then(Instant::now);
        let target = match target {
            Ok(target) => target,
            Err(failure) => {
                self.log_refusal(&call, counts::UNKNOWN, begun, &failure);
                return self.complete(call, None, Err(failure));
            }
        };
        let report = target.reports().then(|| self.report_sink(&call.reply));
        let checkpoints = call.reply.is_job.then(|| self.checkpoint_sink(&call));
        let (span, trace) = self.span(&call, Some(&target.name()));
        let context = Context::new(
            call.message_id.clone(),
            properties,
            call.reply.deadline.clone(),
            Arc::clone(&self.abort),
            checkpoints,
            trace,
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
        if ready.call.redelivery.attempt == Attempt::Last {
            let executor = Arc::clone(self);
            self.runtime
                .spawn(async move { executor.run_alone(ready, handler).await });
            return;
        }
        self.run(ready, handler);
    }

    /// Runs the function of a call when it is its turn.
    pub(super) fn run(self: &Arc<Self>, ready: Ready, handler: Handler) {
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

    /// Logs the end of a call whose function did not begin, or did not end.
    pub(super) fn log_refusal(
        &self,
        call: &Call,
        number: u16,
        begun: Option<Instant>,
        failure: &Failure,
    ) {
        let (span, _) = self.span(call, None);
        self.call_log
            .end(&self.runtime, &span, number, begun, Err(failure));
    }

    /// Returns the span of a call, with the name of its function if that is known, and its place in the trace.
    fn span(&self, call: &Call, function: Option<&str>) -> (Span, Option<Arc<TraceContext>>) {
        let caller = call.caller_trace.as_deref();
        let trace = caller.map(|caller| caller.at(random::span_id()));
        // OpenTelemetry chooses the id of the span later.
        let shown = trace.as_ref().filter(|_| !cfg!(feature = "opentelemetry"));
        // The level is the highest one, so that events of every level have the span.
        let span = tracing::error_span!(
            parent: None,
            "call",
            function,
            user = call.reply.user.as_deref(),
            trace_id = shown.map(|trace| display(trace.trace_id())),
            span_id = shown.map(|trace| display(trace.span_id())),
            message_id = &*call.message_id,
            topic = self.topic.as_str(),
        );
        #[cfg(feature = "opentelemetry")]
        let trace = crate::telemetry::join(&span, caller).or(trace);
        if cfg!(feature = "opentelemetry")
            && let Some(trace) = &trace
        {
            span.record("trace_id", tracing::field::display(trace.trace_id()));
            span.record("span_id", tracing::field::display(trace.span_id()));
        }
        (span, trace.map(Arc::new))
    }

    fn report_sink(self: &Arc<Self>, reply: &ReplyTo) -> ReportSink {
        let executor = Arc::clone(self);
        let reply = reply.clone();
        let are_kept = reply.is_job && !self.answers.transport.keeps_latest_report();
        ReportSink::paced(
            self.outbox.max_payload_size(),
            are_kept,
            move |status, json| {
                let is_sent = executor
                    .outbox
                    .try_send_progress(&reply, status, json.into());
                if is_sent && let Some(deadline) = &reply.deadline {
                    deadline.restart();
                }
                is_sent
            },
        )
    }
}
