//! The embedded broker, in the process of the test.

use std::sync::Arc;
use std::time::Duration;

use dasf::Address;
use dasf_broker::Broker;

use super::Process;

/// An embedded broker for one test.
#[derive(Debug)]
pub struct Embedded(Broker);

impl Embedded {
    /// Returns how many messages were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.0.statistics().acknowledged
    }

    /// Waits until the broker has this many connections or fewer.
    pub async fn has_at_most(&self, connections: u64) {
        // The broker does not announce the end of a connection.
        while self.0.statistics().connections > connections {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Process for Embedded {
    async fn for_test() -> Arc<Self> {
        // The pages of the tests come from another port.
        let broker = crate::broker_builder().allow_origin("*");
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
