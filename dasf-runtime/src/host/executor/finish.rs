//! Ends the calls: sends their responses, and acknowledges their requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use dasf_protocol::Status;

use super::{Call, Executor};
use crate::host::acknowledgement::{AcknowledgePolicy, Unacknowledged};
use crate::host::answer::Answer;
use crate::host::duplicates::RecentRequests;
use crate::host::reply_to::ReplyTo;
use crate::module::{Failure, Outcome};
use crate::progress::ReportSink;
use crate::transport::{Parts, PublishError};

const SHUTTING_DOWN: &str = "the module is shutting down";

impl Executor {
    /// Finishes a call from code that cannot wait. What needs to wait continues in a task.
    pub(super) fn complete(
        self: &Arc<Self>,
        mut call: Call,
        report: Option<ReportSink>,
        outcome: Outcome,
    ) {
        // The arguments are gone, and the response counts by itself.
        call.charge = None;
        let executor = Arc::clone(self);
        if report.is_some() || self.policy(call.reply.is_job) == AcknowledgePolicy::Answered {
            let finishing = async move { executor.finish(call, report, outcome).await };
            return self.poll_or_spawn(Box::pin(finishing));
        }
        let answer = Arc::new(Answer::from(outcome));
        call.message
            .join(self.recent.answered(call.ticket, &answer));
        // Nearly every response ends here.
        if call.message.len() == 0 {
            let (properties, payload) = (answer.properties(), &answer.payload);
            if self.answers.send_at_once(&call.reply, properties, payload) {
                return;
            }
        }
        let sending = async move { executor.send_remembered(call, &answer).await };
        self.poll_or_spawn(Box::pin(sending));
    }

    /// Runs work that needs to wait only rarely. Then it continues in a task.
    fn poll_or_spawn(&self, mut finishing: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut no_waker = Context::from_waker(Waker::noop());
        if finishing.as_mut().poll(&mut no_waker).is_pending() {
            self.runtime.spawn(finishing);
        }
    }

    /// Sends the last report and the response of a call, and acknowledges its request.
    pub(super) async fn finish(
        &self,
        mut call: Call,
        report: Option<ReportSink>,
        outcome: Outcome,
    ) {
        // The arguments are gone, and the response counts by itself.
        call.charge = None;
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        if let Some(json) = report.and_then(|report| report.finish(status)) {
            self.outbox
                .send_progress(&call.reply, status, json.into())
                .await;
        }
        let answer = Arc::new(Answer::from(outcome));
        self.answer(call, &answer).await;
    }

    /// Sends a response, and acknowledges its request.
    pub(in crate::host) async fn answer(&self, mut call: Call, answer: &Arc<Answer>) {
        if self.policy(call.reply.is_job) != AcknowledgePolicy::Answered {
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
        message.join(if RecentRequests::remembers(answer) {
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
    async fn send(&self, reply: &ReplyTo, answer: &Answer) {
        let sent = self.answers.send(reply, answer).await;
        let Err(error) = sent else { return };
        log(reply, &error);
        if self.abort.is_cancelled() {
            let failure = Failure::processing(SHUTTING_DOWN);
            self.outbox.try_send_failure(reply, &failure);
        } else if !matches!(
            error,
            PublishError::Closed | PublishError::NobodyListens | PublishError::Unawaited
        ) {
            self.outbox.try_send_failure(reply, &not_delivered(&error));
        }
    }

    /// Sends the remembered response to a request that was redelivered.
    pub(in crate::host) async fn answer_again(
        &self,
        reply: &ReplyTo,
        answer: &Answer,
        mut message: Unacknowledged,
    ) {
        if self.policy(reply.is_job) != AcknowledgePolicy::Answered {
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
    pub(in crate::host) async fn deliver(&self, reply: &ReplyTo, answer: &Answer) -> bool {
        let error = match self.answers.deliver(reply, answer).await {
            Ok(parts) => {
                self.note_answer(reply, parts.as_ref()).await;
                return true;
            }
            Err(error) => error,
        };
        log(reply, &error);
        match error {
            PublishError::Closed => false,
            PublishError::NobodyListens | PublishError::Unawaited => true,
            error => {
                self.outbox.try_send_failure(reply, &not_delivered(&error));
                true
            }
        }
    }

    /// Tells modules that get the request of a job again that the broker has the answer, if they cannot read it.
    async fn note_answer(&self, reply: &ReplyTo, parts: Option<&Parts>) {
        if !reply.is_job || !self.answers.transport.keeps_answers_from_modules() {
            return;
        }
        if let Err(error) = self.outbox.note_answer(reply, parts).await {
            tracing::warn!(
                response_topic = reply.response_topic.as_str(),
                context = &*reply.context,
                error = error.to_string(),
                "the broker does not note that a job is answered: if its request comes again, it runs once more"
            );
        }
    }

    /// Gives up a request that waits or runs when the module stops. If it is not acknowledged, it
    /// goes to another module. Otherwise its caller gets an error.
    pub(in crate::host) async fn leave(&self, call: Call) {
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
}

fn log(reply: &ReplyTo, error: &PublishError) {
    let ReplyTo {
        response_topic,
        context,
        ..
    } = reply;
    if *error == PublishError::Unawaited {
        tracing::info!(
            response_topic = response_topic.as_str(),
            context = &**context,
            "response not delivered: the timeout of its caller is over"
        );
        return;
    }
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
