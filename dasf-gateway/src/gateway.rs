//! The gateway: its routes, and the calls through it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use dasf_protocol::origin::AllowedOrigins;
use dasf_runtime::Address;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::description::{Description, Member};
use crate::events::{self, Inbox};
use crate::forms::Sent;
use crate::options::{Options, OptionsError};
use crate::preferences::Preferences;
use crate::problem::{Kind, Problem};
use crate::users::{Login, Session, Users, query_pairs};
use crate::{body, guard, jobs, modules, openapi, page};

/// HTTP for the modules at one broker.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Arc<Options>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) users: Users,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) listings: Semaphore,
}

/// How many lists of modules the gateway asks for at a time.
const MAX_LISTINGS: usize = 16;
/// The smallest answer that is compressed, in bytes.
const MIN_COMPRESSED: u64 = 1024;

impl Gateway {
    /// Returns a gateway to the modules at a broker. It connects when somebody calls.
    ///
    /// Callers with a token use theirs. A login in the address is for callers without one.
    ///
    /// # Errors
    /// [`OptionsError`] if an option cannot be used.
    pub fn new(address: Address, options: Options) -> Result<Self, OptionsError> {
        let origins = AllowedOrigins::new("gateway", &options.allowed_origins)
            .map_err(|origin| OptionsError::Origin { origin })?;
        let options = Arc::new(options);
        Ok(Self {
            shared: Arc::new(Shared {
                origins,
                streams: Arc::new(Semaphore::new(options.max_event_streams)),
                listings: Semaphore::new(MAX_LISTINGS),
                users: Users::new(address, Arc::clone(&options)),
                options,
            }),
        })
    }

    /// Returns the routes of the gateway, for a server with others or for [`serve`](Self::serve).
    pub fn router(&self) -> Router {
        let shared = &self.shared;
        let router = page::routes()
            .route("/api", get(modules::list))
            .route("/api/openapi.json", get(openapi::serve::all))
            .route("/api/jobs/{id}", get(jobs::status).delete(jobs::forget))
            .route("/api/jobs/{id}/result", get(jobs::result))
            .route("/api/jobs/{id}/events", get(jobs::events))
            .route("/api/jobs/{id}/cancel", post(jobs::cancel))
            .route("/api/{topic}", get(describe))
            .route("/api/{topic}/openapi.json", get(openapi::serve::one))
            .route("/api/{topic}/{function}", get(function).post(function))
            .route("/api/{topic}/{class}/{method}", get(method).post(method))
            .merge(reference())
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn_with_state(Arc::clone(shared), guard::admit))
            .layer(compression())
            .with_state(Arc::clone(shared));
        match shared.cors() {
            Some(cors) => router.layer(cors),
            None => router,
        }
    }
}

/// Returns the routes of the reference.
fn reference() -> Router<Arc<Shared>> {
    #[cfg(feature = "reference")]
    let routes = openapi::reference::routes();
    #[cfg(not(feature = "reference"))]
    let routes = Router::new();
    routes
}

/// Returns the layer that compresses answers for those that understand it. Small ones are not worth it, and event
/// streams must not wait.
fn compression() -> CompressionLayer<impl Predicate> {
    let predicate = SizeAbove::new(MIN_COMPRESSED)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    CompressionLayer::new().gzip(true).compress_when(predicate)
}

/// What was called.
enum Called<'p> {
    Function(&'p str),
    Method(&'p str, &'p str),
}

impl Called<'_> {
    fn find<'d>(&self, description: &'d Description) -> Result<Member<'d>, Problem> {
        match self {
            Self::Function(name) => description.function(name),
            Self::Method(class, name) => description.method(class, name),
        }
    }
}

async fn unknown_path() -> Problem {
    let detail = "the gateway has no such path; the page is at /, and modules are below /api";
    Problem::new(Kind::NotFound, detail)
}

async fn wrong_method(method: Method) -> Problem {
    let detail = format!("the path does not take the method {method}");
    Problem::new(Kind::MethodNotAllowed, detail)
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let login = Login::read(&parts)?;
    let Session {
        client,
        place: _place,
    } = shared.users.session(&login, &topic).await?;
    let patience = shared.options.description_timeout;
    let description = client.new_description(patience).await?;
    Ok(json(description.document()))
}

