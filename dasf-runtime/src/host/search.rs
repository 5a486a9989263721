//! Searching for another module on the topic of this module.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::api_info::{ApiInfo, extension};
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Subscription, Topic};
use smol_str::ToSmolStr;

use crate::random;
use crate::transport::{Outgoing, Publisher, PublisherOptions, Reading, Subscriber, Transport};

/// How long the connections of a search may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a search waits for a pong.
const PATIENCE: Duration = Duration::from_secs(5);

/// Searches for another module: pings the topic, and waits for a pong on its own response topic.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// Weak, so that the search does not keep the connections of a host open.
    transport: Weak<dyn Transport>,
    topic: Topic,
    own: OwnPings,
    /// Whether this module is in a group. Then only modules without a group are searched for.
    is_in_group: bool,
}

/// The response topic of a host's own search. The host does not answer pings from there.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnPings(Arc<OnceLock<Topic>>);

impl OwnPings {
    pub(super) fn contain(&self, response_topic: &Topic) -> bool {
        self.0.get() == Some(response_topic)
    }
}

impl Search {
    pub(super) fn new(
        transport: &Arc<dyn Transport>,
        topic: Topic,
        own: OwnPings,
        is_in_group: bool,
    ) -> Self {
        let transport = Arc::downgrade(transport);
        Self {
            transport,
            topic,
            own,
            is_in_group,
        }
    }

    /// Returns whether another module answers on the topic. The result is also `false` if the
    /// broker does not answer, for example because it does not let the module publish to its own
    /// topic.
    ///
    /// # Cancel safety
    /// When dropped, it leaves nothing behind.
    pub(super) async fn run(self) -> bool {
        let response_topic = self.topic.response_topic_of(random::bits());
        let subscription: Result<Subscription, _> =
            format!("rust-search-{}", random::name()).parse();
        let (Some(transport), Ok(response_topic), Ok(subscription)) =
            (self.transport.upgrade(), response_topic, subscription)
        else {
            return false;
        };
        // A host searches once. The topic of a second search would be unknown to the dispatcher.
        if self.own.0.set(response_topic.clone()).is_err() {
            return false;
        }
        let mut subscriber = transport.subscribe(&response_topic, &Reading::caller(subscription));
        let mut publisher = transport.publisher(&self.topic, PublisherOptions::default());
        drop(transport);
        let is_found = self.ping(&mut subscriber, &mut publisher, &response_topic);
        let is_found = is_found.await;
        publisher.finish().await;
        subscriber.finish().await;
        is_found
    }

    async fn ping(
        &self,
        subscriber: &mut Subscriber,
        publisher: &mut Publisher,
        response_topic: &Topic,
    ) -> bool {
        let connected = async { tokio::join!(subscriber.connected(), publisher.connected()) };
        match tokio::time::timeout(CONNECTION_TIMEOUT, connected).await {
            Ok((Ok(()), Ok(()))) => {}
            Ok((Err(error), _) | (_, Err(error))) => {
                tracing::debug!(
                    topic = self.topic.as_str(),
                    error = error.to_string(),
                    "cannot search for other modules on the topic"
                );
                return false;
            }
            Err(_) => return false,
        }
        let context = random::first_context().to_smolstr();
        // The description of a module shows whether it is in a group.
        let question = match self.is_in_group {
            true => MessageType::ApiInfo,
            false => MessageType::Ping,
        };
        let ping = Outgoing {
            payload: Bytes::new(),
            context: context.clone(),
            properties: Properties::new()
                .with_message_type(question)
                .with(key::REQUEST_CONTEXT, context.as_str())
                .with(key::RESPONSE_TOPIC, response_topic.as_str()),
            expires: Some(tokio::time::Instant::now() + PATIENCE),
            awaited_until: None,
        };
        let pong = async {
            let receipt = publisher.publish(ping).await.ok()?;
            receipt.await.ok()?.ok()?;
            loop {
                let delivery = subscriber.receive().await?;
                subscriber.acknowledge(delivery.message_id).await;
                let properties = delivery.properties;
                if properties.request_context().as_deref() == Some(&*context)
                    && self.is_another(&properties)
                {
                    return Some(());
                }
            }
        };
        matches!(tokio::time::timeout(PATIENCE, pong).await, Ok(Some(())))
    }

    /// Returns whether an answer comes from a module that is searched for.
    fn is_another(&self, properties: &Properties) -> bool {
        if !self.is_in_group {
            return properties.message_type() == Some(MessageType::Pong);
        }
        // The modules of this group answer, too, and this one.
        let description = properties.text(key::API_INFO).unwrap_or_default();
        let description: Option<ApiInfo> = serde_json::from_str(description).ok();
        description.is_some_and(|it| !it.speaks(extension::REQUESTS_ON_DEMAND))
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::host::scripted::{Scripted, pong};
    use crate::transport::Received;

    /// A search that has sent its ping.
    struct Pinged {
        search: JoinHandle<bool>,
        own: OwnPings,
        context: String,
        response_topic: Topic,
        deliveries: tokio::sync::mpsc::Sender<Received>,
        _transport: Arc<dyn Transport>,
    }

    async fn ping(is_in_group: bool) -> Pinged {
        let (transport, mut opened, mut subscribed) = Scripted::open();
        let topic: Topic = "demo".parse().unwrap();
        let own = OwnPings::default();
        let search = Search::new(&transport, topic.clone(), own.clone(), is_in_group);
        let search = tokio::spawn(search.run());
        let read = subscribed.recv().await.unwrap();
        let mut sent = opened.recv().await.unwrap();
        let ping = sent.queue.recv().await.unwrap();
        let properties = ping.message.properties.clone();
        ping.settle(&topic, Ok(()));
        let deliveries = read.deliveries.queue.clone();
        // The connections stay open until the search closes its ends.
        tokio::spawn(async move { while sent.queue.recv().await.is_some() {} });
        tokio::spawn(async move { read.deliveries.queue.closed().await });
        Pinged {
            search,
            own,
            context: properties.request_context().unwrap().into_owned(),
            response_topic: properties.response_topic().unwrap(),
            deliveries,
            _transport: transport,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_shows_another_module() {
        let pinged = ping(false).await;
        assert!(pinged.own.contain(&pinged.response_topic));
        // dasf-broker-django stores contexts in columns of 32 bits.
        let context: u64 = pinged.context.parse().unwrap();
        assert!(context <= random::LAST_CONTEXT, "{context}");
        let deliveries = &pinged.deliveries;
        deliveries.send(pong("other")).await.unwrap();
        deliveries.send(pong(&pinged.context)).await.unwrap();
        assert!(pinged.search.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_searches_for_modules_without_a_group() {
        for (speaks, expected) in [
            (extension::REQUESTS_ON_DEMAND, false),
            (extension::REQUEST_FRAGMENTS, true),
        ] {
            let pinged = ping(true).await;
            let mut answer = pong(&pinged.context);
            let description = serde_json::json!({
                "functions": [], "classes": [], "rpc_schema": {},
                "x_dasf": {"version": 1, "speaks": [speaks]},
            });
            answer.delivery.properties = answer
                .delivery
                .properties
                .with_message_type(MessageType::Response)
                .with(key::API_INFO, description.to_string());
            pinged.deliveries.send(answer).await.unwrap();
            assert_eq!(pinged.search.await.unwrap(), expected, "{speaks}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_pong_the_search_ends() {
        let pinged = ping(false).await;
        pinged.deliveries.send(pong("other")).await.unwrap();
        let begin = tokio::time::Instant::now();
        assert!(!pinged.search.await.unwrap());
        assert!(begin.elapsed() <= PATIENCE);
    }
}
