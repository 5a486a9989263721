//! The routing data of a message: an open set of named values beside the payload.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::topic::Topic;

/// The keys whose meaning the protocol defines.
pub mod key {
    /// What a message is: see [`MessageType`](super::MessageType).
    pub const MESSAGE_TYPE: &str = "messageType";
    /// The caller's id of the call.
    pub const REQUEST_CONTEXT: &str = "requestContext";
    /// The topic on which the caller awaits the answer.
    pub const RESPONSE_TOPIC: &str = "response_topic";
    /// The topic of the module that answers.
    pub const SOURCE_TOPIC: &str = "source_topic";
    /// How the call stands: see [`Status`](super::Status).
    pub const STATUS: &str = "status";
    /// The index of a fragment, from 0.
    pub const FRAGMENT: &str = "fragment";
    /// How many fragments a payload was cut into.
    pub const NUM_FRAGMENTS: &str = "num_fragments";
    /// The answer to an `info` request: the module's schema as a JSON text.
    pub const INFO: &str = "info";
    /// The answer to an `api_info` request: the module's description as a JSON text.
    pub const API_INFO: &str = "api_info";
    /// Extension: the time left for the call when it was sent, in milliseconds.
    pub const TIMEOUT_MS: &str = "x_dasf_timeout_ms";
    /// Extension: set to `1` by a caller that publishes a request again because it does not know
    /// whether the broker took it the first time.
    pub const REPEATED: &str = "x_dasf_repeated";
    /// Extension: set to `1` by a caller that sends a request without its payload, because the
    /// fragments of a large one would go to different modules of a group. The module asks for it
    /// with [`Fetch`](super::MessageType::Fetch).
    pub const ON_DEMAND: &str = "x_dasf_on_demand";
    /// Extension: a text that the fragments of one answer have in common. A request may be answered
    /// twice, when the module that answered it first died over that.
    pub const ANSWER: &str = "x_dasf_answer";
    /// Extension: set to `1` by a caller that answers each [`Ping`](super::MessageType::Ping) on its
    /// response topic, so that the module knows how far it has read a large answer. A
    /// [`Pong`](super::MessageType::Pong) goes to the ping's `response_topic`.
    pub const ANSWERS_PINGS: &str = "x_dasf_answers_pings";
    /// Extension: the code and the details of a function's error, as a JSON text: see
    /// [`ErrorInfo`](crate::ErrorInfo).
    pub const ERROR: &str = "x_dasf_error";
}

/// What a message is.
///
/// A peer may use a type that this version does not know; it is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// Asks whether a peer reads; answered by [`Pong`](Self::Pong).
    Ping,
    /// The answer to [`Ping`](Self::Ping).
    Pong,
    /// Asks for the module's schema.
    Info,
    /// Asks for the module's description.
    ApiInfo,
    /// Calls a function.
    Request,
    /// The answer to [`Request`](Self::Request), [`Info`](Self::Info) or
    /// [`ApiInfo`](Self::ApiInfo).
    Response,
    /// A report of a call that still runs.
    Progress,
    /// A line of a module's log.
    Log,
    /// Asks for the payload of a request that came without, in fragments to the
    /// [`response_topic`](Properties::response_topic) of this message, with the properties of the
    /// request.
    Fetch,
    /// A type that this version does not know.
    Other(String),
}

