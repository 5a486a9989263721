//! Publishing requests again whose messages the broker may have lost.
//!
//! A broker that restarts may lose the requests that it has accepted, and the responses. Some brokers
//! drop responses while the client has no connection. So the client publishes the requests without a
//! response again when it reads its response topic again, with a mark: a module that has the request
//! already does not run it twice.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::{key, repeats};
use dasf_protocol::{MessageType, Properties};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::in_flight::{InFlight, Request, Waiting};
use crate::backoff::Backoff;
use crate::duration::milliseconds;
use crate::transport::{Calls, ConnectionState, PublishError};

/// How long the answer to a ping may take.
const PONG_LIMIT: Duration = Duration::from_secs(2);
/// How long a request waits for a place in the queue before the client looks whether it is still
/// needed.
const QUEUE_LIMIT: Duration = Duration::from_secs(1);

/// Publishes the requests of a client again after each loss of its connection, as long as the client
/// lives.
pub(super) fn start(shared: &Arc<Shared>) {
    let mut reading = shared.subscriber.state();
    reading.mark_unchanged();
    let mut client = Client {
        shared: Arc::downgrade(shared),
        broker_losses: shared.publisher.broker_losses(),
    };
    let in_flight = Arc::clone(&shared.in_flight);
    let runtime = shared.transport.runtime();
    runtime.spawn(async move { client.watch(reading, &in_flight).await });
}

/// A client that may be gone.
struct Client {
    shared: Weak<Shared>,
    /// How often the broker had lost its messages when requests were published again last.
    broker_losses: u64,
}

/// Gets the failures of requests that were published again. The first message may still have an answer.
#[derive(Debug)]
struct Repeated(Arc<InFlight>);

impl Calls for Repeated {
    fn failed(&self, context: u64, error: PublishError) {
        let error = error.to_string();
        tracing::debug!(context, error, "request not published again");
    }

    fn is_awaited(&self, context: u64) -> bool {
        self.0.is_awaited(context)
    }
}

impl Client {
    async fn watch(&mut self, mut reading: watch::Receiver<ConnectionState>, in_flight: &InFlight) {
        let mut is_connected = true;
        loop {
            let repeating = async {
                if is_connected {
                    self.repeat(in_flight).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                changed = reading.changed() => if changed.is_err() { return },
                () = repeating => {}
            }
            // The state may have changed twice since the last look.
            if is_connected {
                in_flight.lost();
            }
            is_connected = matches!(
                *reading.borrow_and_update(),
                ConnectionState::Connected { .. }
            );
        }
    }

    /// Publishes the requests again that began before the last loss.
    async fn repeat(&mut self, in_flight: &InFlight) {
        let mut backoff = Backoff::default();
        while !in_flight.lost_calls().is_empty() {
            // The answer comes after the responses that the broker has kept, and shows that a module
            // is there.
            match self.pong().await {
                Some(pong) => {
                    let Some(broker_losses) = self.count_broker_losses() else {
                        return;
                    };
                    let is_lost = broker_losses != self.broker_losses;
                    match pong.text(key::REPEATS) {
                        Some(repeats::ALWAYS) => self.publish_again(in_flight).await,
                        Some(repeats::AFTER_LOSS) if is_lost => self.publish_again(in_flight).await,
                        _ => {}
                    }
                    self.broker_losses = broker_losses;
                    return;
                }
                None if self.shared.strong_count() == 0 => return,
                None => sleep(backoff.next()).await,
            }
        }
        self.broker_losses = self.count_broker_losses().unwrap_or_default();
    }

    /// Returns how often the broker has lost its messages; `None` if the client is gone.
    fn count_broker_losses(&self) -> Option<u64> {
        Some(self.shared.upgrade()?.publisher.broker_losses())
    }

    /// Pings the module. Returns the properties of its answer, or `None` if it does not answer.
    async fn pong(&self) -> Option<Properties> {
        let call = {
            let shared = self.shared.upgrade()?;
            let call = shared.in_flight.register(Waiting::default(), Request::Gone);
            let ping = Properties::new().with_message_type(MessageType::Ping);
            let deadline = Instant::now() + PONG_LIMIT;
            let ping = shared.outgoing(&call, ping, Bytes::new(), deadline);
            let owner: Arc<dyn Calls> = Arc::<InFlight>::clone(&shared.in_flight);
            let sent = shared
                .publisher
                .try_publish_for(owner, call.context(), ping);
            sent.ok()?;
            call
        };
        let pong = timeout(PONG_LIMIT, call).await;
        Some(pong.ok()?.ok()?.properties)
    }

    async fn publish_again(&self, in_flight: &InFlight) {
        let mut count = 0;
        for context in in_flight.lost_calls() {
            // The queue of the connection may be full.
            while let Some((kept, deadline)) = in_flight.kept(context) {
                let Some(shared) = self.shared.upgrade() else {
                    return;
                };
                let age = milliseconds(kept.limits.begun.elapsed());
                let properties = shared.request_properties(kept.limits, kept.trace.as_deref());
                let properties = properties.with(key::REPEATED, age.max(2));
                let message = shared.message(context, properties, kept.json, deadline);
                let owner = Arc::new(Repeated(Arc::clone(&shared.in_flight)));
                // Without the client, nothing keeps its connection.
                let publisher = shared.publisher.clone();
                drop(shared);
                let queued = publisher.publish_for(owner, context, message);
                if let Ok(queued) = timeout(QUEUE_LIMIT, queued).await {
                    count += usize::from(queued.is_ok());
                    break;
                }
            }
        }
        if count > 0 {
            tracing::info!(count, "requests published again after a lost connection");
        }
    }
}
