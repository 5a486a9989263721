//! The list of listeners that the embedded broker sends on a WebSocket.

use std::time::Duration;

use dasf_protocol::Topic;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connect::{broken, connect};
use super::{Endpoint, Socket};
use crate::discovery::ListedModule;
use crate::transport::{ConnectError, DiscoveredModule, Feature};

/// The path of the list, below the address of the broker.
pub(in crate::transport) const PATH: &str = "api/topics";
/// The greatest number of listed modules.
const MAX_MODULES: usize = 10_000;
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
    let opened = connect(endpoint)
        .await
        .map_err(|error| explain(endpoint, error))?;
    let reading = timeout(LIST_TIMEOUT, read_parts(endpoint, opened.socket));
    reading.await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout {
            url: endpoint.to_string(),
            after: LIST_TIMEOUT,
        })
    })
}

async fn read_parts(
    endpoint: &Endpoint,
    mut socket: Socket,
) -> Result<Vec<DiscoveredModule>, ConnectError> {
    let mut modules = Vec::new();
    while let Some(frame) = socket.next().await {
        let text = match frame {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(_)) => break,
            Ok(_) => continue,
            Err(error) => {
                return Err(ConnectError::Protocol {
                    url: endpoint.to_string(),
                    reason: broken(&error),
                    source: None,
                });
            }
        };
        let part: Part = serde_json::from_str(&text).map_err(|error| ConnectError::Protocol {
            url: endpoint.to_string(),
            reason: format!("its list of topics cannot be read: {error}"),
            source: None,
        })?;
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
            break;
        }
    }
    Ok(modules)
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

/// Returns the error for a broker that does not know the list.
fn explain(endpoint: &Endpoint, error: ConnectError) -> ConnectError {
    match error {
        // The Django broker refuses unknown paths with the status 403 or 500.
        ConnectError::Refused {
            status: 404 | 500, ..
        } => lacks_list(endpoint.to_string()),
        ConnectError::Refused {
            status: 403,
            ref reason,
            ..
        } if matches!(reason.as_str(), "Access denied" | "Forbidden") => {
            lacks_list(endpoint.to_string())
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
