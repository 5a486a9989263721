//! What the messages on the topic of an answer tell of a job.

use bytes::Bytes;
use dasf_protocol::fragment::{Assembly, Joined, Position};
use dasf_protocol::payload::Payload;
use dasf_protocol::progress::Report;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, JobId, JobState, MessageType, Properties};

use super::super::CallError;
use super::super::in_flight::{Answer, read_answer, read_report};
use super::JobStatus;

/// The largest number of responses of which only some fragments have come. A module that dies while it sends its
/// response leaves such a one.
const MAX_UNFINISHED: usize = 4;

/// What the messages on the topic of an answer tell of its job. The messages may come twice, and in part.
#[derive(Debug)]
pub(super) struct Record {
    id: JobId,
    max_response_size: usize,
    is_known: bool,
    is_sent: bool,
    /// The random texts of the callers that wanted to submit the job, in their order.
    submitters: Vec<String>,
    is_cancelled: bool,
    state: Option<JobState>,
    report: Option<Report>,
    unfinished: Vec<Unfinished>,
    answer: Option<Result<Bytes, CallError>>,
}

/// A response of which only some fragments have come.
#[derive(Debug)]
struct Unfinished {
    id: String,
    assembly: Assembly,
}

/// What a message has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing of interest.
    Nothing,
    /// A report has come.
    Report,
    /// The answer is there.
    Answer,
}

impl Record {
    pub(super) fn new(id: JobId, max_response_size: usize) -> Self {
        Self {
            id,
            max_response_size,
            is_known: false,
            is_sent: false,
            submitters: Vec::new(),
            is_cancelled: false,
            state: None,
            report: None,
            unfinished: Vec::new(),
            answer: None,
        }
    }

