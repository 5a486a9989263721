//! Sends the checkpoints of the jobs that run here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Call, Executor};
use crate::checkpoint::{CheckpointSink, Sent};
use crate::context::Context;

/// How long a module that stops waits until the broker has the last checkpoint of a job.
const PATIENCE: Duration = Duration::from_secs(2);

impl Executor {
    /// Returns what sends the checkpoints of a job, as long as it runs here.
    pub(super) fn checkpoint_sink(self: &Arc<Self>, call: &Call) -> CheckpointSink {
        // The function may keep its context for longer than the module runs.
        let executor = Arc::downgrade(self);
        let (reply, ticket) = (call.reply.clone(), call.ticket);
        let publish = move |json: &str| match executor.upgrade() {
            Some(executor) if executor.recent.unanswered(&reply.call()) == Some(ticket) => {
                match executor.outbox.try_send_checkpoint(&reply, json) {
                    true => Sent::Yes,
                    false => Sent::NotNow,
                }
            }
            _ => Sent::Unneeded,
        };
        CheckpointSink::new(self.runtime.clone(), publish)
    }

    /// Gives up a call that runs when the module stops. Its next module goes on from its last checkpoint.
    pub(super) async fn leave_running(&self, call: Call, context: &Context) {
        if let Some(json) = context.take_unsent_checkpoint() {
            let sent = timeout(PATIENCE, self.outbox.send_checkpoint(&call.reply, &json)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::warn!(
                    message_id = &*call.message_id,
                    response_topic = call.reply.response_topic.as_str(),
                    "the last checkpoint of a job was not sent: its next module goes on from an earlier one"
                );
            }
        }
        self.leave(call).await;
    }
}
