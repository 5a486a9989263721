//! Handshakes: accepts WebSockets, and refuses other requests with a reason.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use dasf_protocol::origin::AllowedOrigins;
use dasf_protocol::{hold, link};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower_service::Service;
use tracing::{debug, info};

use crate::access::{Access, Caller, Right, SUBPROTOCOL};
use crate::account::{self, Thing};
use crate::hub::Hub;
use crate::listener::ConnectionHandle;
use crate::log::Line;
use crate::network::{Connections, Counted};
use crate::refusal::Refusal;
use crate::route::{Query, Route, RouteError, Seen};
use crate::topic::{HoldOption, Listener};
use crate::topic_settings::TopicRule;
use crate::websocket::{
    ConsumerRole, End, LinkRole, MAX_UNREAD_PONGS, Outgoing, ProducerRole, Role, Signals, drive,
};

/// The read buffer of a socket: enough for many small frames, and small enough for thousands of
/// sockets.
const READ_BUFFER_SIZE: usize = 8 * 1024;

/// The bytes that a socket gathers before it writes them. Each batch of frames is flushed in any case.
const WRITE_BUFFER_SIZE: usize = 128 * 1024;

/// The largest size of a pong, and of the header of a frame.
const MAX_PONG_SIZE: usize = 125 + MAX_FRAME_HEAD_SIZE;
const MAX_FRAME_HEAD_SIZE: usize = 14;

/// The header with the abilities of this broker that other brokers may lack. The crate documentation
/// explains the values.
const FEATURES: HeaderName = HeaderName::from_static("dasf-features");
const WITH_LINKS: HeaderValue = HeaderValue::from_static(concat!(
    "shared-subscriptions, begun-count, link, version=",
    env!("CARGO_PKG_VERSION")
));
const WITHOUT_LINKS: HeaderValue = HeaderValue::from_static(concat!(
    "shared-subscriptions, begun-count, version=",
    env!("CARGO_PKG_VERSION")
));
const WITH_LINKS_AND_USERS: HeaderValue = HeaderValue::from_static(concat!(
    "shared-subscriptions, begun-count, link, users, version=",
    env!("CARGO_PKG_VERSION")
));
const WITH_USERS: HeaderValue = HeaderValue::from_static(concat!(
    "shared-subscriptions, begun-count, users, version=",
    env!("CARGO_PKG_VERSION")
));

/// The reason for the refusal of a peer that speaks no TLS.
const NEEDS_TLS: &str =
    "this broker needs TLS; use a URL that begins with wss:// (or https:// for /health)";

/// The header with the time for which a subscription stays without a consumer.
const RETENTION: HeaderName = HeaderName::from_static(link::RETENTION);

/// The header with the time for which the topic of a consumer holds its messages without a use. It is 0 if the
/// topic holds none.
const HOLD: HeaderName = HeaderName::from_static(hold::HOLD);

/// The header with the number of messages that the topic held before. It is missing if it held none.
const HELD: HeaderName = HeaderName::from_static(hold::HELD);

/// Returns whether a request is for the broker itself. A handshake with a wrong path is, and everything below `/ws`.
/// A page about the state of a topic `api` would hide the other routes below `/api`.
fn is_own(route: &Result<Route, RouteError>, request: &Request) -> bool {
    let path = request.uri().path();
    let first = || path.split('/').find(|segment| !segment.is_empty());
    match route {
        Err(RouteError::Unknown) => {
            first() == Some("ws") || request.headers().contains_key(header::UPGRADE)
        }
        Ok(Route::Seen(Seen::Status(_) | Seen::Ping(_))) => first() != Some("api"),
        _ => true,
    }
}

fn bytes(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}

/// The state that all handshakes share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Arc<Hub>,
    pub(crate) access: Arc<Access>,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) uses_tls: bool,
    pub(crate) offers_links: bool,
    pub(crate) slots: Arc<Semaphore>,
    /// The number of all places in `slots`.
    pub(crate) max_connections: usize,
    pub(crate) connections: Arc<Connections>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Answers requests that are not for the broker itself.
    pub(crate) http: Option<Router>,
}

