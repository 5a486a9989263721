//! The properties of a message: named values for its routing, beside the payload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::json;
use crate::topic::Topic;
use crate::trace::TraceContext;

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
    /// Extension: in a request whose timeout restarts with each report of its progress: the time from a
    /// report until the caller gives up, in milliseconds.
    pub const RESTART_MS: &str = "x_dasf_restart_ms";
    /// Extension: in a ping: the [`REQUEST_CONTEXT`] of an unfinished call of the same caller. The pong then
    /// has [`POSITION`] or [`RUNS_MS`], if the module knows the call.
    pub const POSITION_OF: &str = "x_dasf_position_of";
    /// Extension: in a pong: how many requests wait before the one of [`POSITION_OF`]. The embedded broker
    /// sends such a pong itself for a request that waits there.
    pub const POSITION: &str = "x_dasf_position";
    /// Extension: in a pong: for how many milliseconds the function of the call of [`POSITION_OF`] has run.
    pub const RUNS_MS: &str = "x_dasf_runs_ms";
    /// Extension: in a ping, `1` if its caller wants to know how much the module has to do. Then in the pong, the
    /// numbers as JSON: `{"running": 1, "waiting": 0, "answered": 10, "failed": 2}`.
    pub const LOAD: &str = "x_dasf_load";
    /// Extension: in a request that a caller publishes again. It is `1` if the caller does not know whether
    /// the broker received the first message. Otherwise the broker accepted it and may have lost it or
    /// its response: then it is the age of the request in milliseconds, at least 2.
    pub const REPEATED: &str = "x_dasf_repeated";
    /// Extension: in a pong of a module, [`ALWAYS`](super::repeats::ALWAYS) or
    /// [`AFTER_LOSS`](super::repeats::AFTER_LOSS).
    /// It says when a caller should publish a request again that the broker has accepted. Without it, a
    /// caller should not do so.
    pub const REPEATS: &str = "x_dasf_repeats";
    /// Extension: `1` in a request without its payload. A caller sends a large request to a group
    /// in this way, because its fragments would go to different modules. The module asks for the
    /// payload with [`Fetch`](super::MessageType::Fetch).
    pub const ON_DEMAND: &str = "x_dasf_on_demand";
    /// Extension: a string that all fragments of one response share. A request may get two
    /// responses, if a module crashes while it sends the first.
    pub const ANSWER: &str = "x_dasf_answer";
    /// Extension: the number of fragments of a job's answer that an MQTT broker retains beside the response topic.
    /// Each of them has it, and the response that tells of them.
    pub const PARTS: &str = "x_dasf_parts";
    /// Extension: a random string that all fragments of one request share. So they are not mixed with
    /// those that somebody else sends with the same response topic and context.
    pub const REQUEST: &str = "x_dasf_request";
    /// Extension: `1` from a caller that answers each [`Ping`](super::MessageType::Ping) on its
    /// response topic. The module then knows how much of a large response the caller has read. The
    /// [`Pong`](super::MessageType::Pong) goes to the ping's `response_topic`.
    pub const ANSWERS_PINGS: &str = "x_dasf_answers_pings";
    /// Extension: the code and the details of a function's error, as a string of JSON. See
    /// [`ErrorInfo`](crate::ErrorInfo).
    pub const ERROR: &str = "x_dasf_error";
    /// Extension: in a request whose work outlives its caller. The embedded broker delivers it even if the
    /// caller no longer waits or is gone.
    pub const JOB: &str = "x_dasf_job";
    /// Extension: the state of a job, in a progress report of its module, or a note of its caller.
    /// [`JobState`](crate::JobState) has the values.
    pub const JOB_STATE: &str = "x_dasf_job_state";
    /// Extension: in a note on the topic of the answer to a job, a random text of a reader, which so finds the end
    /// of the earlier messages.
    pub const READER: &str = "x_dasf_reader";
    /// Extension: in the request of a job, the seconds for which its caller wants its answer to be kept, and
    /// for which a broker keeps the request while no module listens.
    pub const KEEP: &str = "x_dasf_keep_s";
    /// Extension: in a progress report, the state of the computation from which whoever runs the job next can
    /// go on, as JSON.
    pub const CHECKPOINT: &str = "x_dasf_checkpoint";
    /// Extension: in a request, the trace to which the call belongs, and the span that calls: the `traceparent` of the
    /// W3C, and after a space the `tracestate`. See [`TraceContext`](crate::TraceContext).
    pub const TRACE: &str = "x_dasf_trace";
    /// Extension: the name of the user who sent a message. Only a broker sets it, and refuses messages that
    /// come with it.
    pub const USER: &str = "x_dasf_user";
    /// Extension: the names of the groups of the [`USER`], separated by commas. It is left out if there are
    /// none. Only a broker sets it.
    pub const GROUPS: &str = "x_dasf_groups";

    /// All names of this module.
    pub(super) const ALL: &[&str] = &[
        MESSAGE_TYPE,
        REQUEST_CONTEXT,
        RESPONSE_TOPIC,
        SOURCE_TOPIC,
        STATUS,
        TIMEOUT_MS,
        RESTART_MS,
        POSITION_OF,
        POSITION,
        RUNS_MS,
        LOAD,
        FRAGMENT,
        NUM_FRAGMENTS,
        INFO,
        API_INFO,
        REPEATED,
        REPEATS,
        ON_DEMAND,
        ANSWER,
        PARTS,
        REQUEST,
        ANSWERS_PINGS,
        ERROR,
        JOB,
        JOB_STATE,
        READER,
        KEEP,
        CHECKPOINT,
        TRACE,
        USER,
        GROUPS,
    ];
}

