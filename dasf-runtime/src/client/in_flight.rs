//! The calls that await their answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dasf_protocol::fragment::{Position, Reassembler};
use dasf_protocol::progress::Report;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, ErrorInfo, MessageType, Properties, Status, Topic, payload};
use tokio::sync::{mpsc, oneshot};

use super::{CallError, ModuleFailure};

/// How many reports wait for a caller's handler. Each holds the whole state, so a slow handler
/// misses none that matters when some are left out.
pub(super) const REPORT_CAPACITY: usize = 64;

/// How many modules may have asked for the payload of one call before the first was heard.
pub(super) const FETCH_CAPACITY: usize = 8;

/// What came back from a module.
#[derive(Debug)]
pub(super) struct Answer {
    /// The whole payload, in base64.
    pub(super) payload: String,
    pub(super) properties: Properties,
}

/// The calls that await their answer, by their context.
#[derive(Debug)]
pub(super) struct InFlight(Mutex<State>);

#[derive(Debug)]
struct State {
    calls: HashMap<u64, Waiting>,
    fragments: Reassembler<u64>,
    /// What the fragments of an answer have in common, by the call.
    fragmented: HashMap<u64, String>,
}

/// Where the messages to one call go.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) answer: oneshot::Sender<Result<Answer, CallError>>,
    /// Reports of a call that its caller wants to see.
    pub(super) reports: Option<mpsc::Sender<Report>>,
    /// Topics on which modules ask for a payload that was not sent with the request.
    pub(super) fetches: Option<mpsc::Sender<Topic>>,
}

/// Owns the entry of one call: with it, everything that the call left behind is gone.
#[derive(Debug)]
pub(super) struct CallGuard {
    in_flight: Arc<InFlight>,
    context: u64,
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut state = self.in_flight.lock();
        state.calls.remove(&self.context);
        state.fragments.forget(&self.context);
        state.fragmented.remove(&self.context);
    }
}

impl InFlight {
    pub(super) fn new(max_response_size: usize) -> Self {
        let state = State {
            calls: HashMap::new(),
            fragments: Reassembler::new(max_response_size),
            fragmented: HashMap::new(),
        };
        Self(Mutex::new(state))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().calls.len()
    }

    pub(super) fn register(self: &Arc<Self>, context: u64, waiting: Waiting) -> CallGuard {
        self.lock().calls.insert(context, waiting);
        CallGuard {
            in_flight: Arc::clone(self),
            context,
        }
    }

    /// Hands a message to the call that awaits it.
    pub(super) fn deliver(&self, delivery: Delivery) {
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
            tracing::warn!(
                message_id,
                "message ignored: it needs a messageType and a requestContext of this client"
            );
            return;
        };
        let mut state = self.lock();
        let State {
            calls,
            fragments,
            fragmented,
        } = &mut *state;
        let Some(waiting) = calls.get(&context) else {
            tracing::debug!(
                message_id,
                context,
                "answer to no call: it is over, or was answered before"
            );
            return;
        };
        match message_type {
            MessageType::Progress => {
                if let Some(reports) = &waiting.reports {
                    match read_report(&payload) {
                        Some(report) => drop(reports.try_send(report)),
                        None => tracing::warn!(message_id, context, "progress report passed over"),
                    }
                }
                return;
            }
            MessageType::Fetch => {
                match (&waiting.fetches, properties.response_topic()) {
                    (Some(fetches), Some(topic)) => drop(fetches.try_send(topic)),
                    _ => tracing::warn!(message_id, context, "payload asked for in vain"),
                }
                return;
            }
            MessageType::Response | MessageType::Pong => {}
            other => {
                tracing::debug!(message_id, context, message_type = %other, "message of no use to a caller");
                return;
            }
        }
        let whole = match Position::of(&properties) {
            Ok(None) => Ok(Some(payload)),
            Ok(Some(position)) => {
                // Another module runs the request again, whose answer may be another.
                let answer = properties.text(key::ANSWER).unwrap_or_default();
                if fragmented
                    .get(&context)
                    .is_none_or(|before| before != answer)
                {
                    fragments.forget(&context);
                    fragmented.insert(context, answer.to_owned());
                }
                fragments.insert(context, position, &payload, Instant::now())
            }
            Err(error) => Err(error),
        };
        let answer = match whole {
            Ok(None) => return,
            Ok(Some(payload)) if properties.status() == Some(Status::Error) => {
                Err(read_failure(&payload, &properties))
            }
            Ok(Some(payload)) => Ok(Answer {
                payload,
                properties,
            }),
            Err(error) => Err(error.into()),
        };
        if let Some(waiting) = calls.remove(&context) {
            // A caller that left in the meantime does not need the answer.
            let _ = waiting.answer.send(answer);
        }
    }
}

