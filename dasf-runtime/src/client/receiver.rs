//! Receiving the messages on the response topic of a client.

use std::sync::Arc;

use dasf_protocol::{Delivery, MessageType};

use super::in_flight::InFlight;
use super::pongs::Pongs;
use crate::transport::{Receive, Transport};

/// Passes responses to their calls, and answers the pings of modules.
#[derive(Debug)]
pub(super) struct Receiver {
    in_flight: Arc<InFlight>,
    pongs: Pongs,
}

impl Receiver {
    pub(super) fn new(in_flight: Arc<InFlight>, transport: Arc<dyn Transport>) -> Self {
        Self {
            in_flight,
            pongs: Pongs::new(transport),
        }
    }

    /// Waits until the connections to modules are closed.
    pub(super) async fn finish(&self) {
        self.pongs.finish().await;
    }
}

impl Receive for Receiver {
    fn receive(&self, delivery: Delivery) {
        if delivery.properties.message_type() != Some(MessageType::Ping) {
            self.in_flight.deliver(delivery);
        } else if self.in_flight.concerns(&delivery) {
            self.pongs.answer(&delivery);
        }
    }
}
