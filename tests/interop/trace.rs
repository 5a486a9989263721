//! A trace from a caller in Rust through a module in Rust to a module in Python.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use dasf::protocol::TraceContext;
use dasf_examples::reference;
use dasf_test_support::peer::Socket;

use crate::brokers::{TestBroker, on_json_brokers};
use crate::python;
use crate::support::{connect, reference_module};

on_json_brokers!(a_trace_goes_through_modules_of_both_languages);

/// The clients of the modules in Python, by their topics.
static PYTHON: LazyLock<Mutex<HashMap<String, reference::Client>>> = LazyLock::new(Mutex::default);

#[dasf::module(topic = "relay", main = false)]
mod relay {
    use dasf::{CallError, Context};

    /// Adds two at a module in Python.
    ///
    /// # Returns
    /// The sum, and the place of this call in the trace.
    #[dasf::function]
    async fn add_two(
        topic: String,
        a: i64,
        context: Context,
    ) -> Result<(i64, Option<String>), CallError> {
        let client = super::PYTHON.lock().unwrap()[&topic].clone();
        let sum = client.add(a).b(2).await?;
        Ok((sum, context.trace().map(ToString::to_string)))
    }
}

/// Returns the trace in the next request that a consumer reads.
async fn next_trace(witness: &mut Socket) -> Option<String> {
    loop {
        let frame = witness.receive().await;
        let properties = &frame["properties"];
        if properties["messageType"] == "request" {
            return properties["x_dasf_trace"].as_str().map(str::to_owned);
        }
    }
}

async fn a_trace_goes_through_modules_of_both_languages(broker: &TestBroker) {
    let python_topic = broker.topic("traced-python").await;
    let mut module = reference_module(broker, &python_topic, &[]);
    let python = connect(broker, &python_topic).await;
    python::until_it_listens(&mut module, python.caller()).await;
    PYTHON
        .lock()
        .unwrap()
        .insert(python_topic.to_string(), python);
    let url = broker.consumer_url(python_topic.as_str(), "witness");
    let mut witness = Socket::open(&url).await;

    let topic = broker.topic("traced-rust").await;
    let host = broker.serve(relay::module().unwrap(), &topic).await;
    let client = relay::Client::builder().topic(topic.as_str());
    let client = client.address(broker.address()).connect().await.unwrap();

    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=value";
    let trace: TraceContext = text.parse().unwrap();
    let call = client.add_two(python_topic.as_str(), 1);
    let (sum, relayed) = call.trace(trace.clone()).await.unwrap();
    assert_eq!(sum, 3);
    let relayed: TraceContext = relayed.unwrap().parse().unwrap();
    assert_eq!(relayed, trace.at(relayed.span_id()));
    assert_ne!(relayed.span_id(), trace.span_id());
    // The module in Python has got what the module in Rust was, and has answered.
    assert_eq!(next_trace(&mut witness).await, Some(relayed.to_string()));

    // Without a trace, no property is sent.
    let (sum, relayed) = client.add_two(python_topic.as_str(), 2).await.unwrap();
    assert_eq!((sum, relayed), (4, None));
    assert_eq!(next_trace(&mut witness).await, None);
    host.shutdown().await;
}
