//! What happens on the topics of a broker.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tokio::runtime::Handle;

use crate::address::Address;
use crate::transport::{ConnectError, lacks_activity};

/// What happens on a topic of a `dasf-broker`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct TopicActivity {
    /// The topic.
    pub topic: String,
    /// Who reads it.
    pub listeners: Vec<ListenerActivity>,
    /// The number of messages that wait for a listener.
    #[serde(default, rename = "waiting_messages")]
    pub waiting: u64,
    /// The number of messages that listeners have and did not acknowledge. With `--ack completed`, these are the
    /// calls that run.
    #[serde(default, rename = "unacknowledged_messages")]
    pub unacknowledged: u64,
    /// The age of the oldest of these messages.
    #[serde(
        default,
        rename = "oldest_message_seconds",
        deserialize_with = "seconds"
    )]
    pub oldest: Option<Duration>,
    /// The number of messages since the topic exists.
    #[serde(default)]
    pub published: u64,
    /// The rate of messages to the topic.
    #[serde(default)]
    pub published_per_second: f64,
    /// The number of requests that are put aside.
    #[serde(default)]
    pub dead_requests: u64,
}

/// What a reader of a topic does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ListenerActivity {
    /// The name of the module; `None` for a reader that does not introduce itself.
    pub module: Option<String>,
    /// The version of the module.
    pub version: Option<String>,
    /// The name of its machine.
    pub host: Option<String>,
    /// The number of its process.
    pub process: Option<u32>,
    /// The group with which it shares its requests.
    pub group: Option<String>,
    /// The user as whom it has logged in.
    pub user: Option<String>,
    /// The address from which it is connected.
    pub address: Option<String>,
    /// The name of its subscription.
    #[serde(default)]
    pub subscription: String,
    /// The number of messages that it has and did not acknowledge.
    #[serde(default, rename = "unacknowledged_messages")]
    pub unacknowledged: u64,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// Returns what happens on the topics of a `dasf-broker`: who listens, how much waits and runs. If the broker has
/// users, it shows the topics that the caller may watch or serve.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::{Address, topic_activity};
///
/// for topic in topic_activity(Address::websocket("ws://localhost:8080/ws")?).await? {
///     println!("{}: {} wait", topic.topic, topic.waiting);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// Returns [`ConnectError`] if the broker cannot be reached or refuses the connection, and
/// [`Unsupported`](ConnectError::Unsupported) if it is no `dasf-broker`.
///
/// # Cancel safety
/// When dropped, it closes the connection.
pub async fn topic_activity(address: Address) -> Result<Vec<TopicActivity>, ConnectError> {
    let url = address.to_string();
    let transport = address.open(Handle::current());
    let Some(topics) = transport.activity() else {
        return Err(lacks_activity(url));
    };
    topics.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_of_another_version_may_tell_less() {
        let text = r#"{"topic": "a", "more": 1, "oldest_message_seconds": -1,
            "listeners": [{"module": null, "version": "1"}]}"#;
        let activity: TopicActivity = serde_json::from_str(text).unwrap();
        assert_eq!(activity.oldest, None);
        assert_eq!(activity.waiting, 0);
        assert_eq!(activity.listeners[0].version.as_deref(), Some("1"));
        let text = r#"{"topic": "a", "listeners": [], "oldest_message_seconds": 1.5}"#;
        let activity: TopicActivity = serde_json::from_str(text).unwrap();
        assert_eq!(activity.oldest, Some(Duration::from_millis(1500)));
    }
}
