//! Handshakes: accepts WebSockets, and refuses other requests with a reason.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dasf_protocol::link;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, info};

use crate::hub::Hub;
use crate::listener::ConnectionHandle;
use crate::log::Line;
use crate::network::{Connections, Counted};
use crate::origin::AllowedOrigins;
use crate::refusal::Refusal;
use crate::route::{Query, Route};
use crate::websocket::{
    ConsumerRole, End, LinkRole, MAX_UNREAD_PONGS, Outgoing, ProducerRole, Role, drive,
};

/// The read buffer of a socket: enough for many small frames, and small enough for thousands of
/// sockets.
const READ_BUFFER_SIZE: usize = 16 * 1024;

/// The bytes that a socket gathers before it writes them. Each batch of frames is flushed in any case.
const WRITE_BUFFER_SIZE: usize = 128 * 1024;

/// The largest size of a pong, and of the header of a frame.
const MAX_PONG_SIZE: usize = 125 + MAX_FRAME_HEAD_SIZE;
const MAX_FRAME_HEAD_SIZE: usize = 14;

/// The header with the abilities of this broker that other brokers may lack. The crate documentation
/// explains the values.
const FEATURES: HeaderName = HeaderName::from_static("dasf-features");
const WITH_LINKS: HeaderValue = HeaderValue::from_static("shared-subscriptions, begun-count, link");
const WITHOUT_LINKS: HeaderValue = HeaderValue::from_static("shared-subscriptions, begun-count");

/// The state that all handshakes share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Arc<Hub>,
    pub(crate) token: Option<String>,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) offers_links: bool,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// The place of a WebSocket in the limits.
struct Slot {
    _counted: Counted,
    _permit: OwnedSemaphorePermit,
}

/// Returns the service of all paths. It does not use the router of axum: base URLs that end in a
/// slash lead to empty segments, and for the router these are other paths.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new().fallback(respond).with_state(server)
}

async fn respond(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let address = connection.address;
    // The query is not logged, because it may contain a token.
    let path = request.uri().path().to_owned();
    let log_of = server.hub.clone();
    server
        .handshake(connection, request)
        .await
        .unwrap_or_else(|refusal| {
            if log_of.log.allows(Line::HandshakeRefused) {
                // The reason may be a list of lines.
                let reason = refusal.reason.split_whitespace().collect::<Vec<_>>().join(" ");
                info!(%address, path, status = refusal.status.as_u16(), "refused the handshake: {reason}");
            }
            refusal.into_response()
        })
}

impl Server {
    async fn handshake(
        self: Arc<Self>,
        connection: ConnectionHandle,
        request: Request,
    ) -> Result<Response, Refusal> {
        let (mut parts, _) = request.into_parts();
        let route = Route::parse(parts.uri.path())?;
        if route == Route::Health {
            return Ok("ok".into_response());
        }
        // The extractor changes the parts, so it must run before `query` borrows them.
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let query = Query::new(parts.uri.query());
        match &self.token {
            Some(token) => check_token(token, &parts.headers, &query)?,
            None => {
                let is_local = connection.is_local();
                self.allowed_origins.check(&parts.headers, is_local)?;
            }
        }
        let upgrade = upgrade.map_err(|error| {
            let reason = format!(
                "this path needs a WebSocket handshake: {}",
                error.body_text()
            );
            Refusal::new(error.status(), reason)
        })?;
        let limits = &self.hub.limits;
        let upgrade = upgrade
            .read_buffer_size(READ_BUFFER_SIZE)
            .write_buffer_size(WRITE_BUFFER_SIZE)
            .max_write_buffer_size(max_write_buffer_size(limits.max_frame_size))
            .max_frame_size(limits.max_frame_size)
            .max_message_size(limits.max_frame_size);
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            let max = limits.max_connections;
            let reason = format!(
                "the broker has {max} connections, the limit max_connections; \
                 close some, or raise the limit"
            );
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let Some(counted) = self.connections.count(connection.address.ip()) else {
            let max = limits.max_connections_per_address;
            let reason = format!(
                "your address has {max} connections, the limit max_connections_per_address; \
                 close some, or raise the limit"
            );
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let slot = Slot {
            _counted: counted,
            _permit: slot,
        };
        // The consumer exists before the response with status 101, so it misses no message that is
        // published after the response.
        let asked = parts.headers.get(link::HEADER);
        let is_link = self.offers_links && asked.is_some_and(|version| version == link::VERSION);
        match route {
            Route::Health => Ok("ok".into_response()),
            Route::Producer { style, topic } if is_link => {
                let role = LinkRole::new(self.hub.clone(), style, topic, None);
                Ok(self.upgrade_to_link(upgrade, role, slot, connection))
            }
            Route::Producer { style, topic } => {
                let producer = self.hub.producer(topic, None)?;
                let role = ProducerRole::new(style, producer);
                Ok(self.upgrade(upgrade, role, slot, connection))
            }
            Route::Consumer {
                style,
                topic,
                subscription,
            } => {
                let options = query.consumer_options(style, &topic, &subscription)?;
                let consumer = self.hub.consumer(topic.clone(), subscription, &options)?;
                if options.durable
                    && let Some(last) = self.hub.last_change()
                {
                    // After the handshake, the subscription is there even if the broker crashes.
                    poll_fn(|cx| match self.hub.is_written(last, cx) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    })
                    .await;
                }
                if is_link {
                    let role = LinkRole::new(self.hub.clone(), style, topic, Some(consumer));
                    return Ok(self.upgrade_to_link(upgrade, role, slot, connection));
                }
                Ok(self.upgrade(upgrade, ConsumerRole::new(consumer), slot, connection))
            }
        }
    }

