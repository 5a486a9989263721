//! Why a call did not yield its result.

use std::fmt;
use std::time::Duration;

use dasf_protocol::Topic;
use dasf_protocol::fragment::FragmentError;
use dasf_protocol::payload::PayloadError;

use crate::module::FailureKind;
use crate::transport::ConnectError;

/// Why a call did not yield its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer came in time. The call may still run: the module may be busy, or none listens on
    /// the topic.
    #[error("no answer from topic {topic} within {after:?}; is a module listening there?")]
    Timeout {
        /// The module's topic.
        topic: Topic,
        /// How long it was waited for.
        after: Duration,
    },
    /// No answer came in time, and at the end there was no connection to the broker.
    #[error("no answer from topic {topic} within {after:?}: {reason}")]
    Disconnected {
        /// The module's topic.
        topic: Topic,
        /// How long it was waited for.
        after: Duration,
        /// Why there was no connection.
        reason: ConnectError,
    },
    /// The module answered that it failed.
    #[error(transparent)]
    Module(#[from] ModuleFailure),
    /// The broker did not take the request.
    #[error("the broker refuses to publish to topic {topic}: {reason}")]
    Refused {
        /// The module's topic.
        topic: Topic,
        /// The broker's reason.
        reason: String,
    },
    /// The request did not reach the broker.
    #[error("the request to topic {topic} was not sent: {reason}")]
    NotSent {
        /// The module's topic.
        topic: Topic,
        /// Why not.
        reason: String,
    },
    /// An argument has no JSON.
    #[error("the argument {argument} cannot be written as JSON: {reason}")]
    Encode {
        /// The argument's name.
        argument: String,
        /// What `serde_json` said.
        reason: String,
    },
    /// The result is not of the type that this client expects: it may be made for another version
    /// of the module.
    #[error("the result is not what this client expects, at {path}: {reason}")]
    Decode {
        /// Where in the result.
        path: String,
        /// What `serde_json` said.
        reason: String,
    },
    /// The answer's payload is not base64.
    #[error("the answer cannot be read: {0}")]
    Payload(#[from] PayloadError),
    /// The answer's fragments do not make a whole.
    #[error("the answer cannot be put together: {0}")]
    Fragments(FragmentError),
    /// The answer's fragments exceed
    /// [`max_response_size`](crate::client::ClientOptions::max_response_size).
    #[error(
        "the answer, with those of other calls, exceeds max_response_size, which is {limit} bytes"
    )]
    ResponseTooLarge {
        /// The limit in bytes of base64 text.
        limit: usize,
    },
    /// The request needs fragments, which this module does not understand.
    #[error(
        "the request has {size} bytes, and a module of this kind takes max_payload_size, {limit} bytes, at most"
    )]
    RequestTooLarge {
        /// The request's size in bytes.
        size: usize,
        /// The largest size that goes in one frame.
        limit: usize,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// A blocking call was made where asynchronous code runs, which would stop that code.
    #[error(
        "a blocking call cannot be made inside asynchronous code; use the module's Client there"
    )]
    InsideRuntime,
}

impl From<FragmentError> for CallError {
    fn from(error: FragmentError) -> Self {
        match error {
            FragmentError::TooLarge { limit } => Self::ResponseTooLarge { limit },
            other => Self::Fragments(other),
        }
    }
}

/// A module's answer that it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFailure {
    kind: Option<FailureKind>,
    message: String,
    text: String,
}

impl ModuleFailure {
    pub(super) fn new(text: String) -> Self {
        let (kind, message) = FailureKind::parse(&text);
        Self {
            kind,
            message: message.to_owned(),
            text,
        }
    }

    /// What kind of failure it is; `None` where the module's text does not say.
    pub fn kind(&self) -> Option<FailureKind> {
        self.kind
    }

    /// What went wrong, in the module's words, without the protocol's prefix.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ModuleFailure {
    /// The module's text as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ModuleFailure {}