/// The values of [`REPEATS`](key::REPEATS).
pub mod repeats {
    /// After each lost connection: the module runs the request once.
    pub const ALWAYS: &str = "always";
    /// If the broker has lost its messages: the request may run twice. A broker shows that by
    /// [`RUN`](crate::link::RUN).
    pub const AFTER_LOSS: &str = "after_loss";
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
    /// A note of a caller about its job, on the topic of the answer. [`JobState`](crate::JobState) has what it
    /// tells.
    Job,
    /// Says that the caller of the request with the same
    /// [`response_topic`](Properties::response_topic) and
    /// [`request_context`](Properties::request_context) no longer waits for its response. It has no payload
    /// and no answer.
    Cancel,
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
            Self::Job => "job",
            Self::Cancel => "cancel",
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
            "job" => Self::Job,
            "cancel" => Self::Cancel,
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

/// The value of a property: any JSON value.
///
/// ```
/// use dasf_protocol::properties::PropertyValue;
/// use serde_json::json;
///
/// let value = PropertyValue::from("success");
/// assert_eq!(value.as_str(), Some("success"));
/// assert_eq!(value.to_json(), json!("success"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyValue<'a>(Repr<'a>);

#[derive(Debug, Clone, PartialEq)]
enum Repr<'a> {
    Scalar(Scalar),
    Text(Cow<'a, str>),
    /// A list or an object.
    Nested(Cow<'a, Value>),
}

/// A value without memory of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scalar {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

impl Scalar {
    fn to_json(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Unsigned(value) => value.into(),
            Self::Negative(value) => value.into(),
            Self::Float(value) => value.into(),
        }
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Negative(value), Self::Unsigned)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        // JSON has no infinities and no NaN.
        if value.is_finite() {
            Self::Float(value)
        } else {
            Self::Null
        }
    }
}

impl PropertyValue<'_> {
    /// Returns the value if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether the value is null.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Repr::Scalar(Scalar::Null))
    }

    /// Returns the value as brokers carry it that know only texts: a string as it is, and anything else
    /// as its JSON.
    pub fn to_text(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Scalar(scalar) => scalar.to_json().to_string().into(),
            Repr::Text(text) => (&**text).into(),
            Repr::Nested(value) => value.to_string().into(),
        }
    }

    /// Returns a copy of the value.
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Repr::Scalar(scalar) => scalar.to_json(),
            Repr::Text(text) => Value::String(text.as_ref().to_owned()),
            Repr::Nested(value) => value.as_ref().clone(),
        }
    }
}

impl<'a> From<&'a str> for PropertyValue<'a> {
    fn from(text: &'a str) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<String> for PropertyValue<'_> {
    fn from(text: String) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<Value> for PropertyValue<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self(Repr::Scalar(Scalar::Null)),
            Value::Bool(value) => value.into(),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => value.into(),
                (None, Some(value)) => value.into(),
                (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
            },
            Value::String(text) => text.into(),
            nested => Self(Repr::Nested(Cow::Owned(nested))),
        }
    }
}

impl From<bool> for PropertyValue<'_> {
    fn from(value: bool) -> Self {
        Self(Repr::Scalar(Scalar::Bool(value)))
    }
}

impl From<u32> for PropertyValue<'_> {
    fn from(value: u32) -> Self {
        u64::from(value).into()
    }
}

impl From<u64> for PropertyValue<'_> {
    fn from(value: u64) -> Self {
        Self(Repr::Scalar(Scalar::Unsigned(value)))
    }
}

