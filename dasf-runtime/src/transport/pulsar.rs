//! Apache Pulsar over its WebSocket API.
//!
//! This module follows the API of Pulsar 4.0:
//! <https://pulsar.apache.org/docs/4.0.x/client-libraries-websocket/>.

mod standing;

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::base_url::{BaseUrl, encoded};
use super::json::Json;
use super::json_kept::{JsonTopic, Otherwise, UNSUBSCRIBE};
use super::websocket::{self, Endpoint, MAX_LETTERS};
use super::{
    BrokerClock, ConnectError, DeadLetterTopic, DiscoveredModule, Feature, Keeping, KeptMessages,
    Publisher, PublisherOptions, Reader, Reading, Subscriber, Transport, Trust,
};
use crate::activity::TopicActivity;
use standing::Standing;

/// How many messages a sender may be ahead of a reader of a non-persistent topic. Such a topic
/// drops messages that come while the reader's connection is busy with another one.
const MAX_UNREAD: usize = 1;

/// The subscription that reads dead letters. It keeps those that are neither sent again nor dropped.
const LETTERS_READER: &str = "dasf-dead";

/// A Pulsar, whose topics are paths below a tenant and a namespace.
#[derive(Debug, Clone)]
pub(crate) struct Pulsar {
    pub(crate) producer: BaseUrl,
    pub(crate) consumer: BaseUrl,
    /// Whether topics keep messages until they are acknowledged.
    pub(crate) is_persistent: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: Trust,
    pub(crate) runtime: Handle,
    pub(crate) clock: Arc<BrokerClock>,
}

impl Pulsar {
    fn consumer(&self, topic: &Topic, reading: &Reading) -> Endpoint {
        let mut parameters = match reading.reader {
            Reader::Caller => not_durable(),
            Reader::Alone => Vec::new(),
            Reader::Group if self.is_persistent => reading.shared_parameters(),
            // A non-persistent topic drops messages for which a consumer has no room, so do not
            // limit it.
            Reader::Group => Reading {
                prefetch: None,
                ..reading.clone()
            }
            .shared_parameters(),
        };
        // A Pulsar does not know which messages a reader begins. So it counts those that come back.
        let max_redeliveries = reading
            .max_deaths
            .filter(|_| reading.reader == Reader::Group);
        parameters.extend(max_redeliveries.map(|max| ("maxRedeliverCount", max.to_string())));
        let subscription = match reading.reader {
            Reader::Alone if self.is_persistent => standing::NAME,
            _ => reading.subscription.as_str(),
        };
        self.subscription(topic, subscription, &parameters)
    }