fn read_report(payload: &str) -> Option<Report> {
    let json = payload::decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

fn read_failure(payload: &str, properties: &Properties) -> CallError {
    match payload::decode(payload) {
        Ok(bytes) => {
            let text = payload::to_text(&bytes).into_owned();
            ModuleFailure::new(text, ErrorInfo::from_properties(properties)).into()
        }
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::FailureKind;
    use serde_json::json;

    fn delivery(payload: &str, properties: serde_json::Value) -> Delivery {
        Delivery {
            message_id: "m".into(),
            payload: payload.into(),
            properties: serde_json::from_value(properties).unwrap(),
            redelivery_count: 0,
        }
    }

    fn waiting(
        in_flight: &Arc<InFlight>,
    ) -> (CallGuard, oneshot::Receiver<Result<Answer, CallError>>) {
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting {
            answer,
            reports: None,
            fetches: None,
        };
        (in_flight.register(7, waiting), receiver)
    }

    #[test]
    fn an_answer_reaches_its_call_once() {
        let in_flight = Arc::new(InFlight::new(10_000));
        let (_guard, mut answer) = waiting(&in_flight);
        in_flight.deliver(delivery(
            "NQ==",
            json!({"messageType": "response", "requestContext": "8"}),
        ));
        assert!(answer.try_recv().is_err());
        in_flight.deliver(delivery(
            "NQ==",
            json!({"messageType": "response", "requestContext": 7}),
        ));
        assert_eq!(answer.try_recv().unwrap().unwrap().payload, "NQ==");
        in_flight.deliver(delivery(
            "Ng==",
            json!({"messageType": "response", "requestContext": 7}),
        ));
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let in_flight = Arc::new(InFlight::new(10_000));
        let (_guard, mut answer) = waiting(&in_flight);
        let text = payload::encode(b"error executing request: boom");
        let properties =
            json!({"messageType": "response", "requestContext": "7", "status": "error"});
        in_flight.deliver(delivery(&text, properties));
        match answer.try_recv().unwrap() {
            Err(CallError::Module(failure)) => {
                assert_eq!(failure.kind(), Some(FailureKind::Execution));
                assert_eq!(failure.message(), "boom");
                assert_eq!(failure.to_string(), "error executing request: boom");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dropped_call_leaves_nothing_behind() {
        let in_flight = Arc::new(InFlight::new(10_000));
        let (guard, _answer) = waiting(&in_flight);
        let properties = json!({
            "messageType": "response", "requestContext": "7", "fragment": 0, "num_fragments": 2,
        });
        in_flight.deliver(delivery("AAAA", properties));
        assert!(in_flight.lock().fragments.held_bytes() > 0);
        drop(guard);
        assert_eq!(in_flight.lock().fragments.held_bytes(), 0);
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn fragments_of_two_answers_are_not_mixed() {
        let in_flight = Arc::new(InFlight::new(10_000));
        let (guard, mut answer) = waiting(&in_flight);
        let mut piece = |id: &str, index: usize, text: &str| {
            in_flight.deliver(delivery(
                text,
                json!({
                    "messageType": "response", "requestContext": "7", "fragment": index,
                    "num_fragments": 2, "x_dasf_answer": id,
                }),
            ));
            answer.try_recv().ok()
        };
        assert!(piece("first", 0, "QUFB").is_none());
        assert!(piece("second", 0, "QkJC").is_none());
        let whole = piece("second", 1, "Q0ND").unwrap().unwrap();
        assert_eq!(whole.payload, "QkJCQ0ND");
        drop(guard);
        assert!(in_flight.lock().fragmented.is_empty());
    }

    #[test]
    fn an_answer_beyond_the_limit_is_an_error() {
        let in_flight = Arc::new(InFlight::new(10));
        let (_guard, mut answer) = waiting(&in_flight);
        let properties = json!({
            "messageType": "response", "requestContext": "7", "fragment": 0, "num_fragments": 2,
        });
        in_flight.deliver(delivery("AAAA", properties));
        assert!(matches!(
            answer.try_recv().unwrap(),
            Err(CallError::ResponseTooLarge { limit: 10 })
        ));
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let in_flight = Arc::new(InFlight::new(10_000));
        let (_guard, mut answer) = waiting(&in_flight);
        for properties in [
            json!({}),
            json!({"messageType": "response", "requestContext": "x"}),
            json!({"messageType": "log", "requestContext": "7"}),
            json!({"messageType": "progress", "requestContext": "7"}),
        ] {
            in_flight.deliver(delivery("!", properties));
        }
        assert!(answer.try_recv().is_err());
        assert_eq!(in_flight.len(), 1);
    }
}