impl From<usize> for PropertyValue<'_> {
    fn from(value: usize) -> Self {
        // No platform of Rust has more than 64 bits.
        u64::try_from(value).unwrap_or(u64::MAX).into()
    }
}

impl From<i32> for PropertyValue<'_> {
    fn from(value: i32) -> Self {
        i64::from(value).into()
    }
}

impl From<i64> for PropertyValue<'_> {
    fn from(value: i64) -> Self {
        Self(Repr::Scalar(value.into()))
    }
}

/// Infinities and NaN become null, as in JSON.
impl From<f64> for PropertyValue<'_> {
    fn from(value: f64) -> Self {
        Self(Repr::Scalar(value.into()))
    }
}

impl Serialize for PropertyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Scalar(Scalar::Null) => serializer.serialize_unit(),
            Repr::Scalar(Scalar::Bool(value)) => serializer.serialize_bool(*value),
            Repr::Scalar(Scalar::Unsigned(value)) => serializer.serialize_u64(*value),
            Repr::Scalar(Scalar::Negative(value)) => serializer.serialize_i64(*value),
            Repr::Scalar(Scalar::Float(value)) => serializer.serialize_f64(*value),
            Repr::Text(text) => serializer.serialize_str(text),
            Repr::Nested(value) => value.serialize(serializer),
        }
    }
}

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
// Every message has properties, and most of them are a few short texts. So they share one string.
#[derive(Default)]
pub struct Properties {
    entries: Vec<Entry>,
    /// All names that the protocol does not define, and all values that are texts. A text that is
    /// replaced stays here.
    texts: String,
    /// All values that are lists or objects.
    nested: Vec<Value>,
}

#[derive(Clone, Copy)]
struct Entry {
    name: Name,
    value: Item,
}

#[derive(Clone, Copy)]
enum Name {
    /// A name that the protocol defines.
    Known(&'static str),
    Other(Span),
}

#[derive(Clone, Copy)]
enum Item {
    Scalar(Scalar),
    Text(Span),
    /// The index of a list or an object.
    Nested(usize),
}

/// A piece of the shared string.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

/// The room for the properties of nearly all messages.
const ROOM: usize = 8;
/// The room for their texts in bytes.
const TEXT_ROOM: usize = 128;
/// The number of properties up to which a search compares the names, because that is faster than a hash.
const SEARCHED: usize = 32;

impl Properties {
    /// Returns an empty set of properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property. It replaces an existing value.
    #[must_use]
    pub fn with<'a>(mut self, key: &str, value: impl Into<PropertyValue<'a>>) -> Self {
        let value = self.hold(value.into());
        match self.position(key) {
            Some(index) => self.entries[index].value = value,
            None => {
                let name = self.hold_name(key);
                self.push(name, value);
            }
        }
        self
    }

