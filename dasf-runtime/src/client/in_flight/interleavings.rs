//! The calls in flight under every order of the steps of several threads. `cargo xtask interleavings` runs these
//! tests with `loom`.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::Delivery;
use dasf_protocol::payload::Payload;
use loom::future::block_on;
use loom::{model, thread};
use serde_json::{Value, json};

use super::{CallGuard, InFlight, Kept, Request, Waiting};
use crate::client::CallError;
use crate::client::whereabouts::Limits;
use crate::transport::{Calls, PublishError};

/// The calls of a client of the topic `demo`. The first call has the context 7.
fn calls() -> Arc<InFlight> {
    let (topic, response_topic) = ("demo".parse().unwrap(), "demo_answers".parse().unwrap());
    Arc::new(InFlight::new(topic, response_topic, 7, 10_000))
}

/// Begins a call whose request of four bytes can be published again.
fn begin(in_flight: &Arc<InFlight>) -> CallGuard {
    let kept = Kept {
        json: vec![b' '; 4].into(),
        limits: Limits::of_question(Duration::ZERO),
        trace: None,
    };
    in_flight.register(Waiting::default(), Request::Kept(kept))
}

/// A response with a digit.
fn response(context: u64, digit: u8) -> Delivery {
    let properties = json!({"messageType": "response", "requestContext": context.to_string()});
    delivery(vec![digit], properties)
}

/// A fragment of a response of two fragments.
fn fragment(context: u64, index: u8) -> Delivery {
    let properties = json!({
        "messageType": "response", "requestContext": context.to_string(),
        "fragment": index, "num_fragments": 2,
    });
    delivery(vec![b'0' + index; 3], properties)
}

fn delivery(payload: Vec<u8>, properties: Value) -> Delivery {
    let properties = serde_json::from_value(properties).unwrap();
    Delivery::new("m", Payload::from(bytes::Bytes::from(payload)), properties)
}

/// Runs a function with the calls in a thread.
fn meanwhile(
    in_flight: &Arc<InFlight>,
    function: impl FnOnce(&InFlight) + 'static,
) -> thread::JoinHandle<()> {
    let in_flight = Arc::clone(in_flight);
    thread::spawn(move || function(&in_flight))
}

fn assert_empty(in_flight: &InFlight) {
    let state = in_flight.lock();
    assert_eq!((state.calls.len(), state.held, state.kept), (0, 0, 0));
}

#[test]
fn a_response_wakes_its_call() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let delivering = meanwhile(&in_flight, |calls| calls.deliver(response(7, b'5')));
        assert_eq!(block_on(call).unwrap().payload, "5");
        delivering.join().unwrap();
        assert_empty(&in_flight);
    });
}

#[test]
fn the_first_of_two_responses_counts() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let both = [b'5', b'6']
            .map(|digit| meanwhile(&in_flight, move |calls| calls.deliver(response(7, digit))));
        let payload = block_on(call).unwrap().payload;
        assert!(payload == "5" || payload == "6");
        for delivering in both {
            delivering.join().unwrap();
        }
        assert_empty(&in_flight);
    });
}

#[test]
fn a_call_that_cannot_be_published_ends_once() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let delivering = meanwhile(&in_flight, |calls| calls.deliver(response(7, b'5')));
        let failing = meanwhile(&in_flight, |calls| {
            calls.failed(7, PublishError::Refused("full".to_owned()));
        });
        match block_on(call) {
            Ok(answer) => assert_eq!(answer.payload, "5"),
            Err(error) => assert!(matches!(error, CallError::Refused { .. })),
        }
        delivering.join().unwrap();
        failing.join().unwrap();
        assert_empty(&in_flight);
    });
}

#[test]
fn fragments_that_come_at_the_same_time_are_joined() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let both = [0, 1]
            .map(|index| meanwhile(&in_flight, move |calls| calls.deliver(fragment(7, index))));
        assert_eq!(block_on(call).unwrap().payload, "000111");
        for delivering in both {
            delivering.join().unwrap();
        }
        assert_empty(&in_flight);
    });
}

#[test]
fn a_call_that_is_dropped_meanwhile_leaves_nothing_behind() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let delivering = meanwhile(&in_flight, |calls| {
            calls.deliver(fragment(7, 0));
            calls.deliver(fragment(7, 1));
        });
        drop(call);
        delivering.join().unwrap();
        assert_empty(&in_flight);
    });
}

#[test]
fn an_answered_call_is_not_published_again() {
    model(|| {
        let in_flight = calls();
        let call = begin(&in_flight);
        let delivering = meanwhile(&in_flight, |calls| calls.deliver(response(7, b'5')));
        let repeating = meanwhile(&in_flight, |calls| {
            calls.lost();
            for context in calls.lost_calls() {
                let is_kept = calls.kept(context).is_some();
                // An answer may have come since.
                assert!(is_kept || !calls.is_awaited(context));
            }
        });
        delivering.join().unwrap();
        assert!(in_flight.kept(7).is_none() && in_flight.lost_calls().is_empty());
        assert_eq!(block_on(call).unwrap().payload, "5");
        repeating.join().unwrap();
        assert_empty(&in_flight);
    });
}

#[test]
fn two_calls_that_begin_at_the_same_time_get_their_own_responses() {
    model(|| {
        let in_flight = calls();
        let other = Arc::clone(&in_flight);
        let calling = thread::spawn(move || {
            let call = begin(&other);
            let context = call.context();
            other.deliver(response(context, b'0' + u8::try_from(context).unwrap()));
            assert_eq!(block_on(call).unwrap().payload, context.to_string());
        });
        let call = begin(&in_flight);
        let context = call.context();
        in_flight.deliver(response(context, b'0' + u8::try_from(context).unwrap()));
        assert_eq!(block_on(call).unwrap().payload, context.to_string());
        calling.join().unwrap();
        assert_empty(&in_flight);
    });
}
