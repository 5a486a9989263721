//! The properties of a message: named values for its routing, beside the payload.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::topic::Topic;

/// The property names that the protocol defines.
pub mod key {
    /// The type of the message, a [`MessageType`](super::MessageType).
    pub const MESSAGE_TYPE: &str = "messageType";
    /// The caller's id of the call.
    pub const REQUEST_CONTEXT: &str = "requestContext";
    /// The topic on which the caller waits for the response.
    pub const RESPONSE_TOPIC: &str = "response_topic";
    /// The topic of the module that sends the response.
    pub const SOURCE_TOPIC: &str = "source_topic";
    /// The status of the call, a [`Status`](super::Status).
    pub const STATUS: &str = "status";
    /// The index of a fragment, from 0.
    pub const FRAGMENT: &str = "fragment";
    /// The number of fragments of the payload.
    pub const NUM_FRAGMENTS: &str = "num_fragments";
    /// The response to `info`: the module's schema as a string of JSON.
    pub const INFO: &str = "info";
    /// The response to `api_info`: the API description as a string of JSON.
    pub const API_INFO: &str = "api_info";
    /// Extension: the time left for the call when the request was sent, in milliseconds.
    pub const TIMEOUT_MS: &str = "x_dasf_timeout_ms";
    /// Extension: `1` in a request that a caller publishes again, because it does not know whether
    /// the broker received it the first time.
    pub const REPEATED: &str = "x_dasf_repeated";
    /// Extension: `1` in a request without its payload. A caller sends a large request to a group
    /// in this way, because its fragments would go to different modules. The module asks for the
    /// payload with [`Fetch`](super::MessageType::Fetch).
    pub const ON_DEMAND: &str = "x_dasf_on_demand";
    /// Extension: a string that all fragments of one response share. A request may get two
    /// responses, if a module crashes while it sends the first.
    pub const ANSWER: &str = "x_dasf_answer";
    /// Extension: `1` from a caller that answers each [`Ping`](super::MessageType::Ping) on its
    /// response topic. The module then knows how much of a large response the caller has read. The
    /// [`Pong`](super::MessageType::Pong) goes to the ping's `response_topic`.
    pub const ANSWERS_PINGS: &str = "x_dasf_answers_pings";
    /// Extension: the code and the details of a function's error, as a string of JSON. See
    /// [`ErrorInfo`](crate::ErrorInfo).
    pub const ERROR: &str = "x_dasf_error";

    /// All names of this module.
    pub(super) const ALL: &[&str] = &[
        MESSAGE_TYPE,
        REQUEST_CONTEXT,
        RESPONSE_TOPIC,
        SOURCE_TOPIC,
        STATUS,
        TIMEOUT_MS,
        FRAGMENT,
        NUM_FRAGMENTS,
        INFO,
        API_INFO,
        REPEATED,
        ON_DEMAND,
        ANSWER,
        ANSWERS_PINGS,
        ERROR,
    ];
}

/// The type of a message.
///
/// A peer may use a type that this version does not know. Such a type is kept unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// Asks whether a peer reads its topic. The answer is [`Pong`](Self::Pong).
    Ping,
    /// Answers a [`Ping`](Self::Ping).
    Pong,
    /// Asks for the module's schema.
    Info,
    /// Asks for the module's API description.
    ApiInfo,
    /// Calls a function.
    Request,
    /// Answers a [`Request`](Self::Request), [`Info`](Self::Info) or [`ApiInfo`](Self::ApiInfo).
    Response,
    /// Reports the progress of a running call.
    Progress,
    /// Contains a line of a module's log.
    Log,
    /// Asks for the payload of a request that came without it. The caller sends it in fragments,
    /// with the properties of the request, to the [`response_topic`](Properties::response_topic) of
    /// this message.
    Fetch,
    /// A type that this version does not know.
    Other(String),
}

impl MessageType {
    /// Returns the name of the type in the properties.
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

/// The status of a call, or of one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ended successfully.
    Success,
    /// It failed.
    Error,
    /// It still runs.
    Running,
}

