//! Requests that come again, because a module did not finish them.
//!
//! A request may end its module whenever it runs. So the host reports to a broker that counts it when
//! a redelivered request begins to run. The last attempt runs alone, so that the request is not blamed for
//! the end of another one. After that, the host answers the request with an error.

use std::sync::Arc;

use dasf_protocol::Delivery;

use super::acknowledgement::AcknowledgePolicy;
use super::answer::Answer;
use super::executor::{Call, Executor};
use super::options::HostOptions;
use crate::module::Failure;

/// The earlier deliveries of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Redelivery {
    /// The number of earlier deliveries, if the broker counts them.
    count: u32,
    /// How often a module has begun the request after a redelivery, if the broker counts that.
    begun: Option<u32>,
}

impl Redelivery {
    pub(super) fn of(delivery: &Delivery) -> Self {
        Self {
            count: delivery.redelivery_count,
            begun: delivery
                .begun_count
                .filter(|_| delivery.redelivery_count > 0),
        }
    }
}

/// How often a request that comes again may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedeliveryLimit {
    acknowledge: AcknowledgePolicy,
    /// The number of redeliveries that may begin.
    max: u32,
    /// Whether the broker has the number, and moves a request beyond it to the dead-letter topic.
    is_in_broker: bool,
}

impl RedeliveryLimit {
    pub(super) fn of(options: &HostOptions) -> Self {
        let max = options.max_redeliveries;
        Self {
            acknowledge: AcknowledgePolicy::of(options),
            max: max.unwrap_or(HostOptions::DEFAULT_MAX_REDELIVERIES),
            is_in_broker: max.is_some() && options.group.is_some(),
        }
    }

    /// Returns how often the request was begun after a redelivery, if the host has to report it.
    fn begun(self, redelivery: Redelivery) -> Option<u32> {
        let reports = self.acknowledge == AcknowledgePolicy::Answered;
        redelivery.begun.filter(|_| reports)
    }

    /// Returns whether the host has to report that the request begins.
    pub(super) fn must_report(self, redelivery: Redelivery) -> bool {
        self.begun(redelivery).is_some()
    }

    /// Returns whether the request may run only once more.
    pub(super) fn is_last_attempt(self, redelivery: Redelivery) -> bool {
        self.begun(redelivery) == self.max.checked_sub(1)
    }

    /// Returns whether the request may not run again.
    pub(super) fn is_exceeded_by(self, redelivery: Redelivery) -> bool {
        self.begun(redelivery)
            .is_some_and(|begun| begun >= self.max)
    }

    /// Returns whether a request that was not begun can go back to the broker. If the broker counts
    /// deliveries, it would move the request to the dead-letter topic at the limit.
    pub(super) fn may_give_back(self, redelivery: Redelivery) -> bool {
        let next = redelivery.count.saturating_add(1);
        redelivery.begun.is_some() || !self.is_in_broker || next < self.max
    }

    /// Returns the failure of a request beyond the limit.
    fn failure(self) -> Failure {
        let times = match self.max {
            1 => "once".to_owned(),
            max => format!("{max} times"),
        };
        Failure::processing(format!(
            "the request may end the module: after its first delivery it was begun {times} more, and no module finished \
             it; it does not run again"
        ))
    }
}

impl Executor {
    /// Answers a request that may not run again, and keeps it from coming again.
    pub(super) async fn give_up(&self, mut call: Call) {
        let failure = self.limit.failure();
        tracing::error!(
            message_id = &*call.message_id,
            response_topic = call.reply.response_topic.as_str(),
            context = &*call.reply.context,
            max_redeliveries = self.limit.max,
            "request not run again: no module finished it, and it may have ended them"
        );
        let answer = Arc::new(Answer::failure(&failure));
        if !self.limit.is_in_broker {
            return self.answer(call, &answer).await;
        }
        if !self.deliver(&call.reply, &answer).await {
            call.message.join(self.recent.forget(call.ticket));
            return call.message.give_back().await;
        }
        let noted = self.recent.answered(call.ticket, &answer);
        call.message.join(noted);
        call.message.put_aside().await;
    }
}