/// The place of a WebSocket in the limits.
pub(crate) struct Slot {
    _counted: Counted,
    _of_user: Option<account::Counted>,
    _permit: OwnedSemaphorePermit,
}

/// The place of a connection with requests of HTTP in the limits.
#[derive(Debug)]
pub(crate) struct HttpSlot {
    _place: Option<(Counted, OwnedSemaphorePermit)>,
}

impl HttpSlot {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self { _place: None }
    }
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
    let (log_of, access) = (server.hub.clone(), server.access.clone());
    server
        .handshake(connection, request)
        .await
        .map(|mut response| {
            if let Some(caller) = response.extensions_mut().remove::<Caller>() {
                access.record_login(&caller, address, &path);
            }
            response
        })
        .unwrap_or_else(|refusal| {
            access.record_refusal(&refusal, address, &path);
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
        if connection.lacks_tls() {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, NEEDS_TLS));
        }
        let route = match (Route::parse(request.uri().path()), &self.http) {
            (route, Some(http)) if !is_own(&route, &request) => {
                return self.serve_http(http.clone(), &connection, request).await;
            }
            (route, _) => route?,
        };
        let (mut parts, _) = request.into_parts();
        if route == Route::Health {
            return self.health();
        }
        if route == Route::Reload {
            return self.reload(&parts, &connection);
        }
        // The extractor changes the parts, so it must run before `query` borrows them.
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let upgrade = upgrade.map(|upgrade| upgrade.protocols([SUBPROTOCOL]));
        let query = Query::new(parts.uri.query());
        let caller = self.authenticate(&parts, &connection)?;
        match route {
            Route::Seen(seen) => {
                return self.show(seen, &parts, caller, upgrade.ok(), &connection);
            }
            Route::Dead(dead) => {
                return self.dead(dead, &parts, &caller, upgrade.ok(), &connection);
            }
            _ => {}
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
        let slot = self.slot(&connection, &caller)?;
        // The consumer exists before the response with status 101, so it misses no message that is
        // published after the response.
        let asked = parts.headers.get(link::HEADER);
        let refuses_unread = query.refuses_unread()?;
        let address = connection.address;
        let is_link = self.offers_links && asked.is_some_and(|version| version == link::VERSION);
        match route {
            Route::Health | Route::Reload | Route::Seen(_) | Route::Dead(_) => self.health(),
            Route::Producer { style, topic } if is_link => {
                // A link that connects again may name any of its topics. Each of its frames is checked.
                let (hub, by) = (self.hub.clone(), caller.clone());
                let mut role = LinkRole::new(hub, by, style, topic, None, address);
                if refuses_unread {
                    role.refuse_unread();
                }
                Ok(self.upgrade_to_link(upgrade, role, slot, connection, caller))
            }
            Route::Producer { style, topic } => {
                let mut producer = self.hub.producer_of(&caller, topic, None)?;
                if refuses_unread {
                    producer.refuse_unread();
                }
                let role = ProducerRole::new(style, caller.clone(), producer);
                Ok(self.upgrade(upgrade, role, slot, connection, caller))
            }
            Route::Consumer {
                style,
                topic,
                subscription,
            } => {
                let options = query.consumer_options(style, &topic, &subscription)?;
                caller.check_dead_letters(&query, &options)?;
                let name = topic.clone();
                let hub = &self.hub;
                let consumer = hub.consumer_of(&caller, name, subscription, &options, None)?;
                let user = caller.name().map(str::to_owned);
                consumer.introduce(Listener::new(address, user, query.introduction()));
                if (options.durable || options.hold != HoldOption::None)
                    && let Some(last) = self.hub.last_change()
                {
                    // After the handshake, the subscription and the hold are there even if the broker crashes.
                    poll_fn(|cx| match self.hub.is_written(last, cx) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    })
                    .await;
                }
                let retention = consumer.retention();
                let hold = consumer.hold();
                let mut response = if is_link {
                    let (hub, by) = (self.hub.clone(), caller.clone());
                    let mut role = LinkRole::new(hub, by, style, topic, Some(consumer), address);
                    if refuses_unread {
                        role.refuse_unread();
                    }
                    self.upgrade_to_link(upgrade, role, slot, connection, caller)
                } else {
                    let role = ConsumerRole::new(consumer);
                    self.upgrade(upgrade, role, slot, connection, caller)
                };
                if let Some(retention) = retention {
                    let headers = response.headers_mut();
                    headers.insert(RETENTION, retention.as_secs().into());
                }
                if options.hold != HoldOption::None {
                    let headers = response.headers_mut();
                    let seconds = hold.retention.map_or(0, |retention| retention.as_secs());
                    headers.insert(HOLD, seconds.into());
                    if let Some(messages) = hold.messages {
                        headers.insert(HELD, messages.into());
                    }
                }
                Ok(response)
            }
        }
    }

    /// Answers a request that is not for the broker itself. The routes find out who sends it, because they log in
    /// at the broker with his token.
    async fn serve_http(
        &self,
        mut http: Router,
        connection: &ConnectionHandle,
        request: Request,
    ) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let origins = &self.allowed_origins;
        let foreign = |reason| Refusal::new(StatusCode::FORBIDDEN, reason);
        let host = bytes(&parts.headers, header::HOST);
        let page = origins.check_page(bytes(&parts.headers, header::ORIGIN), host, self.uses_tls);
        page.map_err(foreign)?;
        let needs_no_token = match self.access.authenticate(&parts) {
            Ok(caller) => self.access.is_without_token(&caller),
            Err(_) => false,
        };
        if connection.is_local() && needs_no_token {
            origins.check_name(host).map_err(foreign)?;
        }
        let slot = || {
            self.shared_slot(connection)
                .map(|it| HttpSlot { _place: Some(it) })
        };
        let _running = connection.begin_request(slot)?;
        // A router is always ready.
        let answered = http.call(Request::from_parts(parts, body)).await;
        Ok(answered.unwrap_or_else(|never| match never {}))
    }

    /// Takes a place for a WebSocket.
    pub(crate) fn slot(
        &self,
        connection: &ConnectionHandle,
        caller: &Caller,
    ) -> Result<Slot, Refusal> {
        let account = caller.account();
        let of_user = account.map(|account| account.count(Thing::Connection, 0));
        let of_user = of_user.transpose()?;
        let (counted, permit) = self.shared_slot(connection)?;
        Ok(Slot {
            _counted: counted,
            _of_user: of_user,
            _permit: permit,
        })
    }

    /// Takes a place among all connections, and among those of an address.
    fn shared_slot(
        &self,
        connection: &ConnectionHandle,
    ) -> Result<(Counted, OwnedSemaphorePermit), Refusal> {
        let limits = &self.hub.limits;
        let Ok(permit) = self.slots.clone().try_acquire_owned() else {
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
        Ok((counted, permit))
    }

    /// Returns the number of open WebSockets.
    pub(crate) fn connections_now(&self) -> usize {
        self.max_connections - self.slots.available_permits()
    }

    /// Finds out who sends a request. It must not come from a foreign page.
    pub(crate) fn authenticate(
        &self,
        parts: &Parts,
        connection: &ConnectionHandle,
    ) -> Result<Caller, Refusal> {
        let origins = &self.allowed_origins;
        let host = bytes(&parts.headers, header::HOST);
        let origin = bytes(&parts.headers, header::ORIGIN);
        let foreign = |reason| Refusal::new(StatusCode::FORBIDDEN, reason);
        let page = origins.check_page(origin, host, self.uses_tls);
        page.map_err(foreign)?;
        let caller = self.access.authenticate(parts)?;
        if connection.is_local() && self.access.is_without_token(&caller) {
            origins.check_name(host).map_err(foreign)?;
        }
        Ok(caller)
    }

    /// Tells whether the broker can accept messages.
    fn health(&self) -> Result<Response, Refusal> {
        if self.hub.has_working_store() {
            return Ok("ok".into_response());
        }
        let reason = "the store has failed, so the broker refuses messages; start it again";
        Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason))
    }

    /// Reads the configuration again.
    fn reload(&self, parts: &Parts, connection: &ConnectionHandle) -> Result<Response, Refusal> {
        let caller = self.authenticate(parts, connection)?;
        caller.check_everywhere(Right::Admin)?;
        if parts.method != Method::POST {
            let reason = "this path changes the broker: use the method POST";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason));
        }
        let set_topics = |topics: &[TopicRule]| self.hub.set_topic_settings(topics);
        match self.access.reload(set_topics) {
            Ok(Some(changed)) => {
                let changed = changed.join(", ");
                info!(address = %connection.address, "read the configuration again; changed users: {changed}");
                Ok(format!("changed users: {changed}\n").into_response())
            }
            Ok(None) => {
                let reason = "the broker was started without a file of a configuration";
                Err(Refusal::new(StatusCode::CONFLICT, reason))
            }
            Err(error) => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error)),
        }
    }

    fn upgrade_to_link(
        self: Arc<Self>,
        upgrade: WebSocketUpgrade,
        role: LinkRole,
        slot: Slot,
        connection: ConnectionHandle,
        caller: Caller,
    ) -> Response {
        let headers = [
            (link::HEADER, link::VERSION.to_owned()),
            (link::RUN, self.hub.run()),
        ];
        let response = self.upgrade(upgrade, role, slot, connection, caller);
        (headers, response).into_response()
    }

    fn upgrade(
        self: Arc<Self>,
        upgrade: WebSocketUpgrade,
        role: impl Role + Send + 'static,
        slot: Slot,
        connection: ConnectionHandle,
        caller: Caller,
    ) -> Response {
        connection.set_upgraded();
        let task = self.tasks.token();
        let address = connection.address;
        let features = match (self.offers_links, self.access.has_users()) {
            (true, true) => WITH_LINKS_AND_USERS,
            (true, false) => WITH_LINKS,
            (false, true) => WITH_USERS,
            (false, false) => WITHOUT_LINKS,
        };
        // With one common token, all sockets would wait for its lock.
        let signals = Signals::new(self.shutdown.child_token(), caller.clone());
        let role = Box::new(role);
        let response = upgrade
            .on_failed_upgrade(move |error| debug!(%address, "the handshake failed: {error}"))
            .on_upgrade(move |socket| self.run(socket, role, slot, connection, task, signals));
        ([(FEATURES, features)], Extension(caller), response).into_response()
    }

    async fn run(
        self: Arc<Self>,
        mut socket: WebSocket,
        role: Box<impl Role>,
        slot: Slot,
        connection: ConnectionHandle,
        task: TaskTrackerToken,
        signals: Signals,
    ) {
        let address = connection.address;
        debug!(%address, "connected");
        let limits = &self.hub.limits;
        let end = drive(
            &mut socket,
            role,
            limits.ping_interval,
            limits.max_frame_size,
            connection.traffic(),
            Outgoing::charged(&self.hub.outgoing),
            signals,
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

/// Returns the largest size of a write buffer. Beside the bytes that it gathers, it holds one delivery
/// and the pongs of a peer that does not read. A delivery as text may be a third larger than the frame
/// of a link, because its payload is base64.
fn max_write_buffer_size(max_frame_size: usize) -> usize {
    let largest_delivery = max_frame_size.saturating_mul(2).saturating_add(1024);
    let pongs = MAX_UNREAD_PONGS as usize * MAX_PONG_SIZE;
    largest_delivery.saturating_add(WRITE_BUFFER_SIZE + pongs)
}
