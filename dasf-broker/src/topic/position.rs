//! Callers ask how many requests wait before their own.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use dasf_protocol::properties::key;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Topic;
use super::subscription::Subscription;
use crate::message::Message;

/// How far the broker looks through the messages of a subscription.
const MAX_LOOK: usize = 10_000;

/// A number for each call, which nobody can choose.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The properties that name a call, and those of a question for one.
#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "messageType", borrow, default)]
    message_type: Cow<'a, str>,
    #[serde(rename = "requestContext", default)]
    request_context: Value,
    #[serde(borrow, default)]
    response_topic: Cow<'a, str>,
    #[serde(rename = "x_dasf_position_of", default)]
    position_of: Value,
    #[serde(rename = "x_dasf_user", borrow, default)]
    user: Cow<'a, str>,
}

impl<'a> Properties<'a> {
    fn read(properties: &'a str) -> Option<Self> {
        serde_json::from_str(properties).ok()
    }

    /// Returns the number of the call of this caller with a context.
    fn call(&self, context: &Value) -> Option<u64> {
        // Brokers and modules make texts of numbers.
        let context: Cow<'_, str> = match context {
            Value::String(text) => text.into(),
            Value::Number(number) => number.to_string().into(),
            _ => return None,
        };
        Some(HASHER.hash_one((&*self.response_topic, &*self.user, &*context)))
    }
}

/// Returns the number of the call that has a message with these properties as its request; `None` if the
/// message is no request.
pub(crate) fn call_of(properties: &str) -> Option<u64> {
    let properties = Properties::read(properties)?;
    let is_request = properties.message_type == "request";
    is_request.then(|| properties.call(&properties.request_context))?
}

/// A ping whose sender asks for the position of a request.
#[derive(Debug)]
struct Question {
    /// The number of the call.
    call: u64,
    request_context: Value,
    response_topic: String,
}

impl Question {
    fn of(message: &Message) -> Option<Self> {
        message.with_properties(|properties| {
            let properties = Properties::read(properties?)?;
            let is_ping = properties.message_type == "ping";
            let call = properties.call(&properties.position_of)?;
            is_ping.then(|| Self {
                call,
                response_topic: properties.response_topic.into_owned(),
                request_context: properties.request_context,
            })
        })
    }
}

/// The answer to a question for the position of a request.
#[derive(Debug)]
pub(crate) struct PositionAnswer {
    /// The name of the topic for the answer.
    pub(crate) response_topic: String,
    /// The context of the question, as JSON.
    pub(crate) context: String,
    request_context: Value,
    /// How many requests wait before the one of the question. `None` if it does not wait here.
    before: Option<usize>,
}

impl PositionAnswer {
    /// Returns the properties of the answer from the topic with this name, as JSON.
    pub(crate) fn properties(&self, source_topic: &str) -> String {
        let mut properties = json!({
            "messageType": "pong",
            "requestContext": self.request_context,
            "source_topic": source_topic,
        });
        if let Some(before) = self.before {
            properties[key::POSITION] = before.into();
        }
        properties.to_string()
    }
}

impl Subscription {
    /// Returns how many requests wait before that of a call, if it waits.
    fn position(&self, call: u64) -> Option<usize> {
        let waiting = self.ready.iter().take(MAX_LOOK);
        let mut calls = waiting.filter_map(|queued| queued.message.call());
        calls.position(|other| other == call)
    }
}

impl Topic {
    /// Returns the answer to a message with these properties, if it asks for the position of a request, and
    /// requests wait here. The question would wait, too, behind them. A module that reads the topic is there.
    pub(crate) fn answer(
        &self,
        properties: Option<&str>,
        message: &Message,
    ) -> Option<PositionAnswer> {
        // Most messages meet no others that wait.
        let subscriptions = self.subscriptions.values();
        let mut busy = subscriptions.filter(|it| !it.ready.is_empty() && it.has_consumer());
        let first = busy.next()?;
        if !properties?.contains(key::POSITION_OF) {
            return None;
        }
        let question = Question::of(message)?;
        let positions = std::iter::once(first).chain(busy);
        let before = positions.filter_map(|it| it.position(question.call)).min();
        Some(PositionAnswer {
            response_topic: question.response_topic,
            context: question.request_context.to_string(),
            request_context: question.request_context,
            before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::topic::test_topic::{TestTopic, shared};

    fn message(test: &TestTopic, properties: &Value) -> Message {
        let fields = format!(r#""payload":"","properties":{properties}}}"#);
        Message::from_text(&test.origin, &test.origin.budget, test.now, &fields)
    }

    fn request(context: &Value, user: &str) -> Value {
        json!({
            "messageType": "request", "requestContext": context, "response_topic": "caller",
            "x_dasf_user": user,
        })
    }

    /// Returns how many requests wait before one, as the broker answers.
    fn before(test: &TestTopic, context: &Value, user: &str) -> Option<u64> {
        let question = json!({
            "messageType": "ping", "requestContext": 7, "response_topic": "caller",
            "x_dasf_position_of": context, "x_dasf_user": user,
        });
        let text = question.to_string();
        let answer = test.topic.answer(Some(&text), &message(test, &question))?;
        assert_eq!((&*answer.response_topic, &*answer.context), ("caller", "7"));
        let properties: Value = serde_json::from_str(&answer.properties("demo")).unwrap();
        assert_eq!(properties["messageType"], "pong");
        assert_eq!(properties["requestContext"], 7);
        assert_eq!(properties["source_topic"], "demo");
        properties["x_dasf_position"].as_u64()
    }

    #[test]
    fn a_request_that_waits_has_a_position() {
        let mut test = TestTopic::new(Limits::default());
        let publish = |test: &mut TestTopic, properties: Value| {
            let message = message(test, &properties);
            test.topic.publish(message, &mut test.effects).unwrap();
        };
        for number in 0..5 {
            publish(&mut test, request(&json!(number), "ada"));
        }
        // Without a reader, a module would not answer, either.
        assert_eq!(before(&test, &json!("1"), "ada"), None);
        let reader = test.attach("s", &shared(1));
        assert_eq!(before(&test, &json!("0"), "ada"), None, "a module has it");
        assert_eq!(before(&test, &json!("1"), "ada"), Some(0));
        assert_eq!(before(&test, &json!(4), "ada"), Some(3));
        publish(
            &mut test,
            json!({"messageType": "ping", "response_topic": "caller"}),
        );
        publish(&mut test, request(&json!("4"), "bob"));
        assert_eq!(before(&test, &json!("4"), "bob"), Some(4));
        assert_eq!(before(&test, &json!("5"), "ada"), None);
        assert_eq!(before(&test, &json!(null), "ada"), None);
        let first = test.take("s", reader)[0];
        assert!(test.acknowledge("s", reader, first));
        assert_eq!(before(&test, &json!("4"), "ada"), Some(2));
        // Other messages get no answer.
        let other = request(&json!("1"), "ada");
        let text = other.to_string();
        assert!(
            test.topic
                .answer(Some(&text), &message(&test, &other))
                .is_none()
        );
    }
}
