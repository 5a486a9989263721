//! The calls that wait for their responses.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
#[cfg(not(interleavings))]
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dasf_protocol::fragment::{Assembly, Joined, Position};
use dasf_protocol::payload::{self, Payload};
use dasf_protocol::progress::Report;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, ErrorInfo, MessageType, Properties, Status, Topic, TraceContext};
#[cfg(interleavings)]
use loom::sync::{Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::whereabouts::Limits;
use super::{CallError, ModuleFailure};
use crate::number_map::NumberMap;
use crate::random::LAST_CONTEXT;
use crate::spare;
use crate::transport::{Calls, PublishError};

#[cfg(interleavings)]
mod interleavings;

/// The number of reports that wait for a handler. Each report contains the whole state, so a slow
/// handler may miss some of them.
pub(super) const REPORT_CAPACITY: usize = 64;

/// The number of waiting requests of modules for the payload of one call.
pub(super) const FETCH_CAPACITY: usize = 8;

/// How many responses to one call may come in fragments at the same time: one from each module that runs
/// it.
const MAX_ANSWERS: usize = 4;

/// The size of all requests that are kept to be published again, in bytes.
const MAX_KEPT: usize = 32 << 20;

/// A response of a module.
#[derive(Debug)]
pub(super) struct Answer {
    /// The whole payload.
    pub(super) payload: Bytes,
    pub(super) properties: Properties,
}

/// The calls that wait for their responses, by context.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The topic of the called module.
    topic: Topic,
    /// The topic on which the responses arrive.
    response_topic: Topic,
    state: Mutex<State>,
    /// Messages of other modules or clients.
    foreign: Ignored,
    /// Messages without the necessary properties.
    unreadable: Ignored,
    /// Reports that cannot be read.
    reports: Ignored,
    /// Requests for a payload that does not exist.
    fetches: Ignored,
}

/// The number of messages ignored for one reason. The log has a warning only for the first one,
/// because every program that can publish to the response topic could fill the log.
#[derive(Debug, Default)]
struct Ignored(AtomicU64);

impl Ignored {
    fn log(&self, message_id: &str, topic: &Topic, reason: &str) {
        let topic = topic.as_str();
        let count = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if count == 1 {
            tracing::warn!(
                message_id,
                topic,
                "message ignored: {reason}; further messages of this kind are logged at level debug"
            );
        } else {
            tracing::debug!(message_id, topic, count, "message ignored: {reason}");
        }
    }
}

#[derive(Debug)]
struct State {
    calls: NumberMap<Entry>,
    next_context: u64,
    /// The memory of all fragments, in bytes.
    held: usize,
    max_response_size: usize,
    /// The size of the kept requests, in bytes.
    kept: usize,
    /// How often the connection to the response topic was lost.
    losses: u32,
}

/// A call that waits for its response.
#[derive(Debug)]
struct Entry {
    waiting: Waiting,
    /// The response, until the task of the call takes it.
    answer: Option<Result<Answer, CallError>>,
    /// The task of the call.
    waker: Option<Waker>,
    /// The part that is done, in percent, if the function reported it.
    percent: Option<u8>,
    /// When the function reported its progress last.
    reported: Option<Instant>,
    /// The fragments of the response, if there are any. Two modules may answer at the same time.
    fragments: Vec<Fragments>,
    request: Request,
    /// The number of losses before the call.
    losses: u32,
}

/// What a call keeps of its request.
#[derive(Debug)]
pub(super) enum Request {
    /// Nothing.
    Gone,
    /// A request that can be published again.
    Kept(Kept),
    /// A request that the module has, whose memory the response can use.
    Spare(Bytes),
}

/// A request that can be published again.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) json: Bytes,
    pub(super) limits: Limits,
    pub(super) trace: Option<Arc<TraceContext>>,
}

impl Request {
    /// Returns the size in bytes, if the request can be published again.
    fn kept(&self) -> usize {
        match self {
            Self::Kept(kept) => kept.json.len(),
            Self::Gone | Self::Spare(_) => 0,
        }
    }

    /// Returns the memory for the response.
    fn take_spare(&mut self) -> Bytes {
        match self {
            Self::Spare(sent) => std::mem::take(sent),
            Self::Gone | Self::Kept(_) => Bytes::new(),
        }
    }
}

