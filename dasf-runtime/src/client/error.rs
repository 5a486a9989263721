//! The reasons why a call has no result.

use std::fmt;
use std::time::Duration;

use dasf_protocol::fragment::FragmentError;
use dasf_protocol::payload::PayloadError;
use dasf_protocol::text::printable;
use dasf_protocol::{ErrorInfo, JobId, Topic, TopicError};
use serde_json::Value;

use super::{JobStatus, Whereabouts};
use crate::duration::shown;
use crate::outcome::FailureKind;
use crate::transport::{ConnectError, PublishError};
use crate::types::IntoError;

/// The reason why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No response came in time. `known` says what is known of the call.
    #[error("no response from topic {topic} within {}; {known}", shown(*after))]
    Timeout {
        /// The topic of the module.
        topic: Topic,
        /// The timeout of the call.
        after: Duration,
        /// What is known of the call.
        known: Whereabouts,
    },
    /// No response came in time, and at the end there was no connection to the broker.
    #[error("no response from topic {topic} within {}: {reason}", shown(*after))]
    Disconnected {
        /// The topic of the module.
        topic: Topic,
        /// The timeout of the call.
        after: Duration,
        /// The reason why there was no connection.
        reason: ConnectError,
    },
    /// The module responded with an error.
    #[error(transparent)]
    Module(#[from] ModuleFailure),
    /// The broker reports that no module listens, also after the client has sent the request again for
    /// 1.5 s. MQTT brokers can report it. With other brokers the call waits for its
    /// [`Timeout`](Self::Timeout).
    #[error("no module listens on topic {topic}")]
    NobodyListens {
        /// The topic of the module.
        topic: Topic,
    },
    /// The broker rejected the request.
    #[error("the broker rejects messages to topic {topic}: {}", printable(reason))]
    Refused {
        /// The topic of the module.
        topic: Topic,
        /// The reason that the broker gave.
        reason: String,
    },
    /// The request was not sent: it did not reach the broker, or the client had too many other calls.
    #[error("the request to topic {topic} was not sent: {}", printable(reason))]
    NotSent {
        /// The topic of the module.
        topic: Topic,
        /// The reason.
        reason: String,
    },
    /// The request does not match the API description of the module, and was not sent: see
    /// `check_against` of [`ClientBuilder`](crate::client::ClientBuilder).
    #[error("the request is not valid and was not sent: {}", printable(problems))]
    Invalid {
        /// The function and the problem of each argument.
        problems: String,
    },
    /// JSON cannot represent the value of an argument.
    #[error("the argument {argument} cannot be written as JSON: {reason}")]
    Encode {
        /// The name of the argument.
        argument: String,
        /// The error of `serde_json`.
        reason: String,
    },
    /// The result does not have the type that this client expects. The client may be made for
    /// another version of the module.
    #[error(
        "the result does not have the type that this client expects, at {}: {}",
        printable(path),
        printable(reason)
    )]
    Decode {
        /// The path of the value in the result.
        path: String,
        /// The error of the deserializer.
        reason: String,
    },
    /// The payload of the response is not base64.
    #[error("the response cannot be read: {0}")]
    Payload(#[from] PayloadError),
    /// The fragments of the response do not fit together.
    #[error("the fragments of the response cannot be joined: {0}")]
    Fragments(FragmentError),
    /// The fragments of the response exceed
    /// [`max_response_size`](crate::client::ClientBuilder::max_response_size).
    #[error(
        "the response and the responses of other calls exceed max_response_size, which is {limit} bytes"
    )]
    ResponseTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The request needs fragments, and this module does not join them.
    #[error(
        "the request has {size} bytes, but one message holds {limit}, and the module does not join fragments; raise max_payload_size, or the limit of the broker"
    )]
    RequestTooLarge {
        /// The size of the request, in bytes.
        size: usize,
        /// The largest size that fits in one frame: `max_payload_size`, or the limit of the broker
        /// if that is smaller.
        limit: usize,
    },
    /// The broker keeps no job with this id: nobody submitted it at this broker, somebody gave it up, or its time
    /// is over.
    #[error(
        "the broker keeps no job {job}: it was forgotten, its time is over, or it was submitted elsewhere"
    )]
    NoJob {
        /// The id.
        job: JobId,
    },
    /// The job was cancelled, and no answer came before. A function that runs may still end.
    #[error("the job {job} was cancelled")]
    Cancelled {
        /// The id.
        job: JobId,
    },
    /// The job is not done within the timeout of [`JobResult`](crate::client::JobResult::timeout). It continues.
    #[error("the job {job} is not done after {}: it is {status}", shown(*after))]
    NotDone {
        /// The id.
        job: JobId,
        /// The timeout.
        after: Duration,
        /// The state of the job.
        status: Box<JobStatus>,
    },
    /// The job belongs to a module on another topic than that of the client.
    #[error("the job {job} belongs to topic {}, and this client calls topic {topic}", job.topic())]
    OtherTopic {
        /// The topic of the client.
        topic: Topic,
        /// The id of the job.
        job: JobId,
    },
    /// The broker cannot be reached, or cannot keep the answer of a job.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The name of the module's topic is too long for the topic of an answer.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// A blocking call was made inside asynchronous code, which it would block. The client does not
    /// notice this inside `tokio::task::unconstrained`, where tokio panics.
    #[error(
        "a blocking call cannot be made inside asynchronous code; use the module's Client there"
    )]
    InsideRuntime,
}

impl From<FragmentError> for CallError {
    fn from(error: FragmentError) -> Self {
        match error {
            FragmentError::Payload(error) => Self::Payload(error),
            other => Self::Fragments(other),
        }
    }
}