impl Status {
    /// Returns the name of the status in the properties.
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

/// The error of a status that is not `success`, `error` or `running`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}; use success, error or running")]
pub struct UnknownStatus(pub String);

/// The properties of a message.
///
/// Known properties have typed accessors. All others are kept unchanged, because peers pass on
/// properties that they do not know. Pulsar turns every value into a string, so numbers are read
/// from both forms.
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(IndexMap<Cow<'static, str>, Value>);

impl Properties {
    /// Returns an empty set of properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property. It replaces an existing value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(shared(key), value.into());
        self
    }

    /// Removes a property.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.shift_remove(key);
        self
    }

    /// Sets the message type.
    #[must_use]
    pub fn with_message_type(self, message_type: MessageType) -> Self {
        let name = match message_type {
            MessageType::Other(name) => name,
            known => known.as_str().to_owned(),
        };
        self.with(key::MESSAGE_TYPE, name)
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        self.with(key::STATUS, status.as_str())
    }

    /// Returns the JSON value of a property.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Returns the value of a property if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// Returns the value of a property if it is a non-negative integer, as a number or as decimal
    /// digits.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Returns the type of the message.
    pub fn message_type(&self) -> Option<MessageType> {
        self.text(key::MESSAGE_TYPE).map(MessageType::from)
    }

    /// Returns the caller's id of the call as a string, which is its form in responses.
    pub fn request_context(&self) -> Option<String> {
        match self.0.get(key::REQUEST_CONTEXT)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Returns the topic for the response; `None` if it is missing or invalid.
    pub fn response_topic(&self) -> Option<Topic> {
        self.text(key::RESPONSE_TOPIC)?.parse().ok()
    }

    /// Returns the status of the call; `None` if it is missing or unknown. A response without a
    /// status is a success.
    pub fn status(&self) -> Option<Status> {
        self.text(key::STATUS)?.parse().ok()
    }

    /// Returns all properties in their original order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

/// Returns a key without a copy if the protocol defines it, as nearly all keys.
fn shared(key: &str) -> Cow<'static, str> {
    match key::ALL.iter().find(|known| **known == key) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(key.to_owned()),
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                // The length is not announced in JSON. Most messages have a few properties.
                let mut properties = IndexMap::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    properties.insert(key, map.next_value()?);
                }
                Ok(Properties(properties))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The name of a property, read without a copy if the protocol defines it.
struct Key(Cow<'static, str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key(shared(name)))
            }
        }

        deserializer.deserialize_str(Name)
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
    fn a_context_is_a_number_or_a_string() {
        let context = |value| properties(json!({"requestContext": value})).request_context();
        assert_eq!(context(json!(3)).as_deref(), Some("3"));
        assert_eq!(context(json!("3")).as_deref(), Some("3"));
        assert_eq!(context(json!("")), None);
        assert_eq!(context(json!(null)), None);
        assert_eq!(context(json!([1])), None);
        assert_eq!(Properties::new().request_context(), None);
    }

    #[test]
    fn numbers_survive_a_broker_that_makes_them_strings() {
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
    fn the_names_of_the_protocol_are_not_copied() {
        let text = r#"{"messageType":"request","requestContext":7,"x_other":1}"#;
        let read: Properties = serde_json::from_str(text).unwrap();
        let built = Properties::new()
            .with("x_other", 1)
            .with_message_type(MessageType::Request)
            .with("requestContext", 7);
        for properties in [&read, &built] {
            let copied = properties
                .0
                .keys()
                .filter(|key| matches!(key, Cow::Owned(_)));
            assert_eq!(copied.collect::<Vec<_>>(), ["x_other"]);
        }
        assert_eq!(read, built);
    }

    #[test]
    fn the_last_value_of_a_repeated_name_counts() {
        let text = r#"{"status":"error","status":"success"}"#;
        let properties: Properties = serde_json::from_str(text).unwrap();
        assert_eq!(properties.status(), Some(Status::Success));
        assert_eq!(properties.iter().count(), 1);
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
