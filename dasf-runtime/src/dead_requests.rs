//! The requests that a broker has put aside, because they ended the modules that ran them.

use std::borrow::Cow;

use dasf_protocol::properties::key;
use dasf_protocol::text::excerpt;
use dasf_protocol::{Subscription, Topic, payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::address::Address;
use crate::transport::{ConnectError, DeadLetter, DeadLetterTopic, Feature, lacks_dead_requests};

/// A request that a broker has put aside, because it ended the modules that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadRequest {
    /// The id under which the broker has it.
    pub id: String,
    /// The topic on which the modules listen; with tenant and namespace if they are not the usual ones.
    pub topic: String,
    /// The group of the modules, or the name of their subscription.
    #[serde(default)]
    pub subscription: Option<String>,
    /// The function or the method, such as `Greeter.greet`, if the broker could read that.
    #[serde(default)]
    pub function: Option<String>,
    /// The user who has sent it, if the broker has users.
    #[serde(default)]
    pub user: Option<String>,
    /// When its caller published it, as RFC 3339. `None` at a Pulsar.
    #[serde(default)]
    pub published: Option<String>,
    /// When the broker put it aside, as RFC 3339.
    #[serde(default)]
    pub put_aside: Option<String>,
    /// The seconds since its caller published it. `None` at a Pulsar.
    #[serde(default)]
    pub age_seconds: Option<u64>,
    /// How often a module began it after its first delivery, and did not finish it. `None` at a Pulsar, which
    /// counts something else.
    #[serde(default)]
    pub deaths: Option<u32>,
    /// The number of its messages: several, if it came in fragments.
    pub messages: usize,
    /// The size of its messages.
    pub bytes: usize,
    /// The topic on which its caller waited for the response.
    #[serde(default)]
    pub response_topic: Option<String>,
}

/// A [`DeadRequest`] with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadRequestDetails {
    /// The request.
    #[serde(flatten)]
    pub dead: DeadRequest,
    /// The context of the call.
    #[serde(default)]
    pub context: Option<String>,
    /// What happened to it: its first delivery, and the latest ones whose modules began it.
    #[serde(default)]
    pub attempts: Vec<DeadAttempt>,
    /// Whether its payload is still with the caller, as that of a large request to a group.
    #[serde(default)]
    pub on_demand: bool,
    /// The beginning of the request as JSON, in characters that a terminal can show. `None` if this user may not
    /// read it, or the broker cannot.
    #[serde(default)]
    pub request: Option<String>,
    /// Whether this is the whole request.
    #[serde(default)]
    pub is_whole: bool,
}

/// A delivery of a [`DeadRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadAttempt {
    /// Who had the request.
    pub consumer: DeadConsumer,
    /// When the module began it, as RFC 3339. `None` if it did not report that, as for each first delivery.
    #[serde(default)]
    pub begun: Option<String>,
    /// When the delivery ended, as RFC 3339.
    pub ended: String,
    /// `lost` if the connection of the module was lost, and `returned` if the module gave the request back.
    pub end: String,
}

/// Who had a [`DeadRequest`]. Modules in Rust with the WebSocket URL of the broker introduce themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadConsumer {
    /// The name of its `mod`.
    #[serde(default)]
    pub module: Option<String>,
    /// The version of the module.
    #[serde(default)]
    pub version: Option<String>,
    /// The name of its machine.
    #[serde(default)]
    pub host: Option<String>,
    /// The number of its process.
    #[serde(default)]
    pub process: Option<u32>,
    /// The user as whom it had logged in.
    #[serde(default)]
    pub user: Option<String>,
    /// The address from which it was connected.
    #[serde(default)]
    pub address: Option<String>,
}

/// A part of the list.
#[derive(Deserialize)]
struct Page {
    dead: Vec<DeadRequest>,
}