    fn producer(&self, topic: &Topic) -> Endpoint {
        Endpoint {
            url: self.producer.join(topic.as_str(), &[]),
            below: topic.to_string(),
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    fn subscription(&self, topic: &Topic, name: &str, parameters: &[(&str, String)]) -> Endpoint {
        let path = format!("{topic}/{name}");
        Endpoint {
            url: self.consumer.join(&path, parameters),
            below: path,
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    /// Returns why the topics or the subscription cannot serve a reading; `None` if they can.
    fn refusal(&self, reading: &Reading) -> Option<ConnectError> {
        let refuse = |feature, reason: &str| {
            Some(ConnectError::Unsupported {
                url: self.consumer.to_string(),
                feature,
                reason: reason.to_owned(),
            })
        };
        match (reading.reader, self.is_persistent) {
            (Reader::Caller, _) => None,
            (Reader::Alone, _) if reading.max_deaths.is_some() => refuse(
                Feature::RedeliveryLimit,
                "a Pulsar counts only the requests that the modules of a group return; a dasf-broker counts by its \
                 WebSocket URL",
            ),
            (_, false) if reading.redelivers() => refuse(
                Feature::Redelivery,
                "non-persistent topics do not keep messages; only persistent topics do",
            ),
            (Reader::Alone, true) if reading.at_least_once => refuse(
                Feature::RedeliveryWithoutGroup,
                "a Pulsar keeps messages for a subscription, and all modules must use the same one, that of their group",
            ),
            _ => None,
        }
    }
}

/// Returns the parameters of a subscription that ends with its connection.
fn not_durable() -> Vec<(&'static str, String)> {
    vec![("subscriptionMode", "NonDurable".to_owned())]
}

impl Pulsar {
    fn kept_topic<'t>(&'t self, topic: &'t Topic) -> JsonTopic<'t> {
        JsonTopic {
            consumer: &self.consumer,
            headers: &self.headers,
            trust: &self.trust,
            runtime: &self.runtime,
            topic,
            otherwise: Otherwise::Subscription {
                is_persistent: self.is_persistent,
                broker: self,
            },
        }
    }
}

impl Transport for Pulsar {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let endpoint = self.producer(topic);
        websocket::publisher(&self.runtime, Json::default(), endpoint, topic, options)
    }

    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber {
        if let Some(refusal) = self.refusal(reading) {
            return Subscriber::refused(reading, refusal);
        }
        let json = Json {
            farewell: None,
            gives_back: true,
            lacks: None,
            clock: Some(Arc::clone(&self.clock)),
        };
        let (runtime, endpoint) = (&self.runtime, self.consumer(topic, reading));
        let subscriber = if reading.reader == Reader::Alone && self.is_persistent {
            let name = reading.subscription.as_str();
            let own = self.subscription(topic, name, &not_durable());
            let dialect = Standing::new(json, own);
            websocket::subscriber(runtime, dialect, endpoint, topic, reading)
        } else {
            websocket::subscriber(runtime, json, endpoint, topic, reading)
        };
        subscriber.with_clock(&self.clock)
    }

    fn removes_late(&self) -> bool {
        true
    }

    fn delivers_cancelled_jobs(&self) -> bool {
        true
    }

    fn greet<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<HeaderMap, ConnectError>> {
        Box::pin(async move { websocket::greet(&self.producer(topic)).await })
    }

    fn keep<'t>(
        &'t self,
        topic: &'t Topic,
        time: Duration,
    ) -> BoxFuture<'t, Result<Keeping, ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).keep(time).await })
    }

    fn kept<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<KeptMessages, ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).kept().await })
    }

    fn forget<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<(), ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).forget().await })
    }

    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<DiscoveredModule>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(websocket::read_listing(
            &self.producer,
            headers,
            trust,
        )))
    }

    fn activity(&self) -> Option<BoxFuture<'_, Result<Vec<TopicActivity>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(websocket::read_activity(
            &self.producer,
            headers,
            trust,
        )))
    }

    fn dead_letters(&self, topic: &Topic, group: &Subscription) -> Option<DeadLetterTopic> {
        let path = format!(
            "{}/{LETTERS_READER}",
            encoded(&format!("{topic}-{group}-DLQ"))
        );
        let parameters = [
            ("subscriptionInitialPosition", "Earliest".to_owned()),
            ("receiverQueueSize", MAX_LETTERS.to_string()),
        ];
        let endpoint = |url: String, below: String| Endpoint {
            url,
            below,
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        };
        self.is_persistent.then(|| DeadLetterTopic {
            letters: endpoint(self.consumer.join(&path, &parameters), path),
            requests: endpoint(self.producer.join(topic.as_str(), &[]), topic.to_string()),
        })
    }

    fn dead_requests(
        &self,
        path: String,
    ) -> Option<BoxFuture<'_, Result<Vec<serde_json::Value>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(async move {
            websocket::read_dead(&self.producer, &path, headers, trust).await
        }))
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn clock(&self) -> Option<&BrokerClock> {
        Some(&self.clock)
    }

    fn max_unread(&self) -> Option<usize> {
        (!self.is_persistent).then_some(MAX_UNREAD)
    }

    /// All messages of a non-persistent topic have the same id.
    fn has_unique_message_ids(&self) -> bool {
        self.is_persistent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulsar(persistence: &str) -> Pulsar {
        let url = |role: &str| {
            BaseUrl::parse(&format!(
                "ws://h:80/ws/v2/{role}/{persistence}/public/default"
            ))
            .unwrap()
        };
        Pulsar {
            producer: url("producer"),
            consumer: url("consumer"),
            is_persistent: persistence == "persistent",
            headers: HeaderMap::new(),
            trust: Trust::default(),
            runtime: Handle::current(),
            clock: Arc::default(),
        }
    }

    fn url(pulsar: &Pulsar, reading: &Reading) -> String {
        let topic = "demo".parse().unwrap();
        pulsar.consumer(&topic, reading).url
    }

    #[tokio::test]
    async fn a_topic_has_tenant_and_namespace() {
        let reading = Reading::alone("reader-1".parse().unwrap());
        assert_eq!(
            url(&pulsar("non-persistent"), &reading),
            "ws://h:80/ws/v2/consumer/non-persistent/public/default/demo/reader-1"
        );
        assert_eq!(
            url(&pulsar("persistent"), &reading),
            "ws://h:80/ws/v2/consumer/persistent/public/default/demo/dasf-module",
            "the next module finds it"
        );
    }

    #[tokio::test]
    async fn a_caller_s_subscription_is_forgotten() {
        let url = url(
            &pulsar("persistent"),
            &Reading::caller("reader-1".parse().unwrap()),
        );
        let query = "demo/reader-1?subscriptionMode=NonDurable";
        assert!(url.ends_with(query), "{url}");
    }

    #[tokio::test]
    async fn a_group_shares_a_subscription_and_takes_what_it_can_work_on() {
        let reading = Reading {
            prefetch: Some(4),
            max_deaths: Some(3),
            ..Reading::group("workers".parse().unwrap())
        };
        let shared = "?subscriptionType=Shared&negativeAckRedeliveryDelay=1000&receiverQueueSize=4&maxRedeliverCount=3";
        assert!(url(&pulsar("persistent"), &reading).ends_with(&format!("demo/workers{shared}")));
        let volatile = Reading {
            max_deaths: None,
            ..reading
        };
        let url = url(&pulsar("non-persistent"), &volatile);
        assert!(
            url.ends_with("?subscriptionType=Shared&negativeAckRedeliveryDelay=1000"),
            "{url}"
        );
    }

    #[tokio::test]
    async fn what_cannot_come_again_is_refused() {
        let again = |reading| Reading {
            at_least_once: true,
            ..reading
        };
        let volatile = pulsar("non-persistent");
        let error = volatile
            .refusal(&again(Reading::group("workers".parse().unwrap())))
            .unwrap();
        let told = error.to_string();
        assert!(told.ends_with("only persistent topics do"), "{told}");
        let advice = error.advice().unwrap();
        assert!(advice.contains("--persistent persistent"), "{advice}");
        assert_eq!(
            volatile.refusal(&Reading::group("workers".parse().unwrap())),
            None
        );
        let limited = Reading {
            max_deaths: Some(1),
            ..Reading::alone("r".parse().unwrap())
        };
        for persistence in ["persistent", "non-persistent"] {
            let error = pulsar(persistence).refusal(&limited).unwrap();
            assert_eq!(error.advice().unwrap(), "remove --max-deaths");
        }
        let persistent = pulsar("persistent");
        let error = persistent
            .refusal(&again(Reading::alone("r".parse().unwrap())))
            .unwrap();
        let told = error.to_string();
        assert!(told.ends_with("that of their group"), "{told}");
        let advice = error.advice().unwrap();
        assert!(advice.contains("--group NAME"), "{advice}");
        assert_eq!(
            persistent.refusal(&again(Reading::group("workers".parse().unwrap()))),
            None
        );
    }
}