    /// Returns whether the broker keeps any message of the job.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Returns whether a module may have the request.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent || self.state.is_some() || self.answer.is_some()
    }

    /// Returns the caller that was the first one to submit the job.
    pub(super) fn first_submitter(&self) -> Option<&str> {
        self.submitters.first().map(String::as_str)
    }

    /// Returns whether a caller has told that it wants to submit the job.
    pub(super) fn has_submitter(&self, name: &str) -> bool {
        self.submitters.iter().any(|it| it == name)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    pub(super) fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    pub(super) fn take_answer(&mut self) -> Option<Result<Bytes, CallError>> {
        self.answer.take()
    }

    pub(super) fn status(&self) -> JobStatus {
        match (&self.answer, self.state) {
            (Some(Ok(_)), _) => JobStatus::Done,
            // The error may say that the job was cancelled.
            _ if self.is_cancelled => JobStatus::Cancelled,
            (Some(Err(CallError::Module(failure))), _) => JobStatus::Failed(failure.clone()),
            (Some(Err(_)), _) => JobStatus::Done,
            (None, Some(JobState::Running)) => JobStatus::Running {
                report: self.report.clone(),
            },
            (None, Some(JobState::Accepted)) => JobStatus::Accepted,
            (None, _) => JobStatus::Waiting,
        }
    }

    /// Adds a message. The first answer counts.
    pub(super) fn add(&mut self, delivery: Delivery) -> Change {
        self.is_known = true;
        let Delivery {
            payload,
            properties,
            ..
        } = delivery;
        if properties.request_context().as_deref() != Some(self.id.context()) {
            return Change::Nothing;
        }
        let is_note = properties.message_type() == Some(MessageType::Job);
        if self.answer.is_some() && !is_note {
            return Change::Nothing;
        }
        let state = properties.text(key::JOB_STATE).and_then(JobState::of);
        match properties.message_type() {
            Some(MessageType::Job) => self.add_note(state, &properties),
            Some(MessageType::Progress) if self.is_of_module(&properties) => {
                // A module that does not know jobs reports only while it runs.
                self.state = Some(state.unwrap_or(JobState::Running));
                if payload.is_empty() {
                    return Change::Nothing;
                }
                self.report = read_report(payload).or(self.report.take());
                return Change::Report;
            }
            Some(MessageType::Response) if self.is_of_module(&properties) => {
                if let Some(answer) = self.join(payload, properties) {
                    self.answer = Some(answer.map(|answer| answer.payload));
                    self.unfinished.clear();
                    return Change::Answer;
                }
            }
            _ => {}
        }
        Change::Nothing
    }

    fn add_note(&mut self, state: Option<JobState>, properties: &Properties) {
        match state {
            Some(JobState::Submitting) => {
                let submitter = properties.text(key::READER).unwrap_or_default();
                if !self.has_submitter(submitter) {
                    self.submitters.push(submitter.to_owned());
                }
            }
            Some(JobState::Sent) => self.is_sent = true,
            Some(JobState::Cancelled) => self.is_cancelled |= self.answer.is_none(),
            Some(JobState::Forgotten) => {
                *self = Self::new(self.id.clone(), self.max_response_size);
            }
            Some(JobState::Accepted | JobState::Running | JobState::Answered) | None => {}
        }
    }

    /// Returns whether a message is from the module that was called. A property that is missing does not count.
    fn is_of_module(&self, properties: &Properties) -> bool {
        let is = |key, expected: &str| properties.text(key).is_none_or(|named| named == expected);
        is(key::SOURCE_TOPIC, self.id.topic().as_str())
            && is(key::RESPONSE_TOPIC, self.id.response_topic().as_str())
    }

    /// Adds a response or a fragment of one. Returns the whole response if no fragment is missing.
    fn join(
        &mut self,
        payload: Payload,
        properties: Properties,
    ) -> Option<Result<Answer, CallError>> {
        let position = match Position::of(&properties) {
            Ok(None) => return Some(read_answer(payload, properties)),
            Ok(Some(position)) => position,
            Err(error) => return Some(Err(error.into())),
        };
        let id = properties.text(key::ANSWER).unwrap_or_default();
        let index = self.unfinished.iter().position(|it| it.id == id);
        let index = index.unwrap_or_else(|| {
            if self.unfinished.len() == MAX_UNFINISHED {
                self.unfinished.remove(0);
            }
            self.unfinished.push(Unfinished {
                id: id.to_owned(),
                assembly: Assembly::in_buffer(position.count, Vec::new()),
            });
            self.unfinished.len() - 1
        });
        let joined = self.unfinished[index].assembly.insert(position, payload);
        let held: usize = self
            .unfinished
            .iter()
            .map(|it| it.assembly.held_bytes())
            .sum();
        match joined {
            Ok(Joined::Complete(whole)) => Some(read_answer(whole.into(), properties)),
            Ok(_) if held > self.max_response_size => Some(Err(CallError::ResponseTooLarge {
                limit: self.max_response_size,
            })),
            Ok(Joined::Incomplete | Joined::Duplicate) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use dasf_protocol::payload;
    use serde_json::json;

    use super::*;

    const MAX_RESPONSE_SIZE: usize = 1 << 20;

    fn record() -> Record {
        Record::new("demo.demo_x1.7".parse().unwrap(), MAX_RESPONSE_SIZE)
    }

    fn delivery(text: &str, mut properties: serde_json::Value) -> Delivery {
        if properties.get("requestContext").is_none() {
            properties["requestContext"] = json!("7");
        }
        let properties = serde_json::from_value(properties).unwrap();
        let payload = Payload::from_base64(&payload::encode(text.as_bytes()));
        Delivery::new("m", payload, properties)
    }

    fn status(record: &Record) -> &'static str {
        match record.status() {
            JobStatus::Waiting => "waiting",
            JobStatus::Accepted => "accepted",
            JobStatus::Running { report: None } => "running",
            JobStatus::Running { report: Some(_) } => "reported",
            JobStatus::Done => "done",
            JobStatus::Failed(_) => "failed",
            JobStatus::Cancelled => "cancelled",
        }
    }

    #[test]
    fn the_messages_tell_the_state() {
        const REPORT: &str = r#"{"report_type": "tree", "report_id": "root", "step_message": "", "status": "running", "steps": 1, "children": []}"#;
        let mut record = record();
        assert!(!record.is_known());
        for (text, properties, expected, change) in [
            (
                "",
                json!({"messageType": "job", "x_dasf_job_state": "sent"}),
                "waiting",
                Change::Nothing,
            ),
            (
                "",
                json!({"messageType": "progress", "x_dasf_job_state": "accepted"}),
                "accepted",
                Change::Nothing,
            ),
            (
                "",
                json!({"messageType": "progress", "x_dasf_job_state": "running"}),
                "running",
                Change::Nothing,
            ),
            (
                "5",
                json!({"messageType": "response", "requestContext": "8"}),
                "running",
                Change::Nothing,
            ),
            (
                "5",
                json!({"messageType": "response", "source_topic": "other"}),
                "running",
                Change::Nothing,
            ),
            (
                REPORT,
                json!({"messageType": "progress"}),
                "reported",
                Change::Report,
            ),
            (
                "5",
                json!({"messageType": "response", "source_topic": "demo"}),
                "done",
                Change::Answer,
            ),
            (
                "6",
                json!({"messageType": "response"}),
                "done",
                Change::Nothing,
            ),
        ] {
            assert_eq!(
                record.add(delivery(text, properties.clone())),
                change,
                "{properties}"
            );
            assert_eq!(status(&record), expected, "{properties}");
        }
        assert_eq!(record.take_answer(), Some(Ok("5".into())));
    }

    #[test]
    fn an_error_is_a_failure() {
        let mut record = record();
        let properties = json!({"messageType": "response", "status": "error"});
        record.add(delivery("error executing request: no", properties));
        assert_eq!(status(&record), "failed");
        assert!(matches!(
            record.take_answer(),
            Some(Err(CallError::Module(_)))
        ));
    }

    #[test]
    fn a_cancelled_job_that_was_done_before_is_done() {
        let cancelled = json!({"messageType": "job", "x_dasf_job_state": "cancelled"});
        let mut record = record();
        record.add(delivery("", cancelled.clone()));
        assert_eq!(status(&record), "cancelled");
        let mut record = super::tests::record();
        record.add(delivery("5", json!({"messageType": "response"})));
        record.add(delivery("", cancelled));
        assert_eq!(status(&record), "done");
    }

    #[test]
    fn a_job_that_was_given_up_is_unknown() {
        let mut record = record();
        let note = |state: &str| {
            let properties =
                json!({"messageType": "job", "x_dasf_job_state": state, "x_dasf_reader": "a"});
            delivery("", properties)
        };
        for message in [
            note("submitting"),
            note("sent"),
            delivery("5", json!({"messageType": "response"})),
        ] {
            record.add(message);
        }
        record.add(note("forgotten"));
        assert!(!record.is_known() && !record.is_sent());
        assert_eq!(record.first_submitter(), None);
        assert_eq!(record.take_answer(), None);
        record.add(note("submitting"));
        assert!(record.is_known());
        assert_eq!(record.first_submitter(), Some("a"));
    }

    #[test]
    fn the_fragments_of_two_responses_are_not_mixed() {
        let mut record = record();
        let mut add = |text: &str, index: u8, answer: &str| {
            record.add(delivery(
                text,
                json!({"messageType": "response", "fragment": index, "num_fragments": 2, "x_dasf_answer": answer}),
            ))
        };
        assert_eq!(add("abc", 0, "first"), Change::Nothing);
        assert_eq!(add("def", 1, "second"), Change::Nothing);
        assert_eq!(add("def", 1, "second"), Change::Nothing);
        assert_eq!(add("123", 0, "second"), Change::Answer);
        assert_eq!(record.take_answer(), Some(Ok("123def".into())));
    }

    #[test]
    fn a_response_that_is_too_large_is_an_error() {
        let mut record = record();
        let mut add = |index: u32| {
            record.add(delivery(
                &"x".repeat(MAX_RESPONSE_SIZE * 3 / 5),
                json!({"messageType": "response", "fragment": index, "num_fragments": 9}),
            ))
        };
        assert_eq!(add(0), Change::Nothing);
        assert_eq!(add(1), Change::Answer);
        let answer = record.take_answer();
        assert_eq!(
            answer,
            Some(Err(CallError::ResponseTooLarge {
                limit: MAX_RESPONSE_SIZE
            }))
        );
    }
}
