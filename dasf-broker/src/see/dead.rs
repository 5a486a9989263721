//! The requests that are put aside: one may see them, send them again, and drop them.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use dasf_protocol::payload;
use dasf_protocol::text::excerpt;
use serde::Serialize;
use tokio::time::timeout;

use super::{LIST_TIMEOUT, MAX_PAGE, PAGE, json, limit, serialized};
use crate::access::{Caller, Denied, Right};
use crate::dead::DeadRequest;
use crate::handshake::Server;
use crate::hub::Hub;
use crate::listener::ConnectionHandle;
use crate::message::{self, rfc3339};
use crate::refusal::Refusal;
use crate::route::{Dead, Query};
use crate::topic::{Attempt, TopicName};

/// The largest number of characters of a request that are shown.
const MAX_SHOWN: usize = 4096;

/// A part of the requests that are put aside.
#[derive(Debug, Serialize)]
struct Page {
    dead: Vec<DeadView>,
    /// The value of `after` for the next part.
    next: Option<String>,
}

/// What one may see of a request that is put aside.
#[derive(Debug, Serialize)]
struct DeadView {
    id: String,
    topic: String,
    /// The group of its modules, or the name of the subscription.
    subscription: Option<String>,
    function: Option<String>,
    user: Option<String>,
    published: String,
    put_aside: String,
    /// Since it was published.
    age_seconds: u64,
    /// How often a module began the request after its first delivery, and did not finish it.
    deaths: u32,
    /// The messages of the request.
    messages: usize,
    bytes: usize,
    response_topic: Option<String>,
}

/// The same with its history.
#[derive(Debug, Serialize)]
struct DeadDetails {
    #[serde(flatten)]
    view: DeadView,
    /// The context of the call.
    context: Option<String>,
    attempts: Vec<Attempt>,
    /// Whether the payload is still with the caller.
    on_demand: bool,
    /// The beginning of the request, as a printable text. `None` if the watcher may not read requests, or the
    /// broker cannot.
    request: Option<String>,
    /// Whether the text is the whole request.
    is_whole: bool,
}

/// What has been done with a request that was put aside.
#[derive(Debug, Serialize)]
struct Done {
    id: String,
    topic: String,
    done: &'static str,
}

/// Checks whether the caller may read the requests of a topic that are put aside, send them again and drop
/// them. Who serves the topic gets its requests anyway.
fn check_managing(caller: &Caller, topic: &TopicName) -> Result<(), Denied> {
    let operates = || {
        let watches = caller.check(Right::Watch, topic);
        watches.and_then(|()| caller.check_everywhere(Right::Admin))
    };
    let served = caller.check(Right::Serve, topic);
    served.or_else(|denied| operates().map_err(|_| denied))
}

/// Checks whether the caller may see which requests of a topic are put aside.
fn check_seeing(caller: &Caller, topic: &TopicName) -> Result<(), Denied> {
    let watched = caller.check(Right::Watch, topic);
    watched.or_else(|denied| check_managing(caller, topic).map_err(|_| denied))
}

fn view(hub: &Hub, id: u64, dead: &DeadRequest) -> DeadView {
    let record = &dead.record;
    let published = record.published();
    let age = SystemTime::now().duration_since(published);
    DeadView {
        id: hub.origin.ids.id(id).to_string(),
        topic: dead.topic.to_string(),
        subscription: record.subscription.clone(),
        function: record.function.clone(),
        user: record.user.clone(),
        published: rfc3339(published),
        put_aside: rfc3339(record.put_aside()),
        age_seconds: age.unwrap_or_default().as_secs(),
        deaths: record.deaths,
        messages: dead.messages().count(),
        bytes: dead.bytes(),
        response_topic: record.response_topic.clone(),
    }
}

/// Returns the beginning of a request that a terminal can show, and whether it is all.
fn shown(messages: &[message::Message]) -> Option<(String, bool)> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(&message.load_now()?.content().payload());
        // A character has four bytes at most.
        if bytes.len() > MAX_SHOWN * 4 {
            break;
        }
    }
    Some(excerpt(&payload::to_text(&bytes), MAX_SHOWN))
}

fn gone(id: &str) -> Refusal {
    let reason = format!(
        "no request with the id '{id}' is put aside; it was sent again, dropped or made room, or its topic is for others"
    );
    Refusal::new(StatusCode::GONE, reason)
}

