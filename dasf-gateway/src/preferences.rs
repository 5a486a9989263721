//! What the headers of a request ask for.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};
use dasf_protocol::TraceContext;

use crate::forms::Accept;
use crate::problem::{Kind, Problem};

/// The header with the preferences of RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header with the seconds for which a job is kept.
const KEEP: HeaderName = HeaderName::from_static("keep");
/// The header with the name of a job that its caller chooses.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The headers with the trace of a call, and what its programs know of the trace: see the W3C's Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The type of event streams.
const EVENTS: &str = "text/event-stream";
/// The longest name of a job, in bytes.
const MAX_KEY: usize = 256;

/// How a caller wants its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// Whether the call should be a job.
    pub(crate) is_job: bool,
    /// How long the caller waits.
    pub(crate) wait: Option<Duration>,
    /// Whether the caller wants to see events.
    pub(crate) wants_events: bool,
    /// How long a job is kept.
    pub(crate) keep: Option<Duration>,
    /// The name of a job.
    pub(crate) key: Option<String>,
    /// The forms of the result that the caller accepts; `None` for JSON.
    pub(crate) accept: Option<Accept>,
    /// The trace to which the call belongs.
    pub(crate) trace: Option<TraceContext>,
}

impl Preferences {
    /// Reads the headers of a request. Preferences of other names are ignored, as RFC 7240 demands.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut preferences = Self::default();
        for value in headers.get_all(PREFER) {
            let value = value
                .to_str()
                .map_err(|_| refused("the header Prefer is not ASCII"))?;
            for part in value.split([',', ';']) {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                match name.trim().to_ascii_lowercase().as_str() {
                    "respond-async" => preferences.is_job = true,
                    "wait" => {
                        let value = value.trim().trim_matches('"');
                        preferences.wait = Some(seconds("Prefer: wait", value)?);
                    }
                    _ => {}
                }
            }
        }
        if let Some(keep) = headers.get(KEEP) {
            let value = keep
                .to_str()
                .map_err(|_| refused("the header Keep is not ASCII"))?;
            preferences.keep = Some(seconds("Keep", value.trim())?);
        }
        if let Some(key) = headers.get(IDEMPOTENCY_KEY) {
            let key = key
                .to_str()
                .map_err(|_| refused("the header Idempotency-Key is not ASCII"))?;
            if key.is_empty() || key.len() > MAX_KEY {
                return Err(refused(&format!(
                    "the header Idempotency-Key has {} bytes; it may have 1 to {MAX_KEY}",
                    key.len()
                )));
            }
            preferences.key = Some(key.to_owned());
        }
        preferences.wants_events = accepts(headers, &[EVENTS]);
        preferences.accept = Accept::of(headers);
        preferences.trace = trace(headers);
        Ok(preferences)
    }
}

/// Reads the trace of a call. The W3C demands that headers of another form are ignored.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let trace: TraceContext = headers.get(TRACEPARENT)?.to_str().ok()?.parse().ok()?;
    let states = headers.get_all(TRACESTATE).iter();
    let states: Vec<_> = states.filter_map(|state| state.to_str().ok()).collect();
    match states.is_empty() {
        true => Some(trace),
        false => {
            let with_state = trace.clone().with_state(&states.join(","));
            Some(with_state.unwrap_or(trace))
        }
    }
}

/// Returns whether the header `Accept` names one of these types.
fn accepts(headers: &HeaderMap, wanted: &[&str]) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(','));
    types.any(|it| {
        let name = it.split(';').next().unwrap_or_default();
        wanted
            .iter()
            .any(|wanted| name.trim().eq_ignore_ascii_case(wanted))
    })
}

fn refused(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

/// Reads a time in seconds, such as `20` or `0.5`.
fn seconds(name: &str, value: &str) -> Result<Duration, Problem> {
    let seconds = value.parse::<f64>().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| {
        let value: String = value.chars().take(40).collect();
        refused(&format!(
            "{name} is {value:?}; it should be a number of seconds, such as 20"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<Preferences, Problem> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Preferences::read(&headers.collect())
    }

    #[test]
    fn preferences_are_read_and_others_ignored() {
        let read = read(&[
            ("prefer", "handling=lenient, Wait=2.5"),
            ("prefer", "respond-async"),
            ("accept", "application/json;q=0.5, text/Event-Stream"),
            ("keep", "60"),
            ("idempotency-key", "night"),
        ])
        .unwrap();
        assert_eq!(
            read,
            Preferences {
                is_job: true,
                wait: Some(Duration::from_millis(2500)),
                wants_events: true,
                keep: Some(Duration::from_secs(60)),
                key: Some("night".to_owned()),
                accept: read.accept.clone(),
                trace: None,
            }
        );
    }

    #[test]
    fn wrong_times_and_names_are_refused() {
        let long = "k".repeat(MAX_KEY + 1);
        for (name, value) in [
            ("prefer", "wait=soon"),
            ("prefer", "wait=-1"),
            ("prefer", "wait=1e300"),
            ("keep", ""),
            ("keep", "NaN"),
            ("idempotency-key", ""),
            ("idempotency-key", &long),
        ] {
            let problem = read(&[(name, value)]).unwrap_err();
            assert_eq!(problem.kind(), Kind::BadRequest, "{name}: {value}");
        }
    }
}
