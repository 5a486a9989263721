//! What tests of several peers share.

use std::time::Duration;

use dasf::Caller;
use dasf::protocol::Topic;
use dasf_examples::reference;

use crate::brokers::TestBroker;
use crate::python;

/// A client of the reference module.
pub(crate) async fn connect(broker: &TestBroker, topic: &Topic) -> reference::Client {
    reference::Client::builder()
        .topic(topic.as_str())
        .address(broker.address())
        .connect()
        .await
        .unwrap()
}

/// Waits for a Python module, which takes a while to start and does not say when it listens.
pub(crate) async fn until_it_listens(module: &mut python::Server, caller: &Caller) {
    for _ in 0..60 {
        module.check();
        let ping = tokio::time::timeout(Duration::from_secs(1), caller.ping());
        if let Ok(answer) = ping.await {
            return answer.unwrap();
        }
    }
    panic!("the module does not listen");
}