impl CallError {
    /// Returns the error of a call whose request was not published to the topic.
    pub(super) fn not_published(topic: &Topic, error: PublishError) -> Self {
        let topic = topic.clone();
        match error {
            PublishError::Refused(reason) => Self::Refused { topic, reason },
            PublishError::NobodyListens => Self::NobodyListens { topic },
            PublishError::Closed => Self::Closed,
            error => Self::NotSent {
                topic,
                reason: error.to_string(),
            },
        }
    }

    /// Returns the error of the function that was called, if it is an `E`. A function whose error
    /// is an [`IntoError`] sends a code and details with the text.
    ///
    /// ```
    /// # use dasf_runtime::{IntoError, client::CallError};
    /// fn is_worth_another_try<E: IntoError>(error: &CallError, retry: fn(&E) -> bool) -> bool {
    ///     match error.typed::<E>() {
    ///         Some(error) => retry(&error),
    ///         None => matches!(error, CallError::Timeout { .. }),
    ///     }
    /// }
    /// ```
    pub fn typed<E: IntoError>(&self) -> Option<E> {
        match self {
            Self::Module(failure) => failure.typed(),
            _ => None,
        }
    }
}

/// An error response of a module, or of a broker that has put the request aside.
///
/// Its `Display` text names the kind once: `executing: there is no station Atlantis`. It is one line, so
/// that the text of a module can neither forge a line of a log nor control a terminal;
/// [`message`](Self::message) has all lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFailure {
    kind: Option<FailureKind>,
    message: String,
    text: String,
    info: Option<Box<ErrorInfo>>,
}

impl ModuleFailure {
    pub(super) fn new(text: String, info: Option<ErrorInfo>) -> Self {
        let (kind, message) = FailureKind::parse(&text);
        Self {
            kind,
            message: message.to_owned(),
            text,
            info: info.map(Box::new),
        }
    }

    /// Returns the kind of the failure; `None` if the text of the module does not begin with one of
    /// the protocol's prefixes.
    pub fn kind(&self) -> Option<FailureKind> {
        self.kind
    }

    /// Returns the module's message, without the protocol's prefix.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the text as it came from the module, with the protocol's prefix: `error executing
    /// request: there is no station Atlantis`.
    pub fn wire_text(&self) -> &str {
        &self.text
    }

    /// Returns the code of the function's error, if the error is an [`IntoError`]. A call that is not
    /// allowed has the code `not_allowed`, and a request that is put aside `put_aside`.
    pub fn code(&self) -> Option<&str> {
        self.info.as_ref().map(|info| info.code.as_str())
    }

    /// Returns the details of the function's error, if the error is an [`IntoError`] with details. Those of a
    /// request that is put aside are `{"deaths": N, "id": ID}`.
    pub fn details(&self) -> Option<&Value> {
        let details = self.info.as_ref().map(|info| &info.details);
        details.filter(|details| !details.is_null())
    }

    /// Returns the function's error itself, if it is an `E`.
    pub fn typed<E: IntoError>(&self) -> Option<E> {
        let info = self.info.as_ref()?;
        E::from_parts(&info.code, &info.details)
    }
}

impl fmt::Display for ModuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            None | Some(FailureKind::Overflow) => f.write_str(&printable(&self.text)),
            Some(kind) => write!(f, "{}: {}", kind.name(), printable(&self.message)),
        }
    }
}

impl std::error::Error for ModuleFailure {}

#[cfg(test)]
mod tests {
    use dasf_protocol::text::is_hidden;

    use super::*;

    #[test]
    fn a_failure_of_a_module_shows_its_kind_once() {
        let overflow = "request rejected due to queue overflow, try again later";
        for (wire, expected) in [
            (
                "error validating request: add: a: is required",
                "validating: add: a: is required",
            ),
            (
                "request not allowed: reset: only users",
                "not allowed: reset: only users",
            ),
            ("error executing request: boom", "executing: boom"),
            ("error processing request: no", "processing: no"),
            (
                "request put aside: it was begun twice",
                "put aside: it was begun twice",
            ),
            (overflow, overflow),
            ("Traceback: boom", "Traceback: boom"),
        ] {
            let failure = ModuleFailure::new(wire.to_owned(), None);
            assert_eq!(failure.to_string(), expected);
            assert_eq!(failure.wire_text(), wire);
            assert_eq!(CallError::from(failure).to_string(), expected);
        }
    }

    #[test]
    fn an_error_of_others_is_one_printable_line() {
        const EVIL: &str = "no data\n2026 INFO forged\u{1b}]0;x\u{7}\u{202e}";
        let topic: Topic = "a".parse().unwrap();
        let reason = EVIL.to_owned();
        let unreachable = ConnectError::Unreachable {
            url: "ws://localhost".to_owned(),
            reason: reason.clone(),
            source: None,
        };
        for error in [
            ModuleFailure::new(format!("error executing request: {EVIL}"), None).into(),
            ModuleFailure::new(EVIL.to_owned(), None).into(),
            CallError::not_published(&topic, PublishError::Refused(reason.clone())),
            CallError::not_published(&topic, PublishError::Lost { times: 2, reason }),
            CallError::Disconnected {
                topic,
                after: Duration::ZERO,
                reason: unreachable,
            },
            CallError::Decode {
                path: EVIL.to_owned(),
                reason: EVIL.to_owned(),
            },
        ] {
            let text = error.to_string();
            assert!(!text.contains(is_hidden), "{text:?}");
            assert!(text.contains("no data; 2026 INFO forged ]0;x"), "{text}");
        }
        let failure = ModuleFailure::new(format!("error executing request: {EVIL}"), None);
        assert_eq!(failure.message(), EVIL);
    }
}
