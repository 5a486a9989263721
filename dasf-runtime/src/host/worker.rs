//! Runs one call, from its payload to its response.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{Properties, Status, Topic};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acknowledgement::{AcknowledgePolicy, Unacknowledged};
use super::duplicates::{RecentRequests, Ticket};
use super::inbox::Inbox;
use super::replies::{Answer, Replies, Reply};
use super::search::OwnPings;
use super::{Documents, LONGEST_TIMEOUT};
use crate::context::Context;
use crate::module::{Failure, Module, Outcome};
use crate::progress::ReportSink;
use crate::transport::PublishError;

const CALLER_S_TIME_OVER: &str = "the timeout of the caller was over before the call could begin";

const SHUTTING_DOWN: &str = "the module is shutting down";

/// The state that all calls of one host share.
pub(super) struct Worker {
    pub(super) module: Module,
    pub(super) topic: Topic,
    pub(super) documents: Documents,
    pub(super) replies: Arc<Replies>,
    pub(super) inbox: Inbox,
    pub(super) recent: RecentRequests,
    /// When requests are acknowledged.
    pub(super) acknowledge: AcknowledgePolicy,
    /// The number of redeliveries of a request.
    pub(super) max_redeliveries: Option<u32>,
    /// The permits of the calls that may run at a time.
    pub(super) workers: Semaphore,
    /// Cancelled when the requests that wait for a worker go back to the broker.
    pub(super) returning: CancellationToken,
    /// The pings of the host itself, which it does not answer.
    pub(super) own_pings: OwnPings,
    /// Cancelled when the drain timeout is over.
    pub(super) abort: CancellationToken,
}

/// An accepted request.
pub(super) struct Request {
    pub(super) message_id: String,
    pub(super) payload: String,
    pub(super) properties: Properties,
    pub(super) reply: Reply,
    pub(super) ticket: Ticket,
    pub(super) redelivery_count: u32,
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
            redelivery_count,
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
        // The level is the highest one, so that events of every level have the span.
        let span = tracing::error_span!(
            parent: None,
            "call",
            function = tracing::field::Empty, // recorded after the request is read
            message_id,
            topic = self.topic.as_str(),
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
            () = self.abort.cancelled() => None,
            () = self.returning.cancelled(), if self.may_give_back(redelivery_count) => None,
            working = self.workers.acquire() => Some(working),
        };
        let Some(working) = working else {
            return self.leave(&reply, &ticket, message).await;
        };
        if self.acknowledge == AcknowledgePolicy::Begun {
            let is_ours = tokio::select! {
                biased;
                is_ours = self.begin(&ticket, &mut message) => is_ours,
                // Without a connection, the acknowledgement waits.
                () = self.abort.cancelled() => false,
            };
            if !is_ours {
                tracing::info!(
                    message_id,
                    "request not run here: the broker delivers it to another module"
                );
                return;
            }
        }
        let work = async {
            let payload = if is_on_demand {
                &self.fetch(&reply, deadline).await?
            } else {
                &payload
            };
            self.run(payload, context, report.clone(), deadline, &cancellation)
                .await
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.abort.cancelled() => return self.leave(&reply, &ticket, message).await,
        };
        drop(working);
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        if let Err(failure) = &outcome {
            let failure = failure.in_full();
            tracing::info!(message_id, failure, "request failed");
        }
        if let Some(json) = report.finish(status) {
            self.replies.send_progress(&reply, status, &json).await;
        }
        let answer = Arc::new(Answer::from(outcome));
        self.answer(&reply, &ticket, &answer, message).await;
    }

    /// Returns whether a request with this number of redeliveries can go back to the broker. At the
    /// limit, the broker would move it to the dead-letter topic.
    pub(super) fn may_give_back(&self, redelivery_count: u32) -> bool {
        let next = redelivery_count.saturating_add(1);
        self.max_redeliveries.is_none_or(|limit| next < limit)
    }

    /// Acknowledges a request before it runs. Returns whether this was possible. Otherwise the
    /// broker delivers it again, perhaps to another module.
    async fn begin(&self, ticket: &Ticket, message: &mut Unacknowledged) -> bool {
        // The broker may have delivered it again, on another connection.
        message.join(self.recent.take_noted(ticket));
        while !message.acknowledge_first().await {
            match self.recent.forget_unless_noted(ticket) {
                Some(noted) => *message = noted,
                None => return false,
            }
        }
        true
    }

    /// Asks the caller for the payload of its request, until the deadline.
    async fn fetch(&self, reply: &Reply, deadline: Option<Instant>) -> Result<String, Failure> {
        let fetched = self.inbox.fetch(reply, &self.replies);
        let Some(deadline) = deadline else {
            return fetched.await;
        };
        tokio::time::timeout_at(deadline, fetched)
            .await
            .unwrap_or_else(|_| Err(Failure::processing(CALLER_S_TIME_OVER)))
    }

    /// Sends a response, and acknowledges its request.
    async fn answer(
        &self,
        reply: &Reply,
        ticket: &Ticket,
        answer: &Arc<Answer>,
        mut message: Unacknowledged,
    ) {
        if self.acknowledge != AcknowledgePolicy::Answered {
            message.join(self.recent.answered(ticket, answer));
            self.send(reply, answer).await;
            return message.acknowledge().await;
        }
        if self.deliver(reply, answer).await {
            message.join(self.recent.answered(ticket, answer));
            return message.acknowledge().await;
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

    /// Sends a response. If that fails after a part of it, sends an error to the caller.
    async fn send(&self, reply: &Reply, answer: &Answer) {
        let sent = self.replies.send_answer(&self.inbox, reply, answer).await;
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
    async fn deliver(&self, reply: &Reply, answer: &Answer) -> bool {
        let Err(error) = self
            .replies
            .deliver_answer(&self.inbox, reply, answer)
            .await
        else {
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
    async fn leave(&self, reply: &Reply, ticket: &Ticket, mut message: Unacknowledged) {
        message.join(self.recent.forget(ticket));
        let is_acknowledged = message.len() == 0;
        message.give_back().await;
        if is_acknowledged {
            let failure = Failure::processing(SHUTTING_DOWN);
            self.send(reply, &Answer::failure(&failure)).await;
        }
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
            return Err(Failure::processing(CALLER_S_TIME_OVER));
        }
        let call = self.module.call_in_task(payload, context, Some(report));
        tokio::pin!(call);
        tokio::select! {
            biased;
            outcome = &mut call => outcome,
            () = tokio::time::sleep_until(deadline) => {
                // The function decides what to do about the cancellation.
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

fn log(reply: &Reply, error: &PublishError) {
    let Reply {
        response_topic,
        context,
        ..
    } = reply;
    tracing::error!(
        response_topic = response_topic.as_str(),
        context,
        error = error.to_string(),
        "response not delivered"
    );
}

/// Returns the failure of a call whose response could not be delivered.
fn not_delivered(error: &PublishError) -> Failure {
    Failure::processing(format!("the response could not be delivered: {error}"))
}
