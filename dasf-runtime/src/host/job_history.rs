//! What is known of a job before it runs: the broker keeps what earlier attempts and the callers left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dasf_protocol::fragment::Position;
use dasf_protocol::properties::key;
use dasf_protocol::{JobState, MessageType, Properties};
use tokio::time::{Instant, sleep, timeout_at};

use super::reply_to::ReplyTo;
use crate::backoff::Backoff;
use crate::transport::Transport;

/// How long the broker may take, with all attempts. After that, the job runs as if nothing was known of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest number of unfinished responses of a job that count.
const MAX_ANSWERS: usize = 16;

/// What the broker keeps of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JobHistory {
    /// Whether its whole answer is there.
    pub(super) is_answered: bool,
    pub(super) is_cancelled: bool,
    /// The latest checkpoint, as JSON.
    pub(super) checkpoint: Option<String>,
    /// The fragments of each response that have come.
    fragments: HashMap<String, HashSet<usize>>,
}

impl JobHistory {
    /// Reads what the broker keeps of a job. Tries again after a lost connection. Nothing is known if the broker
    /// does not tell in time.
    pub(super) async fn read(transport: &dyn Transport, reply: &ReplyTo) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let mut backoff = Backoff::default();
        let mut failure = "the broker does not tell in time".to_owned();
        loop {
            let mut history = Self::default();
            let mut take = |properties: &Properties| {
                if properties.request_context().as_deref() == Some(&*reply.context) {
                    history.add(properties);
                }
            };
            let reading = transport.read_job(&reply.response_topic, &mut take);
            match timeout_at(deadline, reading).await {
                Ok(Ok(())) => return history,
                Err(_) => break,
                Ok(Err(error)) => {
                    failure = error.to_string();
                    if error.is_refusal() {
                        break;
                    }
                }
            }
            let wait = sleep(backoff.next());
            if timeout_at(deadline, wait).await.is_err() {
                break;
            }
        }
        tracing::warn!(
            response_topic = reply.response_topic.as_str(),
            context = &*reply.context,
            failure,
            "the job runs without its checkpoint, and perhaps once more: its earlier messages cannot be read"
        );
        Self::default()
    }

    fn add(&mut self, properties: &Properties) {
        match properties.message_type() {
            Some(MessageType::Response) => self.is_answered |= self.completes(properties),
            Some(MessageType::Progress) => {
                if let Some(checkpoint) = properties.text(key::CHECKPOINT) {
                    self.checkpoint = Some(checkpoint.to_owned());
                }
            }
            Some(MessageType::Job) => {
                match properties.text(key::JOB_STATE).and_then(JobState::of) {
                    Some(JobState::Answered) => self.is_answered = true,
                    Some(JobState::Cancelled) => self.is_cancelled = true,
                    Some(JobState::Forgotten) => *self = Self::default(),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Returns whether a response is whole with this message.
    fn completes(&mut self, properties: &Properties) -> bool {
        let position = match Position::of(properties) {
            Ok(None) => return true,
            Ok(Some(position)) => position,
            Err(_) => return false,
        };
        let id = properties.text(key::ANSWER).unwrap_or_default();
        if self.fragments.len() >= MAX_ANSWERS && !self.fragments.contains_key(id) {
            return false;
        }
        let fragments = self.fragments.entry(id.to_owned()).or_default();
        fragments.insert(position.index);
        fragments.len() == position.count
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::scripted::Scripted;
    use crate::transport::ConnectError;

    fn history(messages: &[serde_json::Value]) -> JobHistory {
        let mut history = JobHistory::default();
        for properties in messages {
            history.add(&serde_json::from_value(properties.clone()).unwrap());
        }
        history
    }

    fn properties(properties: serde_json::Value) -> Properties {
        serde_json::from_value(properties).unwrap()
    }

    fn reply() -> ReplyTo {
        let request = json!({"requestContext": "7", "response_topic": "demo_1"});
        ReplyTo::of(&properties(request)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_does_not_hide_what_is_known() {
        let checkpoint = properties(
            json!({"messageType": "progress", "requestContext": "7", "x_dasf_checkpoint": "1"}),
        );
        let cancelled = properties(
            json!({"messageType": "job", "requestContext": "7", "x_dasf_job_state": "cancelled"}),
        );
        let lost = ConnectError::Unreachable {
            url: "ws://h/mqtt".to_owned(),
            reason: "it closed the connection".to_owned(),
            source: None,
        };
        let transport =
            Scripted::with_jobs([(vec![checkpoint], Err(lost)), (vec![cancelled], Ok(()))]);
        let history = JobHistory::read(&transport, &reply()).await;
        assert!(history.is_cancelled && history.checkpoint.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_refuses_is_asked_only_once() {
        let refusal = ConnectError::Rejected {
            url: "ws://h/mqtt".to_owned(),
            code: 0x87,
            reason: "not authorized".to_owned(),
        };
        let transport = Scripted::with_jobs([(Vec::new(), Err(refusal))]);
        let history = JobHistory::read(&transport, &reply()).await;
        assert_eq!(history, JobHistory::default());
    }

    #[test]
    fn the_latest_checkpoint_counts() {
        let found = history(&[
            json!({"messageType": "progress", "x_dasf_checkpoint": "1"}),
            json!({"messageType": "progress"}),
            json!({"messageType": "progress", "x_dasf_checkpoint": "[2]"}),
            json!({"messageType": "job", "x_dasf_job_state": "sent"}),
        ]);
        assert_eq!(found.checkpoint.as_deref(), Some("[2]"));
        assert!(!found.is_answered && !found.is_cancelled);
    }

    #[test]
    fn a_cancelled_job_is_known() {
        let found = history(&[json!({"messageType": "job", "x_dasf_job_state": "cancelled"})]);
        assert!(found.is_cancelled);
    }

    #[test]
    fn a_note_tells_of_an_answer_that_cannot_be_read() {
        let found = history(&[json!({"messageType": "job", "x_dasf_job_state": "answered"})]);
        assert!(found.is_answered && !found.is_cancelled);
    }

    #[test]
    fn only_a_whole_answer_counts() {
        let fragment = |answer: &str, index: usize| json!({"messageType": "response", "fragment": index, "num_fragments": 2, "x_dasf_answer": answer});
        let (a, b) = (fragment("a", 0), fragment("b", 1));
        assert!(!history(&[a.clone(), b.clone(), a.clone()]).is_answered);
        assert!(history(&[a, b, fragment("a", 1)]).is_answered);
        assert!(history(&[json!({"messageType": "response"})]).is_answered);
    }
}
