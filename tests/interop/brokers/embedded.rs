//! The project's own broker, in the test's process.

use std::sync::Arc;
use std::time::Duration;

use dasf::Address;
use dasf_broker::Broker;

use super::Process;

/// A broker for one test alone.
pub(crate) struct Embedded(Broker);

impl Embedded {
    /// Waits until there are no more than this many connections, of which nothing tells when it
    /// changes.
    pub(crate) async fn has_at_most(&self, connections: u64) {
        while self.0.statistics().connections > connections {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

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