    /// Removes a property.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        if let Some(index) = self.position(key) {
            self.entries.remove(index);
        }
        self
    }

    /// Sets the message type.
    #[must_use]
    pub fn with_message_type(self, message_type: MessageType) -> Self {
        match message_type {
            MessageType::Other(name) => self.with(key::MESSAGE_TYPE, name),
            known => self.with(key::MESSAGE_TYPE, known.as_str()),
        }
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        self.with(key::STATUS, status.as_str())
    }

    /// Returns the trace to which a request belongs. A malformed one counts as none, and so does a malformed
    /// `tracestate`.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::received(self.text(key::TRACE)?)
    }

    /// Returns the value of a property.
    pub fn get(&self, key: &str) -> Option<PropertyValue<'_>> {
        self.item(key).map(|item| self.value(item))
    }

    /// Returns the value of a property if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.item(key)? {
            Item::Text(span) => Some(self.span(span)),
            _ => None,
        }
    }

    /// Returns the value of a property if it is a non-negative integer, as a number or as decimal
    /// digits.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.item(key)? {
            Item::Scalar(Scalar::Unsigned(value)) => Some(value),
            Item::Text(digits) => self.span(digits).parse().ok(),
            _ => None,
        }
    }

    /// Returns the type of the message.
    pub fn message_type(&self) -> Option<MessageType> {
        self.text(key::MESSAGE_TYPE).map(MessageType::from)
    }

    /// Returns the caller's id of the call as a string, which is its form in responses.
    pub fn request_context(&self) -> Option<Cow<'_, str>> {
        match self.item(key::REQUEST_CONTEXT)? {
            Item::Text(span) => {
                Some(self.span(span).into()).filter(|text: &Cow<'_, _>| !text.is_empty())
            }
            Item::Scalar(
                number @ (Scalar::Unsigned(_) | Scalar::Negative(_) | Scalar::Float(_)),
            ) => Some(number.to_json().to_string().into()),
            Item::Scalar(Scalar::Null | Scalar::Bool(_)) | Item::Nested(_) => None,
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
    pub fn iter(&self) -> impl Iterator<Item = (&str, PropertyValue<'_>)> {
        let entries = self.entries.iter();
        entries.map(|entry| (self.name(entry.name), self.value(entry.value)))
    }

    /// Appends the properties as a JSON object.
    pub(crate) fn write_json(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            match entry.name {
                Name::Known(name) => json::push_plain(json, name),
                Name::Other(span) => json::push_text(json, self.span(span)),
            }
            json.push(b':');
            match entry.value {
                Item::Text(span) => json::push_text(json, self.span(span)),
                value => json::push(json, &self.value(value)),
            }
        }
        json.push(b'}');
    }

    fn span(&self, span: Span) -> &str {
        &self.texts[span.start..span.end]
    }

    fn name(&self, name: Name) -> &str {
        match name {
            Name::Known(name) => name,
            Name::Other(span) => self.span(span),
        }
    }

    fn value(&self, item: Item) -> PropertyValue<'_> {
        PropertyValue(match item {
            Item::Scalar(scalar) => Repr::Scalar(scalar),
            Item::Text(span) => Repr::Text(self.span(span).into()),
            Item::Nested(index) => Repr::Nested(Cow::Borrowed(&self.nested[index])),
        })
    }

    fn position(&self, key: &str) -> Option<usize> {
        let mut entries = self.entries.iter();
        entries.position(|entry| self.name(entry.name) == key)
    }

    fn item(&self, key: &str) -> Option<Item> {
        self.position(key).map(|index| self.entries[index].value)
    }

    fn push(&mut self, name: Name, value: Item) {
        if self.entries.capacity() == 0 {
            self.entries.reserve_exact(ROOM);
        }
        self.entries.push(Entry { name, value });
    }

    fn hold_text(&mut self, text: &str) -> Span {
        if self.texts.capacity() == 0 {
            self.texts.reserve(TEXT_ROOM);
        }
        let start = self.texts.len();
        self.texts.push_str(text);
        let end = self.texts.len();
        Span { start, end }
    }

    fn hold_name(&mut self, name: &str) -> Name {
        match key::ALL.iter().find(|known| **known == name) {
            Some(known) => Name::Known(known),
            None => Name::Other(self.hold_text(name)),
        }
    }

    fn hold(&mut self, value: PropertyValue<'_>) -> Item {
        match value.0 {
            Repr::Scalar(scalar) => Item::Scalar(scalar),
            Repr::Text(text) => Item::Text(self.hold_text(&text)),
            Repr::Nested(value) => {
                self.nested.push(value.into_owned());
                Item::Nested(self.nested.len() - 1)
            }
        }
    }
}

impl Clone for Properties {
    fn clone(&self) -> Self {
        // A copy mostly gets more properties.
        let mut copy = Self {
            entries: Vec::with_capacity(self.entries.len().max(ROOM)),
            texts: String::with_capacity(self.texts.len().max(TEXT_ROOM)),
            nested: self.nested.clone(),
        };
        copy.entries.extend_from_slice(&self.entries);
        copy.texts.push_str(&self.texts);
        copy
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The order of the properties does not matter.
impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        fn sorted(properties: &Properties) -> Vec<(&str, PropertyValue<'_>)> {
            let mut sorted: Vec<_> = properties.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            sorted
        }
        self.entries.len() == other.entries.len() && sorted(self) == sorted(other)
    }
}

/// The last value of a repeated name counts.
impl<'a, K: AsRef<str>, V: Into<PropertyValue<'a>>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(properties: I) -> Self {
        let mut collector = Collector::default();
        for (key, value) in properties {
            let name = collector.properties.hold_name(key.as_ref());
            let value = collector.properties.hold(value.into());
            collector.insert(name, value);
        }
        collector.properties
    }
}

/// Collects properties of which a peer decides the number.
#[derive(Default)]
struct Collector {
    properties: Properties,
    /// The positions of all properties, if they are more than [`SEARCHED`].
    positions: HashMap<Box<str>, usize>,
}