async fn function(
    State(shared): State<Arc<Shared>>,
    Path((topic, function)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let called = Called::Function(&function);
    shared.call(&topic, called, &parts, body).await
}

async fn method(
    State(shared): State<Arc<Shared>>,
    Path((topic, class, method)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let called = Called::Method(&class, &method);
    shared.call(&topic, called, &parts, body).await
}

impl Shared {
    async fn call(
        &self,
        topic: &str,
        called: Called<'_>,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Problem> {
        let begun = Instant::now();
        let preferences = Preferences::read(&parts.headers)?;
        let login = Login::read(parts)?;
        let Session { client, place } = self.users.session(&login, topic).await?;
        let body = body::read(&parts.headers, body, &self.options).await?;
        let sent = Sent::read(&parts.headers, body).await?;
        let wait = self.wait(&preferences);
        let patience = wait.min(self.options.description_timeout);
        let description = client.description(patience).await?;
        let (description, request) = match request(&description, &called, parts, &sent) {
            Ok(request) => (description, request),
            Err(problem) => {
                // The module may have come back with another description.
                let newer = client.new_description(patience).await?;
                if Arc::ptr_eq(&newer, &description) {
                    return Err(problem);
                }
                let request = request(&newer, &called, parts, &sent)?;
                (newer, request)
            }
        };
        if preferences.is_job {
            return jobs::submit(self, &client, &request, &preferences).await;
        }
        let mut call = client.caller()?.call_raw(&request);
        call = call.timeout(wait.saturating_sub(begun.elapsed()));
        if let Some(trace) = preferences.trace {
            call = call.trace(trace);
        }
        if preferences.wants_events {
            let stream = self.stream_place()?;
            let inbox = Inbox::default();
            let (places, reports) = (inbox.clone(), inbox.clone());
            let call = call
                .on_whereabouts(move |it| places.place(events::whereabouts(it)))
                .on_progress(move |report| reports.report(report));
            let call = call.into_future();
            // The client must stay while the call runs.
            let outcome = async move {
                let result = call.await;
                drop(client);
                Ok(result?)
            };
            return Ok(events::stream(
                inbox,
                Box::pin(outcome),
                vec![place, stream],
            ));
        }
        let Some(accept) = &preferences.accept else {
            let result = call.await?;
            return Ok(result_response(result));
        };
        let forms = called.find(&description)?.result_forms(&description)?;
        forms.check(accept)?;
        let result = call.await?;
        Ok(forms.write(accept, result.get())?.into_response())
    }

    /// Returns how long a call may take.
    pub(crate) fn wait(&self, preferences: &Preferences) -> Duration {
        match preferences.wait {
            Some(wait) => wait.min(self.options.max_wait),
            None => self.options.timeout,
        }
    }

    /// Takes a place among the event streams.
    pub(crate) fn stream_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let max = self.options.max_event_streams;
            let detail = format!(
                "the gateway has {max} event streams, the limit max_event_streams; try again later"
            );
            Problem::new(Kind::TooMany, detail)
        })
    }
}

/// Makes the request to the module out of a request to the gateway.
fn request(
    description: &Description,
    called: &Called<'_>,
    parts: &Parts,
    sent: &Sent,
) -> Result<Box<RawValue>, Problem> {
    let member = called.find(description)?;
    let pairs: Vec<_> = query_pairs(parts.uri.query().unwrap_or_default()).collect();
    let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
    let pairs = pairs.filter(|(name, _)| *name != "token");
    let arguments = if parts.method == Method::POST {
        sent.arguments(description, &member, pairs)?
    } else {
        if !member.fits_a_query() {
            let detail = format!(
                "{} has arguments that are objects, so it needs the method POST",
                member.full_name()
            );
            return Err(Problem::new(Kind::NeedsPost, detail));
        }
        member.of_texts(pairs)?
    };
    member.request(&arguments)
}

/// Returns a response with the JSON of a result.
pub(crate) fn result_response(result: Box<RawValue>) -> Response {
    json(Bytes::from(String::from(Box::<str>::from(result))))
}

/// Returns a response with JSON.
pub(crate) fn json(body: Bytes) -> Response {
    json_with(StatusCode::OK, body)
}

pub(crate) fn json_with(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let form = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, form);
    response
}