impl Server {
    /// Answers a request about what is put aside. The handshake has checked the token.
    pub(crate) fn dead(
        self: &Arc<Self>,
        asked: Dead,
        parts: &Parts,
        caller: &Caller,
        upgrade: Option<WebSocketUpgrade>,
        connection: &ConnectionHandle,
    ) -> Result<Response, Refusal> {
        let changes = matches!(asked, Dead::Retry(_) | Dead::Drop(_));
        // A program that speaks only WebSockets changes something with their handshake. The check of the
        // origin keeps pages out.
        let is_allowed = match parts.method {
            Method::GET => !changes || upgrade.is_some(),
            Method::HEAD => !changes,
            Method::POST => changes,
            _ => false,
        };
        if !is_allowed {
            let reason = "GET shows what is put aside; POST to /api/dead/{id}/retry sends it again, and POST to \
                          /api/dead/{id}/drop drops it";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason));
        }
        let frames = match asked {
            Dead::All => return self.dead_list(parts, caller, upgrade, connection),
            Dead::One(id) => serialized(&self.dead_details(caller, &id)?)?,
            Dead::Retry(id) => {
                let (number, topic) = self.managed(caller, &id)?;
                self.hub.retry_dead(number).map_err(|error| {
                    let reason = format!("the request '{id}' is not sent again: {error}");
                    Refusal::new(StatusCode::CONFLICT, reason)
                })?;
                self.record_dead(caller, "retried", &id, &topic, connection);
                serialized(&done(&id, &topic, "retried"))?
            }
            Dead::Drop(id) => {
                let (number, topic) = self.managed(caller, &id)?;
                self.hub.drop_dead(number).ok_or_else(|| gone(&id))?;
                self.record_dead(caller, "dropped", &id, &topic, connection);
                serialized(&done(&id, &topic, "dropped"))?
            }
        };
        match upgrade {
            None => Ok(json(frames)),
            Some(upgrade) => self.send_on_socket(upgrade, caller, connection, vec![frames]),
        }
    }

    fn record_dead(
        &self,
        caller: &Caller,
        event: &'static str,
        id: &str,
        topic: &TopicName,
        connection: &ConnectionHandle,
    ) {
        let topic = topic.to_string();
        self.access
            .record_dead(caller, event, id, &topic, connection.address);
    }

    /// Returns the number and the topic of a request that the caller may send again and drop.
    fn managed(&self, caller: &Caller, id: &str) -> Result<(u64, TopicName), Refusal> {
        let (number, topic) = self.found(caller, id)?;
        check_managing(caller, &topic)?;
        Ok((number, topic))
    }

    /// Returns the number and the topic of a request that the caller may see.
    fn found(&self, caller: &Caller, id: &str) -> Result<(u64, TopicName), Refusal> {
        let number = self.hub.origin.ids.sequence(id);
        let topic = number.and_then(|it| self.hub.with_dead(it, |dead| dead.topic.clone()));
        let found = number.zip(topic);
        // Who may not see the topic does not learn whether there is such a request.
        let seen = found.filter(|(_, topic)| check_seeing(caller, topic).is_ok());
        seen.ok_or_else(|| gone(id))
    }

    fn dead_details(&self, caller: &Caller, id: &str) -> Result<DeadDetails, Refusal> {
        let (number, topic) = self.found(caller, id)?;
        let may_read = check_managing(caller, &topic).is_ok();
        let hub = &self.hub;
        let read = hub.with_dead(number, |dead| {
            let messages: Vec<_> = dead.messages().cloned().collect();
            (view(hub, number, dead), dead.record.clone(), messages)
        });
        let (view, record, messages) = read.ok_or_else(|| gone(id))?;
        // The disk is read without the lock.
        let shown = may_read.then(|| shown(&messages)).flatten();
        let (request, is_whole) = shown.unzip();
        Ok(DeadDetails {
            view,
            context: record.context,
            attempts: record.attempts,
            on_demand: record.is_on_demand,
            request: request.filter(|_| !record.is_on_demand),
            is_whole: is_whole.unwrap_or_default() && !record.is_on_demand,
        })
    }

    fn dead_list(
        self: &Arc<Self>,
        parts: &Parts,
        caller: &Caller,
        upgrade: Option<WebSocketUpgrade>,
        connection: &ConnectionHandle,
    ) -> Result<Response, Refusal> {
        let query = Query::new(parts.uri.query());
        let topic = query.get("topic")?;
        let after = query.get("after")?;
        let after = after.and_then(|after| self.hub.origin.ids.sequence(&after));
        let max = limit(&query)?;
        let is_asked = |dead: &DeadRequest| {
            topic
                .as_deref()
                .is_none_or(|topic| dead.topic.to_string() == topic)
        };
        let page = |after, max| {
            let mut dead = Vec::new();
            let mut has_more = false;
            self.hub.each_dead(after, |id, request| {
                if !is_asked(request) || check_seeing(caller, &request.topic).is_err() {
                    return true;
                }
                has_more = dead.len() == max;
                if !has_more {
                    dead.push(view(&self.hub, id, request));
                }
                !has_more
            });
            let last = dead.last().filter(|_| has_more);
            Page {
                next: last.map(|last| last.id.clone()),
                dead,
            }
        };
        let Some(upgrade) = upgrade else {
            return Ok(json(serialized(&page(after, max))?));
        };
        let mut frames = Vec::new();
        let mut after = after;
        loop {
            let page = page(after, PAGE);
            frames.push(serialized(&page)?);
            match page.next {
                Some(next) if frames.len() * PAGE < MAX_PAGE => {
                    after = self.hub.origin.ids.sequence(&next);
                }
                _ => break,
            }
        }
        self.send_on_socket(upgrade, caller, connection, frames)
    }

    /// Sends text frames on a WebSocket, for programs that speak nothing else.
    fn send_on_socket(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        caller: &Caller,
        connection: &ConnectionHandle,
        frames: Vec<String>,
    ) -> Result<Response, Refusal> {
        let slot = self.slot(connection, caller)?;
        connection.set_upgraded();
        let task = self.tasks.token();
        Ok(upgrade.on_upgrade(move |socket| async move {
            // The connection ends in any case.
            let _ = timeout(LIST_TIMEOUT, send(socket, frames)).await;
            drop((slot, task));
        }))
    }
}

async fn send(mut socket: WebSocket, frames: Vec<String>) -> Result<(), axum::Error> {
    for frame in frames {
        socket.send(Message::text(frame)).await?;
    }
    socket.send(Message::Close(None)).await?;
    while socket.recv().await.transpose()?.is_some() {}
    Ok(())
}

fn done(id: &str, topic: &TopicName, done: &'static str) -> Done {
    Done {
        id: id.to_owned(),
        topic: topic.to_string(),
        done,
    }
}