impl MessageType {
    /// The type as it stands in the properties.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Info => "info",
            Self::ApiInfo => "api_info",
            Self::Request => "request",
            Self::Response => "response",
            Self::Progress => "progress",
            Self::Log => "log",
            Self::Fetch => "fetch",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for MessageType {
    fn from(name: &str) -> Self {
        match name {
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "info" => Self::Info,
            "api_info" => Self::ApiInfo,
            "request" => Self::Request,
            "response" => Self::Response,
            "progress" => Self::Progress,
            "log" => Self::Log,
            "fetch" => Self::Fetch,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a call, or one step of it, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ended well.
    Success,
    /// It failed.
    Error,
    /// It is not over yet.
    Running,
}

impl Status {
    /// The status as it stands in the properties.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Running => "running",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text {
            "success" => Ok(Self::Success),
            "error" => Ok(Self::Error),
            "running" => Ok(Self::Running),
            other => Err(UnknownStatus(other.to_owned())),
        }
    }
}

/// A status that is neither `success`, `error` nor `running`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}; expected success, error or running")]
pub struct UnknownStatus(pub String);

/// The properties of one message.
///
/// Known keys have typed accessors; all others are kept as they came, because peers pass on what
/// they do not know. Pulsar turns every value into a string on its way, so numbers are read in both
/// forms.
///
/// ```
/// use dasf_protocol::{MessageType, Properties};
///
/// let properties = Properties::new()
///     .with_message_type(MessageType::Request)
///     .with("requestContext", 7);
/// assert_eq!(properties.message_type(), Some(MessageType::Request));
/// assert_eq!(properties.request_context().as_deref(), Some("7"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties(Map<String, Value>);

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// These properties and one more; a value that stood under the key is replaced.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// These properties without that one.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.shift_remove(key);
        self
    }

    /// These properties with their message type set.
    #[must_use]
    pub fn with_message_type(self, message_type: MessageType) -> Self {
        let name = match message_type {
            MessageType::Other(name) => name,
            known => known.as_str().to_owned(),
        };
        self.with(key::MESSAGE_TYPE, name)
    }

    /// These properties with their status set.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        self.with(key::STATUS, status.as_str())
    }

    /// The raw value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value of a key where it is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// The value of a key where it is a non-negative integer, as a number or as decimal digits.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// What the message is.
    pub fn message_type(&self) -> Option<MessageType> {
        self.text(key::MESSAGE_TYPE).map(MessageType::from)
    }

    /// The caller's id of the call, as the text in which a module answers it.
    pub fn request_context(&self) -> Option<String> {
        match self.0.get(key::REQUEST_CONTEXT)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The topic on which the answer is awaited; `None` where it is missing or no topic.
    pub fn response_topic(&self) -> Option<Topic> {
        self.text(key::RESPONSE_TOPIC)?.parse().ok()
    }

    /// How the call stands. A response without a status is a success.
    pub fn status(&self) -> Option<Status> {
        self.text(key::STATUS)?.parse().ok()
    }

    /// All properties, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties(value: Value) -> Properties {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_context_is_a_number_or_a_text() {
        let context = |value| properties(json!({"requestContext": value})).request_context();
        assert_eq!(context(json!(3)).as_deref(), Some("3"));
        assert_eq!(context(json!("3")).as_deref(), Some("3"));
        assert_eq!(context(json!("")), None);
        assert_eq!(context(json!(null)), None);
        assert_eq!(context(json!([1])), None);
        assert_eq!(Properties::new().request_context(), None);
    }

    #[test]
    fn numbers_survive_a_broker_that_makes_them_texts() {
        let fragment = |value| properties(json!({"fragment": value})).integer(key::FRAGMENT);
        assert_eq!(fragment(json!(2)), Some(2));
        assert_eq!(fragment(json!("2")), Some(2));
        assert_eq!(fragment(json!(-1)), None);
        assert_eq!(fragment(json!("two")), None);
        assert_eq!(fragment(json!(1.5)), None);
    }

    #[test]
    fn every_known_type_and_status_reads_back() {
        for name in [
            "ping", "pong", "info", "api_info", "request", "response", "progress", "log", "fetch",
        ] {
            let known = MessageType::from(name);
            assert!(!matches!(known, MessageType::Other(_)), "{name}");
            assert_eq!(known.as_str(), name);
        }
        assert_eq!(
            MessageType::from("cancel"),
            MessageType::Other("cancel".into())
        );
        for status in [Status::Success, Status::Error, Status::Running] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("done".parse::<Status>(), Err(UnknownStatus("done".into())));
    }

    #[test]
    fn unknown_properties_are_kept() {
        let text = r#"{"messageType":"request","x_other":{"a":1}}"#;
        let properties: Properties = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&properties).unwrap(), text);
        assert_eq!(properties.get("x_other"), Some(&json!({"a": 1})));
    }

    #[test]
    fn a_response_topic_must_be_a_topic() {
        assert!(
            properties(json!({"response_topic": "a b"}))
                .response_topic()
                .is_none()
        );
        assert_eq!(
            properties(json!({"response_topic": "a"}))
                .response_topic()
                .unwrap()
                .as_str(),
            "a"
        );
    }
}