/// Returns the requests that a broker has put aside and that its user may see, the oldest first.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::{Address, dead_requests};
///
/// for dead in dead_requests(Address::websocket("ws://localhost:8080/ws")?).await? {
///     println!("{} on topic {}", dead.id, dead.topic);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// Returns [`ConnectError`] if the broker cannot be reached or refuses the connection, and
/// [`Unsupported`](ConnectError::Unsupported) if it puts no requests aside. Only `dasf-broker` does.
pub async fn dead_requests(address: Address) -> Result<Vec<DeadRequest>, ConnectError> {
    let url = address.to_string();
    let mut all = Vec::new();
    for part in ask(address, String::new()).await? {
        all.extend(read::<Page>(&url, part)?.dead);
    }
    Ok(all)
}

/// Returns a request that a broker has put aside, with its history.
///
/// # Errors
/// As [`dead_requests`]. [`Refused`](ConnectError::Refused) has the status 410 if there is no such request, or
/// its topic is for others.
pub async fn dead_request(address: Address, id: &str) -> Result<DeadRequestDetails, ConnectError> {
    let url = address.to_string();
    let answered = ask(address, path(id, "")).await?;
    let Some(answer) = answered.into_iter().next() else {
        return Err(unreadable(&url, "it is empty"));
    };
    read(&url, answer)
}

/// Sends a request that a broker has put aside to its topic again, as if it had never come. Its response goes
/// to the topic on which its caller waited.
///
/// # Errors
/// As [`dead_request`], and [`Refused`](ConnectError::Refused) with the status 403 if the user may neither
/// `serve` the topic nor `watch` it with the right `admin`, and 409 if the broker cannot send it.
///
/// # Cancel safety
/// When dropped, the request may or may not be sent.
pub async fn retry_dead_request(address: Address, id: &str) -> Result<(), ConnectError> {
    ask(address, path(id, "/retry")).await.map(drop)
}

/// Drops a request that a broker has put aside.
///
/// # Errors
/// As [`retry_dead_request`].
///
/// # Cancel safety
/// When dropped, the request may or may not be dropped.
pub async fn drop_dead_request(address: Address, id: &str) -> Result<(), ConnectError> {
    ask(address, path(id, "/drop")).await.map(drop)
}

/// The largest number of characters of a dead letter that are shown.
const MAX_SHOWN: usize = 4096;

/// Returns the dead letters of a group at a Pulsar: the requests that its modules have returned more often than
/// their [`max_deaths`](crate::HostOptions::max_deaths). They stay there. It takes two seconds, because a Pulsar
/// does not say which message is the last one.
///
/// A Pulsar keeps them for the subscription `dasf-dead`, which the first call creates.
///
/// # Errors
/// Returns [`ConnectError`] if the broker cannot be reached or refuses the connection, for instance because
/// somebody else reads the letters for more than five seconds, and [`Unsupported`](ConnectError::Unsupported) if it is no Pulsar, or
/// its topics are not persistent.
pub async fn dead_letters(
    address: Address,
    topic: &Topic,
    group: &Subscription,
) -> Result<Vec<DeadRequestDetails>, ConnectError> {
    let read = letters_of(address, topic, group)?.read().await?;
    let letters = read.letters.iter();
    let letters = letters
        .map(|letter| details(letter, topic, group))
        .collect();
    read.close().await?;
    Ok(letters)
}

/// Sends a dead letter of a group at a Pulsar to the topic again, and removes it. Returns whether there is one
/// with this id. If the letter cannot be removed, it has been sent, and is still there.
///
/// # Errors
/// As [`dead_letters`], and [`Protocol`](ConnectError::Protocol) with the reason if the broker does not accept the
/// request.
pub async fn retry_dead_letter(
    address: Address,
    topic: &Topic,
    group: &Subscription,
    id: &str,
) -> Result<bool, ConnectError> {
    let mut read = letters_of(address, topic, group)?.read().await?;
    let Some(letter) = take(&mut read.letters, id) else {
        return read.close().await.map(|()| false);
    };
    read.publish(&letter).await?;
    read.acknowledge(&letter).await.map(|()| true)
}

/// Removes a dead letter of a group at a Pulsar. Returns whether there is one with this id.
///
/// # Errors
/// As [`dead_letters`].
pub async fn drop_dead_letter(
    address: Address,
    topic: &Topic,
    group: &Subscription,
    id: &str,
) -> Result<bool, ConnectError> {
    let mut read = letters_of(address, topic, group)?.read().await?;
    let Some(letter) = take(&mut read.letters, id) else {
        return read.close().await.map(|()| false);
    };
    read.acknowledge(&letter).await.map(|()| true)
}