/// The fragments of a response.
#[derive(Debug)]
struct Fragments {
    /// The id of the response. If another module runs the request again, its response may differ.
    id: String,
    assembly: Assembly,
}

impl Entry {
    /// Returns the memory of the fragments, in bytes.
    fn held(&self) -> usize {
        let fragments = self.fragments.iter();
        fragments.map(|it| it.assembly.held_bytes()).sum()
    }

    /// Adds a fragment. Returns the whole payload if no fragment is missing. There is room for so many
    /// bytes.
    fn join(
        &mut self,
        room: usize,
        id: &str,
        position: Position,
        piece: Payload,
    ) -> Result<Option<Payload>, CallError> {
        let known = self.fragments.iter().position(|it| it.id == id);
        let place = match known {
            Some(place) => place,
            None => {
                if self.fragments.len() == MAX_ANSWERS {
                    self.fragments.remove(0);
                }
                // Fresh memory takes longer to get than to write. But a small response must not keep the
                // memory of a large request.
                let sent = self.request.take_spare();
                let announced = piece.len().saturating_mul(position.count);
                let is_useful = sent.len() / 2 <= announced.min(room / 4);
                let buffer = is_useful.then(|| spare::vec_of(sent)).flatten();
                let buffer = buffer.unwrap_or_default();
                self.fragments.push(Fragments {
                    id: id.to_owned(),
                    assembly: Assembly::in_buffer(position.count, buffer),
                });
                self.fragments.len() - 1
            }
        };
        let assembly = &mut self.fragments[place].assembly;
        Ok(match assembly.insert(position, piece)? {
            Joined::Complete(whole) => Some(whole.into()),
            Joined::Incomplete | Joined::Duplicate => None,
        })
    }
}

impl State {
    /// Removes a call and its fragments. Returns whether it had no response yet.
    fn remove(&mut self, context: u64) -> bool {
        let Some(entry) = self.calls.remove(&context) else {
            return false;
        };
        self.held -= entry.held();
        self.kept -= entry.request.kept();
        entry.answer.is_none()
    }

    /// Returns the request of a call, and keeps it no longer.
    fn take_request(&mut self, context: u64) -> Request {
        let Some(entry) = self.calls.get_mut(&context) else {
            return Request::Gone;
        };
        let request = std::mem::replace(&mut entry.request, Request::Gone);
        self.kept -= request.kept();
        request
    }

    /// Keeps the largest requests no longer, until the others are within the limit.
    fn shrink(&mut self) {
        while self.kept > MAX_KEPT {
            let sizes = self
                .calls
                .iter()
                .map(|(id, entry)| (entry.request.kept(), *id));
            let Some((_, largest)) = sizes.max() else {
                return;
            };
            drop(self.take_request(largest));
        }
    }
}

/// The receivers of the messages for one call, besides its response.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Progress reports, if the caller wants them.
    pub(super) reports: Option<mpsc::Sender<Report>>,
    /// Topics to which the payload of a request on demand must be sent.
    pub(super) fetches: Option<mpsc::Sender<Topic>>,
}

/// Owns the entry of one call. When dropped, it removes everything that belongs to the call.
#[derive(Debug)]
pub(super) struct CallGuard {
    in_flight: Arc<InFlight>,
    context: u64,
    has_ended: bool,
}

impl CallGuard {
    /// Returns the context of the call.
    pub(super) fn context(&self) -> u64 {
        self.context
    }

    /// Ends the call. Returns whether it had no response yet.
    pub(super) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.has_ended, true) && self.in_flight.lock().remove(self.context)
    }

    /// Keeps the memory of the request, which the module has, for the response.
    pub(super) fn keep(&self, sent: Bytes) {
        if let Some(entry) = self.in_flight.lock().calls.get_mut(&self.context) {
            entry.request = Request::Spare(sent);
        }
    }
}

/// Waits for the response.
///
/// # Cancel safety
/// If a reference is polled, the response is not lost.
impl Future for CallGuard {
    type Output = Result<Answer, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        let mut state = call.in_flight.lock();
        let Some(entry) = state.calls.get_mut(&call.context) else {
            return Poll::Ready(Err(CallError::Closed));
        };
        if let Some(answer) = entry.answer.take() {
            state.remove(call.context);
            call.has_ended = true;
            return Poll::Ready(answer);
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.end();
    }
}

