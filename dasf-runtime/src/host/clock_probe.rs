//! Learning the clock of a broker that tells its time only in messages.
//!
//! The requests that waited for a module come first, and show only when the broker accepted them. So a
//! module that starts sends itself a message. When it comes back, the module knows what time it is at
//! the broker.

use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Subscription, Topic};
use smol_str::ToSmolStr;
use tokio::time::{Instant, timeout};

use crate::random;
use crate::transport::{BrokerClock, Outgoing, Publisher, PublisherOptions, Reading, Transport};

/// How long a module waits for its own message before it serves requests.
const PATIENCE: Duration = Duration::from_secs(3);

/// Learns the clock of the broker, unless it is known, or the broker tells in another way how long a
/// request has waited. If that fails, the first requests may count as younger than they are.
///
/// # Cancel safety
/// When dropped, it leaves nothing behind.
pub(super) async fn learn_clock(transport: &dyn Transport, topic: &Topic) {
    if transport.clock().is_none_or(BrokerClock::is_known) {
        return;
    }
    if !matches!(
        timeout(PATIENCE, probe(transport, topic)).await,
        Ok(Some(()))
    ) {
        tracing::debug!(
            topic = topic.as_str(),
            "the clock of the broker is not known: requests that waited there may count as younger"
        );
    }
}

/// Sends a message to a topic that only this module reads, and waits for it.
async fn probe(transport: &dyn Transport, topic: &Topic) -> Option<()> {
    let own = topic.response_topic_of(random::bits()).ok()?;
    let subscription: Subscription = format!("rust-clock-{}", random::name()).parse().ok()?;
    let mut subscriber = transport.subscribe(&own, &Reading::caller(subscription));
    subscriber.connected().await.ok()?;
    // The Django broker creates a topic when it accepts a message that names it for the responses.
    publish(transport, topic, &own).await?;
    publish(transport, &own, &own).await?;
    let delivery = subscriber.receive().await?;
    subscriber.acknowledge(delivery.message_id).await;
    Some(())
}

/// Publishes a message that no module answers, and waits for its receipt.
async fn publish(transport: &dyn Transport, to: &Topic, own: &Topic) -> Option<()> {
    let publisher: Publisher = transport.publisher(to, PublisherOptions::default());
    let context = random::first_context().to_smolstr();
    let message = Outgoing {
        payload: Bytes::new(),
        properties: Properties::new()
            .with_message_type(MessageType::Log)
            .with(key::REQUEST_CONTEXT, context.as_str())
            .with(key::RESPONSE_TOPIC, own.as_str()),
        context,
        expires: Some(Instant::now() + PATIENCE),
        awaited_until: None,
    };
    let receipt = publisher.publish(message).await.ok()?;
    receipt.await.ok()?.ok()
}