fn letters_of(
    address: Address,
    topic: &Topic,
    group: &Subscription,
) -> Result<DeadLetterTopic, ConnectError> {
    let url = address.to_string();
    let transport = address.open(Handle::current());
    let letters = transport.dead_letters(topic, group);
    letters.ok_or_else(|| ConnectError::Unsupported {
        url,
        feature: Feature::DeadLetters,
        reason: "only a Pulsar with persistent topics does".to_owned(),
    })
}

fn take(letters: &mut Vec<DeadLetter>, id: &str) -> Option<DeadLetter> {
    let index = letters
        .iter()
        .position(|it| &*it.delivery.message_id == id)?;
    Some(letters.swap_remove(index))
}

fn details(letter: &DeadLetter, topic: &Topic, group: &Subscription) -> DeadRequestDetails {
    let delivery = &letter.delivery;
    let properties = &delivery.properties;
    let bytes = delivery.payload.clone().into_bytes().unwrap_or_default();
    let is_on_demand = properties.get(key::ON_DEMAND).is_some();
    let (request, is_whole) = excerpt(&payload::to_text(&bytes), MAX_SHOWN);
    DeadRequestDetails {
        dead: DeadRequest {
            id: delivery.message_id.to_string(),
            topic: topic.to_string(),
            subscription: Some(group.to_string()),
            function: payload::function_name(&bytes),
            user: properties.text(key::USER).map(str::to_owned),
            published: None,
            put_aside: letter.moved.clone(),
            age_seconds: None,
            deaths: None,
            messages: 1,
            bytes: bytes.len(),
            response_topic: properties.response_topic().map(|it| it.to_string()),
        },
        context: properties.request_context().map(Cow::into_owned),
        attempts: Vec::new(),
        on_demand: is_on_demand,
        request: Some(request).filter(|_| !is_on_demand),
        is_whole: is_whole && !is_on_demand,
    }
}

/// Returns the path of a request. An id has letters, digits and `-`, but users may write anything.
fn path(id: &str, action: &str) -> String {
    let encoded: String = id
        .bytes()
        .map(|byte| match byte {
            b'-' => "-".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("/{encoded}{action}")
}

async fn ask(address: Address, path: String) -> Result<Vec<Value>, ConnectError> {
    let url = address.to_string();
    let transport = address.open(Handle::current());
    match transport.dead_requests(path) {
        Some(answer) => answer.await,
        None => Err(lacks_dead_requests(url)),
    }
}

fn read<T: for<'de> Deserialize<'de>>(url: &str, answer: Value) -> Result<T, ConnectError> {
    serde_json::from_value(answer).map_err(|error| unreadable(url, error))
}

fn unreadable(url: &str, reason: impl std::fmt::Display) -> ConnectError {
    ConnectError::Protocol {
        url: url.to_owned(),
        reason: format!("its answer cannot be read: {reason}"),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(path("018f-a0", "/retry"), "/018f-a0/retry");
        assert_eq!(path("../topics?x=ä", ""), "/%2E%2E%2Ftopics%3Fx%3D%C3%A4");
    }

    #[test]
    fn a_broker_of_another_version_may_say_less() {
        let text = r#"{"id": "7", "topic": "t", "published": "p", "put_aside": "a", "age_seconds": 1,
            "deaths": 3, "messages": 1, "bytes": 9, "more": 1,
            "attempts": [{"consumer": {"host": "lab"}, "run": "8", "ended": "e", "end": "lost"}]}"#;
        let details: DeadRequestDetails = serde_json::from_str(text).unwrap();
        assert_eq!(
            (details.dead.deaths, details.dead.function),
            (Some(3), None)
        );
        let host = details.attempts[0].consumer.host.as_deref();
        assert_eq!(host, Some("lab"));
        assert_eq!((details.request, details.is_whole), (None, false));
    }
}
