//! What one may see of a broker over HTTP: its numbers, who listens, how much waits, and what is put aside.

mod dead;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "no_metrics.rs"]
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use crate::access::{Caller, Right};
use crate::handshake::Server;
use crate::hub::Hub;
use crate::listener::ConnectionHandle;
use crate::refusal::Refusal;
use crate::route::{Query, RouteError, Seen};
use crate::topic::{TopicName, TopicView};

/// The number of topics in an answer without `limit`, and the largest one.
const PAGE: usize = 1000;
const MAX_PAGE: usize = 10_000;

/// The time in which a peer must read the list of topics over a WebSocket.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// A part of the topics.
#[derive(Debug, Serialize)]
struct Page {
    topics: Vec<TopicView>,
    /// The value of `after` for the next part.
    next: Option<String>,
}

/// Which topics a request asks for.
#[derive(Debug, Clone)]
struct Asked {
    after: String,
    limit: usize,
    with_response_topics: bool,
}

impl Asked {
    fn read(query: &Query<'_>) -> Result<Self, RouteError> {
        let flag = |name: &'static str| match query.get(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(value) => Err(RouteError::Flag {
                name,
                value: value.to_owned(),
            }),
        };
        let limit = limit(query)?;
        let after = query.get("after")?.unwrap_or_default().into_owned();
        Ok(Self {
            after,
            limit,
            with_response_topics: flag("responseTopics")?,
        })
    }

    fn page(&self, hub: &Hub, watcher: &Caller) -> Page {
        let (topics, has_more) =
            hub.views(&self.after, self.limit, self.with_response_topics, |name| {
                may_watch(watcher, name)
            });
        let last = topics.last().filter(|_| has_more);
        Page {
            next: last.map(|last| last.topic.clone()),
            topics,
        }
    }
}

/// Returns how many entries a request asks for.
fn limit(query: &Query<'_>) -> Result<usize, RouteError> {
    match query.get("limit")? {
        None => Ok(PAGE),
        Some(value) => match value.parse() {
            Ok(limit @ 1..) => Ok(MAX_PAGE.min(limit)),
            _ => {
                let value = value.into_owned();
                Err(RouteError::Limit { value })
            }
        },
    }
}

fn may_watch(watcher: &Caller, topic: &TopicName) -> bool {
    watcher.check(Right::Watch, topic).is_ok()
}

impl Server {
    /// Answers a request for something to see. The handshake has checked the token.
    pub(crate) fn show(
        self: &Arc<Self>,
        seen: Seen,
        parts: &Parts,
        watcher: Caller,
        upgrade: Option<WebSocketUpgrade>,
        connection: &ConnectionHandle,
    ) -> Result<Response, Refusal> {
        let is_ping = matches!(seen, Seen::Ping(_));
        match parts.method {
            Method::GET | Method::HEAD => {}
            Method::POST if is_ping => {}
            _ => {
                let reason = "only GET shows something here";
                return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason));
            }
        }
        match seen {
            Seen::Metrics => {
                watcher.check_everywhere(Right::Watch)?;
                metrics::page(&self.hub, self.connections_now())
            }
            Seen::Topics => {
                let asked = Asked::read(&Query::new(parts.uri.query()))?;
                match upgrade {
                    None => Ok(json(serialized(&asked.page(&self.hub, &watcher))?)),
                    Some(upgrade) => self.list(upgrade, asked, watcher, connection),
                }
            }
            Seen::Topic(name) => Ok(json(serialized(&self.watched(&watcher, &name)?)?)),
            Seen::Status(name) => Ok(status(&self.watched(&watcher, &name)?)),
            // The connections of all listeners are pinged all the time.
            Seen::Ping(name) => {
                let view = self.watched(&watcher, &name)?;
                let location = format!("/{}/status/", view.topic);
                Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
            }
        }
    }

    fn watched(&self, watcher: &Caller, name: &TopicName) -> Result<TopicView, Refusal> {
        watcher.check(Right::Watch, name)?;
        self.hub.view(name).ok_or_else(|| {
            let reason =
                format!("nobody uses the topic '{name}'; start a module there, or check the name");
            Refusal::new(StatusCode::NOT_FOUND, reason)
        })
    }

    /// Sends the topics on a WebSocket, a frame for each part, for programs that speak nothing else.
    fn list(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        asked: Asked,
        watcher: Caller,
        connection: &ConnectionHandle,
    ) -> Result<Response, Refusal> {
        let slot = self.slot(connection, &watcher)?;
        connection.set_upgraded();
        let server = Arc::clone(self);
        let task = self.tasks.token();
        Ok(upgrade.on_upgrade(move |socket| async move {
            let sending = server.send_list(socket, asked, &watcher);
            // The connection ends in any case.
            let _ = timeout(LIST_TIMEOUT, sending).await;
            drop((slot, task));
        }))
    }

    async fn send_list(
        &self,
        mut socket: WebSocket,
        mut asked: Asked,
        watcher: &Caller,
    ) -> Result<(), axum::Error> {
        loop {
            let page = asked.page(&self.hub, watcher);
            let text = serde_json::to_string(&page).map_err(axum::Error::new)?;
            socket.send(Message::text(text)).await?;
            match page.next {
                Some(next) => asked.after = next,
                None => break,
            }
        }
        socket.send(Message::Close(None)).await?;
        while socket.recv().await.transpose()?.is_some() {}
        Ok(())
    }
}

/// Answers as the status page of a Django broker.
fn status(view: &TopicView) -> Response {
    match view.listeners.is_empty() {
        false => html(StatusCode::OK, "Consumer connected"),
        true => html(
            StatusCode::SERVICE_UNAVAILABLE,
            "Consumer could not be reached",
        ),
    }
}

fn html(status: StatusCode, text: &'static str) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

fn serialized(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}

fn json(text: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
