//! Event streams: what happens to a call or a job, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use dasf_protocol::progress::Report;
use dasf_runtime::client::Whereabouts;
use futures_util::Stream;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::Problem;

/// How often a stream without events writes a comment, so that a lost connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The future of a call: it ends the stream.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Problem>> + Send>>;

/// What has happened and was not sent yet. A report tells all steps, so a new one takes the place of one that
/// waits: the memory of a stream does not grow if its reader is slow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Happening>,
}

#[derive(Debug)]
enum Happening {
    Progress(Report),
    Place(Value),
}

impl Inbox {
    pub(crate) fn report(&self, report: &Report) {
        self.add(Happening::Progress(report.clone()));
    }

    pub(crate) fn place(&self, place: Value) {
        self.add(Happening::Place(place));
    }

    fn add(&self, happening: Happening) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_progress = matches!(happening, Happening::Progress(_));
        waiting
            .events
            .retain(|it| matches!(it, Happening::Progress(_)) != is_progress);
        waiting.events.push_back(happening);
    }

    fn take(&self) -> Option<Event> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match waiting.events.pop_front()? {
            Happening::Progress(report) => event("progress", &progress(&report).to_string()),
            Happening::Place(place) => event("place", &place.to_string()),
        })
    }
}

/// Returns a report with the part that is done.
pub(crate) fn progress(report: &Report) -> Value {
    let mut document = serde_json::to_value(report).unwrap_or_default();
    document["percent"] = percent(report).into();
    document
}

/// Returns the part that is done, from 0 to 100.
pub(crate) fn percent(report: &Report) -> u8 {
    let percent = report.fraction() * 100.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 100
    let percent = percent as u8;
    percent
}

/// Returns what is known of a call.
pub(crate) fn whereabouts(whereabouts: Whereabouts) -> Value {
    let text = whereabouts.to_string();
    match whereabouts {
        Whereabouts::Running { percent } => {
            json!({"state": "running", "percent": percent, "text": text})
        }
        Whereabouts::Begun { so_far } => {
            json!({"state": "running", "seconds": so_far.as_secs_f64(), "text": text})
        }
        Whereabouts::Waiting { before } => {
            json!({"state": "waiting", "before": before, "text": text})
        }
        Whereabouts::Accepted => json!({"state": "accepted", "text": text}),
        Whereabouts::Unanswered => json!({"state": "unanswered", "text": text}),
        _ => json!({"state": "unknown", "text": text}),
    }
}

fn event(name: &str, data: &str) -> Event {
    Event::default().event(name).data(data)
}

/// The events of a call until its end. A drop ends the call.
struct Events {
    inbox: Inbox,
    /// `None` after the end.
    outcome: Option<Outcome>,
    last: Option<Event>,
    /// The places of the stream and its call in the limits.
    _places: Vec<OwnedSemaphorePermit>,
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(outcome) = &mut self.outcome
            && let Poll::Ready(outcome) = outcome.as_mut().poll(context)
        {
            self.last = Some(match outcome {
                Ok(result) => event("result", result.get()),
                Err(problem) => event("problem", &problem.document().to_string()),
            });
            self.outcome = None;
        }
        if let Some(event) = self.inbox.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        match (self.last.take(), &self.outcome) {
            (Some(last), _) => Poll::Ready(Some(Ok(last))),
            (None, None) => Poll::Ready(None),
            (None, Some(_)) => Poll::Pending,
        }
    }
}

/// Returns the response that shows the events of a call.
pub(crate) fn stream(
    inbox: Inbox,
    outcome: Outcome,
    places: Vec<OwnedSemaphorePermit>,
) -> Response {
    let events = Events {
        inbox,
        outcome: Some(outcome),
        last: None,
        _places: places,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events).keep_alive(keep_alive).into_response()
}
