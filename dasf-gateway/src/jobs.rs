//! Jobs: calls whose answers the broker keeps.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dasf_protocol::JobId;
use dasf_runtime::client::{CallError, Job, JobStatus};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::events::{self, Inbox, percent, progress};
use crate::forms::ResultForms;
use crate::gateway::{Shared, json_with, result_response};
use crate::preferences::Preferences;
use crate::problem::{Kind, Problem};
use crate::users::{Client, Login, Session};

/// How long the broker may take to tell what it knows of a job.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A job, with what a request uses of its user.
struct Found {
    job: Job<Box<RawValue>>,
    session: Session,
    preferences: Preferences,
}

impl Shared {
    async fn find(&self, id: &str, request: Request) -> Result<Found, Problem> {
        let (parts, _) = request.into_parts();
        let preferences = Preferences::read(&parts.headers)?;
        let login = Login::read(&parts)?;
        let id: JobId = id
            .parse()
            .map_err(|error| Problem::new(Kind::NotFound, format!("{error}")))?;
        let session = self.users.session(&login, id.topic().as_str()).await?;
        let job = session.client.caller()?.attach(&id)?;
        Ok(Found {
            job,
            session,
            preferences,
        })
    }
}

/// Makes a job of a request.
pub(crate) async fn submit(
    shared: &Shared,
    client: &Client,
    request: &RawValue,
    preferences: &Preferences,
) -> Result<Response, Problem> {
    let mut call = client.caller()?.call_raw(request);
    if let Some(wait) = preferences.wait {
        // The time after which no module begins it any more.
        call = call.timeout(wait);
    }
    if let Some(trace) = &preferences.trace {
        call = call.trace(trace.clone());
    }
    let mut submission = call.submit();
    if let Some(keep) = preferences.keep {
        submission = submission.keep(keep);
    }
    if let Some(key) = &preferences.key {
        submission = submission.key(key);
    }
    let submitted = timeout(shared.options.timeout, submission).await;
    let job = submitted.map_err(|_| late(shared.options.timeout))??;
    let id = job.id().to_string();
    let state = match job.is_new() {
        true => json!({"id": id, "status": "waiting"}),
        false => {
            let asked = timeout(ANSWER_TIMEOUT, job.status()).await;
            status_document(&id, &asked.map_err(|_| late(ANSWER_TIMEOUT))??)
        }
    };
    // A second request with the same name gets the answer to the first one. 200 is the status of results.
    let mut response = json_with(StatusCode::CREATED, state.to_string().into());
    let headers = response.headers_mut();
    // The id has only characters that a header can have.
    if let Ok(location) = HeaderValue::try_from(format!("/api/jobs/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(
        "preference-applied",
        HeaderValue::from_static("respond-async"),
    );
    Ok(response)
}

fn late(after: Duration) -> Problem {
    Problem::timeout(after, "the broker is slow or cannot be reached")
}

/// Returns the document about a job.
fn status_document(id: &str, status: &JobStatus) -> Value {
    let name = match status {
        JobStatus::Waiting => "waiting",
        JobStatus::Accepted => "delivered",
        JobStatus::Running { .. } => "running",
        JobStatus::Done => "done",
        JobStatus::Failed(_) => "failed",
        JobStatus::Cancelled => "cancelled",
        _ => "unknown",
    };
    let topic = id.split('.').next().unwrap_or_default();
    let mut document = json!({"id": id, "topic": topic, "status": name});
    match status {
        JobStatus::Running {
            report: Some(report),
            ..
        } => {
            document["percent"] = percent(report).into();
            document["report"] = progress(report);
        }
        JobStatus::Failed(failure) => {
            document["problem"] = Problem::from(failure.clone()).document();
        }
        _ => {}
    }
    document
}

pub(crate) async fn status(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let found = shared.find(&id, request).await?;
    let status = ask(found.job.status()).await?;
    let document = status_document(&id, &status);
    Ok(json_with(StatusCode::OK, document.to_string().into()))
}

pub(crate) async fn result(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let found = shared.find(&id, request).await?;
    let wait = found.preferences.wait.unwrap_or_default();
    let wait = wait.min(shared.options.max_wait);
    if wait.is_zero() {
        let status = ask(found.job.status()).await?;
        if !status.is_over() {
            return Ok(not_done(&id, &status));
        }
    }
    let result = found.job.result();
    match result
        .timeout(wait.max(ANSWER_TIMEOUT.min(shared.options.timeout)))
        .await
    {
        Ok(result) => match found.preferences.accept {
            None => Ok(result_response(result)),
            // A job does not tell which function it calls.
            Some(accept) => {
                let written = ResultForms::unknown().write(&accept, result.get())?;
                Ok(written.into_response())
            }
        },
        Err(CallError::NotDone { status, .. }) => Ok(not_done(&id, &status)),
        Err(error) => Err(error.into()),
    }
}

fn not_done(id: &str, status: &JobStatus) -> Response {
    let document = status_document(id, status);
    json_with(StatusCode::ACCEPTED, document.to_string().into())
}

pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let found = shared.find(&id, request).await?;
    let stream = shared.stream_place()?;
    let status = ask(found.job.status()).await?;
    let inbox = Inbox::default();
    inbox.place(status_document(&id, &status));
    let reports = inbox.clone();
    let Found { job, session, .. } = found;
    let Session { client, place } = session;
    let outcome = async move {
        let result = job.result();
        let result = result
            .on_progress(move |report| reports.report(report))
            .await;
        drop(client);
        Ok(result?)
    };
    Ok(events::stream(
        inbox,
        Box::pin(outcome),
        vec![place, stream],
    ))
}

pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let found = shared.find(&id, request).await?;
    let status = ask(found.job.status()).await?;
    if let JobStatus::Done | JobStatus::Failed(_) = status {
        let detail = format!("the job {id} cannot be cancelled any more: it is {status}");
        return Err(Problem::new(Kind::Conflict, detail));
    }
    ask(found.job.cancel()).await?;
    let document = status_document(&id, &JobStatus::Cancelled);
    Ok(json_with(StatusCode::OK, document.to_string().into()))
}

pub(crate) async fn forget(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let found = shared.find(&id, request).await?;
    let status = ask(found.job.status()).await?;
    if !status.is_over() {
        ask(found.job.cancel()).await?;
    }
    ask(found.job.forget()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Waits for what the broker tells about a job.
async fn ask<T>(question: impl Future<Output = Result<T, CallError>>) -> Result<T, Problem> {
    let answer = timeout(ANSWER_TIMEOUT, question).await;
    Ok(answer.map_err(|_| late(ANSWER_TIMEOUT))??)
}
