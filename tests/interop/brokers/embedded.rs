//! The project's own broker, in the test's process.

use std::sync::Arc;

use dasf::Address;
use dasf_broker::Broker;

use super::Process;

/// A broker for one test alone.
pub(crate) struct Embedded(Broker);

impl Process for Embedded {
    async fn for_test() -> Arc<Self> {
        let broker = Broker::builder().bind(([127, 0, 0, 1], 0).into());
        Arc::new(Self(broker.start().await.unwrap()))
    }

    fn place(&self) -> String {
        self.0.url()
    }

    fn options(&self) -> String {
        format!("--websocket-url {}", self.place())
    }

    fn address(&self) -> Address {
        Address::websocket(&self.place()).unwrap()
    }
}
