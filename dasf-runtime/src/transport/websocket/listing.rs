//! What the embedded broker shows on a WebSocket: the list of listeners, and the requests that are put aside.

use std::time::Duration;

use dasf_protocol::Topic;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connect::{broken, connect};
use super::{Endpoint, Socket};
use crate::activity::TopicActivity;
use crate::discovery::ListedModule;
use crate::transport::{ConnectError, DiscoveredModule, Feature};

/// The path of the list, below the address of the broker.
pub(in crate::transport) const PATH: &str = "api/topics";
/// The path of the requests that are put aside.
pub(in crate::transport) const DEAD_PATH: &str = "api/dead";
/// The greatest number of listed modules.
const MAX_MODULES: usize = 10_000;
/// The greatest number of frames about requests that are put aside.
const MAX_PARTS: usize = 64;
/// How long the list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// A part of the list.
#[derive(Deserialize)]
struct Part {
    topics: Vec<ListedTopic>,
}

#[derive(Deserialize)]
struct ListedTopic {
    topic: String,
    #[serde(default)]
    waiting_messages: u64,
    listeners: Vec<Listener>,
}

#[derive(Deserialize)]
struct Listener {
    module: Option<String>,
    version: Option<String>,
    host: Option<String>,
    process: Option<u32>,
    group: Option<String>,
    user: Option<String>,
    address: Option<String>,
    connected_since: Option<String>,
    subscription: Option<String>,
}

/// Reads the list of listeners.
pub(in crate::transport) async fn read(
    endpoint: &Endpoint,
) -> Result<Vec<DiscoveredModule>, ConnectError> {
    let mut modules = Vec::new();
    each_frame(endpoint, lacks_list, |text| {
        let part: Part = parse(endpoint, text, "list of topics")?;
        for listed in part.topics {
            // Topics of other tenants are not at the address.
            let Ok(topic) = listed.topic.parse::<Topic>() else {
                continue;
            };
            let waiting = listed.waiting_messages;
            let listeners = listed.listeners.into_iter();
            let listeners = listeners.map(|it| it.into_module(topic.as_str(), waiting));
            modules.extend(listeners.filter_map(|module| {
                Some(DiscoveredModule {
                    text: module.announcement()?,
                    topic: topic.clone(),
                })
            }));
        }
        if modules.len() > MAX_MODULES {
            let left_out = modules.len() - MAX_MODULES;
            modules.truncate(MAX_MODULES);
            tracing::warn!(
                endpoint = endpoint.to_string(),
                left_out,
                "too many modules to list all"
            );
            return Ok(false);
        }
        Ok(true)
    })
    .await?;
    Ok(modules)
}

/// A part of the list, with all that the broker tells of a topic.
#[derive(Deserialize)]
struct ActivityPart {
    topics: Vec<TopicActivity>,
}

/// Reads what happens on the topics.
pub(in crate::transport) async fn read_activity(
    endpoint: &Endpoint,
) -> Result<Vec<TopicActivity>, ConnectError> {
    let mut topics = Vec::new();
    each_frame(endpoint, lacks_activity, |text| {
        let part: ActivityPart = parse(endpoint, text, "list of topics")?;
        topics.extend(part.topics);
        topics.truncate(MAX_MODULES);
        Ok(topics.len() < MAX_MODULES)
    })
    .await?;
    Ok(topics)
}

/// Reads what the broker answers about the requests that are put aside: an object in each frame.
pub(in crate::transport) async fn read_dead(
    endpoint: &Endpoint,
) -> Result<Vec<Value>, ConnectError> {
    let mut parts = Vec::new();
    each_frame(endpoint, lacks_dead_requests, |text| {
        parts.push(parse(endpoint, text, "answer")?);
        Ok(parts.len() < MAX_PARTS)
    })
    .await?;
    Ok(parts)
}

fn parse<T: DeserializeOwned>(
    endpoint: &Endpoint,
    text: &str,
    what: &str,
) -> Result<T, ConnectError> {
    serde_json::from_str(text).map_err(|error| ConnectError::Protocol {
        url: endpoint.to_string(),
        reason: format!("its {what} cannot be read: {error}"),
        source: None,
    })
}

/// Calls a function with each text frame, until it returns `false`. `lacks` returns the error for a broker that
/// does not know the path.
async fn each_frame(
    endpoint: &Endpoint,
    lacks: fn(String) -> ConnectError,
    mut take: impl FnMut(&str) -> Result<bool, ConnectError>,
) -> Result<(), ConnectError> {
    let opened = connect(endpoint)
        .await
        .map_err(|error| explain(endpoint, error, lacks))?;
    let mut socket: Socket = opened.socket;
    let reading = async {
        while let Some(frame) = socket.next().await {
            match frame {
                Ok(Message::Text(text)) => {
                    if !take(&text)? {
                        break;
                    }
                }
                Ok(Message::Close(_)) => break,
                Ok(_) => {}
                Err(error) => {
                    return Err(ConnectError::Protocol {
                        url: endpoint.to_string(),
                        reason: broken(&error),
                        source: None,
                    });
                }
            }
        }
        Ok(())
    };
    timeout(LIST_TIMEOUT, reading).await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout {
            url: endpoint.to_string(),
            after: LIST_TIMEOUT,
        })
    })
}

impl Listener {
    fn into_module(self, topic: &str, waiting: u64) -> ListedModule {
        ListedModule {
            topic: topic.to_owned(),
            name: self.module.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            description: String::new(),
            group: self.group,
            functions: Vec::new(),
            host: self.host,
            process: self.process,
            user: self.user,
            address: self.address,
            connected_since: self.connected_since,
            subscription: self.subscription,
            waiting: Some(waiting),
        }
    }
}

/// Returns the error for a broker that may not know the path.
fn explain(
    endpoint: &Endpoint,
    error: ConnectError,
    lacks: fn(String) -> ConnectError,
) -> ConnectError {
    match error {
        // The Django broker refuses unknown paths with the status 403 or 500.
        ConnectError::Refused {
            status: 404 | 500, ..
        } => lacks(endpoint.to_string()),
        ConnectError::Refused {
            status: 403,
            ref reason,
            ..
        } if matches!(reason.as_str(), "Access denied" | "Forbidden") => {
            lacks(endpoint.to_string())
        }
        error => error,
    }
}

/// Returns the error of a broker that keeps no list of modules.
pub(crate) fn lacks_list(url: String) -> ConnectError {
    ConnectError::Unsupported {
        url,
        feature: Feature::ModuleList,
        reason: "only dasf-broker and MQTT brokers keep one".to_owned(),
    }
}

/// Returns the error of a broker that does not tell what happens on its topics.
pub(crate) fn lacks_activity(url: String) -> ConnectError {
    ConnectError::Unsupported {
        url,
        feature: Feature::TopicActivity,
        reason: "only dasf-broker does".to_owned(),
    }
}

/// Returns the error of a broker that puts no requests aside.
pub(crate) fn lacks_dead_requests(url: String) -> ConnectError {
    ConnectError::Unsupported {
        url,
        feature: Feature::DeadRequests,
        reason: "only dasf-broker puts requests aside".to_owned(),
    }
}
