//! Runs one call from its payload to its answer.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Properties, Status, Topic};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::duplicates::{RecentRequests, Ticket};
use super::inbox::Inbox;
use super::receipts::{Moment, Unacknowledged};
use super::replies::{Answer, Replies, Reply};
use super::{Documents, LONGEST_TIMEOUT};
use crate::context::Context;
use crate::module::{Failure, Module, Outcome};
use crate::progress::ReportSink;
use crate::transport::PublishError;

/// What the calls of one host share.
pub(super) struct Worker {
    pub(super) module: Module,
    pub(super) topic: Topic,
    pub(super) documents: Documents,
    pub(super) replies: Arc<Replies>,
    pub(super) inbox: Inbox,
    pub(super) recent: RecentRequests,
    /// When requests are acknowledged.
    pub(super) moment: Moment,
    /// One permit for each call that may run at a time.
    pub(super) workers: Semaphore,
    /// Gives back what waits for a worker.
    pub(super) returning: CancellationToken,
    /// Ends what outlasts the drain timeout.
    pub(super) abort: CancellationToken,
}

/// A request that was accepted.
pub(super) struct Request {
    pub(super) message_id: String,
    pub(super) payload: String,
    pub(super) properties: Properties,
    pub(super) reply: Reply,
    pub(super) ticket: Ticket,
    pub(super) message: Unacknowledged,
}

impl Worker {
    pub(super) async fn serve(self: Arc<Self>, request: Request) {
        let Request {
            message_id,
            payload,
            properties,
            reply,
            ticket,
            mut message,
        } = request;
        let timeout = properties
            .integer(key::TIMEOUT_MS)
            .map(Duration::from_millis);
        let timeout = timeout.filter(|&timeout| timeout <= LONGEST_TIMEOUT);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let is_on_demand = properties.get(key::ON_DEMAND).is_some();
        let cancellation = self.abort.child_token();
        let report = self.report_sink(&reply);
        // Of the highest level, so that it is there for whatever the function logs.
        let span = tracing::error_span!(
            parent: None,
            "call",
            function = tracing::field::Empty, // known once the request is read
            message_id,
            topic = %self.topic,
        );
        let context = Context::new(
            message_id.clone(),
            properties,
            deadline,
            cancellation.clone(),
            span,
        );

        let working = tokio::select! {
            biased;
            () = self.returning.cancelled() => return message.give_back().await,
            working = self.workers.acquire() => working,
            () = self.abort.cancelled() => return self.cut_off(&reply, &ticket, message).await,
        };
        if self.moment == Moment::Begun {
            message.acknowledge_first().await;
        }
        let work = async {
            let payload = if is_on_demand {
                &self.inbox.fetch(&reply, &self.replies).await?
            } else {
                &payload
            };
            self.run(payload, context, report.clone(), deadline, &cancellation)
                .await
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.abort.cancelled() => return self.cut_off(&reply, &ticket, message).await,
        };
        drop(working);
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        if let Err(failure) = &outcome {
            tracing::info!(message_id, %failure, "request failed");
        }
        if let Some(json) = report.finish(status) {
            self.replies.send_progress(&reply, status, &json).await;
        }
        let answer = Arc::new(Answer::from(outcome));
        message.add(self.recent.answered(&ticket, &answer));
        self.answer(&reply, &answer, message).await;
    }

    /// Sends an answer, and acknowledges its request.
    pub(super) async fn answer(&self, reply: &Reply, answer: &Answer, mut message: Unacknowledged) {
        if self.moment != Moment::Answered {
            self.replies.send_answer(reply, answer).await;
            return message.acknowledge().await;
        }
        let Err(error) = self.replies.deliver_answer(reply, answer).await else {
            return message.acknowledge().await;
        };
        let Reply {
            response_topic,
            context,
        } = reply;
        if error == PublishError::Closed {
            tracing::error!(%response_topic, context, "answer not delivered: no connection to its topic");
            // Another module may reach the topic, or this one later.
            message.give_back().await;
        } else {
            tracing::error!(%response_topic, context, %error, "answer not delivered");
            message.acknowledge().await;
        }
    }

    /// Ends a call that outlasts the drain timeout: another module runs it, if the request is not
    /// acknowledged; otherwise its caller is told.
    async fn cut_off(&self, reply: &Reply, ticket: &Ticket, mut message: Unacknowledged) {
        if self.moment == Moment::Answered {
            return message.give_back().await;
        }
        let failure = Failure::processing("the module is shutting down");
        let answer = Arc::new(Answer::failure(&failure));
        message.add(self.recent.answered(ticket, &answer));
        self.answer(reply, &answer, message).await;
    }

    async fn run(
        &self,
        payload: &str,
        context: Context,
        report: ReportSink,
        deadline: Option<Instant>,
        cancellation: &CancellationToken,
    ) -> Outcome {
        let Some(deadline) = deadline else {
            return self
                .module
                .call_in_task(payload, context, Some(report))
                .await;
        };
        if deadline <= Instant::now() {
            return Err(Failure::processing(
                "the caller's time was over before the call could begin",
            ));
        }
        let call = self.module.call_in_task(payload, context, Some(report));
        tokio::pin!(call);
        tokio::select! {
            biased;
            outcome = &mut call => outcome,
            () = tokio::time::sleep_until(deadline) => {
                // The function is told, and decides itself what that means.
                cancellation.cancel();
                call.await
            }
        }
    }

    fn report_sink(self: &Arc<Self>, reply: &Reply) -> ReportSink {
        let worker = Arc::clone(self);
        let reply = reply.clone();
        ReportSink::new(self.replies.max_payload_size(), move |status, json| {
            worker.replies.try_send_progress(&reply, status, &json)
        })
    }
}
