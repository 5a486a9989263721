//! Jobs: calls whose answers a broker keeps until somebody asks for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Topic, TopicError};

/// The longest context of a job, in bytes.
const MAX_CONTEXT: usize = 128;

/// The identity of a job: what a program needs to find it again, at any time and from any machine. The address
/// of the broker is not part of it.
///
/// The text has the topic of the module, the topic of the answer and the context of the call, with dots
/// between them. It consists of ASCII letters, digits, `-`, `_` and `.`, so it fits a URL, a file name and a
/// command line.
///
/// The topic of the answer has 128 random bits, so nobody can guess the id of a job. At a broker without users,
/// whoever knows the id can read the result.
///
/// ```
/// use dasf_protocol::JobId;
///
/// let text = "arithmetic.arithmetic_4q1XBbT0aXeYpNTrkqUxvs.8316293";
/// let id: JobId = text.parse()?;
/// assert_eq!(id.topic().as_str(), "arithmetic");
/// assert_eq!(id.context(), "8316293");
/// assert_eq!(id.to_string(), text);
/// assert!("arithmetic".parse::<JobId>().is_err());
/// # Ok::<(), dasf_protocol::JobIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId {
    topic: Topic,
    response_topic: Topic,
    context: Box<str>,
}

/// The error of a text that is no [`JobId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobIdError {
    /// The text does not have three parts.
    #[error("the id of a job is TOPIC.RESPONSE_TOPIC.CONTEXT, and not {text:?}; copy the whole id")]
    #[non_exhaustive]
    Parts {
        /// The text, shortened.
        text: String,
    },
    /// A part is no topic.
    #[error("the id of a job has a topic that is not valid: {0}")]
    Topic(#[from] TopicError),
    /// The context is no number.
    #[error("the id of a job ends with {context:?}; it should be the decimal number of a call")]
    #[non_exhaustive]
    Context {
        /// The context, shortened.
        context: String,
    },
}

impl JobId {
    /// Creates the id of a call on a topic, whose answer goes to another topic.
    ///
    /// # Errors
    /// [`JobIdError::Context`] if the context is not a decimal number of at most 128 digits.
    pub fn new(topic: Topic, response_topic: Topic, context: &str) -> Result<Self, JobIdError> {
        let is_number = context.bytes().all(|byte| byte.is_ascii_digit());
        if context.is_empty() || context.len() > MAX_CONTEXT || !is_number {
            return Err(JobIdError::Context {
                context: shortened(context),
            });
        }
        Ok(Self {
            topic,
            response_topic,
            context: context.into(),
        })
    }

    /// Returns the topic of the module.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Returns the topic on which the broker keeps the answer.
    pub fn response_topic(&self) -> &Topic {
        &self.response_topic
    }

    /// Returns the `requestContext` of the call.
    pub fn context(&self) -> &str {
        &self.context
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_CONTEXT).collect()
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            response_topic,
            context,
        } = self;
        write!(f, "{topic}.{response_topic}.{context}")
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let parts = || JobIdError::Parts {
            text: shortened(text),
        };
        let (topic, rest) = text.split_once('.').ok_or_else(parts)?;
        let (response_topic, context) = rest.split_once('.').ok_or_else(parts)?;
        Self::new(topic.parse()?, response_topic.parse()?, context)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a message of the type [`Job`](crate::MessageType::Job) or [`Progress`](crate::MessageType::Progress)
/// tells of a job, in the property [`JOB_STATE`](crate::properties::key::JOB_STATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// A caller is about to send the request of a job with a key.
    Submitting,
    /// The caller has sent the request, and the broker has accepted it.
    Sent,
    /// The caller has cancelled the job.
    Cancelled,
    /// The caller has given the job up. What came before does not count.
    Forgotten,
    /// A module has the request, which waits there.
    Accepted,
    /// A module runs the function.
    Running,
    /// The broker has the whole answer. Only modules need it, where they cannot read the answers.
    Answered,
}

impl JobState {
    const ALL: [Self; 7] = [
        Self::Submitting,
        Self::Sent,
        Self::Cancelled,
        Self::Forgotten,
        Self::Accepted,
        Self::Running,
        Self::Answered,
    ];

    /// Returns the name of the state in the properties.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitting => "submitting",
            Self::Sent => "sent",
            Self::Cancelled => "cancelled",
            Self::Forgotten => "forgotten",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Answered => "answered",
        }
    }

    /// Returns the state with this name; `None` if this version does not know it.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let text = "a-b_C.a-b_C_x9.340282366920938463463374607431768211455";
        let id: JobId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
        assert_eq!(id.response_topic().as_str(), "a-b_C_x9");
    }

    #[test]
    fn other_texts_are_refused() {
        let error = |text: &str| text.parse::<JobId>().unwrap_err();
        for text in ["", "a", "a.b", "a-b"] {
            assert!(matches!(error(text), JobIdError::Parts { .. }), "{text}");
        }
        for text in [".b.1", "a..1", "a b.c.1", "ä.b.1"] {
            assert!(matches!(error(text), JobIdError::Topic(_)), "{text}");
        }
        let long = format!("a.b.{}", "1".repeat(129));
        for text in ["a.b.", "a.b.x", "a.b.-1", "a.b.1.2", &long] {
            assert!(matches!(error(text), JobIdError::Context { .. }), "{text}");
        }
    }

    #[test]
    fn a_state_has_a_name() {
        for state in JobState::ALL {
            assert_eq!(JobState::of(state.as_str()), Some(state));
        }
        assert_eq!(JobState::of("other"), None);
    }
}