    fn upgrade_to_link(
        self: Arc<Self>,
        upgrade: WebSocketUpgrade,
        role: LinkRole,
        slot: Slot,
        connection: ConnectionHandle,
    ) -> Response {
        let headers = [
            (link::HEADER, link::VERSION.to_owned()),
            (link::RUN, self.hub.run()),
        ];
        let response = self.upgrade(upgrade, role, slot, connection);
        (headers, response).into_response()
    }

    fn upgrade(
        self: Arc<Self>,
        upgrade: WebSocketUpgrade,
        role: impl Role + Send + 'static,
        slot: Slot,
        connection: ConnectionHandle,
    ) -> Response {
        connection.set_upgraded();
        let task = self.tasks.token();
        let address = connection.address;
        let features = if self.offers_links {
            WITH_LINKS
        } else {
            WITHOUT_LINKS
        };
        let response = upgrade
            .on_failed_upgrade(move |error| debug!(%address, "the handshake failed: {error}"))
            .on_upgrade(move |socket| self.run(socket, role, slot, connection, task));
        ([(FEATURES, features)], response).into_response()
    }

    async fn run(
        self: Arc<Self>,
        mut socket: WebSocket,
        role: impl Role,
        slot: Slot,
        connection: ConnectionHandle,
        task: TaskTrackerToken,
    ) {
        let address = connection.address;
        debug!(%address, "connected");
        let limits = &self.hub.limits;
        // With one common token, all sockets would wait for its lock.
        let shutdown = self.shutdown.child_token();
        let end = drive(
            &mut socket,
            role,
            limits.ping_interval,
            limits.max_frame_size,
            connection.traffic(),
            Outgoing::charged(&self.hub.outgoing),
            shutdown,
        )
        .await;
        match &end {
            End::ClosedByPeer => debug!(%address, "the peer disconnected"),
            End::Lost(reason) => {
                if self.hub.log.allows(Line::ConnectionEnded) {
                    info!(%address, "lost the connection: {reason}");
                }
            }
            End::ClosedByBroker(frame) => {
                if self.hub.log.allows(Line::ConnectionEnded) {
                    info!(%address, code = frame.code, "closed the connection: {}", frame.reason);
                }
                connection.linger_on_close();
            }
        }
        drop((socket, slot, task));
    }
}

fn check_token(token: &str, headers: &HeaderMap, query: &Query<'_>) -> Result<(), Refusal> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")
        })
        .map(|(_, token)| token.trim());
    let parameter = query.get("token")?;
    let given = [header, parameter.as_deref()];
    if given.iter().flatten().any(|given| is_same(given, token)) {
        return Ok(());
    }
    let reason = if given.iter().any(Option::is_some) {
        "the token is wrong"
    } else {
        "this broker needs a token; send it in the header 'authorization: Token …' \
             (or 'Bearer …'), or in the query '?token=…'"
    };
    Err(Refusal::new(StatusCode::UNAUTHORIZED, reason))
}

/// Returns the largest size of a write buffer. Beside the bytes that it gathers, it holds one delivery
/// and the pongs of a peer that does not read. A delivery as text may be a third larger than the frame
/// of a link, because its payload is base64.
fn max_write_buffer_size(max_frame_size: usize) -> usize {
    let largest_delivery = max_frame_size.saturating_mul(2).saturating_add(1024);
    let pongs = MAX_UNREAD_PONGS as usize * MAX_PONG_SIZE;
    largest_delivery.saturating_add(WRITE_BUFFER_SIZE + pongs)
}

/// Compares two strings in a time that depends on their lengths only.
fn is_same(given: &str, expected: &str) -> bool {
    let difference = given
        .bytes()
        .zip(expected.bytes())
        .fold(0, |difference, (a, b)| {
            std::hint::black_box(difference | (a ^ b))
        });
    given.len() == expected.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(is_same("secret", "secret"));
        for wrong in ["", "secre", "secret1", "Secret"] {
            assert!(!is_same(wrong, "secret"), "{wrong}");
        }
    }
}
