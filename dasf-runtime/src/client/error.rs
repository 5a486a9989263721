//! Why a call did not yield its result.

use std::fmt;
use std::time::Duration;

use dasf_protocol::fragment::FragmentError;
use dasf_protocol::payload::PayloadError;
use dasf_protocol::{ErrorInfo, Topic};
use serde_json::Value;

use crate::module::FailureKind;
use crate::transport::ConnectError;
use crate::types::IntoError;

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
    /// The broker knows that no module listens. MQTT brokers may tell; others let a call wait for
    /// its [`Timeout`](Self::Timeout).
    #[error("no module listens on topic {topic}")]
    NobodyListens {
        /// The module's topic.
        topic: Topic,
    },
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
    /// The request breaks the module's schema, and was not sent: see
    /// [`check_against`](crate::client::ClientBuilder::check_against).
    #[error("the request was not sent, because the module would refuse it: {problems}")]
    Invalid {
        /// The function, and what is wrong with each argument.
        problems: String,
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
        "the request has {size} bytes, more than the {limit} that go in one message, and the module does not put pieces together; raise max_payload_size, or the broker's own limit"
    )]
    RequestTooLarge {
        /// The request's size in bytes.
        size: usize,
        /// The largest size that goes in one frame: `max_payload_size`, or less where the broker
        /// takes less.
        limit: usize,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// A blocking call was made where asynchronous code runs, which would stop that code.
    /// The client does not notice it inside `tokio::task::unconstrained`, where tokio panics.
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

impl CallError {
    /// The error of the function that was called, where it is one of these: a function whose error
    /// is an [`IntoError`] sends more than its text.
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

/// A module's answer that it failed.
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

    /// What kind of failure it is; `None` where the module's text does not say.
    pub fn kind(&self) -> Option<FailureKind> {
        self.kind
    }

    /// What went wrong, in the module's words, without the protocol's prefix.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code of the function's error, where that is an [`IntoError`].
    pub fn code(&self) -> Option<&str> {
        self.info.as_ref().map(|info| info.code.as_str())
    }

    /// The details of the function's error, where that is an [`IntoError`] and has any.
    pub fn details(&self) -> Option<&Value> {
        let details = self.info.as_ref().map(|info| &info.details);
        details.filter(|details| !details.is_null())
    }

    /// The function's error itself, where it is one of these.
    pub fn typed<E: IntoError>(&self) -> Option<E> {
        let info = self.info.as_ref()?;
        E::from_parts(&info.code, &info.details)
    }
}

impl fmt::Display for ModuleFailure {
    /// The module's text as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ModuleFailure {}