impl InFlight {
    /// Creates an empty list. The first call gets `first_context`.
    pub(super) fn new(
        topic: Topic,
        response_topic: Topic,
        first_context: u64,
        max_response_size: usize,
    ) -> Self {
        let state = State {
            calls: NumberMap::default(),
            next_context: first_context,
            held: 0,
            max_response_size,
            kept: 0,
            losses: 0,
        };
        Self {
            topic,
            response_topic,
            state: Mutex::new(state),
            foreign: Ignored::default(),
            unreadable: Ignored::default(),
            reports: Ignored::default(),
            fetches: Ignored::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().calls.len()
    }

    /// Returns the part of a call that is done, in percent, if its function reported it.
    pub(super) fn percent(&self, context: u64) -> Option<u8> {
        self.lock().calls.get(&context)?.percent
    }

    /// Returns when the function of a call reported its progress last.
    pub(super) fn reported(&self, context: u64) -> Option<Instant> {
        self.lock().calls.get(&context)?.reported
    }

    /// Registers a call under a context that no other call in flight has.
    pub(super) fn register(self: &Arc<Self>, waiting: Waiting, request: Request) -> CallGuard {
        let mut state = self.lock();
        // Contexts repeat only after so many calls that few of them can still be in flight.
        while state.calls.contains_key(&state.next_context) {
            state.next_context = following(state.next_context);
        }
        let context = state.next_context;
        state.next_context = following(context);
        let entry = Entry {
            waiting,
            answer: None,
            waker: None,
            percent: None,
            reported: None,
            fragments: Vec::new(),
            request,
            losses: state.losses,
        };
        state.kept += entry.request.kept();
        state.calls.insert(context, entry);
        state.shrink();
        CallGuard {
            in_flight: Arc::clone(self),
            context,
            has_ended: false,
        }
    }

    /// Records that the connection to the response topic was lost.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        state.losses = state.losses.wrapping_add(1);
    }

    /// Returns the calls without a response that began before the last loss, if their requests can be
    /// published again.
    pub(super) fn lost_calls(&self) -> Vec<u64> {
        let state = self.lock();
        let calls = state.calls.iter().filter(|(_, entry)| {
            entry.answer.is_none() && entry.losses != state.losses && entry.request.kept() > 0
        });
        calls.map(|(context, _)| *context).collect()
    }

    /// Returns the request of a call that has no response, and the deadline of the call.
    pub(super) fn kept(&self, context: u64) -> Option<(Kept, Instant)> {
        let state = self.lock();
        let entry = state.calls.get(&context)?;
        match &entry.request {
            Request::Kept(kept) if entry.answer.is_none() => {
                let deadline = kept.limits.deadline_after(entry.reported);
                Some((kept.clone(), deadline))
            }
            _ => None,
        }
    }

    /// Returns whether a message is from the called module and for this client. Properties that are
    /// missing do not count. Other programs may also publish to the response topic.
    pub(super) fn concerns(&self, delivery: &Delivery) -> bool {
        let properties = &delivery.properties;
        let is = |key, topic: &Topic| {
            let named = properties.text(key).unwrap_or_default();
            named.is_empty() || named == topic.as_str()
        };
        // In these messages, `response_topic` is the topic on which the module reads the reply.
        let asks = matches!(
            properties.message_type(),
            Some(MessageType::Ping | MessageType::Fetch)
        );
        let concerns = is(key::SOURCE_TOPIC, &self.topic)
            && (asks || is(key::RESPONSE_TOPIC, &self.response_topic));
        if !concerns {
            let reason = "its source_topic is not the called topic, or its response_topic belongs to another \
                          client";
            self.foreign.log(&delivery.message_id, &self.topic, reason);
        }
        concerns
    }

