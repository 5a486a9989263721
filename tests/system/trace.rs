//! The trace of a call goes on in the calls that its function makes.

use dasf::protocol::properties::key;
use dasf::protocol::{TraceContext, payload};
use dasf::{Caller, HostOptions};
use dasf_test_support::peer::Peer;
use dasf_test_support::{broker, listen};
use serde_json::{Value, json};

use crate::log::Log;

#[dasf::module(topic = "seen", main = false)]
mod seen {
    use dasf::{CallError, Context};
    use serde_json::{Value, json};

    /// Returns the trace in the request, and the place of this call in it.
    #[dasf::function]
    fn trace(context: &Context) -> (Option<String>, Option<String>) {
        let sent = context.properties().text("x_dasf_trace");
        let place = context.trace().map(ToString::to_string);
        (sent.map(str::to_owned), place)
    }

    /// Asks for the trace of a call that this function makes.
    #[dasf::function]
    async fn ask(url: String) -> Result<Value, CallError> {
        tokio::task::yield_now().await;
        super::caller(&url)
            .await
            .call(&json!({"func_name": "trace"}))
            .await
    }

    /// Asks for the trace of a call that this function makes in a task.
    #[dasf::function]
    async fn ask_in_task(url: String, context: Context) -> Result<Value, CallError> {
        let asking = async move {
            let caller = super::caller(&url).await;
            let request = json!({"func_name": "trace"});
            let call = caller.call(&request);
            match context.trace() {
                Some(trace) => call.trace(trace.clone()).await,
                None => call.await,
            }
        };
        tokio::spawn(asking).await.unwrap()
    }

    /// Asks as [`ask`] does, on a thread of its own.
    #[dasf::function]
    fn ask_blocking(url: &str) -> Result<Value, CallError> {
        let client = super::seen::blocking::Client::connect(url).unwrap();
        client.caller().call(&json!({"func_name": "trace"})).send()
    }
}

async fn caller(url: &str) -> Caller {
    let builder = Caller::builder("seen").websocket(url);
    builder.connect().await.unwrap()
}

fn context() -> TraceContext {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=value";
    text.parse().unwrap()
}

/// Returns the trace in a request, and the place of its call, of an answer of the function `trace`.
fn places(answer: &Value) -> [TraceContext; 2] {
    [0, 1].map(|index| answer[index].as_str().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_function_belong_to_the_trace_of_its_caller() {
    let broker = broker().await;
    let url = broker.url();
    let host = listen(
        &broker,
        "seen",
        seen::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let caller = caller(&url).await;
    let first = caller.call(&json!({"func_name": "trace"}));
    let [sent, place] = places(&first.trace(context()).await.unwrap());
    assert_eq!(sent, context());
    assert_eq!(place, context().at(place.span_id()));
    for function in ["ask", "ask_in_task", "ask_blocking"] {
        let request = json!({"func_name": function, "url": url});
        let answer = caller.call(&request).trace(context()).await.unwrap();
        let [sent, place] = places(&answer);
        assert_eq!(sent.trace_id(), context().trace_id(), "{function}");
        assert_eq!(sent.state(), context().state(), "{function}");
        let spans = [context().span_id(), sent.span_id(), place.span_id()];
        assert!(
            spans[0] != spans[1] && spans[1] != spans[2],
            "{function}: {spans:?}"
        );
        // A function does not leave its trace behind.
        let answer = caller.call(&request).await.unwrap();
        assert_eq!(answer, json!([null, null]), "{function}");
    }
    // A large request in fragments has it, too. The function ignores the argument.
    let large = json!({"func_name": "trace", "padding": "x".repeat(2_000_000)});
    let answer = caller.call(&large).trace(context()).await.unwrap();
    assert_eq!(places(&answer)[0], context());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_trace_is_ignored() {
    let broker = broker().await;
    let host = listen(
        &broker,
        "seen",
        seen::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let mut peer = Peer::connect(&broker.url(), "seen", "seen_peer").await;
    let request = payload::encode(br#"{"func_name": "trace"}"#);
    let malformed = [
        json!("00-0-0-00"),
        json!("x".repeat(100_000)),
        json!(7),
        json!({"a": []}),
        json!(""),
    ];
    for (context, malformed) in (1..).zip(malformed) {
        let properties = json!({(key::TRACE): malformed});
        peer.send("request", context, &request, properties).await;
        let (status, answer) = peer.answer().await;
        assert_eq!(status, "success", "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer[1], Value::Null, "{malformed}");
    }
    host.shutdown().await;
}

#[tokio::test]
async fn the_line_of_a_call_has_its_trace() {
    let (log, _guard) = Log::start();
    let broker = broker().await;
    let host = listen(
        &broker,
        "seen",
        seen::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let caller = caller(&broker.url()).await;
    let request = json!({"func_name": "trace"});
    let answer = caller.call(&request).trace(context()).await.unwrap();
    let [_, place] = places(&answer);
    caller.call(&request).await.unwrap();
    host.shutdown().await;
    let lines = log.lines("request answered");
    let part = format!("trace_id={} span_id={}", place.trace_id(), place.span_id());
    assert!(lines[0].contains(&part), "{part} in {}", lines[0]);
    assert!(!lines[1].contains("trace_id"), "{}", lines[1]);
}