impl Collector {
    fn insert(&mut self, name: Name, value: Item) {
        let count = self.properties.entries.len();
        let text = self.properties.name(name);
        let position = if count <= SEARCHED {
            self.properties.position(text)
        } else {
            if self.positions.is_empty() {
                let names = self.properties.iter().map(|(name, _)| name.into());
                self.positions = names.zip(0..).collect();
            }
            let position = self.positions.get(text).copied();
            if position.is_none() {
                self.positions.insert(text.into(), count);
            }
            position
        };
        match position {
            Some(index) => self.properties.entries[index].value = value,
            None => self.properties.push(name, value),
        }
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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
                let mut collector = Collector::default();
                while let Some(name) = map.next_key_seed(NameInto(&mut collector.properties))? {
                    let value = map.next_value_seed(ValueInto(&mut collector.properties))?;
                    collector.insert(name, value);
                }
                Ok(collector.properties)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Reads a name.
struct NameInto<'a>(&'a mut Properties);

impl<'de> DeserializeSeed<'de> for NameInto<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameInto<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(self.0.hold_name(name))
    }
}

/// Reads a value.
struct ValueInto<'a>(&'a mut Properties);

impl<'de> DeserializeSeed<'de> for ValueInto<'_> {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueInto<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Item, E> {
        Ok(Item::Scalar(Scalar::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Scalar(Scalar::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Item, E> {
        Ok(Item::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Item, E> {
        Ok(Item::Scalar(value.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(self.0.hold_text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Item, A::Error> {
        let list = Value::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(self.0.hold(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Item, A::Error> {
        let object = Value::deserialize(MapAccessDeserializer::new(object))?;
        Ok(self.0.hold(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indexmap::IndexMap;
    use proptest::prelude::*;
    use serde_json::json;

    fn properties(value: Value) -> Properties {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_context_is_a_number_or_a_string() {
        let context = |value| {
            let properties = properties(json!({"requestContext": value}));
            properties.request_context().map(Cow::into_owned)
        };
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
            "cancel",
        ] {
            let known = MessageType::from(name);
            assert!(!matches!(known, MessageType::Other(_)), "{name}");
            assert_eq!(known.as_str(), name);
        }
        assert_eq!(
            MessageType::from("pause"),
            MessageType::Other("pause".into())
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
            let names = properties.entries.iter().map(|entry| entry.name);
            let copied = names.filter(|name| matches!(name, Name::Other(_)));
            let copied: Vec<_> = copied.map(|name| properties.name(name)).collect();
            assert_eq!(copied, ["x_other"]);
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
        let other = properties.get("x_other").map(|it| it.to_json());
        assert_eq!(other, Some(json!({"a": 1})));
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
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,3}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    /// Names of which some are long and many are repeated.
    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,2}",
            (0..60).prop_map(|number| format!("a name that is not held in place, {number}")),
        ]
    }

    fn content(properties: &Properties) -> Vec<(String, Value)> {
        let entries = properties.iter();
        entries
            .map(|(key, value)| (key.to_owned(), value.to_json()))
            .collect()
    }

    proptest! {
        /// `IndexMap` is the model: a repeated name keeps its first place and gets the last value.
        #[test]
        fn properties_are_a_map_in_the_order_of_their_names(
            entries in prop::collection::vec((any_name(), any_value()), 0..90),
            changes in prop::collection::vec((any_name(), prop::option::of(any_value())), 0..20),
        ) {
            let members = entries.iter().map(|(key, value)| format!("{}:{value}", json!(key)));
            let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            let mut model: IndexMap<String, Value> = serde_json::from_str(&text).unwrap();
            let mut properties: Properties = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&properties, &entries.into_iter().collect());
            for (key, value) in changes {
                properties = match value {
                    Some(value) => {
                        model.insert(key.clone(), value.clone());
                        properties.with(&key, value)
                    }
                    None => {
                        model.shift_remove(&key);
                        properties.without(&key)
                    }
                };
                let value = properties.get(&key).map(|it| it.to_json());
                prop_assert_eq!(value.as_ref(), model.get(&key));
            }
            prop_assert_eq!(serde_json::to_string(&properties).unwrap(), serde_json::to_string(&model).unwrap());
            let mut json = Vec::new();
            properties.write_json(&mut json);
            prop_assert_eq!(json, serde_json::to_vec(&model).unwrap());
            let copy = properties.clone();
            prop_assert_eq!(&copy, &properties);
            prop_assert_eq!(content(&properties), model.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn values_stay_what_they_are(value in any_value()) {
            let property = PropertyValue::from(value.clone());
            prop_assert_eq!(property.to_json(), value.clone());
            prop_assert_eq!(property.as_str(), value.as_str());
            prop_assert_eq!(property.is_null(), value.is_null());
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            prop_assert_eq!(property.to_text(), text);
            let json = value.to_string();
            prop_assert_eq!(serde_json::to_string(&property).unwrap(), &*json);
        }
    }
}