    /// Passes a message to its call.
    pub(super) fn deliver(&self, delivery: Delivery) {
        if !self.concerns(&delivery) {
            return;
        }
        let Delivery {
            message_id,
            payload,
            properties,
            ..
        } = delivery;
        let context = properties
            .request_context()
            .and_then(|context| context.parse::<u64>().ok());
        let (Some(message_type), Some(context)) = (properties.message_type(), context) else {
            let reason = "it needs a messageType and a requestContext of this client";
            self.unreadable.log(&message_id, &self.topic, reason);
            return;
        };
        let mut state = self.lock();
        let State {
            calls,
            held,
            max_response_size,
            kept,
            ..
        } = &mut *state;
        let entry = calls.get_mut(&context);
        let Some(entry) = entry.filter(|entry| entry.answer.is_none()) else {
            tracing::debug!(
                message_id = &*message_id,
                context,
                "response ignored: its call is over"
            );
            return;
        };
        let waiting = &entry.waiting;
        match message_type {
            MessageType::Progress => {
                match read_report(payload) {
                    Some(report) => {
                        entry.percent = Some(in_percent(&report));
                        entry.reported = Some(Instant::now());
                        if let Some(reports) = &waiting.reports {
                            drop(reports.try_send(report));
                        }
                    }
                    None => {
                        let reason = "its progress report cannot be read";
                        self.reports.log(&message_id, &self.topic, reason);
                    }
                }
                return;
            }
            MessageType::Fetch => {
                match (&waiting.fetches, properties.response_topic()) {
                    (Some(fetches), Some(topic)) => drop(fetches.try_send(topic)),
                    _ => {
                        let reason = "it asks for a payload that does not exist";
                        self.fetches.log(&message_id, &self.topic, reason);
                    }
                }
                return;
            }
            MessageType::Response | MessageType::Pong => {}
            other => {
                tracing::debug!(
                    message_id = &*message_id,
                    context,
                    message_type = other.to_string(),
                    "message ignored: callers do not use its type"
                );
                return;
            }
        }
        let whole = match Position::of(&properties) {
            Ok(None) => Ok(Some(payload)),
            Ok(Some(position)) => {
                let id = properties.text(key::ANSWER).unwrap_or_default();
                let before = entry.held();
                let room = *max_response_size - *held;
                let joined = entry.join(room, id, position, payload);
                *held = *held - before + entry.held();
                if *held > *max_response_size {
                    let limit = *max_response_size;
                    Err(CallError::ResponseTooLarge { limit })
                } else {
                    joined
                }
            }
            Err(error) => Err(error.into()),
        };
        entry.answer = Some(match whole {
            Ok(None) => return,
            Ok(Some(payload)) => read_answer(payload, properties),
            Err(error) => Err(error),
        });
        // The call may not take its answer for a while.
        *held -= entry.held();
        entry.fragments = Vec::new();
        let request = std::mem::replace(&mut entry.request, Request::Gone);
        *kept -= request.kept();
        let waker = entry.waker.take();
        // To wake a task takes long, and other calls need the lock.
        drop(state);
        drop(request);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Calls for InFlight {
    fn failed(&self, context: u64, error: PublishError) {
        let waker = match self.lock().calls.get_mut(&context) {
            Some(entry) if entry.answer.is_none() => {
                let error = CallError::not_published(&self.topic, error);
                entry.answer = Some(Err(error));
                entry.waker.take()
            }
            // The caller has its response, or stopped waiting.
            _ => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn is_awaited(&self, context: u64) -> bool {
        let state = self.lock();
        let call = state.calls.get(&context);
        call.is_some_and(|entry| entry.answer.is_none())
    }
}

/// Returns the next context.
fn following(context: u64) -> u64 {
    (context + 1) & LAST_CONTEXT
}

pub(super) fn in_percent(report: &Report) -> u8 {
    let percent = report.fraction() * 100.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 100
    let percent = percent as u8;
    percent
}

pub(super) fn read_report(payload: Payload) -> Option<Report> {
    serde_json::from_slice(&payload.into_bytes().ok()?).ok()
}

/// Returns the response, or the error that it contains.
pub(super) fn read_answer(payload: Payload, properties: Properties) -> Result<Answer, CallError> {
    let payload = payload.into_bytes()?;
    if properties.status() == Some(Status::Error) {
        let text = payload::to_text(&payload).into_owned();
        return Err(ModuleFailure::new(text, ErrorInfo::from_properties(&properties)).into());
    }
    Ok(Answer {
        payload,
        properties,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::outcome::FailureKind;
    use futures_util::FutureExt;
    use serde_json::json;
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    fn delivery(payload: &str, properties: serde_json::Value) -> Delivery {
        let properties = serde_json::from_value(properties).unwrap();
        Delivery::new("m", Payload::from_base64(payload), properties)
    }

    fn waiting(in_flight: &Arc<InFlight>) -> CallGuard {
        in_flight.register(Waiting::default(), Request::Gone)
    }

    fn answer(call: &mut CallGuard) -> Option<Result<Answer, CallError>> {
        call.now_or_never()
    }

    /// The calls of a client of the topic `demo`. The first call has the context 7.
    fn calls(max_response_size: usize) -> Arc<InFlight> {
        let response_topic = "demo_answers".parse().unwrap();
        let topic = "demo".parse().unwrap();
        Arc::new(InFlight::new(topic, response_topic, 7, max_response_size))
    }

    #[test]
    fn a_response_reaches_its_call_once() {
        let in_flight = calls(10_000);
        let mut call = waiting(&in_flight);
        in_flight.deliver(delivery(
            "NQ==",
            json!({"messageType": "response", "requestContext": "8"}),
        ));
        assert!(answer(&mut call).is_none());
        in_flight.deliver(delivery(
            "NQ==",
            json!({"messageType": "response", "requestContext": 7}),
        ));
        assert_eq!(answer(&mut call).unwrap().unwrap().payload, "5");
        in_flight.deliver(delivery(
            "Ng==",
            json!({"messageType": "response", "requestContext": 7}),
        ));
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn a_forged_response_is_ignored() {
        let in_flight = calls(10_000);
        let (reports, mut reported) = mpsc::channel(1);
        let (fetches, mut fetched) = mpsc::channel(1);
        let mut call = in_flight.register(
            Waiting {
                reports: Some(reports),
                fetches: Some(fetches),
            },
            Request::Gone,
        );
        let report = payload::encode(
            br#"{"report_type": "tree", "report_id": "root", "step_message": "", "status": "running", "steps": 1, "children": []}"#,
        );
        let mut deliver = |payload: &str, properties: serde_json::Value| {
            in_flight.deliver(delivery(payload, properties));
            (
                answer(&mut call).is_some(),
                reported.try_recv().is_ok(),
                fetched.try_recv().is_ok(),
            )
        };
        let nothing = (false, false, false);
        for forged in [
            json!({"requestContext": "7", "source_topic": "other"}),
            json!({"requestContext": "7", "response_topic": "demo_others"}),
            json!({"requestContext": "8", "source_topic": "demo"}),
            json!({"requestContext": "07x"}),
            json!({"requestContext": "7", "source_topic": "other", "fragment": 0, "num_fragments": 2}),
        ] {
            for (message_type, payload) in [
                ("response", "NQ=="),
                ("pong", ""),
                ("progress", &*report),
                ("fetch", ""),
            ] {
                // The payload goes to the response topic in the message.
                if message_type == "fetch" && forged.get("response_topic").is_some() {
                    continue;
                }
                let mut properties = forged.clone();
                properties["messageType"] = message_type.into();
                if message_type == "fetch" {
                    properties["response_topic"] = "demo_inbox".into();
                }
                assert_eq!(
                    deliver(payload, properties),
                    nothing,
                    "{message_type} {forged}"
                );
            }
        }
        assert_eq!(in_flight.lock().held, 0);
        let mut genuine = |message_type: &str, payload: &str, response_topic: &str| {
            deliver(
                payload,
                json!({
                    "messageType": message_type, "requestContext": "7", "source_topic": "demo",
                    "response_topic": response_topic,
                }),
            )
        };
        assert_eq!(genuine("progress", &report, ""), (false, true, false));
        assert_eq!(genuine("fetch", "", "demo_inbox"), (false, false, true));
        assert_eq!(
            genuine("response", "NQ==", "demo_answers"),
            (true, false, false)
        );
    }

    #[test]
    fn a_context_belongs_to_one_call_at_a_time_and_wraps_around() {
        let in_flight = calls(10_000);
        let first = waiting(&in_flight);
        assert_eq!(first.context(), 7);
        in_flight.lock().next_context = LAST_CONTEXT;
        let contexts: Vec<_> = std::iter::repeat_with(|| waiting(&in_flight))
            .take(8)
            .collect();
        let contexts: Vec<_> = contexts.iter().map(CallGuard::context).collect();
        assert_eq!(contexts, [LAST_CONTEXT, 0, 1, 2, 3, 4, 5, 6]);
        let next = waiting(&in_flight);
        assert_eq!(next.context(), 8);
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let in_flight = calls(10_000);
        let mut call = waiting(&in_flight);
        let text = payload::encode(b"error executing request: boom");
        let properties =
            json!({"messageType": "response", "requestContext": "7", "status": "error"});
        in_flight.deliver(delivery(&text, properties));
        match answer(&mut call).unwrap() {
            Err(CallError::Module(failure)) => {
                assert_eq!(failure.kind(), Some(FailureKind::Execution));
                assert_eq!(failure.message(), "boom");
                assert_eq!(failure.to_string(), "executing: boom");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dropped_call_leaves_nothing_behind() {
        let in_flight = calls(10_000);
        let call = waiting(&in_flight);
        let properties = json!({
            "messageType": "response", "requestContext": "7", "fragment": 0, "num_fragments": 2,
        });
        in_flight.deliver(delivery("AAAA", properties));
        assert!(in_flight.lock().held > 0);
        drop(call);
        assert_eq!(in_flight.lock().held, 0);
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn fragments_of_two_responses_may_come_by_turns() {
        let in_flight = calls(10_000);
        let mut call = waiting(&in_flight);
        let mut piece = |id: &str, index: usize, text: &str| {
            in_flight.deliver(delivery(
                text,
                json!({
                    "messageType": "response", "requestContext": "7", "fragment": index,
                    "num_fragments": 2, "x_dasf_answer": id,
                }),
            ));
            answer(&mut call)
        };
        assert!(piece("first", 0, "QUFB").is_none());
        for other in 0..MAX_ANSWERS - 1 {
            assert!(piece(&format!("other {other}"), 0, "QkJC").is_none());
        }
        let whole = piece("first", 1, "Q0ND").unwrap().unwrap();
        assert_eq!(whole.payload, "AAACCC");
        assert_eq!(in_flight.lock().held, 0);
    }

    #[test]
    fn fragments_of_many_responses_are_limited() {
        let in_flight = calls(10_000);
        let call = waiting(&in_flight);
        let mut held = 0;
        for id in 0..100 {
            in_flight.deliver(delivery(
                "QUFB",
                json!({
                    "messageType": "response", "requestContext": "7", "fragment": 0,
                    "num_fragments": 2, "x_dasf_answer": id.to_string(),
                }),
            ));
            if id < MAX_ANSWERS {
                held = in_flight.lock().held;
            }
        }
        assert_eq!(in_flight.lock().held, held);
        drop(call);
        assert_eq!(in_flight.lock().held, 0);
    }

    #[test]
    fn fragments_of_two_responses_are_not_mixed() {
        let in_flight = calls(10_000);
        let mut call = waiting(&in_flight);
        let mut piece = |id: &str, index: usize, text: &str| {
            in_flight.deliver(delivery(
                text,
                json!({
                    "messageType": "response", "requestContext": "7", "fragment": index,
                    "num_fragments": 2, "x_dasf_answer": id,
                }),
            ));
            answer(&mut call)
        };
        assert!(piece("first", 0, "QUFB").is_none());
        assert!(piece("second", 0, "QkJC").is_none());
        let whole = piece("second", 1, "Q0ND").unwrap().unwrap();
        assert_eq!(whole.payload, "BBBCCC");
        drop(call);
        assert_eq!(in_flight.lock().held, 0);
    }

    #[test]
    fn a_response_uses_the_memory_of_its_request() {
        let in_flight = calls(100_000);
        let held_for_first = |sent: usize, is_shared: bool, announced: usize| {
            let call = waiting(&in_flight);
            let request = Bytes::from(vec![1; sent]);
            let _other = is_shared.then(|| request.clone());
            call.keep(request);
            in_flight.deliver(delivery(
                "QUFBQUFB",
                json!({
                    "messageType": "response", "requestContext": call.context().to_string(),
                    "fragment": 0, "num_fragments": announced,
                }),
            ));
            in_flight.lock().held
        };
        assert!(held_for_first(10_000, false, 1600) > 10_000);
        for (sent, is_shared, announced) in [
            (10_000, true, 1600),    // the request is still in use
            (10_000, false, 2),      // the response is small
            (60_000, false, 10_000), // there is too little room
        ] {
            let held = held_for_first(sent, is_shared, announced);
            assert!(held < 1000, "{held} after {sent}");
        }
        assert_eq!(in_flight.lock().held, 0);
    }

    #[test]
    fn a_response_beyond_the_limit_is_an_error() {
        let in_flight = calls(10);
        let mut call = waiting(&in_flight);
        let properties = json!({
            "messageType": "response", "requestContext": "7", "fragment": 0, "num_fragments": 2,
        });
        in_flight.deliver(delivery("AAAA", properties));
        assert!(matches!(
            answer(&mut call).unwrap(),
            Err(CallError::ResponseTooLarge { limit: 10 })
        ));
    }

    /// The levels of the logged events.
    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<tracing::Level>>>);

    impl<S: tracing::Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn the_log_warns_once_about_messages_of_a_kind() {
        // With one dispatcher, tracing would cache the interest of the first thread, which may have
        // no subscriber.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let levels = Levels::default();
        let _logs =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(levels.clone()));
        let in_flight = calls(10_000);
        let (reports, _reported) = mpsc::channel(1);
        let _call = in_flight.register(
            Waiting {
                reports: Some(reports),
                fetches: None,
            },
            Request::Gone,
        );
        for properties in [
            json!({"messageType": "response", "requestContext": "7", "source_topic": "other"}),
            json!({"messageType": "response"}),
            json!({"messageType": "progress", "requestContext": "7"}),
            json!({"messageType": "fetch", "requestContext": "7", "response_topic": "x"}),
        ] {
            for _ in 0..3 {
                in_flight.deliver(delivery("!", properties.clone()));
            }
            let logged = std::mem::take(&mut *levels.0.lock().unwrap());
            let [warn, debug] = [tracing::Level::WARN, tracing::Level::DEBUG];
            assert_eq!(logged, [warn, debug, debug], "{properties}");
        }
    }

    #[test]
    fn unreadable_messages_are_ignored() {
        let in_flight = calls(10_000);
        let mut call = waiting(&in_flight);
        for properties in [
            json!({}),
            json!({"messageType": "response", "requestContext": "x"}),
            json!({"messageType": "log", "requestContext": "7"}),
            json!({"messageType": "progress", "requestContext": "7"}),
        ] {
            in_flight.deliver(delivery("!", properties));
        }
        assert!(answer(&mut call).is_none());
        assert_eq!(in_flight.len(), 1);
    }

    fn kept(size: usize) -> Request {
        Request::Kept(Kept {
            json: vec![b' '; size].into(),
            limits: Limits::of_question(std::time::Duration::ZERO),
            trace: None,
        })
    }

    #[test]
    fn calls_that_began_before_a_loss_can_be_published_again() {
        let in_flight = calls(10_000);
        let registered = |request| in_flight.register(Waiting::default(), request);
        let first = registered(kept(1));
        let second = registered(kept(2));
        let _question = registered(Request::Gone);
        assert!(in_flight.lost_calls().is_empty());
        in_flight.lost();
        let later = registered(kept(4));
        let mut lost = in_flight.lost_calls();
        lost.sort_unstable();
        assert_eq!(lost, [7, 8]);
        assert_eq!(in_flight.kept(8).unwrap().0.json.len(), 2);
        in_flight.deliver(delivery(
            "NQ==",
            json!({"messageType": "response", "requestContext": "8"}),
        ));
        assert_eq!(in_flight.lost_calls(), [7]);
        assert!(in_flight.kept(8).is_none());
        assert_eq!(in_flight.lock().kept, 5);
        in_flight.lost();
        drop(first);
        assert_eq!(in_flight.lost_calls(), [later.context()]);
        drop((second, later));
        assert_eq!(in_flight.lock().kept, 0);
    }

    #[test]
    fn the_largest_requests_are_not_kept_beyond_the_limit() {
        let in_flight = calls(10_000);
        let sizes = [MAX_KEPT / 4, 10, MAX_KEPT / 2, MAX_KEPT / 4, 20];
        let _calls: Vec<_> = sizes
            .iter()
            .map(|&size| in_flight.register(Waiting::default(), kept(size)))
            .collect();
        let kept = (0..5).map(|index| in_flight.kept(7 + index).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), [true, true, false, true, true]);
        assert_eq!(in_flight.lock().kept, MAX_KEPT / 2 + 30);
    }
}
